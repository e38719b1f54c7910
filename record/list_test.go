package record

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// flood returns n facts that an agent sends without seeing what it reports.
func flood(n int, f func(i int) Fact) (out []Event) {
	for i := range n {
		e := said(300+i, f(i))
		e.Sender, e.Witness, e.Arrived = SenderAgent+"a", Claimed, e.Time
		if _, ok := e.Fact.(*Decision); ok {
			e.Witness = Signed
		}
		out = append(out, e)
	}
	return out
}

// The facts of an agent do not displace those of others, however many there are.
func TestAFloodHidesNothing(t *testing.T) {
	revision := Revision{Author: "a[bot]", HeadSHA: sha(1), Files: []string{"x.go"}}
	honest := []Event{
		said(1, &Opened{revision}),
		said(2, &Review{Reviewer: "ana", Verdict: "changes-requested", CommitSHA: sha(1)}),
		said(3, &Review{Reviewer: "ben", Verdict: "approved", CommitSHA: sha(1)}),
		said(4, &Merged{MergeSHA: sha(2), Revision: Revision{HeadSHA: sha(1)}}),
	}
	for name, f := range map[string]func(int) Fact{
		"reviews":   func(i int) Fact { return &Review{Reviewer: fmt.Sprint(i), Verdict: "approved", CommitSHA: sha(1)} },
		"openings":  func(int) Fact { return &Opened{Revision{Author: "eve", HeadSHA: sha(9)}} },
		"merges":    func(int) Fact { return &Merged{MergeSHA: sha(8)} },
		"decisions": func(int) Fact { return &Decision{Agent: Agent{ID: "a"}} },
	} {
		f := GatherWithin(change, append(flood(200, f), honest...), 20)
		r := Fold(change, f)
		r.Judge(Authority{})
		if f.LeftOut != 180 || r.Trail.Answers.Reviewed != Contradicted || r.Trail.Change.HeadSHA != sha(1) || r.Judged.MergedAt.IsZero() {
			t.Errorf("%s: %d are left out; reviewed is %s, head %s, merged %s", name, f.LeftOut, r.Trail.Answers.Reviewed, r.Trail.Change.HeadSHA, r.Judged.MergedAt)
		}
	}
}

// An agent cannot withdraw a statement by sending more, whatever time it states.
func TestAFloodWithdrawsNothing(t *testing.T) {
	first := said(1, &Decision{Agent: Agent{ID: "a", DelegatedBy: "ben"}})
	first.Sender, first.Arrived = SenderAgent+"a", first.Time
	for _, dated := range []time.Duration{-48 * time.Hour, 0, 48 * time.Hour} {
		events := flood(50, func(int) Fact { return &Decision{Agent: Agent{ID: "a"}} })
		for i := range events {
			events[i].Time = events[i].Time.Add(dated)
		}
		r := Fold(change, GatherWithin(change, append(events, first), 10))
		if diff := cmp.Diff([]string{"ben"}, compactStrings(r.Judged.Askers)); diff != "" {
			t.Errorf("dated %s (-want +got):\n%s", dated, diff)
		}
	}
}

func TestTheContentOfAListDoesNotDependOnTheOrder(t *testing.T) {
	all := append(flood(60, func(i int) Fact { return &Approval{Approver: fmt.Sprint(i)} }), flood(60, func(int) Fact { return &Updated{} })...)
	for i := range 60 {
		e := said(i, &Updated{Revision{HeadSHA: sha(i)}})
		e.Sender = SenderPlatform + fmt.Sprint(i%2)
		all = append(all, e)
	}
	var want *List
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		rnd.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
		l := new(List)
		for _, e := range all {
			l.Add(e, 10)
		}
		if want == nil {
			want = l
		}
		if diff := cmp.Diff(want, l); diff != "" || len(l.Events) != 4*10 || l.LeftOut != 180-40 {
			t.Fatalf("seed %d: %d facts, %d left out (-want +got):\n%s", seed, len(l.Events), l.LeftOut, diff)
		}
	}
}
