package oracle

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/record"
)

// TestTheGateSaysWhatTheRecordWillSay asks the gate after each event of each history, in the order
// of arrival. Then the code host merges the change: the gate allowed it if, and only if, the oracle
// then says that it is authorized and reviewed, and the record says so, too.
func TestTheGateSaysWhatTheRecordWillSay(t *testing.T) {
	asked, allowed := 0, 0
	for seed := range seeds(histories(t) / 2) {
		h := generate(seed)
		rules, err := h.World.parse()
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		limit := cmp.Or(h.World.Limit, record.MaxFacts)
		events := slices.Clone(h.Events)
		slices.SortStableFunc(events, record.Event.CompareArrival)
		for n := 1; n <= len(events); n += 1 + len(events)/40 { // a flood has hundreds
			before := events[:n]
			now := before[n-1].Arrived.Add(time.Second)
			p := enricher.PreviewOf(h.ID, record.GatherWithin(h.ID, before, limit), *rules, now)
			d := gate.Decide(p, "", now)
			if p.Now.Trail.Change.InitiatedBy != "agent" || p.Now.Trail.Change.State != "open" || !knowsName(before, h.Renamed) {
				continue
			}
			for _, e := range before { // a code host does not merge before what it has reported
				if e.Witness == record.Observed && e.Change == h.ID && e.Time.After(now) {
					now = e.Time
				}
			}
			asked++
			merge := sealed(record.Event{
				Sender: codeHost, Source: sources[codeHost], ID: "the merge", Type: record.TypeChangeMerged, Repository: repository, Change: h.ID, Time: now, Arrived: now.Add(time.Second),
				Fact: &record.Merged{MergeSHA: "feedfeedfeedfeedfeedfeedfeedfeedfeedfeed", MergedBy: "jonas-k", Revision: record.Revision{HeadSHA: d.Head}},
			})
			after := append(slices.Clone(before), merge)
			said := enricher.FoldFacts(h.ID, record.GatherWithin(h.ID, after, limit), *rules).Trail.Answers
			right := judge(after, h.ID, h.World).Answers
			may := right.Authorized == record.Proven && (right.Reviewed == record.Proven || right.Reviewed == record.NotRequired)
			if d.Allowed && !may || said.Authorized != d.Authorized && d.Authorized != "" || said.Reviewed != d.Reviewed && d.Reviewed != "" || d.Authorized != "" && may && !d.Allowed && !jobFailed(p) {
				t.Errorf("seed %d after %d events: the gate says %v, authorized %q, reviewed %q (%v); the record then says %+v, and right is %+v\n%s", seed, n, d.Allowed, d.Authorized, d.Reviewed, d.Reasons, *said, right, lines(after))
				return
			}
			if d.Allowed {
				allowed++
			}
		}
	}
	t.Logf("asked %d times, allowed %d times", asked, allowed)
	if allowed < asked/50 {
		t.Error("this test tells little: nearly nothing was allowed")
	}
}

// knowsName reports whether events show the last name of a repository: the oracle knows it.
func knowsName(events []record.Event, name record.Repository) bool {
	return name == "" || slices.ContainsFunc(events, func(e record.Event) bool { return e.Named == name })
}

// jobFailed reports whether CI reported that a job failed on the newest commit.
func jobFailed(p *enricher.Preview) bool {
	v := p.Now.Trail.Validation
	return v != nil && v.Current && slices.ContainsFunc(v.Jobs, func(j record.JobFact) bool {
		return slices.Contains([]string{"failure", "error", "timed-out"}, j.Conclusion)
	})
}
