package gate_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/record"
)

// A stage is a story that goes on: what a gate records on it happens in it.
type stage struct {
	*story
	rules enricher.Rules
	away  error // why nothing can be recorded
}

func (s *stage) Preview(_ context.Context, id record.ChangeID) (*enricher.Preview, error) {
	if id != change {
		return nil, enricher.ErrUnknownChange
	}
	return enricher.PreviewOf(change, record.Gather(change, s.events), s.rules, s.at()), nil
}

func (s *stage) Merged(context.Context, record.ChangeID) (*enricher.Preview, error) {
	return nil, errors.New("nobody asks")
}

func (s *stage) Changed() <-chan struct{} { return nil }

func (s *stage) Record(_ context.Context, _ record.ChangeID, f record.Fact, _ string) error {
	if s.away == nil {
		s.add("platform:gateway", record.Observed, f)
	}
	return s.away
}

func (s *stage) at() time.Time { return s.now.Add(time.Minute) }

func (s *stage) gate() *gate.Gate { return &gate.Gate{View: s, Recorder: s, Now: s.at} }

// orders returns the orders in the story.
func (s *stage) orders() (out []*record.BreakGlass) {
	for _, e := range s.events {
		if f, ok := e.Fact.(*record.BreakGlass); ok {
			out = append(out, f)
		}
	}
	return out
}

func on(t *testing.T, steps ...step) *stage {
	t.Helper()
	s, r := tell(t, steps)
	return &stage{story: s, rules: r}
}

// TestWhoMayBreakTheGlass: each order in a situation is followed, or refused with words of the reason and
// without a trace.
func TestWhoMayBreakTheGlass(t *testing.T) {
	group := rules("by: [dan, ana]", "by: [payments-owners]")
	for _, c := range []struct {
		says  string
		steps []step
		who   string
		want  error // nil: the gate allows
		words string
	}{
		{"a person whom the policy names", []step{glass, inPayments}, "dan", nil, "dan ordered that this commit may be merged: customers cannot pay."},
		{"a member of a team", []step{glass, group, inPayments}, "cleo-private", nil, "cleo-private ordered"},
		{"a person whom the policy does not name", []step{glass, inPayments}, "ben", gate.ErrMayNot, "the policy lets dan, ana do it, not ben"},
		{"somebody whom nobody knows", []step{glass, inPayments}, "eve", gate.ErrMayNot, "not eve"},
		{"the agent", []step{glass, inPayments}, "fixer[bot]", gate.ErrMayNot, "not fixer[bot]"},
		{"the agent, whom the policy names", []step{rules("rules:\n", "gate: {break_glass: {by: [dan, fixer], review_within: 24h}}\nrules:\n"), inPayments}, "fixer[bot]", gate.ErrMayNot, "not fixer[bot]"},
		{"who asked for the work", []step{glass, decides("fixer", "ana"), inPayments}, "ana", gate.ErrMayNot, "ana took part"},
		{"who pushed to it", []step{glass, inPayments, pushes("dan", "payments/src/a.go"), asks(commit2)}, "dan", gate.ErrMayNot, "dan took part"},
		{"who is only claimed to have asked", []step{glass, claim(&record.Decision{Agent: record.Agent{ID: "fixer", DelegatedBy: "ana"}}), inPayments}, "ana", nil, "ana ordered"},
		{"where the policy lets nobody", []step{inPayments}, "dan", gate.ErrMayNot, "the policy lets nobody do it"},
		{"about a change that is allowed", []step{glass, inFixtures}, "dan", gate.ErrNotNow, "merge it as usual"},
		{"about a person's change", []step{glass, by("ben", "human", "payments/src/a.go")}, "dan", gate.ErrNotNow, "merge it as usual"},
		{"about a merged change", []step{glass, inPayments, merged(commit2, commit1)}, "dan", gate.ErrNotNow, "already merged"},
		{"about another commit", []step{glass, inPayments, asks(commit2)}, "dan", gate.ErrNotNow, "You asked about commit"},
		{"about a commit that only a claim names", []step{glass, says(&record.Opened{Revision: record.Revision{Author: "fixer[bot]", AuthorType: "bot"}}), claim(&record.Updated{Revision: record.Revision{HeadSHA: commit1}})}, "dan", gate.ErrNotNow, "Only a claim says"},
	} {
		t.Run(c.says, func(t *testing.T) {
			s := on(t, c.steps...)
			if s.commit == "" {
				s.commit = commit1
			}
			before := len(s.events)
			d, err := s.gate().Override(t.Context(), gate.Override{Change: change, Person: c.who, Commit: s.commit, Reason: "customers cannot pay"})
			if !errors.Is(err, c.want) || c.want != nil && !strings.Contains(err.Error(), c.words) {
				t.Fatalf("%v, want %v: %s", err, c.want, c.words)
			}
			if c.want != nil {
				if len(s.events) != before {
					t.Errorf("something was recorded: %+v", s.events[before:])
				}
				return
			}
			orders := s.orders()
			if !d.Allowed || d.Rule != record.RuleBreakGlass || !strings.Contains(d.Reasons[0], c.words) || len(orders) != 1 || orders[0].CommitSHA != s.commit {
				t.Errorf("%+v, orders %+v", d, orders)
			}
			if d.Authorized == record.Proven && d.Reviewed == record.Proven {
				t.Error("the order counts as what was missing")
			}
		})
	}
}

