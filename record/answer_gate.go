package record

import (
	"slices"
	"strings"
	"time"
)

// foldGate sets the newest decision of the gate: a claimed one only if none was observed.
func foldGate(r *Record, own []Event) {
	seen := false
	for _, e := range own {
		if f, ok := e.Fact.(*BreakGlass); ok && e.Witness == Observed { // anybody may claim one
			seen = true
			g := r.order(e, f)
			r.Trail.Gate, r.Judged.gates = &g, append(r.Judged.gates, g)
			continue
		}
		f, ok := e.Fact.(*GateDecision)
		if !ok || e.Witness != Observed && seen {
			continue
		}
		seen = e.Witness == Observed
		g := GateFact{
			Verdict: f.Verdict, Allowed: f.Allowed, At: e.Time, PolicyDigest: f.PolicyDigest, Rule: f.Rule,
			CommitSHA: strings.ToLower(f.CommitSHA), Reasons: f.Reasons, Position: f.Position, Tier: e.witness(),
		}
		r.Trail.Gate = &g
		if seen {
			r.Judged.gates = append(r.Judged.gates, g)
		}
	}
}

// gate compares a merge with what the gate decided before it. Only decisions that the gate itself
// reported count: anybody may claim that it allowed a change.
func (j *judge) gate() {
	if j.open() {
		return
	}
	head := j.record.Trail.Change.HeadSHA
	asked, last := false, (*GateFact)(nil) // last is the newest decision about the merged commit
	for i, g := range j.record.Judged.gates {
		if g.At.After(j.merged) {
			break
		}
		asked = true
		if g.CommitSHA == "" || head == "" || SameCommit(g.CommitSHA, head) {
			last = &j.record.Judged.gates[i]
		}
	}
	switch {
	case last != nil && !last.Allowed:
		j.gap(GapMergedAgainstGate)
	case last != nil:
	case asked:
		j.gap(GapGateOtherHead)
	case j.authority.GateRequired:
		j.gap(GapGateNotAsked)
	}
}

// IfMerged returns the facts of an open change and the merge of its newest commit at a time, as if
// a code host reported it. The record of these facts says what auditors will read if the change is
// merged then. If the code host already reported something later than that time, its clock is
// ahead, and that is the time of the merge: a code host does not merge before it reports.
func (f Facts) IfMerged(id ChangeID, at time.Time) Facts {
	for _, e := range f.Own {
		if e.Witness == Observed && e.Time.After(at) {
			at = e.Time
		}
	}
	merge := Event{
		Source: "/changetrail/gate", ID: "if-merged", Type: TypeChangeMerged, Repository: id.Repository(), Change: id,
		Time: at, Arrived: at, Witness: Observed, Fact: &Merged{MergedAt: at},
	}
	f.Own = append(slices.Clone(f.Own), merge)
	slices.SortFunc(f.Own, compareFull)
	return f
}
