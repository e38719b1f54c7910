package gateway

import (
	"bytes"
	"compress/gzip"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
)

// TestLargeRequestsOfOneSenderTakeTurns: they leave CPU to others; small requests, those of
// other senders and those whose body does not arrive delay nobody.
func TestLargeRequestsOfOneSenderTakeTurns(t *testing.T) {
	known, tokens := credentials(t, "name: a, agent: a", "name: b, agent: b")
	s := newSite(t, func(c *Config, _ *producer.Options) { c.Credentials, c.Limits.Wait = known, 100*time.Millisecond })
	action := func(agent string, n int) []byte {
		return []byte(said(record.TypeActionPerformed, `,"subject":"acme/docs#1"`, `{"agent":{"id":"`+agent+`"},"tool":"T","arguments":{"x":"`+strings.Repeat("x", n)+`"}}`))
	}
	packed := func(text []byte) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write(text)
		_ = w.Close()
		return b.Bytes()
	}
	json := map[string]string{"Content-Type": "application/cloudevents+json"}
	zipped := with(json, "Content-Encoding", "gzip")
	want := func(name string, header map[string]string, token string, body []byte, status int) {
		t.Helper()
		if r := s.send(t, "POST", "/v1/events", with(header, "Authorization", token), body); r.status != status {
			t.Errorf("%s: %d %.200s, want %d", name, r.status, r.body, status)
		}
	}
	const large, worked = 2 << 20, http.StatusRequestEntityTooLarge // which is found out by reading it
	want("large", json, tokens[0], action("a", large), worked)
	turns := s.gateway.limiter.turns(senderKey{name: "credential a"})
	for range cap(turns) {
		turns <- struct{}{}
	}
	want("large, while others of the sender are at work", json, tokens[0], action("a", large), http.StatusTooManyRequests)
	want("small, and large once it is unpacked", zipped, tokens[0], packed(action("a", large)), http.StatusTooManyRequests)
	want("small", json, tokens[0], action("a", 1000), 204)
	want("large, of another sender", json, tokens[1], action("b", large), worked)
	for range cap(turns) {
		<-turns
	}
	for range cap(turns) + 2 { // they say that they are large, and do not come
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_, _ = conn.Write([]byte("POST /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + tokens[0] + "\r\nContent-Length: 4000000\r\n\r\n" + strings.Repeat(" ", 3_000_000)))
	}
	time.Sleep(50 * time.Millisecond)
	want("large, while bodies do not come", json, tokens[0], action("a", large), worked)
	if n := len(turns); n != 0 {
		t.Errorf("%d turns are taken for ever", n)
	}
}

// TestAHandlerThatPanicsGivesItsSlotBack: otherwise as many panics as there are slots would stop
// the gateway.
func TestAHandlerThatPanicsGivesItsSlotBack(t *testing.T) {
	s := newSite(t, func(c *Config, _ *producer.Options) { c.Limits.Requests = 1 })
	n := 0
	h := s.gateway.For(func(Sender) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			n++
			panic(http.ErrAbortHandler)
		})
	})
	for range 3 {
		func() {
			defer func() { _ = recover() }()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/mcp", nil))
		}()
	}
	if n != 3 || len(s.gateway.slots) != 0 {
		t.Errorf("%d of 3 requests were answered, and %d slots are taken", n, len(s.gateway.slots))
	}
}
