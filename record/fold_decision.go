package record

import (
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/internal/ecosystem"
)

// ClockSkew is how much the clocks of senders may differ: events that arrive that much later than
// a merge still count as reported before it.
const ClockSkew = 2 * time.Minute

// foldDecision selects the decision on which the change is based: a signed one before a claimed
// one; then the newest that was reported before the merge, or else the first one after it. Among
// signed decisions, one of an agent for which mine is true comes first.
func foldDecision(r *Record, f folded, mine func(agent string) bool) {
	var chosen *Event
	for i := range f.own {
		if e := &f.own[i]; chosen == nil || supersedes(chosen, e, r.Judged.MergedAt, mine) {
			chosen = e
		}
	}
	if chosen == nil {
		return
	}
	j := &r.Judged
	j.Trigger, j.TriggerAgent, j.triggerOwn = "", false, false
	j.asked(f)
	r.Trail.Trigger, r.Trail.Authorization, r.Vulnerability, r.Package = nil, nil, nil, nil
	r.Judged.Decision, r.Judged.DecisionKnownAt, r.Judged.decisionArrived = chosen.witness(), chosen.KnownAt(), chosen.byArrival()
	r.Judged.AlteredLog = chosen.Altered
	d := chosen.Fact.(*Decision)
	out := &DecisionFacts{
		EventID: chosen.ID, Source: chosen.Source, RecordedAt: chosen.Time, Total: int64(len(f.own)),
		Agent: d.Agent.ID, Run: d.Agent.Run, LogsURL: d.Agent.LogsURL, DelegatedBy: d.Agent.DelegatedBy,
		Chosen: d.Chosen, Rationale: d.Rationale, Options: d.Options, Claims: d.Claims,
	}
	if knownAt := chosen.KnownAt(); knownAt.Sub(chosen.Time).Abs() > ClockSkew {
		out.KnownAt = knownAt
	}
	if out.Chosen == "" {
		for _, o := range d.Options {
			if o.Outcome == "chosen" {
				out.Chosen = o.ID
				break
			}
		}
	}
	r.Trail.Decision = out
	if d.Authorization != nil {
		r.Trail.Authorization = &AuthorizationFact{Claimed: d.Authorization}
	}
	r.GenAI = NewGenAI(d.Agent)
	if d.Trigger != nil {
		foldTrigger(r, chosen, d.Trigger, f.all)
	}
}

// asked records which agents decided about a change and who asked them to. People who asked only
// by a claim are recorded separately.
func (j *Judged) asked(f folded) {
	j.Askers, j.ClaimedAskers, j.deciders, j.signers = nil, nil, nil, nil
	for _, e := range f.own {
		d := e.Fact.(*Decision)
		j.deciders = append(j.deciders, d.Agent.ID)
		known, claimed := d.Trigger.askers(f.all)
		if e.Witness == Signed {
			j.signers = append(j.signers, d.Agent.ID)
			known = append(known, d.Agent.DelegatedBy)
		} else {
			known, claimed = nil, slices.Concat(claimed, known, []string{d.Agent.DelegatedBy})
		}
		j.Askers, j.ClaimedAskers = append(j.Askers, known...), append(j.ClaimedAskers, claimed...)
	}
}

// folded is what a decision is read from: the decisions about a change, and all facts of the
// change.
type folded struct {
	own []Event
	all []*Event
}

// decisions returns the decisions among the facts about a change.
func decisions(own []Event) (out []Event) {
	for _, e := range own {
		if _, ok := e.Fact.(*Decision); ok {
			out = append(out, e)
		}
	}
	return out
}

// supersedes reports whether a change is based on decision b rather than on a.
func supersedes(a, b *Event, merged time.Time, mine func(agent string) bool) bool {
	proves := func(e *Event) bool { return e.Witness == Signed && (mine == nil || mine(e.Fact.(*Decision).Agent.ID)) }
	if p := proves(b); p != proves(a) {
		return p
	}
	if signed := b.Witness == Signed; signed != (a.Witness == Signed) {
		return signed
	}
	late := func(e *Event) bool { return after(e.KnownAt(), merged, e.byArrival()) }
	if late(a) != late(b) {
		return late(a)
	}
	newer := b.KnownAt().After(a.KnownAt()) || b.KnownAt().Equal(a.KnownAt()) && compareFull(*a, *b) < 0
	return newer != late(a)
}

// after reports whether something came after a merge; never if there was none. If it counts by
// its arrival, clocks may differ by ClockSkew.
func after(at, merged time.Time, arrived bool) bool {
	if merged.IsZero() {
		return false
	}
	if arrived {
		merged = merged.Add(ClockSkew)
	}
	return at.After(merged)
}

// NewGenAI returns gen_ai.* of an agent.
func NewGenAI(a Agent) *GenAI {
	g := &GenAI{Agent: GenAIAgent{ID: a.ID, Name: a.Name, Version: a.Version}}
	if a.Provider != "" {
		g.Provider = &GenAIProvider{a.Provider}
	}
	if a.Model != "" {
		g.Request = &GenAIRequest{a.Model}
	}
	return g
}

