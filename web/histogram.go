package web

import (
	"fmt"
	"time"

	"github.com/changetrail/changetrail/query"
)

// A histogram is drawn as bars of a picture of width × height units.
type histogram struct {
	Bars        []bar
	Width       int
	First, Last time.Time
	Most        int
	Each        string // the time of a bar, for people
}

const (
	histogramHeight = 64
	maxBars         = 100
	barWidth        = 10
)

type bar struct {
	X, Y, H int
	Label   string
	Link    string
}

// newHistogram draws buckets; neighbours are put together where they are many.
func newHistogram(v *view, buckets []query.Bucket) *histogram {
	if len(buckets) == 0 {
		return nil
	}
	width := v.width()
	first, last := buckets[0].Start, buckets[len(buckets)-1].Start
	for last.Sub(first)/width >= maxBars {
		width *= 7
		first = first.Truncate(width)
	}
	n := int(last.Sub(first)/width) + 1
	counts := make([]int, n)
	h := &histogram{Width: n * barWidth, First: first, Last: first.Add(time.Duration(n) * width), Each: map[time.Duration]string{time.Hour: "hour", 24 * time.Hour: "day", 7 * 24 * time.Hour: "week"}[width]}
	if h.Each == "" {
		h.Each = fmt.Sprintf("%d days", int(width.Hours()/24))
	}
	for _, b := range buckets {
		counts[int(b.Start.Sub(first)/width)] += b.N
	}
	for _, c := range counts {
		h.Most = max(h.Most, c)
	}
	for i, c := range counts {
		if c == 0 {
			continue
		}
		start := first.Add(time.Duration(i) * width)
		height := max(2, c*histogramHeight/h.Most)
		h.Bars = append(h.Bars, bar{
			X: i * barWidth, Y: histogramHeight - height, H: height, Label: fmt.Sprintf("%s: %d changes", start.Format("2006-01-02 15:04"), c),
			Link: v.with(func(v *view) {
				v.Since, v.From, v.To = "", start.Format("2006-01-02T15:04:05Z"), start.Add(width-time.Second).Format("2006-01-02T15:04:05Z")
			}).at("/"),
		})
	}
	return h
}
