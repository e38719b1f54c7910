package evidence

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/record"
)

// TestScans reads reports of real tools. The numbers were counted by hand from the tools' own text
// output.
func TestScans(t *testing.T) {
	for _, c := range []struct {
		file, format, tool string
		findings           int
		highest            string
	}{
		{"osv-scanner.json", "osv-scanner", "osv-scanner", 52, "critical"},
		{"osv-scanner.sarif", "sarif", "osv-scanner", 52, "critical"},
		{"npm-audit.json", "npm-audit", "npm audit", 7 - 2, "critical"}, // two of the seven entries are derived
		{"bandit.sarif", "sarif", "Bandit", 17, "high"},
		{"cargo-audit.sarif", "sarif", "cargo-audit", 4, "critical"},
		{"eslint.sarif", "sarif", "ESLint", 9, "high"},
		{"gitleaks.sarif", "sarif", "gitleaks", 5, "medium"},
		{"gosec.sarif", "sarif", "gosec", 21, "high"},
		{"semgrep.sarif", "sarif", "Semgrep OSS", 6, "high"},
		{"staticcheck.sarif", "sarif", "Staticcheck", 3, "high"},
		{"hadolint.sarif", "sarif", "Hadolint", 11, "high"},
		{"govulncheck.sarif.gz", "sarif", "govulncheck", 29, "high"},
		{"bandit.json", "bandit", "Bandit", 17, "high"},
		{"cargo-audit.json", "cargo-audit", "cargo-audit", 4, "critical"},
		{"checkov.json.gz", "checkov", "checkov", 49, "unknown"}, // severities are for customers
		{"eslint.json", "eslint", "ESLint", 9, "high"},
		{"eslint-json-with-metadata.json", "eslint", "ESLint", 9, "high"},
		{"gitleaks.json", "gitleaks", "gitleaks", 5, "unknown"},
		{"gl-sast-report.json", "gitlab-report", "Semgrep", 6, "high"},
		{"gosec.json", "gosec", "gosec", 21, "high"},
		{"govulncheck.json.gz", "govulncheck", "govulncheck", 29, "unknown"},
		{"govulncheck.openvex.json", "openvex", "https://pkg.go.dev/golang.org/x/vuln/cmd/govulncheck", 17, "unknown"}, // what is not called is not affected
		{"hadolint.codeclimate", "codeclimate", "", 11, "critical"},
		{"hadolint.gitlab.json", "codeclimate", "", 11, "critical"},
		{"hadolint.json", "hadolint", "hadolint", 11, "high"},
		{"osv-scanner.cdx.json", "cyclonedx", "", 52, "critical"},
		{"pip-audit.cdx.xml", "cyclonedx", "", 17, "unknown"},
		{"pip-audit.json", "pip-audit", "pip-audit", 17, "unknown"},
		{"semgrep.json", "semgrep", "Semgrep OSS", 6, "high"},
		{"shellcheck.json", "shellcheck", "ShellCheck", 14, "high"},
		{"shellcheck.json1.json", "shellcheck", "ShellCheck", 14, "high"},
		{"staticcheck.json", "staticcheck", "Staticcheck", 3, "high"},
		{"detect-secrets.json", "detect-secrets", "detect-secrets", 2, "unknown"},
		{"gosec-sonar.json", "sonar", "gosec", 21, "high"},
		{"shellcheck-checkstyle.xml", "checkstyle", "ShellCheck", 14, "high"},
		{"checkstyle.xml", "checkstyle", "Checkstyle", 12, "high"},
		{"pmd.xml", "pmd", "PMD", 3, "medium"},
	} {
		t.Run(c.file, func(t *testing.T) {
			r, err := Read(read(t, c.file))
			if err != nil {
				t.Fatal(err)
			}
			got := []any{r.Format, r.Tool, r.Scan, r.Summary.Findings, len(r.Findings), r.Summary.Highest, r.Summary.Scanned}
			if diff := cmp.Diff([]any{c.format, c.tool, true, c.findings, c.findings, c.highest, true}, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestOneFinding follows one weakness, the command injection in lodash,
// through three reports.
func TestOneFinding(t *testing.T) {
	for _, c := range []struct {
		file string
		want record.Finding
	}{
		{"osv-scanner.json", record.Finding{
			ID: "GHSA-35jh-r3h4-6jhm", Aliases: []string{"CVE-2021-23337"}, Severity: "high", Score: 7.2, ScoreVersion: "3.1", Title: "Command Injection in lodash",
			Package: "lodash", Ecosystem: "npm", PURL: "pkg:npm/lodash@4.17.15", Installed: "4.17.15", Fixed: "4.17.21",
			Path: "/build/acme/vulnapp/node/package-lock.json", URL: "https://osv.dev/GHSA-35jh-r3h4-6jhm",
		}},
		{"osv-scanner.sarif", record.Finding{
			ID: "CVE-2021-23337", Aliases: []string{"GHSA-35jh-r3h4-6jhm"}, Severity: "high", Score: 7.2, Title: "CVE-2021-23337: Command Injection in lodash",
			Package: "lodash", Installed: "4.17.15", Path: "/build/acme/vulnapp/node/package-lock.json",
		}},
		{"npm-audit.json", record.Finding{
			ID: "GHSA-35jh-r3h4-6jhm", Severity: "high", Score: 7.2, ScoreVersion: "3.1", Title: "Command Injection in lodash",
			Package: "lodash", Ecosystem: "npm", PURL: "pkg:npm/lodash", Fixed: "4.17.21", Path: "node_modules/lodash",
			URL: "https://github.com/advisories/GHSA-35jh-r3h4-6jhm",
		}},
	} {
		t.Run(c.file, func(t *testing.T) {
			r, err := Read(read(t, c.file))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range r.Findings {
				if f.Is("GHSA-35jh-r3h4-6jhm") {
					f.Fingerprint = ""
					if len(f.Aliases) == 0 {
						f.Aliases = nil
					}
					if diff := cmp.Diff(c.want, f); diff != "" {
						t.Errorf("-want +got:\n%s", diff)
					}
					return
				}
			}
			t.Error("the finding is not there")
		})
	}
}

func TestTests(t *testing.T) {
	for _, c := range []struct {
		file                    string
		passed, failed, skipped int64
		conclusion              string
	}{
		{"pytest.xml", 6, 2, 1, "failure"},
		{"pytest-usage-error.xml", 0, 0, 0, "error"}, // no test ran: that is no success
		{"gotestsum-junit.xml", 10, 2, 1, "failure"}, // a flaky test failed and then passed
		{"go-junit-report.xml", 9, 3, 2, "failure"},
		{"surefire.xml", 1, 2, 0, "failure"},
		{"go-test.json", 9, 3, 2, "failure"}, // one package does not compile
		{"go-test-panic.json", 6, 3, 2, "failure"},
	} {
		t.Run(c.file, func(t *testing.T) {
			r, err := Read(read(t, c.file))
			if err != nil {
				t.Fatal(err)
			}
			got := []any{r.Passed, r.Failed, r.Skipped, r.Conclusion, int64(len(r.Failing))}
			if diff := cmp.Diff([]any{c.passed, c.failed, c.skipped, c.conclusion, c.failed}, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestUnreadable(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":                      "",
		"prose":                        "all is well",
		"other JSON":                   `{"some":"thing"}`,
		"results of nobody":            `{"results":[{"some":"thing"}]}`,
		"tests that bandit wrote":      string(read(t, "bandit-junit.xml")),
		"tests that gosec wrote":       string(read(t, "gosec-junit.xml")),
		"tests that semgrep wrote":     string(read(t, "semgrep-junit.xml")),
		"tests that gitleaks wrote":    string(read(t, "gitleaks-junit.xml")),
		"tests that checkov wrote":     string(read(t, "checkov-junit.xml.gz")),
		"a bill of SPDX":               string(read(t, "npm.spdx.json")),
		"an attestation of other kind": `{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://slsa.dev/provenance/v1","predicate":{}}`,
		"a test-result with no result": `{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://in-toto.io/attestation/test-result/v0.1","predicate":{}}`,
		"a run of npm audit that fail": string(read(t, "npm-audit-error.json")),
		"SARIF of another version":     `{"version":"2.0.0","runs":[]}`,
		"SARIF cut short":              `{"version":"2.1.0","runs":[{"results":[`,
		"an array":                     `[1,2]`,
		"an array cut short":           `[{"RuleID":"x","Secret":"y"},`,
		"other XML":                    `<html><body/></html>`,
		"XML cut short":                `<testsuite><testcase name="a">`,
		"billion laughs":               `<!DOCTYPE l [<!ENTITY a "lol"><!ENTITY b "&a;&a;">]><testsuite><testcase name="&b;"/></testsuite>`,
		"XML nested without end":       `<testsuite>` + strings.Repeat("<x>", 1000),
		"go test cut short":            `{"Action":"run","Package":"p","Test":"T"}` + "\n" + `{"Action":`,
	} {
		t.Run(name, func(t *testing.T) {
			if r, err := Read([]byte(text)); !errors.Is(err, ErrUnreadable) {
				t.Errorf("it is read as %+v, %v", r, err)
			}
		})
	}
}

// TestCleanNeedsProof: no findings are good news only if something was scanned.
func TestCleanNeedsProof(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		scanned bool
	}{
		"SARIF with an empty list":    {`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[]}]}`, true},
		"SARIF without a list":        {`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}}}]}`, false},
		"SARIF of a run that failed":  {`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"invocations":[{"executionSuccessful":false}],"results":[]}]}`, false},
		"osv-scanner without results": {`{"results":[]}`, false},
		"an empty list":               {`[]`, false},
		"pip-audit that skipped all":  {string(read(t, "pip-audit-all-skipped.json")), false},
		"its bill":                    {string(read(t, "pip-audit-all-skipped.cdx.json")), false},
		"a bill without weaknesses":   {string(read(t, "sbom.cdx.json")), false},
		"a bill where none was found": {`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"library","name":"a"}],"vulnerabilities":[]}`, true},
		"a bill where none counts":    {`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"library","name":"a"}],"vulnerabilities":[{"id":"CVE-1","analysis":{"state":"not_affected"}}]}`, true},
		"govulncheck that failed":     {string(read(t, "govulncheck-module.json")), false},
		"checkov of nothing":          {string(read(t, "checkov-empty.json")), false},
		"bandit of nothing":           {`{"results":[],"metrics":{"_totals":{"loc":0}}}`, false},
		"bandit of something":         {`{"results":[],"metrics":{"_totals":{"loc":7}}}`, true},
		"semgrep of nothing":          {`{"version":"1","results":[],"paths":{"scanned":[]}}`, false},
		"gosec of nothing":            {`{"Issues":[],"Stats":{"files":0}}`, false},
		"cargo-audit of nothing":      {`{"lockfile":{"dependency-count":0},"vulnerabilities":{"list":[]}}`, false},
		"eslint of a clean file":      {`[{"filePath":"a.js","messages":[]}]`, true},
		"Trivy of nothing":            {`{"SchemaVersion":2,"ArtifactName":"."}`, false},
		"Trivy of something":          {`{"SchemaVersion":2,"ArtifactName":".","Results":[{"Target":"go.mod"}]}`, true},
		"Grype of nothing":            {`{"matches":[],"descriptor":{"name":"grype"},"distro":{"name":""}}`, false},
		"Grype of a distribution":     {`{"matches":[],"descriptor":{"name":"grype"},"distro":{"name":"debian"}}`, true},
		"an alert that was fixed":     {`{"action":"fixed","alert":{"state":"fixed","html_url":"u","security_advisory":{"ghsa_id":"GHSA-x"}}}`, true},
		"VEX of what is not affected": {`{"@context":"https://openvex.dev/ns/v0.2.0","@id":"x","author":"a","version":1,"statements":[{"vulnerability":{"name":"CVE-1"},"status":"not_affected","justification":"component_not_present"}]}`, true},
		"npm audit of nothing":        {`{"auditReportVersion":2,"vulnerabilities":{},"metadata":{"dependencies":{"total":0}}}`, false},
		"npm audit of something":      {`{"auditReportVersion":2,"vulnerabilities":{},"metadata":{"dependencies":{"total":9}}}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Read([]byte(c.text))
			if err != nil || r.Summary.Scanned != c.scanned || r.Summary.Findings != 0 {
				t.Errorf("%+v, %v", r.Summary, err)
			}
		})
	}
}

func TestPackAndUnpack(t *testing.T) {
	for _, size := range []int{1, 100, 5000, 200_000} {
		file := []byte(strings.Repeat("x1 ", size/3+1)[:size])
		r, err := Pack(file, "sarif")
		if err != nil {
			t.Fatal(err)
		}
		got, err := Unpack(&r)
		if err != nil || string(got) != string(file) || r.Content != nil || r.Size != int64(size) {
			t.Errorf("%d bytes: %v, %+v", size, err, r)
		}
	}
	r := record.Report{Content: record.RawJSON(`"abc"`), Digest: "sha256:" + strings.Repeat("0", 64)}
	if _, err := Unpack(&r); !errors.Is(err, ErrDigest) {
		t.Errorf("a digest that does not match: %v", err)
	}
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err == nil && strings.HasSuffix(name, ".gz") {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(b)); err == nil {
			b, err = io.ReadAll(z)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func FuzzRead(f *testing.F) {
	files, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files { // one seed and more for each reader
		if info, err := file.Info(); err == nil && info.Mode().IsRegular() && info.Size() < 20_000 {
			f.Add(read(f, file.Name()))
		}
	}
	f.Add([]byte(`{"results":[{"packages":[{"package":{"name":"a"},"groups":[{"ids":["x"]}]}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Read(b)
		if err != nil {
			if !errors.Is(err, ErrUnreadable) || strings.Contains(err.Error(), "the reader failed") {
				t.Error(err)
			}
			return
		}
		if r.Format == "" || len(r.Findings) > MaxFindings {
			t.Errorf("%+v", r)
		}
	})
}

func FuzzUnpack(f *testing.F) {
	f.Add([]byte(`"H4sIAAAAAAAA/wMAAAAAAAAAAAA="`), "gzip+base64")
	f.Add([]byte(`"e30="`), "base64")
	f.Add([]byte(`{}`), "json")
	f.Fuzz(func(_ *testing.T, content []byte, encoding string) {
		_, _ = Unpack(&record.Report{Content: content, Encoding: encoding})
	})
}

func TestAReportThatUnpacksToFarMoreIsRefused(t *testing.T) {
	for _, k := range []struct {
		name string
		file []byte
		want string
	}{
		{"of spaces", append([]byte("{"), bytes.Repeat([]byte(" "), 16<<20)...), "more than 250 times its size"},
		{"of one line", bytes.Repeat([]byte("not ok\n"), 2<<20), "more than 250 times its size"},
		{"small, of spaces", append([]byte("{"), bytes.Repeat([]byte(" "), 2<<20)...), ""},
	} {
		r, err := Pack(k.file, "")
		if err != nil {
			t.Fatal(err)
		}
		r.Size, r.Digest = 0, ""
		asked := int64(0)
		file, err := Reader{Reserve: func(n int64) error { asked += n; return nil }}.unpack(&r)
		if k.want == "" && (err != nil || asked < int64(len(file))) || k.want != "" && (err == nil || !strings.Contains(err.Error(), k.want)) {
			t.Errorf("%s: %v, %d bytes asked for", k.name, err, asked)
		}
		if k.want != "" && asked > 8<<20 {
			t.Errorf("%s: %d bytes were taken", k.name, asked)
		}
	}
	full := errors.New("full")
	r, _ := Pack(bytes.Repeat([]byte("0123456789"), 1<<12), "")
	if _, err := (Reader{Reserve: func(int64) error { return full }}).unpack(&r); !errors.Is(err, full) || errors.Is(err, ErrUnreadable) {
		t.Errorf("without room: %v", err)
	}
}
