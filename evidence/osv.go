package evidence

import (
	"strconv"
	"strings"

	"github.com/changetrail/changetrail/ecosystem"
	"github.com/changetrail/changetrail/record"
)

// osvReport is the JSON output of osv-scanner
// (https://google.github.io/osv-scanner/output/).
type osvReport struct {
	Results []struct {
		Source struct {
			Path string `json:"path"`
		} `json:"source"`
		Packages *[]osvPackage `json:"packages"`
	} `json:"results"`
}

type osvPackage struct {
	Package struct {
		Name      string `json:"name"`
		Version   string `json:"version"`
		Ecosystem string `json:"ecosystem"`
	} `json:"package"`
	Groups []struct {
		IDs         []string `json:"ids"`
		Aliases     []string `json:"aliases"`
		MaxSeverity string   `json:"max_severity"`
	} `json:"groups"`
	Vulnerabilities []osvVulnerability `json:"vulnerabilities"`
}

// osvVulnerability is an OSV record, schema 1.x (https://ossf.github.io/osv-schema/).
type osvVulnerability struct {
	ID       string   `json:"id"`
	Aliases  []string `json:"aliases"`
	Summary  string   `json:"summary"`
	Details  string   `json:"details"`
	Severity []struct {
		Type  string `json:"type"`
		Score string `json:"score"`
	} `json:"severity"`
	Affected []struct {
		Package struct {
			Ecosystem string `json:"ecosystem"`
			Name      string `json:"name"`
		} `json:"package"`
		Ranges []struct {
			Type   string `json:"type"`
			Events []struct {
				Introduced string `json:"introduced"`
				Fixed      string `json:"fixed"`
			} `json:"events"`
		} `json:"ranges"`
	} `json:"affected"`
	DatabaseSpecific struct {
		Severity string `json:"severity"`
	} `json:"database_specific"`
}

func readOSVScanner(file []byte) (Result, error) {
	r, err := decodeJSON[osvReport](file)
	if err != nil {
		return Result{}, err
	}
	var findings []record.Finding
	looked := false
	for _, result := range r.Results {
		if result.Packages == nil {
			return Result{}, unreadable("results without packages are none of osv-scanner")
		}
		for _, p := range *result.Packages {
			looked = true
			findings = append(findings, osvFindings(p, result.Source.Path)...)
		}
	}
	return scanned("osv-scanner", "", findings, looked)
}

// osvFindings returns one finding for each group: a group is one weakness
// under all its names.
func osvFindings(p osvPackage, path string) []record.Finding {
	byID := make(map[string]osvVulnerability, len(p.Vulnerabilities))
	for _, v := range p.Vulnerabilities {
		byID[v.ID] = v
	}
	var out []record.Finding
	for _, g := range p.Groups {
		if len(g.IDs) == 0 {
			continue
		}
		v := byID[g.IDs[0]]
		f := record.Finding{
			ID: g.IDs[0], Aliases: append(append([]string{}, g.IDs[1:]...), g.Aliases...), Title: v.Summary,
			Package: p.Package.Name, Ecosystem: p.Package.Ecosystem, Installed: p.Package.Version,
			PURL: ecosystem.PURL(p.Package.Ecosystem, p.Package.Name, p.Package.Version), Path: path,
			Fixed: osvFixed(v, p), URL: "https://osv.dev/" + g.IDs[0],
		}
		if f.Title == "" {
			f.Title = v.Details
		}
		f.Aliases = distinct(f.Aliases)
		if score, err := strconv.ParseFloat(g.MaxSeverity, 64); err == nil && score >= 0 && score <= 10 {
			f.Score, f.Severity = score, byScore(score)
			for _, s := range v.Severity {
				f.ScoreVersion = cvssVersion(s.Score)
			}
		} else {
			f.Severity = bySeverity(v.DatabaseSpecific.Severity)
		}
		out = append(out, f)
	}
	return out
}

func distinct(in []string) []string {
	seen := make(map[string]bool, len(in))
	var out []string
	for _, s := range in {
		if s != "" && !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// osvFixed returns the lowest fixed version above the installed one, of those in
// the release of a distribution where the package is.
func osvFixed(v osvVulnerability, p osvPackage) string {
	var fixed []string
	for _, a := range v.Affected {
		if !sameRelease(a.Package.Ecosystem, p.Package.Ecosystem) || ecosystem.Name(p.Package.Ecosystem, a.Package.Name) != ecosystem.Name(p.Package.Ecosystem, p.Package.Name) {
			continue
		}
		for _, r := range a.Ranges {
			if r.Type == "GIT" {
				continue
			}
			for _, e := range r.Events {
				fixed = append(fixed, e.Fixed)
			}
		}
	}
	return ecosystem.LowestFix(p.Package.Ecosystem, fixed, p.Package.Version)
}

// sameRelease reports whether two of OSV's ecosystems can be one, of which either
// may be left out: Debian:12 and Debian:13 are two releases, Rocky Linux:9 and Rocky
// Linux:9.3 may be one.
func sameRelease(a, b string) bool {
	if a == "" || b == "" {
		return true
	}
	system, x, _ := strings.Cut(a, ":")
	other, y, _ := strings.Cut(b, ":")
	if len(x) > len(y) {
		x, y = y, x
	}
	rest, ok := strings.CutPrefix(y, x)
	return strings.EqualFold(system, other) && ok && (x == "" || rest == "" || rest[0] == ':' || rest[0] == '.')
}
