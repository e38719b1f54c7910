package evidence

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestOneFormatAlone: each report of a real tool matches a single format. With any member of
// another format added it matches that one or none, never the other.
func TestOneFormatAlone(t *testing.T) {
	files, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if file.IsDir() {
			continue
		}
		s, err := look(textOf(read(t, file.Name())))
		if err != nil {
			continue // other kinds of text
		}
		var names []string
		for _, f := range formats {
			if f.is(s) {
				names = append(names, f.name)
			}
		}
		if len(distinct(names)) > 1 {
			t.Errorf("%s is taken for %s", file.Name(), names)
		}
	}
}

// TestOfNoFormat: files of other tools, and files that match two formats, are refused with the
// names of the supported formats.
func TestOfNoFormat(t *testing.T) {
	for name, text := range map[string]string{
		"a fuzzer with a config":            `{"commandline":"fuzz","time":"t","results":[{"url":"u","status":200}],"config":{"method":"GET"}}`,
		"a config alone":                    `{"config":{"a":1}}`,
		"a tool with matches":               `{"matches":[{"x":1}],"descriptor":{"name":"other"}}`,
		"a bill of Syft":                    `{"artifacts":[],"source":{},"distro":{},"descriptor":{"name":"syft"},"schema":{}}`,
		"results with metrics of its own":   `{"results":[{"a":1}],"metrics":{"cpu":1}}`,
		"results with paths of its own":     `{"results":[{"a":1}],"paths":{"x":[]}}`,
		"results with errors of its own":    `{"results":[{"a":1}],"errors":[]}`,
		"results of nobody":                 `{"results":[{"packages":1}]}`,
		"vulnerabilities of nobody":         `{"version":"1","vulnerabilities":[{"name":"x"}]}`,
		"vulnerabilities without a version": `{"vulnerabilities":[]}`,
		"dependencies of nobody":            `{"dependencies":[{"name":"a","version":"1"}]}`,
		"issues of nobody":                  `{"issues":[{"title":"x"}]}`,
		"an API's page of issues":           `{"total":0,"issues":[],"components":[]}`,
		"comments of nobody":                `{"comments":[{"body":"x"}]}`,
		"an advisory list of nobody":        `{"advisories":{}}`,
		"lines of a log":                    `{"type":"info","data":"x","time":"t"}`,
		"an object with a code":             `{"code":"E1","location":{"x":1}}`,
		"a lock file":                       `{"lockfile":{"a":1},"vulnerabilities":{}}`,
		"SARIF and Grype at once":           `{"version":"2.1.0","runs":[],"matches":[],"descriptor":{"name":"grype"}}`,
		"Trivy and CycloneDX at once":       `{"bomFormat":"CycloneDX","specVersion":"1.6","SchemaVersion":2,"ArtifactName":"x"}`,
		"a bill of another namespace":       `<bom xmlns="http://example.org/bill-of-materials"><components/></bom>`,
		"XML of Dependency-Check":           `<analysis xmlns="https://jeremylong.github.io/DependencyCheck/dependency-check.4.1.xsd"/>`,
	} {
		r, err := Read([]byte(text))
		if err == nil {
			t.Errorf("%s is read as %+v", name, r)
		} else if !regexp.MustCompile(`supported formats are .*sarif.*trivy|the format is ambiguous: it may be .* or |supported XML formats are JUnit`).MatchString(err.Error()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// listed are members in which tools list their findings.
var listed = []string{
	"vulnerabilities", "results", "matches", "findings", "issues", "failed_checks", "advisories", "vulns", "queries", "messages", "comments",
	"infrastructureAsCodeIssues", "Vulnerabilities", "Secrets", "Licenses", "Issues", "list", "groups", "license_violations",
}

// excused are words in a report that say that an entry is no finding.
var excused = []string{
	"suppressions", "absent", "pass", "notApplicable", "informational", "not_affected", "false_positive", "resolved", "unaffected", "fixed", "dismissed", "closed",
	"is_ignored", "isIgnored", "nosec", "is_secret", "ignored", "EXCEPTION",
}

// hints reports whether anything in a report looks like a finding: a list of findings with an
// object that nothing excuses. It knows no format.
func hints(v any) bool {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if hints(x) {
				return true
			}
		}
	case map[string]any:
		for name, x := range v {
			list, isList := x.([]any)
			for _, want := range listed {
				if name != want || !isList {
					continue
				}
				for _, entry := range list {
					if o, ok := entry.(map[string]any); ok && len(o) > 0 && !nested(o) {
						return true
					}
				}
			}
			if hints(x) {
				return true
			}
		}
	}
	return false
}

// nested reports whether an entry only contains lists of others, as an entry for a file does.
func nested(o map[string]any) bool {
	for name, x := range o {
		for _, want := range append(listed, "packages") {
			if name == want {
				if _, ok := x.([]any); ok {
					return true
				}
			}
		}
	}
	return false
}

// FuzzNothingFoundIsClean: a report that is read as clean contains nothing that looks like a
// finding to a reader without formats.
func FuzzNothingFoundIsClean(f *testing.F) {
	files, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		if info, err := file.Info(); err == nil && info.Mode().IsRegular() && info.Size() < 20_000 {
			f.Add(read(f, file.Name()))
		}
	}
	for _, seed := range []string{
		one(`"ruleId":"R"`), one(`"ruleId":"R","kind":"pass"`),
		`{"SchemaVersion":2,"ArtifactName":"i","Results":[{"Target":"t","Vulnerabilities":[{"VulnerabilityID":"CVE-1","PkgName":"p"}]}]}`,
		`{"matches":[{"vulnerability":{"id":"CVE-1"},"artifact":{"name":"p"}}],"distro":{"name":"debian"},"descriptor":{"name":"grype"}}`,
		`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"bom-ref":"a","name":"a"}],"vulnerabilities":[{"id":"CVE-1","affects":[{"ref":"a","versions":[{"version":"1","status":"unaffected"}]}]}]}`,
		`{"results":[{"source":{"path":"l"},"packages":[{"package":{"name":"p"},"vulnerabilities":[{"id":"X"}]}]}]}`,
		`{"ok":true,"packageManager":"npm","dependencyCount":9,"vulnerabilities":[{"id":"S"}]}`,
		`{"kics_version":"v2","files_scanned":2,"queries":[{"query_name":"Q","files":[]}]}`,
		`{"reportSchema":"1.1","scanInfo":{},"dependencies":[{"fileName":"a","vulnerabilities":[{"name":"CVE-1"}]}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := Read(file)
		if err != nil || !r.Scan || r.Summary.Findings > 0 || !r.Summary.Scanned {
			return
		}
		var whole any
		d := json.NewDecoder(bytes.NewReader(textOf(file)))
		for d.Decode(&whole) == nil {
			if hints(whole) && !containsAny(string(file), excused) {
				t.Errorf("clean, as %s: %s", r.Format, file)
			}
		}
	})
}

func containsAny(text string, words []string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}
