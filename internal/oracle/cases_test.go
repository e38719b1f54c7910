package oracle

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/record"
)

// A tale is one history with known truth. Each answer names all that is right.
type tale struct {
	name   string
	id     record.ChangeID // pull request 7 where left out
	policy func(*rules)
	tell   func(*scribbler)

	trigger, alternatives, authorized, reviewed string // answers that are right, any where empty
	gaps, not                                   string // gaps that must stand there, and that must not
	also                                        func(*testing.T, *record.Record)
}

// A scribbler writes events of people and systems that bring in history: each
// arrived when it happened.
type scribbler struct {
	events []record.Event
	id     record.ChangeID
}

func (s *scribbler) at(minute int, sender string, f record.Fact) {
	s.about(minute, sender, s.id, f)
}

func (s *scribbler) about(minute int, sender string, id record.ChangeID, f record.Fact) {
	at := start.Add(time.Duration(minute) * time.Minute)
	s.events = append(s.events, sealed(record.Event{
		Sender: sender, Source: sources[sender], ID: fmt.Sprint(len(s.events)), Type: record.TypeOf(f), Repository: id.Repository(), Change: id,
		Time: at, Arrived: at, Imported: true, Fact: f,
	}))
}

func commit(n int) string { return fmt.Sprintf("%040x", n) }

var (
	smallChange = []string{"package.json", "package-lock.json"}
	lodash      = []record.DependencyUpdate{{Name: "lodash", Ecosystem: "npm", From: "4.17.15", To: "4.17.21"}}
)

// decided is a whole decision of the agent, as someone asked for it.
func decided(by string) *record.Decision {
	return &record.Decision{
		Agent: record.Agent{ID: "patch-pilot", DelegatedBy: by}, Chosen: "patch", Rationale: "smallest step",
		Options: []record.Option{
			{ID: "patch", Title: "Update lodash to 4.17.21", Outcome: "chosen", Reason: "the smallest version without the weakness"},
			{ID: "replace", Outcome: "rejected", Reason: "touches 41 files"},
			{ID: "wait", Outcome: "deferred", Reason: "the weakness can be reached"},
		},
		Claims: &record.Claims{Tests: "passed", Files: smallChange},
	}
}

func revisionOf(head int, files ...string) record.Revision {
	return record.Revision{
		Title: "Update lodash", Author: "patch-pilot[bot]", AuthorType: "agent", Agent: "patch-pilot", HeadSHA: commit(head), BaseRef: "main", Branch: "fix/lodash",
		Files: files, Dependencies: lodash,
	}
}

func (s *scribbler) decided() { s.at(0, pilot, decided("mira.s")) }
func (s *scribbler) opened(head int, files ...string) {
	s.at(2, codeHost, &record.Opened{Revision: revisionOf(head, files...)})
}

func (s *scribbler) updated(minute int, sender string, head int, files ...string) {
	s.at(minute, sender, &record.Updated{Revision: revisionOf(head, files...)})
}

func (s *scribbler) reviewed(minute int, sender, who, verdict string, head int) {
	s.at(minute, sender, &record.Review{Reviewer: who, Verdict: verdict, CommitSHA: commit(head), ReviewerType: "human"})
}

func (s *scribbler) merged(head int) {
	s.at(30, codeHost, &record.Merged{MergeSHA: commit(99), MergedBy: "jonas-k", Revision: record.Revision{HeadSHA: commit(head)}})
}

// usual is a change as most are: decided, opened with its files, reviewed, merged.
func (s *scribbler) usual() {
	s.decided()
	s.opened(1, smallChange...)
	s.reviewed(20, codeHost, "jonas-k", "approved", 1)
	s.merged(1)
}

func usualRules() rules {
	return rules{
		Services: []service{{Name: "payments", Class: "critical", Owner: "team-payments"}},
		Agents:   []agent{{ID: "patch-pilot", Account: "patch-pilot[bot]", Services: []string{"*"}}},
		People:   []person{{"mira.s", []string{"mira-s"}}, {"jonas.k", []string{"jonas-k"}}},
		Default:  "review-required",
	}
}

