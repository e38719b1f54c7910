package enricher

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/evidence"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

const (
	head    = "8c1f0f5ad3e64b8fbf2ab9a3d1c5ee6a4c0f7d21"
	earlier = "1111111111111111111111111111111111111111"
)

// A story is the life of PR 4829 of acme/payments: agent-bot-3000 reads a scan and updates lodash
// to 4.17.21 in a service that handles cardholder data; a person reviews the change, and it is
// merged at 03:47.
type story struct {
	policy    string
	scan      *record.Scan
	decision  *record.Decision
	decidedAt time.Time
	opened    *record.Opened
	reviews   []*record.Review // submitted before the merge unless they state a time
	approvals []reported
	merged    *record.Merged

	reviewsFrom string // source of the reviews; the code host if empty
	tests       []heard
}

// A heard fact is a fact and who sent it.
type heard struct {
	source string
	fact   *record.Validation
}

// A reported fact is a fact and the time at which it was reported.
type reported struct {
	at   time.Time
	fact record.Fact
}

func clock(hour, minute int) time.Time { return time.Date(2026, 11, 12, hour, minute, 0, 0, time.UTC) }

// readReport reads the report that a fact carries.
func readReport(f record.Fact) (err error) {
	switch f := f.(type) {
	case *record.Scan:
		_, err = evidence.ReadScan(f)
	case *record.Validation:
		_, err = evidence.ReadValidation(f)
	}
	return err
}

