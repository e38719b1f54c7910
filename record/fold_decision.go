package record

import (
	"slices"
	"strings"
)

func foldDecision(r *Record, own []Event, all []*Event) {
	var chosen *Event
	var total int64
	merged := r.Trail.Change.MergedAt
	for i := range own {
		e := &own[i]
		if _, ok := e.Fact.(*Decision); !ok {
			continue
		}
		total++
		if chosen == nil || merged.IsZero() || !e.Time.After(merged) {
			chosen = e
		}
	}
	if chosen == nil {
		return
	}
	d := chosen.Fact.(*Decision)
	out := &DecisionFacts{
		EventID: chosen.ID, Source: chosen.Source, RecordedAt: chosen.Time, Total: total,
		Agent: d.Agent.ID, Run: d.Agent.Run, LogsURL: d.Agent.LogsURL, DelegatedBy: d.Agent.DelegatedBy,
		Chosen: d.Chosen, Rationale: d.Rationale, Options: d.Options, Claims: d.Claims,
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
		foldTrigger(r, chosen, d.Trigger, all)
	}
}

// NewGenAI returns what gen_ai.* says of an agent.
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
	foldRequest(out, t, all)
	var report, finding *Event
	for _, e := range all {
		s, ok := e.Fact.(*Scan)
		if !ok || !names(t, s) {
			continue
		}
		if len(s.Findings) == 0 {
			report = nearer(decision, report, e)
		} else if s.Findings[0].Is(t.Finding) && (t.Package == "" || t.Package == s.Findings[0].Package) {
			finding = nearer(decision, finding, e)
		}
	}
	if finding != nil {
		report = finding
	}
	if report == nil {
		return
	}
	s := report.Fact.(*Scan)
	out.Held = true
	out.Matched = t.Digest != "" // names looked no further than at the report with that digest
	out.Source = report.Source
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

// names reports whether t can mean the report s: by digest, by the scan's id,
// or by the finding alone.
func names(t *Trigger, s *Scan) bool {
	if t.Digest != "" {
		return t.Digest == s.Report.Digest
	}
	if t.Kind == "scan" && t.ID != "" && t.ID == s.ScanID {
		return true
	}
	return len(s.Findings) > 0 && (t.Kind != "scan" || t.ID == "")
}

// nearer returns which of two scans a decision was more likely based on: the
// newest one before it, else the first one after it.
func nearer(decision, a, b *Event) *Event {
	if a == nil {
		return b
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

// Is reports whether name is one of the names of f. Case does not count.
func (f Finding) Is(name string) bool {
	return slices.ContainsFunc(f.Names(), func(n string) bool { return strings.EqualFold(n, name) })
}

func foldVulnerability(r *Record, f Finding) {
	v := &Vulnerability{
		ID: f.ID, Enumeration: enumeration(f.ID), Description: f.Title, Reference: f.URL, Severity: f.Severity,
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
	if c := &r.Trail.Change; len(c.Dependencies) == 0 {
		c.Dependencies = a.Dependencies
	}
}
