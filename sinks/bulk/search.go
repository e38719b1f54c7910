package bulk

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/printable"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// order is newest first; records with the same time are sorted by id. A change may have records in
// several namespaces.
var order = []any{map[string]any{"@timestamp": "desc"}, map[string]any{"changetrail.change.id": "asc"}, map[string]any{"_index": "asc"}}

// deepest is index.max_result_window: the largest sum of from and size.
const deepest = 10_000

// An answer is the part of the answer of _search that is read.
type answer struct {
	Hits struct {
		Total struct {
			Value int `json:"value"`
		} `json:"total"`
		Hits []hit `json:"hits"`
	} `json:"hits"`
	Point        string `json:"pit_id"` // the point in time that was searched, if any
	Aggregations map[string]struct {
		Buckets []struct {
			Key  jsontext.Value `json:"key"`
			N    int            `json:"doc_count"`
			Last struct {
				Millis float64 `json:"value"`
			} `json:"last"`
		} `json:"buckets"`
		After jsontext.Value `json:"after_key"`
	} `json:"aggregations"`
}

// A hit is a document that was found.
type hit struct {
	ID     string         `json:"_id"`
	Source jsontext.Value `json:"_source"`
	Sort   jsontext.Value `json:"sort"` // the values by which it is sorted
}

// records returns the index or pattern of the records.
func (s *Server) records() string { return cmp.Or(s.RecordIndex, schemas.RecordsAlias) }

// search asks an index. An answer from only some of its shards is an error.
func (s *Server) search(ctx context.Context, index string, body map[string]any) (*answer, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	path := "/" + index + "/_search?allow_no_indices=false&allow_partial_search_results=false"
	if body["pit"] != nil { // which names the index
		path = "/_search?allow_partial_search_results=false"
	}
	status, res, err := s.Request(ctx, http.MethodPost, path, text)
	if err != nil {
		return nil, err
	}
	if err := s.refusal(index, status, res); err != nil {
		return nil, err
	}
	var a answer
	if err := json.Unmarshal(res, &a); err != nil {
		return nil, fmt.Errorf("%s: the answer to a search cannot be read: %w", s.Engine, err)
	}
	return &a, nil
}

// refusal returns the error of an answer to a search of an index.
func (s *Server) refusal(index string, status int, res []byte) error {
	switch status {
	case http.StatusOK:
		return nil
	case http.StatusNotFound:
		return fmt.Errorf("%s has no index %s yet; run changetrail setup, and check that a sink runs", s.Engine, index)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%s: HTTP %d: the credentials may not search %s; set sink.username and sink.password, or sink.api_key", s.Engine, status, index)
	}
	return fmt.Errorf("%s: search: HTTP %d: %s", s.Engine, status, printable.Beginning(res, 500))
}

// Search answers a query over the records.
func (s *Server) Search(ctx context.Context, q query.Request) (*query.Result, error) {
	if q.Skip+q.Size > deepest {
		return nil, fmt.Errorf("%s shows only the first %d results; narrow the search or the time range", s.Engine, deepest)
	}
	aggs := make(map[string]any)
	for _, f := range q.Facets {
		aggs[f] = map[string]any{"terms": map[string]any{
			"field": f, "size": cmp.Or(q.FacetSize, query.DefaultFacetSize),
			"order": []any{map[string]any{"_count": "desc"}, map[string]any{"_key": "asc"}},
		}}
	}
	const histogram = "over time"
	if q.Interval > 0 {
		aggs[histogram] = map[string]any{"date_histogram": map[string]any{"field": "@timestamp", "fixed_interval": fmt.Sprintf("%dms", q.Interval.Milliseconds()), "min_doc_count": 1}}
	}
	body := map[string]any{
		"query": map[string]any{"bool": map[string]any{"filter": query.DSL(q.Where)}},
		"sort":  sortedBy(q.Sort), "from": q.Skip, "size": q.Size, "track_total_hits": true,
	}
	if len(aggs) > 0 {
		body["aggs"] = aggs
	}
	a, err := s.search(ctx, s.records(), body)
	if err != nil {
		return nil, err
	}
	res := &query.Result{Total: a.Hits.Total.Value, Facets: make(map[string][]query.Count)}
	for _, h := range a.Hits.Hits {
		res.Hits = append(res.Hits, query.Hit{ID: h.ID, Doc: h.Source})
	}
	for name, agg := range a.Aggregations {
		for _, b := range agg.Buckets {
			if name == histogram {
				var ms int64
				if err := json.Unmarshal(b.Key, &ms); err != nil {
					return nil, fmt.Errorf("%s: histogram: %w", s.Engine, err)
				}
				res.Histogram = append(res.Histogram, query.Bucket{Start: time.UnixMilli(ms).UTC(), N: b.N})
				continue
			}
			var v string
			if err := json.Unmarshal(b.Key, &v); err != nil {
				return nil, fmt.Errorf("%s: facet %s: %w", s.Engine, name, err)
			}
			res.Facets[name] = append(res.Facets[name], query.Count{Value: v, N: b.N})
		}
	}
	return res, nil
}

