package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/capture"
)

// silent is a server that accepts connections and never answers. Each connection is sent on the channel.
func silent(t *testing.T) (address string, connected <-chan net.Conn) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns, ended := make(chan net.Conn, 100), make(chan bool)
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns <- c
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
		for range len(conns) {
			_ = (<-conns).Close()
		}
	})
	return l.Addr().String(), conns
}

// TestAServiceThatIsStoppedWhileItStartsHasNotFailed: each waits for a broker or a
// receiver that never answers.
func TestAServiceThatIsStoppedWhileItStartsHasNotFailed(t *testing.T) {
	dir := t.TempDir()
	policy := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(policy, []byte("services: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"enrich --policy " + policy + " --state-dir " + filepath.Join(dir, "state"),
		"sink --engine opensearch --url http://SILENT",
		"sink --engine splunk --url http://SILENT",
		"sink --engine otlp --url http://SILENT",
		"sink --engine syslog --url tcp://SILENT",
		"sink --engine lake --bucket " + dir,
		"sink --engine ocsf-topic",
	} {
		t.Run(strings.Join(strings.Fields(line)[:3], " "), func(t *testing.T) {
			t.Parallel()
			server, connected := silent(t)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			out, ended := new(capture.Output), make(chan int, 1)
			environ := []string{"CHANGETRAIL_SINK_TOKEN=a token of the tests", "HOME=" + t.TempDir()}
			go func() {
				ended <- Run(ctx, strings.Fields(strings.ReplaceAll(line, "SILENT", server)+" --brokers "+server), strings.NewReader(""), out, out, environ)
			}()
			select {
			case c := <-connected:
				defer func() { _ = c.Close() }()
			case code := <-ended:
				t.Fatalf("it ended with %d before it waited for anything: %s", code, out)
			case <-time.After(30 * time.Second):
				t.Fatalf("it connects to nothing: %s", out)
			}
			stop()
			select {
			case code := <-ended:
				if code != exitOK || strings.Contains(out.String(), "cancel") {
					t.Errorf("exit code %d: %s", code, out)
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("it does not stop: %s", out)
			}
		})
	}
}

// TestAFailureIsReportedThoughTheServiceWasStopped: only the end of the context is none.
func TestAFailureIsReportedThoughTheServiceWasStopped(t *testing.T) {
	stopped, stop := context.WithCancel(t.Context())
	stop()
	full := errors.New("the disk is full")
	_, dialed := new(net.Dialer).DialContext(stopped, "tcp", "127.0.0.1:9") // it has an error of its own for this
	canceled := fmt.Errorf("kafka: %w", context.Canceled)
	for _, c := range []struct {
		ctx       context.Context
		err, want error
	}{
		{stopped, canceled, nil},
		{stopped, errors.Join(canceled, canceled), nil},
		{stopped, errors.Join(canceled, full), full},
		{stopped, fmt.Errorf("kafka: unable to dial: %w", dialed), nil},
		{stopped, full, full},
		{stopped, nil, nil},
		{t.Context(), canceled, canceled},
	} {
		got := unlessStopped(c.ctx, c.err)
		if c.want == nil && got != nil || !errors.Is(got, c.want) || errors.Is(c.want, full) && errors.Is(got, context.Canceled) {
			t.Errorf("%v becomes %v, want %v", c.err, got, c.want)
		}
	}
}
