package record

import (
	"slices"
	"strings"
)

func foldReviews(r *Record, own []Event, from voicesOf) {
	var verdicts []ReviewVerdict
	for i := range own {
		e := &own[i]
		if f, ok := e.Fact.(*Review); ok {
			verdicts = append(verdicts, ReviewVerdict{
				Reviewer: f.Reviewer, ReviewerType: f.ReviewerType, Verdict: f.Verdict,
				CommitSHA: strings.ToLower(f.CommitSHA), SubmittedAt: orTime(f.SubmittedAt, e.Time), Tier: from.tier(e),
			})
		}
	}
	if len(verdicts) == 0 {
		return
	}
	slices.SortStableFunc(verdicts, func(a, b ReviewVerdict) int { return a.SubmittedAt.Compare(b.SubmittedAt) })
	stands := make(map[string]ReviewVerdict)
	r.Judged.Verdicts = verdicts
	out := &ReviewFacts{Verdicts: shown(verdicts)}
	for _, v := range verdicts {
		out.Reviewers = append(out.Reviewers, v.Reviewer)
		if v.Verdict != "commented" {
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

func foldApprovals(r *Record, own []Event, from voicesOf) {
	for i := range own {
		e := &own[i]
		if f, ok := e.Fact.(*Approval); ok {
			r.Judged.Approvals = append(r.Judged.Approvals, ApprovalFact{
				Approver: f.Approver, GrantedAt: e.Time, ExpiresAt: f.ExpiresAt.UTC(), Scope: f.Scope, Reference: f.Reference, Tier: from.tier(e),
			})
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
