package say

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/record"
)

var merged = time.Date(2026, 11, 12, 11, 41, 0, 0, time.UTC)

const head, merge, other = "a6ac32a0d3e64b8fbf2ab9a3d1c5ee6a4c0f7d21", "bd10000000000000000000000000000000000000", "c0ffee0000000000000000000000000000000000"

// of returns a record of an agent's change with answers, changed by f.
func of(f func(t *record.Trail, a *record.Answers, why *record.Reasons)) *record.Record {
	r := &record.Record{GenAI: &record.GenAI{Agent: record.GenAIAgent{ID: "patch-pilot"}}}
	r.Trail.Change = record.Change{State: "merged", InitiatedBy: "agent", HeadSHA: head, MergeSHA: merge, MergedAt: merged}
	r.Trail.Answers, r.Trail.Reasons = new(record.Answers), new(record.Reasons)
	f(&r.Trail, r.Trail.Answers, r.Trail.Reasons)
	return r
}

func TestSentences(t *testing.T) {
	report := &record.TriggerFacts{
		Kind: "scan", Finding: "GHSA-1", Aliases: []string{"GHSA-1", "CVE-1"}, Severity: "high", Package: "golang.org/x/net", Installed: "0.17.0", Fixed: "0.18.0",
		Digest: "sha256:1", Held: true, Found: true, Scanner: "osv-scanner", Source: "/acme/scanners",
	}
	scans := []record.ScanFact{{Digest: "sha256:1", At: merged.Add(-8 * time.Hour)}}
	absent := *report
	absent.Found = false
	bare := *report
	bare.Aliases, bare.Package, bare.Installed, bare.Fixed, bare.Severity, bare.Source = nil, "", "", "", "", ""
	options := []record.Option{{ID: "u", Title: "Update", Outcome: "chosen", Reason: "r"}, {ID: "r", Title: "Replace", Outcome: "rejected", Reason: "r"}, {ID: "w", Outcome: "deferred", Reason: "r"}}
	required := func(verdict string) *record.AuthorizationFact {
		return &record.AuthorizationFact{Verdict: verdict, Rule: "critical", Reasons: []string{"owners review it"}}
	}
	approved := func(sha string, at time.Time) *record.ReviewFacts {
		return &record.ReviewFacts{Approvers: []string{"li.wen"}, Verdicts: []record.ReviewVerdict{{Reviewer: "li.wen", Verdict: "approved", CommitSHA: sha, SubmittedAt: at}}}
	}
	early, late := merged.Add(-41*time.Minute), merged.Add(3*time.Hour)
	for _, c := range []struct {
		name, question, want string
		f                    func(t *record.Trail, a *record.Answers, why *record.Reasons)
	}{
		{"a finding in a report", Trigger, "The scan by osv-scanner of 12 Nov 2026, 03:41 UTC, found GHSA-1, also known as CVE-1, in golang.org/x/net 0.17.0 (high, fixed in 0.18.0). The report was received from acme/scanners; the agent's decision names it by its fingerprint (digest).", func(t *record.Trail, a *record.Answers, _ *record.Reasons) {
			a.Trigger, t.Trigger, t.Scans = record.Proven, report, scans
		}},
		{"a report of a time after the merge", Trigger, "The scan by osv-scanner of 12 Nov 2026, 14:41 UTC, found GHSA-1. The report was received from an unnamed sender, 3 hours after the merge; the agent's decision names it by its fingerprint (digest).", func(t *record.Trail, a *record.Answers, _ *record.Reasons) {
			a.Trigger, t.Trigger, t.Scans = record.Proven, &bare, []record.ScanFact{{Digest: "sha256:1", At: late}}
		}},
		{"a report of which little is known", Trigger, "The scan by osv-scanner found GHSA-1. The report was received from an unnamed sender; the agent's decision names it by its fingerprint (digest).", func(t *record.Trail, a *record.Answers, _ *record.Reasons) {
			a.Trigger, t.Trigger = record.Proven, &bare
		}},
		{"a report that only the agent sent", Trigger, "The scan by osv-scanner of 12 Nov 2026, 03:41 UTC, lists GHSA-1, also known as CVE-1, in golang.org/x/net 0.17.0 (high, fixed in 0.18.0). The report was received from acme/scanners. But it is the agent's.", func(t *record.Trail, a *record.Answers, why *record.Reasons) {
			a.Trigger, why.Trigger, t.Trigger, t.Scans = record.Partial, "it is the agent's.", report, scans
		}},
		{"a finding that is not in the report", Trigger, "The agent says that it started because of GHSA-1. It names a report of osv-scanner, received from acme/scanners, which does not contain that finding.", func(t *record.Trail, a *record.Answers, _ *record.Reasons) {
			a.Trigger, t.Trigger = record.Contradicted, &absent
		}},
		{"a report that was never received", Trigger, "In its decision of 12 Nov 2026, 11:00 UTC the agent names the finding GHSA-1 in a report of osv-scanner with the fingerprint (digest) sha256:1. changetrail never received that; only the agent says so. It is not signed. If the report still exists, have the scanner send it, or attach it (changetrail attach scan).", func(t *record.Trail, a *record.Answers, why *record.Reasons) {
			a.Trigger, why.Trigger = record.Partial, "The agent names GHSA-1, which was never received. It is not signed."
			never := *report
			never.Held, never.Found = false, false
			t.Trigger, t.Decision = &never, &record.DecisionFacts{RecordedAt: early}
		}},
		{"a ticket that was never received", Trigger, "The agent names the ticket SHOP-17 about the finding CVE-1. changetrail never received that; only the agent says so. Have the system that it comes from send it.", func(t *record.Trail, a *record.Answers, why *record.Reasons) {
			a.Trigger, why.Trigger = record.Partial, "The agent names CVE-1, which was never received."
			t.Trigger = &record.TriggerFacts{Kind: "ticket", ID: "SHOP-17", Finding: "CVE-1"}
		}},
		{"a ticket", Trigger, "The agent was asked by ticket SHOP-17 “Mend it”, from mira.s on 12 Nov 2026, 11:00 UTC; it was received from jira.", func(t *record.Trail, a *record.Answers, _ *record.Reasons) {
			a.Trigger = record.Proven
			t.Trigger = &record.TriggerFacts{Kind: "ticket", ID: "SHOP-17", Request: &record.RequestFacts{Kind: "ticket", ID: "SHOP-17", Title: "Mend it", AskedBy: []string{"mira.s"}, OpenedAt: early, Source: "/jira"}}
		}},
		{"no trigger", Trigger, "Nothing names it.", func(_ *record.Trail, a *record.Answers, why *record.Reasons) {
			a.Trigger, why.Trigger = record.Unproven, "Nothing names it."
		}},
		{"options", Alternatives, "patch-pilot chose “Update”, rejected “Replace” and put off “w”, with a reason for each. It recorded the decision on 12 Nov 2026, 11:00 UTC, 41 minutes before the merge.", func(t *record.Trail, a *record.Answers, _ *record.Reasons) {
			a.Alternatives, t.Decision = record.Proven, &record.DecisionFacts{Chosen: "u", Options: options, RecordedAt: early}
		}},
		{"options, told late", Alternatives, "patch-pilot chose “Update”, rejected “Replace” and put off “w”, with a reason for each. But it was late.", func(t *record.Trail, a *record.Answers, why *record.Reasons) {
			a.Alternatives, why.Alternatives, t.Decision = record.Partial, "it was late.", &record.DecisionFacts{Chosen: "u", Options: options, RecordedAt: early}
		}},
		{"no decision", Alternatives, "None was recorded.", func(_ *record.Trail, a *record.Answers, why *record.Reasons) {
			a.Alternatives, why.Alternatives = record.Unproven, "None was recorded."
		}},
		{"a review as asked for", Authorized, "The policy requires a person's review of this change of pay (rule “critical”). Its reason: owners review it. li.wen approved the merged version (a6ac32a) on 12 Nov 2026, 11:00 UTC, 41 minutes before the merge.", func(t *record.Trail, a *record.Answers, why *record.Reasons) {
			a.Authorized, a.Reviewed, why.Reviewed, t.Service = record.Proven, record.Proven, "li.wen approved it.", &record.ServiceFacts{Names: []string{"pay"}}
			t.Authorization, t.Review = required(record.ReviewRequired), approved(head, early)
		}},
		{"an approval after the merge", Authorized, "The policy requires a person's approval, given before the merge, for this change of this service (rule “critical”). Its reason: owners review it. When it was merged, a required approval was missing: nobody who may give it had given a valid one. noor.a approved on 12 Nov 2026, 14:41 UTC, 3 hours after the merge.", func(t *record.Trail, a *record.Answers, _ *record.Reasons) {
			a.Authorized, t.Authorization = record.Contradicted, required(record.ApprovalRequired)
			t.Approvals = []record.ApprovalFact{{Approver: "noor.a", GrantedAt: late}}
		}},
		{"a review that asked for changes", Authorized, "The policy requires a person's review of this change of this service (rule “critical”). Its reason: owners review it. When it was merged, a required review was missing: nobody whose review counts had approved the change. li.wen had asked for changes.", func(t *record.Trail, a *record.Answers, _ *record.Reasons) {
			a.Authorized, t.Authorization, t.Gaps = record.Contradicted, required(record.ReviewRequired), []string{record.GapChangesRequested}
			t.Review = &record.ReviewFacts{ChangesRequested: []string{"li.wen"}}
		}},
		{"an approval in time", Authorized, "The policy requires a person's approval, given before the merge, for this change of this service (rule “critical”). Its reason: owners review it. noor.a gave it on 12 Nov 2026, 11:00 UTC, 41 minutes before the merge.", func(t *record.Trail, a *record.Answers, _ *record.Reasons) {
			a.Authorized, t.Authorization = record.Proven, required(record.ApprovalRequired)
			t.Approvals = []record.ApprovalFact{{Approver: "noor.a", GrantedAt: early, Tier: record.Human}, {Approver: "liar", GrantedAt: early, Tier: record.Claimed}}
		}},
		{"two approvals: the record does not say which counts", Authorized, "The policy requires a person's approval, given before the merge, for this change of this service (rule “critical”). Its reason: owners review it. It was given before the merge.", func(t *record.Trail, a *record.Answers, _ *record.Reasons) {
			a.Authorized, t.Authorization = record.Proven, required(record.ApprovalRequired)
			t.Approvals = []record.ApprovalFact{{Approver: "a", GrantedAt: early, Tier: record.Human}, {Approver: "b", GrantedAt: early, Tier: record.Human}}
		}},
		{"forbidden, and let pass", Authorized, "The policy forbids this change of this service (rule “critical”). Its reason: owners review it. The merge gate let the change pass nevertheless on 12 Nov 2026, 11:00 UTC.", func(t *record.Trail, a *record.Answers, _ *record.Reasons) {
			a.Authorized, t.Authorization, t.Gate = record.Contradicted, required(record.Forbidden), &record.GateFact{Allowed: true, At: early}
		}},
		{"forbidden because of a file", Authorized, "The policy forbids this change of this service (rule “critical”, which applies because of iam/a, iam/b, iam/c and 1 other). Its reason: owners review it.", func(t *record.Trail, a *record.Answers, _ *record.Reasons) {
			a.Authorized, t.Authorization = record.Contradicted, required(record.Forbidden)
			t.Authorization.Paths = []string{"iam/a", "iam/b", "iam/c", "iam/d"}
		}},
		{"alone", Authorized, "The policy lets patch-pilot change this service without asking anybody (rule “critical”). Its reason: owners review it.", func(t *record.Trail, a *record.Answers, _ *record.Reasons) {
			a.Authorized, t.Authorization = record.Proven, required(record.Autonomous)
		}},
		{"by default", Authorized, "The policy lets patch-pilot change this service without asking anybody (rule “default”).", func(t *record.Trail, a *record.Answers, _ *record.Reasons) {
			a.Authorized, t.Authorization = record.Proven, required(record.Autonomous)
			t.Authorization.Rule, t.Authorization.Reasons = record.RuleDefault, []string{"no rule holds"} // the text of an earlier version
		}},
		{"cannot be known", Authorized, "It is not known. Its reason: owners review it.", func(t *record.Trail, a *record.Answers, why *record.Reasons) {
			a.Authorized, why.Authorized, t.Authorization = record.Unproven, "It is not known.", required(record.ReviewRequired)
		}},
		{"reviewed", Reviewed, "li.wen approved the merged version (a6ac32a) on 12 Nov 2026, 11:00 UTC, 41 minutes before the merge.", func(t *record.Trail, a *record.Answers, why *record.Reasons) {
			a.Reviewed, why.Reviewed, t.Review = record.Proven, "li.wen approved it, before the merge.", approved(head, early)
		}},
		{"reviewed, and again after the merge", Reviewed, "li.wen approved the merged version (a6ac32a) on 12 Nov 2026, 11:00 UTC, 41 minutes before the merge.", func(t *record.Trail, a *record.Answers, why *record.Reasons) {
			a.Reviewed, why.Reviewed, t.Review = record.Proven, "li.wen approved it.", approved(head, early)
			t.Review.Verdicts = append(t.Review.Verdicts, record.ReviewVerdict{Reviewer: "li.wen", Verdict: "approved", CommitSHA: head, SubmittedAt: late}, record.ReviewVerdict{Reviewer: "li", Verdict: "approved", CommitSHA: head, SubmittedAt: early})
		}},
		{"another commit", Reviewed, "li.wen approved c0ffee0 on 12 Nov 2026, 11:00 UTC, 41 minutes before the merge. Another commit, a6ac32a, was merged.", func(t *record.Trail, a *record.Answers, why *record.Reasons) {
			a.Reviewed, why.Reviewed, t.Review = record.Partial, "li.wen approved another.", approved(other, early)
		}},
		{"no commit", Reviewed, "li.wen approved on 12 Nov 2026, 11:00 UTC, 41 minutes before the merge. Nothing says which commit was approved.", func(t *record.Trail, a *record.Answers, why *record.Reasons) {
			a.Reviewed, why.Reviewed, t.Review = record.Partial, "li.wen approved; which is not known.", approved("", early)
		}},
		{"changes asked for", Reviewed, "li.wen asked for changes on 12 Nov 2026, 11:00 UTC and did not withdraw the request before the merge.", func(t *record.Trail, a *record.Answers, why *record.Reasons) {
			a.Reviewed, why.Reviewed, t.Review = record.Contradicted, "li.wen asked for changes.", approved(head, early)
			t.Review.Verdicts[0].Verdict = "changes-requested"
		}},
		{"after the merge", Reviewed, "li.wen approved after the merge. The review was submitted on 12 Nov 2026, 14:41 UTC, 3 hours after the merge.", func(t *record.Trail, a *record.Answers, why *record.Reasons) {
			a.Reviewed, why.Reviewed, t.Review = record.Unproven, "li.wen approved after the merge.", approved(head, late)
		}},
		{"nobody", Reviewed, "Nobody did.", func(_ *record.Trail, a *record.Answers, why *record.Reasons) {
			a.Reviewed, why.Reviewed = record.Unproven, "Nobody did."
		}},
	} {
		answers := Answers(of(c.f))
		i := slices.IndexFunc(answers, func(a Answer) bool { return a.Name == c.question })
		if i < 0 || answers[i].Sentence != c.want {
			t.Errorf("%s:\n%+v\nwant\n%s", c.name, answers, c.want)
		}
	}
}

