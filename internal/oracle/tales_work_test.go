package oracle

import (
	"fmt"
	"testing"
	"time"

	"github.com/changetrail/changetrail/record"
)

func talesOfFiles() []tale {
	return []tale{
		{
			name: "checks of six pushes", reviewed: "proven",
			also: func(t *testing.T, r *record.Record) {
				if v := r.Trail.Validation; v == nil || !v.Current || v.Conclusion != "success" || v.Passed != 144 {
					t.Errorf("validation %+v, want the head's: success, 144 passed", v)
				}
			},
			tell: func(s *scribbler) {
				s.decided()
				s.opened(1, smallChange...)
				for push := range 6 {
					if push > 0 {
						s.updated(2+2*push, codeHost, 1+push, smallChange...)
					}
					for check := range 12 {
						s.about(3+2*push, ci, "", &record.Validation{Name: fmt.Sprint("check-", check), Provider: "github-actions", CommitSHA: commit(1 + push), Conclusion: "success", Passed: 12})
					}
				}
				s.reviewed(20, codeHost, "jonas-k", "approved", 6)
				s.merged(6)
			},
		},
		{
			name: "the 251st file", policy: shop, authorized: "contradicted", reviewed: "unproven", gaps: "review-missing",
			tell: func(s *scribbler) {
				s.decided()
				var files []string
				for i := range 250 {
					files = append(files, fmt.Sprintf("docs/p%03d.md", i))
				}
				s.opened(1, append(files, "services/checkout/cart.go")...)
				s.merged(1)
			},
		},
		{
			name: "files of an earlier head", policy: withRule("some", "src/auth/", "approval-required"), authorized: "contradicted", gaps: "approval-missing",
			tell: func(s *scribbler) {
				s.decided()
				s.opened(1, smallChange...)
				s.updated(8, codeHost, 2)
				s.at(8, codeHost, pushed(0, 2, "patch-pilot[bot]", "src/auth/login.go"))
				s.reviewed(20, codeHost, "jonas-k", "approved", 2)
				s.merged(2)
			},
		},
		{
			name: "files of the base branch", policy: withRule("some", "src/auth/", "approval-required"), authorized: "proven", not: "files-contradicted",
			tell: func(s *scribbler) {
				s.decided()
				s.at(1, codeHost, pushed(0, 1, "patch-pilot[bot]", smallChange...))
				s.opened(1)
				s.at(12, codeHost, pushedNothing(1, 2, "patch-pilot[bot]"))
				s.updated(12, codeHost, 2)
				s.reviewed(20, codeHost, "jonas-k", "approved", 2)
				s.merged(2)
			},
		},
		{
			name: "files unknown", policy: withRule("some", "src/auth/", "approval-required"), authorized: "partial unproven", gaps: "evidence-incomplete",
			tell: func(s *scribbler) {
				s.decided()
				s.opened(1)
				s.reviewed(20, codeHost, "jonas-k", "approved", 1)
				s.merged(1)
			},
		},
		{
			name: "what CI said of an earlier commit", not: "tests-contradicted",
			tell: func(s *scribbler) {
				s.at(6, pilot, decided("mira.s"))
				s.opened(1, smallChange...)
				s.about(4, ci, "", &record.Validation{Name: "unit", Provider: "github-actions", CommitSHA: commit(1), Conclusion: "failure", Passed: 12, Failed: 1})
				s.updated(7, codeHost, 2, smallChange...)
				s.reviewed(20, codeHost, "jonas-k", "approved", 2)
				s.merged(2)
			},
		},
	}
}

