package evidence

import (
	"github.com/changetrail/changetrail/ecosystem"
	"github.com/changetrail/changetrail/record"
)

// banditReport is bandit -f json.
type banditReport struct {
	Results []struct {
		TestID   string `json:"test_id"`
		TestName string `json:"test_name"`
		Text     string `json:"issue_text"`
		Severity string `json:"issue_severity"`
		File     string `json:"filename"`
		Line     int    `json:"line_number"`
		MoreInfo string `json:"more_info"`
	} `json:"results"`
	Metrics map[string]struct {
		Lines int `json:"loc"`
	} `json:"metrics"`
}

func readBandit(file []byte) (Result, error) {
	r, err := decodeJSON[banditReport](file)
	if err != nil {
		return Result{}, err
	}
	var findings []record.Finding
	for _, i := range r.Results {
		findings = append(findings, record.Finding{
			ID: i.TestID, Aliases: distinct([]string{i.TestName}), Title: i.Text, Severity: bySeverity(i.Severity), Path: i.File, Line: i.Line, URL: i.MoreInfo,
		})
	}
	return scanned("Bandit", "", findings, r.Metrics["_totals"].Lines > 0)
}

// pipDependency is a dependency in pip-audit -f json.
type pipDependency struct {
	Name            string `json:"name"`
	Version         string `json:"version"`
	Skipped         string `json:"skip_reason"`
	Vulnerabilities []struct {
		ID          string   `json:"id"`
		Aliases     []string `json:"aliases"`
		Fixed       []string `json:"fix_versions"`
		Description string   `json:"description"`
	} `json:"vulns"`
}

// readPipAudit reads the object of pip-audit 2 and the list of older ones.
// pip-audit ends well, and says that it found nothing, where it could look at
// none of the packages: only one that was not skipped proves a scan.
func readPipAudit(file []byte) (Result, error) {
	dependencies, err := decodeList[pipDependency](file, "dependencies")
	if err != nil {
		return Result{}, err
	}
	var findings []record.Finding
	looked := false
	for _, d := range dependencies {
		looked = looked || d.Skipped == ""
		for _, v := range d.Vulnerabilities {
			findings = append(findings, record.Finding{
				ID: v.ID, Aliases: v.Aliases, Title: v.Description, Package: d.Name, Ecosystem: ecosystem.PyPI,
				PURL: ecosystem.PURL(ecosystem.PyPI, d.Name, d.Version), Installed: d.Version, Fixed: ecosystem.LowestFix(ecosystem.PyPI, v.Fixed, d.Version),
			})
		}
	}
	return scanned("pip-audit", "", findings, looked)
}