func pr4829(t *testing.T) *story {
	t.Helper()
	report, err := os.ReadFile(filepath.Join("..", "deploy", "example", "pr-4829", "osv-scanner.json"))
	if err != nil {
		t.Fatal(err)
	}
	pol, err := os.ReadFile(filepath.Join("..", "deploy", "example", "policy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	scan := &record.Scan{Tool: record.Tool{Name: "osv-scanner"}, ScanID: "nightly-20261112"}
	if scan.Report, err = evidence.Pack(report, ""); err != nil {
		t.Fatal(err)
	}
	return &story{
		policy: string(pol),
		scan:   scan,
		decision: &record.Decision{
			Agent:   record.Agent{ID: "agent-bot-3000", DelegatedBy: "mira.s"},
			Trigger: &record.Trigger{Kind: "scan", Digest: scan.Report.Digest, Finding: "CVE-2021-23337", Package: "lodash"},
			Options: []record.Option{
				{ID: "patch", Title: "Update lodash to 4.17.21", Outcome: "chosen", Reason: "smallest version without the weakness"},
				{ID: "replace", Title: "Replace lodash", Outcome: "rejected", Reason: "touches 41 files"},
			},
			Chosen: "patch",
		},
		decidedAt: clock(3, 19),
		opened: &record.Opened{Revision: record.Revision{
			Title: "Update lodash", Author: "agent-bot-3000[bot]", AuthorType: "agent", Agent: "agent-bot-3000", HeadSHA: head,
			Files: []string{"package.json", "package-lock.json"}, Dependencies: []record.DependencyUpdate{{Name: "lodash", Ecosystem: "npm", From: "4.17.20", To: "4.17.21"}},
		}},
		reviews: []*record.Review{{Reviewer: "jonas.k", Verdict: "approved", CommitSHA: head, SubmittedAt: clock(3, 44)}},
		merged:  &record.Merged{MergeSHA: "f00dbabe4c0ffee0123456789abcdef012345678", MergedBy: "agent-bot-3000[bot]", Revision: record.Revision{HeadSHA: head}},
	}
}

// record folds the story.
func (s *story) record(t *testing.T) *record.Record {
	t.Helper()
	pol, err := policy.Parse([]byte(s.policy))
	if err != nil {
		t.Fatal(err)
	}
	const id = record.ChangeID("github.com/acme/payments/pull/4829")
	var events []record.Event
	add := func(change record.ChangeID, source string, at time.Time, f record.Fact) {
		e := record.Event{Source: source, ID: at.String() + record.TypeOf(f), Type: record.TypeOf(f), Repository: id.Repository(), Change: change, Time: at, Fact: f, Witness: record.Observed}
		if strings.HasPrefix(source, "/agents/") {
			e.Sender, e.Witness = record.SenderAgent+"agent-bot-3000", record.Claimed
			if _, ok := f.(*record.Decision); ok {
				e.Witness = record.Signed
			}
		}
		if err := readReport(f); err != nil {
			t.Fatal(err)
		}
		if err := schemas.Fingerprint(&e, at); err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	if s.scan != nil {
		source := "/ci/scans"
		if s.scan.URL == "handed in by the agent" {
			source = "/agents/agent-bot-3000"
		}
		add("", source, clock(2, 0), s.scan)
	}
	if s.decision != nil {
		add(id, "/agents/agent-bot-3000", s.decidedAt, s.decision)
	}
	add(id, "/host", clock(3, 21), s.opened)
	for i, r := range s.reviews {
		add(id, cmp.Or(s.reviewsFrom, "/host"), r.SubmittedAt.Add(time.Duration(i)), r)
	}
	for _, a := range s.approvals {
		add(id, "/tickets", a.at, a.fact)
	}
	for i, v := range s.tests {
		add(id, v.source, clock(3, 30+i), v.fact)
	}
	if s.merged != nil {
		add(id, "/host", clock(3, 47), s.merged)
	}
	r := Fold(id, events, pol, new(controls.Matrix))
	slices.Reverse(events)
	if a, b := Digest(r), Digest(Fold(id, events, pol, new(controls.Matrix))); a != b {
		t.Errorf("with the events in reverse order the record differs: %s, %s", a, b)
	}
	return r
}

// TestTheFourAnswersOfPR4829 folds the story as it was, and then with one difference at a time.
func TestTheFourAnswersOfPR4829(t *testing.T) {
	proven := record.Answers{Trigger: record.Proven, Alternatives: record.Proven, Authorized: record.Proven, Reviewed: record.Proven}
	with := func(change func(*record.Answers)) record.Answers {
		a := proven
		change(&a)
		return a
	}
	unreviewed := func(a *record.Answers) { a.Authorized, a.Reviewed = record.Contradicted, record.Unproven }
	leaveAsked := func(s *story) { s.opened.Files = append(s.opened.Files, "src/auth/session.js") }
	for _, test := range []struct {
		name   string
		change func(*story)
		want   record.Answers
		gaps   []string
	}{
		{"as it was", func(*story) {}, proven, nil},
		{"no trigger", func(s *story) { s.decision.Trigger = nil }, with(func(a *record.Answers) { a.Trigger = record.Unproven }), []string{"no-trigger"}},
		{"the report was never handed in", func(s *story) { s.scan = nil }, with(func(a *record.Answers) { a.Trigger = record.Partial }), []string{"trigger-not-held"}},
		{"the agent handed in the report itself", func(s *story) { s.scan.URL = "handed in by the agent" }, with(func(a *record.Answers) { a.Trigger = record.Partial }), []string{"trigger-from-agent"}},
		{"the finding is not said", func(s *story) { s.decision.Trigger.Finding = "" }, with(func(a *record.Answers) { a.Trigger = record.Partial }), []string{"finding-not-stated"}},
		{"the finding stands in no report", func(s *story) { s.decision.Trigger.Finding = "CVE-1999-0001" }, with(func(a *record.Answers) { a.Trigger = record.Contradicted }), []string{"finding-not-in-report"}},
		{"the scan is named and its digest is not", func(s *story) {
			s.decision.Trigger.Digest, s.decision.Trigger.ID = "", "nightly-20261112"
		}, with(func(a *record.Answers) { a.Trigger = record.Partial }), []string{"digest-not-stated"}},
		{"no decision", func(s *story) { s.decision = nil }, with(func(a *record.Answers) { a.Trigger, a.Alternatives = record.Unproven, record.Unproven }), []string{"no-decision", "no-trigger"}},
		{"no alternatives", func(s *story) { s.decision.Options = s.decision.Options[:1] }, with(func(a *record.Answers) { a.Alternatives = record.Partial }), []string{"no-alternatives"}},
		{"a rejection without a reason", func(s *story) { s.decision.Options[1].Reason = "" }, with(func(a *record.Answers) { a.Alternatives = record.Partial }), []string{"rejection-without-reason"}},
		{"decided after the merge", func(s *story) { s.decidedAt = clock(4, 0) }, with(func(a *record.Answers) { a.Alternatives = record.Partial }), []string{"decision-after-merge"}},
		{"chosen was one version, done another", func(s *story) {
			s.decision.Options[0].Package, s.decision.Options[0].To = "pkg:npm/lodash", "4.17.21"
			s.opened.Dependencies[0].To = "4.17.20"
		}, with(func(a *record.Answers) { a.Alternatives = record.Contradicted }), []string{"chosen-not-done"}},
		{"out of scope", func(s *story) { s.policy = edit(t, s.policy, `services: ["*"]`, `services: ["docs-*"]`) }, with(func(a *record.Answers) { a.Authorized = record.Contradicted }), []string{"out-of-scope"}},
		{"the agent is in no policy", func(s *story) { s.policy = edit(t, s.policy, "agent-bot-3000", "agent-bot-1") }, with(func(a *record.Answers) { a.Authorized = record.Unproven }), []string{"agent-unknown"}},
		{"the service is in no policy", func(s *story) { s.policy = edit(t, s.policy, "github.com/acme/payments", "github.com/acme/other") }, with(func(a *record.Answers) { a.Authorized = record.Unproven }), []string{"service-unknown"}},
		{"no policy", func(s *story) { s.policy = "" }, with(func(a *record.Answers) { a.Authorized = record.Unproven }), []string{"no-policy"}},
		{"the policy came later", func(s *story) { s.policy = "since: 2026-11-20T00:00:00Z\n" + s.policy }, with(func(a *record.Answers) { a.Authorized = record.Partial }), []string{"policy-not-of-the-time"}},
		{"no reviewer", func(s *story) { s.reviews = nil }, with(unreviewed), []string{"no-review", "review-missing"}},
		{"stale approval", func(s *story) { s.reviews[0].CommitSHA = earlier }, with(func(a *record.Answers) { a.Authorized, a.Reviewed = record.Contradicted, record.Partial }), []string{"review-missing", "stale-approval"}},
		{"self-approval by who delegated", func(s *story) { s.reviews[0].Reviewer = "mira-s" }, with(unreviewed), []string{"no-review", "review-missing", "self-approval"}},
		{"approved by a bot", func(s *story) { s.reviews[0].Reviewer = "linter-bot" }, with(unreviewed), []string{"approved-by-bot", "no-review", "review-missing"}},
		{"late approval", func(s *story) { s.reviews[0].SubmittedAt = clock(4, 47) }, with(unreviewed), []string{"approval-after-merge", "no-review", "review-missing"}},
		{"merged over a request for changes", func(s *story) {
			s.reviews = append(s.reviews, &record.Review{Reviewer: "ana.p", Verdict: "changes-requested", CommitSHA: head, SubmittedAt: clock(3, 45)})
		}, with(func(a *record.Answers) { a.Authorized, a.Reviewed = record.Contradicted, record.Contradicted }), []string{"changes-requested", "review-missing"}},
		{"the request for changes was lifted", func(s *story) {
			s.reviews = append(s.reviews, &record.Review{Reviewer: "ana.p", Verdict: "changes-requested", CommitSHA: head, SubmittedAt: clock(3, 45)}, &record.Review{Reviewer: "ana.p", Verdict: "dismissed", SubmittedAt: clock(3, 46)})
		}, proven, nil},
		{"authentication without leave", leaveAsked, with(func(a *record.Answers) { a.Authorized = record.Contradicted }), []string{"approval-missing"}},
		{"authentication with leave", func(s *story) {
			leaveAsked(s)
			s.approvals = []reported{{clock(1, 0), &record.Approval{Approver: "ana.p", Reference: "CHG-1"}}}
		}, proven, nil},
		{"authentication with leave that came late", func(s *story) {
			leaveAsked(s)
			s.approvals = []reported{{clock(5, 0), &record.Approval{Approver: "ana.p"}}}
		}, with(func(a *record.Answers) { a.Authorized = record.Contradicted }), []string{"approval-after-merge"}},
		{"authentication with leave that had run out", func(s *story) {
			leaveAsked(s)
			s.approvals = []reported{{clock(1, 0), &record.Approval{Approver: "ana.p", ExpiresAt: clock(2, 0)}}}
		}, with(func(a *record.Answers) { a.Authorized = record.Contradicted }), []string{"approval-expired"}},
		{"authentication with leave for another service", func(s *story) {
			leaveAsked(s)
			s.approvals = []reported{{clock(1, 0), &record.Approval{Approver: "ana.p", Scope: []string{"ledger"}}}}
		}, with(func(a *record.Answers) { a.Authorized = record.Contradicted }), []string{"approval-out-of-scope"}},
		{"authentication with leave for these files", func(s *story) {
			leaveAsked(s)
			s.approvals = []reported{{clock(1, 0), &record.Approval{Approver: "ana.p", Scope: []string{"src/auth/**", "package*.json"}}}}
		}, proven, nil},
		{"reviewed by someone outside the group", func(s *story) {
			s.policy = edit(t, s.policy, "default: review-required", "  - {name: cardholder data, when: '\"cardholder\" in service.data_classes', verdict: review-required, reason: PCI, by: [owners]}\nteams: [{id: team-payments, members: [ana.p]}]")
		}, with(func(a *record.Answers) { a.Authorized, a.Reviewed = record.Contradicted, record.Partial }), []string{"review-missing", "reviewer-outside-group"}},
		{"reviewed by the group", func(s *story) {
			s.policy = edit(t, s.policy, "default: review-required", "  - {name: cardholder data, when: '\"cardholder\" in service.data_classes', verdict: review-required, reason: PCI, by: [owners]}\nteams: [{id: team-payments, members: [jonas.k]}]")
		}, proven, nil},
		{"a review that only the agent tells of", func(s *story) { s.reviewsFrom = "/agents/agent-bot-3000" }, with(unreviewed), []string{"no-review", "review-missing", "unverified-source"}},
		{"a lie about tests", func(s *story) {
			s.decision.Claims = &record.Claims{Tests: "passed"}
			s.tests = []heard{{"/ci", &record.Validation{Name: "unit", CommitSHA: head, Conclusion: "failure", Passed: 40, Failed: 3}}}
		}, proven, []string{"tests-contradicted"}},
		{"a lie about tests, with a report of its own", func(s *story) {
			s.tests = []heard{{"/agents/agent-bot-3000", &record.Validation{Name: "unit", CommitSHA: head, Conclusion: "success", Passed: 43}}, {"/ci", &record.Validation{Name: "unit", CommitSHA: head, Conclusion: "failure", Passed: 40, Failed: 3}}}
		}, proven, []string{"tests-contradicted"}},
		{"the truth about tests", func(s *story) {
			s.decision.Claims = &record.Claims{Tests: "passed", Files: []string{"package-lock.json", "package.json"}}
			s.tests = []heard{{"/ci", &record.Validation{Name: "unit", CommitSHA: head, Conclusion: "success", Passed: 43}}}
		}, proven, nil},
		{"one file, it said", func(s *story) { s.decision.Claims = &record.Claims{Files: []string{"package.json"}} }, proven, []string{"files-contradicted"}},
		{"the severity made larger", func(s *story) { s.decision.Trigger.Severity = "critical" }, proven, []string{"severity-contradicted"}},
		{"it says that the policy lets it", func(s *story) { s.decision.Authorization = &record.Claim{Verdict: "autonomous"} }, proven, []string{"verdict-contradicted"}},
		{"in a shop where everything needs leave", func(s *story) { s.policy = "mode: gate-everything\n" + s.policy }, with(func(a *record.Answers) { a.Authorized = record.Contradicted }), []string{"approval-missing"}},
		{"a test fixture, alone", func(s *story) { s.opened.Files, s.reviews = []string{"test/fixtures/cart.json"}, nil }, with(func(a *record.Answers) { a.Reviewed = record.NotRequired }), nil},
		{"not merged yet", func(s *story) { s.merged, s.reviews = nil, nil }, with(func(a *record.Answers) { a.Authorized, a.Reviewed = record.Pending, record.Pending }), nil},
		{"a person made it", func(s *story) {
			s.decision, s.opened.Agent, s.opened.Author, s.opened.AuthorType = nil, "", "mira-s", "human"
		}, record.Answers{Reviewed: record.Proven}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := pr4829(t)
			test.change(s)
			r := s.record(t)
			if diff := gocmp.Diff(&test.want, r.Trail.Answers); diff != "" {
				t.Errorf("answers (-want +got):\n%s\n%+v", diff, r.Trail.Reasons)
			}
			if diff := gocmp.Diff(test.gaps, r.Trail.Gaps); diff != "" && len(test.gaps)+len(r.Trail.Gaps) > 0 {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			t.Logf("%+v", *r.Trail.Reasons)
		})
	}
}

func edit(t *testing.T, text, old, new string) string {
	t.Helper()
	out := strings.ReplaceAll(text, old, new)
	if out == text {
		t.Fatalf("%q is not in it", old)
	}
	return out
}

// TestWhatWasKnownAtTheMerge checks that an approval that came an hour after the merge is
// evidence, but was not an approval at the merge.
func TestWhatWasKnownAtTheMerge(t *testing.T) {
	s := pr4829(t)
	s.tests = []heard{{"/ci", &record.Validation{Name: "unit", CommitSHA: head, Conclusion: "success", Passed: 43}}}
	r := s.record(t)
	if diff := gocmp.Diff(r.MergeSnapshot(), r.Trail.AtMerge); diff != "" {
		t.Errorf("everything was known at the merge, but the records differ (-now +then):\n%s", diff)
	}
	s = pr4829(t)
	s.reviews[0].SubmittedAt = clock(4, 47)
	s.decidedAt = clock(4, 0)
	r = s.record(t)
	want := &record.MergeSnapshot{
		Answers: &record.Answers{Trigger: record.Unproven, Alternatives: record.Unproven, Authorized: record.Contradicted, Reviewed: record.Unproven},
		Gaps:    []string{"no-decision", "no-review", "no-trigger", "review-missing"}, Verdict: "review-required", Events: 3,
	}
	if diff := gocmp.Diff(want, r.Trail.AtMerge); diff != "" {
		t.Errorf("at the merge (-want +got):\n%s", diff)
	}
	if a := r.Trail.Answers; a.Trigger != record.Proven || a.Alternatives != record.Partial {
		t.Errorf("now: %+v", a)
	}
}

func TestTiers(t *testing.T) {
	s := pr4829(t)
	s.tests = []heard{{"/agents/agent-bot-3000", &record.Validation{Name: "unit", CommitSHA: head, Conclusion: "success"}}}
	want := &record.Tiers{Change: "observed", Trigger: "observed", Decision: "signed", Validation: "claimed", Review: "observed"}
	if diff := gocmp.Diff(want, s.record(t).Trail.Tier); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
