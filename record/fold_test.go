package record

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const change = ChangeID("github.com/acme/payments/pull/4829")

var night = time.Date(2026, 11, 12, 3, 0, 0, 0, time.UTC)

// said makes an event of a fact, some minutes after three at night.
func said(minute int, f Fact) Event {
	e := Event{Source: "/t", ID: fmt.Sprint(minute, TypeOf(f)), Type: TypeOf(f), Repository: change.Repository(), Change: change, Time: night.Add(time.Duration(minute) * time.Minute), Fact: f}
	e.Digest = e.ID
	e.Witness = Observed
	switch f.(type) {
	case *Decision, *Action:
		e.Witness = Signed
	}
	return e
}

// about makes an event that names no change.
func about(minute int, f Fact) Event {
	e := said(minute, f)
	e.Change = ""
	return e
}

func sha(n int) string { return strings.Repeat(fmt.Sprint(n), 40) }

func fold(events ...Event) *Record { return Fold(change, Gather(change, events)) }

func TestThePathsOfActionsAreThoseInTheRepository(t *testing.T) {
	for _, c := range []struct {
		name                  string
		files, ofChange, want []string
	}{
		{"they are already", []string{"a.go", "b/c.go"}, nil, []string{"a.go", "b/c.go"}},
		{"the change names one of them", []string{"/ws/b/c.go", "/ws/d.go"}, []string{"b/c.go"}, []string{"b/c.go", "d.go"}},
		{"another account names one of them", []string{"/ws/package.json", "package.json"}, nil, []string{"package.json"}},
		{"the nearer root is no root of its own", []string{"/ws/node_modules/x/package.json", "/ws/package.json"}, []string{"package.json"}, []string{"node_modules/x/package.json", "package.json"}},
		{"two work trees", []string{"/a/x.go", "/b/x.go", "/b/y.go"}, []string{"x.go"}, []string{"x.go", "y.go"}},
		{"nothing tells where the tree is", []string{"/etc/passwd"}, []string{"a.go"}, []string{"/etc/passwd"}},
		{"outside of the tree", []string{"/etc/passwd", "/ws/a.go"}, []string{"a.go"}, []string{"/etc/passwd", "a.go"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, inTree(c.files, c.ofChange)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestFold(t *testing.T) {
	agent := Agent{ID: "agent-bot-3000"}
	head := func(minute, n int) Event { return said(minute, &Updated{Revision{HeadSHA: sha(n)}}) }
	review := func(minute int, who, verdict string, n int) Event {
		return said(minute, &Review{Reviewer: who, Verdict: verdict, CommitSHA: sha(n)})
	}
	run := func(minute int, name, conclusion string, n int) Event {
		return about(minute, &Validation{Name: name, Conclusion: conclusion, CommitSHA: sha(n), Passed: 1})
	}
	for _, c := range []struct {
		name   string
		events []Event
		get    func(*Record) any
		want   any
	}{
		{"the head is that of the newest revision, whatever came last", []Event{head(9, 2), head(3, 1)}, func(r *Record) any { return r.Trail.Change.HeadSHA }, sha(2)},
		{"a change closed and opened again is open", []Event{said(1, &Opened{}), said(2, &Closed{}), said(3, &Opened{})}, func(r *Record) any { return r.Trail.Change.State }, "open"},
		{"a merged change stays merged", []Event{said(2, &Merged{}), said(3, &Closed{})}, func(r *Record) any { return r.Trail.Change.State }, "merged"},
		{"the newest verdict of a reviewer stands", []Event{review(1, "ana", "approved", 1), review(2, "ana", "changes-requested", 1)}, func(r *Record) any {
			return []any{r.Trail.Review.Approvers, r.Trail.Review.ChangesRequested}
		}, []any{[]string(nil), []string{"ana"}}},
		{"a comment lifts nothing", []Event{review(1, "ana", "approved", 1), review(2, "ana", "commented", 2)}, func(r *Record) any {
			return []any{r.Trail.Review.Approvers, r.Trail.Review.ApprovedSHA}
		}, []any{[]string{"ana"}, sha(1)}},
		{"a dismissed approval stands no more", []Event{review(1, "ana", "approved", 1), review(2, "ana", "dismissed", 1)}, func(r *Record) any { return r.Trail.Review.Approvers }, []string(nil)},
		{"the time inside the review decides, not that of the event", []Event{
			said(5, &Review{Reviewer: "ana", Verdict: "approved", SubmittedAt: night.Add(time.Minute)}), review(2, "ana", "changes-requested", 1),
		}, func(r *Record) any { return r.Trail.Review.ChangesRequested }, []string{"ana"}},
		{"tests of the head count, those of an older commit do not", []Event{head(1, 1), head(3, 2), run(2, "unit", "failure", 1), run(4, "unit", "success", 2)}, func(r *Record) any {
			return []any{r.Trail.Validation.Conclusion, r.Trail.Validation.Current}
		}, []any{"success", true}},
		{"where only an older commit was tested, that is said", []Event{head(1, 1), head(3, 2), run(2, "unit", "success", 1)}, func(r *Record) any {
			return []any{r.Trail.Validation.CommitSHA, r.Trail.Validation.Current}
		}, []any{sha(1), false}},
		{"of two runs of one job the newer counts", []Event{head(1, 1), run(2, "unit", "failure", 1), run(3, "unit", "success", 1)}, func(r *Record) any { return r.Trail.Validation.Conclusion }, "success"},
		{"one failing job is enough", []Event{head(1, 1), run(2, "unit", "success", 1), run(3, "lint", "failure", 1)}, func(r *Record) any { return r.Trail.Validation.Conclusion }, "failure"},
		{"a deployment is found by the merge commit", []Event{said(1, &Merged{MergeSHA: sha(3)}), about(2, &Deployment{Environment: "production", CommitSHA: sha(3), Outcome: "success"})}, func(r *Record) any { return r.Trail.Environment }, []string{"production"}},
		{"a failed deployment reaches no environment", []Event{said(1, &Merged{MergeSHA: sha(3)}), about(2, &Deployment{Environment: "production", CommitSHA: sha(3), Outcome: "failure"})}, func(r *Record) any { return r.Trail.Environment }, []string(nil)},
		{"the newest decision before the merge counts", []Event{
			said(1, &Decision{Agent: agent, Chosen: "a"}), said(2, &Decision{Agent: agent, Chosen: "b"}), said(3, &Merged{}), said(4, &Decision{Agent: agent, Chosen: "c"}),
		}, func(r *Record) any { return r.Trail.Decision.Chosen }, "b"},
		{"a decision after the merge is better than none", []Event{said(3, &Merged{}), said(4, &Decision{Agent: agent, Chosen: "c"})}, func(r *Record) any { return r.Trail.Decision.Chosen }, "c"},
		{"a person's change is a person's", []Event{said(1, &Opened{Revision{Author: "ana", AuthorType: "human"}})}, func(r *Record) any { return r.Trail.Change.InitiatedBy }, "human"},
		{"an agent's decision makes it an agent's, whoever opened it", []Event{said(1, &Opened{Revision{Author: "ana", AuthorType: "human"}}), said(2, &Decision{Agent: agent})}, func(r *Record) any { return r.Trail.Change.InitiatedBy }, "agent"},
		{"of nobody nothing is said", []Event{said(1, &Opened{Revision{Author: "ana"}})}, func(r *Record) any { return r.Trail.Change.InitiatedBy }, ""},
		{"tests alone are a change of tests", []Event{said(1, &Opened{Revision{Files: []string{"a/b_test.go", "x/testdata/f.json"}}})}, func(r *Record) any { return r.Trail.Change.Kind }, "test"},
		{"code among tests is code", []Event{said(1, &Opened{Revision{Files: []string{"a/b_test.go", "a/b.go"}}})}, func(r *Record) any { return r.Trail.Change.Kind }, "code"},
		{"what is stated wins", []Event{said(1, &Opened{Revision{Kind: "configuration", Files: []string{"a.go"}}})}, func(r *Record) any { return r.Trail.Change.Kind }, "configuration"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, c.get(fold(c.events...))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTriggerFindsItsReport(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	other := "sha256:" + strings.Repeat("b", 64)
	scan := func(minute int, digest, id string, findings ...string) Event {
		s := &Scan{Tool: Tool{Name: "osv-scanner"}, ScanID: id, Report: Report{Digest: digest}, Summary: ScanSummary{Findings: len(findings), Scanned: true}}
		for _, f := range findings {
			s.Findings = append(s.Findings, Finding{ID: f, Aliases: []string{"ALIAS-" + f}, Severity: "high", Fingerprint: f + digest})
		}
		return about(minute, s)
	}
	decide := func(t Trigger) Event { return said(30, &Decision{Agent: Agent{ID: "a"}, Trigger: &t}) }
	type held struct {
		Held, Found bool
		Digest      string
	}
	for _, c := range []struct {
		name    string
		trigger Trigger
		scans   []Event
		want    held
	}{
		{"by digest and finding", Trigger{Kind: "scan", Digest: digest, Finding: "F-1"}, []Event{scan(1, digest, "", "F-1", "F-2")}, held{true, true, digest}},
		{"by an alias in another case", Trigger{Kind: "scan", Digest: digest, Finding: "alias-f-1"}, []Event{scan(1, digest, "", "F-1")}, held{true, true, digest}},
		{"the report is held and the finding is not in it", Trigger{Kind: "scan", Digest: digest, Finding: "F-9"}, []Event{scan(1, digest, "", "F-1")}, held{true, false, digest}},
		{"another report has the finding, and it is not the one named", Trigger{Kind: "scan", Digest: digest, Finding: "F-1"}, []Event{scan(1, other, "", "F-1")}, held{false, false, digest}},
		{"by the scan's id", Trigger{Kind: "scan", ID: "nightly-7", Finding: "F-1"}, []Event{scan(1, digest, "nightly-7", "F-1")}, held{true, true, digest}},
		{"by the finding alone, in the newest scan before the decision", Trigger{Kind: "alert", Finding: "F-1"}, []Event{scan(1, other, "", "F-1"), scan(20, digest, "", "F-1"), scan(40, other, "x", "F-1")}, held{true, true, digest}},
		{"nothing is held", Trigger{Kind: "scan", Digest: digest, Finding: "F-1"}, nil, held{false, false, digest}},
		{"the report comes after the decision", Trigger{Kind: "scan", Digest: digest, Finding: "F-1"}, []Event{scan(50, digest, "", "F-1")}, held{true, true, digest}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := fold(append(c.scans, decide(c.trigger))...).Trail.Trigger
			if diff := cmp.Diff(c.want, held{g.Held, g.Found, g.Digest}); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestARecordStaysBounded floods a change with facts of every kind.
func TestARecordStaysBounded(t *testing.T) {
	var events []Event
	for i := range 2000 {
		events = append(events,
			said(i, &Action{Agent: Agent{ID: fmt.Sprint("a", i)}, Tool: fmt.Sprint("t", i), Files: []string{fmt.Sprint("f", i)}}),
			said(i, &Review{Reviewer: fmt.Sprint("r", i), Verdict: "approved"}),
			said(i, &Decision{Agent: Agent{ID: "a"}}),
			said(i, &Updated{Revision{HeadSHA: fmt.Sprintf("%040x", i)}}),
			about(i, &Validation{Name: fmt.Sprint("v", i), CommitSHA: fmt.Sprintf("%040x", 1999)}),
		)
	}
	f := Gather(change, events)
	r := Fold(change, f)
	if f.Actions.Count != 2000 {
		t.Errorf("%d actions are counted, want 2000", f.Actions.Count)
	}
	if len(r.Trail.Actions.Files) > MaxFiles || len(r.Trail.Actions.Tools) > MaxTools || len(r.Trail.Review.Verdicts) > 50 || len(r.Trail.Review.Approvers) > 50 || len(r.Trail.Validation.Jobs) > 50 {
		t.Errorf("shown: %d files, %d tools, %d verdicts", len(r.Trail.Actions.Files), len(r.Trail.Actions.Tools), len(r.Trail.Review.Verdicts))
	}
	if len(r.Judged.verdicts) != 2000 || r.Trail.LeftOut != 0 {
		t.Errorf("%d verdicts of 2000 are judged, %d facts are left out", len(r.Judged.verdicts), r.Trail.LeftOut)
	}
	f = GatherWithin(change, events, 100)
	if r = Fold(change, f); len(f.Own) > 400 || len(f.Evidence) > 200 || r.Trail.LeftOut == 0 {
		t.Errorf("within 100 of a kind: %d own, %d evidence, %d left out", len(f.Own), len(f.Evidence), r.Trail.LeftOut)
	}
}

// TestAListIsAFunctionOfItsSet adds facts of every kind in many orders.
func TestAListIsAFunctionOfItsSet(t *testing.T) {
	var all []Event
	for i := range 300 {
		all = append(all,
			said((i*37)%300, &Review{Reviewer: fmt.Sprint(i % 7), Verdict: []string{"approved", "commented"}[i%2]}),
			said((i*41)%300, &Activity{CommitSHA: sha(i % 5)}),
			said((i*43)%300, &Updated{Revision{HeadSHA: sha(i)}}),
		)
	}
	of := func(seed uint64) *List {
		rnd := rand.New(rand.NewPCG(seed, 1))
		rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		l := new(List)
		for _, e := range all {
			l.Add(e, 50)
		}
		return l
	}
	want := of(0)
	if n := len(want.Events); n != 50+7+5+50 || want.LeftOut != 100+250 || want.Superseded != 150-7+300-5 {
		t.Errorf("%d facts, %d superseded, %d left out", n, want.Superseded, want.LeftOut)
	}
	for seed := range uint64(20) {
		if diff := cmp.Diff(want, of(seed+1)); diff != "" {
			t.Fatalf("seed %d: %s", seed+1, diff)
		}
	}
}

func BenchmarkFold(b *testing.B) {
	agent := Agent{ID: "a"}
	events := []Event{said(1, &Opened{Revision{HeadSHA: sha(1)}}), said(2, &Decision{Agent: agent}), said(9, &Merged{MergeSHA: sha(2)})}
	for i := range 10 {
		events = append(events, said(3+i, &Review{Reviewer: "r", Verdict: "approved", CommitSHA: sha(1)}), about(3+i, &Validation{Name: fmt.Sprint(i), CommitSHA: sha(1)}))
	}
	f := Gather(change, events)
	b.ReportAllocs()
	for b.Loop() {
		Fold(change, f)
	}
}
