package approvals

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/record"
)

// A Recorder puts a fact about a change on the stream, as changetrail's own, and says from when it
// counts. The same fact with the same time is one fact. It returns once the broker has it.
type Recorder interface {
	RecordAt(ctx context.Context, change record.ChangeID, fact record.Fact, at time.Time) error
}

// A Ledger knows which grants there are, and which changes use them. A [Book] is one.
type Ledger interface {
	// CatchUp fails if it cannot be known that the answers of the others contain everything that was
	// written before the call.
	CatchUp(ctx context.Context) error
	Grants(now time.Time) []Standing
	Usable(change record.ChangeID, now time.Time) []Standing
	UsedBy(change record.ChangeID, now time.Time) []Standing
	Use(ctx context.Context, u Use) (counts bool, err error)
	// Changed is closed when something is known that was not known before the call.
	Changed() <-chan struct{}
}

// An Applier brings the grants that changes use onto the stream.
type Applier struct {
	Book     Ledger
	Recorder Recorder
	Now      func() time.Time

	mu   sync.Mutex
	busy map[record.ChangeID]chan struct{} // closed when the work on a change is done
}

// Changed returns a channel that is closed when there is another grant, or another end of one.
func (a *Applier) Changed() <-chan struct{} { return a.Book.Changed() }

// Apply brings what the book says about a change onto the stream: a grant that covers an open change,
// which uses it from now on, as an approval; or that a grant that it uses was revoked before its merge,
// as a refusal.
// It reports whether it wrote something: then p is out of date, and the caller asks again. Each call
// uses at most one grant for each demand of the policy.
//
// If it returns false, what p says contains all that the broker had accepted about grants when Apply
// was called. An error says that this is not known.
func (a *Applier) Apply(ctx context.Context, p *enricher.Preview) (again bool, err error) {
	open := concerns(p)
	if !open && len(a.revoked(p)) == 0 {
		return false, nil
	}
	if err := a.Book.CatchUp(ctx); err != nil {
		return false, err
	}
	revoked := a.revoked(p)
	if !open {
		return a.write(ctx, p, revoked, nil)
	}
	unmet := slices.DeleteFunc(slices.Clone(p.IfMerged.Judged.Unmet), func(d record.Demand) bool { return len(a.candidates(p, d)) == 0 })
	if len(revoked)+len(unmet) == 0 {
		return false, nil
	}
	return a.write(ctx, p, revoked, unmet)
}

// revoked returns the grants that a change uses and that were revoked before its merge, if the record
// does not say so yet.
func (a *Applier) revoked(p *enricher.Preview) []Standing {
	merged := p.Now.Judged.MergedAt
	return slices.DeleteFunc(a.Book.UsedBy(p.Now.Trail.Change.ID, a.Now()), func(s Standing) bool {
		return s.Revocation == nil || len(given(p, s)) == 0 || !merged.IsZero() && !merged.After(s.Revocation.At)
	})
}

