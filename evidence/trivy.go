package evidence

import (
	"maps"
	"slices"
	"strconv"

	"github.com/changetrail/changetrail/internal/ecosystem"
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

	Resources         []trivyResource `json:"Resources"` // of a cluster; in two lists in older versions
	Vulnerabilities   []trivyResource `json:"Vulnerabilities"`
	Misconfigurations []trivyResource `json:"Misconfigurations"`
}

type trivyResource struct {
	Kind    string        `json:"Kind"`
	Name    string        `json:"Name"`
	Error   string        `json:"Error"`
	Results []trivyResult `json:"Results"`
}

type trivyResult struct {
	Target          string `json:"Target"`
	Type            string `json:"Type"`
	Vulnerabilities []struct {
		ID         string   `json:"VulnerabilityID"`
		VendorIDs  []string `json:"VendorIDs"`
		PkgName    string   `json:"PkgName"`
		PkgID      string   `json:"PkgID"`
		Status     string   `json:"Status"`
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
		Message  string `json:"Message"`
		Severity string `json:"Severity"`
		Status   string `json:"Status"`
		URL      string `json:"PrimaryURL"`
		Cause    struct {
			Resource  string `json:"Resource"`
			StartLine int    `json:"StartLine"`
			EndLine   int    `json:"EndLine"`
		} `json:"CauseMetadata"`
	} `json:"Misconfigurations"`
	Secrets []struct {
		RuleID    string `json:"RuleID"`
		Title     string `json:"Title"`
		Severity  string `json:"Severity"`
		StartLine int    `json:"StartLine"`
		EndLine   int    `json:"EndLine"`
		Match     string `json:"Match"`
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
	s := scan{tool: "Trivy"}
	r, err := parse[trivyReport](&s, file)
	if err != nil {
		return Result{}, err
	}
	if r.SchemaVersion != 2 && r.SchemaVersion != 0 { // 0: a report of a cluster
		return Result{}, unreadable("Trivy's schema version is %d; only 2 is supported", r.SchemaVersion)
	}
	s.version = r.Trivy.Version
	addTrivy(&s, "", r.Results)
	for _, of := range slices.Concat(r.Resources, r.Vulnerabilities, r.Misconfigurations) {
		if of.Error != "" {
			s.partial(of.Kind + "/" + of.Name + ": " + of.Error)
		}
		addTrivy(&s, of.Kind+"/"+of.Name+": ", of.Results)
	}
	return s.result()
}

// readTrivyList reads the format of Trivy before schema 2: a list of results.
func readTrivyList(file []byte) (Result, error) {
	s := scan{tool: "Trivy"}
	results, err := parse[[]trivyResult](&s, file)
	if err != nil {
		return Result{}, err
	}
	addTrivy(&s, "", results)
	return s.result()
}

func addTrivy(s *scan, in string, results []trivyResult) {
	for _, t := range results {
		s.looked = true
		t.Target = in + t.Target
		t.addVulnerabilities(s)
		t.addOthers(s)
	}
}

func (t *trivyResult) addVulnerabilities(s *scan) {
	for _, v := range t.Vulnerabilities {
		if v.Status == "not_affected" { // by a VEX document
			continue
		}
		f := record.Finding{
			ID: v.ID, Aliases: v.VendorIDs, Title: v.Title, URL: v.URL, Severity: bySeverity(v.Severity),
			Package: v.PkgName, Ecosystem: t.Type, PURL: v.Identifier.PURL, Installed: v.Installed,
			Fixed: ecosystem.LowestFix(ecosystem.Of(t.Type, v.Identifier.PURL), []string{v.Fixed}, v.Installed), Path: orElse(v.PkgPath, t.Target),
		}
		f.Score, f.ScoreVersion = trivyScore(v.CVSS, v.SeveritySource)
		s.add(f, t.Target, v.PkgID)
	}
}

func (t *trivyResult) addOthers(s *scan) {
	for _, m := range t.Misconfigurations {
		if m.Status == "PASS" || m.Status == "EXCEPTION" {
			continue
		}
		s.add(record.Finding{
			ID: m.ID, Aliases: []string{m.AVDID}, Title: m.Title, URL: m.URL, Severity: bySeverity(m.Severity),
			Path: t.Target, Line: m.Cause.StartLine,
		}, m.Message, m.Cause.Resource, strconv.Itoa(m.Cause.EndLine))
	}
	for _, x := range t.Secrets {
		s.add(record.Finding{ID: x.RuleID, Title: x.Title, Severity: bySeverity(x.Severity), Path: t.Target, Line: x.StartLine}, x.Match, strconv.Itoa(x.EndLine))
	}
	for _, l := range t.Licenses {
		s.add(record.Finding{ID: "license:" + l.Name, Title: "License " + l.Name, Severity: bySeverity(l.Severity), Package: l.PkgName, Path: orElse(l.FilePath, t.Target)})
	}
}

// trivyScore returns the score of the source that rated the severity, else NVD's, else the first by
// name; for each source, that of the newest CVSS version.
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
