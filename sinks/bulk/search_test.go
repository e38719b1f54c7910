package bulk_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
)

var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// A rec is what the tests look at of a record.
type rec struct {
	Time   time.Time `json:"@timestamp"`
	Detail struct {
		Revision int64 `json:"revision"`
		Change   struct {
			ID    string   `json:"id"`
			Other []string `json:"other_ids,omitempty"`
		} `json:"change"`
		Agent struct {
			ID string `json:"id,omitempty"`
		} `json:"agent"`
	} `json:"changetrail"`
}

// withRecords returns an engine with n records: a day apart from the next, every third by an agent.
func withRecords(t *testing.T, n int) *engine {
	t.Helper()
	return withRecordsOn(t, schemas.Elasticsearch, n)
}

func withRecordsOn(t *testing.T, name string, n int) *engine {
	t.Helper()
	e := newEngine(t, name, nil)
	var docs []sinks.Document
	for i := range n {
		var r rec
		r.Time, r.Detail.Revision = start.AddDate(0, 0, i/2), int64(i+1)
		r.Detail.Change.ID = fmt.Sprintf("github.com/acme/p/pull/%04d", i)
		r.Detail.Change.Other = []string{fmt.Sprintf("github.com/acme/former/pull/%04d", i%100)}
		r.Detail.Agent.ID = []string{"bot.one", "bot.one", "botxone"}[i%3]
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, sinks.Document{Index: "changetrail-record-default-2026.03", ID: r.Detail.Change.ID, Version: 1, Body: text})
	}
	if _, err := e.Put(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	return e
}

func idsOf(hits []query.Hit) (out []string) {
	for _, h := range hits {
		out = append(out, h.ID[len(h.ID)-4:])
	}
	return out
}

