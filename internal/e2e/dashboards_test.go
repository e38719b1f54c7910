//go:build servers

package e2e

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/audit"
	"github.com/changetrail/changetrail/audit/history"
	"github.com/changetrail/changetrail/audit/reconcile"
	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/internal/demo"
	"github.com/changetrail/changetrail/internal/siem"
	"github.com/changetrail/changetrail/internal/siem/detecttest"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/bulk"
	"github.com/changetrail/changetrail/sinks/local"
)

// TestTheDashboardsSayWhatTheDocumentsSay sends what each saved query, saved search and panel asks to
// OpenSearch and Elasticsearch over the demo. None fails, none is empty, and the answers are those that are
// computed from the documents: over records, from those that the command line finds.
func TestTheDashboardsSayWhatTheDocumentsSay(t *testing.T) {
	x := demoWithHealth(t, 2_000)
	b := &board{index: x, pipeline: newPipeline(t, "siem"), now: time.Now().UTC().Truncate(time.Millisecond)}
	for _, engine := range b.engines { // other tests have documents in other namespaces
		engine.RecordIndex, engine.EventIndex = schemas.RecordIndexes(b.namespace), schemas.EventIndex(b.namespace)
	}
	b.fill(t)
	objects := dashboardObjects(t)
	from := opens(t, objects)
	n := map[string]int{}
	for _, o := range objects {
		n[o.Type]++
		switch o.Type {
		case "query":
			b.checkQuery(t, o)
		case "search":
			b.checkSearch(t, o, from["search "+o.ID])
		case "visualization":
			b.checkPanel(t, o, from["visualization "+o.ID])
		}
	}
	t.Logf("%v", n)
	b.checkHeard(t)
	b.checkPopulation(t)
	b.checkPushes(t)
}

