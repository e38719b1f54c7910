package record

import (
	"fmt"
	"slices"
	"time"
)

// authorized answers whether the agent was allowed to make the change. If it is only claimed that
// an agent made it, nobody is accused.
func (j *judge) authorized() (answer, reason string) {
	before := len(j.gaps)
	answer, reason = j.allowed()
	if answer == Contradicted && j.record.Judged.AgentClaimed {
		j.gaps = j.gaps[:before]
		return j.say(Unproven, GapUnverifiedSource, "It is only claimed that an agent made the change. If one did: %s", reason)
	}
	return answer, reason
}

func (j *judge) allowed() (answer, reason string) {
	a := j.authority
	if a.Verdict == "" {
		return j.say(Unproven, GapNoPolicy, "No policy says who may change what.")
	}
	fact := j.record.Trail.Authorization
	if fact == nil {
		fact = new(AuthorizationFact)
		j.record.Trail.Authorization = fact
	}
	fact.Verdict, fact.Rule, fact.Paths, fact.PolicyDigest = a.Verdict, a.Rule, a.Paths, a.PolicyDigest
	if fact.Approvers = 0; a.Verdict == ApprovalRequired {
		fact.Approvers = int64(a.approvers())
	}
	if a.Reason != "" {
		fact.Reasons = []string{a.Reason}
	}
	switch {
	case j.record.GenAI == nil:
		return j.say(Unproven, GapAgentUnknown, "Which agent made the change is not known.")
	case a.Unknown != "" && a.NotOfTheTime && !j.open():
		j.gap(a.Unknown)
		return j.say(Unproven, GapPolicyNotOfTheTime, "The policy in force at the merge was never received, and the first policy that was received does not decide: %s.", a.Reason)
	case a.Unknown != "":
		return j.say(Unproven, a.Unknown, "It cannot be decided: %s.", a.Reason)
	case a.Verdict == Forbidden:
		return j.forbidden()
	}
	surely, maybe := j.missing(a.Demands)
	if surely == nil && maybe == nil {
		return j.met(fact)
	}
	for _, d := range a.Demands {
		if surely, maybe := j.missing([]Demand{d}); surely != nil || maybe != nil {
			d.Approved = j.whoApproved(d)
			j.record.Judged.Unmet = append(j.record.Judged.Unmet, d)
		}
	}
	return j.unmet(surely, maybe)
}

// RuleDefault is the name of the decision that a policy makes if no rule applies.
const RuleDefault = "default"

// Because returns the reasons for the verdict. A decision by default has none: its reason says only
// that no rule applies.
func (a *AuthorizationFact) Because() []string {
	if a.Rule == RuleDefault {
		return nil
	}
	return a.Reasons
}

// forbidden returns the answer if the policy forbids the change.
func (j *judge) forbidden() (answer, reason string) {
	a := j.authority
	gap := GapForbidden
	if a.OutOfScope {
		gap = GapOutOfScope
	}
	switch {
	case a.NotOfTheTime:
		return j.say(Unproven, GapPolicyNotOfTheTime, "The first policy that was received forbids the change (rule %s). The one in force at the merge was never received.", a.Rule)
	case a.Least == Forbidden || a.Least == "":
		return j.say(Contradicted, gap, "The policy forbids this change (rule %s): %s.", a.Rule, a.Reason)
	case j.open():
		return j.pending("Not all of the change is known, and the policy may forbid it (rule %s): %s.", a.Rule, a.Reason)
	}
	if missing := j.surelyMissing(); missing != nil {
		j.gap(missing...)
		return j.say(Contradicted, "", "Parts of the change are not known. Whatever they are, the policy forbids the change or requires more than there was at the merge (rule %s).", a.Rule)
	}
	return j.say(Unproven, GapEvidenceIncomplete, "Not all of the change is known, and the policy may forbid it (rule %s): %s.", a.Rule, a.Reason)
}