func talesOfDecisions() []tale {
	return []tale{
		{
			name: "one of many reports", trigger: "proven",
			tell: func(s *scribbler) {
				for i := range 34 {
					s.about(i-60, scanner, "", report(i, fmt.Sprint("CVE-2026-", i), "lodash"))
				}
				s.startedBy(0, "CVE-2026-0", "lodash")
				s.opened(1, smallChange...)
				s.reviewed(20, codeHost, "jonas-k", "approved", 1)
				s.merged(1)
			},
		},
		{
			name: "a package in another spelling", trigger: "proven partial", not: "finding-not-in-report",
			tell: func(s *scribbler) {
				s.about(-60, scanner, "", report(1, "CVE-2026-46721", "pyyaml"))
				s.startedBy(1, "CVE-2026-46721", "PyYAML")
				s.opened(1, smallChange...)
				s.reviewed(20, codeHost, "jonas-k", "approved", 1)
				s.merged(1)
			},
		},
		{
			name: "a title of an old and a new version", alternatives: "proven", not: "chosen-not-done",
			tell: func(s *scribbler) {
				s.chosen(record.Option{Title: "Upgrade lodash 4.17.15 to 4.17.21"}, record.DependencyUpdate{Name: "lodash", From: "1.0.0", To: "4.17.21"})
			},
		},
		{
			name: "a title of a range", alternatives: "proven", not: "chosen-not-done",
			tell: func(s *scribbler) {
				s.chosen(record.Option{Title: "Update lodash to 4.17.x"}, record.DependencyUpdate{Name: "lodash", From: "1.0.0", To: "4.17.21"})
			},
		},
		{
			name: "another version than the one chosen", alternatives: "contradicted", gaps: "chosen-not-done",
			tell: func(s *scribbler) {
				s.chosen(record.Option{Title: "requests==2.31.0", Package: "pkg:pypi/requests", To: "2.31.0"}, record.DependencyUpdate{Name: "requests", Ecosystem: "PyPI", From: "1.0.0", To: "2.30.0"})
			},
		},
		{
			name: "a decision edited later, and dated back", alternatives: "partial unproven", gaps: "event-altered",
			tell: func(s *scribbler) {
				first := decided("mira.s")
				first.Options[0].Title = "Update lodash to 4.17.20"
				s.at(0, pilot, first)
				s.opened(1, smallChange...)
				s.reviewed(20, codeHost, "jonas-k", "approved", 1)
				s.merged(1)
				again := s.events[0]
				again.Fact, again.Time, again.Arrived = decided("mira.s"), start.Add(-time.Minute), start.Add(90*time.Minute)
				s.events = append(s.events, sealed(again))
			},
		},
	}
}

func talesOfPolicies() []tale {
	return []tale{
		{
			name: "leave from one who may not ask", authorized: "contradicted",
			policy: func(p *rules) { p.Agents[0].Delegates = []string{"mira.s"} },
			tell: func(s *scribbler) {
				s.usual()
				s.events = s.events[1:]
				s.at(0, pilot, decided("tom-b"))
				s.at(-5, desk, &record.Approval{Approver: "tom-b"})
			},
		},
		{
			name: "owners of nobody", authorized: "unproven contradicted",
			policy: func(p *rules) {
				p.Services[0].Owner = ""
				p.Rules = []rule{{Name: "r", Kind: "always", Verdict: "review-required", By: []string{"owners"}}}
			},
			tell: func(s *scribbler) {
				s.decided()
				s.opened(1, smallChange...)
				s.reviewed(20, codeHost, "tom-b", "approved", 1)
				s.merged(1)
			},
		},
		{
			name: "a later policy forbids", authorized: "unproven partial", gaps: "policy-not-of-the-time",
			policy: func(p *rules) { p.Since, p.Default = start.AddDate(0, 0, 10), "forbidden" },
			tell:   (*scribbler).usual,
		},
		{
			name: "two services and one owner", policy: shop, authorized: "contradicted", gaps: "review-missing",
			tell: func(s *scribbler) {
				s.decided()
				s.opened(1, "services/checkout/a.go", "services/ledger/b.go")
				s.reviewed(20, codeHost, "jonas-k", "approved", 1)
				s.merged(1)
			},
		},
	}
}
