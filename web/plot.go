package web

import (
	"fmt"
	"time"

	"github.com/changetrail/changetrail/query"
)

// Sizes of a plot over time, in units of its picture.
const (
	plotWidth  = 960
	plotHeight = 156
	plotLeft   = 44
	plotRight  = 950
	plotTop    = 10
	plotBottom = 122
	maxBars    = 100
)

// A plot is how many changes there were over time, as bars of several parts.
type plot struct {
	Width, Height int
	Left, Right   int
	Bottom        int
	Bars          []bar
	Ticks         []tick
	Grid          []gridline
	Each          string // the time of a bar, for people
	Total         int
	First, Last   time.Time
	Legend        []series
	Noun          string // what is counted, such as change
}

// A bar is all changes of one interval of time.
type bar struct {
	X, W     int
	Link     string
	Label    string
	From, To string // as addresses have them
	Parts    []part
	Total    int
}

type part struct {
	Class string
	Y, H  int
	N     int
}

type gridline struct {
	Y    int
	Text string
}

// A series is one part of each bar.
type series struct {
	Class, Label string
	Link         string
	Buckets      []query.Bucket
	N            int
}

// interval is how long a bar is, so that there are not too many of them.
func interval(span time.Duration) time.Duration {
	for _, d := range []time.Duration{time.Hour, 6 * time.Hour, day, 7 * day, 28 * day, 364 * day} {
		if span/d < maxBars {
			return d
		}
	}
	return 10 * 364 * day
}

// eachOf names the length of the time that a bar covers.
func eachOf(d time.Duration) string {
	switch d {
	case time.Hour:
		return "hour"
	case day:
		return "day"
	case 7 * day:
		return "week"
	}
	if d < day {
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d/day))
}

// A chart is what a plot draws: series from first to last, in bars of a width.
type chart struct {
	first, last time.Time
	width       time.Duration
	series      []series
	link        func(from, to string) string // the address of an interval
	noun        string                       // what is counted, such as change
}

// drawn returns the plot; nil if nothing was counted.
func (c chart) drawn() *plot {
	first, last, width, all := c.first.UTC().Truncate(c.width), c.last, c.width, c.series
	n := min(int(last.Sub(first)/width)+1, 10*maxBars)
	counts := make([][]int, n)
	for i := range counts {
		counts[i] = make([]int, len(all))
	}
	p := &plot{Width: plotWidth, Height: plotHeight, Left: plotLeft, Right: plotRight, Bottom: plotBottom, Each: eachOf(width), First: first, Last: last, Noun: c.noun}
	most := 0
	for k, s := range all {
		for _, b := range s.Buckets {
			if i := int(b.Start.Sub(first) / width); !b.Start.Before(first) && i < n {
				counts[i][k] += b.N
				all[k].N += b.N
				p.Total += b.N
			}
		}
	}
	for _, of := range counts {
		most = max(most, sum(of))
	}
	if most == 0 {
		return nil
	}
	x := scale{first, first.Add(time.Duration(n) * width), plotLeft, plotRight}
	top := niceTop(most)
	for i, of := range counts {
		if sum(of) > 0 {
			p.Bars = append(p.Bars, c.bar(x, first.Add(time.Duration(i)*width), of, top))
		}
	}
	p.Ticks = x.ticks(8)
	for _, v := range []int{0, top / 2, top} {
		if v > 0 || v == 0 && len(p.Grid) == 0 {
			p.Grid = append(p.Grid, gridline{height(v, top), grouped(int64(v))})
		}
	}
	p.Legend = all
	return p
}

// bar is the bar that begins at a time, with the counts of the series; top is the end of the axis.
func (c chart) bar(x scale, from time.Time, counts []int, top int) bar {
	left, right := x.at(from), x.at(from.Add(c.width))
	b := bar{X: left, W: max(1, right-left-1), Total: sum(counts)}
	layout, end := "2006-01-02", from.Add(c.width-time.Second)
	if c.width < day {
		layout = minutes
	}
	b.From, b.To = from.Format(layout), end.Format(layout)
	b.Link = c.link(b.From, b.To)
	b.Label = fmt.Sprintf("%s: %s", spanLabel(from, end, c.width), count(b.Total, c.noun))
	below := 0
	for k, n := range counts {
		if n == 0 {
			continue
		}
		y := height(below+n, top)
		b.Parts = append(b.Parts, part{c.series[k].Class, y, max(1, height(below, top)-y), n})
		below += n
		if len(c.series) > 1 {
			b.Label += fmt.Sprintf(", %d %s", n, c.series[k].Label)
		}
	}
	return b
}

func spanLabel(from, to time.Time, width time.Duration) string {
	switch {
	case width < day:
		return from.Format("2 Jan 2006, 15:04")
	case width == day:
		return from.Format("2 Jan 2006")
	}
	return from.Format("2 Jan") + " to " + to.Format("2 Jan 2006")
}

// height returns the position of a count in the picture.
func height(n, top int) int { return plotBottom - n*(plotBottom-plotTop)/top }

// niceTop is the end of an axis that has n: an even round number.
func niceTop(n int) int {
	for unit := 1; ; unit *= 10 {
		for _, m := range []int{2, 4, 6, 8, 10, 12, 16, 20, 24, 30} {
			if top := m * unit; top >= n {
				return top
			}
		}
	}
}

func sum(counts []int) (total int) {
	for _, c := range counts {
		total += c
	}
	return total
}

// over returns the length of the intervals in which an index counts for a plot.
func over(from, to time.Time, known bool) time.Duration {
	if known && to.Sub(from) < 4*day {
		return time.Hour
	}
	return day
}