// TestEveryAnswerIsSaid: whatever a record contains, each answer has a sentence, and a reason that
// is not one of our sentences is not lost.
func TestEveryAnswerIsSaid(t *testing.T) {
	for _, a := range record.AllAnswers() {
		r := of(func(_ *record.Trail, all *record.Answers, why *record.Reasons) {
			*all = record.Answers{Trigger: a.Answer, Alternatives: a.Answer, Authorized: a.Answer, Reviewed: a.Answer}
			*why = record.Reasons{Trigger: "Reason.", Alternatives: "Reason.", Authorized: "Reason.", Reviewed: "Reason."}
		})
		got := Answers(r)
		if len(got) != 4 {
			t.Fatalf("%s: %d answers", a.Answer, len(got))
		}
		for _, said := range got {
			if said.Sentence != "Reason." || said.Means == "" || !strings.HasSuffix(said.Question, "?") {
				t.Errorf("%s: %+v", a.Answer, said)
			}
		}
	}
	if Answers(new(record.Record)) != nil {
		t.Error("a record that was not judged has answers")
	}
}

// TestEveryGapIsSaid: in general, and for a record with few and with many values.
func TestEveryGapIsSaid(t *testing.T) {
	full := of(func(t *record.Trail, _ *record.Answers, _ *record.Reasons) {
		for _, gap := range record.Gaps() {
			t.Contradictions = append(t.Contradictions, record.Contradiction{Kind: gap, Claimed: "this", Observed: "that"})
		}
		t.Trigger = &record.TriggerFacts{Finding: "CVE-1"}
		t.Decision = &record.DecisionFacts{Options: []record.Option{{ID: "wait"}}}
		t.Review = &record.ReviewFacts{ApprovedSHA: other, ChangesRequested: []string{"li.wen"}}
		t.Authorization = &record.AuthorizationFact{Verdict: record.Forbidden, Rule: "none"}
		t.Change.HeadSHA = head
		t.Gate = &record.GateFact{CommitSHA: "feed" + head[4:], Reasons: []string{"Nobody independent has approved the newest commit yet."}}
		t.BreakGlass = &record.BreakGlassFact{Person: "ana", CommitSHA: head, Reason: "payments are down"}
		t.Change.FilesUnknown, t.Change.Files, t.Change.FilesTotal = true, []string{"a"}, 3
		t.Gaps = record.Gaps()
	})
	empty := of(func(t *record.Trail, _ *record.Answers, _ *record.Reasons) { t.Gaps = record.Gaps() })
	for _, r := range []*record.Record{nil, empty, full} {
		for _, name := range record.Gaps() {
			g := GapOf(r, name)
			for _, text := range []string{g.Means, g.Advice} {
				if !strings.HasSuffix(text, ".") || text[0] < 'A' && text[0] >= 'a' || strings.Contains(text, "newer version") {
					t.Errorf("%s: %q", name, text)
				}
			}
		}
	}
	if len(advice) != len(record.Gaps()) {
		t.Errorf("advice is given for %d gaps of %d", len(advice), len(record.Gaps()))
	}
	for name := range specials {
		if GapOf(full, name).Means == GapOf(nil, name).Means {
			t.Errorf("%s is said without what the record holds", name)
		}
	}
	all := Gaps(full)
	if !slices.IsSortedFunc(all, func(a, b Gap) int { return rank(a.Severity) - rank(b.Severity) }) || len(all) != len(record.Gaps()) {
		t.Errorf("%+v", all)
	}
}

