package record

import (
	"slices"
	"strings"
	"time"
)

func foldReviews(r *Record, own []Event) {
	n := 0
	for i := range own {
		if _, ok := own[i].Fact.(*Review); ok {
			n++
		}
	}
	if n == 0 {
		return
	}
	verdicts := make([]verdict, 0, n)
	for i := range own {
		e := &own[i]
		if f, ok := e.Fact.(*Review); ok {
			verdicts = append(verdicts, verdictOf(e, f))
			r.Judged.numbered(f.Reviewer, f.ReviewerID, e)
		}
	}
	slices.SortStableFunc(verdicts, verdict.compare)
	r.Judged.verdicts = verdicts
	newest := shown(verdicts)
	out := &ReviewFacts{Verdicts: make([]ReviewVerdict, len(newest)), Reviewers: make([]string, 0, n)}
	for i, v := range newest {
		out.Verdicts[i] = v.ReviewVerdict
	}
	known := make([]verdict, 0, n)
	for _, v := range verdicts {
		out.Reviewers = append(out.Reviewers, v.Reviewer)
		if canKnow(v.Tier) {
			known = append(known, v)
		}
	}
	slices.Sort(out.Reviewers)
	out.Reviewers = slices.Compact(out.Reviewers)
	for _, v := range countingVerdicts(known, func(account string) string { return account }) {
		switch v.Verdict {
		case "approved":
			out.Approvers = append(out.Approvers, v.Reviewer)
			if v.SubmittedAt.After(out.ApprovedAt) {
				out.ApprovedAt, out.ApprovedSHA = v.SubmittedAt, v.CommitSHA
			}
		case "changes-requested":
			out.ChangesRequested = append(out.ChangesRequested, v.Reviewer)
		}
	}
	for _, list := range []*[]string{&out.Reviewers, &out.Approvers, &out.ChangesRequested} {
		*list = smallestStrings(nil, *list, maxListed)
	}
	r.Trail.Review = out
}

// countingVerdicts returns the verdict of each person that counts: the newest one that is not a
// comment. verdicts are in time order. A dismissal that names a review withdraws only that
// review. who returns the person behind an account.
func countingVerdicts(verdicts []verdict, who func(account string) string) []verdict {
	type review struct{ person, id string }
	dismissed := make(map[review]bool)
	for _, v := range verdicts {
		if v.Verdict == "dismissed" && v.reviewID != "" {
			dismissed[review{who(v.Reviewer), v.reviewID}] = true
		}
	}
	var people []string
	newest := make(map[string]verdict)
	for _, v := range verdicts {
		person := who(v.Reviewer)
		if v.Verdict == "commented" || v.reviewID != "" && dismissed[review{person, v.reviewID}] {
			continue
		}
		if _, known := newest[person]; !known {
			people = append(people, person)
		}
		newest[person] = v
	}
	out := make([]verdict, len(people))
	for i, p := range people {
		out[i] = newest[p]
	}
	return out
}

// A verdict is a review and what decides whether it counts.
type verdict struct {
	ReviewVerdict
	knownAt  time.Time // when it counts as reported; see [Event.KnownAt]
	arrived  bool      // knownAt is the arrival
	open     bool      // the code host says that the change was open then
	merged   bool      // the code host says that the change was merged already
	reviewID string
}

func verdictOf(e *Event, f *Review) verdict {
	v := verdict{
		ReviewVerdict: ReviewVerdict{
			Reviewer: f.Reviewer, ReviewerType: f.ReviewerType, Verdict: f.Verdict,
			CommitSHA: strings.ToLower(f.CommitSHA), SubmittedAt: orTime(f.SubmittedAt, e.Time), Tier: e.witness(),
		},
		knownAt: orTime(f.SubmittedAt, e.Time), reviewID: f.ReviewID, open: f.ChangeState == "open" && e.Witness == Observed, merged: f.ChangeState == "merged" && e.Witness == Observed,
	}
	if e.byArrival() {
		v.knownAt, v.arrived = e.Arrived, true
	}
	return v
}

// severity orders verdicts of the same time by severity for a change.
func (v verdict) severity() int {
	return slices.Index([]string{"commented", "approved", "dismissed", "changes-requested"}, v.Verdict)
}

// compare orders verdicts by time; at the same time the most severe comes last and counts.
func (v verdict) compare(o verdict) int {
	if c := v.knownAt.Compare(o.knownAt); c != 0 {
		return c
	}
	return v.severity() - o.severity()
}

// A GrantedApproval is an approval that counts from a time on.
type GrantedApproval struct {
	ApprovalFact
	From time.Time
}

// A givenApproval is an approval and what decides whether it counts.
type givenApproval struct {
	ApprovalFact
	knownAt time.Time // when it counts as reported; see [Event.KnownAt]
	arrived bool      // knownAt is the arrival
}

func foldApprovals(r *Record, own []Event) {
	for _, e := range own {
		f, ok := e.Fact.(*Approval)
		if !ok {
			continue
		}
		a := ApprovalFact{
			Approver: f.Approver, Verdict: f.Verdict, GrantedAt: orTime(f.GrantedAt, e.Time).UTC(), ExpiresAt: f.ExpiresAt.UTC(), Scope: f.Scope, Reference: f.Reference, Tier: e.witness(),
			Agent: f.Agent, Kinds: f.Kinds,
		}
		r.Judged.approvals = append(r.Judged.approvals, givenApproval{a, e.KnownAt(), e.byArrival()})
	}
	for _, l := range shown(r.Judged.approvals) {
		r.Trail.Approvals = append(r.Trail.Approvals, l.ApprovalFact)
	}
}

// foldRefused lists senders that used the name of an agent that they are not, as a gateway
// observed it: a claim of this accuses nobody.
func foldRefused(r *Record, own []Event) {
	for _, e := range own {
		if f, ok := e.Fact.(*IdentityRefused); ok && e.Witness == Observed {
			r.Judged.Refused = append(r.Judged.Refused, RefusedIdentity{Agent: f.Agent, Credential: f.Credential, BoundTo: f.BoundTo, EventType: f.EventType, At: e.Time})
		}
	}
	r.Trail.Refused = shown(r.Judged.Refused)
}
