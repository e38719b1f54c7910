package enricher

import (
	"errors"
	"fmt"
	"time"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

// Rules are all recorded policies and control matrices. A change is judged by those that were in
// force at its merge; an open change by those that are in force now.
type Rules struct {
	Policies policy.History[*policy.Policy]
	Controls policy.History[*controls.Matrix]
	// Unreadable are the errors of messages that are no version of either. They change nothing.
	Unreadable []error
}

// unread returns why the newest policy or the newest matrix cannot be read, or nil. Those before
// them stay in force then.
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

// Always returns rules that never changed. The policy is in force from the time that it states,
// if it states one.
func Always(p *policy.Policy, m *controls.Matrix) Rules {
	var since time.Time
	if p != nil {
		since = p.Since
	}
	return Rules{Policies: policy.Always(p, since), Controls: policy.Always(m, time.Time{})}
}

// A rule is the policy and the matrix by which one change is judged.
type rule struct {
	policy *policy.Policy
	matrix *controls.Matrix
	// notOfTheTime says that the policy that was in force at the merge is not recorded: this one
	// is the first that is.
	notOfTheTime bool
}

// of returns the rule by which r is judged.
func (rules Rules) of(r *record.Record, now time.Time) rule {
	merged := r.Judged.MergedAt
	if merged.IsZero() {
		current := rules.at(now)
		current.notOfTheTime = false // the current policy will decide about it
		return current
	}
	return rules.at(merged)
}

func (rules Rules) at(t time.Time) rule {
	p, held := rules.Policies.At(t)
	m, _ := rules.Controls.At(t)
	out := rule{p.Content, m.Content, !held}
	if out.policy == nil { // none is recorded
		out.policy, out.notOfTheTime = new(policy.Policy), false
	}
	if out.matrix == nil {
		out.matrix = new(controls.Matrix)
	}
	return out
}
