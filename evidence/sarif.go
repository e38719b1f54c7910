package evidence

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
)

// SARIF is read according to OASIS "Static Analysis Results Interchange Format (SARIF) Version
// 2.1.0"; numbers in comments are its sections. This file has the log, its runs and their status;
// sarif_rule.go finds the rule of a result, sarif_place.go its location and text, sarif_package.go
// the package that some tools name only in text.

type sarifLog struct { // 3.13
	Version string          `json:"version"`
	Runs    []sarifRun      `json:"runs"`
	Inline  []sarifExternal `json:"inlineExternalProperties"`
}

type sarifExternal struct { // 4.3
	Results []jsontext.Value `json:"results"`
}

type sarifRun struct { // 3.14
	Tool        sarifTool                     `json:"tool"`
	Taxonomies  []sarifComponent              `json:"taxonomies"`
	Invocations []sarifInvocation             `json:"invocations"`
	External    map[string]jsontext.Value     `json:"externalPropertyFileReferences"`
	BaseIDs     map[string]sarifArtifactPlace `json:"originalUriBaseIds"`
	Artifacts   []sarifArtifact               `json:"artifacts"`
	Logical     []sarifLogical                `json:"logicalLocations"`
	Results     *[]sarifResult                `json:"results"` // 3.14.23: null if the analysis did not begin

	rules, notes, taxa *lookup
	levels             []map[*sarifRule]string // that each invocation sets
	facts              map[*sarifRule]ruleFacts
	bases              map[string]string // paths of base ids
}

type sarifInvocation struct { // 3.20
	Successful    *bool               `json:"executionSuccessful"`
	ExitCode      int                 `json:"exitCode"`
	Signal        string              `json:"exitSignalName"`
	StartFailure  string              `json:"processStartFailureMessage"`
	Execution     []sarifNotification `json:"toolExecutionNotifications"`
	Configuration []sarifNotification `json:"toolConfigurationNotifications"`
	RuleOverrides []sarifOverride     `json:"ruleConfigurationOverrides"`
	NoteOverrides []sarifOverride     `json:"notificationConfigurationOverrides"`
}

type sarifNotification struct { // 3.58
	Level      string         `json:"level"`
	Descriptor sarifReference `json:"descriptor"`
	Message    sarifMessage   `json:"message"`
}

type sarifResult struct { // 3.27
	RuleID       string             `json:"ruleId"`
	RuleIndex    *int               `json:"ruleIndex"`
	Rule         sarifReference     `json:"rule"`
	Taxa         []sarifReference   `json:"taxa"`
	Kind         string             `json:"kind"`
	Level        string             `json:"level"`
	Message      sarifMessage       `json:"message"`
	Locations    []sarifLocation    `json:"locations"`
	Related      []sarifLocation    `json:"relatedLocations"`
	Target       sarifArtifactPlace `json:"analysisTarget"`
	Suppressions []struct {
		Status string `json:"status"`
	} `json:"suppressions"`
	Baseline   string `json:"baselineState"`
	Provenance struct {
		Invocation *int `json:"invocationIndex"`
	} `json:"provenance"`
	Fingerprints jsontext.Value `json:"fingerprints"`
	Partial      jsontext.Value `json:"partialFingerprints"`
	Properties   jsontext.Value `json:"properties"`
}

func readSARIF(file []byte) (Result, error) {
	var s scan
	log, err := parse[sarifLog](&s, file)
	if err != nil {
		return Result{}, err
	}
	if log.Version != "2.1.0" {
		return Result{}, unreadable("the SARIF version is %q; only 2.1.0 is supported", log.Version)
	}
	s.looked = len(log.Runs) > 0
	for _, x := range log.Inline {
		if len(x.Results) > 0 {
			s.partial("inlineExternalProperties has results, which are not read")
		}
	}
	var tools []string
	for _, run := range log.Runs {
		name, version := run.Tool.Driver.Name, run.Tool.Driver.version()
		tools = distinct(append(tools, name))
		s.version = version
		run.read(&s, name, version)
	}
	if s.tool = strings.Join(tools, ", "); len(tools) > 1 {
		s.version = ""
	}
	return s.result()
}

