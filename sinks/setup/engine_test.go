package setup_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks/bulk"
	"github.com/changetrail/changetrail/sinks/elasticsearch"
	"github.com/changetrail/changetrail/sinks/opensearch"
)

// both runs a test with each engine.
func both(t *testing.T, f func(t *testing.T, e *engine)) {
	for _, name := range []string{schemas.Elasticsearch, schemas.OpenSearch} {
		t.Run(name, func(t *testing.T) { f(t, newEngine(t, name)) })
	}
}

// object is a JSON object.
type object = map[string]any

// An index is one of the engine, or a data stream.
type index struct {
	Mapping any
	Aliases any
	Stream  bool
}

// An engine keeps what setup makes, and answers as the engine of its name does.
type engine struct {
	*bulk.Server
	mu        sync.Mutex
	Policies  map[string]object
	Templates map[string]object
	Indexes   map[string]index
	seq       int
	changes   []string // requests that changed something
	requests  int

	// before is called before each request. Where it returns a status, that is the answer.
	before func(r *http.Request) (status int, answer string)
	// cutBefore and cutAfter are the numbers of the requests at which the connection is cut,
	// before or after the engine did what was asked; none where 0.
	cutBefore, cutAfter int
	cut                 string // the method of the request that was cut
}

func newEngine(t *testing.T, name string) *engine {
	t.Helper()
	e := &engine{Policies: make(map[string]object), Templates: make(map[string]object), Indexes: make(map[string]index)}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	open := elasticsearch.New
	if name == schemas.OpenSearch {
		open = opensearch.New
	}
	var err error
	if e.Server, err = open(bulk.Connection{Addresses: []string{server.URL}}); err != nil {
		t.Fatal(err)
	}
	return e
}

// state is all that the engine has, without the numbers that grow with each change.
func (e *engine) state(t *testing.T) string {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	text, err := json.MarshalIndent([]any{e.Policies, e.Templates, e.Indexes}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// took returns the requests that changed something since it was called last.
func (e *engine) took() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := e.changes
	e.changes = nil
	return out
}

// wasCut returns the method of the request that was cut, "" if none was. That request may still
// be at work.
func (e *engine) wasCut() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cut
}

// cutAt has the connection cut at a request, once the engine did what was asked or before. The
// requests are counted from the first that the engine was asked.
func (e *engine) cutAt(request int, done bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cutBefore = request; done {
		e.cutBefore, e.cutAfter = 0, request
	}
}

