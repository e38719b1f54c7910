package evidence

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
)

// gosecReport is gosec -fmt=json.
type gosecReport struct {
	Issues []struct {
		Severity     string           `json:"severity"`
		RuleID       string           `json:"rule_id"`
		Details      string           `json:"details"`
		File         string           `json:"file"`
		Line         string           `json:"line"` // "12" or "12-14"
		NoSec        bool             `json:"nosec"`
		Suppressions []jsontext.Value `json:"suppressions"`
		CWE          struct {
			URL string `json:"url"`
		} `json:"cwe"`
	} `json:"Issues"`
	Stats struct {
		Files int `json:"files"`
	} `json:"Stats"`
	Version string `json:"GosecVersion"`
}

func readGosec(file []byte) (Result, error) {
	r, err := decodeJSON[gosecReport](file)
	if err != nil {
		return Result{}, err
	}
	var findings []record.Finding
	for _, i := range r.Issues {
		if i.NoSec || len(i.Suppressions) > 0 {
			continue
		}
		line, _, _ := strings.Cut(i.Line, "-")
		n, _ := strconv.Atoi(line)
		findings = append(findings, record.Finding{ID: i.RuleID, Title: i.Details, Severity: bySeverity(i.Severity), Path: i.File, Line: n, URL: i.CWE.URL})
	}
	return scanned("gosec", r.Version, findings, r.Stats.Files > 0)
}
