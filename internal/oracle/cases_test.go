package oracle

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/record"
)

// A tale is one history whose correct answers are known. Each answer lists all that are right.
type tale struct {
	name   string
	id     record.ChangeID // pull request 7 if omitted
	policy func(*rules)
	tell   func(*scribbler)

	trigger, alternatives, authorized, reviewed string // right answers; any if empty
	gaps, not                                   string // gaps that must be there, and gaps that must not
	also                                        func(*testing.T, *record.Record)
}

// A scribbler writes events of people and of systems that import history: each arrived when it
// happened.
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

// decided is a complete decision of the agent, at the request of somebody.
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

// usual is a typical change: decided, opened with its files, reviewed, merged.
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

// shop is a repository with several services.
func shop(p *rules) {
	p.Services = []service{{"docs", "docs/", "low", "", ""}, {"checkout", "services/checkout/", "critical", "team-payments", ""}, {"ledger", "services/ledger/", "critical", "team-ledger", ""}}
	p.Teams = []person{{"team-payments", []string{"jonas-k"}}, {"team-ledger", []string{"lea-w"}}}
	p.Rules = []rule{{Name: "docs alone", Kind: "all", Arg: "docs/", Verdict: "autonomous"}, {Name: "by owners", Kind: "class", Arg: "critical", Verdict: "review-required", By: []string{"owners"}}}
}

// chose is a decision for one option against one other.
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
		Tool: record.Tool{Name: "trivy"}, Report: record.Report{Digest: digests.Of(fmt.Append(nil, n))}, Summary: record.ScanSummary{Findings: 1, Scanned: true},
		Findings: []record.Finding{{ID: finding, Package: name, Fingerprint: finding}},
	}
}

func (s *scribbler) startedBy(n int, finding, name string) {
	d := decided("mira.s")
	d.Trigger = &record.Trigger{Kind: "scan", Digest: digests.Of(fmt.Append(nil, n)), Finding: finding, Severity: "high", Package: name}
	s.at(0, pilot, d)
}

func pushed(before, after int, who string, files ...string) *record.Pushed {
	p := &record.Pushed{Branch: "fix/lodash", After: commit(after), Pusher: who, Files: files, Commits: []record.Commit{{SHA: commit(after), Author: who}}}
	if before != 0 {
		p.Before = commit(before)
	}
	return p
}

// pushedNothing is a push of commits that change no file, according to the code host.
func pushedNothing(before, after int, who string) *record.Pushed {
	p := pushed(before, after, who)
	p.NoFiles = true
	return p
}

func tales() []tale {
	return slices.Concat(talesOfAgents(), talesOfClaims(), talesOfReviews(), talesOfFiles(), talesOfDecisions(), talesOfPolicies())
}

// TestTales gives histories in which a sceptical auditor found mistakes to the oracle and to the
// product.
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
			for i, e := range s.events { // an event that names no change names its repository
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

// wrong lists what is not right in answers and gaps.
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
