package serving

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// server answers with size bytes, in writes of step, and reports how each answer ended.
func server(t *testing.T, size, step int, patience time.Duration) (s *httptest.Server, ended chan error) {
	ended = make(chan error, 100)
	s = httptest.NewServer(dropStalled(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		text := bytes.Repeat([]byte("x"), step)
		for sent := 0; sent < size; sent += step {
			if _, err := w.Write(text); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}), 1<<20, patience))
	t.Cleanup(s.Close)
	return s, ended
}

func TestWhoDoesNotReadIsCutOff(t *testing.T) {
	for _, step := range []int{1 << 10, 64 << 20} { // in many writes, and in one
		s, ended := server(t, 64<<20, step, 300*time.Millisecond)
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		select {
		case err := <-ended:
			if err == nil {
				t.Errorf("in writes of %d: all was written", step)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("in writes of %d: the answer is still held", step)
		}
	}
}

func TestWhoReadsSlowlyGetsAll(t *testing.T) {
	const size = 24 << 20
	s, ended := server(t, size, 8<<20, 400*time.Millisecond)
	res, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	n, began := 0, time.Now()
	for b := make([]byte, 2<<20); ; time.Sleep(60 * time.Millisecond) {
		k, err := io.ReadFull(res.Body, b)
		if n += k; err != nil {
			break
		}
	}
	if n != size || <-ended != nil || time.Since(began) < 500*time.Millisecond {
		t.Errorf("%d of %d bytes came in %s", n, size, time.Since(began))
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	const most = 3
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open, highest atomic.Int32
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				highest.Store(max(highest.Load(), open.Add(1)))
			case http.StateClosed, http.StateHijacked:
				open.Add(-1)
			}
		},
	}
	go s.Serve(Limit(l, most))
	var all []net.Conn
	for range 10 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	time.Sleep(100 * time.Millisecond)
	for _, c := range all { // each is served once others have left
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("%v", err)
		}
		c.Close()
	}
	if highest.Load() > most {
		t.Errorf("%d connections were open, want at most %d", highest.Load(), most)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
