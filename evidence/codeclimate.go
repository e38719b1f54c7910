package evidence

import (
	"regexp"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
)

// codeClimateIssue is an issue of the Code Climate format
// (https://github.com/codeclimate/platform/blob/master/spec/analyzers/SPEC.md),
// which hadolint writes with a NUL after each and GitLab reads as a list.
type codeClimateIssue struct {
	Type        string         `json:"type"`
	Check       string         `json:"check_name"`
	Engine      string         `json:"engine_name"` // as Code Climate itself gathers issues
	Description string         `json:"description"`
	Severity    string         `json:"severity"`
	Fingerprint string         `json:"fingerprint"`
	Location    jsontext.Value `json:"location"`
}

type codeClimatePlace struct {
	Path  string `json:"path"`
	Lines struct {
		Begin int `json:"begin"`
	} `json:"lines"`
	Positions struct {
		Begin position `json:"begin"`
	} `json:"positions"`
}

// Trivy's template for GitLab's code quality gives all weaknesses the kind of scan as their name,
// and identifies them in text: "CVE-2024-0001 - libfoo - 1.0 - title".
var packageIssue = regexp.MustCompile(`^((?:CVE|GHSA|[A-Z]{2,6})-\S+) - (\S+) - (\S+)(?: - (.*))?$`)

// readCodeClimate reads a stream or a list of issues. Few of them name the tool that found them.
func readCodeClimate(file []byte) (Result, error) {
	var s scan
	for i, err := range streamed[codeClimateIssue](&s, file) {
		if err != nil {
			return Result{}, err
		}
		if i.Type == "measurement" {
			continue
		}
		at, err := parse[codeClimatePlace](&s, orNull(i.Location))
		if err != nil {
			return Result{}, err
		}
		s.tool = orElse(s.tool, i.Engine)
		f := record.Finding{
			Scanner: i.Engine, ID: i.Check, Aliases: weaknesses(i.Description), Title: i.Description, Severity: bySeverity(i.Severity), Path: at.Path, Line: max(at.Lines.Begin, at.Positions.Begin.Line),
		}
		if m := packageIssue.FindStringSubmatch(i.Description); m != nil {
			f.ID, f.Package, f.Installed, f.Title = m[1], m[2], m[3], orElse(m[4], i.Description)
			f.Aliases = append(f.Aliases, i.Check)
		}
		s.add(f, i.Description, i.Fingerprint, string(canonical(i.Location)))
	}
	return s.result()
}
