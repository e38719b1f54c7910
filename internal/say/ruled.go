package say

import (
	"slices"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// Ruled says in a few words what the policy says about a change, and which policy that is.
func Ruled(r *record.Record) string {
	a := r.Trail.Authorization
	if a == nil || a.Verdict == "" {
		return "no policy says who may change what"
	}
	return ruling{r.Trail.Gaps, a.Verdict, r.GenAI != nil}.words("the policy", "says: ")
}

// RuledAtMerge says what the policy said by what was known at the merge, and whether what it
// requires was there. It is empty if nothing is known of a policy.
func RuledAtMerge(r *record.Record) string {
	k := r.Trail.AtMerge
	if k == nil || k.Verdict == "" {
		return ""
	}
	of := ruling{k.Gaps, k.Verdict, r.GenAI != nil}
	said := of.words("the policy in force at the merge", "says: ")
	if of.undecided() == "" && k.Verdict != record.Forbidden && k.Verdict != record.Autonomous {
		said += ", and " + map[bool]string{true: "everything that it requires was given", false: "not everything that it requires was given"}[k.Satisfied]
	}
	return strings.ToUpper(said[:1]) + said[1:]
}

// A ruling is what a policy says of a change, and the gaps of the change.
type ruling struct {
	gaps    []string
	verdict string
	agent   bool // it is known which agent made the change
}

func (u ruling) has(gap string) bool { return slices.Contains(u.gaps, gap) }

// words says what a policy says, or why it does not decide.
func (u ruling) words(policy, says string) string {
	if u.has(record.GapPolicyNotOfTheTime) {
		policy = "the first policy that was received (the one in force at the merge never was)"
	}
	if why := u.undecided(); why != "" {
		return policy + " " + why
	}
	return policy + " " + says + strings.ReplaceAll(u.verdict, "-", " ")
}

// undecided says why a policy does not decide about the change; it is empty if it does.
func (u ruling) undecided() string {
	switch {
	case !u.agent:
		return "cannot decide: which agent made the change is not known"
	case u.has(record.GapAgentUnknown):
		return "does not list this agent"
	case u.has(record.GapServiceUnknown):
		return "does not list this service"
	}
	return ""
}
