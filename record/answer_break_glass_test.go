package record

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestBreakGlass: at eleven a person orders that the head may be merged although the gate denied it;
// a review is due by three. The change is merged at noon, and the record is judged at some time.
func TestBreakGlass(t *testing.T) {
	const id = ChangeID("github.com/acme/payments/pull/7")
	at := func(hour int) time.Time { return time.Date(2026, 11, 30, hour, 0, 0, 0, time.UTC) }
	head, other, merge := strings.Repeat("a", 40), strings.Repeat("b", 40), strings.Repeat("c", 40)
	n := 0
	said := func(hour int, witness string, f Fact) Event {
		n++
		return Event{Source: "/x", ID: string(rune('a' + n)), Type: TypeOf(f), Change: id, Repository: id.Repository(), Time: at(hour), Arrived: at(hour), Witness: witness, Fact: f}
	}
	order := func(hour int, who, commit string, by int) Event {
		return said(hour, Observed, &BreakGlass{Person: who, Reason: "payments are down", CommitSHA: commit, ReviewBy: at(by)})
	}
	review := func(hour int, who, verdict, commit string) Event {
		return said(hour, Observed, &Review{Reviewer: who, ReviewerType: "human", Verdict: verdict, CommitSHA: commit})
	}
	denied := said(10, Observed, &GateDecision{Allowed: false, CommitSHA: head})
	ordered := order(11, "dan", head, 15)
	merged := said(12, Observed, &Merged{Revision: Revision{HeadSHA: head}, MergeSHA: merge})
	const once, late = GapBreakGlass, GapBreakGlass + " " + GapBreakGlassOverdue
	for _, c := range []struct {
		says string
		now  int // hour
		said []Event
		want string
		next int // the hour at which the record changes by time alone
	}{
		{"no order", 16, []Event{denied, merged}, GapMergedAgainstGate, 0},
		{"an order about an open change", 16, []Event{denied, ordered}, once, 0},
		{"merged, and the time is not over", 14, []Event{denied, ordered, merged}, once, 15},
		{"merged, and the time ends now", 15, []Event{denied, ordered, merged}, once, 15},
		{"merged, and the time is over", 16, []Event{denied, ordered, merged}, late, 0},
		{"nobody says what time it is", -1, []Event{denied, ordered, merged}, once, 0},
		{"a person reviewed it in time", 16, []Event{denied, ordered, merged, review(13, "cleo", "approved", head)}, once, 0},
		{"a person reviewed the commit that the merge made", 16, []Event{ordered, merged, review(13, "cleo", "approved", merge)}, once, 0},
		{"a person asked for changes in time", 16, []Event{ordered, merged, review(13, "cleo", "changes-requested", head)}, once, 0},
		{"a person had approved it before", 16, []Event{review(9, "cleo", "approved", head), ordered, merged}, once, 0},
		{"a person commented", 16, []Event{ordered, merged, review(13, "cleo", "commented", head)}, late, 0},
		{"a person reviewed it too late", 17, []Event{ordered, merged, review(16, "cleo", "approved", head)}, late, 0},
		{"a person reviewed another commit", 16, []Event{ordered, merged, review(13, "cleo", "approved", other)}, late, 0},
		{"who gave the order reviewed it", 16, []Event{ordered, merged, review(13, "Dan", "approved", head)}, late, 0},
		{"its author reviewed it", 16, []Event{ordered, merged, review(13, "fixer[bot]", "approved", head)}, late, 0},
		{"a bot reviewed it", 16, []Event{ordered, merged, review(13, "checker[bot]", "approved", head)}, late, 0},
		{"only a claim says that a person reviewed it", 16, []Event{ordered, merged, said(13, Claimed, &Review{Reviewer: "cleo", Verdict: "approved", CommitSHA: head})}, late, 0},
		{"only a claim says that the reviewer asked for the work", 16, []Event{ordered, merged, review(13, "cleo", "approved", head), said(13, Claimed, &Decision{Agent: Agent{ID: "fixer", DelegatedBy: "cleo"}})}, once, 0},
		{"a second order does not move the time", 16, []Event{ordered, order(11, "eve", head, 20), merged}, late, 0},
		{"an order about another commit", 16, []Event{denied, order(11, "dan", other, 15), merged}, GapMergedAgainstGate + " " + once, 0},
		{"an order about another commit, and one about this", 16, []Event{denied, order(10, "dan", other, 15), ordered, merged}, late, 0},
		{"an order after the merge", 16, []Event{denied, merged, order(13, "dan", head, 15)}, GapMergedAgainstGate + " " + late, 0},
		{"a denial after the order", 14, []Event{ordered, said(11, Observed, &GateDecision{CommitSHA: head}), merged}, once + " " + GapMergedAgainstGate, 15},
		{"a claim of an order", 16, []Event{denied, said(11, Claimed, &BreakGlass{Person: "dan", CommitSHA: head, ReviewBy: at(15)}), merged}, GapMergedAgainstGate, 0},
		{"an agent says that there is an order", 16, []Event{denied, said(11, Signed, &BreakGlass{Person: "dan", CommitSHA: head, ReviewBy: at(15)}), merged}, GapMergedAgainstGate, 0},
		{"a person says that there is an order", 16, []Event{denied, said(11, Human, &BreakGlass{Person: "dan", CommitSHA: head, ReviewBy: at(15)}), merged}, GapMergedAgainstGate, 0},
	} {
		t.Run(c.says, func(t *testing.T) {
			events := append([]Event{said(8, Observed, &Opened{Revision{Author: "fixer[bot]", AuthorType: "agent", HeadSHA: head}})}, c.said...)
			r := Fold(id, Gather(id, events))
			if c.now >= 0 {
				r.Judged.Now = at(c.now)
			}
			r.Judge(Authority{Verdict: Autonomous, Rule: "r", GateRequired: true})
			got := slices.DeleteFunc(slices.Clone(r.Trail.Gaps), func(g string) bool {
				return !slices.Contains([]string{GapMergedAgainstGate, GapGateNotAsked, GapGateOtherHead, GapBreakGlass, GapBreakGlassOverdue}, g)
			})
			want := strings.Fields(c.want)
			if slices.Sort(want); !slices.Equal(got, want) {
				t.Errorf("gaps %v, want %v", got, want)
			}
			if b := r.Trail.BreakGlass; (b != nil) != slices.Contains(got, GapBreakGlass) || b != nil && b.Overdue != slices.Contains(got, GapBreakGlassOverdue) {
				t.Errorf("the record has the order %+v", b)
			}
			next := time.Time{}
			if c.next > 0 {
				next = at(c.next)
			}
			if !r.Judged.ChangesAt.Equal(next) {
				t.Errorf("it changes at %s, want %s", r.Judged.ChangesAt, next)
			}
			if a := r.Trail.Answers; a.Reviewed == Proven && !strings.Contains(c.says, "before") {
				t.Error("the order makes it reviewed")
			}
		})
	}
}
