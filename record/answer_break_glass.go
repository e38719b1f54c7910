package record

import (
	"slices"
	"strings"
	"time"
)

// RuleBreakGlass is the rule by which the gate allows a commit that a person ordered to be merged.
const RuleBreakGlass = "break-glass"

// order adds the order of a person that a commit may be merged. It returns it as an answer of the
// gate that allows that commit.
func (r *Record) order(e Event, f *BreakGlass) GateFact {
	b := BreakGlassFact{Person: f.Person, Reason: f.Reason, CommitSHA: strings.ToLower(f.CommitSHA), At: e.Time, ReviewBy: f.ReviewBy}
	r.Judged.orders = append(r.Judged.orders, b)
	return GateFact{Allowed: true, At: b.At, Rule: RuleBreakGlass, CommitSHA: b.CommitSHA, Reasons: []string{b.Why()}, Tier: Observed}
}

// Why says who gave the order, and what for.
func (b BreakGlassFact) Why() string {
	return b.Person + " ordered that this commit may be merged: " + strings.TrimSuffix(b.Reason, ".") + "."
}

// Ordered returns the order by which a commit may be merged at a time: the newest one. An order ends
// when its review is due, and with the part of the policy that lets people give orders. It returns
// nil if there is none.
func (r *Record) Ordered(commit string, at time.Time) *BreakGlassFact {
	for _, b := range slices.Backward(r.Judged.orders) {
		if r.Judged.breakGlass && SameCommit(b.CommitSHA, commit) && !at.After(b.ReviewBy) {
			return &b
		}
	}
	return nil
}

// MergedByOrder returns the order by which the change was merged: one about its head from before the
// merge, where the policy in force then lets people give orders. It returns nil if there is none.
func (r *Record) MergedByOrder() *BreakGlassFact {
	head, _ := r.commits()
	for _, b := range slices.Backward(r.Judged.orders) {
		if r.Judged.breakGlass && !after(b.At, r.Judged.MergedAt, false) && SameCommit(b.CommitSHA, head) && !r.Judged.MergedAt.After(b.ReviewBy) {
			return &b
		}
	}
	return nil
}

// ordered returns the order about a commit by which its review is due: the first one, so that nobody
// moves that time. It returns nil if there is none.
func (r *Record) ordered(commit string) *BreakGlassFact {
	i := slices.IndexFunc(r.Judged.orders, func(b BreakGlassFact) bool { return SameCommit(b.CommitSHA, commit) })
	if i < 0 {
		return nil
	}
	return &r.Judged.orders[i]
}

// breakGlass adds the gaps of an order: one at once, which stays, and a graver one if the commit was
// merged and nobody independent reviewed it in time.
func (j *judge) breakGlass() {
	orders := j.record.Judged.orders
	j.record.Trail.BreakGlass, j.record.Judged.ChangesAt = nil, time.Time{}
	if len(orders) == 0 {
		return
	}
	j.gap(GapBreakGlass)
	head, merge := j.record.commits()
	b := j.record.ordered(orString(head, merge))
	merged := b != nil && !j.open()
	if b == nil {
		b = &orders[len(orders)-1]
		merged = !j.open() && head == ""
	}
	fact := *b
	j.record.Trail.BreakGlass = &fact
	review, inTime := j.reviewOf(fact)
	if review != nil {
		fact.ReviewedBy, fact.ReviewedAt = review.Reviewer, review.SubmittedAt
	}
	switch now := j.record.Judged.Now; {
	case !merged || inTime:
	case now.After(fact.ReviewBy):
		fact.Overdue = true
		j.gap(GapBreakGlassOverdue)
	case !now.IsZero():
		j.record.Judged.ChangesAt = fact.ReviewBy
	}
}

// reviewOf returns the first review of the commit of an order by a person, other than who gave the
// order, who as far as is known took no part in the change, and whether it was in time. A review
// that asks for changes is one, too. What is only claimed does not count, and takes nobody's
// independence.
func (j *judge) reviewOf(b BreakGlassFact) (first *verdict, inTime bool) {
	_, merge := j.record.commits()
	for i, s := range j.record.Judged.verdicts {
		switch {
		case s.Verdict != "approved" && s.Verdict != "changes-requested", !canKnow(s.Tier), !j.people.isPerson(s.Reviewer, s.ReviewerType):
		case !SameCommit(s.CommitSHA, b.CommitSHA) && !SameCommit(s.CommitSHA, merge):
		case j.people.tookPart(s.Reviewer) || j.people.who(s.Reviewer) == j.people.who(b.Person):
		default:
			return &j.record.Judged.verdicts[i], !after(s.knownAt, b.ReviewBy, s.arrived)
		}
	}
	return nil, false
}