func TestHowManyFilesAreKnown(t *testing.T) {
	many := make([]string, record.MaxFiles)
	for want, c := range map[string]record.Change{
		"2 of its 5 files are known by their paths":              {Files: []string{"a", "b"}, FilesTotal: 5},
		"1 file is known, and there may be more":                 {Files: []string{"a"}, FilesTotal: 1},
		"2 files are known, and there may be more":               {Files: []string{"a", "b"}},
		"no event that counts says which files it changes":       {FilesTotal: 5},
		"the paths of its files are only claimed":                {Files: []string{"a"}, Claimed: []string{"files"}},
		"the events name some of its files, and not all of them": {Files: many, FilesTotal: 900},
	} {
		if got := FilesKnown(c); got != want {
			t.Errorf("%d of %d files: %q, want %q", len(c.Files), c.FilesTotal, got, want)
		}
	}
}

func TestLongNamesAreShortened(t *testing.T) {
	r := of(func(_ *record.Trail, a *record.Answers, why *record.Reasons) {
		a.Trigger, why.Trigger = record.Unproven, "It names sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 and "+head+"."
	})
	if got := Answers(r)[0].Sentence; got != "It names sha256:9f86d081884c… and a6ac32a." {
		t.Error(got)
	}
}

func TestAReasonIsGivenOnce(t *testing.T) {
	r := of(func(trail *record.Trail, a *record.Answers, why *record.Reasons) {
		a.Authorized, why.Authorized = record.Unproven, "It cannot be decided: the policy does not list the agent x."
		trail.Authorization = &record.AuthorizationFact{Verdict: record.ReviewRequired, Reasons: []string{"the policy does not list the agent x"}}
	})
	if got := Answers(r)[0].Sentence; got != "It cannot be decided: the policy does not list the agent x." {
		t.Error(got)
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 seconds", time.Second: "1 second", -time.Minute: "60 seconds", 41 * time.Minute: "41 minutes", 2 * time.Hour: "2 hours", 47 * time.Hour: "47 hours", 96 * time.Hour: "4 days",
	} {
		if got := Span(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
