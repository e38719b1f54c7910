package demo_test

import (
	"slices"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/demo"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/policy/whatif"
	"github.com/changetrail/changetrail/record"
)

// counted is what a count by hand says about one policy.
type counted struct{ free, asked, stopped, requests int }

// count counts what a policy requires of changes, from everything that is known of them and not only
// from what their documents contain.
func count(p *policy.Policy, of []*record.Record) (n counted) {
	for _, r := range of {
		v := p.Decide(policy.RequestOf(r))
		nobody := v.Verdict == record.Forbidden
		var asks []string
		for _, d := range v.Demands {
			nobody = nobody || d.Nobody
			if ask := d.Verdict + " " + slices.Concat(d.By, []string{"."})[0]; !slices.Contains(asks, ask) {
				asks = append(asks, ask)
			}
		}
		switch {
		case nobody:
			n.stopped++
		case len(asks) == 0:
			n.free++
		default:
			n.asked++
			n.requests += len(asks)
		}
	}
	return n
}

// TestWhatIfCountsWhatACountByHandCounts compares the answers about the demo's company with a count
// over its records, whose verdicts the enricher made from the events.
func TestWhatIfCountsWhatACountByHandCounts(t *testing.T) {
	end := time.Date(2026, 11, 23, 16, 40, 0, 0, time.UTC)
	from := end.AddDate(0, 0, -demo.Days)
	records := company(t, 4829, end)
	inForce, _, err := demo.Rules(end)
	if err != nil {
		t.Fatal(err)
	}
	strict, err := policy.Parse(append(demo.Policy(end), []byte("mode: gate-everything\n")...))
	if err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]whatif.Question{
		"threshold high":  {Threshold: "high"},
		"threshold low":   {Threshold: "low"},
		"gate everything": {Mode: policy.GateEverything},
		"another policy":  {Other: strict},
		"both":            {Threshold: "medium", Mode: policy.GateEverything},
	} {
		t.Run(name, func(t *testing.T) {
			q.From, q.To, q.InForce = from, end, policy.Always(inForce, inForce.Since)
			other := inForce
			if q.Other != nil {
				other = q.Other
			}
			if other, err = other.Moved(q.Threshold, q.Mode); err != nil {
				t.Fatal(err)
			}
			s, err := whatif.New(q)
			if err != nil {
				t.Fatal(err)
			}
			var whole []*record.Record
			undecided, recorded := 0, counted{}
			for _, r := range records {
				s.Add(r)
				merged := r.Judged.MergedAt
				switch {
				case r.Trail.Change.InitiatedBy != "agent" || merged.Before(from) || !merged.Before(end):
				case r.Judged.FilesIncomplete || merged.Before(inForce.Since):
					undecided++
				default:
					whole = append(whole, r)
					switch r.Trail.Authorization.Verdict {
					case record.Autonomous:
						recorded.free++
					case record.Forbidden:
						recorded.stopped++
					}
				}
			}
			report := s.Report()
			want, wantInstead := count(inForce, whole), count(other, whole)
			got := func(t whatif.Totals) counted { return counted{t.Free, t.Asked, t.Stopped, t.Requests} }
			left := len(report.Changes) - report.Decided
			// A document contains less than is known. What it lacks is counted apart, never as asked or free.
			if lacking := left - undecided; lacking < 0 || lacking > 5 || len(whole)-report.Decided != lacking {
				t.Fatalf("%d undecided, want %d; %d decided of %d: %+v", left, undecided, report.Decided, len(whole), report.Undecided)
			} else if lacking == 0 && (got(report.InForce) != want || got(report.Instead) != wantInstead) {
				t.Errorf("got %+v and %+v, want %+v and %+v", got(report.InForce), got(report.Instead), want, wantInstead)
			}
			for _, c := range report.Changes { // one by one: also if some are undecided
				i := slices.IndexFunc(whole, func(r *record.Record) bool { return r.Trail.Change.ID == c.ID })
				if c.Undecided != "" {
					continue
				}
				if i < 0 {
					t.Errorf("%s is decided, and the record is incomplete", c.ID)
					continue
				}
				one := whole[i : i+1]
				if v := whole[i].Trail.Authorization.Verdict; v != c.InForce.Verdict {
					t.Errorf("%s: %s in force, recorded %s", c.ID, c.InForce.Verdict, v)
				}
				if n := count(other, one); n.requests != len(c.Instead.Requests) || n.stopped == 1 != c.Instead.Stopped {
					t.Errorf("%s: %+v, want %+v", c.ID, c.Instead, n)
				}
			}
			if recorded.free != want.free || recorded.stopped > want.stopped {
				t.Errorf("recorded %+v, counted %+v", recorded, want)
			}
			sum := func(rows []whatif.Row) (n int) {
				for _, r := range rows {
					n += r.Instead
				}
				return n
			}
			for _, rows := range [][]whatif.Row{report.Classes, report.Teams, report.Hours, report.Days} {
				if sum(rows) != report.Instead.Requests {
					t.Errorf("%d requests in %+v, want %d", sum(rows), rows, report.Instead.Requests)
				}
			}
		})
	}
}
