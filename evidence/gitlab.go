package evidence

import (
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/ecosystem"
	"github.com/changetrail/changetrail/record"
)

// gitlabReport is a security report in the format of GitLab's own and other analyzers
// (security-report-schemas).
type gitlabReport struct {
	Scan struct {
		Status  string `json:"status"`
		Scanner struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"scanner"`
	} `json:"scan"`
	Vulnerabilities []gitlabEntry `json:"vulnerabilities"`
}

type gitlabEntry struct {
	Name        string `json:"name"`
	Message     string `json:"message"`
	Severity    string `json:"severity"`
	Solution    string `json:"solution"`
	Identifiers []struct {
		Type  string `json:"type"`
		Name  string `json:"name"`
		Value string `json:"value"`
		URL   string `json:"url"`
	} `json:"identifiers"`
	Scanner struct {
		Name string `json:"name"`
	} `json:"scanner"` // of each vulnerability, up to schema 14
	Location jsontext.Value `json:"location"`
}

type gitlabLocation struct {
	File       string `json:"file"`
	Image      string `json:"image"`
	System     string `json:"operating_system"` // "alpine 3.10.2"
	Line       int    `json:"start_line"`
	Dependency struct {
		Version string `json:"version"`
		Package struct {
			Name string `json:"name"`
		} `json:"package"`
	} `json:"dependency"`
}

func readGitLabReport(file []byte) (Result, error) {
	var s scan
	r, err := parse[gitlabReport](&s, file)
	if err != nil {
		return Result{}, err
	}
	s.tool, s.version = r.Scan.Scanner.Name, r.Scan.Scanner.Version
	if r.Scan.Status != "" && r.Scan.Status != "success" {
		s.partial("the scan's status is " + r.Scan.Status)
	}
	return addGitLab(&s, r.Vulnerabilities)
}

// readGitLabList reads reports older than the schemas, which are only the list.
func readGitLabList(file []byte) (Result, error) {
	var s scan
	entries, err := parse[[]gitlabEntry](&s, file)
	if err != nil {
		return Result{}, err
	}
	return addGitLab(&s, entries)
}

func addGitLab(s *scan, entries []gitlabEntry) (Result, error) {
	for _, v := range entries {
		at, err := parse[gitlabLocation](s, orNull(v.Location))
		if err != nil {
			return Result{}, err
		}
		s.tool = orElse(s.tool, v.Scanner.Name)
		s.add(v.finding(at), string(canonical(v.Location)), v.Message)
	}
	return s.result()
}

func (v *gitlabEntry) finding(at gitlabLocation) record.Finding {
	f := record.Finding{
		Title: orElse(v.Name, v.Message), Severity: bySeverity(v.Severity), Path: orElse(at.File, at.Image), Line: at.Line, Scanner: v.Scanner.Name,
		Package: at.Dependency.Package.Name, Installed: at.Dependency.Version,
	}
	for n, id := range v.Identifiers {
		name := orElse(id.Value, id.Name)
		if strings.EqualFold(id.Type, "cwe") {
			name = cweNames(name)[0]
		}
		if n == 0 {
			f.ID, f.URL = name, id.URL
		}
		f.Aliases = append(f.Aliases, name)
	}
	if !strings.Contains(f.URL, "://") {
		f.URL = ""
	}
	if system, _, _ := strings.Cut(at.System, " "); ecosystem.Known(system) {
		f.Ecosystem = system
	}
	f.Fixed = gitlabFix(v.Solution, f)
	return f
}

var gitlabUpgrade = regexp.MustCompile(`^Upgrade (?:(\S+) )?to (?:version )?v?(\d\S*?)\.?$`)

// gitlabFix returns the version that a solution names, if it names only one.
func gitlabFix(solution string, f record.Finding) string {
	m := gitlabUpgrade.FindStringSubmatch(strings.TrimSpace(solution))
	if m == nil || m[1] != "" && m[1] != f.Package {
		return ""
	}
	return statedFix(f.Ecosystem, []string{m[2]}, f.Installed)
}

func orNull(v jsontext.Value) jsontext.Value {
	if len(v) == 0 {
		return jsontext.Value("null")
	}
	return v
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

// readGitLabVulnerability reads one vulnerability. One that was resolved or dismissed is no longer
// a finding.
func readGitLabVulnerability(file []byte) (Result, error) {
	s := scan{tool: "GitLab", looked: true}
	v, err := parse[gitlabVulnerability](&s, file)
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
		if !strings.Contains(name, "-") { // only the name of CWE 79 identifies it
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
	switch a.State {
	case "resolved", "dismissed":
		return s.result()
	case "detected", "confirmed":
	default:
		s.partial("the state " + orElse(a.State, "of the vulnerability") + " is not known")
	}
	s.add(f, a.URL)
	return s.result()
}