// write writes the refusals of revoked grants, and meets demands.
func (a *Applier) write(ctx context.Context, p *enricher.Preview, revoked []Standing, unmet []record.Demand) (again bool, err error) {
	change := p.Now.Trail.Change.ID
	mine, done := a.begin(change)
	if !mine { // somebody is at it: what they write is not in p
		select {
		case <-done:
			return true, nil
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	defer a.end(change)
	for _, s := range revoked {
		if err := a.withdraw(ctx, p, s); err != nil {
			return false, err
		}
	}
	again = len(revoked) > 0
	for _, d := range unmet {
		wrote, err := a.meet(ctx, p, d)
		if err != nil {
			return false, err
		}
		again = again || wrote
	}
	return again, nil
}

func (a *Applier) begin(change record.ChangeID) (mine bool, done chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.busy == nil {
		a.busy = make(map[record.ChangeID]chan struct{})
	}
	if done, busy := a.busy[change]; busy {
		return false, done
	}
	a.busy[change] = make(chan struct{})
	return true, nil
}

func (a *Applier) end(change record.ChangeID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.busy[change])
	delete(a.busy, change)
}

// concerns reports whether a grant can matter to a change: a code host reported that it is open, an
// agent made it, and the policy requires the approval of a person.
func concerns(p *enricher.Preview) bool {
	c, authorization := p.Now.Trail.Change, p.IfMerged.Trail.Authorization
	return c.InitiatedBy == "agent" && !p.Now.Judged.AgentClaimed && c.PartOf == "" &&
		c.State == "open" && !slices.Contains(c.Claimed, "state") &&
		authorization != nil && authorization.Verdict == record.ApprovalRequired
}

// Reference is how an approval in a record names the grant that it is.
func Reference(grant string) string { return "approval " + grant }

// given returns the approvals of a change that are a grant and are not refused.
func given(p *enricher.Preview, s Standing) (out []record.GrantedApproval) {
	for _, g := range p.Now.Judged.Granted {
		if g.Reference == Reference(s.ID) && g.Approver == s.Person {
			out = append(out, g)
		}
	}
	return out
}

// withdraw writes that a grant that a change uses was revoked. The refusal counts from the
// revocation, and in any case after the approval that it withdraws, whatever the clocks say.
func (a *Applier) withdraw(ctx context.Context, p *enricher.Preview, s Standing) error {
	at := s.Revocation.At
	for _, g := range given(p, s) {
		if !g.From.Before(at) {
			at = g.From.Add(time.Millisecond)
		}
	}
	return a.Recorder.RecordAt(ctx, p.Now.Trail.Change.ID, &record.Approval{
		Approver: s.Person, Verdict: "refused", Reference: Reference(s.ID),
		Reason: fmt.Sprintf("%s revoked the approval: %s", s.Revocation.Person, s.Revocation.Reason),
	}, at)
}

// meet makes a change use a grant that meets a demand, if there is one, and writes it as an approval.
func (a *Applier) meet(ctx context.Context, p *enricher.Preview, d record.Demand) (wrote bool, err error) {
	for _, s := range a.candidates(p, d) {
		change := p.Now.Trail.Change.ID
		counts, err := a.Book.Use(ctx, Use{Grant: s.ID, Change: change})
		if err != nil {
			return false, err
		}
		if !counts { // another change got the last use, or it was revoked just now
			continue
		}
		at := a.Now()
		if refused := p.Now.Judged.RefusedAt(s.Person); !at.After(refused) { // the clocks differ
			at = refused.Add(time.Millisecond)
		}
		return true, a.Recorder.RecordAt(ctx, change, &record.Approval{
			Approver: s.Person, Verdict: "granted", Scope: s.Scope, ExpiresAt: s.Until, Reference: Reference(s.ID), Reason: s.Reason,
			GrantedAt: s.At, Agent: s.Agent, Kinds: s.Kinds,
		}, at)
	}
	return false, nil
}

// candidates returns the grants that meet a demand on a change and that the change may use: first those
// for this change alone, then those that it uses already, then those without a limit, then those that
// end first.
func (a *Applier) candidates(p *enricher.Preview, d record.Demand) []Standing {
	if d.Verdict != record.ApprovalRequired || d.Nobody {
		return nil
	}
	c, j := p.Now.Trail.Change, p.IfMerged.Judged
	inGroup := func(person string) bool {
		return d.InGroup == nil || slices.ContainsFunc(j.Names(person), d.InGroup)
	}
	covers := func(scope, kinds []string) bool { return d.Covers == nil || d.Covers(scope, kinds) }
	has := func(person string) bool { // an approval of them already counts for the demand
		return slices.ContainsFunc(p.Now.Judged.Granted, func(g record.GrantedApproval) bool {
			return p.Policy.Person(g.Approver) == p.Policy.Person(person) && (g.ExpiresAt.IsZero() || g.ExpiresAt.After(a.Now())) &&
				(g.Agent == "" || p.Policy.Person(g.Agent) == agentOfChange(p)) && covers(g.Scope, g.Kinds)
		})
	}
	ids := append([]record.ChangeID{c.ID}, c.OtherIDs...)
	names := append([]record.Repository{c.Repository, c.ID.Repository()}, c.OtherNames...)
	var out []Standing
	for _, s := range a.Book.Usable(c.ID, a.Now()) {
		mine := strings.EqualFold(p.Policy.Person(s.Agent), agentOfChange(p)) && (s.Change == "" || slices.Contains(ids, s.Change)) && slices.Contains(names, s.Repository)
		refusedSince := !s.At.After(p.Now.Judged.RefusedAt(s.Person)) // a refusal withdraws all that the person approved before it
		if mine && inGroup(s.Person) && covers(s.Scope, s.Kinds) && j.Independent(s.Person) && !has(s.Person) && !refusedSince {
			out = append(out, s)
		}
	}
	rank := func(s Standing) int {
		switch {
		case s.Change != "":
			return 0
		case slices.Contains(s.UsedBy, c.ID):
			return 1
		case s.Uses == 0:
			return 2
		}
		return 3
	}
	slices.SortFunc(out, func(x, y Standing) int {
		return cmp.Or(cmp.Compare(rank(x), rank(y)), x.Until.Compare(y.Until), strings.Compare(x.ID, y.ID))
	})
	return out
}

// agentOfChange returns the agent that made a change, by its id in the policy; "" if several agents
// must be allowed.
func agentOfChange(p *enricher.Preview) string {
	id := ""
	for i, agent := range p.IfMerged.Judged.Agents {
		if who := p.Policy.Person(agent); i > 0 && who != id {
			return ""
		} else {
			id = who
		}
	}
	return id
}
