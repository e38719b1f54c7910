package whatif

import (
	"slices"
	"strings"

	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

// A Request is what one person is asked for: a review or an approval of one change.
type Request struct {
	What string `json:"what"` // review or approval
	// By is who can give it: the names of the policy, joined by " or "; AnyPerson if any independent
	// person can.
	By string `json:"by"`
}

// AnyPerson is who can give what no names are required for.
const AnyPerson = "any independent person"

// An Outcome is what a policy requires of a change.
type Outcome struct {
	Verdict  string    `json:"verdict"`
	Rule     string    `json:"rule,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Requests []Request `json:"requests,omitempty"` // one for each person who is asked
	// Stopped says that no person can allow the change: it is forbidden, or nobody may give what is
	// required. Nobody is asked then.
	Stopped bool `json:"stopped,omitempty"`
}

// outcomeOf returns what p requires of a change that has one of some kinds; ok is false if this
// depends on something that the record does not contain or only claims. A policy without rules, or
// none (nil), requires nothing.
func outcomeOf(p *policy.Policy, q policy.Request, kinds []string) (o Outcome, ok bool) {
	for i, kind := range kinds {
		q.Kind = kind
		one, sure := outcomeOfKind(p, q)
		if i == 0 {
			o, ok = one, sure
		}
		ok = ok && sure && one.Stopped == o.Stopped && slices.Equal(one.Requests, o.Requests)
	}
	return o, ok
}

func outcomeOfKind(p *policy.Policy, q policy.Request) (o Outcome, ok bool) {
	if p == nil || !p.HasRules() {
		return Outcome{Verdict: record.Autonomous, Reason: "no policy says what agents may do"}, true
	}
	v := p.Decide(q)
	o = Outcome{Verdict: v.Verdict, Rule: v.Rule, Reason: v.Reason}
	if v.Verdict == record.Forbidden {
		o.Stopped = true
		return o, v.Least == record.Forbidden
	}
	requests, nobody := requestsOf(v.Demands)
	least, leastNobody := requestsOf(v.LeastDemands)
	claimed := slices.ContainsFunc(v.Demands, func(d policy.Demand) bool { return d.Claimed })
	ok = v.Least == v.Verdict && nobody == leastNobody && slices.Equal(requests, least) && !claimed
	if o.Stopped = nobody; !nobody {
		o.Requests = requests
	}
	return o, ok
}

// requestsOf returns the requests to each set of people that demands name, in order, and whether
// nobody can meet one of the demands: as many as the demand for the most people requires, because
// one person may meet the demands of several services.
func requestsOf(demands []policy.Demand) (out []Request, nobody bool) {
	for _, d := range demands {
		r := Request{What: "review", By: AnyPerson}
		if d.Verdict == record.ApprovalRequired {
			r.What = "approval"
		}
		if len(d.By) > 0 {
			r.By = strings.Join(d.By, " or ")
		}
		nobody = nobody || d.Nobody
		for n := count(out, r); n < d.Number(); n++ {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b Request) int { return strings.Compare(a.What+"\x00"+a.By, b.What+"\x00"+b.By) })
	return out, nobody
}

func count(requests []Request, r Request) (n int) {
	for _, o := range requests {
		if o == r {
			n++
		}
	}
	return n
}

// The effects that the other policy would have had on a change.
const (
	Same    = "same"    // no other person is asked, or fewer are and the change still asks one
	Asked   = "asked"   // somebody is asked who was not
	Stopped = "stopped" // no person could have allowed it
	Freed   = "freed"   // nobody is asked any more, or a stopped change can be allowed
)

// effect compares what another policy requires with what the policy in force required.
func effect(inForce, instead Outcome) string {
	switch {
	case inForce.Stopped && instead.Stopped:
		return Same
	case instead.Stopped:
		return Stopped
	case inForce.Stopped:
		return Freed
	case slices.ContainsFunc(instead.Requests, func(r Request) bool { return count(instead.Requests, r) > count(inForce.Requests, r) }):
		return Asked
	case len(instead.Requests) == 0 && len(inForce.Requests) > 0:
		return Freed
	}
	return Same
}
