package oracle

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// standing returns the review of each person that counts: the newest, and at the same time the
// one that is worst for the change.
func (t *trial) standing() map[string]record.Event {
	out := make(map[string]record.Event)
	against := func(e record.Event) int {
		return slices.Index([]string{"approved", "dismissed", "changes-requested"}, e.Fact.(*record.Review).Verdict)
	}
	for e, r := range facts[*record.Review](t.own) {
		if !counts(e) || !t.inTime(e) || r.Verdict == "commented" || t.takenBack(r) || r.Verdict == "dismissed" && r.ReviewID != "" {
			continue
		}
		if o, ok := out[t.who(r.Reviewer)]; !ok || cmp.Or(knownAt(e).Compare(knownAt(o)), against(e)-against(o)) >= 0 {
			out[t.who(r.Reviewer)] = e
		}
	}
	return out
}

// counts reports whether an event is from a witness who saw it.
func counts(e record.Event) bool { return e.Witness == record.Observed || e.Witness == record.Human }

// takenBack reports whether a dismissal names this review.
func (t *trial) takenBack(r *record.Review) bool {
	return r.ReviewID != "" && slices.ContainsFunc(t.own, func(o record.Event) bool {
		d, ok := o.Fact.(*record.Review)
		return ok && counts(o) && t.inTime(o) && d.Verdict == "dismissed" && d.ReviewID == r.ReviewID && t.who(d.Reviewer) == t.who(r.Reviewer)
	})
}

func (t *trial) isPerson(r *record.Review) bool {
	return !t.bot(r.Reviewer) && (r.ReviewerType == "" || r.ReviewerType == "human")
}

// people returns the reviews of people with a verdict that count.
func (t *trial) people(verdict string) (out []record.Event) {
	for _, e := range t.standing() {
		if r := e.Fact.(*record.Review); r.Verdict == verdict && t.isPerson(r) {
			out = append(out, e)
		}
	}
	return out
}

// against reports whether the verdict of a person that counts requests changes.
func (t *trial) against() bool { return len(t.people("changes-requested")) > 0 }

// flaws returns why the agreement of somebody in a group does not count: certainly, and possibly.
// That the author of the change is unknown is not one of them.
func (t *trial) flaws(e record.Event, account, by string) (surely, maybe set) {
	known, is := t.involved()[t.who(account)]
	if !counts(e) { // a claim accuses nobody
		return set{record.GapUnverifiedSource: true}, nil
	}
	surely = set{record.GapSelfApproval: known, record.GapOutsideGroup: !t.in(t.who(account), by), t.late(e, record.GapApprovalAfterMerge): !t.inTime(e)}
	return surely, set{record.GapUnverifiedSource: is && !known}
}

// approvals returns what the approvals of independent people that count lack, for a group.
func (t *trial) approvals(by string) (out []set) {
	if all, done := t.agreed[by]; done {
		return all
	}
	for _, e := range t.people("approved") {
		r := e.Fact.(*record.Review)
		lacks, maybe := t.flaws(e, r.Reviewer, by)
		switch {
		case lacks[record.GapSelfApproval]:
			continue
		case lacks[record.GapOutsideGroup]:
		case r.CommitSHA == "" || t.head == "":
			maybe = set{record.GapApprovedUnknownHead: true}
		case r.CommitSHA != t.head:
			maybe = set{record.GapStaleApproval: true}
		}
		maps.Copy(lacks, maybe)
		out = append(out, lacks)
	}
	t.agreed[by] = out
	return out
}

// approvedHead returns whether somebody independent in a group approved the commit that was
// merged.
func (t *trial) approvedHead(by string) (met int) {
	for _, lacks := range t.approvals(by) {
		if len(those(lacks)) == 0 && !t.unknown {
			met = yes
		} else if !lacks[record.GapStaleApproval] && !lacks[record.GapOutsideGroup] {
			met = max(met, maybe)
		}
	}
	return map[bool]int{false: met}[t.against()]
}

// approval returns whether enough people in a group, independent ones, gave permission for a
// service, and otherwise the gaps: why those that were given do not count, if enough were.
func (t *trial) approval(by string, s service) (met int, gaps, may []string) {
	asked := fmt.Sprint(by, s.Name, t.unknown)
	if l, done := t.permissions[asked]; done {
		return l.met, l.lacks, l.may
	}
	number := t.rules.approvers(s)
	tooFew := t.rules.tooFew(by, number)
	said, given, reasons := make(map[string]int), make(set), make(map[string][]string) // by person
	for e, a := range facts[*record.Approval](t.own) {
		if a.Verdict == "refused" || t.bot(a.Approver) {
			continue
		}
		surely, unsure := t.flaws(e, a.Approver, by)
		if counts(e) {
			surely.add(those(set{record.GapApprovalOutOfScope: t.covers(a.Scope, s) == no, record.GapApprovalExpired: t.merged && !a.ExpiresAt.IsZero() && a.ExpiresAt.Before(t.mergedAt)})...)
			unsure.add(those(set{record.GapApprovalOutOfScope: t.covers(a.Scope, s) == maybe})...)
		}
		who, lacks, doubts := t.who(a.Approver), those(surely), those(unsure)
		may = append(may, append(lacks, doubts...)...)
		given.add(those(set{who: counts(e)})...)
		switch {
		case t.refused(e, a) || tooFew:
		case len(lacks) == 0 && len(doubts) == 0 && !t.unknown:
			said[who] = yes
		case len(lacks) == 0:
			said[who] = max(said[who], maybe)
		case len(lacks) == 1 && !unsure[record.GapApprovalOutOfScope]:
			reasons[who] = append(reasons[who], lacks...)
		}
	}
	if least := slices.Sorted(maps.Values(said)); len(least) >= number { // how sure the last person is who completes the number
		met = least[len(least)-number]
	}
	for who, why := range reasons {
		if said[who] == no { // no other approval of that person counts
			gaps = append(gaps, why...)
		}
	}
	missing := len(given) < number && !tooFew
	t.permissions[asked] = view{met: met, lacks: append(gaps, those(set{record.GapApprovalMissing: missing})...), may: append(may, record.GapApprovalMissing)}
	return t.approval(by, s)
}

// covers returns whether a scope names a service, or each path.
func (t *trial) covers(scope []string, s service) int {
	outside := func(p string) bool {
		return !slices.ContainsFunc(scope, func(g string) bool {
			prefix, glob := strings.CutSuffix(g, "**")
			return glob && strings.HasPrefix(p, prefix)
		})
	}
	switch paths, all := t.files(); {
	case len(scope) == 0 || slices.Contains(scope, s.Name):
		return yes
	case slices.ContainsFunc(paths, outside):
		return no
	case !all:
		return maybe
	}
	return yes
}

// refused reports whether the same person withdrew an approval in time.
func (t *trial) refused(e record.Event, a *record.Approval) bool {
	return slices.ContainsFunc(t.own, func(o record.Event) bool {
		r, ok := o.Fact.(*record.Approval)
		return ok && r.Verdict == "refused" && counts(o) && t.inTime(o) && t.who(r.Approver) == t.who(a.Approver) && !knownAt(o).Before(knownAt(e))
	})
}
