package oracle

import (
	"maps"
	"slices"

	"github.com/changetrail/changetrail/record"
)

// judgement is what is right to say about a change.
type judgement struct {
	record.Answers
	Gaps set
	May  set        // gaps that may be there: docs/trust.md leaves it open
	Any  [][]string // at least one gap of each list must be there
}

// why records the reasons of an answer: if there are several, one is enough.
func (j *judgement) why(gaps ...string) {
	if len(gaps) == 1 {
		j.Gaps.add(gaps...)
	} else if len(gaps) > 1 {
		j.May.add(gaps...)
		j.Any = append(j.Any, gaps)
	}
}

// judge returns what is right about a change, from all events at once.
func judge(events []record.Event, id record.ChangeID, w world) judgement {
	t := newTrial(events, id, w)
	j := judgement{Gaps: make(set), May: make(set)}
	j.Gaps.add(those(set{
		record.GapEventAltered: len(t.altered) > 0, record.GapChangeContradicted: t.contradicted(),
		record.GapUnverifiedSource: !t.merged && slices.ContainsFunc(t.own, is[*record.Merged]), record.GapEvidenceIncomplete: t.leftOut,
		record.GapIdentityContradicted: len(t.ranked(is[*record.IdentityRefused])) > 0, // a claim of it accuses nobody
	})...)
	for _, n := range t.shared {
		j.Gaps.add(those(set{record.GapSourceShared: n >= 200})...)
		j.May.add(those(set{record.GapSourceShared: n >= 20 && n != 100})...)
	}
	agents, seen, known := t.agents(&j)
	views := t.views(agents)
	j.Reviewed = t.reviewed(&j, views, seen)
	if agents != nil {
		j.Authorized = t.worst(&j, agents, known)
		d := t.decision(agents)
		j.Trigger = t.trigger(&j, d)
		j.Alternatives = t.alternatives(&j, d)
	}
	for _, a := range []*string{&j.Reviewed, &j.Authorized, &j.Trigger, &j.Alternatives} {
		if t.leftOut && (*a == record.Proven || *a == record.NotRequired) {
			*a = record.Partial
		}
	}
	return j
}

// agents returns the agents that made the change, whether an observer says so, and whether it is
// more than a claim. A bot that the policy does not list is an unknown agent.
func (t *trial) agents(j *judgement) (out []string, seen, known bool) {
	seenAs := best(t, func(r record.Revision) string { return r.Agent })
	if a, listed := t.rules.agent(t.who(t.author)); listed {
		seenAs = a.ID
	}
	stated, names := seenAs != "", t.names(t.author)
	if i := slices.IndexFunc(names, t.rules.bot); i >= 0 && !stated {
		seenAs = names[i]
	}
	said := make(map[bool][]string) // by whether the decision is signed
	for e, a := range facts[*record.Action](t.own) {
		said[e.Witness == record.Signed] = append(said[e.Witness == record.Signed], a.Agent.ID)
	}
	for e, d := range facts[*record.Decision](t.own) {
		said[e.Witness == record.Signed] = append(said[e.Witness == record.Signed], d.Agent.ID)
		if seenAs != "" && t.agentOf(d.Agent.ID) != t.agentOf(seenAs) {
			j.May.add(record.GapIdentityContradicted)
			j.Gaps.add(those(set{record.GapIdentityContradicted: stated})...)
		}
	}
	if seenAs != "" {
		return []string{seenAs}, true, true
	}
	bots := func(accounts []string) (out []string) {
		if i := slices.IndexFunc(accounts, t.bot); i >= 0 {
			out = append(out, t.rules.person(accounts[i]))
		}
		return out
	}
	out, known = append(said[true], bots(t.committers())...), true
	if len(out) == 0 {
		out, known = said[false], false
	}
	if len(out) == 0 {
		out = bots(t.claimedMarks())
	}
	return slices.Compact(slices.Sorted(slices.Values(out))), false, known
}

// reviewed answers who reviewed before the merge.
func (t *trial) reviewed(j *judgement, views []view, seen bool) string {
	approvals, against := t.approvals(""), t.against()
	why := t.shortOf(views)
	unsure := t.unsure(views)
	alone := seen && t.ofTime && len(views) > 0 && !slices.ContainsFunc(views, func(v view) bool { return !v.alone })
	j.May.add(those(set{record.GapEvidenceIncomplete: unsure})...)
	switch {
	case against && t.merged:
		j.Gaps.add(record.GapChangesRequested)
		return record.Contradicted
	case len(approvals) > 0 && len(why) == 0 && !unsure && !t.unknown && !against:
		return record.Proven
	case alone && !against:
		return record.NotRequired
	case !t.merged && (len(approvals) == 0 || len(why) > 0 || against):
		return record.Pending
	case len(approvals) > 0:
		why = append(why, those(set{record.GapAuthorUnknown: t.unknown, record.GapEvidenceIncomplete: unsure})...)
		j.why(why...)
		return record.Partial
	}
	j.Gaps.add(record.GapNoReview)
	t.whyNobody(j)
	return record.Unproven
}

