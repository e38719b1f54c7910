package record

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestNoResultIsHidden checks that the result of one check never replaces that of another, and
// that at least one result of each check counts, in any order of arrival.
func TestNoResultIsHidden(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		var events []Event
		for i := range 1 + r.IntN(8) {
			e := about(r.IntN(60), &Validation{
				Name: fmt.Sprint("n", r.IntN(2)), Workflow: fmt.Sprint("w", r.IntN(2)), RunID: fmt.Sprint(r.IntN(2)), Attempt: int64(r.IntN(3)), JobID: fmt.Sprint(r.IntN(3)),
				CommitSHA: sha(1), Conclusion: []string{"success", "failure", "skipped"}[r.IntN(3)],
			})
			e.ID = fmt.Sprint("result-", i)
			events = append(events, e)
		}
		pointers := func(events []Event) (out []*Event) {
			slices.SortFunc(events, Event.Compare)
			for i := range events {
				out = append(out, &events[i])
			}
			return out
		}
		stand := countingResults(pointers(slices.Clone(events)))
		checks, standing := make(map[check][]*Event), make(map[check]bool)
		for i := range events {
			checks[checkOf(&events[i])] = append(checks[checkOf(&events[i])], &events[i])
		}
		for _, e := range stand {
			standing[checkOf(e)] = true
		}
		if len(standing) != len(checks) {
			t.Fatalf("%d of %d checks count", len(standing), len(checks))
		}
		for c, all := range checks {
			failed := func(e *Event) bool { return e.Fact.(*Validation).Conclusion == "failure" }
			if len(all) == 1 && failed(all[0]) && !slices.ContainsFunc(stand, func(e *Event) bool { return failed(e) && checkOf(e) == c }) {
				t.Fatalf("the failure of %+v is hidden", c)
			}
		}
	}
}

// TestResultsOfOneAttempt checks that several files of one job all count, and that a file that is
// sent again counts once.
func TestResultsOfOneAttempt(t *testing.T) {
	file := func(minute int, digest string, attempt, failed int64) Event {
		v := &Validation{Name: "unit", RunID: "7", Attempt: attempt, CommitSHA: sha(1), Conclusion: "success", Passed: 3, Failed: failed, Report: Report{Digest: digest}}
		if failed > 0 {
			v.Conclusion = "failure"
		}
		return about(minute, v)
	}
	head := said(1, &Updated{Revision{HeadSHA: sha(1)}})
	for _, c := range []struct {
		name       string
		events     []Event
		conclusion string
		passed     int64
	}{
		{"two files", []Event{head, file(2, "sha256:a", 1, 2), file(3, "sha256:b", 1, 0)}, "failure", 6},
		{"one that is sent twice", []Event{head, file(2, "sha256:a", 1, 0), file(3, "sha256:a", 1, 0)}, "success", 3},
		{"two files of the second attempt", []Event{head, file(2, "sha256:a", 1, 2), file(3, "sha256:b", 1, 0), file(4, "sha256:c", 2, 0), file(5, "sha256:b", 2, 0)}, "success", 6},
		{"one file of the second attempt", []Event{head, file(2, "sha256:a", 1, 2), file(3, "sha256:b", 1, 0), file(5, "sha256:b", 2, 0)}, "failure", 6},
	} {
		if v := fold(c.events...).Trail.Validation; v.Conclusion != c.conclusion || v.Passed != c.passed {
			t.Errorf("%s: %+v", c.name, v)
		}
	}
}