// foldTrigger attaches the report and the finding that the decision names.
func foldTrigger(r *Record, decision *Event, t *Trigger, all []*Event) {
	out := &TriggerFacts{
		Kind: t.Kind, ID: t.ID, Finding: t.Finding, Severity: t.Severity, Claimed: t.Severity,
		Digest: t.Digest, URL: t.URL, Summary: t.Summary, Package: t.Package,
	}
	r.Trail.Trigger = out
	r.Judged.digestStated = t.Digest != ""
	foldRequest(out, t, all)
	var report, finding, own *Event
	for _, e := range all {
		s, ok := e.Fact.(*Scan)
		if !ok || !names(t, s) || !s.held() {
			continue
		}
		if len(s.Findings) == 0 {
			report = nearer(decision, report, e)
			if e.Sender == decision.Sender && e.Sender != "" {
				own = nearer(decision, own, e)
			}
		} else if s.Findings[0].Is(t.Finding) && t.about(s.Findings[0]) != ecosystem.Different {
			finding = t.closer(decision, finding, e)
		}
	}
	if report != nil && report.Witness == Observed && finding != nil && finding.Witness != Observed {
		finding = nil // the report itself decides
	}
	switch {
	case finding != nil:
		report = finding
	case own != nil && !canKnow(report.Witness):
		report, r.Judged.triggerOwn = own, true // a report of the agent itself can contradict it, claims of others cannot
	}
	if report == nil {
		r.setRequest(decision, out.Request)
		return
	}
	s := report.Fact.(*Scan)
	out.Held = true
	out.Matched = t.Digest != "" // names accepts only the report with that digest
	out.Source = report.Source
	r.Judged.reportPartial = s.Summary.Partial
	r.Judged.Trigger = report.witness()
	r.Judged.TriggerAgent = fromAgent(decision, report)
	out.Scanner = s.Tool.Name
	out.Format = s.Report.Format
	set(&out.Digest, s.Report.Digest)
	if finding == nil {
		return
	}
	f := s.Findings[0]
	out.Found = true
	out.Aliases = f.Names()
	set(&out.Severity, f.Severity)
	out.Package, out.Installed, out.Fixed, out.Path = f.Package, f.Installed, f.Fixed, f.Path
	foldVulnerability(r, f)
}

// names reports whether t can mean the report s: by digest, by the scan's id, or by the finding
// alone.
func names(t *Trigger, s *Scan) bool {
	if t.Digest != "" {
		return t.Digest == s.Report.Digest
	}
	if t.Kind == "scan" && t.ID != "" && t.ID == s.ScanID {
		return true
	}
	return len(s.Findings) > 0 && (t.Kind != "scan" || t.ID == "")
}

// setRequest records who sent the request that a decision names, and that witness.
func (r *Record) setRequest(decision *Event, q *RequestFacts) {
	if q == nil {
		return
	}
	r.Judged.Trigger = q.Witness
	r.Judged.TriggerAgent = fromAgent(decision, &Event{Source: q.Source, Sender: q.Sender, Witness: q.Witness})
}

// held reports whether the report itself was read.
func (f *Scan) held() bool { return f.Summary.Scanned || f.Summary.Findings > 0 || len(f.Findings) > 0 }

// fromAgent reports whether an agent sent the evidence for a trigger: with an agent's credential,
// or from the source of the decision itself.
func fromAgent(decision, held *Event) bool {
	if canKnow(held.Witness) {
		return false
	}
	return strings.HasPrefix(held.Sender, SenderAgent) || held.Source == decision.Source
}

// nearer returns which of two scans was more likely the basis of a decision: one that a platform
// sent before others; then the newest one before the decision, or else the first one after it.
func nearer(decision, a, b *Event) *Event {
	if a == nil {
		return b
	}
	if seen := b.Witness == Observed; seen != (a.Witness == Observed) {
		if seen {
			return b
		}
		return a
	}
	aBefore, bBefore := !a.Time.After(decision.Time), !b.Time.After(decision.Time)
	switch {
	case aBefore != bBefore:
		if aBefore {
			return a
		}
		return b
	case (compareFull(*a, *b) < 0) == aBefore:
		return b
	}
	return a
}

// Is reports whether name is one of the names of f, ignoring case.
func (f Finding) Is(name string) bool {
	return slices.ContainsFunc(f.Names(), func(n string) bool { return strings.EqualFold(n, name) })
}

func foldVulnerability(r *Record, f Finding) {
	v := &Vulnerability{
		ID: f.Names(), Enumeration: enumeration(f.ID), Description: f.Title, Reference: f.URL, Severity: f.Severity,
	}
	if f.Score > 0 {
		v.Score = &VulnerabilityScore{Base: f.Score, Version: f.ScoreVersion}
	}
	if f.Scanner != "" {
		v.Scanner = &VulnerabilityScanner{f.Scanner}
	}
	r.Vulnerability = v
	if f.Package != "" {
		r.Package = &Package{Name: f.Package, Version: f.Installed, FixedVersion: f.Fixed, Type: f.Ecosystem, Reference: f.PURL}
	}
}

func enumeration(id string) string {
	for _, scheme := range []string{"CVE", "GHSA", "PYSEC", "RUSTSEC", "GO", "OSV", "MAL"} {
		if strings.HasPrefix(id, scheme+"-") {
			return scheme
		}
	}
	return ""
}

func foldActions(r *Record, a Actions) {
	if a.Count == 0 {
		return
	}
	a.Files = inTree(a.Files, r.Trail.Change.Files)
	r.Trail.Actions = &a
	if c := &r.Trail.Change; len(c.Dependencies) == 0 && len(a.Dependencies) > 0 {
		c.Dependencies = a.Dependencies
		r.Judged.stated.accept(attrDependencies, "", rankClaim)
	}
}
