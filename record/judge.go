package record

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Judge answers the four questions from the facts in r, as docs/trust.md says. It concludes
// nothing from absence: what is missing is a gap with a name.
func (r *Record) Judge(a Authority) {
	j := &judge{record: r, authority: a, merged: r.Judged.MergedAt}
	j.people = newPeople(r, a)
	r.Judged.Unmet, r.Judged.Independent = nil, func(account string) bool { return !j.people.tookPart(account) && j.people.isPerson(account, "") }
	r.Judged.Granted, r.Judged.RefusedAt = j.granted(), func(account string) time.Time { return j.refusals()[j.people.who(account)] }
	r.Trail.Contradictions, r.Judged.breakGlass = nil, a.BreakGlass
	answers, reasons := new(Answers), new(Reasons)
	answers.Reviewed, reasons.Reviewed = j.reviewed()
	if r.Trail.Change.InitiatedBy == "agent" {
		answers.Trigger, reasons.Trigger = j.trigger()
		answers.Alternatives, reasons.Alternatives = j.alternatives()
		answers.Authorized, reasons.Authorized = j.authorized()
		j.contradict()
	}
	j.gate()
	j.breakGlass()
	j.doubts()
	if r.Trail.LeftOut > 0 {
		j.weaken(answers, reasons, fmt.Sprintf(" %d facts beyond what a record holds were left out.", r.Trail.LeftOut))
		j.gap(GapEvidenceIncomplete)
	}
	if len(r.Trail.Masked) > 0 {
		j.masked(answers, reasons)
	}
	slices.Sort(j.gaps)
	r.Trail.Answers, r.Trail.Reasons, r.Trail.Gaps = answers, reasons, slices.Compact(j.gaps)
	r.Trail.Worst, r.Trail.Durations = answers.worst(), j.durations()
}

type judge struct {
	record    *Record
	authority Authority
	people    *people
	merged    time.Time // as a platform saw it; zero if the change is open
	reviews   reviews
	gaps      []string
}

func (j *judge) open() bool { return j.merged.IsZero() }

// signed reports whether the decision that counts came with the credential of the agent
// that made the change.
func (j *judge) signed() bool {
	return j.record.Judged.Decision == Signed && j.record.Judged.DecisionAgent == ""
}

func (j *judge) gap(names ...string) { j.gaps = append(j.gaps, names...) }

func (j *judge) say(answer, gap, format string, args ...any) (string, string) {
	if gap != "" {
		j.gap(gap)
	}
	return answer, fmt.Sprintf(format, args...)
}

// pending returns the answer of an open change about what it may still get.
func (j *judge) pending(format string, args ...any) (string, string) {
	return Pending, fmt.Sprintf(format, args...)
}

// certain reports whether no unknown part of the change could alter what the policy requires.
func (j *judge) certain() bool {
	a := j.authority
	return a.Least == "" || a.Least == a.Verdict && allOf(a.Demands, a.LeastDemands) && allOf(a.LeastDemands, a.Demands)
}

// allOf reports whether each of demands requires the same as one of others.
func allOf(demands, others []Demand) bool {
	for _, d := range demands {
		if !slices.ContainsFunc(others, d.same) {
			return false
		}
	}
	return true
}

func (d Demand) same(o Demand) bool {
	return d.Verdict == o.Verdict && d.Service == o.Service && d.Group == o.Group && d.People == o.People && d.Nobody == o.Nobody && d.Claimed == o.Claimed
}

// doubts adds the gaps that concern the record as a whole.
func (j *judge) doubts() {
	r := j.record
	if n := len(r.Judged.Refused); n > 0 { // whoever made the change
		last := r.Judged.Refused[n-1]
		j.differ(GapIdentityContradicted, "it is "+last.Agent, "the credential %s belongs to %s; number of events that were refused: %d", last.Credential, orString(last.BoundTo, "no agent"), n)
	}
	if r.Judged.Shared {
		j.gap(GapSourceShared)
	}
	if r.Judged.Altered {
		j.gap(GapEventAltered)
	}
	if r.Judged.mergeClaimed {
		j.gap(GapUnverifiedSource)
	}
	if a, ok := r.Judged.stated.contradicted(); ok {
		j.differ(GapChangeContradicted, a.words(), "%s", attribute{a.name, r.Trail.Change.contested(a.name)}.words())
	}
}

// contested returns the observed value of a contested attribute.
func (c *Change) contested(name string) string {
	switch name {
	case attrHead:
		return c.HeadSHA
	case attrMergeSHA:
		return c.MergeSHA
	case attrAuthor:
		return c.Author
	case attrMergedBy:
		return c.MergedBy
	}
	return c.State
}

// words describes a contested attribute.
func (a attribute) words() string {
	switch a.name {
	case attrHead:
		return "its head is " + a.value
	case attrMergeSHA:
		return "it was merged as " + a.value
	case attrAuthor:
		return "its author is " + a.value
	case attrMergedBy:
		return a.value + " merged it"
	}
	return "it is " + a.value
}

// weaken makes those answers partial that need all facts, because some facts are missing or were
// changed.
func (j *judge) weaken(answers *Answers, reasons *Reasons, why string) {
	for answer, reason := range map[*string]*string{
		&answers.Trigger: &reasons.Trigger, &answers.Alternatives: &reasons.Alternatives,
		&answers.Authorized: &reasons.Authorized, &answers.Reviewed: &reasons.Reviewed,
	} {
		if *answer == Proven || *answer == NotRequired {
			*answer = Partial
			*reason += why
		}
	}
}

func (j *judge) before() string {
	if j.open() {
		return ""
	}
	return ", before the merge"
}

// SameCommit compares two commit ids, one of which may be shortened.
func SameCommit(a, b string) bool {
	const shortest = 7
	n := min(len(a), len(b))
	return n >= shortest && strings.EqualFold(a[:n], b[:n])
}

func orString(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
