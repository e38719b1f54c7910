package web

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/query"
)

func TestSeveralValuesOfAFacetAreAlternatives(t *testing.T) {
	s := searcher(t)
	s.index.result = query.Result{Total: 3, Facets: map[string][]query.Count{"service.name": {{Value: "pay", N: 2}, {Value: "billing", N: 1}}, "tags": {{Value: "a", N: 3}}}}
	status, page := s.get(t, "/changes?f=service.name:pay&f=service.name:billing&x=tags:a")
	if status != 200 {
		t.Fatal(status, page)
	}
	for _, want := range []string{"Service: pay exclude pay instead", "Service: billing", "Control is not: a include a instead", "remove all"} {
		if !strings.Contains(read(page), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	whole, alternatives := s.index.asked[0], s.index.asked[1]
	if got := fieldsOf(whole.Where); !slices.Equal(got, []string{"service.name", "service.name", "tags"}) {
		t.Errorf("the search is about %q", got)
	}
	if got := fieldsOf(alternatives.Where); !slices.Equal(got, []string{"tags"}) || fmt.Sprint(alternatives.Facets) != "[service.name]" {
		t.Errorf("values that may be picked, too, are counted by %v %q", alternatives.Facets, got)
	}
}

// fieldsOf returns the fields of the terms of a search, in order.
func fieldsOf(n query.Node) []string {
	switch n := n.(type) {
	case query.Term:
		return []string{n.Field.Name}
	case query.Bool:
		var out []string
		for _, child := range slices.Concat(n.Must, n.Should, n.Not) {
			out = append(out, fieldsOf(child)...)
		}
		return out
	}
	return nil
}

func TestAllValuesOfAFacetAreShown(t *testing.T) {
	s := searcher(t)
	for i := range facetSize {
		s.index.result.Facets["tags"] = append(s.index.result.Facets["tags"], query.Count{Value: fmt.Sprintf("t-%d", i), N: 1})
	}
	s.index.result.Total = 1
	_, page := s.get(t, "/changes")
	if !strings.Contains(page, `href="/changes?more=tags"`) {
		t.Error("more values cannot be asked for")
	}
	_, page = s.get(t, "/changes?more=tags")
	if strings.Contains(page, "more=tags\">more") {
		t.Error("more is asked for again")
	}
	if last := s.index.asked[len(s.index.asked)-1]; last.FacetSize != moreSize || fmt.Sprint(last.Facets) != "[tags]" {
		t.Errorf("asked for %+v", last)
	}
}

func TestWhatWasMeantIsOffered(t *testing.T) {
	s := searcher(t)
	s.index.values = []string{"payments", "pay"}
	for path, want := range map[string]string{
		"/changes?q=not-revewed":           `<a href="/changes?q=not-reviewed">not-reviewed</a>`,
		"/changes?q=service.name:Payments": `<a href="/changes?q=service.name%3A%22payments%22">service.name:&#34;payments&#34;</a>`,
		"/changes?q=agent:claude":          `<a href="/changes?q=gen_ai.agent.id%3Aclaude">gen_ai.agent.id:claude</a>`,
		"/changes?q=not-reviewed":          `Saved query <strong>Merged without an independent approval</strong>`,
		"/v1/changes?q=not-revewed":        `"did_you_mean":["not-reviewed"]`,
	} {
		if _, page := s.get(t, path); !strings.Contains(page, want) {
			t.Errorf("%s does not offer %s", path, want)
		}
	}
}

func TestASavedQueryMeansTheSameByName(t *testing.T) {
	s := searcher(t)
	for _, q := range s.Saved {
		byName, byText := s.view(t, "/changes?q="+q.Name), s.view(t, searchPath(q.Query))
		if !reflect.DeepEqual(byName.where, byText.where) || byName.Lucene() != byText.Lucene() {
			t.Errorf("%s finds another thing by its name", q.Name)
		}
		if byName.span() != "" {
			t.Errorf("%s is asked of %s", q.Name, byName.span())
		}
	}
}

func TestColumnsAreSorted(t *testing.T) {
	s := searcher(t)
	v := s.view(t, "/changes?c=changetrail.change.id&c=changetrail.change.merged_at&sort=-changetrail.change.merged_at")
	var got []string
	for _, h := range s.headings(v) {
		got = append(got, h.Label+" "+h.Order+" "+h.Link)
	}
	want := []string{"Change  ", "Merged descending /changes?c=changetrail.change.id&c=changetrail.change.merged_at&sort=changetrail.change.merged_at"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", got, want)
	}
	s.get(t, "/changes?sort=changetrail.change.merged_at")
	if sort := s.index.asked[0].Sort; sort.Field.Name != "changetrail.change.merged_at" || !sort.Ascending {
		t.Errorf("%+v", sort)
	}
	for _, bad := range []string{"service.name", "nonsense", "-", "changetrail.validation.jobs.at"} {
		if status, page := s.get(t, "/changes?sort="+bad); bad != "-" && (status != 400 || !strings.Contains(page, "cannot be sorted")) {
			t.Errorf("sort=%s: %d", bad, status)
		}
	}
}

func TestAPageBeyondTheLastSaysSo(t *testing.T) {
	s := searcher(t)
	s.index.result.Total = 2000
	if _, page := s.get(t, "/changes?page=41"); !strings.Contains(read(page), "There is no page 41; the last one is page 40") || strings.Contains(page, "No change matches") {
		t.Error(read(page))
	}
}

func TestFormerAddressesOfSearchesLeadOn(t *testing.T) {
	s := searcher(t)
	for path, want := range map[string]int{"/?q=a": 303, "/?f=tags:a": 303, "/?since=": 303, "/": 200, "/?span=30d": 200, "/?span=nonsense": 400} {
		if status, _ := s.get(t, path); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
}

// TestEachChangeHasOneStanding: for every combination of answers exactly one of the searches of
// the overview finds a change.
func TestEachChangeHasOneStanding(t *testing.T) {
	s := searcher(t)
	values := []string{"proven", "pending", "partial", "unproven", "contradicted"}
	for n := range 5 * 5 * 5 * 6 {
		doc := map[string]string{"changetrail.change.initiated_by": "agent"}
		worst := 0
		for i, a := range answers {
			k := n / []int{1, 5, 25, 125}[i] % []int{5, 5, 5, 6}[i]
			if k == 5 {
				doc[a] = "not-required"
				continue
			}
			doc[a], worst = values[k], max(worst, k)
		}
		for i, st := range standings() {
			where, err := query.Parse(st.Query, s.fields, noon)
			if err != nil {
				t.Fatal(err)
			}
			if got := holds(where, doc); got != (i == worst) {
				t.Fatalf("%v: %s finds it: %t", doc, st.Class, got)
			}
		}
	}
}

// holds reports whether a tree of terms matches a document.
func holds(n query.Node, doc map[string]string) bool {
	switch n := n.(type) {
	case query.Term:
		return doc[n.Field.Name] == n.Value
	case query.Exists:
		return doc[n.Field.Name] != ""
	case query.Bool:
		for _, c := range n.Not {
			if holds(c, doc) {
				return false
			}
		}
		for _, c := range n.Must {
			if !holds(c, doc) {
				return false
			}
		}
		for _, c := range n.Should {
			if holds(c, doc) {
				return true
			}
		}
		return len(n.Must) > 0 || len(n.Should) == 0
	}
	return false
}

func TestTheOverviewCountsAndLeadsOn(t *testing.T) {
	s := searcher(t)
	s.index.result = query.Result{
		Total: 40, Histogram: []query.Bucket{{Start: noon.Truncate(day), N: 40}},
		Facets: map[string][]query.Count{"service.name": {{Value: "pay", N: 40}}, "tags": {{Value: "soc2-cc8.1", N: 40}}, "gen_ai.agent.id": {{Value: "claude", N: 200}}, "changetrail.gaps": {{Value: "no-review", N: 40}}},
		Hits: []query.Hit{{ID: "x", Doc: jsontext.Value(`{"@timestamp":"2026-11-12T00:00:00Z","changetrail":{"change":{"id":"github.com/acme/pay/pull/7","title":"Mend","merged_at":"2026-11-12T12:00:00Z","opened_at":"2026-11-12T00:00:00Z"},
			"answers":{"reviewed":"pending"},"trigger":{"digest":"sha256:1","severity":"high","found":true},"scans":[{"digest":"sha256:1","at":"2026-11-12T02:00:00Z"}]}}`)}},
	}
	status, page := s.get(t, "/")
	got := read(page)
	for _, want := range []string{
		"200 changes by agents", "40 all proven 20 %", "40 contradicted 20 %", "pay 40 all proven", "20 % 200", // each of five searches finds 40
		"Nobody independent approved the change before the merge.", "claude 200 changes", "1 of 40 fixes . Only the newest 1 are included.", "high 1 10 hours 10 hours", "github.com/acme/pay/pull/7 Mend waits for review; open since 2026-11-12 00:00:00Z",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the overview does not say %q", want)
		}
	}
	if status != 200 || !strings.Contains(page, `class="n heat3"`) {
		t.Errorf("%d", status)
	}
	if t.Failed() {
		t.Log(got)
	}
	s.index.result = query.Result{}
	if _, page = s.get(t, "/"); !strings.Contains(read(page), "No events yet") {
		t.Error("an empty store does not say how to fill it")
	}
}
