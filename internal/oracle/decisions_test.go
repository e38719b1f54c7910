package oracle

import (
	"cmp"
	"slices"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// decision returns the decision that counts. A decision of another agent than the one that was
// seen counts as a claim.
func (t *trial) decision(agents []string) (counting *record.Event) {
	rank := func(e record.Event) int {
		own := slices.ContainsFunc(agents, func(a string) bool { return t.agentOf(a) == t.agentOf(e.Fact.(*record.Decision).Agent.ID) })
		return len(those(set{"signed": e.Witness == record.Signed, "own": e.Witness == record.Signed && own}))
	}
	all := slices.DeleteFunc(slices.Clone(t.own), func(e record.Event) bool { return !is[*record.Decision](e) })
	slices.SortStableFunc(all, func(a, b record.Event) int { return knownAt(a).Compare(knownAt(b)) })
	for _, e := range all {
		if counting == nil || rank(e) > rank(*counting) || rank(e) == rank(*counting) && t.inTime(e) {
			counting = &e
		}
	}
	if counting != nil && rank(*counting) < 2 {
		counting.Witness = record.Claimed
	}
	return counting
}

// agentOf returns the agent behind a name: X[bot] is X, known or not.
func (t *trial) agentOf(name string) string {
	return strings.TrimSuffix(t.rules.person(name), "[bot]")
}

// trigger answers what made the agent start.
func (t *trial) trigger(j *judgement, e *record.Event) string {
	if e == nil || e.Fact.(*record.Decision).Trigger == nil {
		return t.orPending(j, record.Unproven, record.GapNoTrigger)
	}
	tr := e.Fact.(*record.Decision).Trigger
	holder, found, own := t.holds(tr, e.Sender)
	scan := tr.Kind == "scan"
	sure := e.Witness == record.Signed && (holder == record.Observed || own && tr.Digest != "") // a claimed decision accuses nobody
	if scan && sure && tr.Finding != "" && !found {
		j.Gaps.add(record.GapFindingNotInReport)
		return record.Contradicted
	}
	lacks := those(set{record.GapDigestNotStated: scan && tr.Digest == "", record.GapFindingNotStated: scan && tr.Finding == ""})
	heals := those(set{ // what a better witness would heal
		record.GapTriggerNotHeld: holder == "", record.GapTriggerFromAgent: holder == "agent",
		record.GapUnverifiedSource: holder == record.Claimed || e.Witness != record.Signed,
	})
	if len(heals) > 0 {
		return t.orPending(j, record.Partial, append(lacks, heals...)...)
	}
	return unless(j, lacks)
}

// holds returns the witness of what a trigger names, its request or its report: one who observed
// it; among others one whose report contains the finding, if there is one. own says that the
// sender of the decision sent one too.
func (t *trial) holds(tr *record.Trigger, decider string) (holder string, found, own bool) {
	most := -1
	for _, e := range t.events {
		named, finds := names(tr, e.Fact)
		if !named {
			continue
		}
		own = own || decider != "" && e.Sender == decider && is[*record.Scan](e)
		weight := slices.Index([]string{"agent", record.Claimed, record.Human, "", "", "", record.Observed}, holderOf(e))
		if finds {
			weight += 3
		}
		if weight > most {
			most, holder, found = weight, holderOf(e), finds
		}
	}
	if own && !found && holder != record.Observed {
		holder = "agent"
	}
	return holder, found, own
}

// names reports whether a trigger names a fact, and the fact contains its finding.
func names(tr *record.Trigger, f record.Fact) (named, finds bool) {
	switch f := f.(type) {
	case *record.Request:
		return tr.Kind == f.Kind && tr.ID == f.ID, false
	case *record.Scan:
		finds = slices.ContainsFunc(f.Findings, func(f record.Finding) bool { return slices.Contains(f.Names(), tr.Finding) })
		if named = finds; tr.Digest != "" {
			named = tr.Digest == f.Report.Digest
		} else if tr.ID != "" {
			named = tr.ID == f.ScanID
		}
		return named && tr.Kind == "scan", finds
	}
	return false, false
}

// holderOf returns the witness of an event, or the agent.
func holderOf(e record.Event) string {
	if strings.HasPrefix(e.Sender, "agent:") {
		return "agent"
	}
	return e.Witness
}

// orPending answers pending for what time may still heal.
func (t *trial) orPending(j *judgement, otherwise string, gaps ...string) string {
	if !t.merged {
		j.May.add(gaps...)
		return record.Pending
	}
	j.Gaps.add(gaps...)
	return otherwise
}

// unless answers proven, unless there are gaps.
func unless(j *judgement, gaps []string) string {
	if j.Gaps.add(gaps...); len(gaps) > 0 {
		return record.Partial
	}
	return record.Proven
}

// alternatives answers what was considered and rejected.
func (t *trial) alternatives(j *judgement, e *record.Event) string {
	if e == nil {
		return t.orPending(j, record.Unproven, record.GapNoDecision)
	}
	d := e.Fact.(*record.Decision)
	isChosen := func(o record.Option) bool { return o.Outcome == "chosen" || d.Chosen == o.ID }
	chosen := slices.IndexFunc(d.Options, isChosen)
	others := slices.DeleteFunc(slices.Clone(d.Options), isChosen)
	lacks := those(set{
		record.GapUnverifiedSource: e.Witness != record.Signed, t.late(*e, record.GapDecisionAfterMerge): !t.inTime(*e), record.GapEventAltered: t.altered[e.Key()],
		record.GapNothingChosen: chosen < 0, record.GapNoAlternatives: len(others) == 0,
		record.GapRejectionNoReason: slices.ContainsFunc(others, func(o record.Option) bool { return o.Reason == "" }),
	})
	if chosen >= 0 && d.Options[chosen].Package != "" && d.Options[chosen].To != "" {
		versions := t.versions(d.Options[chosen].Package)
		j.May.add(those(set{record.GapChosenNotComparable: len(versions) == 0})...)
		j.Gaps.add(those(set{record.GapChosenNotComparable: len(versions) == 0 && t.merged})...)
		if e.Witness == record.Signed && len(versions) > 0 && !slices.Contains(versions, d.Options[chosen].To) {
			j.May.add(lacks...)
			j.Gaps.add(record.GapChosenNotDone)
			return record.Contradicted
		}
	}
	return unless(j, lacks)
}

// versions returns the versions to which observed dependencies update a package. In the histories
// packages are in lower case and versions are plain.
func (t *trial) versions(purl string) (out []string) {
	for _, d := range t.dependencies() {
		if "pkg:"+strings.ToLower(cmp.Or(d.Ecosystem, "npm"))+"/"+d.Name == purl {
			out = append(out, d.To)
		}
	}
	return out
}
