package web

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/internal/say"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/replay"
)

// A frame is the size of a drawn time line, in units of its picture.
type frame struct {
	Name        string
	Width       int
	Left, Right int // where time begins and ends
	lane        int // height of a lane
	above       int // how far above its marks the text of a lane is; 0: beside them
	text        int // where the text of a lane begins, if it is above the marks; its name is before it
	ticks       int // at most
}

// The frames of a time line: for a wide screen, and for one of a telephone.
var (
	wide   = frame{Name: "wide", Width: 960, Left: 96, Right: 940, lane: 30, ticks: 7}
	narrow = frame{Name: "narrow", Width: 360, Left: 8, Right: 350, lane: 44, above: 15, text: 84, ticks: 3}
)

const (
	laneTop = 44
	letter  = 6.6 // about the width of a letter of a label
)

// A timeline shows when each thing happened, as pictures and as a table.
type timeline struct {
	Wide, Narrow *drawing
	Summary      string
	Rows         []row
	LateAny      bool
}

// A drawing has one lane for each stage of the story.
type drawing struct {
	frame
	Height      int
	Top, Bottom int
	Lanes       []lane
	Ticks       []tick
	Merge       *tick // the merge is a line through all lanes
}

type lane struct {
	Name  string
	Y     int
	Label label // of the most important step, the newest of several
	Marks []mark
}

// A label is a text beside or above a mark.
type label struct {
	X, Y int
	End  bool // it ends at X
	Text string
}

// A mark is one step. Late is how wide the hatched bar is from when it happened to when it was
// received; 0 where it was received in time.
type mark struct {
	X, Late int
	Class   string
	Title   string
}

type tick struct {
	X    int
	Text string
	End  bool
}

// A row is the same step in the table beside the picture.
type row struct {
	At, Arrived time.Time
	Lag         string
	Stage, What string
	Who         string
}

// laneNames are the names of the stages beside the lanes.
var laneNames = map[replay.Stage]string{
	replay.Saw: "trigger", replay.Decided: "decision", replay.Did: "work", replay.Validated: "tests", replay.Approved: "review", replay.Merged: "merge", replay.Deployed: "deployment",
}

// newTimeline draws the steps that have a time; nil where there are fewer than two moments.
func newTimeline(story *replay.Story) *timeline {
	var steps []replay.Step
	var first, last time.Time
	for _, step := range story.Steps {
		if step.At.IsZero() {
			continue
		}
		steps = append(steps, step)
		if first.IsZero() || step.At.Before(first) {
			first = step.At
		}
		if step.At.After(last) {
			last = step.At
		}
	}
	if len(steps) < 2 || !last.After(first) {
		return nil
	}
	span, merged := scale{first: first, last: last}, story.Record.Trail.Change.MergedAt
	t := &timeline{Wide: wide.draw(span, steps, merged), Narrow: narrow.draw(span, steps, merged)}
	for _, step := range steps {
		t.LateAny = t.LateAny || late(step)
		t.Rows = append(t.Rows, row{step.At, step.Arrived, step.Lag(), laneNames[step.Stage], step.Title, step.Who})
	}
	t.Summary = fmt.Sprintf("%d steps in %s, from %s to %s.", len(steps), say.Span(last.Sub(first)), say.When(first), say.When(last))
	return t
}

// draw makes the picture of the steps of a span. merged is zero if the change is not merged.
func (f frame) draw(x scale, steps []replay.Step, merged time.Time) *drawing {
	x.left, x.right = f.Left, f.Right
	d := &drawing{frame: f, Top: laneTop - 15, Ticks: x.ticks(f.ticks)}
	for _, stage := range replay.Stages {
		if l := f.newLane(stage, steps, x); l.Marks != nil {
			l.Y = laneTop + len(d.Lanes)*f.lane + f.above
			l.Label.Y = l.Y - f.above
			d.Lanes = append(d.Lanes, l)
		}
	}
	d.Bottom = d.Top + len(d.Lanes)*f.lane
	d.Height = d.Bottom + 22
	if !merged.IsZero() {
		d.Merge = &tick{X: x.at(merged), Text: "merged " + merged.UTC().Format("2 Jan 2006, 15:04")}
		d.Merge.End = d.Merge.X > (f.Left+f.Right)/2
	}
	return d
}

