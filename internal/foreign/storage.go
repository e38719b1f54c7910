package foreign

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// What a client of the server that [S3] starts logs in with.
const (
	S3ID     = "id"
	S3Secret = "secret"
)

// S3 starts Versity's S3 gateway, which checks signatures. It returns the server's address and its
// folder, which has a folder for each bucket.
func S3(t *testing.T) (address, dir string) {
	t.Helper()
	program := filepath.Join(Program(t, "github.com/versity/versitygw/cmd/versitygw", "v1.8.0"), "versitygw")
	address, dir = freeAddress(t), t.TempDir()
	// The sidecar keeps what a condition is checked against.
	serve(t, address, program, "--port", address, "--access", S3ID, "--secret", S3Secret, "--quiet", "posix", "--sidecar", t.TempDir(), dir)
	return address, dir
}

// Azure starts Azurite, which Microsoft makes for tests of programs that use Azure's Blob Storage. It
// returns the server's address.
func Azure(t *testing.T) (address string) {
	t.Helper()
	program := filepath.Join(Node(t, "azurite@3.37.0"), ".bin", "azurite-blob")
	address = freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	serve(t, address, program, "--blobPort", port, "--location", t.TempDir(), "--silent", "--skipApiVersionCheck", "--disableTelemetry")
	return address
}

// GoogleStorage starts an emulator of Google Cloud Storage with a bucket. It returns the server's
// address. It is no server of Google's: Google publishes none.
func GoogleStorage(t *testing.T, bucket string) (address string) {
	t.Helper()
	program := filepath.Join(Program(t, "github.com/fsouza/fake-gcs-server", "v1.56.1"), "fake-gcs-server")
	address = freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	data := t.TempDir()
	if err := os.Mkdir(filepath.Join(data, bucket), 0o700); err != nil {
		t.Fatal(err)
	}
	serve(t, address, program, "-scheme", "http", "-host", "127.0.0.1", "-port", port, "-backend", "memory", "-data", data, "-public-host", address, "-log-level", "error")
	return address
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // for a server to listen there
	return l.Addr().String()
}

// serve starts a server, and returns once it answers. The server ends with the test.
func serve(t *testing.T, address, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...) //nolint:gosec // tests choose the programs
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := answers(t, "http://"+address)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer: %v", program, err)
		}
	}
}

// answers returns nil if a server answers, whatever it says.
func answers(t *testing.T, url string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}
