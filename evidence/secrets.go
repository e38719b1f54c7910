package evidence

import (
	"fmt"
	"maps"
	"slices"

	"github.com/changetrail/changetrail/record"
)

// gitleaksLeak is an entry of gitleaks -f json, of version 8 and of version 7.
type gitleaksLeak struct {
	Rule        string `json:"RuleID"`
	Description string `json:"Description"`
	File        string `json:"File"`
	Line        int    `json:"StartLine"`
	Column      int    `json:"StartColumn"`
	EndColumn   int    `json:"EndColumn"`
	Secret      string `json:"Secret"`
	Commit      string `json:"Commit"`

	Rule7     string `json:"rule"`
	File7     string `json:"file"`
	Line7     int    `json:"lineNumber"`
	Offender7 string `json:"offender"`
	Commit7   string `json:"commit"`
}

// readGitleaks reads a list of leaks. It drops the leaked secrets.
func readGitleaks(file []byte) (Result, error) {
	s := scan{tool: "gitleaks"}
	leaks, err := parse[[]gitleaksLeak](&s, file)
	if err != nil {
		return Result{}, err
	}
	for _, l := range leaks {
		f := record.Finding{ID: orElse(l.Rule, l.Rule7), Title: orElse(l.Description, l.Rule7), Path: orElse(l.File, l.File7), Line: max(l.Line, l.Line7)}
		if commit := orElse(l.Commit, l.Commit7); commit != "" {
			f.Path += " (commit " + commit + ")"
		}
		s.add(f, fmt.Sprint(l.Column, l.EndColumn), l.Secret, l.Offender7)
	}
	return s.result()
}

// detectSecretsBaseline is the baseline of Yelp's detect-secrets
// (https://github.com/Yelp/detect-secrets/blob/master/docs/design.md).
type detectSecretsBaseline struct {
	Version string `json:"version"`
	Results map[string][]struct {
		Type     string `json:"type"`
		Line     int    `json:"line_number"`
		Hash     string `json:"hashed_secret"`
		IsSecret *bool  `json:"is_secret"`
	} `json:"results"`
}

// readDetectSecrets reads a baseline. An entry that a person audited as no secret is no finding. It
// does not name the files without findings.
func readDetectSecrets(file []byte) (Result, error) {
	s := scan{tool: "detect-secrets"}
	r, err := parse[detectSecretsBaseline](&s, file)
	if err != nil {
		return Result{}, err
	}
	s.version = r.Version
	for _, path := range slices.Sorted(maps.Keys(r.Results)) {
		for _, x := range r.Results[path] {
			if x.IsSecret == nil || *x.IsSecret {
				s.add(record.Finding{ID: x.Type, Title: x.Type, Path: path, Line: x.Line}, x.Hash)
			}
		}
	}
	return s.result()
}
