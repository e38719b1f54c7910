package evidence

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/ecosystem"
	"github.com/changetrail/changetrail/record"
)

// dependencyCheckReport is the JSON report of OWASP Dependency-Check
// (core/src/main/resources/templates/jsonReport.vsl of its source).
type dependencyCheckReport struct {
	Scan struct {
		Version    string           `json:"engineVersion"`
		Exceptions []jsontext.Value `json:"analysisExceptions"`
	} `json:"scanInfo"`
	Dependencies []struct {
		Name     string `json:"fileName"`
		Path     string `json:"filePath"`
		Packages []struct {
			ID string `json:"id"` // a package URL
		} `json:"packages"`
		Vulnerabilities []dependencyWeakness `json:"vulnerabilities"`
	} `json:"dependencies"`
}

type dependencyWeakness struct {
	Source      string   `json:"source"`
	Name        string   `json:"name"`
	Severity    string   `json:"severity"`
	Description string   `json:"description"`
	CWEs        []string `json:"cwes"`
	V2          struct {
		Score float64 `json:"score"`
	} `json:"cvssv2"`
	V3 struct {
		Score   float64 `json:"baseScore"`
		Version string  `json:"version"`
	} `json:"cvssv3"`
	V4 struct {
		Score float64 `json:"baseScore"`
	} `json:"cvssv4"`
}

// readDependencyCheck reads a report. Suppressed vulnerabilities are in a list of their own, and
// are no findings.
func readDependencyCheck(file []byte) (Result, error) {
	s := scan{tool: "dependency-check"}
	r, err := parse[dependencyCheckReport](&s, file)
	if err != nil {
		return Result{}, err
	}
	s.version, s.looked = r.Scan.Version, len(r.Dependencies) > 0
	if len(r.Scan.Exceptions) > 0 {
		s.partial("the analysis reports exceptions")
	}
	for _, d := range r.Dependencies {
		at := record.Finding{Package: d.Name, Path: orElse(d.Path, d.Name)}
		for _, p := range d.Packages {
			if eco, name, version, ok := ecosystem.SplitPURL(p.ID); ok {
				at.PURL, at.Ecosystem, at.Package, at.Installed = p.ID, eco, name, version
				break
			}
		}
		for _, v := range d.Vulnerabilities {
			s.add(v.finding(at), v.Source)
		}
	}
	return s.result()
}

func (v *dependencyWeakness) finding(f record.Finding) record.Finding {
	f.ID, f.Title, f.Severity, f.Aliases = v.Name, v.Description, bySeverity(v.Severity), cweNames(v.CWEs...)
	switch {
	case v.V4.Score > 0:
		f.Score, f.ScoreVersion = v.V4.Score, "4.0"
	case v.V3.Score > 0:
		f.Score, f.ScoreVersion = v.V3.Score, orElse(v.V3.Version, "3")
	case v.V2.Score > 0:
		f.Score, f.ScoreVersion = v.V2.Score, "2.0"
	}
	if f.Severity == "unknown" {
		f.Severity = byScore(f.Score)
	}
	if strings.HasPrefix(v.Name, "CVE-") {
		f.URL = "https://nvd.nist.gov/vuln/detail/" + v.Name
	}
	return f
}
