package record

import (
	"slices"
	"strings"
	"time"
)

// Limits of the lists in a record.
const (
	MaxFailing  = 50
	maxListed   = 50
	maxVerdicts = 50
)

// Fold makes the record of change id from its facts. It is a function of the
// set of facts alone; f must have come from [Gather], or from steps that keep
// what Gather keeps. Revision, digest, service and controls are left for the
// caller, who knows what was sent before and which policy is in force.
func Fold(id ChangeID, f Facts) *Record {
	repo, kind, number := id.Split()
	r := &Record{
		ECS:   Version{ECSVersion},
		Event: ECSEvent{Kind: "state", Category: []string{"configuration"}, Type: []string{"change"}, Dataset: "changetrail.record", Module: "changetrail"},
	}
	r.Trail.Change = Change{ID: id, Repository: repo, Number: number, URL: id.URL()}
	if kind == "commit" {
		r.Trail.Change.HeadSHA, r.Trail.Change.MergeSHA = number, number
	}
	r.Trail.Events = int64(len(f.Own)) + f.Actions.Count + distinctEvents(f.Own, f.Evidence)
	r.Timestamp = newest(f)

	foldRevisions(r, f.Own)
	foldReviews(r, f.Own)
	foldApprovals(r, f.Own)
	foldGate(r, f.Own)
	all := union(f.Own, f.Evidence)
	foldDeployments(r, all)
	foldValidations(r, all)
	foldScans(r, all)
	foldDecision(r, f.Own, all)
	foldActions(r, f.Actions)
	foldInitiator(r, f)
	foldKind(r)
	foldPeople(r, f)
	r.Message = summary(r)
	return r
}

func newest(f Facts) time.Time {
	t := f.Actions.LastAt
	for _, e := range f.Own {
		if e.Time.After(t) {
			t = e.Time
		}
	}
	for _, e := range f.Evidence {
		if _, scan := e.Fact.(*Scan); !scan && e.Time.After(t) {
			t = e.Time
		}
	}
	return t
}

// union is own and evidence as one sequence, each fact once.
func union(own, evidence []Event) []Event {
	if len(evidence) == 0 {
		return own
	}
	out := slices.Concat(own, evidence)
	slices.SortFunc(out, compareFull)
	return slices.CompactFunc(out, sameFact)
}

// distinctEvents counts the events of evidence that are not own.
func distinctEvents(own, evidence []Event) int64 {
	seen := make(map[string]bool, len(own)+len(evidence))
	for _, e := range own {
		seen[e.Key()] = true
	}
	var n int64
	for _, e := range evidence {
		if !seen[e.Key()] {
			seen[e.Key()] = true
			n++
		}
	}
	return n
}

func set(dst *string, v string) {
	if v != "" {
		*dst = v
	}
}

func foldRevisions(r *Record, own []Event) {
	c := &r.Trail.Change
	for _, e := range own {
		switch f := e.Fact.(type) {
		case *Opened:
			if c.OpenedAt.IsZero() {
				c.OpenedAt = e.Time
			}
			if c.State != "merged" {
				c.State, c.ClosedAt, c.ClosedBy = "open", time.Time{}, ""
			}
			foldRevision(c, f.Revision)
		case *Updated:
			foldRevision(c, f.Revision)
		case *Merged:
			c.State, c.ClosedAt, c.ClosedBy = "merged", time.Time{}, ""
			c.MergedAt = orTime(f.MergedAt, e.Time)
			set(&c.MergeSHA, strings.ToLower(f.MergeSHA))
			set(&c.MergedBy, f.MergedBy)
			foldRevision(c, f.Revision)
		case *Closed:
			if c.State != "merged" {
				c.State, c.ClosedAt = "closed", e.Time
				set(&c.ClosedBy, f.ClosedBy)
			}
			foldRevision(c, f.Revision)
		}
	}
	switch c.State {
	case "merged":
		r.Event.Outcome = "success"
	case "closed":
		r.Event.Outcome = "failure"
	}
	r.Event.URL = c.URL
}

