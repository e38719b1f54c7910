package record

import (
	"cmp"
	"slices"
	"strings"
)

// A check is what a CI system decides about one commit. It identifies a result. by and provider
// are the application; run is the suite, pipeline or workflow run of which it is part. Two
// results of one check are two attempts at it, or two jobs with one name. Results of different
// checks never replace each other.
type check struct {
	by                                    origin
	provider, workflow, run, name, commit string
}

func checkOf(e *Event) check {
	f := e.Fact.(*Validation)
	return check{originOf(*e), f.Provider, f.Workflow, f.RunID, f.Name, strings.ToLower(f.CommitSHA)}
}

func (c check) compare(o check) int {
	return cmpStrings(c.name, o.name, c.provider, o.provider, c.workflow, o.workflow, c.run, o.run, c.commit, o.commit, c.by.sender, o.by.sender, c.by.source, o.by.source)
}

// countingResults returns the results that count: for each check those of its newest attempt, in
// the order of the checks. results are in the order of time.
func countingResults(results []*Event) []*Event {
	type result struct {
		check
		*Event
	}
	sorted := make([]result, len(results))
	for i, e := range results {
		sorted[i] = result{checkOf(e), e}
	}
	slices.SortStableFunc(sorted, func(a, b result) int { return a.compare(b.check) })
	out := make([]*Event, len(sorted))
	for i, r := range sorted {
		out[i] = r.Event
	}
	stand := out[:0]
	for i, k := 0, 0; i < len(sorted); i = k {
		for k = i; k < len(sorted) && sorted[k].check == sorted[i].check; {
			k++
		}
		stand = append(stand, newestAttempt(out[i:k])...)
	}
	return stand
}

// newestAttempt returns the results of one check that no later attempt replaces. A result
// replaces one earlier result. If several jobs of a check have one name, it is unknown which of
// them ran again, so passed results are replaced first.
func newestAttempt(results []*Event) (stand []*Event) {
	slices.SortStableFunc(results, func(a, b *Event) int { return cmp.Compare(attempt(a), attempt(b)) })
	stand = results[:0]
	for _, e := range results {
		if at := replacedBy(e, stand); at >= 0 {
			stand = slices.Delete(stand, at, at+1)
		}
		stand = append(stand, e)
	}
	return stand
}

func attempt(e *Event) int64 { return e.Fact.(*Validation).Attempt }

// replacedBy returns the index of the result that e replaces, or -1.
func replacedBy(e *Event, stand []*Event) int {
	at := slices.IndexFunc(stand, func(o *Event) bool { return sameJob(e, o) })
	if at >= 0 || e.Fact.(*Validation).Conclusion == "skipped" { // a skipped job did not run again
		return at
	}
	for i, o := range stand {
		if replaces(e, o) && (at < 0 || gravity(o) < gravity(stand[at])) {
			at = i
		}
	}
	return at
}

// sameJob reports whether two results are about one job, by its id or by the report that it
// wrote.
func sameJob(a, b *Event) bool {
	f, o := a.Fact.(*Validation), b.Fact.(*Validation)
	one := f.JobID != "" && f.JobID == o.JobID || f.Report.Digest != "" && f.Report.Digest == o.Report.Digest
	return one && f.Attempt == o.Attempt
}

// replaces reports whether e is of a later attempt than o. Jobs of one attempt with one name are
// different jobs, and so are those that ran at the same time.
func replaces(e, o *Event) bool {
	f, before := e.Fact.(*Validation), o.Fact.(*Validation)
	switch {
	case f.Attempt > 0 && before.Attempt > 0:
		return f.Attempt > before.Attempt
	case f.Attempt != before.Attempt: // the result without an attempt number may be the later one
		return e.Time.After(o.Time)
	case f.JobID != "" && before.JobID != "" && !f.StartedAt.IsZero():
		return !f.StartedAt.Before(o.Time)
	}
	return true
}

func gravity(e *Event) int { return slices.Index(conclusions, e.Fact.(*Validation).Conclusion) }
