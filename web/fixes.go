package web

import (
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/say"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
)

// maxFixes is how many of the newest fixes are measured.
const maxFixes = 500

// fixed finds the merged changes that a finding in a report made an agent start.
const fixed = "changetrail.change.state:merged AND " + byAgents + " AND changetrail.trigger.found:true"

// A fixStep is the longest time that the fixes of a bar take.
type fixStep struct {
	most  time.Duration
	label string
}

var fixSteps = []fixStep{
	{time.Hour, "1 h"}, {4 * time.Hour, "4 h"}, {12 * time.Hour, "12 h"}, {day, "1 d"}, {3 * day, "3 d"}, {7 * day, "7 d"}, {28 * day, "28 d"}, {1 << 62, "more"},
}

// A fixBar is how many fixes took up to a time.
type fixBar struct {
	Label         string
	X, Y, W, H, N int
}

// A fixRow is how long the fixes of one severity took.
type fixRow struct {
	Severity, Link string
	N              int
	Half, Most     string // the times within which half and 90 % were fixed
}

// fixes fills in how long it took from a finding to the merge of its fix.
func (o *overviewer) fixes(p *overviewPage) error {
	res, err := o.find(fixed, query.Request{Size: maxFixes})
	if err != nil {
		return err
	}
	var all []time.Duration
	by := make(map[string][]time.Duration)
	for _, h := range res.Hits {
		var r record.Record
		if err := json.Unmarshal(h.Doc, &r, jsontext.AllowInvalidUTF8(true)); err != nil {
			return fmt.Errorf("the record %s cannot be read: %w", h.ID, err)
		}
		if took, ok := r.FixTime(); ok {
			all = append(all, took)
			by[r.Trail.Trigger.Severity] = append(by[r.Trail.Trigger.Severity], took)
		}
	}
	var table []fixRow
	for _, severity := range severities {
		if times := by[severity]; len(times) > 0 {
			slices.Sort(times)
			table = append(table, fixRow{severity, o.in(fixed + " AND changetrail.trigger.severity:" + severity).here(), len(times), say.Span(times[len(times)/2]), say.Span(times[len(times)*9/10])})
		}
	}
	p.Fixes, p.FixTable, p.FixCount, p.FixTotal, p.FixLink = fixBars(all), table, len(all), res.Total, o.in(fixed).here()
	p.FixRead = len(res.Hits)
	return nil
}

// Sizes of the plot of fixes.
const (
	fixPitch  = 110 // from one bar to the next
	fixTop    = 20
	fixBottom = 120
)

func fixBars(all []time.Duration) []fixBar {
	if len(all) == 0 {
		return nil
	}
	out := make([]fixBar, len(fixSteps))
	most := 0
	for _, took := range all {
		i := slices.IndexFunc(fixSteps, func(s fixStep) bool { return took <= s.most })
		out[i].N++
		most = max(most, out[i].N)
	}
	for i := range out {
		b := &out[i]
		b.Label, b.X, b.W = fixSteps[i].label, i*fixPitch, fixPitch-8
		b.H = b.N * (fixBottom - fixTop) / most
		b.Y = fixBottom - b.H
	}
	return out
}