// met returns the answer if everything that the policy asks for was given.
func (j *judge) met(fact *AuthorizationFact) (answer, reason string) {
	a, asked := j.authority, j.asked()
	fact.Satisfied = true
	switch cut := !j.certain() || j.record.Judged.AuthorsCut && len(a.Demands) > 0; {
	case len(a.Demands) > 0 && !j.authorKnown():
		fact.Satisfied = false
		return j.authorUnknown(asked)
	case a.NotOfTheTime && cut:
		j.gap(GapEvidenceIncomplete)
		fallthrough
	case a.NotOfTheTime:
		return j.say(Partial, GapPolicyNotOfTheTime, "The first policy that was received %s (rule %s), and it was given. But the policy in force at the merge was never received.", asked, a.Rule)
	case cut:
		return j.say(Partial, GapEvidenceIncomplete, "The policy %s (rule %s), and it was given. But not all commits and files of the change are known.", asked, a.Rule)
	case a.Verdict == Autonomous:
		return j.say(Proven, "", "The policy %s (rule %s).", asked, a.Rule)
	}
	return j.say(Proven, "", "The policy %s (rule %s), and it was given.", asked, a.Rule)
}

// authorUnknown returns the answer if everything that the policy asks for was given, but it is
// unknown whether those who gave it are independent.
func (j *judge) authorUnknown(asked string) (answer, reason string) {
	a := j.authority
	switch {
	case a.Least == Autonomous && j.open():
		return j.pending("The policy may require more than there is (rule %s): not all of the change is known yet.", a.Rule)
	case a.Least == Autonomous && !a.NotOfTheTime:
		return j.say(Unproven, GapEvidenceIncomplete, "The policy may require more than there was (rule %s): not all of the change is known.", a.Rule)
	case a.NotOfTheTime && !j.open():
		return j.say(Unproven, GapPolicyNotOfTheTime, "The first policy that was received %s (rule %s). The one in force at the merge was never received, and it is not known who wrote all of the change.", asked, a.Rule)
	}
	return j.say(Unproven, GapAuthorUnknown, "The policy %s (rule %s). It is not known who wrote all of the change, so nobody can say whether the reviewer is independent.", asked, a.Rule)
}

// unmet returns the answer if something is missing. It is a contradiction only if no unknown part
// of the change could alter the answer.
func (j *judge) unmet(surely, maybe []string) (answer, reason string) {
	a, asked := j.authority, j.asked()
	if j.open() {
		return j.pending("The policy %s (rule %s), which has not been given yet%s.", asked, a.Rule, j.soFar("%d has approved", "%d have approved"))
	}
	uncertain := !j.certain() || j.record.Judged.FilesIncomplete && surely != nil // an approval may cover unknown files
	if uncertain {
		surely = j.surelyMissing()
	}
	switch {
	case a.NotOfTheTime:
		return j.say(Unproven, GapPolicyNotOfTheTime, "The first policy that was received %s (rule %s), which was not given. The policy in force at the merge was never received.", asked, a.Rule)
	case surely != nil:
		j.gap(surely...)
		return j.say(Contradicted, "", "The policy %s (rule %s), which was missing at the merge%s.", asked, a.Rule, j.soFar("%d had approved", "%d had approved"))
	case uncertain:
		j.gap(maybe...) // each doubt is named: one may matter where the others do not
		return j.say(Unproven, GapEvidenceIncomplete, "The policy may require more than there was (rule %s): not all of the change is known.", a.Rule)
	case maybe[0] == GapUnverifiedSource:
		j.otherDoubts()
		return j.say(Unproven, GapUnverifiedSource, "The policy %s (rule %s). Whether that was given depends on who asked for the work, and that is only claimed.", asked, a.Rule)
	}
	return j.say(Unproven, GapApprovedUnknownHead, "The policy %s (rule %s). It is not known whether that was given for the merged commit.", asked, a.Rule)
}

// surelyMissing returns the gaps of the services for which no possible decision of the policy is
// met, whatever the unknown parts of the change are. It returns nil if there is no such service.
// A demand that may be met counts as met.
func (j *judge) surelyMissing() (gaps []string) {
	for _, ways := range j.authority.Ways {
		gaps = append(gaps, j.noneMet(ways)...)
	}
	return gaps
}

