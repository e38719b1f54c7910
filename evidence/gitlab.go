package evidence

import (
	"strconv"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// gitlabReport is a security report as GitLab's own analysers and others write
// it (security-report-schemas).
type gitlabReport struct {
	Scan struct {
		Status  string `json:"status"`
		Scanner struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"scanner"`
	} `json:"scan"`
	Vulnerabilities []struct {
		Name        string `json:"name"`
		Message     string `json:"message"`
		Severity    string `json:"severity"`
		Identifiers []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
			URL   string `json:"url"`
		} `json:"identifiers"`
		Location gitlabLocation `json:"location"`
	} `json:"vulnerabilities"`
}

type gitlabLocation struct {
	File       string `json:"file"`
	Line       int    `json:"start_line"`
	Dependency struct {
		Version string `json:"version"`
		Package struct {
			Name string `json:"name"`
		} `json:"package"`
	} `json:"dependency"`
}

func readGitLabReport(file []byte) (Result, error) {
	r, err := decodeJSON[gitlabReport](file)
	if err != nil {
		return Result{}, err
	}
	var findings []record.Finding
	for i, v := range r.Vulnerabilities {
		f := record.Finding{
			ID: "vulnerability " + strconv.Itoa(i+1), Title: v.Name, Severity: bySeverity(v.Severity), Path: v.Location.File, Line: v.Location.Line,
			Package: v.Location.Dependency.Package.Name, Installed: v.Location.Dependency.Version,
		}
		if f.Title == "" {
			f.Title = v.Message
		}
		for n, id := range v.Identifiers {
			if n == 0 {
				f.ID, f.URL = id.Value, id.URL
				continue
			}
			f.Aliases = append(f.Aliases, id.Value)
		}
		if !strings.Contains(f.URL, "://") {
			f.URL = ""
		}
		f.Aliases = distinct(f.Aliases)
		findings = append(findings, f)
	}
	return scanned(r.Scan.Scanner.Name, r.Scan.Scanner.Version, findings, false)
}

// gitlabVulnerability is the webhook that GitLab sends when a vulnerability is
// found or its state changes
// (https://docs.gitlab.com/user/project/integrations/webhook_events/#vulnerability-events).
type gitlabVulnerability struct {
	Attributes struct {
		URL      string         `json:"url"`
		Title    string         `json:"title"`
		State    string         `json:"state"`
		Severity string         `json:"severity"`
		Location gitlabLocation `json:"location"`
		CVSS     []struct {
			Vector string `json:"vector"`
		} `json:"cvss"`
		Identifiers []struct {
			Name       string `json:"name"`
			ExternalID string `json:"external_id"`
		} `json:"identifiers"`
	} `json:"object_attributes"`
}

// readGitLabVulnerability reads one vulnerability. One that was resolved or
// dismissed is no finding any more.
func readGitLabVulnerability(file []byte) (Result, error) {
	v, err := decodeJSON[gitlabVulnerability](file)
	if err != nil {
		return Result{}, err
	}
	a := v.Attributes
	f := record.Finding{
		Severity: bySeverity(a.Severity), Title: a.Title, Package: a.Location.Dependency.Package.Name, Installed: a.Location.Dependency.Version,
		Path: a.Location.File, Line: a.Location.Line, URL: a.URL, Scanner: "GitLab",
	}
	for _, id := range a.Identifiers {
		name := strings.TrimSpace(id.ExternalID)
		if !strings.Contains(name, "-") { // CWE 79 is told by its name only
			name = strings.TrimSpace(id.Name)
		}
		if f.ID == "" {
			f.ID = name
		} else if name != "" {
			f.Aliases = append(f.Aliases, name)
		}
	}
	for _, c := range a.CVSS {
		if s, version := baseScore(c.Vector); s > f.Score {
			f.Score, f.ScoreVersion = s, version
		}
	}
	if f.ID == "" {
		return Result{}, unreadable("the vulnerability has no identifiers")
	}
	var findings []record.Finding
	if a.State == "detected" || a.State == "confirmed" {
		findings = append(findings, f)
	}
	return scanned("GitLab", "", findings, true)
}
