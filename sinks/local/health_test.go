package local_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/local"
)

// arrival is a document of an event of a source.
func arrival(n int, source string, at time.Time) sinks.Document {
	body := fmt.Sprintf(`{"@timestamp":%q,"event":{"id":"%d","provider":%q,"created":%q}}`, at.Add(-time.Hour).Format(time.RFC3339Nano), n, source, at.Format(time.RFC3339Nano))
	return sinks.Document{Index: schemas.EventIndex("default"), ID: fmt.Sprint(n), Body: []byte(body)}
}

func heard(t *testing.T, x *local.Index, since time.Time) []schemas.Heard {
	t.Helper()
	out, err := x.Heard(t.Context(), "default", since)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(out, func(a, b schemas.Heard) int { return cmp.Or(cmp.Compare(a.Source, b.Source), a.Day.Compare(b.Day)) })
	return out
}

// TestTheDaysOnWhichASourceWasHeard are the same before and after a restart, and by a second reading of the
// documents.
func TestTheDaysOnWhichASourceWasHeard(t *testing.T) {
	dir, start := t.TempDir(), time.Date(2026, 3, 1, 23, 0, 0, 5e6, time.UTC)
	x := open(t, dir)
	want := make(map[string]schemas.Heard)
	n := 0
	put := func(x *local.Index, hours int) {
		at, source := start.Add(time.Duration(hours)*time.Hour), fmt.Sprintf("/s%d", hours%3)
		n++
		if _, err := x.Put(t.Context(), []sinks.Document{arrival(n, source, at)}); err != nil {
			t.Fatal(err)
		}
		if at.Before(start) {
			return
		}
		day := at.Truncate(24 * time.Hour)
		if key := source + day.String(); want[key].Last.Before(at) {
			want[key] = schemas.Heard{Source: source, Day: day, Last: at}
		}
	}
	check := func(x *local.Index) {
		t.Helper()
		var all []schemas.Heard
		for _, h := range want {
			all = append(all, h)
		}
		slices.SortFunc(all, func(a, b schemas.Heard) int { return cmp.Or(cmp.Compare(a.Source, b.Source), a.Day.Compare(b.Day)) })
		if diff := gocmp.Diff(all, heard(t, x, start)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	for _, hours := range []int{0, 5, 1, 40, 2, -30, 41} {
		put(x, hours)
	}
	check(x)
	put(x, 100)
	put(x, 3)
	check(x)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x = open(t, dir)
	put(x, 101)
	check(x)
}

// TestStatementsAboutThePipelineAreKeptForAWeek, and nothing else is dropped with them.
func TestStatementsAboutThePipelineAreKeptForAWeek(t *testing.T) {
	x, now := open(t, t.TempDir()), time.Now()
	if _, err := x.Put(t.Context(), []sinks.Document{arrival(1, "/ci", now.AddDate(0, 0, -100))}); err != nil {
		t.Fatal(err)
	}
	for _, days := range []int{20, 6, 1, 8, 0} {
		h := schemas.Health{Timestamp: now.AddDate(0, 0, -days), Trail: schemas.HealthTrail{Health: schemas.HealthFacts{Kind: schemas.HealthLag, Status: schemas.HealthOK}}}
		h.Describe(h.Timestamp)
		out, err := x.Put(t.Context(), []sinks.Document{{Index: schemas.HealthIndex("default", h.Timestamp), ID: fmt.Sprint(days), Body: h.Append(nil)}})
		if err != nil || out[0].Kind != sinks.Done {
			t.Fatal(out, err)
		}
	}
	var ids []string
	if err := x.Each(t.Context(), func(d sinks.Document) error {
		ids = append(ids, d.Index+" "+d.ID)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if slices.Sort(ids); len(ids) != 4 {
		t.Errorf("%v", ids)
	}
}