func dashboardObjects(t *testing.T) []siem.Object {
	t.Helper()
	matrix, err := controls.Parse(demo.Controls())
	if err != nil {
		t.Fatal(err)
	}
	saved, err := query.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	source, err := siem.Read()
	if err != nil {
		t.Fatal(err)
	}
	objects, err := source.Objects(siem.Options{Queries: append(saved, query.OfControls(matrix.Resolved())...)})
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// opens returns how far the dashboards look back on which an object is, by its type and id.
func opens(t *testing.T, objects []siem.Object) map[string]time.Duration {
	t.Helper()
	known := map[string]time.Duration{"now-90d": 90 * 24 * time.Hour, "now-24h": 24 * time.Hour}
	out := make(map[string]time.Duration)
	for _, o := range objects {
		if o.Type != "dashboard" {
			continue
		}
		back := known[o.Attributes["timeFrom"].(string)]
		if back == 0 {
			t.Fatalf("%s begins at %s", o.ID, o.Attributes["timeFrom"])
		}
		for _, r := range o.References {
			key := r.Type + " " + r.ID
			if before := out[key]; before == 0 || back < before {
				out[key] = back
			}
		}
	}
	return out
}

// A board is the documents of the demo, in the embedded index and in both engines.
type board struct {
	*pipeline
	index *local.Index
	docs  map[string][]item // by data view
	now   time.Time
}

// An item is a document as the engines have it.
type item struct {
	id  string
	doc query.Doc
}

// views are the data views: the documents and the index of each.
var views = map[string]struct {
	document string
	index    func(namespace string) string
}{
	"changetrail-view-records":  {"record", schemas.RecordIndexes},
	"changetrail-view-events":   {"event", schemas.EventIndex},
	"changetrail-view-findings": {"finding", schemas.FindingIndex},
	"changetrail-view-health":   {"health", schemas.HealthIndexes},
}

// fill puts all documents of the demo into both engines.
func (b *board) fill(t *testing.T) {
	t.Helper()
	b.docs = make(map[string][]item)
	var docs []sinks.Document
	put := func() {
		for name, engine := range b.engines {
			out, err := engine.Put(t.Context(), docs)
			if err != nil {
				t.Fatal(err)
			}
			for i, o := range out {
				if o.Kind != sinks.Done {
					t.Fatalf("%s: %s: %v", name, docs[i].ID, o)
				}
			}
		}
		docs = docs[:0]
	}
	if err := b.index.Each(t.Context(), func(d sinks.Document) error {
		view, index := "changetrail-view-events", schemas.EventIndex(b.namespace)
		switch {
		case strings.HasPrefix(d.Index, "changetrail-record-"):
			view, index = "changetrail-view-records", schemas.RecordIndex(b.namespace, b.now)
		case strings.HasPrefix(d.Index, "changetrail-finding-"):
			view, index = "changetrail-view-findings", schemas.FindingIndex(b.namespace)
		case strings.HasPrefix(d.Index, schemas.HealthAlias):
			view, index = "changetrail-view-health", schemas.HealthIndex(b.namespace, b.now)
		}
		doc, err := query.ReadDoc(d.Body)
		if err != nil {
			return err
		}
		b.docs[view] = append(b.docs[view], item{d.ID, doc})
		d.Index = index
		if docs = append(docs, d); len(docs) == 500 {
			put()
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	put()
	for view, v := range views {
		t.Logf("%s: %d documents", view, len(b.docs[view]))
		for _, engine := range b.engines {
			post(t, "http://"+engines[engine.Name()].Address+"/"+v.index(b.namespace)+"/_refresh", "")
		}
	}
}

// find returns the documents that a text finds: those over records by the index of the command line, the
// others by a second reading of the text.
func (b *board) find(t *testing.T, view, text string, back time.Duration) (out []item) {
	t.Helper()
	fields, err := query.FieldsOf(views[view].document)
	if err != nil {
		t.Fatal(err)
	}
	where, err := query.Parse(text, fields, b.now)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	found := func(id string) bool { return true }
	if view == "changetrail-view-records" {
		ids := make(map[string]bool)
		if err := b.index.All(t.Context(), where, func(h query.Hit) error {
			ids[h.ID] = true
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		found = func(id string) bool { return ids[id] }
		where = query.All{}
	}
	for _, it := range b.docs[view] {
		if !found(it.id) || !detecttest.Matches(where, it.doc) {
			continue
		}
		if back > 0 && numberOf(it.doc.Text("@timestamp")) < float64(b.now.Add(-back).UnixMilli()) {
			continue
		}
		out = append(out, it)
	}
	return out
}

// request is what a front end sends for a text in Lucene's syntax.
func (b *board) request(text string, back time.Duration) map[string]any {
	filter := []any{}
	if text != "" {
		filter = append(filter, map[string]any{"query_string": map[string]any{"query": text, "analyze_wildcard": true}})
	}
	if back > 0 {
		from := b.now.Add(-back).Format("2006-01-02T15:04:05.000Z")
		filter = append(filter, map[string]any{"range": map[string]any{"@timestamp": map[string]any{"gte": from, "format": "strict_date_optional_time"}}})
	}
	return map[string]any{"size": 0, "track_total_hits": true, "query": map[string]any{"bool": map[string]any{"filter": filter}}}
}

// asked returns the query of an object and its data view.
func asked(t *testing.T, o siem.Object) (text, view string) {
	t.Helper()
	var s struct {
		Query struct {
			Query string `json:"query"`
		} `json:"query"`
	}
	meta := o.Attributes["kibanaSavedObjectMeta"].(map[string]any)
	if err := json.Unmarshal([]byte(meta["searchSourceJSON"].(string)), &s); err != nil {
		t.Fatal(err)
	}
	for _, r := range o.References {
		if r.Type == "index-pattern" {
			view = r.ID
		}
	}
	return s.Query.Query, view
}

type found struct {
	Hits struct {
		Total struct {
			Value int `json:"value"`
		} `json:"total"`
		Hits []struct {
			ID string `json:"_id"`
		} `json:"hits"`
	} `json:"hits"`
	Aggregations map[string]any `json:"aggregations"`
}

func askEngine(t *testing.T, engine *bulk.Server, index string, body map[string]any) (f found) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	status, answer, err := engine.Request(t.Context(), http.MethodPost, "/"+index+"/_search", text)
	if err != nil || status != http.StatusOK {
		t.Errorf("%s refuses %s: %d %v %.400s", engine.Name(), text, status, err, answer)
		return f
	}
	if err := json.Unmarshal(answer, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// checkQuery checks a saved query, which is shown over records.
func (b *board) checkQuery(t *testing.T, o siem.Object) {
	t.Helper()
	text := o.Attributes["query"].(map[string]any)["query"].(string)
	b.checkIDs(t, o.ID, "changetrail-view-records", b.request(text, 0), b.find(t, "changetrail-view-records", text, 0))
}

// checkSearch checks a saved search: over all documents and, if a dashboard ends with it, over those that the
// dashboard shows.
func (b *board) checkSearch(t *testing.T, o siem.Object, back time.Duration) {
	t.Helper()
	text, view := asked(t, o)
	sort := o.Attributes["sort"].([]any)[0].([]any)
	for _, back := range slices.Compact([]time.Duration{0, back}) {
		body := b.request(text, back)
		body["sort"] = []any{map[string]any{sort[0].(string): map[string]any{"order": sort[1], "unmapped_type": "boolean"}}}
		b.checkIDs(t, o.ID, view, body, b.find(t, view, text, back))
	}
}

// checkIDs checks that both engines find what is wanted, and that it is something.
func (b *board) checkIDs(t *testing.T, what, view string, body map[string]any, items []item) {
	t.Helper()
	want := make([]string, 0, len(items))
	for _, it := range items {
		want = append(want, it.id)
	}
	slices.Sort(want)
	if len(want) == 0 {
		t.Errorf("%s finds nothing in the demo", what)
	}
	body["size"], body["_source"] = 10_000, false
	for name, engine := range b.engines {
		f := askEngine(t, engine, views[view].index(b.namespace), body)
		var got []string
		for _, h := range f.Hits.Hits {
			got = append(got, h.ID)
		}
		slices.Sort(got)
		if f.Hits.Total.Value != len(want) || len(want) <= 10_000 && !slices.Equal(got, want) {
			t.Errorf("%s: changetrail finds %d, %s %d: %s", what, len(want), name, f.Hits.Total.Value, firstDifference(want, got))
		}
	}
}

// checkPanel checks what a panel shows.
func (b *board) checkPanel(t *testing.T, o siem.Object, back time.Duration) {
	t.Helper()
	var s state
	if err := json.Unmarshal([]byte(o.Attributes["visState"].(string)), &s); err != nil {
		t.Fatal(err)
	}
	if s.Type == "markdown" {
		return
	}
	if back == 0 {
		t.Errorf("%s is on no dashboard", o.ID)
	}
	text, view := asked(t, o)
	items := b.find(t, view, text, back)
	body := b.request(text, back)
	body["aggs"] = s.aggregations()
	for name, engine := range b.engines {
		f := askEngine(t, engine, views[view].index(b.namespace), body)
		if f.Hits.Total.Value != len(items) {
			t.Errorf("%s: %s has %d documents, want %d", o.ID, name, f.Hits.Total.Value, len(items))
			continue
		}
		c := comparison{state: s}
		c.level(f.Aggregations, items, s.buckets())
		for _, wrong := range c.wrong {
			t.Errorf("%s: %s: %s", o.ID, name, wrong)
		}
		if c.shown == 0 {
			t.Errorf("%s shows nothing in %s: %v", o.ID, name, f.Aggregations)
		}
		for _, m := range s.Aggs {
			if m.Schema == "metric" && m.Type != "count" && !c.valued[m.ID] {
				t.Errorf("%s: %s: no bucket has a value of %v", o.ID, name, m.Params["field"])
			}
		}
	}
}

// checkHeard checks that the engines know as the embedded index does when each source was heard.
func (b *board) checkHeard(t *testing.T) {
	t.Helper()
	since := b.now.AddDate(0, 0, -60)
	key := func(h schemas.Heard) string {
		return h.Source + " " + h.Day.Format(time.DateOnly) + " " + h.Last.Truncate(time.Millisecond).Format(time.RFC3339Nano)
	}
	list := func(heard []schemas.Heard, err error) (out []string) {
		if err != nil || len(heard) == 0 {
			t.Fatalf("%d days of sources, %v", len(heard), err)
		}
		for _, h := range heard {
			out = append(out, key(h))
		}
		slices.Sort(out)
		return out
	}
	want := list(b.index.Heard(t.Context(), b.namespace, since))
	for name, engine := range b.engines {
		if got := list(engine.Heard(t.Context(), b.namespace, since)); !slices.Equal(got, want) {
			t.Errorf("%s hears on %d days of sources, want %d: %s", name, len(got), len(want), firstDifference(want, got))
		}
	}
	t.Logf("%d days of sources", len(want))
}

// checkPopulation checks that an auditor gets the same list of changes from every index.
func (b *board) checkPopulation(t *testing.T) {
	t.Helper()
	q := audit.Question{From: b.now.AddDate(0, 0, -90), To: b.now, Environment: "production"}
	fields, err := query.RecordFields()
	if err != nil {
		t.Fatal(err)
	}
	where, err := query.Parse(q.Search(), fields, b.now)
	if err != nil {
		t.Fatal(err)
	}
	read := func(index interface {
		All(ctx context.Context, where query.Node, f func(query.Hit) error) error
	},
	) *audit.Population {
		c, n := audit.NewCollector(q, "index", b.now), 0
		if err := index.All(t.Context(), where, func(h query.Hit) error {
			n++
			var r record.Record
			if err := json.Unmarshal(h.Doc, &r); err != nil {
				return err
			}
			c.Add(&r)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		p, err := c.Population(n)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	want := read(b.index)
	if len(want.Items) < 1000 { // more than one request returns
		t.Errorf("only %d changes reached production", len(want.Items))
	}
	for name, engine := range b.engines {
		if got := read(engine); got.Digest != want.Digest {
			t.Errorf("%s lists %d changes with the digest %s, the embedded index %d with %s", name, len(got.Items), got.Digest, len(want.Items), want.Digest)
		}
	}
}

// checkPushes checks that a reconciliation gets the same records and pushes of a repository from every
// index.
func (b *board) checkPushes(t *testing.T) {
	t.Helper()
	fields, err := query.RecordFields()
	if err != nil {
		t.Fatal(err)
	}
	where, err := query.Parse(`changetrail.change.repository:"github.com/acme/payments" OR changetrail.change.other_names:"github.com/acme/payments"`, fields, b.now)
	if err != nil {
		t.Fatal(err)
	}
	type index interface {
		history.Events
		All(ctx context.Context, where query.Node, f func(query.Hit) error) error
	}
	read := func(ix index) (records []*record.Record, pushes []reconcile.Push) {
		if err := ix.All(t.Context(), where, func(h query.Hit) error {
			r := new(record.Record)
			records = append(records, r)
			return json.Unmarshal(h.Doc, r)
		}); err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(records, func(a, b *record.Record) int {
			return strings.Compare(string(a.Trail.Change.ID), string(b.Trail.Change.ID))
		})
		if pushes, err = history.Pushes(t.Context(), ix, reconcile.CommitsOf(records), records); err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(pushes, func(a, b reconcile.Push) int { return strings.Compare(a.After+a.Before, b.After+b.Before) })
		return records, pushes
	}
	records, pushes := read(b.index)
	if len(records) < 20 || len(pushes) < 20 {
		t.Errorf("the demo has %d records and %d pushes of a repository", len(records), len(pushes))
	}
	for name, engine := range b.engines {
		r, p := read(engine)
		if diff := cmp.Diff(pushes, p); diff != "" || len(r) != len(records) {
			t.Errorf("%s: %d records instead of %d, pushes: %s", name, len(r), len(records), diff)
		}
	}
	t.Logf("%d records, %d pushes", len(records), len(pushes))
}
