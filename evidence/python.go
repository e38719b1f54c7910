package evidence

import (
	"strconv"

	"github.com/changetrail/changetrail/internal/ecosystem"
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
		Column   int    `json:"col_offset"`
		Code     string `json:"code"`
		CWE      struct {
			ID string `json:"id"`
		} `json:"issue_cwe"`
	} `json:"results"`
	Errors []struct {
		File   string `json:"filename"`
		Reason string `json:"reason"`
	} `json:"errors"`
	Metrics map[string]struct {
		Lines int `json:"loc"`
	} `json:"metrics"`
}

func readBandit(file []byte) (Result, error) {
	s := scan{tool: "Bandit"}
	r, err := parse[banditReport](&s, file)
	if err != nil {
		return Result{}, err
	}
	s.looked = r.Metrics["_totals"].Lines > 0
	for _, e := range r.Errors {
		s.partial(e.File + ": " + e.Reason)
	}
	for _, i := range r.Results {
		s.add(record.Finding{
			ID: i.TestID, Aliases: append([]string{i.TestName}, cweNames(i.CWE.ID)...), Title: i.Text, Severity: bySeverity(i.Severity), Path: i.File, Line: i.Line, URL: i.MoreInfo,
		}, strconv.Itoa(i.Column), i.Code)
	}
	return s.result()
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

// readPipAudit reads the object of pip-audit 2 and the list of older versions. pip-audit succeeds
// and finds nothing even if it could check none of the packages, so only a package that was not
// skipped proves a scan.
func readPipAudit(file []byte) (Result, error) {
	s := scan{tool: "pip-audit"}
	dependencies, err := listIn[pipDependency](&s, file, "dependencies")
	if err != nil {
		return Result{}, err
	}
	for _, d := range dependencies {
		s.looked = s.looked || d.Skipped == "" && d.Name != ""
		for _, v := range d.Vulnerabilities {
			s.add(record.Finding{
				ID: v.ID, Aliases: v.Aliases, Title: v.Description, Package: d.Name, Ecosystem: ecosystem.PyPI,
				PURL: ecosystem.PURL(ecosystem.PyPI, d.Name, d.Version), Installed: d.Version, Fixed: ecosystem.LowestFix(ecosystem.PyPI, v.Fixed, d.Version),
			})
		}
	}
	return s.result()
}
