package record

import (
	"math"
	"slices"
	"time"
)

// Durations are how long the steps of a change took, rounded to hundredths. A step has none if its
// start or its end is unknown or only claimed, or if it ended before it started.
type Durations struct {
	DaysToFix       *float64 `json:"days_to_fix,omitempty" index:"float" doc:"days from the first report with the finding that triggered the agent to the merge"`
	HoursToReview   *float64 `json:"hours_to_review,omitempty" index:"float" doc:"hours from the opening to the first review by an independent person, whatever the verdict"`
	HoursToApproval *float64 `json:"hours_to_approval,omitempty" index:"float" doc:"hours from the opening to the first review by an independent person that approves"`
	HoursToMerge    *float64 `json:"hours_to_merge,omitempty" index:"float" doc:"hours from the opening to the merge"`
}

// FixTime returns the time from the first report with the finding that triggered the agent to the
// merge. ok is false where one of both is unknown or only claimed, or the report is newer.
func (r *Record) FixTime() (took time.Duration, ok bool) {
	t, c := r.Trail.Trigger, r.Trail.Change
	if t == nil || !t.Found || slices.Contains(c.Claimed, attrMerge) {
		return 0, false
	}
	var found time.Time
	for _, scan := range r.Trail.Scans {
		if scan.Digest == t.Digest && scan.Tier != Claimed && (found.IsZero() || scan.At.Before(found)) {
			found = scan.At
		}
	}
	return between(found, c.MergedAt)
}

// between returns the time from start to end; ok is false if one of them is not known, or start is
// later.
func between(start, end time.Time) (took time.Duration, ok bool) {
	return end.Sub(start), !start.IsZero() && !end.IsZero() && !end.Before(start)
}

// hundredths returns how often unit fits into a duration, or nil if the duration is not ok.
func hundredths(took time.Duration, ok bool, unit time.Duration) *float64 {
	if !ok {
		return nil
	}
	n := math.Round(100*float64(took)/float64(unit)) / 100
	return &n
}

// durations returns how long the steps of the change took; nil if none is known.
func (j *judge) durations() *Durations {
	r := j.record
	opened := r.Trail.Change.OpenedAt
	if !r.Judged.stated.known(attrState) {
		opened = time.Time{}
	}
	hours := func(end time.Time) *float64 {
		took, ok := between(opened, end)
		return hundredths(took, ok, time.Hour)
	}
	took, ok := r.FixTime()
	d := Durations{
		DaysToFix:       hundredths(took, ok, 24*time.Hour),
		HoursToReview:   hours(j.firstReview("approved", "changes-requested", "commented")),
		HoursToApproval: hours(j.firstReview("approved")),
		HoursToMerge:    hours(j.merged),
	}
	if d == (Durations{}) {
		return nil
	}
	return &d
}

// firstReview returns when an independent person first gave one of these verdicts; zero if none
// did.
func (j *judge) firstReview(verdicts ...string) (first time.Time) {
	for _, v := range j.record.Judged.verdicts {
		counts := slices.Contains(verdicts, v.Verdict) && canKnow(v.Tier) && j.people.isPerson(v.Reviewer, v.ReviewerType) && !j.people.tookPart(v.Reviewer)
		if counts && (first.IsZero() || v.SubmittedAt.Before(first)) {
			first = v.SubmittedAt
		}
	}
	return first
}