func TestSearch(t *testing.T) {
	e := withRecords(t, 9)
	agent := query.Field{Name: "changetrail.agent.id", Kind: query.Keyword}
	for name, c := range map[string]struct {
		q     query.Request
		total int
		want  []string
	}{
		"the newest first":       {query.Request{Where: query.All{}, Size: 4}, 9, []string{"0008", "0006", "0007", "0004"}},
		"the next page":          {query.Request{Where: query.All{}, Skip: 4, Size: 4}, 9, []string{"0005", "0002", "0003", "0000"}},
		"past the end":           {query.Request{Where: query.All{}, Skip: 100, Size: 4}, 9, nil},
		"by a field":             {query.Request{Where: query.All{}, Size: 2, Sort: query.Sort{Field: query.Field{Name: "changetrail.revision"}}}, 9, []string{"0008", "0007"}},
		"by a field, ascending":  {query.Request{Where: query.All{}, Size: 2, Sort: query.Sort{Field: query.Field{Name: "changetrail.revision"}, Ascending: true}}, 9, []string{"0000", "0001"}},
		"what meets a condition": {query.Request{Where: query.Term{Field: agent, Value: "botxone"}, Size: 9}, 3, []string{"0008", "0005", "0002"}},
	} {
		res, err := e.Search(t.Context(), c.q)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, idsOf(res.Hits)); diff != "" || res.Total != c.total {
			t.Errorf("%s: %d in all (-want +got):\n%s", name, res.Total, diff)
		}
	}
	res, err := e.Search(t.Context(), query.Request{Where: query.All{}, Facets: []string{agent.Name, "changetrail.change.id"}, FacetSize: 3, Interval: 48 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	want := &query.Result{Total: 9, Facets: map[string][]query.Count{
		agent.Name:              {{Value: "bot.one", N: 6}, {Value: "botxone", N: 3}},
		"changetrail.change.id": {{Value: "github.com/acme/p/pull/0000", N: 1}, {Value: "github.com/acme/p/pull/0001", N: 1}, {Value: "github.com/acme/p/pull/0002", N: 1}},
	}, Histogram: res.Histogram}
	if diff := cmp.Diff(want, res); diff != "" {
		t.Errorf("facets (-want +got):\n%s", diff)
	}
	n := 0
	for i, b := range res.Histogram {
		if n += b.N; b.Start.Location() != time.UTC || i > 0 && b.Start.Sub(res.Histogram[i-1].Start) != 48*time.Hour {
			t.Errorf("histogram: %v", res.Histogram)
		}
	}
	if n != 9 || len(res.Histogram) < 2 {
		t.Errorf("histogram: %v, want all 9 records", res.Histogram)
	}
}

// TestSearchPastWhatEnginesShow is an error that says what to do, and is not sent.
func TestSearchPastWhatEnginesShow(t *testing.T) {
	e := withRecords(t, 1)
	if _, err := e.Search(t.Context(), query.Request{Where: query.All{}, Skip: 9_990, Size: 10}); err != nil {
		t.Errorf("the last page: %v", err)
	}
	sent := len(e.searches)
	if _, err := e.Search(t.Context(), query.Request{Where: query.All{}, Skip: 9_991, Size: 10}); err == nil || !strings.Contains(err.Error(), "narrow the search") || len(e.searches) > sent {
		t.Errorf("past it: %v", err)
	}
}

// TestAll passes each record on once, over all pages, until f fails.
func TestAll(t *testing.T) {
	for _, n := range []int{1, 999, 1000, 1001, 2500} {
		e := withRecords(t, n)
		var got []query.Hit
		if err := e.All(t.Context(), query.All{}, func(h query.Hit) error { got = append(got, h); return nil }); err != nil {
			t.Fatal(err)
		}
		distinct := slices.Compact(slices.Sorted(slices.Values(idsOf(got))))
		if len(got) != n || len(distinct) != n {
			t.Errorf("%d records: %d are passed on, %d different ones", n, len(got), len(distinct))
		}
	}
	e := withRecords(t, 1500)
	enough, n := errors.New("enough"), 0
	if err := e.All(t.Context(), query.All{}, func(query.Hit) error { n++; return enough }); !errors.Is(err, enough) || n != 1 {
		t.Errorf("%v after %d records", err, n)
	}
}

func TestRecordAndNamed(t *testing.T) {
	e := withRecords(t, 150)
	if doc, err := e.Record(t.Context(), "github.com/acme/p/pull/0007"); err != nil || !strings.Contains(string(doc), "pull/0007") {
		t.Errorf("%s, %v", doc, err)
	}
	if doc, err := e.Record(t.Context(), "github.com/acme/p/pull/none"); err != nil || doc != nil {
		t.Errorf("one that is not there: %s, %v", doc, err)
	}
	docs, err := e.Named(t.Context(), record.ChangeID("github.com/acme/former/pull/0007"))
	if err != nil || len(docs) != 2 || !strings.Contains(string(docs[0]), "pull/0107") {
		t.Errorf("under another name: %s, %v", docs, err)
	}
	if docs, err := e.Named(t.Context(), "github.com/acme/nothing/pull/1"); err != nil || docs != nil {
		t.Errorf("under no name: %s, %v", docs, err)
	}
}

// TestAnEventOfTwoNamespaces is passed on once, and f may end the reading.
func TestAnEventOfTwoNamespaces(t *testing.T) {
	e := newEngine(t, schemas.OpenSearch, nil)
	for _, namespace := range []string{"a", "b"} {
		for i := range 3 {
			body := fmt.Appendf(nil, `{"@timestamp":"2026-03-01T00:00:0%dZ","event":{"id":"%d"},"changetrail":{"change":{"id":"c"}}}`, i, i)
			if _, err := e.Put(t.Context(), []sinks.Document{{Index: schemas.EventIndex(namespace), ID: fmt.Sprint(i), Body: body}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	var got []string
	if err := e.Events(t.Context(), schemas.EventQuery{Change: "c"}, func(id string, _ jsontext.Value) error { got = append(got, id); return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"0", "1", "2"}, got); diff != "" {
		t.Error(diff)
	}
	enough := errors.New("enough")
	if err := e.Events(t.Context(), schemas.EventQuery{Change: "c"}, func(string, jsontext.Value) error { return enough }); !errors.Is(err, enough) {
		t.Error(err)
	}
}

// TestWhatHasNoValueComesLast, in both orders.
func TestWhatHasNoValueComesLast(t *testing.T) {
	e := withRecords(t, 3)
	if _, err := e.Put(t.Context(), []sinks.Document{{Index: "changetrail-record-default-2026.03", ID: "none", Version: 1, Body: []byte(`{}`)}}); err != nil {
		t.Fatal(err)
	}
	for _, ascending := range []bool{false, true} {
		res, err := e.Search(t.Context(), query.Request{Where: query.All{}, Size: 9, Sort: query.Sort{Field: query.Field{Name: "changetrail.revision"}, Ascending: ascending}})
		if got := idsOf(res.Hits); err != nil || len(got) != 4 || got[3] != "none" {
			t.Errorf("ascending %t: %v, %v", ascending, got, err)
		}
	}
}

// TestEventsOfFormerVersions have the name of their run alone. They are found by it, unless
// they belong to another change.
func TestEventsOfFormerVersions(t *testing.T) {
	e := newEngine(t, schemas.OpenSearch, nil)
	for id, detail := range map[string]string{
		"former": `"repository":"r","run":"1"`, "of another change": `"repository":"r","run":"1","change":{"id":"r/pull/2"}`,
		"of another repository": `"repository":"s","run":"1"`, "of another run": `"repository":"r","run":"2"`,
	} {
		body := fmt.Appendf(nil, `{"@timestamp":"2026-03-01T00:00:00Z","event":{"id":%q},"changetrail":{%s}}`, id, detail)
		if _, err := e.Put(t.Context(), []sinks.Document{{Index: schemas.EventIndex("a"), ID: id, Body: body}}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	q := schemas.EventQuery{Repository: "r", Refs: []record.Ref{record.RunRef("1"), "commit:a"}}
	if err := e.Events(t.Context(), q, func(id string, _ jsontext.Value) error { got = append(got, id); return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"former"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestValues: a prefix is text and no pattern.
// TestAllIsOfOneMoment: a record that is written while all are read is neither passed twice nor pushes
// another one to a page that was read before. The point in time is closed at the end.
func TestAllIsOfOneMoment(t *testing.T) {
	for _, name := range []string{schemas.Elasticsearch, schemas.OpenSearch} {
		e := withRecordsOn(t, name, 3500)
		n, seen := 0, make(map[string]bool)
		err := e.All(t.Context(), query.All{}, func(h query.Hit) error {
			if n++; seen[h.ID] {
				t.Errorf("%s is passed twice", h.ID)
			}
			seen[h.ID] = true
			e.mu.Lock()
			defer e.mu.Unlock()
			for i := range 3 { // the oldest ones become the newest
				id := fmt.Sprintf("github.com/acme/p/pull/%04d", (3*n+i)%3500)
				index := "changetrail-record-default-2026.03"
				s := e.indexes[index][id]
				doc := maps.Clone(s.doc)
				doc["@timestamp"] = start.AddDate(10, 0, n).Format(time.RFC3339)
				e.indexes[index][id] = stored{s.version + 1, s.body, doc}
			}
			return nil
		})
		if err != nil || n != 3500 {
			t.Errorf("%s: %d records, %v", name, n, err)
		}
		if len(e.points) > 0 || e.opened != 1 {
			t.Errorf("%s: %d points in time were opened, %d are left open", name, e.opened, len(e.points))
		}
	}
}

// TestAllOrNothing: an engine that returns fewer documents than it found is not believed.
func TestAllOrNothing(t *testing.T) {
	e := withRecords(t, 2500)
	e.spoil = func(w http.ResponseWriter, r *http.Request, do func()) {
		text := `{"hits":{"total":{"value":2500},"hits":[]}}`
		if strings.HasSuffix(r.URL.Path, "/_pit") {
			text = `{"id":"a"}`
		}
		_, _ = w.Write([]byte(text))
	}
	if err := e.All(t.Context(), query.All{}, func(query.Hit) error { return nil }); err == nil || !strings.Contains(err.Error(), "found 2500 documents") {
		t.Error(err)
	}
}

func TestValues(t *testing.T) {
	e := withRecords(t, 9)
	for prefix, want := range map[string][]string{
		"bot": {"bot.one", "botxone"}, "bot.": {"bot.one"}, "": {"bot.one", "botxone"}, "bo*": nil, "(": nil, `a"\`: nil, "no\x00thing": nil,
	} {
		got, err := e.Values(t.Context(), "changetrail.agent.id", prefix, 10)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", prefix, err, diff)
		}
	}
	sent := len(e.searches)
	if got, err := e.Values(t.Context(), "changetrail.agent.id", "\x00", 1); err != nil || got != nil || len(e.searches) > sent {
		t.Errorf("a prefix that no engine accepts: %v, %v", got, err)
	}
	if got, err := e.Values(t.Context(), "changetrail.agent.id", "b", 1); err != nil || !slices.Equal(got, []string{"bot.one"}) {
		t.Errorf("one value: %v, %v", got, err)
	}
}

// TestASearchThatFails says what to do, whichever search it is.
func TestASearchThatFails(t *testing.T) {
	hits := func(text string) answer { return answer{http.StatusOK, text} }
	for name, c := range map[string]struct {
		answer answer
		want   string
	}{
		"no index":           {answer{404, "{}"}, "run changetrail setup"},
		"no credentials":     {answer{401, "{}"}, "may not search"},
		"not these":          {answer{403, "{}"}, "may not search"},
		"too many":           {answer{429, `{"error":"busy"}`}, "HTTP 429"},
		"broken":             {answer{500, strings.Repeat("x", 5000)}, "HTTP 500"},
		"a page":             {hits("<html>"), "cannot be read"},
		"cut":                {hits(`{"hits":{"total":{"value":1},"hits":[`), "cannot be read"},
		"hits that are none": {hits(`{"hits":{"total":{"value":1},"hits":"none"}}`), "cannot be read"},
	} {
		e := newEngine(t, schemas.OpenSearch, nil)
		e.spoil = func(w http.ResponseWriter, _ *http.Request, _ func()) {
			w.WriteHeader(c.answer.status)
			_, _ = w.Write([]byte(c.answer.body))
		}
		failures := make(map[string]error)
		_, failures["search"] = e.Search(t.Context(), query.Request{Where: query.All{}, Size: 1})
		failures["all"] = e.All(t.Context(), query.All{}, func(query.Hit) error { return nil })
		_, failures["record"] = e.Record(t.Context(), "x")
		_, failures["named"] = e.Named(t.Context(), "x")
		failures["events"] = e.Events(t.Context(), schemas.EventQuery{Change: "c"}, func(string, jsontext.Value) error { return nil })
		_, failures["values"] = e.Values(t.Context(), "f", "p", 1)
		for what, err := range failures {
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "opensearch") || len(err.Error()) > 1000 {
				t.Errorf("%s: %s: %v, want %q", name, what, err, c.want)
			}
		}
	}
	for name, aggregations := range map[string]string{
		"facet f":   `{"f":{"buckets":[{"key":{},"doc_count":1}]}}`,
		"histogram": `{"over time":{"buckets":[{"key":"monday","doc_count":1}]}}`,
	} {
		e := newEngine(t, schemas.OpenSearch, nil)
		e.spoil = func(w http.ResponseWriter, _ *http.Request, _ func()) {
			_, _ = w.Write([]byte(`{"hits":{"total":{"value":0},"hits":[]},"aggregations":` + aggregations + `}`))
		}
		if _, err := e.Search(t.Context(), query.Request{Where: query.All{}, Facets: []string{"f"}, Interval: time.Hour}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
