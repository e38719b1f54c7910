package record

import (
	"slices"
	"strings"
)

func foldReviews(r *Record, own []Event) {
	var verdicts []ReviewVerdict
	for i := range own {
		e := &own[i]
		if f, ok := e.Fact.(*Review); ok {
			verdicts = append(verdicts, verdictOf(e, f))
			r.Judged.numbered(f.Reviewer, f.ReviewerID, e)
		}
	}
	if len(verdicts) == 0 {
		return
	}
	slices.SortStableFunc(verdicts, ReviewVerdict.compare)
	r.Judged.Verdicts = verdicts
	out := &ReviewFacts{Verdicts: shown(verdicts)}
	stands := make(map[string]ReviewVerdict)
	for _, v := range verdicts {
		out.Reviewers = append(out.Reviewers, v.Reviewer)
		before := stands[v.Reviewer]
		switch {
		case v.Verdict == "commented", v.witnessed() < before.witnessed():
		case v.Verdict == "dismissed" && v.reviewID != "" && before.reviewID != v.reviewID:
		default:
			stands[v.Reviewer] = v
		}
	}
	slices.Sort(out.Reviewers)
	out.Reviewers = slices.Compact(out.Reviewers)
	for _, who := range out.Reviewers {
		v := stands[who]
		switch v.Verdict {
		case "approved":
			out.Approvers = append(out.Approvers, who)
			if v.SubmittedAt.After(out.ApprovedAt) {
				out.ApprovedAt, out.ApprovedSHA = v.SubmittedAt, v.CommitSHA
			}
		case "changes-requested":
			out.ChangesRequested = append(out.ChangesRequested, who)
		}
	}
	for _, list := range []*[]string{&out.Reviewers, &out.Approvers, &out.ChangesRequested} {
		*list = smallestStrings(nil, *list, maxListed)
	}
	r.Trail.Review = out
}

func verdictOf(e *Event, f *Review) ReviewVerdict {
	v := ReviewVerdict{
		Reviewer: f.Reviewer, ReviewerType: f.ReviewerType, Verdict: f.Verdict,
		CommitSHA: strings.ToLower(f.CommitSHA), SubmittedAt: orTime(f.SubmittedAt, e.Time), Tier: e.witness(),
		told: orTime(f.SubmittedAt, e.Time), reviewID: f.ReviewID, open: f.ChangeState == "open" && e.Witness == Observed,
	}
	if e.byArrival() {
		v.told, v.arrived = e.Arrived, true
	}
	return v
}

// witnessed is 1 for a verdict of somebody who can know it, 0 for a claim.
func (v ReviewVerdict) witnessed() int {
	if v.Tier == Observed || v.Tier == Human {
		return 1
	}
	return 0
}

// gravity orders verdicts of one time by what they say against a change.
func (v ReviewVerdict) gravity() int {
	return slices.Index([]string{"commented", "approved", "dismissed", "changes-requested"}, v.Verdict)
}

// compare orders verdicts by their time; of one time the gravest comes last and stands.
func (v ReviewVerdict) compare(o ReviewVerdict) int {
	if c := v.SubmittedAt.Compare(o.SubmittedAt); c != 0 {
		return c
	}
	return v.gravity() - o.gravity()
}

func foldApprovals(r *Record, own []Event) {
	for i := range own {
		e := &own[i]
		if f, ok := e.Fact.(*Approval); ok {
			a := ApprovalFact{
				Approver: f.Approver, Verdict: f.Verdict, GrantedAt: e.Time, ExpiresAt: f.ExpiresAt.UTC(), Scope: f.Scope, Reference: f.Reference, Tier: e.witness(),
				told: e.Told(), arrived: e.byArrival(),
			}
			r.Judged.Approvals = append(r.Judged.Approvals, a)
		}
	}
	r.Trail.Approvals = shown(r.Judged.Approvals)
}

// foldRefused lists those who spoke in the name of an agent that they are not.
func foldRefused(r *Record, own []Event) {
	for _, e := range own {
		if f, ok := e.Fact.(*IdentityRefused); ok {
			r.Judged.Refused = append(r.Judged.Refused, RefusedIdentity{Agent: f.Agent, Credential: f.Credential, BoundTo: f.BoundTo, EventType: f.EventType, At: e.Time})
		}
	}
	r.Trail.Refused = shown(r.Judged.Refused)
}

func foldGate(r *Record, own []Event) {
	for _, e := range own {
		if f, ok := e.Fact.(*GateDecision); ok {
			r.Trail.Gate = &GateFact{Verdict: f.Verdict, Allowed: f.Allowed, At: e.Time, PolicyDigest: f.PolicyDigest}
		}
	}
}
