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
		Column       string           `json:"column"`
		NoSec        bool             `json:"nosec"`
		Suppressions []jsontext.Value `json:"suppressions"`
		CWE          struct {
			ID  string `json:"id"`
			URL string `json:"url"`
		} `json:"cwe"`
	} `json:"Issues"`
	Stats struct {
		Files int `json:"files"`
		Found int `json:"found"`
	} `json:"Stats"`
	Version string                    `json:"GosecVersion"`
	Errors  map[string]jsontext.Value `json:"Golang errors"` // by file
}

func readGosec(file []byte) (Result, error) {
	s := scan{tool: "gosec"}
	r, err := parse[gosecReport](&s, file)
	if err != nil {
		return Result{}, err
	}
	s.version, s.looked = r.Version, r.Stats.Files > 0
	if len(r.Errors) > 0 {
		s.partial("gosec could not read " + strconv.Itoa(len(r.Errors)) + " files")
	}
	s.claims(r.Stats.Found, len(r.Issues))
	for _, i := range r.Issues {
		if i.NoSec || len(i.Suppressions) > 0 {
			continue
		}
		line, _, _ := strings.Cut(i.Line, "-")
		n, _ := strconv.Atoi(line)
		s.add(record.Finding{
			ID: i.RuleID, Aliases: cweNames(i.CWE.ID), Title: i.Details, Severity: bySeverity(i.Severity), Path: i.File, Line: n, URL: i.CWE.URL,
		}, i.Line, i.Column)
	}
	return s.result()
}
