package bulk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/printable"
	"github.com/changetrail/changetrail/schemas"
)

// A Server is the part other than _bulk that both engines have in common.
type Server struct {
	Indexer
	Engine      string // schemas.Elasticsearch or schemas.OpenSearch
	RecordIndex string // index or pattern for searching records; the alias of all records if empty
	EventIndex  string // the same for events; all namespaces if empty
}

// Name implements [sinks.Engine].
func (s *Server) Name() string { return s.Engine }

// Request sends a request and returns the status and the body of the answer. It returns an error
// only if there is no answer.
func (s *Server) Request(ctx context.Context, method, path string, body []byte) (int, jsontext.Value, error) {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, path, reader)
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := s.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("%s: %w", s.Engine, err)
	}
	defer res.Body.Close()
	if s.Engine == schemas.OpenSearch && res.Header.Get("X-Elastic-Product") != "" {
		return 0, nil, errors.New("opensearch: the server is Elasticsearch; set sink.engine to elasticsearch")
	}
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return 0, nil, fmt.Errorf("%s: reading the answer to %s %s: %w", s.Engine, method, path, err)
	}
	return res.StatusCode, answer, nil
}

// Version returns the version that the server states, after a check that it is the right product.
// It is empty if the server does not offer GET /.
func (s *Server) Version(ctx context.Context) (version string, err error) {
	status, body, err := s.Request(ctx, http.MethodGet, "/", nil)
	if err != nil {
		return "", err
	}
	switch status {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		return "", fmt.Errorf("%s: HTTP %d: the credentials are missing or wrong; set sink.username and sink.password, or sink.api_key", s.Engine, status)
	default:
		// A stripped-down server does not offer GET /. The cluster health still answers, and lets
		// the client check the product.
		if status, _, err = s.Request(ctx, http.MethodGet, "/_cluster/health", nil); err != nil {
			return "", err
		}
		if status != http.StatusOK {
			return "", fmt.Errorf("%s: GET / and /_cluster/health do not answer (HTTP %d)", s.Engine, status)
		}
		return "unknown", nil
	}
	var info struct {
		Version struct {
			Number string `json:"number"`
		} `json:"version"`
	}
	if err := json.Unmarshal(body, &info); err != nil {
		return "", fmt.Errorf("%s: the answer to GET / is not JSON; is this the engine's address?", s.Engine)
	}
	return info.Version.Number, nil
}

// Ready implements [sinks.Engine]: it checks that the index templates exist. Without them the
// engine would guess the mappings of the indexes.
func (s *Server) Ready(ctx context.Context, namespace string) error {
	if _, err := s.Version(ctx); err != nil {
		return err
	}
	return s.Templates(ctx, "changetrail-event", "changetrail-record")
}

// Templates checks that index templates exist.
func (s *Server) Templates(ctx context.Context, names ...string) error {
	for _, name := range names {
		status, body, err := s.Request(ctx, http.MethodGet, "/_index_template/"+name, nil)
		switch {
		case err != nil:
			return err
		case status == http.StatusNotFound:
			return fmt.Errorf("%s: index template %s does not exist; run changetrail setup", s.Engine, name)
		case status == http.StatusForbidden:
			return nil // no right to look: then somebody else manages the templates
		case status != http.StatusOK:
			return fmt.Errorf("%s: GET /_index_template/%s: HTTP %d: %s", s.Engine, name, status, printable.Beginning(body, 200))
		}
	}
	return nil
}

// Transport returns an HTTP transport for a few long connections.
func Transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 16
	t.ResponseHeaderTimeout = 90 * time.Second
	t.WriteBufferSize, t.ReadBufferSize = 64<<10, 64<<10
	return t
}

// A Connection is how to reach an engine.
type Connection struct {
	Addresses          []string
	Username, Password string
	APIKey             string // Elasticsearch, base64 of id:key
	CAFile             string // PEM; the system's roots if empty
	Gzip               int    // level of request compression, 0 is none
}
