package say

import (
	"testing"

	"github.com/changetrail/changetrail/record"
)

func TestWhatThePolicySaysIsSaidAlike(t *testing.T) {
	for _, c := range []struct {
		name, now, then string
		verdict         string
		gaps            []string
		nobody          bool
	}{
		{name: "it decides", verdict: record.ReviewRequired, now: "the policy says: review required", then: "The policy in force at the merge says: review required, and not everything that it requires was given"},
		{name: "it forbids", verdict: record.Forbidden, gaps: []string{record.GapForbidden}, now: "the policy says: forbidden", then: "The policy in force at the merge says: forbidden"},
		{name: "it does not list the agent", verdict: record.Forbidden, gaps: []string{record.GapAgentUnknown}, now: "the policy does not list this agent", then: "The policy in force at the merge does not list this agent"},
		{name: "it does not list the service", verdict: record.ApprovalRequired, gaps: []string{record.GapServiceUnknown}, now: "the policy does not list this service", then: "The policy in force at the merge does not list this service"},
		{
			name: "a later one", verdict: record.ReviewRequired, gaps: []string{record.GapPolicyNotOfTheTime},
			now:  "the first policy that was received (the one in force at the merge never was) says: review required",
			then: "The first policy that was received (the one in force at the merge never was) says: review required, and not everything that it requires was given",
		},
		{
			name: "no agent is known", verdict: record.Forbidden, gaps: []string{record.GapAgentUnknown}, nobody: true,
			now: "the policy cannot decide: which agent made the change is not known", then: "The policy in force at the merge cannot decide: which agent made the change is not known",
		},
		{name: "no policy", now: "no policy says who may change what"},
	} {
		r := of(func(trail *record.Trail, _ *record.Answers, _ *record.Reasons) {
			trail.Authorization, trail.Gaps = &record.AuthorizationFact{Verdict: c.verdict}, c.gaps
			trail.AtMerge = &record.MergeSnapshot{Verdict: c.verdict, Gaps: c.gaps}
		})
		if c.nobody {
			r.GenAI = nil
		}
		if now, then := Ruled(r), RuledAtMerge(r); now != c.now || then != c.then {
			t.Errorf("%s: %q, at the merge %q; want %q and %q", c.name, now, then, c.now, c.then)
		}
	}
}
