package evidence

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/ecosystem"
	"github.com/changetrail/changetrail/record"
)

// npmReport is the output of npm audit --json: report version 2, version 1, or the report of a run
// that failed.
type npmReport struct {
	Version         int                   `json:"auditReportVersion"`
	Vulnerabilities map[string]npmPackage `json:"vulnerabilities"`
	Metadata        npmMetadata           `json:"metadata"`

	Advisories map[string]npmAdvisory1 `json:"advisories"` // version 1

	Error   npmError `json:"error"` // a run that failed
	Message string   `json:"message"`
}

// npmMetadata counts the dependencies that were checked, and the vulnerabilities of each severity.
type npmMetadata struct {
	Dependencies    npmCount       `json:"dependencies"`
	Vulnerabilities map[string]int `json:"vulnerabilities"`
}

func (m *npmMetadata) found() int {
	n := 0
	for severity, count := range m.Vulnerabilities {
		if severity != "total" {
			n += count
		}
	}
	return n
}

// npmError is a text, or an object with a summary (npm) or a message (pnpm).
type npmError struct{ text string }

// UnmarshalJSONFrom reads either form.
func (e *npmError) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '"' {
		return json.UnmarshalDecode(d, &e.text)
	}
	var v struct {
		Code    string `json:"code"`
		Summary string `json:"summary"`
		Message string `json:"message"`
	}
	err := json.UnmarshalDecode(d, &v)
	e.text = orElse(v.Summary, orElse(v.Message, v.Code))
	return err
}

// npmCount is the number of checked dependencies: an object with a total in version 2, a number in
// version 1.
type npmCount struct{ total int }

// UnmarshalJSONFrom reads either form.
func (c *npmCount) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != '{' {
		return json.UnmarshalDecode(d, &c.total)
	}
	var v struct {
		Total int `json:"total"`
	}
	err := json.UnmarshalDecode(d, &v)
	c.total = v.Total
	return err
}

// npmAdvisory1 is an advisory of version 1.
type npmAdvisory1 struct {
	Number   int      `json:"id"`
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
	Source   string `json:"source"` // its number in the registry
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
	s := scan{tool: "npm audit"}
	r, err := parse[npmReport](&s, file)
	switch {
	case err != nil:
		return Result{}, err
	case r.Version == 0 && r.Advisories == nil:
		return Result{}, unreadable("npm audit failed: %s", orElse(r.Error.text, r.Message))
	case r.Version != 0 && r.Version != 2:
		return Result{}, unreadable("the npm audit report has version %d; only 1 and 2 are supported", r.Version)
	}
	if r.Error.text != "" {
		s.partial("npm audit reports an error: " + r.Error.text)
	}
	s.looked = r.Metadata.Dependencies.total > 0
	s.claims(r.Metadata.found(), len(r.Vulnerabilities)+len(r.Advisories))
	for _, key := range slices.Sorted(maps.Keys(r.Advisories)) {
		addAdvisory1(&s, r.Advisories[key])
	}
	for _, name := range slices.Sorted(maps.Keys(r.Vulnerabilities)) {
		if err := addNPM(&s, name, r.Vulnerabilities); err != nil {
			return Result{}, err
		}
	}
	return s.result()
}

// addAdvisory1 adds an advisory in the format of npm 6, which pnpm and yarn still write, once for
// each place where it was found.
func addAdvisory1(s *scan, a npmAdvisory1) {
	f := record.Finding{
		ID: orElse(a.GHSA, a.URL[strings.LastIndexByte(a.URL, '/')+1:]), Aliases: slices.Clone(a.CVEs), Title: a.Title, URL: a.URL, Severity: bySeverity(a.Severity),
		Score: a.CVSS.Score, ScoreVersion: cvssVersion(a.CVSS.Vector),
		Package: a.Module, Ecosystem: ecosystem.NPM,
	}
	if a.Number > 0 {
		f.ID = orElse(f.ID, strconv.Itoa(a.Number))
	}
	patched := []string{a.Patched}
	if len(a.Findings) == 0 {
		f.Fixed, f.PURL = ecosystem.LowestFix(ecosystem.NPM, patched, ""), ecosystem.PURL(ecosystem.NPM, f.Package, "")
		s.add(f)
	}
	for _, at := range a.Findings {
		f.Installed, f.Path = at.Version, ""
		if len(at.Paths) > 0 {
			f.Path = at.Paths[0]
		}
		f.Fixed, f.PURL = ecosystem.LowestFix(ecosystem.NPM, patched, f.Installed), ecosystem.PURL(ecosystem.NPM, f.Package, f.Installed)
		s.add(f, at.Paths...)
	}
}

// addNPM adds the advisories of a package. An entry whose via is only a name repeats the entry of
// the package with that name.
func addNPM(s *scan, name string, all map[string]npmPackage) error {
	p := all[name]
	if len(p.Via) == 0 {
		s.partial("the entry of " + name + " does not say why it is vulnerable")
	}
	for _, via := range p.Via {
		var from string
		if via.Kind() == '"' {
			if err := json.Unmarshal(via, &from); err != nil || from != name && len(all[from].Via) == 0 {
				s.partial("the entry of " + name + " is vulnerable via " + from + ", which has no entry")
			}
			continue
		}
		a, err := parse[npmAdvisory](s, via)
		if err != nil {
			return err
		}
		f := record.Finding{
			ID: orElse(a.URL[strings.LastIndexByte(a.URL, '/')+1:], a.Source), Title: a.Title, URL: a.URL, Severity: bySeverity(a.Severity),
			Score: a.CVSS.Score, ScoreVersion: cvssVersion(a.CVSS.Vector),
			Package: orElse(a.Name, name), Ecosystem: ecosystem.NPM, PURL: ecosystem.PURL(ecosystem.NPM, orElse(a.Name, name), ""), Fixed: npmFixed(p, a),
		}
		if len(p.Nodes) > 0 {
			f.Path = p.Nodes[0]
		}
		s.add(f, append([]string{a.Range}, p.Nodes...)...)
	}
	return nil
}

// npmFixed returns the version that npm would install of the package itself, or the end of the only
// vulnerable range, as in "<4.17.21". A fix that updates another package is not a fix of this one.
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