// read adds the findings of a run, and records why they may be incomplete.
func (run *sarifRun) read(s *scan, tool, version string) {
	if run.Results == nil {
		s.partial("a run of " + orElse(tool, "a tool") + " has no list of results: it did not begin")
	}
	for kind := range run.External { // 3.14.2: a part of the run is in another file
		switch kind {
		case "taxonomies", "translations", "policies": // say nothing of what was found
		default:
			s.partial("the " + kind + " of a run are in another file")
		}
	}
	run.prepare()
	for i := range run.Invocations {
		if why := run.failed(&run.Invocations[i]); why != "" {
			s.partial("a run of " + orElse(tool, "a tool") + " failed: " + why)
		}
	}
	if run.Results == nil {
		return
	}
	for i := range *run.Results {
		if r := &(*run.Results)[i]; r.holds() {
			f, details := run.finding(r)
			f.Scanner, f.ScannerVersion = tool, version
			s.add(f, details...)
		}
	}
}

// failed returns why an invocation failed, or "": it says so (3.20.14), it did not start or was
// killed (3.20.11, 3.20.13), or it reports an error (3.20.21, 3.20.22). The exit code decides if
// nothing else does.
func (run *sarifRun) failed(i *sarifInvocation) string {
	switch {
	case i.Successful != nil && !*i.Successful:
		return "executionSuccessful is false"
	case i.StartFailure != "":
		return i.StartFailure
	case i.Signal != "":
		return i.Signal
	case i.Successful == nil && i.ExitCode != 0:
		return "it ended with an exit code other than 0"
	}
	for _, n := range slices.Concat(i.Execution, i.Configuration) {
		if run.levelOfNote(i, n) == "error" {
			return orElse(n.Message.text(nil, nil), "it reports an error")
		}
	}
	return ""
}

// holds reports whether a result is a problem that exists now. A result that only the baseline had
// (3.27.24) is none, nor is one with an accepted suppression (3.27.23, 3.35.3: no status means
// accepted).
//
// The kinds (3.27.9) pass, notApplicable and informational are no problems, unless they have a
// level, which contradicts 3.27.9: then the level counts.
func (r *sarifResult) holds() bool {
	if r.Baseline == "absent" {
		return false
	}
	switch r.Kind {
	case "pass", "notApplicable", "informational":
		if r.Level != "error" && r.Level != "warning" {
			return false
		}
	}
	for _, x := range r.Suppressions {
		if x.Status != "" && x.Status != "accepted" {
			return true
		}
	}
	return len(r.Suppressions) == 0
}

// finding returns the finding of a result, and the details that distinguish it from others.
func (run *sarifRun) finding(r *sarifResult) (record.Finding, []string) {
	rule, component := run.ruleOf(r)
	message := r.Message.text(rule, component)
	f := record.Finding{ID: orElse(r.id(), rule.ID), URL: rule.HelpURI, Title: orElse(rule.ShortDescription.Text, message)}
	facts := run.factsOf(rule)
	if rule.ID != f.ID && rule.ID != "" {
		f.Aliases = append(f.Aliases, rule.ID)
	}
	for _, ref := range r.Taxa[:min(len(r.Taxa), maxAliases)] {
		f.Aliases = append(f.Aliases, run.taxon(ref))
	}
	f.Aliases = slices.Concat(f.Aliases, facts.aliases, weaknesses(tagsOf(r.Properties)...))
	f.Score, f.Severity = securitySeverity(r.Properties), bySeverity(run.level(r, rule))
	if f.Score == 0 {
		f.Score = facts.score
	}
	if f.Score > 0 {
		f.Severity = byScore(f.Score)
	}
	details := []string{message, r.Message.Text, r.Message.ID, strings.Join(r.Message.Arguments, "\x00"), string(canonical(r.Fingerprints)), string(canonical(r.Partial)), string(canonical(r.Properties))}
	for i, at := range r.Locations {
		place := run.place(at)
		if i == 0 {
			f.Path, f.Line = place.path, place.line
		}
		details = append(details, place.whole)
	}
	for _, at := range r.Related {
		details = append(details, run.place(at).whole)
	}
	if f.Path == "" {
		f.Path = run.path(r.Target)
	}
	packageOf(&f, rule, message)
	byPURL(&f, orElse(purlIn(r.Properties), facts.purl))
	byLogicalPlace(&f, r, rule)
	f.Aliases = append(f.Aliases, weaknesses(f.ID, clip(rule.FullDescription.Text, 120))...)
	return f, details
}
