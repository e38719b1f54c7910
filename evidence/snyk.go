package evidence

import (
	"strings"

	"github.com/changetrail/changetrail/internal/ecosystem"
	"github.com/changetrail/changetrail/record"
)

// snykProject is the output of snyk test, container test and iac test with --json: one for a
// project, a list for several. snyk code writes SARIF.
type snykProject struct {
	OK              *bool               `json:"ok"`
	Error           string              `json:"error"` // replaces all other members
	Vulnerabilities []snykVulnerability `json:"vulnerabilities"`
	Applications    []snykProject       `json:"applications"` // within a container
	Issues          []snykIssue         `json:"infrastructureAsCodeIssues"`
	Dependencies    int                 `json:"dependencyCount"`
	Unique          int                 `json:"uniqueCount"`
	Target          string              `json:"displayTargetFile"`
	TargetFile      string              `json:"targetFile"`
	Path            string              `json:"path"`
}

type snykVulnerability struct {
	ID          string              `json:"id"`
	Identifiers map[string][]string `json:"identifiers"` // CVE, CWE, GHSA
	Title       string              `json:"title"`
	Severity    string              `json:"severity"`
	Score       float64             `json:"cvssScore"`
	Vector      string              `json:"CVSSv3"`
	Name        string              `json:"name"`
	PackageName string              `json:"packageName"`
	Version     string              `json:"version"`
	Manager     string              `json:"packageManager"`
	FixedIn     []string            `json:"fixedIn"`
}

type snykIssue struct {
	ID       string   `json:"id"`
	PublicID string   `json:"publicId"`
	Title    string   `json:"title"`
	Severity string   `json:"severity"`
	Line     int      `json:"lineNumber"`
	Path     []string `json:"path"`
	Ignored  bool     `json:"isIgnored"`
	URL      string   `json:"documentation"`
	File     string   `json:"targetFile"`
}

func isSnyk(s shape) bool {
	return s.has("vulnerabilities", '[') && s.has("packageManager", '"') && s.has("ok", 0) ||
		s.has("infrastructureAsCodeIssues", '[') ||
		s.has("ok", 'f') && s.has("error", '"') && s.has("path", '"')
}

// readSnyk reads one project or several. What a policy ignores is not listed.
func readSnyk(file []byte) (Result, error) {
	s := scan{tool: "Snyk"}
	if file[0] == '[' {
		projects, err := parse[[]snykProject](&s, file)
		if err != nil {
			return Result{}, err
		}
		for i := range projects {
			projects[i].addTo(&s, "")
		}
		return s.result()
	}
	p, err := parse[snykProject](&s, file)
	if err != nil {
		return Result{}, err
	}
	p.addTo(&s, "")
	return s.result()
}

func (p *snykProject) addTo(s *scan, image string) {
	path := orElse(p.Target, orElse(p.TargetFile, orElse(image, p.Path)))
	if p.Error != "" {
		s.partial(path + ": " + p.Error)
	}
	if p.OK != nil && !*p.OK && len(p.Vulnerabilities)+len(p.Issues)+len(p.Applications) == 0 {
		s.partial(path + " is not ok, but no weakness of it is listed")
	}
	s.claims(p.Unique, len(p.Vulnerabilities))
	s.looked = s.looked || p.Dependencies > 0 || p.Issues != nil && p.Error == ""
	for _, v := range p.Vulnerabilities {
		s.add(v.finding(path))
	}
	for _, i := range p.Issues {
		if !i.Ignored {
			s.add(record.Finding{
				ID: orElse(i.PublicID, i.ID), Aliases: []string{i.ID}, Title: i.Title, Severity: bySeverity(i.Severity), Path: orElse(i.File, path), Line: i.Line, URL: i.URL,
			}, i.Path...)
		}
	}
	for i := range p.Applications {
		p.Applications[i].addTo(s, path)
	}
}

func (v *snykVulnerability) finding(path string) record.Finding {
	eco := v.Manager
	name := orElse(v.Name, v.PackageName)
	if source, binary, ok := strings.Cut(name, "/"); ok && source == v.PackageName { // Debian's gcc-10/libgcc-s1
		name = binary
	}
	f := record.Finding{
		ID: v.ID, Title: v.Title, Severity: bySeverity(v.Severity), URL: "https://security.snyk.io/vuln/" + v.ID, Score: v.Score, ScoreVersion: cvssVersion(v.Vector),
		Package: name, Ecosystem: eco, Installed: v.Version, PURL: ecosystem.PURL(eco, name, v.Version), Path: path,
		Fixed: ecosystem.LowestFix(eco, v.FixedIn, v.Version),
	}
	for _, kind := range []string{"CVE", "GHSA", "ALTERNATIVE", "CWE"} {
		f.Aliases = append(f.Aliases, v.Identifiers[kind]...)
	}
	return f
}
