package record

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTheMergeIsComparedWithTheGate: a change is merged at noon as its head, and the gate decided
// something, or nothing, before or after.
func TestTheMergeIsComparedWithTheGate(t *testing.T) {
	const id = ChangeID("github.com/acme/payments/pull/7")
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	head, other := strings.Repeat("a", 40), strings.Repeat("b", 40)
	type decision struct {
		minutes int // after noon
		commit  string
		allowed bool
		witness string
	}
	allowed, denied := decision{-10, head, true, Observed}, decision{-10, head, false, Observed}
	at := func(d decision, minutes int) decision { d.minutes = minutes; return d }
	of := func(d decision, commit string) decision { d.commit = commit; return d }
	by := func(d decision, witness string) decision { d.witness = witness; return d }
	for _, c := range []struct {
		says     string
		said     []decision
		required bool
		want     string
	}{
		{"allowed, and merged", []decision{allowed}, true, ""},
		{"allowed as a shortened commit", []decision{of(allowed, head[:9])}, true, ""},
		{"denied, and merged", []decision{denied}, false, GapMergedAgainstGate},
		{"denied, then allowed", []decision{at(denied, -20), allowed}, true, ""},
		{"allowed, then denied", []decision{at(allowed, -20), denied}, true, GapMergedAgainstGate},
		{"allowed at the moment of the merge", []decision{at(allowed, 0)}, true, ""},
		{"allowed after the merge", []decision{at(allowed, 5)}, true, GapGateNotAsked},
		{"denied after the merge", []decision{allowed, at(denied, 5)}, true, ""},
		{"never asked", nil, false, ""},
		{"never asked, and the policy requires it", nil, true, GapGateNotAsked},
		{"asked about another commit only", []decision{of(allowed, other)}, false, GapGateOtherHead},
		{"another commit was denied, and this one allowed before", []decision{at(allowed, -20), of(denied, other)}, true, ""},
		{"another commit was denied, and this one never decided", []decision{of(denied, other)}, true, GapGateOtherHead},
		{"only a claim says that it was allowed", []decision{by(allowed, Claimed)}, true, GapGateNotAsked},
		{"denied, and a claim says that it was allowed later", []decision{at(denied, -20), by(allowed, Claimed)}, true, GapMergedAgainstGate},
		{"allowed, and a claim says that it was denied", []decision{at(allowed, -20), by(denied, Claimed)}, true, ""},
		{"an agent says that it was allowed", []decision{by(allowed, Signed)}, true, GapGateNotAsked},
	} {
		t.Run(c.says, func(t *testing.T) {
			events := []Event{
				{Source: "/host", ID: "1", Change: id, Repository: id.Repository(), Time: noon.Add(-time.Hour), Witness: Observed, Fact: &Opened{Revision{Author: "fixer[bot]", AuthorType: "agent", HeadSHA: head}}},
				{Source: "/host", ID: "2", Change: id, Repository: id.Repository(), Time: noon, Witness: Observed, Fact: &Merged{Revision: Revision{HeadSHA: head}}},
			}
			for i, d := range c.said {
				events = append(events, Event{Source: "/gate", ID: string(rune('a' + i)), Change: id, Repository: id.Repository(), Time: noon.Add(time.Duration(d.minutes) * time.Minute), Witness: d.witness, Fact: &GateDecision{Allowed: d.allowed, CommitSHA: d.commit}})
			}
			r := Fold(id, Gather(id, events))
			r.Judge(Authority{Verdict: Autonomous, Rule: "r", GateRequired: c.required})
			got := slices.DeleteFunc(slices.Clone(r.Trail.Gaps), func(g string) bool {
				return !slices.Contains([]string{GapMergedAgainstGate, GapGateNotAsked, GapGateOtherHead}, g)
			})
			if strings.Join(got, " ") != c.want {
				t.Errorf("gaps %v, want %q", got, c.want)
			}
		})
	}
}
