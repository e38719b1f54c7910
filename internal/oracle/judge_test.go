package oracle

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// judgement is what is right to say of a change.
type judgement struct {
	record.Answers
	Gaps set
	May  set        // gaps that may stand there: docs/trust.md leaves it open
	Any  [][]string // gaps of which one at least must
}

// why notes the reasons of an answer: of several, one is enough.
func (j *judgement) why(gaps ...string) {
	if len(gaps) == 1 {
		j.Gaps.add(gaps...)
	} else if len(gaps) > 1 {
		j.May.add(gaps...)
		j.Any = append(j.Any, gaps)
	}
}

// judge says what is right of a change, from all events at once.
func judge(events []record.Event, id record.ChangeID, w world) judgement {
	t := newTrial(events, id, w)
	j := judgement{Gaps: make(set), May: make(set)}
	j.Gaps.add(those(set{
		record.GapEventAltered: len(t.altered) > 0, record.GapChangeContradicted: t.contradicted(),
		record.GapUnverifiedSource: !t.merged && slices.ContainsFunc(t.own, is[*record.Merged]),
	})...)
	for e := range facts[*record.IdentityRefused](t.own) { // a gateway says so; who claims it accuses nobody
		j.Gaps.add(those(set{record.GapIdentityContradicted: e.Witness == record.Observed})...)
	}
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
	j.Gaps.add(those(set{record.GapEvidenceIncomplete: t.leftOut})...)
	return j
}

// agents returns the agents that made the change, whether somebody who observed
// it says so, and whether it is more than a claim. A bot that the policy does not know is an
// agent that nobody knows.
func (t *trial) agents(j *judgement) (out []string, seen, known bool) {
	a, listed := t.rules.agent(t.who(t.author))
	seenAs := best(t, func(r record.Revision) string { return r.Agent })
	if listed {
		seenAs = a.ID
	}
	stated := seenAs != ""
	for _, name := range t.names(t.author) {
		if !stated && t.rules.bot(name) {
			seenAs = name
		}
	}
	said := make(map[bool][]string) // by whether it is signed
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

// Three values, and that nobody knows whom to ask.
const (
	no = iota
	maybe
	yes
	nobody
)

// A view is what the policy says of one scene and one agent.
type view struct {
	met     int
	demands []demand // of reviews
	asks    string   // all that is demanded, in one text
	lacks   []string // gaps
	may     []string // gaps that may stand there
	alone   bool     // the agent may act alone
}

// A demand is what a policy asks of somebody of a group for a service.
type demand struct {
	verdict, by string
	service     service
}

// A way is one possible outcome of the policy: what it demands for each service that is
// touched.
type way map[service][]demand

// ways returns all of them. Where something is not known, each rule may hold or not by
// itself.
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

// agreeing returns the groups of whom each must agree to a change by a rule: empty for anybody.
// A file that is not known may belong to any owner, so that there are several lists of them.
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

// demands are those of a rule, and of the mode in which whatever an agent does needs leave.
func (t *trial) demands(r rule, s service, groups []string) (out []demand) {
	for _, group := range groups {
		out = append(out, demand{r.Verdict, group, s})
	}
	if t.rules.Everything && r.Verdict != record.ApprovalRequired {
		out = append(out, demand{record.ApprovalRequired, "", s})
	}
	return out
}

// views returns what the policy says of everything that the change may be.
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
			met, gaps, may := t.leave(strings.Join(a.Delegates, " "), svc)
			if met == no && !known { // and not asked for, unless the claim is true
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
				ask(t.leave(d.by, svc))
			}
		}
	}
	if v.never() { // whatever else is asked
		v.asks, v.demands, v.may = record.Forbidden, nil, append(v.may, v.lacks...)
		v.lacks = slices.DeleteFunc(v.lacks, func(gap string) bool { return gap != record.GapForbidden && gap != record.GapOutOfScope })
		if len(v.lacks) > 1 {
			v.lacks = v.lacks[:0]
		}
	}
	return v
}

