package elasticsearch

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"github.com/changetrail/changetrail/sinks/bulk"
)

// TestAnyOtherServerThanElasticsearchIsRefused: the first success decides; an error of a proxy in front of the
// cluster decides nothing.
func TestAnyOtherServerThanElasticsearchIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		answers []int // status codes; negative ones come with the product's header
		want    string
	}{
		"Elasticsearch":                    {[]int{-200, -200}, ""},
		"another product":                  {[]int{200}, "not Elasticsearch"},
		"another product keeps being":      {[]int{200, 200}, "not Elasticsearch"},
		"a proxy refuses at first":         {[]int{502, 401, -200}, ""},
		"a proxy, then another product":    {[]int{503, 200}, "not Elasticsearch"},
		"once sure, the header may be cut": {[]int{-200, 200}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				code := c.answers[n]
				n++
				if code < 0 {
					w.Header().Set("X-Elastic-Product", "Elasticsearch")
					code = -code
				}
				w.WriteHeader(code)
				_, _ = io.WriteString(w, `{"version":{"number":"8.19.0"}}`)
			}))
			defer server.Close()
			client, err := newClient(bulk.Connection{Addresses: []string{server.URL}})
			if err != nil {
				t.Fatal(err)
			}
			var res *esapi.Response
			for range c.answers {
				if res, err = (esapi.InfoRequest{}).Do(t.Context(), client); err == nil {
					res.Body.Close()
				}
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("the last answer: %v, want %q", err, c.want)
			}
		})
	}
}

func TestCredentials(t *testing.T) {
	for name, c := range map[string]struct {
		user string // in the URL
		c    bulk.Connection
		want string
	}{
		"none":                   {},
		"a password":             {c: bulk.Connection{Username: "ann", Password: "p"}, want: "Basic YW5uOnA="},
		"in the URL":             {user: "bob:q@", c: bulk.Connection{Username: "ann", Password: "p"}, want: "Basic Ym9iOnE="},
		"a key before passwords": {c: bulk.Connection{Username: "ann", Password: "p", APIKey: "a2V5"}, want: "APIKey a2V5"},
	} {
		t.Run(name, func(t *testing.T) {
			var said http.Header
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				said = r.Header
				w.Header().Set("X-Elastic-Product", "Elasticsearch")
			}))
			defer server.Close()
			c.c.Addresses = []string{strings.Replace(server.URL, "http://", "http://"+c.user, 1) + "/"}
			engine, err := New(c.c)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := engine.Request(t.Context(), http.MethodGet, "/", nil); err != nil {
				t.Fatal(err)
			}
			if got := said.Get("Authorization"); got != c.want {
				t.Errorf("Authorization: %q, want %q", got, c.want)
			}
			if agent := said.Get("User-Agent"); !strings.HasPrefix(agent, "go-elasticsearch/8.") {
				t.Errorf("User-Agent: %q", agent)
			}
		})
	}
}

func TestAuthorities(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
	}))
	defer server.Close()
	dir := t.TempDir()
	ca, empty := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "empty.pem")
	for name, text := range map[string][]byte{ca: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), empty: nil} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ file, want string }{
		{ca, ""}, {"", "certificate"}, {empty, "no PEM certificate"}, {filepath.Join(dir, "none"), "CA file"},
	} {
		engine, err := New(bulk.Connection{Addresses: []string{server.URL}, CAFile: c.file})
		if err == nil {
			_, _, err = engine.Request(t.Context(), http.MethodGet, "/", nil)
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("CA file %q: %v, want %q", c.file, err, c.want)
		}
	}
	for _, bad := range [][]string{nil, {"http://a b"}} {
		if _, err := New(bulk.Connection{Addresses: bad}); err == nil || !strings.Contains(err.Error(), "address") {
			t.Errorf("addresses %q: %v", bad, err)
		}
	}
}