func foldRevision(c *Change, f Revision) {
	set(&c.Title, f.Title)
	set(&c.URL, f.URL)
	set(&c.Author, f.Author)
	set(&c.HeadSHA, strings.ToLower(f.HeadSHA))
	set(&c.BaseRef, f.BaseRef)
	set(&c.Branch, f.Branch)
	set(&c.Kind, f.Kind)
	if len(f.Files) > 0 {
		c.Files = smallestStrings(nil, f.Files, MaxFiles)
		c.FilesTotal = int64(len(f.Files))
	}
	if f.Additions != 0 || f.Deletions != 0 {
		c.Additions, c.Deletions = f.Additions, f.Deletions
	}
	if len(f.Dependencies) > 0 {
		c.Dependencies = smallest(nil, f.Dependencies, MaxDependencies, DependencyUpdate.compare)
	}
}

func orTime(t, other time.Time) time.Time {
	if t.IsZero() {
		return other
	}
	return t.UTC()
}

func foldReviews(r *Record, own []Event) {
	var verdicts []ReviewVerdict
	for _, e := range own {
		if f, ok := e.Fact.(*Review); ok {
			verdicts = append(verdicts, ReviewVerdict{
				Reviewer: f.Reviewer, ReviewerType: f.ReviewerType, Verdict: f.Verdict,
				CommitSHA: strings.ToLower(f.CommitSHA), SubmittedAt: orTime(f.SubmittedAt, e.Time),
			})
		}
	}
	if len(verdicts) == 0 {
		return
	}
	slices.SortStableFunc(verdicts, func(a, b ReviewVerdict) int { return a.SubmittedAt.Compare(b.SubmittedAt) })
	stands := make(map[string]ReviewVerdict)
	out := &ReviewFacts{Verdicts: verdicts[max(0, len(verdicts)-maxVerdicts):]}
	for _, v := range verdicts {
		out.Reviewers = append(out.Reviewers, v.Reviewer)
		if v.Verdict != "commented" {
			stands[v.Reviewer] = v
		}
	}
	out.Reviewers = smallestStrings(nil, out.Reviewers, maxListed)
	for _, who := range out.Reviewers {
		v := stands[who]
		switch v.Verdict {
		case "approved":
			out.Approvers = append(out.Approvers, who)
			if v.SubmittedAt.After(out.ApprovedAt) {
				out.ApprovedAt, out.ApprovedSHA = v.SubmittedAt, v.CommitSHA
			}
		case "changes-requested":
			out.ChangesRequested = append(out.ChangesRequested, who)
		}
	}
	r.Trail.Review = out
}

func foldApprovals(r *Record, own []Event) {
	for _, e := range own {
		if f, ok := e.Fact.(*Approval); ok {
			r.Trail.Approvals = append(r.Trail.Approvals, ApprovalFact{
				Approver: f.Approver, GrantedAt: e.Time, ExpiresAt: f.ExpiresAt.UTC(), Scope: f.Scope, Reference: f.Reference,
			})
		}
	}
}

func foldGate(r *Record, own []Event) {
	for _, e := range own {
		if f, ok := e.Fact.(*GateDecision); ok {
			r.Trail.Gate = &GateFact{Verdict: f.Verdict, Allowed: f.Allowed, At: e.Time, PolicyDigest: f.PolicyDigest}
		}
	}
}

func foldDeployments(r *Record, all []Event) {
	var environments []string
	for _, e := range all {
		f, ok := e.Fact.(*Deployment)
		if !ok {
			continue
		}
		r.Trail.Deployments = append(r.Trail.Deployments, DeploymentFact{
			Environment: f.Environment, Outcome: f.Outcome, At: e.Time, CommitSHA: strings.ToLower(f.CommitSHA), Deployer: f.Deployer,
		})
		if f.Outcome == "success" {
			environments = append(environments, f.Environment)
			if at := &r.Trail.Change.DeployedAt; at.IsZero() {
				*at = e.Time
			}
		}
	}
	r.Trail.Environment = smallestStrings(nil, environments, maxListed)
}

