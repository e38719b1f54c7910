package bulk_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks/bulk"
	"github.com/changetrail/changetrail/sinks/elasticsearch"
	"github.com/changetrail/changetrail/sinks/opensearch"
)

type object = map[string]any

// A stored document.
type stored struct {
	version int64
	body    string
	doc     object
}

// An engine stores what _bulk sends and finds what _search asks for, as far as package bulk
// asks for it.
type engine struct {
	*bulk.Server
	url      string
	mu       sync.Mutex
	indexes  map[string]map[string]stored
	closed   map[string]bool // indexes that take nothing
	largest  int             // bytes of a body; any number where 0
	bulks    int             // requests
	searches []object        // bodies of the last searches
	points   map[string]point
	opened   int // points in time

	// spoil, if set, is called for each request after its body was read. It may answer in
	// place of the engine, before or after it calls do, which does what is asked.
	spoil func(w http.ResponseWriter, r *http.Request, do func())
}

// newEngine returns an engine that listens, and its client.
func newEngine(t testing.TB, name string, change func(*bulk.Connection)) *engine {
	t.Helper()
	e := &engine{indexes: make(map[string]map[string]stored), closed: make(map[string]bool), points: make(map[string]point)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name == schemas.Elasticsearch {
			w.Header().Set("X-Elastic-Product", "Elasticsearch")
		}
		e.serve(w, r)
	}))
	t.Cleanup(server.Close)
	e.url = server.URL
	c := bulk.Connection{Addresses: []string{server.URL}}
	if change != nil {
		change(&c)
	}
	open := elasticsearch.New
	if name == schemas.OpenSearch {
		open = opensearch.New
	}
	var err error
	if e.Server, err = open(c); err != nil {
		t.Fatal(err)
	}
	return e
}

// mend ends what spoil does. A request whose connection was cut may still be at work.
func (e *engine) mend() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.spoil = nil
}

func (e *engine) serve(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	in := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		in = z
	}
	body, err := io.ReadAll(in)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if e.spoil != nil {
		e.spoil(w, r, func() { e.answer(r, string(body)) })
		return
	}
	status, answer := e.answer(r, string(body))
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func (e *engine) answer(r *http.Request, body string) (int, any) {
	switch {
	case r.URL.Path == "/_bulk":
		if e.bulks++; e.largest > 0 && len(body) > e.largest {
			return http.StatusRequestEntityTooLarge, object{}
		}
		return http.StatusOK, e.bulk(body)
	case r.Method == http.MethodDelete && (r.URL.Path == "/_pit" || r.URL.Path == "/_search/point_in_time"):
		for _, id := range pointsIn(body) {
			delete(e.points, id)
		}
		return http.StatusOK, object{}
	case strings.HasSuffix(r.URL.Path, "/_pit"), strings.HasSuffix(r.URL.Path, "/_search/point_in_time"):
		return http.StatusOK, e.openPoint(r.URL.Path)
	case strings.HasSuffix(r.URL.Path, "/_search"):
		var q object
		if err := json.Unmarshal([]byte(body), &q); err != nil {
			return http.StatusBadRequest, object{}
		}
		e.searches = append(e.searches, q)
		if pit, ok := q["pit"].(object); ok {
			p, ok := e.points[pit["id"].(string)]
			if !ok || r.URL.Path != "/_search" {
				return http.StatusNotFound, object{}
			}
			return search(p.indexes, p.pattern, q)
		}
		return search(e.indexes, strings.TrimPrefix(path.Dir(r.URL.Path), "/"), q)
	case r.URL.Path == "/":
		return http.StatusOK, object{"version": object{"number": "8.19.0"}}
	}
	return http.StatusOK, object{}
}

// A point is a point in time: what the indexes had when it was opened.
type point struct {
	pattern string
	indexes map[string]map[string]stored
}

func (e *engine) openPoint(at string) object {
	copied := make(map[string]map[string]stored)
	for name, docs := range e.indexes {
		copied[name] = maps.Clone(docs)
	}
	id := fmt.Sprintf("point %d", e.opened)
	e.opened++
	e.points[id] = point{strings.Split(at, "/")[1], copied}
	if e.Engine == schemas.OpenSearch {
		return object{"pit_id": id}
	}
	return object{"id": id}
}

