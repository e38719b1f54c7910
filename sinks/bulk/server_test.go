package bulk_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks/bulk"
)

// An answer to requests for a path.
type answer struct {
	status int
	body   string
}

// answering returns an engine that has these answers, and says that all else is not there.
func answering(t *testing.T, name string, answers map[string]answer) *engine {
	t.Helper()
	e := newEngine(t, name, nil)
	e.spoil = func(w http.ResponseWriter, r *http.Request, _ func()) {
		a, ok := answers[r.URL.Path]
		if !ok {
			a = answer{http.StatusNotFound, `{"error":"not there"}`}
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}
	return e
}

// TestReady: a sink begins where the indexes are set up, and says what is missing elsewhere.
func TestReady(t *testing.T) {
	const event, rec = "/_index_template/changetrail-event", "/_index_template/changetrail-record"
	up := answer{http.StatusOK, `{"version":{"number":"8.19.0"}}`}
	there := answer{http.StatusOK, `{}`}
	for name, c := range map[string]struct {
		answers map[string]answer
		want    string
	}{
		"all is there":                      {map[string]answer{"/": up, event: there, rec: there}, ""},
		"no template of events":             {map[string]answer{"/": up, rec: there}, "changetrail-event "},
		"no template of records":            {map[string]answer{"/": up, event: there}, "changetrail-record "},
		"templates may not be read":         {map[string]answer{"/": up, event: {403, ""}}, ""},
		"templates cannot be read":          {map[string]answer{"/": up, event: {500, "out of memory"}}, "HTTP 500: out of memory"},
		"no credentials":                    {map[string]answer{"/": {401, ""}}, "HTTP 401"},
		"others' credentials":               {map[string]answer{"/": {403, ""}}, "HTTP 403"},
		"a page":                            {map[string]answer{"/": {200, "<html>"}}, "not JSON"},
		"no handler for /, and healthy":     {map[string]answer{"/_cluster/health": there, event: there, rec: there}, ""},
		"no handler for /, and not healthy": {map[string]answer{"/_cluster/health": {503, ""}}, "HTTP 503"},
	} {
		for _, engine := range []string{schemas.Elasticsearch, schemas.OpenSearch} {
			err := answering(t, engine, c.answers).Ready(t.Context(), "default")
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), engine)) {
				t.Errorf("%s, %s: %v, want %q", engine, name, err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "%!") {
				t.Errorf("%s, %s: %v", engine, name, err)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	for _, engine := range []string{schemas.Elasticsearch, schemas.OpenSearch} {
		e := answering(t, engine, map[string]answer{"/": {200, `{"version":{"number":"3.1.0"}}`}})
		if v, err := e.Version(t.Context()); err != nil || v != "3.1.0" {
			t.Errorf("%s: %q, %v", engine, v, err)
		}
		e = answering(t, engine, map[string]answer{"/_cluster/health": {200, `{}`}})
		if v, err := e.Version(t.Context()); err != nil || v != "unknown" {
			t.Errorf("%s without a handler for /: %q, %v", engine, v, err)
		}
	}
}

// TestTheOtherProduct is refused, before anything is written to it.
func TestTheOtherProduct(t *testing.T) {
	e := newEngine(t, schemas.OpenSearch, nil)
	e.spoil = func(w http.ResponseWriter, _ *http.Request, _ func()) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
	}
	if err := e.Ready(t.Context(), "default"); err == nil || !strings.Contains(err.Error(), "set sink.engine to elasticsearch") {
		t.Errorf("Elasticsearch for OpenSearch: %v", err)
	}
	e = newEngine(t, schemas.Elasticsearch, nil)
	e.spoil = func(w http.ResponseWriter, _ *http.Request, _ func()) { w.Header().Del("X-Elastic-Product") }
	if err := e.Ready(t.Context(), "default"); err == nil || !strings.Contains(err.Error(), "set sink.engine to opensearch") {
		t.Errorf("OpenSearch for Elasticsearch: %v", err)
	}
	if _, err := e.Put(t.Context(), two()); err == nil || len(e.indexes) > 0 {
		t.Errorf("documents for another product: %v", err)
	}
}

// TestNoAnswer is an error with the name of the engine, whatever is asked.
func TestNoAnswer(t *testing.T) {
	e := newEngine(t, schemas.OpenSearch, func(c *bulk.Connection) { c.Addresses = []string{"http://127.0.0.1:1"} })
	if err := e.Ready(t.Context(), "default"); err == nil || !strings.Contains(err.Error(), "opensearch: ") {
		t.Errorf("ready: %v", err)
	}
	if _, err := e.Record(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "opensearch: ") {
		t.Errorf("a record: %v", err)
	}
	cut := newEngine(t, schemas.OpenSearch, nil)
	cut.spoil = func(w http.ResponseWriter, _ *http.Request, _ func()) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"hits":{`)
	}
	if _, err := cut.Record(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "opensearch: reading the answer to POST") {
		t.Errorf("an answer that is cut: %v", err)
	}
	if _, _, err := cut.Request(t.Context(), "NO METHOD", "/", nil); err == nil {
		t.Error("a request that cannot be sent is no error")
	}
}
