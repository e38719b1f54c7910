package local_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/local"
)

// titled are n records with titles of a few words each.
func titled(n int, words string) (docs []sinks.Document) {
	list := strings.Fields(words)
	for i := range n {
		title := make([]string, 8)
		for k := range title {
			title[k] = list[(i*7+k*(i%5+1))%len(list)]
		}
		docs = append(docs, doc(fmt.Sprint("c", i), 1, fmt.Sprintf(`{"@timestamp":"2026-11-24T10:00:00Z","changetrail":{"change":{"id":"c%d","title":%q}}}`, i, strings.Join(title, " "))))
	}
	return docs
}

const words = "update to the ledger bump from of in payments fix test a an authorization module lodash express"

func filled(t testing.TB, n int) *local.Index {
	t.Helper()
	x, err := local.Open(t.Context(), t.TempDir(), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Close() })
	if _, err := x.Put(t.Context(), titled(n, words)); err != nil {
		t.Fatal(err)
	}
	return x
}

// phrases returns a search for n phrases, with a number of different ones.
func phrases(n, different int) string {
	list := strings.Fields(words)
	var parts []string
	for i := range n {
		k := i % different
		parts = append(parts, fmt.Sprintf("%q", list[k%len(list)]+" "+list[(k/len(list)+k)%len(list)]))
	}
	return "changetrail.change.title:(" + strings.Join(parts, " OR ") + ")"
}

// Phrases are found exactly where a search that tries each document finds them.
func TestPhrasesAreFoundWhereTheyStand(t *testing.T) {
	docs := titled(200, words)
	x := filled(t, len(docs))
	list := strings.Fields(words)
	for _, a := range list {
		for _, b := range list[:8] {
			want := make(map[string]bool)
			for _, d := range docs {
				title := string(d.Body)
				title = title[strings.Index(title, `"title":"`)+9:]
				if strings.Contains(" "+title[:strings.IndexByte(title, '"')]+" ", " "+a+" "+b+" ") {
					want[d.ID] = true
				}
			}
			for _, text := range []string{fmt.Sprintf(`changetrail.change.title:"%s %s"`, a, b), fmt.Sprintf(`changetrail.change.title:"%s %s" AND NOT changetrail.change.title:"%s %s %s %s"`, a, b, a, b, a, "nowhere")} {
				if got := find(t, x, text+" AND changetrail.change.id:c*"); len(want) <= 100 && !cmp.Equal(sorted(got), slices.Sorted(maps.Keys(want)), equateEmpty) {
					t.Fatalf("%s: found %v, want %v", text, got, want)
				}
			}
		}
	}
}

var equateEmpty = cmp.Transformer("list", func(s []string) string { return strings.Join(s, " ") })

func sorted(s []string) []string { slices.Sort(s); return s }

func TestASearchHasACost(t *testing.T) {
	fields := filled(t, 1).Fields()
	many := func(part string, n int) string { return strings.Repeat(part+" OR ", n-1) + part }
	for text, want := range map[string]string{
		"changetrail.change.title:(" + many("*a*", 129) + ")":     "129 wildcards and ranges of texts, but at most 128",
		"changetrail.change.title:(" + many("a*", 128) + ") ?b":   "but at most 128",
		many("changetrail.change.id:[a TO b]", 129):               "at most 128",
		"changetrail.change.title:(" + many("a", 1025) + ")":      "more than 1024 parts",
		"changetrail.change.title:(" + many(`"a b"`, 1025) + ")":  "more than 1024 parts",
		many("a", 1000) + " OR " + many("(b)", 500):               "more than 1024 parts",
		"changetrail.change.title:" + strings.Repeat("a", 17<<10): "longer than",
		"changetrail.change.title:(" + many("a*", 100) + ")":      "",
		"changetrail.change.title:(" + many(`"a b"`, 1000) + ")":  "",
		many("changetrail.change.merged_at:[now-1d TO now]", 200): "",
	} {
		_, err := query.Parse(text, fields, time.Now())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.60s…: %v, want %q", text, err, want)
		}
		if err != nil && !errors.As(err, new(*query.Error)) {
			t.Errorf("%.60s…: %T", text, err)
		}
	}
}

// A slow search delays neither a writer nor another search, and sees the records of the moment when
// it began.
func TestASlowSearchDelaysNobody(t *testing.T) {
	x := filled(t, 400)
	n, err := query.Parse(phrases(700, 300), x.Fields(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for ctx.Err() == nil {
				if _, err := x.Search(ctx, query.Request{Where: n, Size: 10, Facets: []string{"changetrail.change.id"}}); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 20 {
		id := fmt.Sprint("new", i)
		if _, err := x.Put(t.Context(), []sinks.Document{doc(id, 1, `{"@timestamp":"2026-11-24T11:00:00Z","changetrail":{"change":{"id":"`+id+`","title":"quick"}}}`)}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if got := find(t, x, "changetrail.change.title:quick"); len(got) != i+1 {
			t.Errorf("%d were written, %v found", i+1, got)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("another search took %s", took)
		}
	}
	stop()
	all.Wait()
}

func TestASearchThatTakesTooLongIsGivenUp(t *testing.T) {
	x := filled(t, 50)
	n, err := query.Parse(phrases(700, 300), x.Fields(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, query.ErrSlow)
	defer cancel()
	<-ctx.Done()
	if _, err := x.Search(ctx, query.Request{Where: n}); !errors.Is(err, query.ErrSlow) {
		t.Errorf("a search: %v", err)
	}
	if err := x.All(ctx, n, func(query.Hit) error { return nil }); !errors.Is(err, query.ErrSlow) {
		t.Errorf("all: %v", err)
	}
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	if _, err := x.Search(gone, query.Request{Where: n}); !errors.Is(err, context.Canceled) || errors.Is(err, query.ErrSlow) {
		t.Errorf("whose client hung up: %v", err)
	}
}

// BenchmarkPhrases searches for a thousand equal phrases, or for 300 different ones, over 800
// records.
func BenchmarkPhrases(b *testing.B) {
	x := filled(b, 800)
	for name, text := range map[string]string{"one": `changetrail.change.title:(` + strings.Repeat(`"update to" OR `, 999) + `"update to")`, "different": phrases(700, 300)} {
		b.Run(name, func(b *testing.B) {
			n, err := query.Parse(text, x.Fields(), time.Now())
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := x.Search(b.Context(), query.Request{Where: n, Size: 20}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
