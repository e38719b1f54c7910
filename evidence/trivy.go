package evidence

import (
	"maps"
	"slices"

	"github.com/changetrail/changetrail/ecosystem"
	"github.com/changetrail/changetrail/record"
)

// trivyReport is Trivy's JSON, schema version 2
// (https://trivy.dev/latest/docs/configuration/reporting/#json).
type trivyReport struct {
	SchemaVersion int `json:"SchemaVersion"`
	Trivy         struct {
		Version string `json:"Version"`
	} `json:"Trivy"`
	Results []trivyResult `json:"Results"`
}

type trivyResult struct {
	Target          string `json:"Target"`
	Type            string `json:"Type"`
	Vulnerabilities []struct {
		ID         string   `json:"VulnerabilityID"`
		VendorIDs  []string `json:"VendorIDs"`
		PkgName    string   `json:"PkgName"`
		PkgPath    string   `json:"PkgPath"`
		Identifier struct {
			PURL string `json:"PURL"`
		} `json:"PkgIdentifier"`
		Installed      string               `json:"InstalledVersion"`
		Fixed          string               `json:"FixedVersion"` // several are separated by commas
		Title          string               `json:"Title"`
		Severity       string               `json:"Severity"`
		SeveritySource string               `json:"SeveritySource"`
		URL            string               `json:"PrimaryURL"`
		CVSS           map[string]trivyCVSS `json:"CVSS"`
	} `json:"Vulnerabilities"`
	Misconfigurations []struct {
		ID       string `json:"ID"`
		AVDID    string `json:"AVDID"`
		Title    string `json:"Title"`
		Severity string `json:"Severity"`
		Status   string `json:"Status"`
		URL      string `json:"PrimaryURL"`
		Cause    struct {
			StartLine int `json:"StartLine"`
		} `json:"CauseMetadata"`
	} `json:"Misconfigurations"`
	Secrets []struct {
		RuleID    string `json:"RuleID"`
		Title     string `json:"Title"`
		Severity  string `json:"Severity"`
		StartLine int    `json:"StartLine"`
	} `json:"Secrets"`
	Licenses []struct {
		Name     string `json:"Name"`
		Severity string `json:"Severity"`
		PkgName  string `json:"PkgName"`
		FilePath string `json:"FilePath"`
	} `json:"Licenses"`
}

type trivyCVSS struct {
	V2Score   float64 `json:"V2Score"`
	V3Vector  string  `json:"V3Vector"`
	V3Score   float64 `json:"V3Score"`
	V40Vector string  `json:"V40Vector"`
	V40Score  float64 `json:"V40Score"`
}

func readTrivy(file []byte) (Result, error) {
	r, err := decodeJSON[trivyReport](file)
	if err != nil {
		return Result{}, err
	}
	if r.SchemaVersion != 2 {
		return Result{}, unreadable("Trivy's schema version %d; 2 is read", r.SchemaVersion)
	}
	var findings []record.Finding
	for _, t := range r.Results {
		findings = append(findings, trivyFindings(t)...)
	}
	return scanned("Trivy", r.Trivy.Version, findings, len(r.Results) > 0)
}

func trivyFindings(t trivyResult) []record.Finding {
	var out []record.Finding
	for _, v := range t.Vulnerabilities {
		f := record.Finding{
			ID: v.ID, Aliases: v.VendorIDs, Title: v.Title, URL: v.URL, Severity: bySeverity(v.Severity),
			Package: v.PkgName, Ecosystem: t.Type, PURL: v.Identifier.PURL, Installed: v.Installed,
			Fixed: ecosystem.LowestFix(ecosystem.Of(t.Type, v.Identifier.PURL), []string{v.Fixed}, v.Installed), Path: v.PkgPath,
		}
		if f.Path == "" {
			f.Path = t.Target
		}
		f.Score, f.ScoreVersion = trivyScore(v.CVSS, v.SeveritySource)
		out = append(out, f)
	}
	for _, m := range t.Misconfigurations {
		if m.Status == "FAIL" || m.Status == "" {
			out = append(out, record.Finding{
				ID: m.ID, Aliases: distinct([]string{m.AVDID}), Title: m.Title, URL: m.URL, Severity: bySeverity(m.Severity),
				Path: t.Target, Line: m.Cause.StartLine,
			})
		}
	}
	for _, s := range t.Secrets {
		out = append(out, record.Finding{ID: s.RuleID, Title: s.Title, Severity: bySeverity(s.Severity), Path: t.Target, Line: s.StartLine})
	}
	for _, l := range t.Licenses {
		out = append(out, record.Finding{ID: "license:" + l.Name, Title: "License " + l.Name, Severity: bySeverity(l.Severity), Package: l.PkgName, Path: l.FilePath})
	}
	return out
}

// trivyScore picks the score of whoever rated the severity, else NVD's, else
// the first by name; of each the newest version of CVSS.
func trivyScore(scores map[string]trivyCVSS, source string) (float64, string) {
	for _, who := range append([]string{source, "nvd"}, slices.Sorted(maps.Keys(scores))...) {
		switch s := scores[who]; {
		case s.V40Score > 0:
			return s.V40Score, "4.0"
		case s.V3Score > 0:
			if v := cvssVersion(s.V3Vector); v != "" {
				return s.V3Score, v
			}
			return s.V3Score, "3"
		case s.V2Score > 0:
			return s.V2Score, "2.0"
		}
	}
	return 0, ""
}