// sortedBy returns the order of a search.
func sortedBy(s query.Sort) []any {
	if s.Field.Name == "" {
		return order
	}
	direction := "desc"
	if s.Ascending {
		direction = "asc"
	}
	return []any{map[string]any{s.Field.Name: map[string]any{"order": direction, "missing": "_last"}}, order[1]}
}

// All calls f with every matching record, newest first: those that the index had at one moment.
func (s *Server) All(ctx context.Context, where query.Node, f func(query.Hit) error) error {
	body := map[string]any{"query": map[string]any{"bool": map[string]any{"filter": query.DSL(where)}}, "sort": order}
	return s.walk(ctx, s.records(), body, func(h hit) error { return f(query.Hit{ID: h.ID, Doc: h.Source}) })
}

// Record returns the newest revision of a record; nil if there is none.
func (s *Server) Record(ctx context.Context, id string) (jsontext.Value, error) {
	a, err := s.search(ctx, s.records(), map[string]any{
		"query": map[string]any{"ids": map[string]any{"values": []string{id}}},
		"sort":  []any{map[string]any{"changetrail.revision": "desc"}}, "size": 1,
	})
	if err != nil || len(a.Hits.Hits) == 0 {
		return nil, err
	}
	return a.Hits.Hits[0].Source, nil
}

// named is the maximum number of records that Named returns.
const named = 10

// Named returns the newest revisions of the records of changes that have id under another name of
// their repository.
func (s *Server) Named(ctx context.Context, id record.ChangeID) ([]jsontext.Value, error) {
	a, err := s.search(ctx, s.records(), map[string]any{
		"query": map[string]any{"term": map[string]any{"changetrail.change.other_ids": id}},
		"sort":  []any{map[string]any{"changetrail.revision": "desc"}}, "size": named,
	})
	if err != nil {
		return nil, err
	}
	var out []jsontext.Value
	for _, h := range a.Hits.Hits {
		out = append(out, h.Source)
	}
	return out, nil
}

// inTime is the order of events: by their stated time, then by their identity.
var inTime = []any{
	map[string]any{"@timestamp": "asc"},
	map[string]any{"event.id": "asc"},
	map[string]any{"event.provider": "asc"},
	map[string]any{"changetrail.event.digest": "asc"},
	map[string]any{"changetrail.event.sender": map[string]any{"order": "asc", "unmapped_type": "keyword", "missing": "_first"}},
	map[string]any{"_index": "asc"},
}

// Events calls f with each event that matches q and the id of its document, in the order of their
// stated times. An event that is in the indexes of several namespaces is passed once: its documents
// are next to each other.
func (s *Server) Events(ctx context.Context, q schemas.EventQuery, f func(id string, doc jsontext.Value) error) error {
	if q.Change == "" && len(q.Refs) == 0 {
		return nil // an engine takes a condition without alternatives for one that all meet
	}
	last := ""
	return s.walk(ctx, cmp.Or(s.EventIndex, schemas.EventIndex("*")), map[string]any{"query": eventsOf(q), "sort": inTime}, func(h hit) error {
		if h.ID == last {
			return nil
		}
		last = h.ID
		return f(h.ID, h.Source)
	})
}

