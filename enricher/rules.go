package enricher

import (
	"errors"
	"fmt"
	"time"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

// Rules are all policies and control matrices that are held. A change is judged by those
// that were in force at its merge; an open one by those that are in force now.
type Rules struct {
	Policies policy.History[*policy.Policy]
	Controls policy.History[*controls.Matrix]
	// Unreadable are the messages that are no version of either. They change nothing.
	Unreadable []error
}

// unread returns why the newest policy and the newest matrix cannot be read, where that is
// so: those before them stay in force then.
func (rules Rules) unread() error {
	var errs []error
	if v := rules.Policies.Versions(); len(v) > 0 && v[len(v)-1].Err != nil {
		errs = append(errs, fmt.Errorf("policy %s: %w", v[len(v)-1].Digest, v[len(v)-1].Err))
	}
	if v := rules.Controls.Versions(); len(v) > 0 && v[len(v)-1].Err != nil {
		errs = append(errs, fmt.Errorf("control matrix %s: %w", v[len(v)-1].Digest, v[len(v)-1].Err))
	}
	return errors.Join(errs...)
}

// Always returns rules that were never others: since the policy says that it is in
// force, where it says so.
func Always(p *policy.Policy, m *controls.Matrix) Rules {
	var since time.Time
	if p != nil {
		since = p.Since
	}
	return Rules{Policies: policy.Always(p, since), Controls: policy.Always(m, time.Time{})}
}

// rule is what one change is judged by.
type rule struct {
	policy *policy.Policy
	matrix *controls.Matrix
	// notOfTheTime says that the policy in force at the merge is not held: this is the
	// first one that is.
	notOfTheTime bool
}

// of returns what r is judged by.
func (rules Rules) of(r *record.Record, now time.Time) rule {
	merged := r.Judged.MergedAt
	if merged.IsZero() {
		current := rules.at(now)
		current.notOfTheTime = false // it is the one that will decide
		return current
	}
	return rules.at(merged)
}

func (rules Rules) at(t time.Time) rule {
	p, held := rules.Policies.At(t)
	m, _ := rules.Controls.At(t)
	out := rule{p.Content, m.Content, !held}
	if out.policy == nil { // none is held
		out.policy, out.notOfTheTime = new(policy.Policy), false
	}
	if out.matrix == nil {
		out.matrix = new(controls.Matrix)
	}
	return out
}