// pointsIn returns the ids in a request to close points.
func pointsIn(body string) []string {
	var q struct {
		ID  string   `json:"id"`
		IDs []string `json:"pit_id"`
	}
	_ = json.Unmarshal([]byte(body), &q)
	return append(q.IDs, q.ID)
}

// bulk stores documents and answers about each.
func (e *engine) bulk(body string) object {
	lines := bufio.NewScanner(strings.NewReader(body))
	lines.Buffer(nil, 64<<20)
	var items []object
	errors := false
	for lines.Scan() {
		var action map[string]struct {
			Index   string `json:"_index"`
			ID      string `json:"_id"`
			Type    string `json:"version_type"`
			Version int64  `json:"version"`
		}
		if err := json.Unmarshal(lines.Bytes(), &action); err != nil || !lines.Scan() {
			return object{"error": object{"type": "illegal_argument_exception", "reason": "Malformed action/metadata line"}, "status": 400}
		}
		for name, a := range action {
			version := a.Version
			if name == "index" && a.Type != "external" {
				version = -1 // would overwrite whatever is there
			}
			status, kind := e.store(a.Index, a.ID, version, lines.Text())
			item := object{"status": status}
			if errors = errors || status >= 300; status >= 300 {
				item["error"] = object{"type": kind, "reason": "[1:2] the engine does not take the document"}
			}
			items = append(items, object{name: item})
		}
	}
	return object{"took": 1, "errors": errors, "items": items}
}

func (e *engine) store(index, id string, version int64, body string) (status int, kind string) {
	var doc object
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		return http.StatusBadRequest, "document_parsing_exception"
	}
	if at, _ := doc["@timestamp"].(string); at != "" {
		if _, err := time.Parse(time.RFC3339, at); err != nil {
			return http.StatusBadRequest, "document_parsing_exception"
		}
	}
	if doc["nobody_knows"] != nil {
		return http.StatusBadRequest, "strict_dynamic_mapping_exception"
	}
	if e.closed[index] {
		return http.StatusBadRequest, "index_closed_exception"
	}
	if have, ok := e.indexes[index][id]; ok && (version == 0 || version <= have.version) {
		return http.StatusConflict, "version_conflict_engine_exception"
	}
	if e.indexes[index] == nil {
		e.indexes[index] = make(map[string]stored)
	}
	e.indexes[index][id] = stored{version, body, doc}
	return http.StatusCreated, ""
}

// A hit is a document that was found, with the values that it is sorted by.
type hit struct {
	ID     string          `json:"_id"`
	Source json.RawMessage `json:"_source"`
	Sort   []any           `json:"sort"`
	doc    object
}

// search finds documents.
func search(indexes map[string]map[string]stored, pattern string, q object) (int, any) {
	var hits []hit
	known := false
	for name, docs := range indexes {
		if ok, _ := path.Match(pattern, name); !ok && pattern != schemas.RecordsAlias {
			continue
		}
		known = true
		for id, s := range docs {
			if where, ok := q["query"].(object); !ok || matches(where, id, s.doc) {
				hits = append(hits, hit{ID: id, Source: json.RawMessage(s.body), doc: s.doc})
			}
		}
	}
	if !known {
		return http.StatusNotFound, object{"error": object{"type": "index_not_found_exception"}}
	}
	order, _ := q["sort"].([]any)
	for i := range hits {
		hits[i].Sort = sortValues(order, hits[i].doc)
	}
	slices.SortFunc(hits, func(a, b hit) int { return compare(order, a.Sort, b.Sort) })
	total, found := len(hits), hits
	if after, ok := q["search_after"].([]any); ok {
		hits = slices.DeleteFunc(slices.Clone(hits), func(h hit) bool { return compare(order, h.Sort, after) <= 0 })
	}
	from, size := 0, 10
	if n, ok := q["from"].(float64); ok {
		from = int(n)
	}
	if n, ok := q["size"].(float64); ok {
		size = int(n)
	}
	hits = hits[min(from, len(hits)):]
	return http.StatusOK, object{"hits": object{"total": object{"value": total}, "hits": hits[:min(size, len(hits))]}, "aggregations": aggregate(q, found)}
}
