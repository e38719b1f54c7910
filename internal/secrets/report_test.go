package secrets

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// TestReportsOfSecretsAreShownWithoutThem: in the formats of scanners, and for secrets that no rule
// here would find.
func TestReportsOfSecretsAreShownWithoutThem(t *testing.T) {
	const odd, escaped = "zz odd-one 7", `a \"quoted\" odd-one 7`
	r := redactor(t, Redacted)
	for name, file := range map[string]string{
		"gitleaks JSON":       `[{"RuleID":"x","Match":"k = ` + escaped + `","Secret":"` + escaped + `","File":"a.env","Entropy":3.1}]`,
		"gitleaks XML":        `<failure>{&#xA;&#34;RuleID&#34;: &#34;x&#34;, &#34;Match&#34;: &#34;k=\&#34;` + odd + `\&#34;&#34;, &#34;Secret&#34;: &#34;` + odd + `&#34;}</failure>`,
		"gitleaks CSV":        "RuleID,Commit,File,SymlinkFile,Secret,Match,StartLine\nx,c,a.env,,\"" + odd + "\",\"k=\"\"" + odd + "\"\"\",1\n",
		"gitleaks SARIF":      `{"runs":[{"tool":{"driver":{"name":"gitleaks"}},"results":[{"locations":[{"physicalLocation":{"region":{"startLine":1,"snippet": {"text": "` + odd + `"}}}}]}]}]}`,
		"trivy":               `{"Results":[{"Class":"secret","Secrets":[{"RuleID":"x","Code":{"Lines":[{"Number":1,"Content":"k=` + odd + `","Highlighted":"k=` + odd + `"}]},"Match":"k=` + odd + `"}]}]}`,
		"detect-secrets":      `{"version":"1.5.0","results":{"a.env":[{"type":"Secret Keyword","hashed_secret":"` + odd + `","line_number":2}]}}`,
		"trufflehog":          `{"SourceMetadata":{"Data":{}},"DetectorName":"x","Raw":"` + odd + `","RawV2":"` + odd + `"}` + "\n" + `{"SourceMetadata":{},"Raw":"` + odd + `"}`,
		"GitLab":              `{"scan":{"type":"secret_detection"},"vulnerabilities":[{"raw_source_code_extract":"` + odd + `"}]}`,
		"ggshield":            `{"entities_with_incidents":[{"incidents":[{"is_vaulted":false,"is_vault":1,"occurrences":[{"match":"` + odd + `"}]}]}]}`,
		"a token in any file": "ok\ngh" + "p_" + strings.Repeat("aB3", 12) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			out, masked, err := r.Shown(t.Context(), []byte(file))
			if err != nil || !masked || bytes.Contains(out, []byte("odd-one")) || bytes.Contains(out, []byte("aB3aB3")) {
				t.Errorf("%v, %v: %s", masked, err, out)
			}
			if jsontext.Value(file).IsValid() && !jsontext.Value(out).IsValid() {
				t.Errorf("it is no JSON any more: %s", out)
			}
			if n := Reported([]byte(file)); (n > 0) != (name != "a token in any file") {
				t.Errorf("%d secrets are reported", n)
			}
			if again, more, err := r.Shown(t.Context(), out); err != nil || more {
				t.Errorf("%s is shown as %s (%v)", out, again, err)
			}
		})
	}
	for name, file := range map[string]string{"hidden by the scanner": `[{"RuleID":"x","Match":"REDACTED","Secret":"REDACTED"}]`, "no report of secrets": `{"Results":[{"Class":"lang-pkgs"}],"Content":"a line"}`} {
		if out, masked, err := r.Shown(t.Context(), []byte(file)); masked || err != nil || Reported([]byte(file)) > 0 {
			t.Errorf("%s is shown as %s (%v)", name, out, err)
		}
	}
}