func withRule(kind, arg, verdict string) func(*rules) {
	return func(p *rules) { p.Rules = []rule{{Name: "rule", Kind: kind, Arg: arg, Verdict: verdict}} }
}

// shop is a repository of several services.
func shop(p *rules) {
	p.Services = []service{{"docs", "docs/", "low", "", ""}, {"checkout", "services/checkout/", "critical", "team-payments", ""}, {"ledger", "services/ledger/", "critical", "team-ledger", ""}}
	p.Teams = []person{{"team-payments", []string{"jonas-k"}}, {"team-ledger", []string{"lea-w"}}}
	p.Rules = []rule{{Name: "docs alone", Kind: "all", Arg: "docs/", Verdict: "autonomous"}, {Name: "by owners", Kind: "class", Arg: "critical", Verdict: "review-required", By: []string{"owners"}}}
}

// chose is a decision for one option, with one other.
func chose(o record.Option) *record.Decision {
	o.ID, o.Outcome, o.Reason = "a", "chosen", "r"
	return &record.Decision{Agent: record.Agent{ID: "patch-pilot", DelegatedBy: "mira.s"}, Options: []record.Option{o, {ID: "b", Title: "Other", Outcome: "rejected", Reason: "r"}}, Chosen: "a"}
}

func (s *scribbler) chosen(o record.Option, done record.DependencyUpdate) {
	s.at(0, pilot, chose(o))
	r := revisionOf(1, smallChange...)
	r.Dependencies = []record.DependencyUpdate{done}
	s.at(2, codeHost, &record.Opened{Revision: r})
	s.reviewed(20, codeHost, "jonas-k", "approved", 1)
	s.merged(1)
}

// report is a scanner's report of one finding.
func report(n int, finding, name string) *record.Scan {
	return &record.Scan{
		Tool: record.Tool{Name: "trivy"}, Report: record.Report{Digest: record.Digest(fmt.Append(nil, n))}, Summary: record.ScanSummary{Findings: 1, Scanned: true},
		Findings: []record.Finding{{ID: finding, Package: name, Fingerprint: finding}},
	}
}

func (s *scribbler) startedBy(n int, finding, name string) {
	d := decided("mira.s")
	d.Trigger = &record.Trigger{Kind: "scan", Digest: record.Digest(fmt.Append(nil, n)), Finding: finding, Severity: "high", Package: name}
	s.at(0, pilot, d)
}

func pushed(before, after int, who string, files ...string) *record.Pushed {
	p := &record.Pushed{Branch: "fix/lodash", After: commit(after), Pusher: who, Files: files, Commits: []record.Commit{{SHA: commit(after), Author: who}}}
	if before != 0 {
		p.Before = commit(before)
	}
	return p
}

// pushedNothing is a push of commits that change no file, as the code host lists.
func pushedNothing(before, after int, who string) *record.Pushed {
	p := pushed(before, after, who)
	p.NoFiles = true
	return p
}

func tales() []tale {
	return slices.Concat(talesOfAgents(), talesOfReviews(), talesOfFiles(), talesOfDecisions(), talesOfPolicies())
}

