package evidence

import (
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/record"
)

// TestAlerts reads payloads in the form that GitHub documents. They are written by hand, since no
// such tool can run on a developer's machine. The test of foreign reports reads GitHub's own
// examples.
func TestAlerts(t *testing.T) {
	dependabot := `{"number":1,"state":"open","html_url":"https://github.com/a/b/security/dependabot/1","dependency":{"package":{"ecosystem":"npm","name":"lodash"},"manifest_path":"package-lock.json"},
		"security_advisory":{"ghsa_id":"GHSA-35jh-r3h4-6jhm","cve_id":"CVE-2021-23337","summary":"Command Injection in lodash","severity":"high","cvss":{"score":7.2,"vector_string":"CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H"},"identifiers":[{"type":"GHSA","value":"GHSA-35jh-r3h4-6jhm"},{"type":"CVE","value":"CVE-2021-23337"}]},
		"security_vulnerability":{"severity":"high","first_patched_version":{"identifier":"4.17.21"}}}`
	want := record.Finding{
		ID: "GHSA-35jh-r3h4-6jhm", Aliases: []string{"CVE-2021-23337"}, Severity: "high", Score: 7.2, ScoreVersion: "3.1", Title: "Command Injection in lodash",
		Package: "lodash", Ecosystem: "npm", PURL: "pkg:npm/lodash", Fixed: "4.17.21", Path: "package-lock.json", URL: "https://github.com/a/b/security/dependabot/1",
	}
	for name, c := range map[string]struct {
		text, tool string
		want       record.Finding
	}{
		"a webhook of Dependabot": {`{"action":"created","alert":` + dependabot + `,"repository":{}}`, "Dependabot", want},
		"an alert of the API":     {dependabot, "Dependabot", want},
		"a list of the API":       {`[` + dependabot + `]`, "Dependabot", want},
		"code scanning": {
			`{"action":"created","alert":{"state":"open","html_url":"u","rule":{"id":"js/sqli","severity":"error","security_severity_level":"critical","description":"SQL injection"},"tool":{"name":"CodeQL","version":"2.20"},"most_recent_instance":{"location":{"path":"a.js","start_line":7}}},"commit_oid":"abc"}`,
			"CodeQL",
			record.Finding{ID: "js/sqli", Severity: "critical", Title: "SQL injection", Path: "a.js", Line: 7, URL: "u"},
		},
		"secret scanning": {
			`{"action":"created","alert":{"state":"open","html_url":"u","secret_type":"aws_key","secret_type_display_name":"AWS key","secret":"AKIA"}}`,
			"GitHub secret scanning",
			record.Finding{ID: "aws_key", Severity: "unknown", Title: "AWS key", URL: "u"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Read([]byte(c.text))
			if err != nil || len(r.Findings) != 1 {
				t.Fatalf("%+v, %v", r, err)
			}
			got := r.Findings[0]
			got.Fingerprint = ""
			if len(got.Aliases) == 0 {
				got.Aliases = nil
			}
			if diff := cmp.Diff(c.want, got); diff != "" || r.Tool != c.tool || r.Format != "github-alert" {
				t.Errorf("%s %s -want +got:\n%s", r.Format, r.Tool, diff)
			}
		})
	}
}

// TestNPMVersion1 reads the output of npm 6, pnpm and yarn 1.
func TestNPMVersion1(t *testing.T) {
	r, err := Read([]byte(`{"advisories":{"1065":{"github_advisory_id":"GHSA-jf85-cpcp-j695","cves":["CVE-2019-10744"],"title":"Prototype Pollution","url":"https://npmjs.com/advisories/1065","severity":"critical","module_name":"lodash","patched_versions":">=4.17.12","cvss":{"score":9.1,"vectorString":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:H"},"findings":[{"version":"4.17.11","paths":["app>lodash"]}]}},"metadata":{"dependencies":12}}`))
	if err != nil || len(r.Findings) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	f := r.Findings[0]
	got := fmt.Sprint(f.ID, f.Aliases, f.Severity, f.Score, f.ScoreVersion, f.PURL, f.Installed, f.Fixed, f.Path)
	if want := "GHSA-jf85-cpcp-j695[CVE-2019-10744]critical9.13.1pkg:npm/lodash@4.17.114.17.114.17.12app>lodash"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestTestResult(t *testing.T) {
	statement := func(predicate string) string {
		return `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"x","digest":{"gitCommit":"abc"}}],"predicateType":"https://in-toto.io/attestation/test-result/v0.1","predicate":` + predicate + `}`
	}
	failedOne := statement(`{"result":"FAILED","configuration":[{"name":"ci.yaml"}],"passedTests":["a","b"],"warnedTests":["w"],"failedTests":["c"]}`)
	envelope := `{"payloadType":"application/vnd.in-toto+json","payload":"` + base64.StdEncoding.EncodeToString([]byte(failedOne)) + `","signatures":[]}`
	for name, c := range map[string]struct {
		text           string
		passed, failed int64
		conclusion     string
	}{
		"a statement":                         {failedOne, 3, 1, "failure"},
		"a DSSE envelope":                     {envelope, 3, 1, "failure"},
		"without lists":                       {statement(`{"result":"PASSED","configuration":[]}`), 0, 0, "success"},
		"failed, without lists":               {statement(`{"result":"FAILED","configuration":[]}`), 0, 0, "failure"},
		"it says one thing and lists another": {statement(`{"result":"PASSED","failedTests":["c"]}`), 0, 1, "failure"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Read([]byte(c.text))
			if err != nil || r.Scan || r.Passed != c.passed || r.Failed != c.failed || r.Conclusion != c.conclusion || r.Format != "in-toto-test-result" {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}
