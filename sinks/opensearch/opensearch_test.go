package opensearch_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/bulk"
	"github.com/changetrail/changetrail/sinks/opensearch"
)

func TestCredentials(t *testing.T) {
	for name, c := range map[string]struct {
		c    bulk.Connection
		want string
	}{
		"none":       {},
		"a password": {c: bulk.Connection{Username: "ann", Password: "p"}, want: "Basic YW5uOnA="},
	} {
		var got string
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("Authorization") }))
		defer server.Close()
		c.c.Addresses = []string{server.URL}
		engine, err := opensearch.New(c.c)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := engine.Request(t.Context(), http.MethodGet, "/", nil); err != nil {
			t.Fatal(err)
		}
		if got != c.want {
			t.Errorf("%s: Authorization: %q, want %q", name, got, c.want)
		}
	}
	if _, err := opensearch.New(bulk.Connection{APIKey: "k"}); err == nil || !strings.Contains(err.Error(), "set sink.username") {
		t.Errorf("an API key: %v", err)
	}
}

func TestAuthorities(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	dir := t.TempDir()
	ca, empty := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "empty.pem")
	for name, text := range map[string][]byte{ca: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), empty: []byte("no certificate")} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ file, want string }{
		{ca, ""}, {"", "certificate"}, {empty, "certificate"}, {filepath.Join(dir, "none"), "CA file"},
	} {
		engine, err := opensearch.New(bulk.Connection{Addresses: []string{server.URL}, CAFile: c.file})
		if err == nil {
			_, _, err = engine.Request(t.Context(), http.MethodGet, "/", nil)
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("CA file %q: %v, want %q", c.file, err, c.want)
		}
	}
}

// TestOneTryARequest: what is tried again is the decision of the sink's worker.
func TestOneTryARequest(t *testing.T) {
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n++
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	engine, err := opensearch.New(bulk.Connection{Addresses: []string{server.URL}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Put(t.Context(), []sinks.Document{{Index: "i", ID: "1", Body: []byte("{}")}}); err == nil || n != 1 {
		t.Errorf("%d requests, %v", n, err)
	}
}