// maxTerms is how many values one condition of the engines may have.
const maxTerms = 60_000

// eventsOf returns the query that finds the events of q.
func eventsOf(q schemas.EventQuery) map[string]any {
	var shoulds []any
	if q.Change != "" {
		shoulds = append(shoulds, map[string]any{"term": map[string]any{"changetrail.change.id": q.Change}})
	}
	for refs := range slices.Chunk(q.Refs, maxTerms) {
		shoulds = append(shoulds, ofRepository(q.Repository, map[string]any{"terms": map[string]any{"changetrail.refs": refs}}))
	}
	var runs []string // documents of former versions have only the names of their run
	for _, r := range q.Refs {
		if run := r.Run(); run != "" {
			runs = append(runs, run)
		}
	}
	if len(runs) > 0 {
		former := ofRepository(q.Repository, map[string]any{"terms": map[string]any{"changetrail.run": runs[:min(len(runs), maxTerms)]}})
		former["bool"].(map[string]any)["must_not"] = map[string]any{"exists": map[string]any{"field": "changetrail.change.id"}}
		shoulds = append(shoulds, former)
	}
	return map[string]any{"bool": map[string]any{"should": shoulds, "minimum_should_match": 1}}
}

func ofRepository(repo record.Repository, where map[string]any) map[string]any {
	return map[string]any{"bool": map[string]any{"filter": []any{where, map[string]any{"term": map[string]any{"changetrail.repository": repo}}}}}
}

// Heard returns on which days events of each source arrived, from a time on.
func (s *Server) Heard(ctx context.Context, namespace string, since time.Time) (out []schemas.Heard, err error) {
	by := map[string]any{"size": 1000, "sources": []any{
		map[string]any{"source": map[string]any{"terms": map[string]any{"field": "event.provider"}}},
		map[string]any{"day": map[string]any{"date_histogram": map[string]any{"field": "event.created", "calendar_interval": "1d"}}},
	}}
	body := map[string]any{
		"size": 0, "query": map[string]any{"range": map[string]any{"event.created": map[string]any{"gte": since.UTC().Format(time.RFC3339)}}},
		"aggs": map[string]any{"heard": map[string]any{"composite": by, "aggs": map[string]any{"last": map[string]any{"max": map[string]any{"field": "event.created"}}}}},
	}
	for {
		a, err := s.search(ctx, schemas.EventIndex(namespace), body)
		if err != nil {
			return nil, err
		}
		page := a.Aggregations["heard"]
		for _, b := range page.Buckets {
			var key struct {
				Source string `json:"source"`
				Day    int64  `json:"day"`
			}
			if err := json.Unmarshal(b.Key, &key); err != nil {
				return nil, fmt.Errorf("%s: days of sources: %w", s.Engine, err)
			}
			out = append(out, schemas.Heard{Source: key.Source, Day: time.UnixMilli(key.Day).UTC(), Last: time.UnixMilli(int64(b.Last.Millis)).UTC()})
		}
		if by["after"] = page.After; len(page.Buckets) == 0 || page.After == nil {
			return out, nil
		}
	}
}

// Values returns values of a keyword field that begin with a prefix, for completion.
func (s *Server) Values(ctx context.Context, field, prefix string, limit int) ([]string, error) {
	if strings.ContainsRune(prefix, 0) {
		return nil, nil
	}
	a, err := s.search(ctx, s.records(), map[string]any{
		"size":  0,
		"query": map[string]any{"prefix": map[string]any{field: prefix}},
		"aggs":  map[string]any{"v": map[string]any{"terms": map[string]any{"field": field, "size": limit, "include": literally(prefix) + ".*", "order": map[string]any{"_key": "asc"}}}},
	})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, b := range a.Aggregations["v"].Buckets {
		var v string
		if err := json.Unmarshal(b.Key, &v); err == nil {
			out = append(out, v)
		}
	}
	return out, nil
}

// literally escapes the characters that are special in Lucene's regular expressions.
func literally(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(`.?+*|{}[]()"\#@&<>~`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
