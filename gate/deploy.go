package gate

import (
	"time"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/record"
)

// DecideDeployment answers whether a commit may be deployed: whether the record of the change whose
// merge made it says that the merge was authorized and reviewed. What was known at the merge
// decides (at_merge), and nothing that is known today may contradict it. It says nothing about the
// commits before this one.
func DecideDeployment(p *enricher.Preview, commit string, at time.Time) Decision {
	t := &p.Now.Trail
	c := t.Change
	d := Decision{Change: c.ID, Head: commit, commit: commit, At: at.UTC(), Position: p.Position, over: true}
	if a := t.Authorization; a != nil {
		d.Verdict, d.Rule, d.PolicyDigest = a.Verdict, a.Rule, a.PolicyDigest
	}
	switch {
	case c.PartOf != "":
		d.deny("It is a part of %s. Ask about the commit that the merge of that change made.", c.PartOf)
		return d
	case c.State != "merged" || p.Now.Judged.MergedAt.IsZero():
		d.deny("No code host has reported that the change was merged.")
		return d
	case !record.SameCommit(c.MergeSHA, commit):
		d.deny("The record does not say that the change was merged as %s: it says %s.", short(commit), short(c.MergeSHA))
		return d
	}
	d.byMaker(c, func() { d.deployment(t) })
	if b := p.Now.MergedByOrder(); !d.Allowed && b != nil {
		d.follow(*b)
	}
	return d
}

// deployment decides about a merged change of an agent.
func (d *Decision) deployment(t *record.Trail) {
	now := t.Answers
	if t.AtMerge == nil || t.AtMerge.Answers == nil || now == nil {
		d.deny("The record does not say what was known when the change was merged.")
		return
	}
	then := t.AtMerge.Answers
	d.Authorized, d.Reviewed = then.Authorized, then.Reviewed
	answer := func(name, then, now, reason string, enough bool) {
		switch {
		case !enough:
			d.deny("When the change was merged, the record did not say that it was %s: it said %s.", name, then)
		case now == record.Contradicted:
			d.deny("Evidence that arrived after the merge contradicts that the change was %s.", name)
		default:
			return
		}
		if reason != "" {
			d.Reasons = append(d.Reasons, reason)
		}
	}
	answer("authorized", then.Authorized, now.Authorized, t.Reasons.Authorized, then.Authorized == record.Proven)
	answer("reviewed", then.Reviewed, now.Reviewed, t.Reasons.Reviewed, then.Reviewed == record.Proven || then.Reviewed == record.NotRequired)
	if d.Allowed = len(d.Reasons) == 0; d.Allowed {
		d.Reasons = distinct(t.Reasons.Authorized, t.Reasons.Reviewed)
	}
}
