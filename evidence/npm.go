package evidence

import (
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
)

// npmReport is the output of npm audit --json, report version 2.
type npmReport struct {
	Version         int                   `json:"auditReportVersion"`
	Vulnerabilities map[string]npmPackage `json:"vulnerabilities"`
	Metadata        struct {
		Dependencies struct {
			Total int `json:"total"`
		} `json:"dependencies"`
	} `json:"metadata"`
}

type npmPackage struct {
	Name         string           `json:"name"`
	Severity     string           `json:"severity"`
	Via          []jsontext.Value `json:"via"` // an advisory, or the name of the package that it comes from
	Nodes        []string         `json:"nodes"`
	FixAvailable jsontext.Value   `json:"fixAvailable"`
}

type npmAdvisory struct {
	Name     string `json:"name"`
	Title    string `json:"title"`
	URL      string `json:"url"`
	Severity string `json:"severity"`
	Range    string `json:"range"`
	CVSS     struct {
		Score  float64 `json:"score"`
		Vector string  `json:"vectorString"`
	} `json:"cvss"`
}

func readNPMAudit(file []byte) (Result, bool, error) {
	var probe struct {
		Version    int            `json:"auditReportVersion"`
		StatusCode int            `json:"statusCode"`
		Method     string         `json:"method"`
		Error      jsontext.Value `json:"error"`
		Message    string         `json:"message"`
	}
	if err := json.Unmarshal(file, &probe, lenient); err != nil {
		return Result{}, false, nil
	}
	if probe.Version == 0 && len(probe.Error) > 0 && (probe.StatusCode != 0 || probe.Method != "") {
		return Result{}, false, unreadable("npm audit failed: %s", probe.Message)
	}
	if probe.Version == 0 {
		return Result{}, false, nil
	}
	if probe.Version != 2 {
		return Result{}, false, unreadable("npm audit report version %d; only 2 is read (npm 7 and newer)", probe.Version)
	}
	var r npmReport
	if err := json.Unmarshal(file, &r, lenient); err != nil {
		return Result{}, false, unreadable("npm audit: %v", err)
	}
	var findings []record.Finding
	for _, name := range slices.Sorted(maps.Keys(r.Vulnerabilities)) {
		fs, err := npmFindings(r.Vulnerabilities[name])
		if err != nil {
			return Result{}, false, err
		}
		findings = append(findings, fs...)
	}
	res := Result{Format: "npm-audit", Tool: "npm audit", Scan: true}
	res.Summary, res.Findings = collect(findings, r.Metadata.Dependencies.Total > 0)
	return res, true, nil
}

// npmFindings returns the advisories of a package. An entry whose via is a
// string only repeats what stands with another package.
func npmFindings(p npmPackage) ([]record.Finding, error) {
	var out []record.Finding
	for _, via := range p.Via {
		if via.Kind() != '{' {
			continue
		}
		var a npmAdvisory
		if err := json.Unmarshal(via, &a, lenient); err != nil {
			return nil, unreadable("npm audit: %s: %v", p.Name, err)
		}
		f := record.Finding{
			ID: a.URL[strings.LastIndexByte(a.URL, '/')+1:], Title: a.Title, URL: a.URL, Severity: bySeverity(a.Severity),
			Score: a.CVSS.Score, ScoreVersion: cvssVersion(a.CVSS.Vector),
			Package: a.Name, Ecosystem: "npm", PURL: purl("npm", a.Name, ""), Fixed: npmFixed(p, a),
		}
		if len(p.Nodes) > 0 {
			f.Path = p.Nodes[0]
		}
		out = append(out, f)
	}
	return out, nil
}

// npmFixed returns the version that npm would install of the package itself,
// or the bound of a range of the form "<4.17.21". A fix that is another
// package's version is none of this one's.
func npmFixed(p npmPackage, a npmAdvisory) string {
	if bound, ok := strings.CutPrefix(a.Range, "<"); ok && !strings.ContainsAny(bound, "= |<>") {
		return bound
	}
	var fix struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	if p.FixAvailable.Kind() == '{' && json.Unmarshal(p.FixAvailable, &fix, lenient) == nil && fix.Name == p.Name {
		return fix.Version
	}
	return ""
}
