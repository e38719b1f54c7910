package evidence

import (
	"slices"
	"strconv"
	"strings"

	"github.com/changetrail/changetrail/internal/ecosystem"
	"github.com/changetrail/changetrail/record"
)

// osvReport is the JSON output of osv-scanner
// (https://google.github.io/osv-scanner/output/).
type osvReport struct {
	Results []struct {
		Source struct {
			Path string `json:"path"`
		} `json:"source"`
		Packages []osvPackage `json:"packages"`
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
	Violations      []string           `json:"license_violations"`
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
	s := scan{tool: "osv-scanner"}
	r, err := parse[osvReport](&s, file)
	if err != nil {
		return Result{}, err
	}
	for _, result := range r.Results {
		for _, p := range result.Packages {
			s.looked = true
			p.addTo(&s, result.Source.Path)
		}
	}
	return s.result()
}

// addTo adds one finding for each group, which is one weakness under all its names, and for each
// weakness that is in no group.
func (p *osvPackage) addTo(s *scan, path string) {
	byID := make(map[string]osvVulnerability, len(p.Vulnerabilities))
	for _, v := range p.Vulnerabilities {
		byID[v.ID] = v
	}
	grouped := make(map[string]bool)
	for _, g := range p.Groups {
		if len(g.IDs) == 0 {
			s.partial("a group has no ids")
			continue
		}
		for _, id := range g.IDs {
			grouped[id] = true
		}
		f := p.finding(byID[g.IDs[0]], g.IDs, path)
		f.Aliases = append(f.Aliases, g.Aliases...)
		if score, err := strconv.ParseFloat(g.MaxSeverity, 64); err == nil && score > 0 && score <= 10 {
			f.Score, f.Severity = score, byScore(score)
			for _, severity := range byID[g.IDs[0]].Severity {
				f.ScoreVersion = cvssVersion(severity.Score)
			}
		}
		s.add(f)
	}
	for _, v := range p.Vulnerabilities {
		if !grouped[v.ID] {
			s.add(p.finding(v, []string{v.ID}, path))
		}
	}
	for _, name := range p.Violations {
		s.add(record.Finding{ID: "license:" + name, Title: "License " + name, Package: p.Package.Name, Ecosystem: p.Package.Ecosystem, Installed: p.Package.Version, Path: path})
	}
}

func (p *osvPackage) finding(v osvVulnerability, ids []string, path string) record.Finding {
	return record.Finding{
		ID: ids[0], Aliases: append(slices.Clone(ids[1:]), v.Aliases...), Title: orElse(v.Summary, v.Details), Severity: bySeverity(v.DatabaseSpecific.Severity),
		Package: p.Package.Name, Ecosystem: p.Package.Ecosystem, Installed: p.Package.Version,
		PURL: ecosystem.PURL(p.Package.Ecosystem, p.Package.Name, p.Package.Version), Path: path,
		Fixed: osvFixed(v, *p), URL: "https://osv.dev/" + ids[0],
	}
}

// osvFixed returns the lowest fixed version above the installed one, considering only the release
// of the distribution that the package is in.
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

// sameRelease reports whether two of OSV's ecosystems may be the same, if either may be omitted:
// Debian:12 and Debian:13 are two releases, Rocky Linux:9 and Rocky Linux:9.3 may be one.
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
