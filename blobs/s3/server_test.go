//go:build servers

package s3

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/changetrail/changetrail/blobs/blobtest"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/foreign"
)

// TestServer runs the store against Versity's S3 gateway, which checks signatures.
func TestServer(t *testing.T) {
	own(t)
	address := gateway(t)
	where := "s3://evidence?region=us-east-1&endpoint=" + url.QueryEscape("http://"+address)
	s, err := Open(where)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), []byte("a")); err == nil || !strings.Contains(err.Error(), "create the bucket") {
		t.Errorf("a bucket that is not there: %v", err)
	}
	b, err := open("evidence", url.Values{"region": {"us-east-1"}, "endpoint": {"http://" + address}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.core.MakeBucket(t.Context(), b.name, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	blobtest.RunBucket(t, b)
	beside, err := OpenBucket(where + "&prefix=beside/")
	if err != nil {
		t.Fatal(err)
	}
	blobtest.RunBucket(t, beside)

	ours := []byte("put once")
	digest, err := s.Put(t.Context(), ours)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	stranger, err := Open(where)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Get(t.Context(), digest); err == nil || !strings.Contains(err.Error(), "AWS_SECRET_ACCESS_KEY") {
		t.Errorf("who has a wrong secret: %v", err)
	}
	if _, err := stranger.Get(t.Context(), digests.Of(nil)); err == nil {
		t.Error("who has a wrong secret reads")
	}
}

// gateway starts the server and returns where it listens.
func gateway(t *testing.T) string {
	t.Helper()
	program := filepath.Join(foreign.Program(t, "github.com/versity/versitygw/cmd/versitygw", "v1.8.0"), "versitygw")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close() // for the server to listen there
	data := t.TempDir()
	cmd := exec.CommandContext(t.Context(), program, "--port", address, "--access", "id", "--secret", "secret", "--quiet", "posix", "--sidecar", t.TempDir(), data) // which keeps what a condition is checked against
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		cancel()
		if err == nil {
			_ = res.Body.Close() // any answer will do
			return address
		}
		if time.Now().After(deadline) {
			t.Fatalf("the S3 server does not answer: %v", err)
		}
	}
}