func foldValidations(r *Record, all []Event) {
	c := r.Trail.Change
	commit, current := "", false
	var runs []Event
	for _, e := range all {
		f, ok := e.Fact.(*Validation)
		if !ok {
			continue
		}
		sha := strings.ToLower(f.CommitSHA)
		now := sha != "" && (sha == c.HeadSHA || sha == c.MergeSHA)
		switch {
		case now && !current:
			commit, current, runs = sha, true, []Event{e}
		case now:
			commit = sha
			runs = append(runs, e)
		case current:
		case sha != commit:
			commit, runs = sha, []Event{e}
		default:
			runs = append(runs, e)
		}
	}
	if len(runs) == 0 {
		return
	}
	newest := make(map[string]Event)
	var names []string
	for _, e := range runs {
		f := e.Fact.(*Validation)
		key := f.Provider + "\x00" + f.Name
		if _, ok := newest[key]; !ok {
			names = append(names, key)
		}
		newest[key] = e
	}
	slices.Sort(names)
	out := &ValidationFacts{CommitSHA: commit, Current: current}
	for _, name := range names {
		e := newest[name]
		f := e.Fact.(*Validation)
		out.Passed += f.Passed
		out.Failed += f.Failed
		out.Skipped += f.Skipped
		out.Failing = smallestStrings(out.Failing, f.Failing, MaxFailing)
		out.Conclusion = worse(out.Conclusion, f.Conclusion)
		out.Jobs = append(out.Jobs, JobFact{
			Name: f.Name, Provider: f.Provider, Conclusion: f.Conclusion, At: e.Time, URL: f.URL,
			Format: f.Report.Format, Digest: f.Report.Digest,
		})
	}
	r.Trail.Validation = out
}

// conclusions in rising order of how much they tell against a change.
var conclusions = []string{"", "skipped", "neutral", "success", "cancelled", "timed-out", "error", "failure"}

func worse(a, b string) string {
	if slices.Index(conclusions, a) >= slices.Index(conclusions, b) {
		return a
	}
	return b
}

func foldScans(r *Record, all []Event) {
	seen := make(map[string]bool)
	for _, e := range all {
		f, ok := e.Fact.(*Scan)
		if !ok || len(f.Findings) > 0 || seen[e.Key()] {
			continue
		}
		seen[e.Key()] = true
		r.Trail.Scans = append(r.Trail.Scans, ScanFact{
			Scanner: f.Tool.Name, Format: f.Report.Format, Digest: f.Report.Digest, CommitSHA: strings.ToLower(f.CommitSHA),
			At: e.Time, Findings: int64(f.Summary.Findings), Highest: f.Summary.Highest, Scanned: f.Summary.Scanned,
		})
	}
	if n := len(r.Trail.Scans); n > maxListed {
		r.Trail.Scans = r.Trail.Scans[n-maxListed:]
	}
}

