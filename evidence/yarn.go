package evidence

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/ecosystem"
	"github.com/changetrail/changetrail/record"
)

// yarnLine is a line of yarn 1's audit --json.
type yarnLine struct {
	Type string         `json:"type"`
	Data jsontext.Value `json:"data"`
}

// isYarnLine reports whether a line is output of the audit of yarn 1.
func isYarnLine(s shape) bool {
	switch s.text("type") {
	case "auditAdvisory", "auditSummary", "auditAction", "info", "warning", "error":
		return s.has("data", 0) && len(s.members) == 2
	}
	return false
}

// readYarn1 reads lines: an advisory for each place, and at the end their count. Without that end
// the audit did not finish.
func readYarn1(file []byte) (Result, error) {
	s := scan{tool: "yarn audit"}
	advisories, ended, failed := 0, false, ""
	for line, err := range values[yarnLine](file) {
		if err != nil {
			return Result{}, err
		}
		switch line.Type {
		case "auditAdvisory":
			v, err := parse[struct {
				Advisory npmAdvisory1 `json:"advisory"`
			}](&s, line.Data)
			if err != nil {
				return Result{}, err
			}
			advisories++
			addAdvisory1(&s, v.Advisory)
		case "auditSummary":
			v, err := parse[struct {
				npmMetadata `json:",inline"`
				Total       int `json:"totalDependencies"`
			}](&s, line.Data)
			if err != nil {
				return Result{}, err
			}
			ended, s.looked = true, v.Total+v.Dependencies.total > 0
			s.claims(v.found(), advisories)
		case "error":
			failed = strings.Trim(string(line.Data), `"`)
		case "info", "warning", "auditAction":
		default:
			s.partial("a line of type " + line.Type + " is not known")
		}
	}
	switch {
	case advisories == 0 && !ended:
		return Result{}, unreadable("yarn audit failed: %s", orElse(failed, "it has neither advisories nor a summary"))
	case failed != "":
		s.partial("yarn audit reports an error: " + failed)
	case !ended:
		s.partial("yarn audit's summary is missing")
	}
	return s.result()
}

// yarnTree is a line of yarn npm audit --json, of yarn 4.
type yarnTree struct {
	Package  string `json:"value"`
	Children struct {
		ID         string   `json:"ID"`
		Issue      string   `json:"Issue"`
		URL        string   `json:"URL"`
		Severity   string   `json:"Severity"`
		Vulnerable string   `json:"Vulnerable Versions"`
		Installed  []string `json:"Tree Versions"`
	} `json:"children"`
}

// readYarn4 reads lines, one for each weakness of a package. yarn 4 writes nothing if there is
// none.
func readYarn4(file []byte) (Result, error) {
	s := scan{tool: "yarn npm audit"}
	for line, err := range streamed[yarnTree](&s, file) {
		if err != nil {
			return Result{}, err
		}
		c := line.Children
		f := record.Finding{
			ID: orElse(c.URL[strings.LastIndexByte(c.URL, '/')+1:], c.ID), Aliases: []string{c.ID}, Title: c.Issue, URL: c.URL, Severity: bySeverity(c.Severity),
			Package: line.Package, Ecosystem: ecosystem.NPM, PURL: ecosystem.PURL(ecosystem.NPM, line.Package, ""),
		}
		if len(c.Installed) == 0 {
			s.add(f, c.Vulnerable)
		}
		for _, version := range c.Installed {
			f.Installed, f.PURL = version, ecosystem.PURL(ecosystem.NPM, line.Package, version)
			s.add(f, c.Vulnerable)
		}
	}
	return s.result()
}