// late reports whether a step was received so late that it matters.
func late(step replay.Step) bool {
	return !step.Imported && !step.Arrived.IsZero() && step.Arrived.Sub(step.At) > record.ClockSkew
}

func (f frame) newLane(stage replay.Stage, steps []replay.Step, x scale) lane {
	l := lane{Name: laneNames[stage]}
	var labeled replay.Step
	var shown mark // of labeled
	for _, step := range steps {
		if step.Stage != stage {
			continue
		}
		m := mark{X: x.at(step.At), Class: "mark " + witnessClass(step), Title: say.When(step.At) + ": " + titled(step)}
		if late(step) {
			m.Late = max(6, x.at(step.Arrived)-m.X)
			m.Title += "; received " + say.When(step.Arrived)
		}
		l.Marks = append(l.Marks, m)
		if len(l.Marks) == 1 || rankOf(step) > rankOf(labeled) || rankOf(step) == rankOf(labeled) && !step.At.Before(labeled.At) {
			labeled, shown = step, m
		}
	}
	if l.Marks == nil {
		return l
	}
	slices.SortStableFunc(l.Marks, func(a, b mark) int { // what is bad is drawn over the rest
		return strings.Count(a.Class, " bad") - strings.Count(b.Class, " bad")
	})
	if f.above > 0 {
		l.Label = label{X: f.text, Text: cutTo(titled(labeled), f.Right-f.text)}
		return l
	}
	left, right := around(l.Marks, shown)
	l.Label = f.placeLabel(left, right, titled(labeled))
	return l
}

// touching is how close two marks are that share a label.
const touching = 12

// around returns the ends of the marks that touch m, so that a label beside them is not read as that
// of another mark.
func around(marks []mark, m mark) (left, right int) {
	left, right = m.X, m.X+m.Late
	for grew := true; grew; {
		grew = false
		for _, o := range marks {
			if o.X <= right+touching && o.X+o.Late >= left-touching && (o.X < left || o.X+o.Late > right) {
				left, right, grew = min(left, o.X), max(right, o.X+o.Late), true
			}
		}
	}
	return left, right
}

// rankOf ranks steps by how much they say about their lane: bad ones most, answers of a program
// least.
func rankOf(step replay.Step) int {
	switch {
	case step.Bad:
		return 2
	case step.Who == "merge gate":
		return 0
	}
	return 1
}

func titled(step replay.Step) string {
	if step.Who == "" {
		return step.Title
	}
	return step.Title + ", " + step.Who
}

func witnessClass(step replay.Step) string {
	class := step.Tier
	if class == "" {
		class = record.Observed // it is made from several events
	}
	if step.Bad {
		class += " bad"
	}
	return class
}

// placeLabel puts a label on the side of the marks with more room, and cuts it to that room.
func (f frame) placeLabel(left, right int, text string) label {
	l := label{X: right + 10}
	space := f.Right - l.X
	if left-f.Left > space {
		l.X, l.End, space = left-10, true, left-10-f.Left
	}
	if float64(space) < 16*letter && right-left > (f.Right-f.Left)/2 { // over the marks there is room
		l.X, l.End = left+10, false
		space = f.Right - l.X
	}
	l.Text = cutTo(text, space)
	return l
}

// cutTo cuts a text to a width.
func cutTo(text string, width int) string {
	letters, most := []rune(text), int(float64(width)/letter)
	if len(letters) <= most {
		return text
	}
	return string(letters[:max(0, most-1)]) + "…"
}
