package gate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/record"
)

// An Override is the order of a person that the newest commit of a change may be merged although the
// gate denies it (break-glass).
type Override struct {
	Change record.ChangeID
	Person string // as the caller has identified them
	Commit string // the newest commit, as the person saw it
	Reason string
}

// Why an order is not followed.
var (
	ErrMayNot   = errors.New("this person may not give the order")
	ErrNotNow   = errors.New("the order cannot be given now")
	ErrNoReason = errors.New("the order is incomplete")
)

// maxOrderReason is the size of a reason in bytes; see [record.BreakGlass].
const maxOrderReason = 4096

// Override records the order of a person, if the policy lets them give one and they took no part in the
// change. It returns what the gate answers then. Errors wrap [ErrMayNot], [ErrNotNow], [ErrNoReason],
// [enricher.ErrUnknownChange] or [ErrUnknown].
func (g *Gate) Override(ctx context.Context, o Override) (Decision, error) {
	switch o.Reason = strings.TrimSpace(o.Reason); {
	case o.Reason == "":
		return Decision{}, fmt.Errorf("%w: give a reason, which an auditor will read", ErrNoReason)
	case len(o.Reason) > maxOrderReason:
		return Decision{}, fmt.Errorf("%w: the reason has %d bytes; the limit is %d", ErrNoReason, len(o.Reason), maxOrderReason)
	case o.Commit == "":
		return Decision{}, fmt.Errorf("%w: name the commit that may be merged", ErrNoReason)
	}
	p, err := g.preview(ctx, o.Change)
	if err != nil {
		return Decision{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	if err := o.allowed(p); err != nil {
		return Decision{}, err
	}
	now := g.Now().UTC()
	d := Decide(p, o.Commit, now)
	if d.Allowed && d.Rule == record.RuleBreakGlass { // given before; the same order twice changes nothing
		return d, nil
	}
	if err := d.orderable(p.Now.Trail.Change); err != nil {
		return d, err
	}
	f := &record.BreakGlass{Person: o.Person, Reason: o.Reason, CommitSHA: d.Head, ReviewBy: now.Add(p.Policy.Gate.BreakGlass.ReviewWithin)}
	if err := g.Recorder.Record(ctx, d.Change, f, "break-glass:"+rand.Text()); err != nil {
		return Decision{}, fmt.Errorf("%w: the order may not be recorded: %w. Ask the gate", ErrUnknown, err)
	}
	d, err = g.Ask(ctx, Question{Change: o.Change, Commit: d.Head})
	if err != nil {
		return d, fmt.Errorf("the order is recorded, but %w. Ask the gate again before you merge", err)
	}
	return d, nil
}

// orderable fails if no order about the commit can be given now.
func (d *Decision) orderable(c record.Change) error {
	switch {
	case d.Allowed:
		return fmt.Errorf("%w: the gate allows %s; merge it as usual", ErrNotNow, d.Change)
	case d.over || !record.SameCommit(d.commit, d.Head) || d.headUnknown(c):
		return fmt.Errorf("%w: %s", ErrNotNow, strings.Join(distinct(d.Reasons...), " "))
	}
	return nil
}

// An Emergency says who may order that a change is merged although the gate denies it.
type Emergency struct {
	Accounts      []string // of the people who may give the order, in lower case; all accounts of each
	ReviewSeconds int64    // after the order, within which an independent person must review the commit
}

// EmergencyOf returns who may give an order about a change that the gate denies with d; nil if nobody
// may.
func EmergencyOf(p *enricher.Preview, d Decision) *Emergency {
	accounts := slices.DeleteFunc(p.Policy.BreakGlassAccounts(), func(account string) bool { return Override{Person: account}.allowed(p) != nil })
	if len(accounts) == 0 || d.orderable(p.Now.Trail.Change) != nil {
		return nil
	}
	return &Emergency{accounts, int64(p.Policy.Gate.BreakGlass.ReviewWithin / time.Second)}
}

// MayGive reports whether the person with an account may give the order. Nobody may if e is nil.
func (e *Emergency) MayGive(account string) bool {
	return e != nil && slices.Contains(e.Accounts, strings.ToLower(account))
}

// ReviewWithin is how soon after the order an independent person must review the commit.
func (e *Emergency) ReviewWithin() time.Duration { return time.Duration(e.ReviewSeconds) * time.Second }

// allowed fails if the person may not give the order.
func (o Override) allowed(p *enricher.Preview) error {
	rule := p.Policy.Gate.BreakGlass
	switch {
	case rule == nil:
		return fmt.Errorf("%w: the policy lets nobody do it (gate.break_glass)", ErrMayNot)
	case !p.Policy.MayBreakGlass(o.Person):
		return fmt.Errorf("%w: the policy lets %s do it, not %s", ErrMayNot, strings.Join(rule.By, ", "), o.Person)
	case !p.IfMerged.Judged.Independent(o.Person):
		return fmt.Errorf("%w: %s took part in the change or asked for it, so somebody else must give the order", ErrMayNot, o.Person)
	}
	return nil
}

// follow allows what an order allows. The reasons of the denial stay, and so do the answers: nothing that
// was missing was given.
func (d *Decision) follow(b record.BreakGlassFact) {
	denied := "Without the order: " + strings.Join(d.Reasons, " ")
	d.Allowed, d.Rule, d.Missing = true, record.RuleBreakGlass, nil
	d.Reasons = []string{
		b.Why(),
		fmt.Sprintf("An independent person other than %s must review the commit before %s.", b.Person, b.ReviewBy.UTC().Format("2006-01-02 15:04 UTC")),
		denied,
	}
}