// TestAnOrderInTheRecord: the gate denied, a person gave an order, and the change was merged. The record says
// so, and nothing that was missing counts as given.
func TestAnOrderInTheRecord(t *testing.T) {
	s := on(t, glass, inPayments)
	if d, err := s.gate().Ask(t.Context(), gate.Question{Change: change}); err != nil || d.Allowed {
		t.Fatal(d, err)
	}
	o := gate.Override{Change: change, Person: "dan", Commit: commit1, Reason: "customers cannot pay"}
	if d, err := s.gate().Override(t.Context(), o); err != nil || !d.Allowed {
		t.Fatal(d, err)
	}
	if d, err := s.gate().Override(t.Context(), o); err != nil || !d.Allowed || len(s.orders()) != 1 { // the same order again
		t.Error(d, err, s.orders())
	}
	merged(commit2, commit1)(s.story)
	gaps := func(at time.Time) []string {
		p := enricher.PreviewOf(change, record.Gather(change, s.events), s.rules, at)
		return p.Now.Trail.Gaps
	}
	now := s.at()
	for at, want := range map[time.Time]bool{now: false, now.Add(25 * time.Hour): true} {
		got := gaps(at)
		if !slices.Contains(got, record.GapBreakGlass) || slices.Contains(got, record.GapBreakGlassOverdue) != want {
			t.Errorf("at %s: %v", at, got)
		}
		if slices.Contains(got, record.GapMergedAgainstGate) || !slices.Contains(got, record.GapReviewMissing) {
			t.Errorf("at %s: %v", at, got)
		}
	}
	approves("ben")(s.story)
	if got := gaps(now.Add(25 * time.Hour)); slices.Contains(got, record.GapBreakGlassOverdue) || !slices.Contains(got, record.GapBreakGlass) || !slices.Contains(got, record.GapReviewMissing) {
		t.Errorf("reviewed in time: %v", got)
	}
}

// TestAnOrderThatCannotBeRecorded: nothing is allowed.
func TestAnOrderThatCannotBeRecorded(t *testing.T) {
	s := on(t, glass, inPayments)
	s.away = errors.New("the broker cannot be reached")
	d, err := s.gate().Override(t.Context(), gate.Override{Change: change, Person: "dan", Commit: commit1, Reason: "x"})
	if !errors.Is(err, gate.ErrUnknown) || d.Allowed {
		t.Error(d, err)
	}
	for _, o := range []gate.Override{
		{Change: change, Person: "dan", Commit: commit1, Reason: " "},
		{Change: change, Person: "dan", Commit: commit1, Reason: strings.Repeat("x", 5000)},
		{Change: change, Person: "dan", Reason: "x"},
	} {
		if _, err := s.gate().Override(t.Context(), o); !errors.Is(err, gate.ErrNoReason) {
			t.Error(err)
		}
	}
	if _, err := s.gate().Override(t.Context(), gate.Override{Change: "github.com/acme/shop/pull/8", Person: "dan", Commit: commit1, Reason: "x"}); !errors.Is(err, enricher.ErrUnknownChange) {
		t.Error(err)
	}
}

// TestWhoIsOfferedTheOrderMayGiveIt: in each situation, exactly those accounts are named whose order the gate
// would follow.
func TestWhoIsOfferedTheOrderMayGiveIt(t *testing.T) {
	withGlass := func(s *story) {
		if !strings.Contains(s.policy, "gate:") {
			rules("rules:\n", "gate: {break_glass: {by: [dan, ana, fixer, payments-owners], review_within: 90m}}\nrules:\n")(s)
		}
	}
	offered, followed := 0, 0
	for _, situation := range situations {
		for _, steps := range [][]step{situation.steps, append(slices.Clone(situation.steps), withGlass)} {
			s := on(t, steps...)
			p, err := s.Preview(t.Context(), change)
			if err != nil {
				t.Fatal(err)
			}
			d := gate.Decide(p, "", s.at())
			if d.Allowed { // nothing to order
				continue
			}
			e := gate.EmergencyOf(p, d)
			if e != nil {
				offered++
			}
			for _, who := range []string{"ana", "ben", "cleo", "Cleo-Private", "dan", "fixer", "fixer[bot]", "eve", ""} {
				events := s.events
				s.events = slices.Clip(events)
				_, err := s.gate().Override(t.Context(), gate.Override{Change: change, Person: who, Commit: cmp.Or(d.Head, commit1), Reason: "customers cannot pay"})
				s.events = events
				if err == nil {
					followed++
				}
				if e.MayGive(who) != (err == nil) {
					t.Errorf("%s %s is offered the order: %v; given, it is: %v", situation.says, who, e.MayGive(who), err)
				}
			}
		}
	}
	if offered < 20 || followed < 2*offered {
		t.Errorf("%d offers, %d orders followed", offered, followed)
	}
}
