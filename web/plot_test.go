package web

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/query"
)

func link(from, to string) string { return from + " " + to }

func TestAPlotSpansWhatWasAskedFor(t *testing.T) {
	first := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	p := chart{first.Add(5 * time.Hour), first.Add(91 * day), day, []series{
		{Class: "a", Label: "by agents", Buckets: []query.Bucket{{Start: first.Add(90 * day), N: 3}}},
		{Class: "b", Label: "by people", Buckets: []query.Bucket{{Start: first.Add(90 * day), N: 1}, {Start: first.Add(-day), N: 9}, {Start: first.Add(99 * day), N: 9}}},
	}, link, "change"}.drawn()
	if len(p.Bars) != 1 || p.Total != 4 || p.Each != "day" || p.Grid[len(p.Grid)-1].Text != "4" {
		t.Fatalf("%+v", p)
	}
	b := p.Bars[0]
	if b.X < plotLeft+(plotRight-plotLeft)*95/100 || b.X+b.W > plotRight {
		t.Errorf("one change at the end of a quarter is drawn at %d, %d wide", b.X, b.W)
	}
	if b.Link != "2026-11-30 2026-11-30" || b.Label != "30 Nov 2026: 4 changes, 3 by agents, 1 by people" {
		t.Errorf("%+v", b)
	}
	if b.Parts[0].H < 3*b.Parts[1].H-2 || b.Parts[1].Y+b.Parts[1].H != b.Parts[0].Y || b.Parts[0].Y+b.Parts[0].H != plotBottom || b.Parts[1].Y != plotTop {
		t.Errorf("the parts are %+v", b.Parts)
	}
	if (chart{first, first.Add(day), day, []series{{}}, link, "change"}).drawn() != nil {
		t.Error("nothing is drawn")
	}
}

// TestBarsAreInOrderAndInThePicture: for spans from hours to decades, each count is in one bar.
func TestBarsAreInOrderAndInThePicture(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		first := noon.Add(-time.Duration(r.Int64N(int64(3650 * day))))
		last := first.Add(time.Duration(1 + r.Int64N(int64(time.Hour)<<r.IntN(18))))
		width := interval(last.Sub(first))
		total := 0
		all := []series{{Class: "a"}, {Class: "b"}}
		for i := range 40 {
			at := first.Add(time.Duration(r.Int64N(int64(last.Sub(first)))))
			n := r.IntN(5)
			all[i%2].Buckets = append(all[i%2].Buckets, query.Bucket{Start: at, N: n})
			total += n
		}
		p := chart{first, last, width, all, link, "change"}.drawn()
		if p == nil {
			continue
		}
		drawn, end := 0, plotLeft
		for _, b := range p.Bars {
			if b.X < end || b.W < 1 || b.X+b.W > plotRight+1 {
				t.Fatalf("%v by %v: bar %+v after %d", last.Sub(first), width, b, end)
			}
			end = b.X + b.W
			for _, part := range b.Parts {
				drawn += part.N
				if part.Y < plotTop-1 || part.Y+part.H > plotBottom+1 {
					t.Fatalf("part %+v", part)
				}
			}
		}
		if drawn != total || p.Total != total || len(p.Bars) > maxBars+1 {
			t.Fatalf("%d of %d are drawn in %d bars", drawn, total, len(p.Bars))
		}
	}
}

func TestViewsAndTheirAddresses(t *testing.T) {
	s := searcher(t)
	at := "/changes?c=service.name&f=service.name%3Apay&f=service.name%3Abilling&from=2026-11-01&q=lodash&sort=changetrail.change.merged_at&to=2026-11-30&x=tags%3Aa"
	v := s.view(t, at)
	if got := v.here(); got != at {
		t.Errorf("%s is read as %s", at, got)
	}
	if got, want := v.Lucene(), `(lodash) AND service.name:("pay" OR "billing") AND NOT tags:"a" AND @timestamp:["2026-11-01" TO "2026-11-30"]`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	var labels []string
	for _, c := range chips(v) {
		labels = append(labels, c.Label+" "+c.Value)
		if c.Remove == at || c.Turn == at {
			t.Errorf("%+v changes nothing", c)
		}
	}
	if got := strings.Join(labels, ", "); got != "search lodash, Service pay, Service billing, Control a, time 2026-11-01 to 2026-11-30" {
		t.Errorf("the chips are %s", got)
	}
	if got := titleOfSearch(v, 1); got != "lodash, Service: pay, Service: billing, Control not: a, 2026-11-01 to 2026-11-30 — 1 change" {
		t.Errorf("the title is %q", got)
	}
	turned := s.view(t, chips(v)[3].Turn)
	if !slices.Contains(turned.Picked, pick{"tags", "a", false}) || len(turned.Picked) != 3 {
		t.Errorf("turned: %+v", turned.Picked)
	}
	if got := s.view(t, "/changes?x=tags:a").Lucene(); got != `*:* AND NOT tags:"a"` {
		t.Errorf("what is excluded alone: %s", got)
	}
	if got := s.view(t, "/changes?since=24h").fixed(noon).here(); got != "/changes?from=2026-11-11T12%3A00Z&to=2026-11-12T12%3A00Z" {
		t.Errorf("the permalink is %s", got)
	}
}
