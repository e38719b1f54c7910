package evidence

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
)

// sonarReport is a report of generic issues for SonarQube, which gosec and others write
// (https://docs.sonarsource.com/sonarqube-server/analyzing-source-code/importing-external-issues/generic-issue-import-format/).
type sonarReport struct {
	Rules  []sonarRule `json:"rules"`
	Issues []struct {
		Rule     string         `json:"ruleId"`
		Engine   string         `json:"engineId"` // here in older reports
		Severity string         `json:"severity"`
		Place    jsontext.Value `json:"primaryLocation"`
	} `json:"issues"`
}

type sonarRule struct {
	ID          string        `json:"id"`
	Name        string        `json:"name"`
	Description string        `json:"description"`
	Engine      string        `json:"engineId"`
	Severity    string        `json:"severity"`
	Impacts     []sonarImpact `json:"impacts"`
}

type sonarImpact struct {
	Quality  string `json:"softwareQuality"`
	Severity string `json:"severity"`
}

type sonarPlace struct {
	Message string `json:"message"`
	File    string `json:"filePath"`
	Range   struct {
		Line int `json:"startLine"`
	} `json:"textRange"`
}

// readSonar reads a report, which does not say what was scanned.
func readSonar(file []byte) (Result, error) {
	var s scan
	r, err := parse[sonarReport](&s, file)
	if err != nil {
		return Result{}, err
	}
	rules := make(map[string]sonarRule)
	for _, rule := range r.Rules {
		rules[rule.ID] = rule
	}
	for _, i := range r.Issues {
		at, err := parse[sonarPlace](&s, orNull(i.Place))
		if err != nil {
			return Result{}, err
		}
		f := record.Finding{ID: i.Rule, Scanner: i.Engine, Severity: bySeverity(i.Severity), Title: at.Message, Path: at.File, Line: at.Range.Line}
		if rule, ok := rules[i.Rule]; ok && (i.Engine == "" || rule.Engine == "" || rule.Engine == i.Engine) {
			rule.describe(&f)
		}
		s.tool = orElse(s.tool, f.Scanner)
		s.add(f, at.Message, string(canonical(i.Place)))
	}
	return s.result()
}

// describe sets what a rule says about all its issues.
func (rule *sonarRule) describe(f *record.Finding) {
	f.Scanner, f.Title = orElse(f.Scanner, rule.Engine), orElse(rule.Description, orElse(rule.Name, f.Title))
	f.Severity = record.MaxSeverity(f.Severity, bySeverity(rule.Severity))
	for _, x := range rule.Impacts[:min(len(rule.Impacts), maxNested)] {
		f.Severity = record.MaxSeverity(f.Severity, bySeverity(x.Severity))
	}
}