// never reports whether the policy says no, whoever agrees.
func (v view) never() bool {
	return v.asks == record.Forbidden || slices.Contains(v.lacks, record.GapForbidden) || slices.Contains(v.lacks, record.GapOutOfScope)
}

// unsure reports whether what is not known may matter: something unseen could change
// what is demanded, or a push on the way to the head is cut, so that whose commits it
// has is not known, and somebody's independence is asked.
func (t *trial) unsure(views []view) bool {
	asks := slices.ContainsFunc(views, func(v view) bool { return v.asks != "" })
	return t.cut && (asks || len(t.approvals()) > 0) ||
		slices.ContainsFunc(views, func(v view) bool { return v.asks != views[0].asks || v.met == nobody && views[0].met != nobody })
}

// askedByStranger reports whether a person who may not ask the agent did, or is claimed to have.
func (t *trial) askedByStranger(a agent) (known, claimed bool) {
	stranger := func(account string) bool {
		return len(a.Delegates) > 0 && !t.in(t.who(account), strings.Join(a.Delegates, " "))
	}
	asked, said := t.askers()
	return slices.ContainsFunc(asked, stranger), slices.ContainsFunc(said, stranger)
}

// standing returns the review that stands of each person.
func (t *trial) standing() map[string]*record.Review {
	newest, out := make(map[string]record.Event), make(map[string]*record.Review)
	for e, r := range facts[*record.Review](t.own) {
		if !counts(e) || !t.inTime(e) || r.Verdict == "commented" || t.takenBack(r) || r.Verdict == "dismissed" && r.ReviewID != "" {
			continue
		}
		who := t.who(r.Reviewer)
		if o, ok := newest[who]; !ok || t.after(e, o) {
			newest[who], out[who] = e, r
		}
	}
	return out
}

// counts reports whether an event is the word of somebody who saw it.
func counts(e record.Event) bool { return e.Witness == record.Observed || e.Witness == record.Human }

// takenBack reports whether a dismissal names this very review.
func (t *trial) takenBack(r *record.Review) bool {
	return r.ReviewID != "" && slices.ContainsFunc(t.own, func(o record.Event) bool {
		d, ok := o.Fact.(*record.Review)
		return ok && counts(o) && t.inTime(o) && d.Verdict == "dismissed" && d.ReviewID == r.ReviewID && t.who(d.Reviewer) == t.who(r.Reviewer)
	})
}

// after reports whether a stands before b: it is newer, or of one time speaks more
// against the change.
func (t *trial) after(a, b record.Event) bool {
	against := func(e record.Event) int {
		r := e.Fact.(*record.Review)
		return slices.Index([]string{"approved", "dismissed", "changes-requested"}, r.Verdict)
	}
	return cmp.Or(told(a).Compare(told(b)), against(a)-against(b)) >= 0
}

func (t *trial) isPerson(r *record.Review) bool {
	return !t.bot(r.Reviewer) && (r.ReviewerType == "" || r.ReviewerType == "human")
}

// people returns the standing reviews of people that have a verdict.
func (t *trial) people(verdict string) (out []*record.Review) {
	for _, r := range t.standing() {
		if r.Verdict == verdict && t.isPerson(r) {
			out = append(out, r)
		}
	}
	return out
}

// against reports whether a person's standing verdict asks for changes.
func (t *trial) against() bool { return len(t.people("changes-requested")) > 0 }

// approvals returns the standing approvals of independent people.
func (t *trial) approvals() []*record.Review {
	involved, _ := t.involved()
	return slices.DeleteFunc(t.people("approved"), func(r *record.Review) bool { return involved[t.who(r.Reviewer)] })
}

// flaws returns what the approvals of a group lack, with "" where one lacks nothing.
func (t *trial) flaws(by string) set {
	out := make(set)
	_, claimed := t.involved()
	for _, r := range t.approvals() {
		switch {
		case !t.in(t.who(r.Reviewer), by):
		case r.CommitSHA == "" || t.head == "":
			out.add(record.GapApprovedUnknownHead)
		case r.CommitSHA != t.head:
			out.add(record.GapStaleApproval)
		case claimed[t.who(r.Reviewer)]:
			out.add(record.GapUnverifiedSource)
		default:
			out.add("")
		}
	}
	return out
}