// noneMet returns the gaps of all ways, or nil if one of them may be met.
func (j *judge) noneMet(ways []Way) (gaps []string) {
	for _, w := range ways {
		missing, _ := j.missing(w.Demands)
		switch {
		case w.Verdict == Forbidden:
			missing = []string{GapForbidden}
		case missing == nil:
			return nil
		}
		gaps = append(gaps, missing...)
	}
	return gaps
}

func (j *judge) asked() string {
	switch j.authority.Verdict {
	case ReviewRequired:
		return "requires a review"
	case ApprovalRequired:
		if n := j.authority.approvers(); n > 1 {
			return fmt.Sprintf("requires the approval of %d people, given beforehand", n)
		}
		return "requires the approval of a person, given beforehand"
	}
	return "lets the agent do it alone"
}

// missing returns the gaps of demands that are not met and, separately, those of demands for
// which this is unknown.
func (j *judge) missing(demands []Demand) (surely, maybe []string) {
	for _, d := range demands {
		switch d.Verdict {
		case ReviewRequired:
			if gap := j.mayMeet(d); j.reviewMet(d) {
				continue
			} else if gap != "" {
				maybe = append(maybe, gap)
			} else {
				surely = append(surely, GapReviewMissing)
			}
		case ApprovalRequired:
			switch missing, doubt := j.missingApproval(d); {
			case missing == nil:
			case doubt || d.Claimed:
				maybe = append(maybe, GapUnverifiedSource)
			default:
				surely = append(surely, missing...)
			}
		}
	}
	return surely, maybe
}

// flaws returns all reasons why an approval by a person does not meet a demand, or nil if it
// does. refused is when that person last refused approval. For an approval that is only claimed
// there is no other reason: a claim accuses nobody.
func (j *judge) flaws(p givenApproval, d Demand, refused time.Time) (gaps []string) {
	if !canKnow(p.Tier) {
		return []string{GapUnverifiedSource}
	}
	late := after(p.knownAt, j.merged, p.arrived)
	for _, f := range []struct {
		is  bool
		gap string
	}{
		{!j.people.in(d, p.Approver), GapOutsideGroup},
		{j.people.tookPart(p.Approver), GapSelfApproval},
		{d.Covers != nil && !d.Covers(p.Scope, p.Kinds) || !j.covers(p.Agent), GapApprovalOutOfScope},
		{late && p.GrantedAt.After(j.merged), GapApprovalAfterMerge},
		{late && !p.GrantedAt.After(j.merged), GapToldAfterMerge},
		{!p.ExpiresAt.IsZero() && !j.open() && p.ExpiresAt.Before(j.merged), GapApprovalExpired},
		{!p.knownAt.After(refused), GapApprovalMissing},
	} {
		if f.is {
			gaps = append(gaps, f.gap)
		}
	}
	return gaps
}

// covers reports whether an approval for the changes of an agent covers this one: no other agent must
// have been allowed to make it. No agent means every agent.
func (j *judge) covers(agent string) bool {
	return agent == "" || !slices.ContainsFunc(j.record.Judged.Agents, func(a string) bool { return j.people.who(a) != j.people.who(agent) })
}

// granted returns the approvals that count as given before the merge and were not refused since.
func (j *judge) granted() (out []GrantedApproval) {
	refused := j.refusals()
	for _, p := range j.record.Judged.approvals {
		if p.Verdict != "refused" && canKnow(p.Tier) && !after(p.knownAt, j.merged, p.arrived) && p.knownAt.After(refused[j.people.who(p.Approver)]) {
			out = append(out, GrantedApproval{p.ApprovalFact, p.knownAt})
		}
	}
	return out
}

// refusals returns when each person last refused approval before the merge.
func (j *judge) refusals() map[string]time.Time {
	out := make(map[string]time.Time)
	for _, p := range j.record.Judged.approvals {
		person := j.people.who(p.Approver)
		if p.Verdict == "refused" && canKnow(p.Tier) && !after(p.knownAt, j.merged, p.arrived) && p.knownAt.After(out[person]) {
			out[person] = p.knownAt
		}
	}
	return out
}
