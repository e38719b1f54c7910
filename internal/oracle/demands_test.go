package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// Three values, and one for the case that nobody knows whom to ask.
const (
	no = iota
	maybe
	yes
	nobody
)

// A view is what the policy says about one scene and one agent.
type view struct {
	met     int
	demands []demand // of reviews
	asks    string   // all demands, in one text
	lacks   []string // gaps
	may     []string // gaps that may be there
	alone   bool     // the agent may act alone
}

// A demand is what a policy requires of somebody in a group for a service.
type demand struct {
	verdict, by string
	service     service
}

// A way is one possible outcome of the policy: what it demands for each service that is touched.
type way map[service][]demand

// ways returns all of them. If something is unknown, each rule may or may not apply,
// independently of the others.
func (t *trial) ways() []way {
	scenes, out := t.scenes(), []way{{}}
	for _, svc := range t.rules.Services {
		of := func(is func(scene) bool) (some, all bool) {
			return slices.ContainsFunc(scenes, is), !slices.ContainsFunc(scenes, func(c scene) bool { return !is(c) })
		}
		touched, surely := of(func(c scene) bool { return slices.Contains(t.rules.touched(c.Paths), svc) })
		if !touched {
			continue
		}
		var deciding []way
		if !surely {
			deciding = append(deciding, way{})
		}
		for _, r := range append(slices.Clone(t.rules.Rules), rule{Kind: "always", Verdict: t.rules.Default}) {
			may, must := of(func(c scene) bool { return r.holds(svc, c) })
			for _, groups := range t.agreeing(r, svc) {
				if may {
					deciding = append(deciding, way{svc: t.demands(r, svc, groups)})
				}
			}
			if must {
				break
			}
		}
		var longer []way
		for _, w := range out {
			for _, d := range deciding {
				next := maps.Clone(w)
				maps.Copy(next, d)
				longer = append(longer, next)
			}
		}
		out = longer
	}
	return out
}

// agreeing returns the groups that must each agree to a change by a rule; empty for anybody. An
// unknown file may belong to any owner, so there are several lists of groups.
func (t *trial) agreeing(r rule, s service) (lists [][]string) {
	if !slices.Contains(r.By, "owners") {
		return [][]string{{strings.Join(r.By, " ")}}
	}
	paths, all := t.files()
	seen, any := t.rules.groups(r, s, t.rules.filesOf(s, paths)), t.rules.groups(r, s, append(universe, "nobody-can-read-this/a.go"))
	if len(seen) > 0 {
		lists = append(lists, seen)
	}
	for i := 0; i < len(any) && len(seen) == 0; i++ {
		lists = append(lists, any[i:i+1])
	}
	if !all {
		lists = append(lists, slices.Compact(slices.Sorted(slices.Values(slices.Concat(any, seen)))))
	}
	return lists
}

// demands returns the demands of a rule, and of the mode in which everything that an agent does
// needs approval.
func (t *trial) demands(r rule, s service, groups []string) (out []demand) {
	for _, group := range groups {
		out = append(out, demand{r.Verdict, group, s})
	}
	if t.rules.Everything && r.Verdict != record.ApprovalRequired {
		out = append(out, demand{record.ApprovalRequired, "", s})
	}
	return out
}

// views returns what the policy says about everything that the change may be.
func (t *trial) views(agents []string) (out []view) {
	ways := t.ways()
	for _, id := range agents {
		for _, w := range ways {
			untouched := func(c scene) bool { return len(t.rules.touched(c.Paths)) == 0 }
			if len(w) > 0 || len(ways) == 1 || slices.ContainsFunc(t.scenes(), untouched) {
				out = append(out, t.view(id, w))
			}
		}
	}
	return out
}

func (t *trial) view(id string, w way) view {
	a, ok := t.rules.agent(id)
	if !ok || len(w) == 0 {
		return view{met: nobody, lacks: those(set{record.GapAgentUnknown: !ok, record.GapServiceUnknown: len(w) == 0}), asks: "nobody"}
	}
	v := view{met: yes, alone: true}
	ask := func(met int, gaps, may []string) {
		v.may = append(v.may, may...)
		if v.met = min(v.met, met); met == no {
			v.lacks = append(v.lacks, gaps...)
		}
	}
	for _, svc := range t.rules.Services {
		if _, touched := w[svc]; touched && !slices.Contains(a.Services, "*") && !slices.Contains(a.Services, svc.Name) {
			v.alone = false
			ask(no, []string{record.GapOutOfScope}, nil)
		} else if known, claimed := t.askedByStranger(a); touched && (known || claimed) {
			v.alone, v.asks = v.alone && !known, v.asks+"delegates;"
			met, gaps, may := t.approval(strings.Join(a.Delegates, " "), svc)
			if met == no && !known { // not required, unless the claim is true
				met, may = maybe, append(may, record.GapUnverifiedSource)
			}
			ask(met, gaps, may)
		}
		for _, d := range w[svc] {
			if v.alone = v.alone && d.verdict == record.Autonomous; d.verdict != record.Autonomous {
				v.asks += fmt.Sprint(svc.Name, d.verdict, d.by, ";")
			}
			switch d.verdict {
			case record.Forbidden:
				ask(no, []string{record.GapForbidden}, nil)
			case record.ReviewRequired:
				v.demands = append(v.demands, d)
				ask(t.approvedHead(d.by), []string{record.GapReviewMissing}, []string{record.GapReviewMissing})
			case record.ApprovalRequired:
				ask(t.approval(d.by, svc))
			}
		}
	}
	if v.never() { // whatever else is required
		v.asks, v.demands, v.may = record.Forbidden, nil, append(v.may, v.lacks...)
		v.lacks = slices.DeleteFunc(v.lacks, func(gap string) bool { return gap != record.GapForbidden && gap != record.GapOutOfScope })
		if len(v.lacks) > 1 {
			v.lacks = v.lacks[:0]
		}
	}
	return v
}

// never reports whether the policy forbids the change, whoever agrees.
func (v view) never() bool {
	return v.asks == record.Forbidden || slices.Contains(v.lacks, record.GapForbidden) || slices.Contains(v.lacks, record.GapOutOfScope)
}

// unsure reports whether unknown parts may matter: something unseen could change the demands; or
// a push on the way to the head is cut, so that the authors of its commits are unknown, and
// somebody's independence is required.
func (t *trial) unsure(views []view) bool {
	asks := slices.ContainsFunc(views, func(v view) bool { return v.asks != "" })
	return t.cut && (asks || len(t.approvals("")) > 0) ||
		slices.ContainsFunc(views, func(v view) bool { return v.asks != views[0].asks || v.met == nobody && views[0].met != nobody })
}

// askedByStranger reports whether a person who may not ask the agent did, or is claimed to have.
func (t *trial) askedByStranger(a agent) (known, claimed bool) {
	for account, sure := range t.askers() {
		if len(a.Delegates) > 0 && !t.in(t.who(account), strings.Join(a.Delegates, " ")) {
			known, claimed = known || sure, true
		}
	}
	return known, claimed
}
