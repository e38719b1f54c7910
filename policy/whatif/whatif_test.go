package whatif_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/policy/whatif"
	"github.com/changetrail/changetrail/record"
)

const services = `services:
  - {name: payments, repositories: [github.com/acme/payments], classification: critical, owner: team-pay}
  - {name: handbook, repositories: [github.com/acme/handbook], classification: low}
  - {name: api, repositories: [github.com/acme/mono], paths: ["api/**"], classification: high}
  - {name: web, repositories: [github.com/acme/mono], paths: ["web/**"], classification: medium}
people: [{id: li}, {id: jo}]
teams: [{id: team-pay, members: [li, jo]}]
`

func parse(t *testing.T, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse([]byte(services + text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var day = time.Date(2026, 11, 12, 3, 0, 0, 0, time.UTC)

// merged returns the record of a merged change of an agent.
func merged(number int, repo string, files ...string) *record.Record {
	r := &record.Record{GenAI: &record.GenAI{Agent: record.GenAIAgent{ID: "bot"}}}
	c := &r.Trail.Change
	c.Repository = record.Repository("github.com/acme/" + repo)
	c.Number = fmt.Sprint(number)
	c.ID = c.Repository.Change("/pull/" + c.Number)
	c.Title, c.Branch, c.Kind, c.State, c.InitiatedBy = fmt.Sprintf("Change %d", number), fmt.Sprintf("bot/%d", number), "code", "merged", "agent"
	c.OpenedAt, c.MergedAt = day.Add(time.Duration(number)*time.Minute), day.Add(time.Duration(number)*time.Minute+2*time.Hour)
	c.HeadSHA, c.MergeSHA = fmt.Sprintf("a%039x", number), fmt.Sprintf("%08xb%031x", 0xbeef0000+number, number)
	c.Files, c.FilesTotal = files, int64(len(files))
	return r
}

func ask(t *testing.T, q whatif.Question, records ...*record.Record) *whatif.Report {
	t.Helper()
	if q.From.IsZero() {
		q.From, q.To = day.AddDate(0, 0, -1), day.AddDate(0, 0, 9)
	}
	s, err := whatif.New(q)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		s.Add(r)
	}
	return s.Report()
}

func TestAMovedThresholdAsksOtherPeople(t *testing.T) {
	high := whatif.Question{InForce: policy.Always(parse(t, "threshold: high\n"), time.Time{}), Threshold: "low"}
	r := ask(t, high, merged(1, "payments", "a.go"), merged(2, "handbook", "b.md"), merged(3, "mono", "api/a.go", "web/b.ts"), merged(4, "mono", "web/c.ts"))
	want := whatif.Report{InForce: whatif.Totals{Free: 2, Asked: 2, Requests: 2}, Instead: whatif.Totals{Asked: 4, Requests: 4}}
	for _, p := range []struct{ got, want whatif.Totals }{{r.InForce, want.InForce}, {r.Instead, want.Instead}} {
		p.got.ADay, p.got.Busiest, p.got.Most = 0, "", 0
		if p.got != p.want {
			t.Errorf("%+v, want %+v", p.got, p.want)
		}
	}
	var effects []string
	for _, c := range r.Changes {
		effects = append(effects, c.Effect)
	}
	if want := []string{whatif.Same, whatif.Asked, whatif.Same, whatif.Asked}; !slices.Equal(effects, want) {
		t.Errorf("%v, want %v", effects, want)
	}
	if r.Instead.Most != 4 || r.Instead.Busiest != "2026-11-12" || len(r.Days) != 11 {
		t.Errorf("%+v %d days", r.Instead, len(r.Days))
	}
	if i := slices.IndexFunc(r.Hours, func(h whatif.Row) bool { return h.Name == "03" }); r.Hours[i].Instead != 4 || len(r.Hours) != 24 {
		t.Errorf("%+v", r.Hours)
	}
}

func TestGateEverythingAsksForAnApprovalOfEach(t *testing.T) {
	rules := "rules: [{name: all, when: 'true', verdict: review-required, reason: x, by: [owners]}]\n"
	r := ask(t, whatif.Question{InForce: policy.Always(parse(t, rules), time.Time{}), Mode: policy.GateEverything}, merged(1, "payments", "a.go"))
	want := []whatif.Request{{What: "approval", By: whatif.AnyPerson}, {What: "review", By: "team-pay"}}
	if c := r.Changes[0]; !slices.Equal(c.Instead.Requests, want) || !slices.Equal(c.InForce.Requests, want[1:]) || c.Effect != whatif.Asked {
		t.Errorf("%+v", c)
	}
}

// TestEachOfTwoPeopleIsARequest: one more person is asked, and nobody can allow what more people must
// approve than there are.
func TestEachOfTwoPeopleIsARequest(t *testing.T) {
	gated := policy.Always(parse(t, "mode: gate-everything\ndefault: autonomous\n"), time.Time{})
	two := parse(t, "mode: gate-everything\ndefault: autonomous\napprovers: {critical: 2}\n")
	r := ask(t, whatif.Question{InForce: gated, Other: two}, merged(1, "payments", "a.go"))
	one := whatif.Request{What: "approval", By: whatif.AnyPerson}
	if c := r.Changes[0]; !slices.Equal(c.Instead.Requests, []whatif.Request{one, one}) || !slices.Equal(c.InForce.Requests, []whatif.Request{one}) || c.Effect != whatif.Asked {
		t.Errorf("%+v", c)
	}
	nobody := parse(t, "rules: [{name: all, when: 'true', verdict: approval-required, reason: x, by: [mira]}]\napprovers: {critical: 2}\n")
	if c := ask(t, whatif.Question{InForce: gated, Other: nobody}, merged(1, "payments", "a.go")).Changes[0]; c.Effect != whatif.Stopped {
		t.Errorf("%+v", c)
	}
}

// TestWhatPoliciesSaidAtTheMergeCounts: the policy changed between two merges.
func TestWhatPoliciesSaidAtTheMergeCounts(t *testing.T) {
	var h policy.History[*policy.Policy]
	for i, text := range []string{"default: autonomous\n", "default: forbidden\n"} {
		p := parse(t, text)
		h, _ = h.Add(policy.Version[*policy.Policy]{Digest: p.Digest(), Arrived: day.AddDate(0, 0, i), Content: p}, time.Time{})
	}
	first, second := merged(1, "handbook", "a"), merged(2, "handbook", "a")
	second.Trail.Change.MergedAt = day.AddDate(0, 0, 2)
	r := ask(t, whatif.Question{InForce: h, Other: parse(t, "default: review-required\n")}, second, first)
	if r.Changes[0].InForce.Verdict != record.Autonomous || r.Changes[1].InForce.Verdict != record.Forbidden {
		t.Errorf("%+v %+v", r.Changes[0].InForce, r.Changes[1].InForce)
	}
	if r.Changes[0].Effect != whatif.Asked || r.Changes[1].Effect != whatif.Freed || len(r.InForceBy) != 2 {
		t.Errorf("%s %s by %v", r.Changes[0].Effect, r.Changes[1].Effect, r.InForceBy)
	}
}

// TestWhatIsNotKnownIsNeitherAskedNorFree breaks one thing in the record of a change that both
// policies decide.
func TestWhatIsNotKnownIsNeitherAskedNorFree(t *testing.T) {
	inForce := parse(t, "rules: [{name: docs, when: 'change.kind == \"documentation\" || change.jump == \"patch\"', verdict: autonomous, reason: x}]\ndefault: review-required\n")
	q := whatif.Question{InForce: policy.Always(inForce, day.AddDate(0, 0, -5)), Other: parse(t, "default: autonomous\n")}
	for name, breaks := range map[string]func(r *record.Record){
		"more files":             func(r *record.Record) { r.Trail.Change.FilesTotal = 300 },
		"files not received":     func(r *record.Record) { r.Trail.Change.FilesUnknown = true },
		"no files":               func(r *record.Record) { r.Trail.Change.Files = nil },
		"claimed files":          func(r *record.Record) { r.Trail.Change.Claimed = []string{"files"} },
		"facts left out":         func(r *record.Record) { r.Trail.LeftOut = 1 },
		"a gap":                  func(r *record.Record) { r.Trail.Gaps = []string{record.GapEvidenceIncomplete} },
		"a claimed merge":        func(r *record.Record) { r.Trail.Change.Claimed = []string{"merged_at"} },
		"no agent":               func(r *record.Record) { r.GenAI = nil },
		"nobody made it":         func(r *record.Record) { r.Trail.Change.InitiatedBy = "" },
		"before the policy":      func(r *record.Record) { r.Trail.Change.MergedAt = day.AddDate(0, 0, -6) },
		"a claimed kind":         func(r *record.Record) { r.Trail.Change.Claimed = []string{"kind"} },
		"no kind":                func(r *record.Record) { r.Trail.Change.Kind = "" },
		"unknown versions":       func(r *record.Record) { r.Trail.Change.Files = []string{"go.mod"} },
		"a claimed version":      func(r *record.Record) { r.Trail.Change.Claimed = []string{"dependencies"} },
		"another verdict before": func(r *record.Record) { r.Trail.Authorization = &record.AuthorizationFact{Verdict: record.Forbidden} },
		"a kind by the trigger": func(r *record.Record) {
			r.Trail.Change.Kind, r.Trail.Change.Files, r.Trail.Trigger = "vulnerability-fix", []string{"a.md"}, &record.TriggerFacts{Finding: "CVE-2026-1"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			q.From, q.To = day.AddDate(0, 0, -9), day.AddDate(0, 0, 9)
			whole := merged(1, "handbook", "a.go")
			if r := ask(t, q, whole); r.Decided != 1 {
				t.Fatalf("the whole record is not decided: %+v", r.Undecided)
			}
			breaks(whole)
			r := ask(t, q, whole)
			if r.Decided != 0 || len(r.Undecided) != 1 || r.Undecided[0].Changes != 1 || r.InForce.Free+r.InForce.Asked+r.InForce.Stopped+r.Instead.Free > 0 || r.Changes[0].Effect != "" {
				t.Errorf("%+v %+v", r.Changes[0], r.Undecided)
			}
		})
	}
}

func TestSignsThatAChangeWasBad(t *testing.T) {
	observed := func(at, now, claimed string) func(r *record.Record) {
		return func(r *record.Record) {
			r.Trail.Tier = &record.Tiers{Validation: record.Observed}
			r.Trail.Validation = &record.ValidationFacts{Conclusion: now, Current: true, Claimed: claimed}
			r.Trail.AtMerge = &record.MergeSnapshot{Conclusion: at}
		}
	}
	deployed := func(outcome, tier string, after time.Duration) func(r *record.Record) {
		return func(r *record.Record) {
			r.Trail.Deployments = []record.DeploymentFact{{Environment: "production", Outcome: outcome, Tier: tier, At: r.Trail.Change.MergedAt.Add(after)}}
		}
	}
	for name, c := range map[string]struct {
		alter func(r *record.Record)
		want  string
	}{
		"passed":                   {observed("success", "success", ""), ""},
		"failed at the merge":      {observed("failure", "success", ""), whatif.FailingTests},
		"timed out at the merge":   {observed("timed-out", "timed-out", ""), whatif.FailingTests},
		"failed after the merge":   {observed("success", "failure", ""), whatif.TestsFailedLater},
		"was claimed at the merge": {observed("failure", "success", "failure"), ""},
		"only claimed": {func(r *record.Record) {
			observed("failure", "failure", "")(r)
			r.Trail.Tier.Validation = record.Claimed
		}, ""},
		"of an earlier commit":        {func(r *record.Record) { observed("failure", "failure", "")(r); r.Trail.Validation.Current = false }, ""},
		"deployed":                    {deployed("success", record.Observed, time.Hour), ""},
		"deployment failed":           {deployed("failure", record.Observed, time.Hour), whatif.DeploymentFailed},
		"deployment rolled back":      {deployed("rolled-back", record.Observed, time.Hour), whatif.RolledBack},
		"deployment only claimed":     {deployed("failure", record.Claimed, time.Hour), ""},
		"preview failed before merge": {deployed("failure", record.Observed, -time.Hour), ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := merged(1, "payments", "a.go")
			c.alter(r)
			got := signs(ask(t, whatif.Question{Other: parse(t, "threshold: high\n")}, r))
			if want := strings.TrimSpace("1 " + c.want); c.want == "" && got != "" || c.want != "" && got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// signs returns the numbers of the bad changes with the kinds of their signs.
func signs(r *whatif.Report) string {
	var out []string
	for _, c := range r.Changes {
		for _, s := range c.Signs {
			_, _, number := c.ID.Split()
			out = append(out, number+" "+s.Kind)
		}
	}
	return strings.Join(out, ", ")
}

func TestWhichChangeARevertMeans(t *testing.T) {
	const target = 12
	sha := merged(target, "payments").Trail.Change.MergeSHA
	for name, c := range map[string]struct {
		title, branch string
		alter         func(r *record.Record)
		want          bool
	}{
		"GitHub's title":           {title: `Revert "Change 12"`, want: true},
		"with its own number":      {title: `Revert "Change 12" (#99)`, want: true},
		"with the number of both":  {title: `Revert "Change 12 (#12)" (#99)`, want: true},
		"GitHub's branch":          {title: "Undo it", branch: "revert-12-bot/12", want: true},
		"GitLab's branch":          {title: "Undo it", branch: "revert-" + sha[:8], want: true},
		"conventional commits":     {title: "revert: change 12", want: true},
		"a number":                 {title: "Revert #12: it breaks the log-in", want: true},
		"a merge request":          {title: "Roll back !12", want: true},
		"a short form":             {title: "Reverts acme/payments#12", want: true},
		"an address":               {title: "Revert https://github.com/acme/payments/pull/12", want: true},
		"a commit":                 {title: "Rollback of " + sha[:9] + ".", want: true},
		"another number":           {title: "Revert #120"},
		"a part of the title":      {title: `Revert "Change 1"`},
		"a revert of the revert":   {title: `Revert "Revert "Change 12""`},
		"a word that begins alike": {title: "Reversion of change 12"},
		"no revert":                {title: "Change 12 again (#12)"},
		"another repository":       {title: "Revert #12", alter: func(r *record.Record) { *r = *moved(r, "handbook") }},
		"not merged":               {title: "Revert #12", alter: func(r *record.Record) { r.Trail.Change.State = "open" }},
		"merged before":            {title: "Revert #12", alter: func(r *record.Record) { r.Trail.Change.MergedAt = day }},
		"a claimed title":          {title: "Revert #12", alter: func(r *record.Record) { r.Trail.Change.Claimed = []string{"title"} }},
		"a claimed merge":          {title: "Revert #12", alter: func(r *record.Record) { r.Trail.Change.Claimed = []string{"merged_at"} }},
		"a part of another change": {title: "Revert #12", alter: func(r *record.Record) { r.Trail.Change.PartOf = "github.com/acme/payments/pull/98" }},
		"by a person, after the end": {title: "Revert #12", alter: func(r *record.Record) {
			r.Trail.Change.InitiatedBy, r.Trail.Change.MergedAt = "human", day.AddDate(0, 1, 0)
		}, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			revert := merged(99, "payments", "a.go")
			revert.Trail.Change.Title, revert.Trail.Change.Branch = c.title, c.branch
			if c.alter != nil {
				c.alter(revert)
			}
			got := signs(ask(t, whatif.Question{Other: parse(t, "threshold: high\n")}, revert, merged(11, "payments", "a"), merged(target, "payments", "a"), merged(12, "handbook", "a")))
			if want := "12 " + whatif.Reverted; (got == want) != c.want || !c.want && name != "another repository" && got != "" {
				t.Errorf("%q", got)
			}
		})
	}
}

// moved returns r in another repository, whose own change 12 its title then means.
func moved(r *record.Record, repo string) *record.Record {
	out := merged(99, repo, "a")
	out.Trail.Change.Title, out.Trail.Change.State = "Revert #13", r.Trail.Change.State
	return out
}

func TestOfTwoChangesWithOneTitleTheNewerIsReverted(t *testing.T) {
	older, newer, revert := merged(1, "payments", "a"), merged(2, "payments", "a"), merged(3, "payments", "a")
	older.Trail.Change.Title, newer.Trail.Change.Title, revert.Trail.Change.Title = "Update it", "Update it", `Revert "Update it"`
	if got := signs(ask(t, whatif.Question{Other: parse(t, "threshold: high\n")}, newer, revert, older)); got != "2 "+whatif.Reverted {
		t.Error(got)
	}
}

func TestAnIncidentThatNamesAChange(t *testing.T) {
	for name, c := range map[string]struct {
		title, kind, witness string
		at                   time.Duration
		want                 string
	}{
		"an address": {"Log-in fails since https://github.com/acme/payments/pull/1.", "incident", record.Observed, 5 * time.Hour, "1 incident"},
		"two":        {"acme/payments#1, acme/payments#2", "alert", record.Human, 5 * time.Hour, "1 incident, 2 incident"},
		"a commit":   {"500s after " + merged(1, "payments").Trail.Change.MergeSHA[:9], "alert", record.Observed, 5 * time.Hour, "1 incident"},
		"no host":    {"#1 is broken", "incident", record.Observed, 5 * time.Hour, ""},
		"a ticket":   {"acme/payments#1", "ticket", record.Observed, 5 * time.Hour, ""},
		"a claim":    {"acme/payments#1", "incident", record.Claimed, 5 * time.Hour, ""},
		"before":     {"acme/payments#1", "incident", record.Observed, -5 * time.Hour, ""},
	} {
		t.Run(name, func(t *testing.T) {
			fix := merged(50, "payments", "a")
			fix.Trail.Trigger = &record.TriggerFacts{Request: &record.RequestFacts{Kind: c.kind, Title: c.title, Witness: c.witness, OpenedAt: day.Add(c.at)}}
			got := signs(ask(t, whatif.Question{Other: parse(t, "threshold: high\n")}, fix, merged(1, "payments", "a"), merged(2, "payments", "a")))
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestQuestionsThatCannotBeAnswered(t *testing.T) {
	p := policy.Always(parse(t, "threshold: high\n"), time.Time{})
	for want, q := range map[string]whatif.Question{
		"the time is empty":            {From: day, To: day, InForce: p, Threshold: "low"},
		"did you mean high?":           {From: day, To: day.AddDate(0, 0, 1), InForce: p, Threshold: "hihg"},
		"did you mean gate-everything": {From: day, To: day.AddDate(0, 0, 1), InForce: p, Mode: "gate-all-everything"},
		"no policy that was in forc":   {From: day, To: day.AddDate(0, 0, 1), Threshold: "low"},
	} {
		if _, err := whatif.New(q); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// FuzzNames: whatever titles and branches say, nothing fails, and a change never reverts itself or a
// later one.
func FuzzNames(f *testing.F) {
	for _, s := range []string{`Revert "Change 12"`, "revert-12-x", "Revert #12", "Revert acme/payments#12", "revert: (#12)", `Revert "" (#1)`, "Revert @#!", "Revert https://github.com/acme/payments/pull/12"} {
		f.Add(s, s)
	}
	p, err := policy.Parse([]byte(services + "threshold: high\n"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, title, branch string) {
		revert := merged(20, "payments", "a")
		revert.Trail.Change.Title, revert.Trail.Change.Branch = title, branch
		revert.Trail.Trigger = &record.TriggerFacts{Request: &record.RequestFacts{Kind: "incident", Title: title, Witness: record.Observed, OpenedAt: revert.Trail.Change.MergedAt}}
		r := ask(t, whatif.Question{Other: p}, merged(12, "payments", "a"), revert, merged(30, "payments", "a"))
		for _, c := range r.Changes[1:] {
			if c.Bad() {
				t.Errorf("%s: %+v", c.ID, c.Signs)
			}
		}
	})
}