// shortOf lists what the approvals lack, for each group that any rule may require.
func (t *trial) shortOf(views []view) []string {
	demands, why := []demand{{}}, make(set)
	for _, v := range views {
		demands = append(demands, v.demands...)
	}
	for _, d := range demands {
		lacks, all := make(set), t.approvals(d.by)
		for _, one := range all {
			maps.Copy(lacks, one)
		}
		if !slices.ContainsFunc(all, func(one set) bool { return len(those(one)) == 0 }) {
			lacks.add(those(set{record.GapOutsideGroup: d.by != "" || len(all) == 0})...)
			maps.Copy(why, lacks)
		}
	}
	return those(why)
}

// whyNobody lists why those who approved do not count. If there are two reasons, either may be
// named.
func (t *trial) whyNobody(j *judgement) {
	standing := t.standing()
	for e, r := range facts[*record.Review](t.own) {
		if r.Verdict != "approved" {
			continue
		}
		lacks, _ := t.flaws(e, r.Reviewer, "")
		lacks.add(those(set{record.GapApprovedByBot: counts(e) && !t.isPerson(r)})...)
		inTime := t.inTime(e) || !counts(e) && !stated(e).After(t.mergedAt)
		stands := inTime && (!counts(e) || standing[t.who(r.Reviewer)].Fact == r)
		why := those(lacks)
		if j.May.add(why...); len(why) == 1 && (stands || !inTime && counts(e)) {
			j.Gaps.add(why...)
		}
	}
}

// worst returns the answer for the agent with the least permission. If there are several, the
// gaps of each one explain it.
func (t *trial) worst(j *judgement, agents []string, known bool) string {
	order := []string{record.Contradicted, record.Unproven, record.Pending, record.Partial, record.Proven}
	worst, all, vague := judgement{Answers: record.Answers{Authorized: record.Proven}}, make(set), false
	for _, id := range agents {
		one := judgement{Gaps: make(set), May: j.May}
		if one.Authorized = t.authorized(&one, id); !known && one.Authorized == record.Contradicted { // a claim accuses nobody
			one.Authorized, one.Gaps = record.Unproven, set{record.GapUnverifiedSource: true}
		}
		maps.Copy(j.May, one.Gaps)
		if slices.Index(order, one.Authorized) < slices.Index(order, worst.Authorized) || worst.Gaps == nil {
			worst, all = one, maps.Clone(one.Gaps)
		} else if one.Authorized == worst.Authorized {
			maps.DeleteFunc(worst.Gaps, func(gap string, _ bool) bool { return !one.Gaps[gap] })
			maps.Copy(all, one.Gaps)
		}
		vague = vague || len(one.Gaps) == 0 && one.Authorized == record.Contradicted
	}
	maps.Copy(j.Gaps, worst.Gaps)
	if j.May.add(those(all)...); !vague { // for one of them it is open which gap it is
		j.why(those(all)...)
	}
	return worst.Authorized
}

// authorized answers whether the agent was allowed to change the service.
func (t *trial) authorized(j *judgement, id string) string {
	views := t.views([]string{id})
	unsure, all := t.unsure(views), len(views)
	known := *t
	known.unknown = false
	byAuthor := t.unknown && !slices.ContainsFunc(views, func(v view) bool { return v.met != maybe }) && !slices.ContainsFunc(known.views([]string{id}), func(v view) bool { return v.met != yes }) // else met
	count, lacks := make(map[int]int), make(map[string]int)
	for _, v := range views {
		count[v.met]++
		if j.May.add(append(v.may, v.lacks...)...); all > 1 || v.never() {
			j.May.add(record.GapReviewMissing, record.GapApprovalMissing)
		}
		for _, l := range slices.Compact(slices.Sorted(slices.Values(v.lacks))) {
			lacks[l]++
		}
	}
	asks := slices.ContainsFunc(views, func(v view) bool { return v.asks != "" })
	commit := slices.ContainsFunc(t.approvals(""), func(lacks set) bool { return lacks[record.GapApprovedUnknownHead] })
	switch {
	case count[nobody] == all && !(!t.merged && slices.ContainsFunc(views, func(v view) bool { return len(v.lacks) == 0 })):
		j.why(slices.Collect(maps.Keys(lacks))...)
		j.May.add(those(set{record.GapPolicyNotOfTheTime: !t.ofTime})...)
		return record.Unproven
	case !t.merged && count[yes] < all && slices.ContainsFunc(views, func(v view) bool { return !v.never() }) && !byAuthor:
		return record.Pending
	case !t.ofTime:
		j.Gaps.add(record.GapPolicyNotOfTheTime)
		if count[yes] == all {
			return record.Partial
		}
		return record.Unproven
	case count[yes] == all && unsure && asks:
		j.Gaps.add(record.GapEvidenceIncomplete)
		return record.Partial
	case count[yes] == all:
		return record.Proven
	case count[no] == all:
		for gap, n := range lacks { // gaps that hold whatever the change is
			j.Gaps.add(those(set{gap: n == all})...)
		}
		return record.Contradicted
	}
	j.May.add(record.GapAuthorUnknown, record.GapApprovedUnknownHead, record.GapReviewMissing, record.GapApprovalMissing)
	if count[maybe] == all {
		j.why(those(set{record.GapAuthorUnknown: t.unknown, record.GapApprovedUnknownHead: commit, record.GapEvidenceIncomplete: j.May[record.GapApprovalOutOfScope], record.GapUnverifiedSource: j.May[record.GapUnverifiedSource]})...)
	}
	j.Gaps.add(those(set{record.GapEvidenceIncomplete: count[maybe] == 0})...)
	return record.Unproven
}
