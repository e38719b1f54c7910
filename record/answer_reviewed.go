package record

import (
	"slices"
	"time"
)

// reviews sorts the reviews of a change.
type reviews struct {
	newest   []verdict // the newest one of each person, at the merge or now
	good     []verdict // approvals of the commit that counts by independent people
	stale    []verdict // approvals of another commit
	unknown  []verdict // approvals of an unknown commit
	doubtful []verdict // approvals of the commit that counts by people who are claimed to be not independent
	refused  bool      // a standing verdict requests changes
}

func (j *judge) reviewed() (answer, reason string) {
	v := j.record.Trail.Review
	rv := &j.reviews
	rv.newest = j.newestVerdicts()
	why := j.sort()
	if v != nil {
		v.Independent = len(rv.good) > 0
	}
	if i := slices.IndexFunc(rv.newest, func(s verdict) bool { return s.Verdict == "changes-requested" }); i >= 0 {
		rv.refused = true
		if j.open() {
			return j.pending("%s asked for changes and has not withdrawn that yet.", rv.newest[i].Reviewer)
		}
		return j.say(Contradicted, GapChangesRequested, "%s asked for changes and had not withdrawn that at the merge.", rv.newest[i].Reviewer)
	}
	if len(rv.good) > 0 {
		return j.approved(rv.good[0])
	}
	switch {
	case j.mayActAlone():
		return j.say(NotRequired, "", "The policy lets the agent do this alone (rule %s).", j.authority.Rule)
	case j.open():
		return j.pending("Nobody independent has approved the newest commit yet.")
	case len(rv.doubtful) > 0:
		j.otherDoubts()
		return j.say(Partial, GapUnverifiedSource, "%s approved, but somebody claims that %[1]s took part in the change or asked for it.", rv.doubtful[0].Reviewer)
	case len(rv.unknown) > 0:
		return j.say(Partial, GapApprovedUnknownHead, "%s approved, but it is not known which commit.", rv.unknown[0].Reviewer)
	case len(rv.stale) > 0:
		return j.say(Partial, GapStaleApproval, "%s approved a commit other than the one that was merged.", rv.stale[0].Reviewer)
	}
	return j.noApproval(why)
}

// approved returns the answer if an independent person approved the commit that counts.
func (j *judge) approved(s verdict) (answer, reason string) {
	for _, d := range j.authority.Demands {
		switch {
		case d.Verdict != ReviewRequired || j.authority.Least == Forbidden || j.reviewMet(d):
			continue
		case j.open():
			return j.pending("%s approved; rule %s requires a review by %s.", s.Reviewer, d.Rule, orString(d.Group, "somebody else"))
		case !j.certain() && j.surelyMissing() == nil: // it is unknown whether the review is required
			continue
		}
		return j.say(Partial, GapOutsideGroup, "%s approved; rule %s requires a review by %s.", s.Reviewer, d.Rule, orString(d.Group, "somebody else"))
	}
	doubt := ""
	var gaps []string
	if !j.authorKnown() {
		gaps = append(gaps, GapAuthorUnknown)
		doubt = "it is not known who wrote all of the change"
	}
	if j.record.Judged.AuthorsCut || !j.certain() {
		gaps = append(gaps, GapEvidenceIncomplete)
		doubt = orString(doubt, "not all commits and files of the change are known")
	}
	switch {
	case doubt != "" && j.mayActAlone():
		return j.say(NotRequired, "", "The policy lets the agent do this alone (rule %s).", j.authority.Rule)
	case doubt != "":
		j.gap(gaps...)
		return Partial, s.Reviewer + " approved " + s.CommitSHA + ", but " + doubt + "."
	}
	return j.say(Proven, "", "%s approved %s on %s%s.", s.Reviewer, s.CommitSHA, s.SubmittedAt.UTC().Format(time.RFC3339), j.before())
}

// mayActAlone reports whether the policy certainly requires nobody, and the code host saw that an
// agent made the change. The agent's own statement is not enough, since it would remove a
// question.
func (j *judge) mayActAlone() bool {
	a := j.authority
	return a.Verdict == Autonomous && !a.NotOfTheTime && a.Unknown == "" && j.record.Judged.AgentSeen
}

// authorKnown reports whether it is known who made the change: otherwise nobody can say that it
// was not the reviewer.
func (j *judge) authorKnown() bool {
	r := j.record
	return r.Trail.Change.Author != "" && r.Judged.stated.known(attrAuthor) && !r.Judged.AuthorMissing
}

