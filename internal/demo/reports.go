package demo

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

// An advisory is a public advisory of osv.dev and GitHub's database.
type advisory struct {
	language, ecosystem, pkg, bad, good string
	ghsa, cve, severity, vector, title  string
}

// purl returns the package URL of the package.
func (a advisory) purl() string {
	kinds := map[string]string{"npm": "npm", "PyPI": "pypi", "Go": "golang"}
	return "pkg:" + kinds[a.ecosystem] + "/" + a.pkg
}

var advisories = []advisory{
	{"node", "npm", "lodash", "4.17.20", "4.17.21", "GHSA-35jh-r3h4-6jhm", "CVE-2021-23337", "high", "CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H", "Command Injection in lodash"},
	{"node", "npm", "minimist", "1.2.5", "1.2.6", "GHSA-xvch-5gv4-984h", "CVE-2021-44906", "critical", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "Prototype Pollution in minimist"},
	{"node", "npm", "ws", "8.16.0", "8.17.1", "GHSA-3h5v-q93c-6h6q", "CVE-2024-37890", "high", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", "ws affected by a DoS when handling a request with many HTTP headers"},
	{"node", "npm", "semver", "7.5.1", "7.5.2", "GHSA-c2qf-rxjj-qqgw", "CVE-2022-25883", "high", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", "semver vulnerable to Regular Expression Denial of Service"},
	{"python", "PyPI", "requests", "2.30.0", "2.31.0", "GHSA-j8r2-6x86-q33q", "CVE-2023-32681", "medium", "CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:C/C:H/I:N/A:N", "Unintended leak of Proxy-Authorization header in requests"},
	{"python", "PyPI", "jinja2", "3.1.2", "3.1.3", "GHSA-h5c8-rqwp-cp95", "CVE-2024-22195", "medium", "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", "Jinja vulnerable to HTML attribute injection when passing user input as keys to xmlattr filter"},
	{"python", "PyPI", "pyyaml", "5.3.1", "5.4", "GHSA-8q59-q68h-6hv4", "CVE-2020-14343", "critical", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "Improper Input Validation in PyYAML"},
	{"python", "PyPI", "urllib3", "1.26.16", "1.26.17", "GHSA-v845-jxx5-vc9f", "CVE-2023-43804", "high", "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:N", "`Cookie` HTTP header isn't stripped on cross-origin redirects"},
	{"go", "Go", "golang.org/x/net", "0.15.0", "0.17.0", "GHSA-4374-p667-p6c8", "CVE-2023-39325", "high", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", "HTTP/2 rapid reset can cause excessive work in net/http"},
	{"go", "Go", "golang.org/x/crypto", "0.30.0", "0.31.0", "GHSA-v778-237x-gjrc", "CVE-2024-45337", "critical", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:N", "Misuse of ServerConfig.PublicKeyCallback may cause authorization bypass in golang.org/x/crypto"},
	{"go", "Go", "google.golang.org/protobuf", "1.32.0", "1.33.0", "GHSA-8r3f-844c-mc37", "CVE-2024-24786", "medium", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:L", "Golang protojson.Unmarshal function infinite loop when unmarshaling certain forms of invalid JSON"},
	{"go", "Go", "golang.org/x/text", "0.3.7", "0.3.8", "GHSA-69ch-w2m2-3vjp", "CVE-2022-32149", "high", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", "golang.org/x/text/language Denial of service via crafted Accept-Language header"},
}

var lockfiles = map[string]string{"node": "package-lock.json", "python": "requirements.txt", "go": "go.mod"}

type object = map[string]any

func encode(v any) []byte {
	b, _ := json.MarshalIndent(v, "", "  ") // cannot fail: texts and numbers only
	return b
}

// osv returns a report of osv-scanner 1.9, with one package for each advisory.
func osv(of string, found []advisory) []byte {
	var packages []any
	for _, a := range found {
		packages = append(packages, object{
			"package": object{"name": a.pkg, "version": a.bad, "ecosystem": a.ecosystem},
			"groups":  []any{object{"ids": []string{a.ghsa}, "aliases": []string{a.cve, a.ghsa}, "max_severity": ""}},
			"vulnerabilities": []any{object{
				"id": a.ghsa, "aliases": []string{a.cve}, "summary": a.title,
				"severity":          []any{object{"type": "CVSS_V3", "score": a.vector}},
				"database_specific": object{"severity": strings.ToUpper(a.severity)},
				"affected": []any{object{
					"package": object{"name": a.pkg, "ecosystem": a.ecosystem},
					"ranges":  []any{object{"type": "SEMVER", "events": []any{object{"introduced": "0"}, object{"fixed": a.good}}}},
				}},
			}},
		})
	}
	return encode(object{"results": []any{object{"source": object{"path": of, "type": "lockfile"}, "packages": packages}}})
}

// trivy returns a report of Trivy 0.58 on a repository.
func trivy(of string, found []advisory, at time.Time) []byte {
	kinds := map[string]string{"node": "npm", "python": "pip", "go": "gomod"}
	var list []any
	for _, a := range found {
		list = append(list, object{
			"VulnerabilityID": a.cve, "VendorIDs": []string{a.ghsa}, "PkgName": a.pkg, "InstalledVersion": a.bad, "FixedVersion": a.good,
			"Status": "fixed", "SeveritySource": "ghsa", "Severity": strings.ToUpper(a.severity), "Title": a.title, "PrimaryURL": "https://avd.aquasec.com/nvd/" + strings.ToLower(a.cve),
		})
	}
	return encode(object{
		"SchemaVersion": 2, "CreatedAt": at.UTC().Format(time.RFC3339), "ArtifactName": ".", "ArtifactType": "repository", "Trivy": object{"Version": "0.58.1"},
		"Results": []any{object{"Target": of, "Class": "lang-pkgs", "Type": kinds[found[0].language], "Vulnerabilities": list}},
	})
}

// A weakness is a finding of semgrep in the company's own code.
type weakness struct{ rule, level, severity, title, file string }

var weaknesses = map[string][]weakness{
	"go": {
		{"go.lang.security.audit.database.string-formatted-query", "ERROR", "high", "String-formatted SQL query detected", "internal/store/query.go"},
		{"go.lang.security.audit.net.use-tls", "WARNING", "medium", "Found an HTTP server without TLS", "internal/auth/server.go"},
	},
	"python": {
		{"python.lang.security.audit.subprocess-shell-true", "ERROR", "high", "Found subprocess call with shell=True", "app/jobs/export.py"},
		{"python.lang.security.deserialization.avoid-pickle", "WARNING", "medium", "Avoid using pickle on data that may be untrusted", "app/auth/session.py"},
	},
	"node": {
		{"javascript.express.security.audit.express-open-redirect", "WARNING", "medium", "The application redirects to a URL that the user controls", "src/auth/callback.js"},
		{"javascript.lang.security.audit.detect-child-process", "ERROR", "high", "A command is built from what a caller gives", "src/jobs/run.js"},
	},
}

// semgrep returns a SARIF 2.1.0 file in the form of semgrep 1.97.
func semgrep(found []weakness, prefix string, line int) []byte {
	levels := map[string]string{"ERROR": "error", "WARNING": "warning"}
	var rules, results []any
	for _, w := range found {
		rules = append(rules, object{
			"id": w.rule, "name": w.rule, "shortDescription": object{"text": w.title}, "defaultConfiguration": object{"level": levels[w.level]},
			"helpUri": "https://semgrep.dev/r/" + w.rule,
		})
		results = append(results, object{
			"ruleId": w.rule, "message": object{"text": w.title},
			"locations": []any{object{"physicalLocation": object{"artifactLocation": object{"uri": prefix + w.file, "uriBaseId": "%SRCROOT%"}, "region": object{"startLine": line, "endLine": line, "startColumn": 5, "endColumn": 48}}}},
		})
	}
	return encode(object{
		"$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json", "version": "2.1.0",
		"runs": []any{object{"tool": object{"driver": object{"name": "Semgrep OSS", "semanticVersion": "1.97.0", "rules": rules}}, "results": results, "invocations": []any{object{"executionSuccessful": true}}}},
	})
}

var caseNames = []string{"TestReadsAnEmptyFile", "TestRefusesATokenThatExpired", "TestRoundsHalfToEven", "TestRetriesAfterATimeout", "TestKeepsTheOrder", "TestEscapesWhatAUserGives", "TestClosesIdleConnections", "TestAcceptsUnicodeNames"}

// junit returns a JUnit XML file in the form of pytest and gotestsum.
func junit(suite string, passed int, failing []string, at time.Time) []byte {
	type failure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	type testcase struct {
		Class   string   `xml:"classname,attr"`
		Name    string   `xml:"name,attr"`
		Time    string   `xml:"time,attr"`
		Failure *failure `xml:"failure"`
	}
	type testsuite struct {
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Time     string     `xml:"timestamp,attr"`
		Cases    []testcase `xml:"testcase"`
	}
	s := testsuite{Name: suite, Tests: passed + len(failing), Failures: len(failing), Time: at.UTC().Format("2006-01-02T15:04:05")}
	for i := range passed {
		s.Cases = append(s.Cases, testcase{suite, fmt.Sprintf("%s/%d", caseNames[i%len(caseNames)], i/len(caseNames)), fmt.Sprintf("0.%03d", 7+i*13%90), nil})
	}
	for _, name := range failing {
		s.Cases = append(s.Cases, testcase{suite, name, "0.412", &failure{"want 200, got 500", "handler_test.go:88: want 200, got 500"}})
	}
	b, _ := xml.MarshalIndent(struct {
		XMLName xml.Name    `xml:"testsuites"`
		Suites  []testsuite `xml:"testsuite"`
	}{Suites: []testsuite{s}}, "", "  ") // cannot fail: texts and numbers only
	return append([]byte(xml.Header), b...)
}

// gotest returns the output of go test -json.
func gotest(pkg string, passed int, failing []string, at time.Time) []byte {
	var b strings.Builder
	line := func(action, test, output string, elapsed float64) {
		at = at.Add(11 * time.Millisecond)
		o := object{"Time": at.UTC().Format(time.RFC3339Nano), "Action": action, "Package": pkg}
		if test != "" {
			o["Test"] = test
		}
		if output != "" {
			o["Output"] = output
		}
		if action == "pass" || action == "fail" {
			o["Elapsed"] = elapsed
		}
		text, _ := json.Marshal(o)
		b.Write(append(text, '\n'))
	}
	line("start", "", "", 0)
	for i := range passed {
		name := fmt.Sprintf("%s%d", caseNames[i%len(caseNames)], i/len(caseNames))
		line("run", name, "", 0)
		line("pass", name, "", 0.01)
	}
	for _, name := range failing {
		line("run", name, "", 0)
		line("output", name, "    handler_test.go:88: want 200, got 500\n", 0)
		line("fail", name, "", 0.4)
	}
	end := "pass"
	if len(failing) > 0 {
		end = "fail"
	}
	line(end, "", "", 1.2)
	return []byte(b.String())
}
