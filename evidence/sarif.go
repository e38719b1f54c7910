package evidence

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
)

// sarifLog is the part of SARIF 2.1.0 that is read (OASIS, section 3.13 on).
type sarifLog struct {
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool struct {
		Driver     sarifDriver   `json:"driver"`
		Extensions []sarifDriver `json:"extensions"`
	} `json:"tool"`
	Results     *[]sarifResult `json:"results"` // absent: the run produced none because it did not look
	Invocations []struct {
		Successful *bool `json:"executionSuccessful"`
	} `json:"invocations"`
}

type sarifDriver struct {
	Name            string      `json:"name"`
	Version         string      `json:"version"`
	SemanticVersion string      `json:"semanticVersion"`
	Rules           []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID                   string    `json:"id"`
	DeprecatedIDs        []string  `json:"deprecatedIds"`
	ShortDescription     sarifText `json:"shortDescription"`
	FullDescription      sarifText `json:"fullDescription"`
	HelpURI              string    `json:"helpUri"`
	DefaultConfiguration struct {
		Level string `json:"level"`
	} `json:"defaultConfiguration"`
	Properties jsontext.Value `json:"properties"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifResult struct {
	RuleID    string `json:"ruleId"`
	RuleIndex *int   `json:"ruleIndex"`
	Rule      struct {
		ID    string `json:"id"`
		Index *int   `json:"index"`
	} `json:"rule"`
	Level        string           `json:"level"`
	Kind         string           `json:"kind"`
	Message      sarifText        `json:"message"`
	Suppressions []jsontext.Value `json:"suppressions"`
	Locations    []struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
			Region struct {
				StartLine int `json:"startLine"`
			} `json:"region"`
		} `json:"physicalLocation"`
	} `json:"locations"`
	Properties jsontext.Value `json:"properties"`
}

func readSARIF(file []byte) (Result, error) {
	log, err := decodeJSON[sarifLog](file)
	if err != nil {
		return Result{}, err
	}
	if log.Version != "2.1.0" {
		return Result{}, unreadable("SARIF %s; only 2.1.0 is read", log.Version)
	}
	var tool, version string
	var findings []record.Finding
	looked := false
	for _, run := range log.Runs {
		if tool == "" {
			tool, version = run.Tool.Driver.Name, cmp.Or(run.Tool.Driver.Version, run.Tool.Driver.SemanticVersion)
		}
		if run.Results == nil {
			continue
		}
		looked = looked || ranWell(run)
		for _, r := range *run.Results {
			if len(r.Suppressions) > 0 || r.Kind != "" && r.Kind != "fail" && r.Kind != "open" && r.Kind != "review" {
				continue
			}
			findings = append(findings, sarifFinding(run, r))
		}
	}
	return scanned(tool, version, findings, looked)
}

// ranWell reports whether a run with results, perhaps none, shows that it
// looked: a run that says it failed shows nothing.
func ranWell(run sarifRun) bool {
	for _, i := range run.Invocations {
		if i.Successful != nil && !*i.Successful {
			return false
		}
	}
	return true
}

func sarifFinding(run sarifRun, r sarifResult) record.Finding {
	rule := ruleOf(run, r)
	id := r.RuleID
	for _, other := range []string{r.Rule.ID, rule.ID} {
		if id == "" {
			id = other
		}
	}
	f := record.Finding{ID: id, Aliases: distinct(append([]string{}, rule.DeprecatedIDs...)), URL: rule.HelpURI, Title: rule.ShortDescription.Text}
	if f.Title == "" {
		f.Title = r.Message.Text
	}
	if score := securitySeverity(r.Properties, rule.Properties); score > 0 {
		f.Score, f.Severity = score, byScore(score)
	} else {
		f.Severity = bySeverity(level(r, rule))
	}
	if len(r.Locations) > 0 {
		f.Path = strings.TrimPrefix(r.Locations[0].Physical.Artifact.URI, "file://")
		f.Line = r.Locations[0].Physical.Region.StartLine
	}
	packageInText(&f, r.Message.Text)
	return f
}

// level follows SARIF 2.1.0, 3.27.10: the result's own, else the rule's
// default, else warning.
func level(r sarifResult, rule sarifRule) string {
	for _, l := range []string{r.Level, rule.DefaultConfiguration.Level} {
		if l != "" {
			return l
		}
	}
	return "warning"
}

func ruleOf(run sarifRun, r sarifResult) sarifRule {
	rules := run.Tool.Driver.Rules
	for _, i := range []*int{r.RuleIndex, r.Rule.Index} {
		if i != nil && *i >= 0 && *i < len(rules) && (r.RuleID == "" || strings.HasPrefix(r.RuleID, rules[*i].ID)) {
			return rules[*i]
		}
	}
	for _, rule := range rules {
		if rule.ID == r.RuleID || rule.ID == r.Rule.ID {
			return rule
		}
	}
	return sarifRule{}
}

// securitySeverity reads the property of that name, as GitHub code scanning
// defines it: a CVSS score, written as a string by most and as a number by some.
func securitySeverity(bags ...jsontext.Value) float64 {
	for _, bag := range bags {
		var p struct {
			Severity jsontext.Value `json:"security-severity"`
		}
		if bag.Kind() != '{' || json.Unmarshal(bag, &p, lenient) != nil {
			continue
		}
		if score, err := strconv.ParseFloat(strings.Trim(string(p.Severity), `"`), 64); err == nil && score >= 0 && score <= 10 {
			return score
		}
	}
	return 0
}

// osv-scanner names the package only in the message of its SARIF results.
var osvMessage = regexp.MustCompile(`^Package '([^']+)@([^'@]*)' is vulnerable to '([^']+)'(?: \(also known as (.*)\))?`)

func packageInText(f *record.Finding, text string) {
	m := osvMessage.FindStringSubmatch(text)
	if m == nil {
		return
	}
	f.Package, f.Installed = m[1], m[2]
	for _, alias := range strings.Split(m[4], ",") {
		if alias = strings.Trim(alias, " '"); alias != "" {
			f.Aliases = distinct(append(f.Aliases, alias))
		}
	}
}