// otherDoubts adds the gaps for everything else that is unknown: a claim does not hide them.
func (j *judge) otherDoubts() {
	if !j.authorKnown() {
		j.gap(GapAuthorUnknown)
	}
	if j.record.Judged.AuthorsCut || !j.certain() {
		j.gap(GapEvidenceIncomplete)
	}
}

// noApproval returns the answer if nobody independent approved in time. why names, by gap, those
// whose approval does not count.
func (j *judge) noApproval(why map[string]string) (answer, reason string) {
	reason = "Nobody approved before the merge."
	for _, c := range []struct{ gap, words string }{
		{GapUnverifiedSource, "It is only claimed that %s approved."},
		{GapApprovedByBot, "Only %[1]s approved, and %[1]s is not a person."},
		{GapToldAfterMerge, "The approval by %s was received after the merge."},
		{GapApprovalAfterMerge, "%s approved after the merge; nobody approved before it."},
		{GapSelfApproval, "Only %[1]s approved, and %[1]s made or asked for the change."},
	} {
		if who := why[c.gap]; who != "" {
			_, reason = j.say("", c.gap, c.words, who)
		}
	}
	j.gap(GapNoReview)
	return Unproven, reason
}

// newestVerdicts returns the newest verdict of each person before the merge, as seen by a witness
// who can know it.
func (j *judge) newestVerdicts() []verdict {
	var counted []verdict
	for _, s := range j.record.Judged.verdicts {
		if canKnow(s.Tier) && !j.late(s) && j.people.isPerson(s.Reviewer, s.ReviewerType) {
			counted = append(counted, s)
		}
	}
	return countingVerdicts(counted, j.people.who)
}

// late reports whether a verdict counts as given after the merge.
func (j *judge) late(s verdict) bool {
	return !s.open && (s.merged && !j.open() || after(s.knownAt, j.merged, s.arrived))
}

// sort separates approvals that count from others. It returns, by gap, who approved in a way that
// does not count.
func (j *judge) sort() map[string]string {
	rv := &j.reviews
	why := make(map[string]string)
	head, merge := j.record.commits()
	for _, s := range rv.newest {
		if s.Verdict != "approved" {
			continue
		}
		switch {
		case j.people.tookPart(s.Reviewer):
			why[GapSelfApproval] = s.Reviewer
		case s.CommitSHA == "" || head == "" && merge == "":
			rv.unknown = append(rv.unknown, s)
		case !SameCommit(s.CommitSHA, head) && !SameCommit(s.CommitSHA, merge):
			rv.stale = append(rv.stale, s)
		case j.people.mayHave(s.Reviewer):
			rv.doubtful = append(rv.doubtful, s)
		default:
			rv.good = append(rv.good, s)
		}
	}
	for _, s := range j.record.Judged.verdicts {
		if s.Verdict != "approved" {
			continue
		}
		switch {
		case !canKnow(s.Tier):
			why[GapUnverifiedSource] = s.Reviewer
		case !j.people.isPerson(s.Reviewer, s.ReviewerType):
			why[GapApprovedByBot] = s.Reviewer
		case j.late(s) && (s.merged || s.SubmittedAt.After(j.merged)):
			why[GapApprovalAfterMerge] = s.Reviewer
		case j.late(s):
			why[GapToldAfterMerge] = s.Reviewer
		}
	}
	return why
}

// reviewMet reports whether a demand for a review is met.
func (j *judge) reviewMet(d Demand) bool {
	return !d.Nobody && !j.reviews.refused && j.anyOf(j.reviews.good, d)
}

// mayMeet returns the gap because of which it is unknown whether a demand for a review is met: it
// is unknown which commit was approved, or whether the reviewer is independent. It returns "" if
// there is none.
func (j *judge) mayMeet(d Demand) (gap string) {
	switch {
	case d.Nobody || j.reviews.refused:
		return ""
	case j.anyOf(j.reviews.unknown, d):
		return GapApprovedUnknownHead
	case j.anyOf(j.reviews.doubtful, d):
		return GapUnverifiedSource
	}
	return ""
}

func (j *judge) anyOf(approvals []verdict, d Demand) bool {
	return slices.ContainsFunc(approvals, func(s verdict) bool { return j.people.in(d, s.Reviewer) })
}
