package evidence

import (
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/ecosystem"
	"github.com/changetrail/changetrail/record"
)

// npmReport is the output of npm audit --json: report version 2, and what version 1
// and a run that failed have in its place.
type npmReport struct {
	Version         int                   `json:"auditReportVersion"`
	Vulnerabilities map[string]npmPackage `json:"vulnerabilities"`
	Metadata        struct {
		Dependencies npmCount `json:"dependencies"`
	} `json:"metadata"`

	Advisories map[string]npmAdvisory1 `json:"advisories"` // version 1

	Error   jsontext.Value `json:"error"` // a run that failed
	Message string         `json:"message"`
}

// npmCount is the number of dependencies looked at: an object with a total in
// version 2, a number in version 1.
type npmCount struct{ total int }

// UnmarshalJSON reads either form.
func (c *npmCount) UnmarshalJSON(b []byte) error {
	var v2 struct {
		Total int `json:"total"`
	}
	if b[0] != '{' {
		return json.Unmarshal(b, &c.total)
	}
	err := json.Unmarshal(b, &v2)
	c.total = v2.Total
	return err
}

// npmAdvisory1 is an advisory of version 1.
type npmAdvisory1 struct {
	GHSA     string   `json:"github_advisory_id"`
	CVEs     []string `json:"cves"`
	Title    string   `json:"title"`
	URL      string   `json:"url"`
	Severity string   `json:"severity"`
	Module   string   `json:"module_name"`
	Patched  string   `json:"patched_versions"`
	CVSS     struct {
		Score  float64 `json:"score"`
		Vector string  `json:"vectorString"`
	} `json:"cvss"`
	Findings []struct {
		Version string   `json:"version"`
		Paths   []string `json:"paths"`
	} `json:"findings"`
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

func readNPMAudit(file []byte) (Result, error) {
	r, err := decodeJSON[npmReport](file)
	switch {
	case err != nil:
		return Result{}, err
	case r.Version == 0 && len(r.Error) > 0:
		return Result{}, unreadable("npm audit failed: %s", r.Message)
	case r.Version == 0:
		return npmVersion1(r)
	case r.Version != 2:
		return Result{}, unreadable("npm audit report version %d; 1 and 2 are read", r.Version)
	}
	var findings []record.Finding
	for _, name := range slices.Sorted(maps.Keys(r.Vulnerabilities)) {
		fs, err := npmFindings(r.Vulnerabilities[name])
		if err != nil {
			return Result{}, err
		}
		findings = append(findings, fs...)
	}
	return scanned("npm audit", "", findings, r.Metadata.Dependencies.total > 0)
}

// npmVersion1 reads the report of npm 6, which pnpm and yarn 1 write to this
// day: advisories by their number, each with the places where it was found.
func npmVersion1(r npmReport) (Result, error) {
	var findings []record.Finding
	for _, key := range slices.Sorted(maps.Keys(r.Advisories)) {
		a := r.Advisories[key]
		f := record.Finding{
			ID: a.GHSA, Aliases: a.CVEs, Title: a.Title, URL: a.URL, Severity: bySeverity(a.Severity),
			Score: a.CVSS.Score, ScoreVersion: cvssVersion(a.CVSS.Vector),
			Package: a.Module, Ecosystem: ecosystem.NPM,
		}
		if f.ID == "" {
			f.ID = a.URL[strings.LastIndexByte(a.URL, '/')+1:]
		}
		if len(a.Findings) > 0 {
			f.Installed = a.Findings[0].Version
			if len(a.Findings[0].Paths) > 0 {
				f.Path = a.Findings[0].Paths[0]
			}
		}
		f.Fixed = ecosystem.LowestFix(ecosystem.NPM, []string{a.Patched}, f.Installed)
		f.PURL = ecosystem.PURL(ecosystem.NPM, f.Package, f.Installed)
		findings = append(findings, f)
	}
	return scanned("npm audit", "", findings, r.Metadata.Dependencies.total > 0)
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
			Package: a.Name, Ecosystem: ecosystem.NPM, PURL: ecosystem.PURL(ecosystem.NPM, a.Name, ""), Fixed: npmFixed(p, a),
		}
		if len(p.Nodes) > 0 {
			f.Path = p.Nodes[0]
		}
		out = append(out, f)
	}
	return out, nil
}

// npmFixed returns the version that npm would install of the package itself,
// or the end of the one range that has the weakness, "<4.17.21". A fix that is another
// package's version is none of this one's.
func npmFixed(p npmPackage, a npmAdvisory) string {
	if end, ok := ecosystem.End(ecosystem.NPM, a.Range); ok {
		return end
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
