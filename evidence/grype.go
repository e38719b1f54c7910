package evidence

import (
	"slices"

	"github.com/changetrail/changetrail/internal/ecosystem"
	"github.com/changetrail/changetrail/record"
)

// grypeReport is Grype's JSON (grype/presenter/models of its source).
type grypeReport struct {
	Matches []grypeMatch `json:"matches"`
	Ignored []grypeMatch `json:"ignoredMatches"`
	Distro  struct {
		Name string `json:"name"`
	} `json:"distro"`
	Descriptor struct {
		Version string `json:"version"`
	} `json:"descriptor"`
}

type grypeMatch struct {
	Vulnerability grypeVulnerability   `json:"vulnerability"`
	Related       []grypeVulnerability `json:"relatedVulnerabilities"`
	Artifact      struct {
		Name      string `json:"name"`
		Version   string `json:"version"`
		Type      string `json:"type"`
		PURL      string `json:"purl"`
		Locations []struct {
			Path string `json:"path"`
		} `json:"locations"`
	} `json:"artifact"`
}

type grypeVulnerability struct {
	ID          string `json:"id"`
	DataSource  string `json:"dataSource"`
	Severity    string `json:"severity"`
	Description string `json:"description"`
	CVSS        []struct {
		Version string `json:"version"`
		Metrics struct {
			BaseScore float64 `json:"baseScore"`
		} `json:"metrics"`
	} `json:"cvss"`
	Fix struct {
		Versions []string `json:"versions"`
		State    string   `json:"state"`
	} `json:"fix"`
	Advisories []struct {
		ID string `json:"id"`
	} `json:"advisories"`
}

// readGrype reads a report of Grype. It does not say how many packages were scanned, so an empty
// report proves a scan only if a distribution was recognized or something was ignored on purpose.
func readGrype(file []byte) (Result, error) {
	s := scan{tool: "Grype"}
	r, err := parse[grypeReport](&s, file)
	if err != nil {
		return Result{}, err
	}
	s.version = r.Descriptor.Version
	s.looked = r.Distro.Name != "" || len(r.Ignored) > 0
	for _, m := range r.Matches {
		var paths []string
		for _, l := range m.Artifact.Locations {
			paths = append(paths, l.Path)
		}
		s.add(m.finding(), paths...)
	}
	return s.result()
}

func (m *grypeMatch) finding() record.Finding {
	v := m.Vulnerability
	f := record.Finding{
		ID: v.ID, Title: v.Description, URL: v.DataSource, Severity: bySeverity(v.Severity),
		Package: m.Artifact.Name, Ecosystem: m.Artifact.Type, PURL: m.Artifact.PURL, Installed: m.Artifact.Version,
	}
	if v.Fix.State != "wont-fix" && v.Fix.State != "not-fixed" {
		f.Fixed = ecosystem.LowestFix(ecosystem.Of(m.Artifact.Type, m.Artifact.PURL), v.Fix.Versions, m.Artifact.Version)
	}
	for _, o := range slices.Concat([]grypeVulnerability{v}, m.Related) {
		if o.ID != v.ID {
			f.Aliases = append(f.Aliases, o.ID)
		}
		f.Title = orElse(f.Title, o.Description)
		for _, c := range o.CVSS {
			if f.Score == 0 || c.Version > f.ScoreVersion && o.ID == v.ID {
				f.Score, f.ScoreVersion = c.Metrics.BaseScore, c.Version
			}
		}
	}
	for _, a := range v.Advisories {
		f.Aliases = append(f.Aliases, a.ID)
	}
	if len(m.Artifact.Locations) > 0 {
		f.Path = m.Artifact.Locations[0].Path
	}
	return f
}