// approvedHead says whether somebody independent of a group approved the commit
// that merged.
func (t *trial) approvedHead(by string) int {
	flaws := t.flaws(by)
	switch {
	case t.against():
		return no
	case flaws[""] && !t.unknown:
		return yes
	case flaws[""] || flaws[record.GapApprovedUnknownHead] || flaws[record.GapUnverifiedSource]:
		return maybe
	}
	return no
}

// leave says whether somebody independent of a group gave leave for a service, and
// which gaps it is otherwise: why those that were given do not count, if any was.
func (t *trial) leave(by string, s service) (met int, gaps, may []string) {
	given := t.rules.nobody(by)
	for e, a := range facts[*record.Approval](t.own) {
		if a.Verdict == "refused" || t.bot(a.Approver) {
			continue
		}
		covered := t.covers(a.Scope, s)
		involved, claimed := t.involved()
		flaws := those(set{
			record.GapSelfApproval: involved[t.who(a.Approver)], record.GapOutsideGroup: !t.in(t.who(a.Approver), by),
			t.late(e, record.GapApprovalAfterMerge): !t.inTime(e), record.GapApprovalOutOfScope: covered == no,
			record.GapApprovalExpired: t.merged && !a.ExpiresAt.IsZero() && a.ExpiresAt.Before(t.mergedAt),
		})
		if !counts(e) { // a claim accuses nobody
			flaws = []string{record.GapUnverifiedSource}
		}
		may, given = append(may, flaws...), given || counts(e)
		may = append(may, those(set{record.GapApprovalOutOfScope: covered == maybe})...)
		switch {
		case t.refused(e, a) || t.rules.nobody(by):
		case len(flaws) == 0 && claimed[t.who(a.Approver)]:
			met, may = max(met, maybe), append(may, record.GapUnverifiedSource)
		case len(flaws) == 0 && !t.unknown:
			met = max(met, covered)
		case len(flaws) == 0:
			met = max(met, maybe)
		case len(flaws) == 1 && covered != maybe:
			gaps = append(gaps, flaws...)
		}
	}
	return met, append(gaps, those(set{record.GapApprovalMissing: !given})...), append(may, record.GapApprovalMissing)
}

// covers says whether a scope names a service, or each path.
func (t *trial) covers(scope []string, s service) int {
	if len(scope) == 0 || slices.Contains(scope, s.Name) {
		return yes
	}
	outside := func(p string) bool {
		return !slices.ContainsFunc(scope, func(g string) bool {
			prefix, glob := strings.CutSuffix(g, "**")
			return glob && strings.HasPrefix(p, prefix)
		})
	}
	switch paths, all := t.files(); {
	case slices.ContainsFunc(paths, outside):
		return no
	case !all:
		return maybe
	}
	return yes
}

// refused reports whether the same person took an approval back in time.
func (t *trial) refused(e record.Event, a *record.Approval) bool {
	return slices.ContainsFunc(t.own, func(o record.Event) bool {
		r, ok := o.Fact.(*record.Approval)
		return ok && r.Verdict == "refused" && counts(o) && t.inTime(o) && t.who(r.Approver) == t.who(a.Approver) && !told(o).Before(told(e))
	})
}