func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.requests++; e.requests == e.cutBefore {
		e.cut = r.Method
		panic(http.ErrAbortHandler)
	}
	var body object
	if text, _ := io.ReadAll(r.Body); len(text) > 0 {
		if err := json.Unmarshal(text, &body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	status, answer := e.answer(r, body)
	if e.requests == e.cutAfter {
		e.cut = r.Method
		panic(http.ErrAbortHandler)
	}
	if e.Name() == schemas.Elasticsearch {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
	}
	w.WriteHeader(status)
	_, _ = w.Write(answer)
}

func (e *engine) answer(r *http.Request, body object) (int, []byte) {
	if e.before != nil {
		if status, answer := e.before(r); status != 0 {
			return status, []byte(answer)
		}
	}
	policies := "/_ilm/policy/"
	if e.Name() == schemas.OpenSearch {
		policies = "/_plugins/_ism/policies/"
	}
	name := path.Base(r.URL.Path)
	var status int
	var answer any
	switch {
	case strings.HasPrefix(r.URL.Path, policies):
		status, answer = e.policy(r, name, body)
	case strings.HasPrefix(r.URL.Path, "/_index_template/"):
		status, answer = e.template(r, name, body)
	case name == "_mapping" && r.Method == http.MethodPut:
		status, answer = e.mapping(r, body)
	case strings.HasPrefix(r.URL.Path, "/_data_stream/"):
		status, answer = e.index(r, name, true)
	case strings.HasPrefix(r.URL.Path, "/_"):
		status, answer = http.StatusBadRequest, object{"error": "no handler found for uri [" + r.URL.Path + "]"}
	default:
		status, answer = e.index(r, name, false)
	}
	text, _ := json.Marshal(answer)
	return status, text
}

func (e *engine) changed(r *http.Request) (int, any) {
	e.changes = append(e.changes, r.Method+" "+r.URL.Path)
	return http.StatusOK, object{"acknowledged": true}
}

// policy answers about a lifecycle policy, which has defaults beside what was written.
func (e *engine) policy(r *http.Request, name string, body object) (int, any) {
	have := e.Policies[name]
	if r.Method == http.MethodGet {
		switch {
		case have == nil:
			return http.StatusNotFound, object{"error": object{"type": "resource_not_found_exception"}}
		case e.Name() == schemas.OpenSearch:
			return http.StatusOK, object{"_id": name, "_seq_no": e.seq, "_primary_term": 1, "policy": have}
		}
		return http.StatusOK, object{name: object{"version": 1, "modified_date": "2026-01-01T00:00:00Z", "policy": have}}
	}
	if e.Name() == schemas.OpenSearch {
		seq := r.URL.Query().Get("if_seq_no")
		if have == nil && seq != "" || have != nil && seq != fmt.Sprint(e.seq) {
			return http.StatusConflict, object{"error": object{"type": "version_conflict_engine_exception"}}
		}
		e.seq++
	}
	policy := body["policy"].(object)
	policy["schema_version"] = 21
	e.Policies[name] = policy
	return e.changed(r)
}

func (e *engine) template(r *http.Request, name string, body object) (int, any) {
	if r.Method == http.MethodGet {
		if e.Templates[name] == nil {
			return http.StatusNotFound, object{"error": object{"type": "resource_not_found_exception"}}
		}
		return http.StatusOK, object{"index_templates": []any{object{"name": name, "index_template": e.Templates[name]}}}
	}
	e.Templates[name] = body
	return e.changed(r)
}

// index answers about an index or a data stream, which is made as its template says.
func (e *engine) index(r *http.Request, name string, stream bool) (int, any) {
	if _, ok := e.Indexes[name]; ok || r.Method != http.MethodPut {
		switch {
		case ok && r.Method == http.MethodPut:
			return http.StatusBadRequest, object{"error": object{"type": "resource_already_exists_exception"}}
		case ok:
			return http.StatusOK, object{}
		}
		return http.StatusNotFound, object{"error": object{"type": "index_not_found_exception"}}
	}
	made := index{Stream: stream}
	for _, t := range e.Templates {
		_, forStream := t["data_stream"]
		if pattern := t["index_patterns"].([]any)[0].(string); forStream != stream || !matches(pattern, name) {
			continue
		}
		template := t["template"].(object)
		made.Mapping, made.Aliases = template["mappings"], template["aliases"]
	}
	if stream && made.Mapping == nil {
		return http.StatusBadRequest, object{"error": object{"type": "illegal_argument_exception", "reason": "no matching index template found for data stream [" + name + "]"}}
	}
	e.Indexes[name] = made
	return e.changed(r)
}

// mapping adds to the mapping of each index that a pattern names.
func (e *engine) mapping(r *http.Request, body object) (int, any) {
	pattern := path.Base(path.Dir(r.URL.Path))
	different := false
	for name, x := range e.Indexes {
		if !matches(pattern, name) || cmp.Equal(x.Mapping, any(body)) {
			continue
		}
		x.Mapping, different = body, true
		e.Indexes[name] = x
	}
	if !different {
		return http.StatusOK, object{"acknowledged": true}
	}
	return e.changed(r)
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// mappingOf is the mapping that this version has for an index.
func (e *engine) mappingOf(t *testing.T, name string) any {
	t.Helper()
	text, err := schemas.Mapping(e.Name(), name)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}