func talesOfAgents() []tale {
	return []tale{
		{
			name: "agent hides a direct push", id: repository.Change("/commit/" + commit(1)), reviewed: "unproven", authorized: "contradicted",
			tell: func(s *scribbler) {
				s.about(0, pilot, repository.Change("/pull/9"), decided("mira.s"))
				p := pushed(0, 1, "patch-pilot[bot]", smallChange...)
				p.Branch, p.Default = "main", true
				s.about(5, codeHost, "", p)
				s.about(6, pilot, repository.Change("/pull/9"), &record.Merged{MergeSHA: commit(1), MergedBy: "jonas-k", Revision: record.Revision{HeadSHA: commit(1)}})
			},
		},
		{
			name: "agent in the name of another", authorized: "contradicted unproven",
			policy: func(p *rules) {
				p.Agents = append(p.Agents, agent{ID: "doc-scribe", Account: "doc-scribe[bot]", Services: []string{"docs"}})
			},
			tell: func(s *scribbler) {
				s.decided()
				r := revisionOf(1, smallChange...)
				r.Author, r.Agent = "doc-scribe[bot]", "doc-scribe"
				s.at(2, codeHost, &record.Opened{Revision: r})
				s.reviewed(20, codeHost, "jonas-k", "approved", 1)
				s.merged(1)
			},
		},
		{
			name: "agent lifts a request for changes", reviewed: "contradicted", gaps: "changes-requested",
			tell: func(s *scribbler) {
				s.usual()
				s.reviewed(12, codeHost, "ana-p", "changes-requested", 1)
				s.reviewed(18, pilot, "ana-p", "approved", 1)
			},
		},
		{
			name: "agent moves the head back", reviewed: "partial", authorized: "contradicted", gaps: "stale-approval review-missing",
			tell: func(s *scribbler) {
				s.decided()
				s.opened(1, smallChange...)
				s.reviewed(20, codeHost, "jonas-k", "approved", 1)
				s.updated(25, codeHost, 2, smallChange...)
				s.merged(2)
				s.updated(60, pilot, 1, smallChange...)
			},
		},
		{
			name: "agent replaces the files", policy: withRule("all", "pkg/testdata/", "autonomous"), authorized: "contradicted", reviewed: "unproven", gaps: "review-missing",
			tell: func(s *scribbler) {
				s.decided()
				s.opened(1, "src/auth/login.go")
				s.merged(1)
				s.updated(25, pilot, 1, "pkg/testdata/a.json")
			},
		},
		{
			name: "a title makes a patch", policy: withRule("jump", "patch", "autonomous"), authorized: "contradicted unproven partial", reviewed: "unproven partial contradicted",
			tell: func(s *scribbler) {
				s.decided()
				s.at(1, codeHost, pushed(0, 1, "patch-pilot[bot]", "package.json", "src/app.js"))
				r := revisionOf(1)
				r.Title, r.Dependencies = "Bump lodash from 4.17.20 to 4.17.21", nil
				s.at(2, codeHost, &record.Opened{Revision: r})
				s.merged(1)
			},
		},
		{
			name: "an approval over Kafka without a stamp", reviewed: "unproven partial", gaps: "no-review",
			tell: func(s *scribbler) {
				s.reviewed(20, anyone, "jonas-k", "approved", 1)
				s.decided()
				s.opened(1, smallChange...)
				s.merged(1)
			},
		},
	}
}

func talesOfReviews() []tale {
	return []tale{
		{
			name: "author unknown", reviewed: "unproven partial",
			tell: func(s *scribbler) {
				s.at(1, codeHost, pushed(0, 1, "tom-b", smallChange...))
				s.reviewed(20, codeHost, "tom-b", "approved", 1)
				s.merged(1)
			},
		},
		{
			name: "50 comments hide no approval", reviewed: "proven", authorized: "proven",
			tell: func(s *scribbler) {
				s.usual()
				for i := range 60 {
					s.reviewed(5+i/3, codeHost, "tom-b", "commented", 1)
				}
			},
		},
		{
			name: "commit of the approval unknown", authorized: "unproven", reviewed: "partial", gaps: "approved-commit-unknown",
			tell: func(s *scribbler) {
				s.decided()
				s.opened(1, smallChange...)
				s.at(20, codeHost, &record.Review{Reviewer: "jonas-k", Verdict: "approved", ReviewerType: "human"})
				s.merged(1)
			},
		},
		{
			name: "an old approval is dismissed", reviewed: "contradicted", gaps: "changes-requested",
			tell: func(s *scribbler) {
				s.decided()
				s.opened(1, smallChange...)
				for i, verdict := range []string{"approved", "changes-requested", "dismissed"} {
					id := []string{"5", "6", "5"}[i]
					s.at(5+3*i, codeHost, &record.Review{Reviewer: "ana-p", Verdict: verdict, CommitSHA: commit(1), ReviewerType: "human", ReviewID: id})
				}
				s.updated(12, codeHost, 2, smallChange...)
				s.reviewed(20, codeHost, "jonas-k", "approved", 2)
				s.merged(2)
			},
		},
		{
			name: "an approval of the code host after its own merge", reviewed: "proven", authorized: "proven",
			tell: func(s *scribbler) {
				s.decided()
				r := revisionOf(1)
				r.Author, r.AuthorType, r.Agent, r.Dependencies = "patch-pilot-svc", "", "", nil
				s.at(2, codeHost, &record.Opened{Revision: r})
				s.at(45, codeHost, &record.Review{Reviewer: "jonas-k", Verdict: "approved", CommitSHA: commit(1), ChangeState: "open"})
				s.merged(1)
			},
		},
		{
			name: "a login in another case", reviewed: "unproven", authorized: "contradicted", gaps: "self-approval",
			tell: func(s *scribbler) {
				s.at(0, pilot, decided("Mira-S"))
				s.opened(1, smallChange...)
				s.reviewed(20, codeHost, "mira-s", "approved", 1)
				s.merged(1)
			},
		},
		{
			name: "the reviewer pushed the last commit", reviewed: "unproven partial",
			tell: func(s *scribbler) {
				s.decided()
				s.at(1, codeHost, pushed(0, 1, "patch-pilot[bot]", smallChange...))
				s.opened(1, smallChange...)
				s.at(15, codeHost, pushed(1, 2, "jonas-k", smallChange...))
				s.updated(15, codeHost, 2, smallChange...)
				s.reviewed(20, codeHost, "jonas-k", "approved", 2)
				s.merged(2)
			},
		},
		{
			name: "two clocks of the merge", reviewed: "unproven", gaps: "approval-after-merge",
			tell: func(s *scribbler) {
				s.decided()
				s.opened(1, smallChange...)
				s.reviewed(33, codeHost, "jonas-k", "approved", 1)
				s.merged(1)
				s.at(35, ci, &record.Merged{MergeSHA: commit(99), MergedBy: "jonas-k", Revision: record.Revision{HeadSHA: commit(1)}})
			},
		},
	}
}

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