// reviewed answers who reviewed before the merge.
func (t *trial) reviewed(j *judgement, views []view, seen bool) string {
	approvals, against := t.approvals(), t.against()
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

// shortOf names what the approvals lack, for each group that anything may ask.
func (t *trial) shortOf(views []view) []string {
	demands, why := []demand{{}}, make(set)
	for _, v := range views {
		demands = append(demands, v.demands...)
	}
	for _, d := range demands {
		if flaws := t.flaws(d.by); !flaws[""] {
			maps.Copy(why, flaws)
			why.add(those(set{record.GapOutsideGroup: len(flaws) == 0 || d.by != ""})...)
		}
	}
	return those(why)
}

// whyNobody names why those who approved do not count. Where there are two reasons,
// either may be named.
func (t *trial) whyNobody(j *judgement) {
	standing := t.standing()
	involved, _ := t.involved()
	for e, r := range facts[*record.Review](t.own) {
		if r.Verdict != "approved" {
			continue
		}
		who := t.who(r.Reviewer)
		late := t.merged && (!counts(e) && stated(e).After(t.mergedAt) || counts(e) && !t.inTime(e))
		would := !late && (!counts(e) || standing[who] == r)
		why := []string{record.GapUnverifiedSource} // a claim accuses nobody
		if counts(e) {
			why = those(set{record.GapApprovedByBot: !t.isPerson(r), record.GapSelfApproval: involved[who], t.late(e, record.GapApprovalAfterMerge): late})
		}
		if j.May.add(why...); len(why) == 1 && (would || late && counts(e)) {
			j.Gaps.add(why...)
		}
	}
}

// worst is the answer for whichever agent is least allowed. Of several, the gaps of each one
// say why.
func (t *trial) worst(j *judgement, agents []string, known bool) string {
	order := []string{record.Contradicted, record.Unproven, record.Pending, record.Partial, record.Proven}
	worst, all := judgement{Answers: record.Answers{Authorized: record.Proven}}, make(set)
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
	}
	maps.Copy(j.Gaps, worst.Gaps)
	j.why(those(all)...)
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
	commit := t.flaws("")[record.GapApprovedUnknownHead]
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
		for gap, n := range lacks { // what holds whatever the change is
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

// decision returns the decision that counts. One of another agent than the one that
// was seen counts as a claim.
func (t *trial) decision(agents []string) (counting *record.Event) {
	rank := func(e record.Event) int {
		own := slices.ContainsFunc(agents, func(a string) bool { return t.agentOf(a) == t.agentOf(e.Fact.(*record.Decision).Agent.ID) })
		return len(those(set{"signed": e.Witness == record.Signed, "own": e.Witness == record.Signed && own}))
	}
	all := slices.DeleteFunc(slices.Clone(t.own), func(e record.Event) bool { return !is[*record.Decision](e) })
	slices.SortStableFunc(all, func(a, b record.Event) int { return told(a).Compare(told(b)) })
	for _, e := range all {
		if counting == nil || rank(e) > rank(*counting) || rank(e) == rank(*counting) && t.inTime(e) {
			counting = &e
		}
	}
	if counting != nil && rank(*counting) < 2 {
		counting.Witness = record.Claimed
	}
	return counting
}

// agentOf is the agent behind a name: X[bot] is X, be it known or not.
func (t *trial) agentOf(name string) string {
	return strings.TrimSuffix(t.rules.person(name), "[bot]")
}

// trigger answers what made the agent start.
func (t *trial) trigger(j *judgement, e *record.Event) string {
	if e == nil || e.Fact.(*record.Decision).Trigger == nil {
		return t.orPending(j, record.Unproven, record.GapNoTrigger)
	}
	tr := e.Fact.(*record.Decision).Trigger
	holder, found, own := t.holds(tr, e.Sender)
	scan := tr.Kind == "scan"
	sure := e.Witness == record.Signed && (holder == record.Observed || own && tr.Digest != "") // a claimed decision accuses nobody
	if scan && sure && tr.Finding != "" && !found {
		j.Gaps.add(record.GapFindingNotInReport)
		return record.Contradicted
	}
	lacks := those(set{record.GapDigestNotStated: scan && tr.Digest == "", record.GapFindingNotStated: scan && tr.Finding == ""})
	heals := those(set{ // what a better witness would heal
		record.GapTriggerNotHeld: holder == "", record.GapTriggerFromAgent: holder == "agent",
		record.GapUnverifiedSource: holder == record.Claimed || e.Witness != record.Signed,
	})
	if len(heals) > 0 {
		return t.orPending(j, record.Partial, append(lacks, heals...)...)
	}
	return unless(j, lacks)
}

// holds returns who holds what a trigger names, its request or its report: somebody who
// observed it; of others one in whose report the finding stands, where there is one. Own says
// that who sent the decision sent one, too.
func (t *trial) holds(tr *record.Trigger, decider string) (holder string, found, own bool) {
	for _, e := range t.events {
		named, finds := names(tr, e.Fact)
		if !named {
			continue
		}
		own = own || decider != "" && e.Sender == decider && is[*record.Scan](e)
		best := better(holder, holderOf(e))
		switch seen := best == record.Observed; {
		case seen && holder != best, !seen && finds && !found:
			holder, found = holderOf(e), finds
		case holderOf(e) == best && (finds || !found):
			holder, found = best, found && holder == best || finds
		}
	}
	if own && !found && holder != record.Observed {
		holder = "agent"
	}
	return holder, found, own
}

// names reports whether a trigger names a fact, and its finding stands in it.
func names(tr *record.Trigger, f record.Fact) (named, finds bool) {
	switch f := f.(type) {
	case *record.Request:
		return tr.Kind == f.Kind && tr.ID == f.ID, false
	case *record.Scan:
		finds = slices.ContainsFunc(f.Findings, func(f record.Finding) bool { return slices.Contains(f.Names(), tr.Finding) })
		if named = finds; tr.Digest != "" {
			named = tr.Digest == f.Report.Digest
		} else if tr.ID != "" {
			named = tr.ID == f.ScanID
		}
		return named && tr.Kind == "scan", finds
	}
	return false, false
}

// holderOf is the witness of an event, or the agent.
func holderOf(e record.Event) string {
	if strings.HasPrefix(e.Sender, "agent:") {
		return "agent"
	}
	return e.Witness
}

// better is the better of two holders.
func better(a, b string) string {
	order := []string{"", "agent", record.Claimed, record.Human, record.Observed}
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}

// orPending answers what time may still heal.
func (t *trial) orPending(j *judgement, otherwise string, gaps ...string) string {
	if !t.merged {
		j.May.add(gaps...)
		return record.Pending
	}
	j.Gaps.add(gaps...)
	return otherwise
}

// unless is proven, but for gaps.
func unless(j *judgement, gaps []string) string {
	if j.Gaps.add(gaps...); len(gaps) > 0 {
		return record.Partial
	}
	return record.Proven
}

// alternatives answers what was considered and rejected.
func (t *trial) alternatives(j *judgement, e *record.Event) string {
	if e == nil {
		return t.orPending(j, record.Unproven, record.GapNoDecision)
	}
	d := e.Fact.(*record.Decision)
	isChosen := func(o record.Option) bool { return o.Outcome == "chosen" || d.Chosen == o.ID }
	chosen := slices.IndexFunc(d.Options, isChosen)
	others := slices.DeleteFunc(slices.Clone(d.Options), isChosen)
	lacks := those(set{
		record.GapUnverifiedSource: e.Witness != record.Signed, t.late(*e, record.GapDecisionAfterMerge): !t.inTime(*e), record.GapEventAltered: t.altered[e.Key()],
		record.GapNothingChosen: chosen < 0, record.GapNoAlternatives: len(others) == 0,
		record.GapRejectionNoReason: slices.ContainsFunc(others, func(o record.Option) bool { return o.Reason == "" }),
	})
	if chosen >= 0 && d.Options[chosen].Package != "" && d.Options[chosen].To != "" {
		versions := t.versions(d.Options[chosen].Package)
		j.May.add(those(set{record.GapChosenNotComparable: len(versions) == 0})...)
		j.Gaps.add(those(set{record.GapChosenNotComparable: len(versions) == 0 && t.merged})...)
		if e.Witness == record.Signed && len(versions) > 0 && !slices.Contains(versions, d.Options[chosen].To) {
			j.May.add(lacks...)
			j.Gaps.add(record.GapChosenNotDone)
			return record.Contradicted
		}
	}
	return unless(j, lacks)
}

// versions are those to which observed dependencies take a package. The histories
// have packages in lower case and plain versions.
func (t *trial) versions(purl string) (out []string) {
	for _, d := range t.dependencies() {
		if "pkg:"+strings.ToLower(cmp.Or(d.Ecosystem, "npm"))+"/"+d.Name == purl {
			out = append(out, d.To)
		}
	}
	return out
}
