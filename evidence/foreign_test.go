//go:build servers

package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/internal/foreign"
	"github.com/changetrail/changetrail/record"
)

// TestTrivyGolden reads every report in the golden files of Trivy's own tests,
// and counts what it finds against what Trivy wrote.
func TestTrivyGolden(t *testing.T) {
	dir := foreign.Module(t, "github.com/aquasecurity/trivy", "v0.69.3")
	files := 0
	walk(t, filepath.Join(dir, "integration", "testdata"), ".json.golden", func(path string, file []byte) {
		var whole struct {
			SchemaVersion int
			ArtifactName  string
			Results       []struct {
				Vulnerabilities   []struct{ VulnerabilityID, PkgName, InstalledVersion string }
				Misconfigurations []struct{ ID, Status string }
				Secrets, Licenses []json.RawMessage
			}
		}
		if json.Unmarshal(file, &whole) != nil || whole.SchemaVersion != 2 || whole.ArtifactName == "" {
			return // reports in other formats
		}
		want := 0
		for _, r := range whole.Results {
			want += len(r.Vulnerabilities) + len(r.Secrets) + len(r.Licenses)
			for _, m := range r.Misconfigurations {
				if m.Status == "FAIL" {
					want++
				}
			}
		}
		r, err := Read(file)
		if err != nil || r.Format != "trivy" {
			t.Errorf("%s: %s %v", path, r.Format, err)
			return
		}
		files++
		// The same weakness of the same package in the same place counts once.
		if r.Summary.Findings > want || want > 0 && r.Summary.Findings < want*3/4 || r.Summary.Scanned != (len(whole.Results) > 0) {
			t.Errorf("%s: %d findings, Trivy lists %d; scanned %v", path, r.Summary.Findings, want, r.Summary.Scanned)
		}
		for _, f := range r.Findings {
			if f.ID == "" || f.Severity == "" {
				t.Errorf("%s: %+v", path, f)
			}
		}
	})
	if files < 50 {
		t.Errorf("only %d reports were found", files)
	}
	t.Logf("%d reports of Trivy", files)

	r, err := Read(file(t, filepath.Join(dir, "integration", "testdata", "npm.json.golden")))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		if f.Is("CVE-2019-11358") {
			got := fmt.Sprintf("%s %.1f/%s %s %s→%s %s", f.Severity, f.Score, f.ScoreVersion, f.PURL, f.Installed, f.Fixed, f.Path)
			if want := "medium 6.1/3.1 pkg:npm/jquery@3.3.9 3.3.9→3.4.0 package-lock.json"; got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
			return
		}
	}
	t.Error("CVE-2019-11358 is not in npm.json.golden")
}

// packages returns what a report says about packages: weakness, package, version, and other fields
// that the format has.
func packages(t *testing.T, content []byte, more func(f record.Finding) string) map[string]bool {
	t.Helper()
	r, err := Read(content)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]bool)
	for _, f := range r.Findings {
		out[f.ID+" "+f.Package+" "+f.Installed+" "+more(f)] = true
	}
	return out
}

func nothingMore(record.Finding) string    { return "" }
func withFix(f record.Finding) string      { return f.Fixed }
func withSeverity(f record.Finding) string { return f.Fixed + " " + f.Severity }

// TestTrivyOutputsAgree compares Trivy's other formats for a run with its JSON.
func TestTrivyOutputsAgree(t *testing.T) {
	dir := filepath.Join(foreign.Module(t, "github.com/aquasecurity/trivy", "v0.69.3"), "integration", "testdata")
	for _, c := range []struct {
		json, other string
		more        func(record.Finding) string
	}{
		{"alpine-310.json.golden", "alpine-310.sarif.golden", withSeverity},
		{"alpine-310.json.golden", "alpine-310.gitlab.golden", withSeverity},
		{"alpine-310.json.golden", "alpine-310.gitlab-codequality.golden", nothingMore},
		{"npm.json.golden", "npm.gitlab.golden", nothingMore},
		{"pom.json.golden", "pom-cyclonedx.json.golden", withFix},
		{"fluentd-multiple-lockfiles.json.golden", "fluentd-multiple-lockfiles-short.cdx.json.golden", withFix},
	} {
		t.Run(c.other, func(t *testing.T) {
			want, got := packages(t, file(t, filepath.Join(dir, c.json)), c.more), packages(t, file(t, filepath.Join(dir, c.other)), c.more)
			if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
				t.Errorf("%d findings, -JSON +other:\n%s", len(want), diff)
			}
		})
	}
	for _, name := range []string{"alpine-310.junit.golden", "alpine-310.asff.golden", "alpine-310.gsbom.golden", "alpine-310.html.golden"} {
		if r, err := Read(file(t, filepath.Join(dir, name))); !errors.Is(err, ErrUnreadable) {
			t.Errorf("%s is read as %s with %d findings, %v", name, r.Format, r.Summary.Findings, err)
		}
	}
}