func foldDecision(r *Record, own, all []Event) {
	var chosen Event
	var total int64
	merged := r.Trail.Change.MergedAt
	for _, e := range own {
		if _, ok := e.Fact.(*Decision); !ok {
			continue
		}
		total++
		if chosen.Fact == nil || merged.IsZero() || !e.Time.After(merged) {
			chosen = e
		}
	}
	if chosen.Fact == nil {
		return
	}
	d := chosen.Fact.(*Decision)
	out := &DecisionFacts{
		EventID: chosen.ID, Source: chosen.Source, RecordedAt: chosen.Time, Total: total,
		Agent: d.Agent.ID, Run: d.Agent.Run, LogsURL: d.Agent.LogsURL, DelegatedBy: d.Agent.DelegatedBy,
		Chosen: d.Chosen, Rationale: d.Rationale, Options: d.Options,
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
func foldTrigger(r *Record, decision Event, t *Trigger, all []Event) {
	out := &TriggerFacts{
		Kind: t.Kind, ID: t.ID, Finding: t.Finding, Severity: t.Severity, Claimed: t.Severity,
		Digest: t.Digest, URL: t.URL, Summary: t.Summary, Package: t.Package,
	}
	r.Trail.Trigger = out
	var report, finding Event
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
	if finding.Fact != nil {
		report = finding
	}
	if report.Fact == nil {
		return
	}
	s := report.Fact.(*Scan)
	out.Held = true
	out.Source = report.Source
	out.Scanner = s.Tool.Name
	out.Format = s.Report.Format
	set(&out.Digest, s.Report.Digest)
	if finding.Fact == nil {
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
func nearer(decision, a, b Event) Event {
	if a.Fact == nil {
		return b
	}
	aBefore, bBefore := !a.Time.After(decision.Time), !b.Time.After(decision.Time)
	switch {
	case aBefore != bBefore:
		if aBefore {
			return a
		}
		return b
	case (compareFull(a, b) < 0) == aBefore:
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
	r.Trail.Actions = &a
	if c := &r.Trail.Change; len(c.Dependencies) == 0 {
		c.Dependencies = a.Dependencies
	}
}

func foldInitiator(r *Record, f Facts) {
	c := &r.Trail.Change
	agent := ""
	for _, e := range f.Own {
		if rev := revisionOf(e.Fact); rev != nil {
			if rev.AuthorType == "human" {
				c.InitiatedBy = "human"
			}
			if agent == "" {
				agent = rev.Agent
			}
			if rev.AuthorType == "agent" && agent == "" {
				agent = rev.Author
			}
		}
	}
	if r.GenAI == nil && agent == "" && len(f.Actions.Agents) > 0 {
		agent = f.Actions.Agents[0]
	}
	if r.GenAI == nil && agent != "" {
		r.GenAI = &GenAI{Agent: GenAIAgent{ID: agent}}
	}
	if r.GenAI != nil {
		c.InitiatedBy = "agent"
	}
}

func revisionOf(f Fact) *Revision {
	switch f := f.(type) {
	case *Opened:
		return &f.Revision
	case *Updated:
		return &f.Revision
	case *Merged:
		return &f.Revision
	case *Closed:
		return &f.Revision
	}
	return nil
}

// foldKind says what kind of change it is where nobody stated it.
func foldKind(r *Record) {
	c := &r.Trail.Change
	if c.Kind != "" {
		return
	}
	switch t := r.Trail.Trigger; {
	case t != nil && t.Finding != "":
		c.Kind = "vulnerability-fix"
	case len(c.Dependencies) > 0:
		c.Kind = "dependency-update"
	default:
		c.Kind = kindOfFiles(c.Files)
	}
}

// kindOfFiles names the one kind that all paths are of; code where they mix.
func kindOfFiles(files []string) string {
	kind := ""
	for _, f := range files {
		k := kindOfFile(strings.ToLower(f))
		if kind != "" && k != kind {
			return "code"
		}
		kind = k
	}
	return kind
}

func kindOfFile(path string) string {
	base := path[strings.LastIndexByte(path, '/')+1:]
	ext := base[max(strings.LastIndexByte(base, '.'), 0):]
	switch {
	case strings.Contains("/"+path, "/test/"), strings.Contains("/"+path, "/tests/"), strings.Contains("/"+path, "/testdata/"),
		strings.Contains(base, "_test."), strings.Contains(base, ".test."), strings.Contains(base, ".spec."), strings.HasPrefix(base, "test_"):
		return "test"
	case ext == ".md", ext == ".rst", ext == ".adoc", ext == ".txt" && !strings.Contains(base, "requirements"), strings.HasPrefix("/"+path, "/docs/"):
		return "documentation"
	case ext == ".yaml", ext == ".yml", ext == ".toml", ext == ".ini", ext == ".conf", ext == ".env", ext == ".tf", ext == ".properties":
		return "configuration"
	}
	return "code"
}

func foldPeople(r *Record, f Facts) {
	c := r.Trail.Change
	if c.Author != "" {
		r.User = &User{c.Author}
	}
	people := []string{c.Author, c.MergedBy, c.ClosedBy}
	if r.GenAI != nil {
		people = append(people, r.GenAI.Agent.ID)
	}
	if d := r.Trail.Decision; d != nil {
		people = append(people, d.DelegatedBy)
	}
	if v := r.Trail.Review; v != nil {
		people = append(people, v.Reviewers...)
	}
	for _, a := range r.Trail.Approvals {
		people = append(people, a.Approver)
	}
	for _, d := range r.Trail.Deployments {
		people = append(people, d.Deployer)
	}
	people = append(people, f.Actions.Agents...)
	if people = smallestStrings(nil, people, 2*maxListed); len(people) > 0 {
		r.Related = &Related{User: people}
	}
}

func summary(r *Record) string {
	c := r.Trail.Change
	who := c.Author
	if r.GenAI != nil {
		who = r.GenAI.Agent.ID
	}
	text := c.Title
	if text == "" {
		text = string(c.ID)
	}
	if who != "" {
		text = who + ": " + text
	}
	if c.State != "" {
		text += " (" + c.State + ")"
	}
	return text
}
