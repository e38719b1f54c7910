package record

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDurations: a duration is stated where both of its ends were observed, and only there.
func TestDurations(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	type parts struct{ report, decision, opened, comment, approval, merged Event }
	number := func(n float64) *float64 { return &n }
	whole := Durations{DaysToFix: number(1), HoursToReview: number(4.5), HoursToApproval: number(6), HoursToMerge: number(22)}
	claim := func(e *Event) { e.Witness = Claimed }
	for name, c := range map[string]struct {
		change func(*parts)
		want   func(*Durations)
	}{
		"all observed":                  {func(*parts) {}, func(*Durations) {}},
		"the report is claimed":         {func(p *parts) { claim(&p.report) }, func(d *Durations) { d.DaysToFix = nil }},
		"the report lacks the finding":  {func(p *parts) { p.report.Fact.(*Scan).Findings[0].ID = "F-2" }, func(d *Durations) { d.DaysToFix = nil }},
		"the opening is claimed":        {func(p *parts) { claim(&p.opened) }, func(d *Durations) { d.HoursToReview, d.HoursToApproval, d.HoursToMerge = nil, nil, nil }},
		"the comment is claimed":        {func(p *parts) { claim(&p.comment) }, func(d *Durations) { d.HoursToReview = number(6) }},
		"the comment is the author's":   {func(p *parts) { p.comment.Fact.(*Review).Reviewer = "Ann" }, func(d *Durations) { d.HoursToReview = number(6) }},
		"the comment is a program's":    {func(p *parts) { p.comment.Fact.(*Review).ReviewerType = "bot" }, func(d *Durations) { d.HoursToReview = number(6) }},
		"changes are requested":         {func(p *parts) { p.approval.Fact.(*Review).Verdict = "changes-requested" }, func(d *Durations) { d.HoursToApproval = nil }},
		"the merge is claimed":          {func(p *parts) { claim(&p.merged) }, func(d *Durations) { d.DaysToFix, d.HoursToMerge = nil, nil }},
		"it was merged before the scan": {func(p *parts) { p.report.Time = p.merged.Time.Add(1) }, func(d *Durations) { d.DaysToFix = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			p := parts{
				report: about(0, &Scan{
					Tool: Tool{Name: "grype"}, Report: Report{Digest: digest}, Summary: ScanSummary{Findings: 1, Scanned: true}, Findings: []Finding{{ID: "F-1", Fingerprint: "1"}},
				}),
				decision: said(60, &Decision{Agent: Agent{ID: "bot"}, Trigger: &Trigger{Kind: "scan", Digest: digest, Finding: "F-1"}}),
				opened:   said(120, &Opened{Revision{Author: "ann", HeadSHA: sha(1)}}),
				comment:  said(390, &Review{Reviewer: "ben", Verdict: "commented", CommitSHA: sha(1)}),
				approval: said(480, &Review{Reviewer: "eve", Verdict: "approved", CommitSHA: sha(1)}),
				merged:   said(1440, &Merged{MergeSHA: sha(2)}),
			}
			c.change(&p)
			want := whole
			c.want(&want)
			r := fold(summaryOf(p.report), p.report, p.decision, p.opened, p.comment, p.approval, p.merged)
			r.Judge(Authority{})
			if diff := cmp.Diff(&want, r.Trail.Durations); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	r := fold(said(1, &Updated{Revision{HeadSHA: sha(1)}}))
	r.Judge(Authority{})
	if r.Trail.Durations != nil {
		t.Errorf("nothing is known, and the durations are %+v", r.Trail.Durations)
	}
}

// summaryOf is the event of the same report without its findings.
func summaryOf(report Event) Event {
	f := *report.Fact.(*Scan)
	f.Findings = nil
	report.ID, report.Fact = report.ID+"-summary", &f
	return report
}

// TestTheWorstAnswer is one that was given, and no other is worse.
func TestTheWorstAnswer(t *testing.T) {
	order := []string{Proven, Pending, Partial, Unproven, Contradicted}
	given := append([]string{NotRequired, ""}, order...)
	for _, trigger := range given {
		for _, alternatives := range given {
			for _, authorized := range given {
				for _, reviewed := range given {
					a := Answers{trigger, alternatives, authorized, reviewed}
					want := 0
					for _, one := range []string{trigger, alternatives, authorized, reviewed} {
						for rank, answer := range order {
							if one == answer {
								want = max(want, rank)
							}
						}
					}
					if got := a.worst(); got != order[want] {
						t.Fatalf("%+v: %s, want %s", a, got, order[want])
					}
				}
			}
		}
	}
}