// TestGrypeOutputsAgree compares the SARIF and the CycloneDX of Grype's own tests with their JSON.
// The fixtures are similar, not equal: each has its own package name.
func TestGrypeOutputsAgree(t *testing.T) {
	dir := filepath.Join(foreign.Module(t, "github.com/anchore/grype", "v0.121.2"), "grype", "presenter")
	golden := func(path string) []byte { return file(t, filepath.Join(dir, path)) }
	want := packages(t, golden("json/testdata/snapshot/TestJsonImgsPresenter.golden"), withSeverity)
	for _, path := range []string{
		"sarif/testdata/snapshot/TestSarifPresenter_image.golden",
		"sarif/testdata/snapshot/TestSarifPresenter_directory.golden",
		"cyclonedx/testdata/snapshot/TestCycloneDxPresenterImage.golden",
		"cyclonedx/testdata/snapshot/TestCycloneDxPresenterDir.golden",
	} {
		if diff := cmp.Diff(want, packages(t, golden(path), withSeverity)); diff != "" {
			t.Errorf("%s -JSON +other:\n%s", path, diff)
		}
	}
}

// TestGrypeGolden reads the reports in Grype's own tests.
func TestGrypeGolden(t *testing.T) {
	dir := foreign.Module(t, "github.com/anchore/grype", "v0.121.2")
	for path, want := range map[string]int{
		"grype/presenter/json/testdata/snapshot/TestJsonDirsPresenter.golden":  2,
		"grype/presenter/json/testdata/snapshot/TestJsonImgsPresenter.golden":  2,
		"grype/presenter/json/testdata/snapshot/TestEmptyJsonPresenter.golden": 0,
		"grype/presenter/explain/testdata/keycloak-test.json":                  -1,
		"grype/presenter/explain/testdata/ghsa-test.json":                      -1,
		"grype/presenter/explain/testdata/chainguard-ruby-test.json":           -1,
	} {
		content := file(t, filepath.Join(dir, path))
		if want < 0 {
			var whole struct{ Matches []json.RawMessage }
			if err := json.Unmarshal(content, &whole); err != nil {
				t.Fatal(err)
			}
			want = len(whole.Matches)
		}
		r, err := Read(content)
		if err != nil || r.Format != "grype" || r.Summary.Findings != want {
			t.Errorf("%s: %s, %d findings, want %d, %v", path, r.Format, r.Summary.Findings, want, err)
		}
		for _, f := range r.Findings {
			if f.ID == "" || f.Package == "" || f.Installed == "" {
				t.Errorf("%s: %+v", path, f)
			}
		}
	}
}

// TestGitHubExamples reads all examples of alerts that GitHub publishes for its webhooks.
func TestGitHubExamples(t *testing.T) {
	dir := foreign.NPM(t, "@octokit/webhooks-examples@7.6.1")
	var kinds []struct {
		Name     string            `json:"name"`
		Examples []json.RawMessage `json:"examples"`
	}
	if err := json.Unmarshal(file(t, filepath.Join(dir, "api.github.com", "index.json")), &kinds); err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, k := range kinds {
		switch k.Name {
		case "dependabot_alert", "code_scanning_alert", "secret_scanning_alert":
		default:
			continue
		}
		for i, e := range k.Examples {
			r, err := Read(e)
			if err != nil || r.Format != "github-alert" || r.Tool == "" || !r.Summary.Scanned {
				t.Errorf("%s %d: %+v, %v", k.Name, i, r, err)
			}
			read++
		}
	}
	if read < 9 {
		t.Errorf("only %d examples of alerts were found", read)
	}
	t.Logf("%d alerts", read)
}

// TestNPMAudit runs npm audit. internal/differential runs the tools that need no registry of
// advisories.
func TestNPMAudit(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "package.json", `{"name":"x","version":"1.0.0","dependencies":{"lodash":"4.17.15"}}`)
	write(t, dir, "package-lock.json", `{"name":"x","version":"1.0.0","lockfileVersion":3,"packages":{"":{"name":"x","version":"1.0.0","dependencies":{"lodash":"4.17.15"}},"node_modules/lodash":{"version":"4.17.15"}}}`)
	r, err := Read(output(t, dir, "npm audit --json --registry="+advisories(t)))
	if err != nil || r.Format != "npm-audit" || r.Summary.Findings != 1 || !strings.HasSuffix(r.Findings[0].ID, "GHSA-35jh-r3h4-6jhm") {
		t.Errorf("%+v, %v", r, err)
	}
}

// advisories is a registry with one advisory, used instead of npm's own so that the result never
// changes.
func advisories(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/advisories/bulk") {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"lodash":[{"id":1,"url":"https://github.com/advisories/GHSA-35jh-r3h4-6jhm","title":"Command Injection in lodash","severity":"high","vulnerable_versions":"<4.17.21","cwe":["CWE-77"],"cvss":{"score":7.2,"vectorString":"CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H"}}]}`))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func walk(t *testing.T, dir, suffix string, f func(path string, file []byte)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, suffix) {
			f(filepath.Base(path), file(t, path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func file(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// output runs a tool. Most exit with 1 if they found something.
func output(t *testing.T, dir, command string) []byte {
	t.Helper()
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if stdout.Len() == 0 {
		t.Fatalf("%s wrote nothing: %s", command, stderr.Bytes())
	}
	return stdout.Bytes()
}