// TestTales tells histories that a sceptical auditor found wrong, to the oracle and
// to the product.
func TestTales(t *testing.T) {
	for _, tale := range tales() {
		t.Run(tale.name, func(t *testing.T) {
			p := usualRules()
			if tale.policy != nil {
				tale.policy(&p)
			}
			h := &history{ID: tale.id, World: world{Versions: []rules{p}}}
			if h.ID == "" {
				h.ID = repository.Change("/pull/7")
			}
			s := &scribbler{id: h.ID}
			tale.tell(s)
			for i, e := range s.events { // what names no change names its repository
				e.Repository = repository
				s.events[i] = sealed(e)
			}
			j := judge(s.events, h.ID, h.World)
			var gaps []string
			for g := range j.Gaps {
				gaps = append(gaps, g)
			}
			for _, wrong := range tale.wrong(j.Answers, gaps) {
				t.Errorf("oracle: %s", wrong)
			}
			r, err := product(h, s.events)
			if err != nil {
				t.Fatal(err)
			}
			said := record.Answers{}
			if r.Trail.Answers != nil {
				said = *r.Trail.Answers
			}
			for _, wrong := range tale.wrong(said, r.Trail.Gaps) {
				t.Errorf("product: %s", wrong)
			}
			if tale.also != nil {
				tale.also(t, r)
			}
		})
	}
}

// wrong names what of answers and gaps is not right.
func (s tale) wrong(said record.Answers, gaps []string) (out []string) {
	for _, a := range [][3]string{{"trigger", said.Trigger, s.trigger}, {"alternatives", said.Alternatives, s.alternatives}, {"authorized", said.Authorized, s.authorized}, {"reviewed", said.Reviewed, s.reviewed}} {
		if a[2] != "" && !slices.Contains(strings.Fields(a[2]), a[1]) {
			out = append(out, fmt.Sprintf("%s is %q, right is %s (gaps %v)", a[0], a[1], a[2], gaps))
		}
	}
	for _, g := range strings.Fields(s.gaps) {
		if !slices.Contains(gaps, g) {
			out = append(out, fmt.Sprintf("gap %s is missing among %v", g, gaps))
		}
	}
	for _, g := range strings.Fields(s.not) {
		if slices.Contains(gaps, g) {
			out = append(out, fmt.Sprintf("gap %s is too many", g))
		}
	}
	return out
}
