package record

import "time"

// MergeSnapshot is what was known of a change at one moment, which auditors call contemporaneous. An
// approval that came an hour after the merge is evidence, but was not an approval at the merge.
type MergeSnapshot struct {
	Answers    *Answers `json:"answers,omitempty"`
	Gaps       []string `json:"gaps,omitempty" index:"keyword"`
	Verdict    string   `json:"verdict,omitempty" index:"keyword" doc:"verdict of the policy"`
	Satisfied  bool     `json:"satisfied" index:"boolean" doc:"whether what the verdict requires was given"`
	Approvers  []string `json:"approvers,omitempty" index:"keyword"`
	Conclusion string   `json:"conclusion,omitempty" index:"keyword" doc:"conclusion of the tests"`
	Events     int64    `json:"events" index:"long" doc:"number of events that had happened"`
}

// MergeSnapshot sums up r, which must be judged.
func (r *Record) MergeSnapshot() *MergeSnapshot {
	k := &MergeSnapshot{Answers: r.Trail.Answers, Gaps: r.Trail.Gaps, Events: r.Trail.Events}
	if a := r.Trail.Authorization; a != nil {
		k.Verdict, k.Satisfied = a.Verdict, a.Satisfied
	}
	if v := r.Trail.Review; v != nil {
		k.Approvers = v.Approvers
	}
	if v := r.Trail.Validation; v != nil {
		k.Conclusion = v.Conclusion
	}
	return k
}

// Until returns the facts that had occurred by t: those of platforms by the time inside them, all
// others by their arrival. Actions are included completely, since only their sums are kept.
func (f Facts) Until(t time.Time) Facts {
	f.Own, f.Evidence = until(f.Own, t), until(f.Evidence, t)
	return f
}

// Events returns how many events f is made from.
func (f Facts) Events() int64 {
	return int64(len(f.Own)) + f.Superseded + f.Actions.Count + distinctEvents(f.Own, f.Evidence)
}

// OnlyDeployed reports whether f differs from the facts of an earlier time only in deployments
// and gate decisions, on which no answer and no gap depends.
func (f Facts) OnlyDeployed(earlier Facts) bool {
	return countRelevant(f.Own) == countRelevant(earlier.Own) && countRelevant(f.Evidence) == countRelevant(earlier.Evidence)
}

func countRelevant(events []Event) (n int) {
	for _, e := range events {
		switch e.Fact.(type) {
		case *Deployment, *GateDecision:
		default:
			n++
		}
	}
	return n
}

func until(events []Event, t time.Time) []Event {
	n := 0
	for _, e := range events {
		if happened(e, t) {
			n++
		}
	}
	if n == len(events) {
		return events
	}
	out := make([]Event, 0, n)
	for _, e := range events {
		if happened(e, t) {
			out = append(out, e)
		}
	}
	return out
}

// happened reports whether e had occurred by t, as the answers count it. A merge counts as
// occurred at the time of the merge, however late it was reported.
func happened(e Event, t time.Time) bool {
	if e.Witness != Observed {
		return !after(e.KnownAt(), t, e.byArrival())
	}
	at := e.Time
	switch f := e.Fact.(type) {
	case *Merged:
		return true
	case *Review:
		if f.ChangeState == "open" {
			return true
		}
		at = orTime(f.SubmittedAt, at)
	}
	return !at.After(t)
}
