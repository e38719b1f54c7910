package evidence

import (
	"fmt"
	"strings"
	"testing"
)

// TestFindingsCheckedByHand compares one finding of each report with the same tool's text output,
// or with the advisory itself.
func TestFindingsCheckedByHand(t *testing.T) {
	for _, c := range []struct{ file, id, want string }{
		{"bandit.json", "B602", `B602 subprocess_popen_with_shell_equals_true,CWE-78 high 0.0/   → shop/app.py:29 subprocess call with shell=True identifi`},
		{"bandit.sarif", "B602", `B602  high 0.0/   → shop/app.py:29 subprocess call with shell=True identifi`},
		{"cargo-audit.json", "CVE-2021-25900", `RUSTSEC-2021-0003 CVE-2021-25900,GHSA-43w2-9j62-hq99 critical 9.8/3.1 pkg:cargo/smallvec@1.6.0 smallvec 1.6.0→1.6.1 :0 Buffer overflow in SmallVec::insert_many`},
		{"cargo-audit.sarif", "RUSTSEC-2021-0003", `RUSTSEC-2021-0003  critical 9.8/   → Cargo.lock:1 Buffer overflow in SmallVec::insert_many`},
		{"checkov.json.gz", "CKV_DOCKER_7", `CKV_DOCKER_7  unknown 0.0/   → /Dockerfile:1 Ensure the base image uses a non latest `},
		{"eslint.json", "no-eval", `no-eval  high 0.0/   → /build/acme/.work/jest/src/app.js:17 eval can be harmful.`},
		{"eslint.sarif", "no-eval", "no-eval  high 0.0/   → /build/acme/.work/jest/src/app.js:17 Disallow the use of `eval()`"},
		{"gitleaks.json", "slack-bot-token", `slack-bot-token  unknown 0.0/   → config.py (commit 6f701cf1c5c16e4d4ec8e61aca476e86bffd2a84):4 Identified a Slack Bot token, which may `},
		{"gitleaks.sarif", "slack-bot-token", `slack-bot-token  medium 0.0/   → config.py:4 Identified a Slack Bot token, which may `},
		{"gl-sast-report.json", "semgrep-rules.js-eval", `semgrep-rules.js-eval  medium 0.0/   → node/src/app.js:17 eval of request data`},
		{"gosec.json", "G402", `G402 CWE-295 high 0.0/   → /build/acme/vulnapp/go/cmd/shop/main.go:54 TLS InsecureSkipVerify set to true.`},
		{"gosec.sarif", "G402", `G402 CWE-295 high 0.0/   → cmd/shop/main.go:54 TLS InsecureSkipVerify set to true.`},
		{"govulncheck.json.gz", "CVE-2020-26160", `GO-2020-0017 CVE-2020-26160,GHSA-w73w-5m7g-f7qc unknown 0.0/ pkg:golang/github.com/dgrijalva/jwt-go@v3.2.0%2Bincompatible github.com/dgrijalva/jwt-go 3.2.0+incompatible→ cmd/shop/main.go:79 Authorization bypass in github.com/dgrij`},
		{"govulncheck.json.gz", "GO-2021-0113", `GO-2021-0113 CVE-2021-38561,GHSA-ppp9-7jff-5vj2 unknown 0.0/ pkg:golang/golang.org/x/text@v0.3.5 golang.org/x/text 0.3.5→0.3.7 cmd/shop/main.go:74 Out-of-bounds read in golang.org/x/text/`},
		{"govulncheck.json.gz", "GO-2022-0236", `GO-2022-0236 CVE-2021-31525,GHSA-h86h-8ppg-mxmh unknown 0.0/ pkg:golang/golang.org/x/net@v0.0.0-20210226172049-e18ecbb05110 golang.org/x/net 0.0.0-20210226172049-e18ecbb05110→0.0.0-20210428140749-89ef3d95e781 :0 Panic due to large headers in net/http a`},
		{"govulncheck.sarif.gz", "GO-2021-0113", `GO-2021-0113 CVE-2021-38561,GHSA-ppp9-7jff-5vj2 high 0.0/   → go.mod:1 [GO-2021-0113] Out-of-bounds read in gol`},
		{"govulncheck.openvex.json", "GHSA-w73w-5m7g-f7qc", `GO-2020-0017 CVE-2020-26160,GHSA-w73w-5m7g-f7qc unknown 0.0/ pkg:golang/github.com%2Fdgrijalva%2Fjwt-go@v3.2.0+incompatible github.com/dgrijalva/jwt-go 3.2.0+incompatible→ :0 Authorization bypass in github.com/dgrij`},
		{"hadolint.json", "DL3020", `DL3020  high 0.0/   → infra/Dockerfile:4 Use COPY instead of ADD for files and fo`},
		{"hadolint.codeclimate", "DL3020", `DL3020  critical 0.0/   → infra/Dockerfile:4 Use COPY instead of ADD for files and fo`},
		{"hadolint.gitlab.json", "DL3020", `DL3020  critical 0.0/   → infra/Dockerfile:4 Use COPY instead of ADD for files and fo`},
		{"hadolint.sarif", "DL3020", `DL3020  high 0.0/   → infra/Dockerfile:4 Use COPY instead of ADD for files and fo`},
		{"npm-audit.json", "GHSA-35jh-r3h4-6jhm", `GHSA-35jh-r3h4-6jhm  high 7.2/3.1 pkg:npm/lodash lodash →4.17.21 node_modules/lodash:0 Command Injection in lodash`},
		{"osv-scanner.json", "CVE-2021-23337", `GHSA-35jh-r3h4-6jhm CVE-2021-23337 high 7.2/3.1 pkg:npm/lodash@4.17.15 lodash 4.17.15→4.17.21 /build/acme/vulnapp/node/package-lock.json:0 Command Injection in lodash`},
		{"osv-scanner.sarif", "GHSA-35jh-r3h4-6jhm", `CVE-2021-23337 GHSA-35jh-r3h4-6jhm high 7.2/  lodash 4.17.15→ /build/acme/vulnapp/node/package-lock.json:0 CVE-2021-23337: Command Injection in lod`},
		{"osv-scanner.cdx.json", "CVE-2021-23337", `GHSA-35jh-r3h4-6jhm CVE-2021-23337 high 7.2/3.1   → :0 Command Injection in lodash`},
		{"pip-audit.json", "CVE-2018-18074", `PYSEC-2018-28 GHSA-x84v-xcm2-53pg,CVE-2018-18074 unknown 0.0/ pkg:pypi/requests@2.19.1 requests 2.19.1→2.20.0 :0 The Requests package before 2.20.0 for P`},
		{"pip-audit.cdx.xml", "PYSEC-2018-28", `PYSEC-2018-28  unknown 0.0/  requests 2.19.1→ :0 The Requests package before 2.20.0 for P`},
		{"semgrep.json", "semgrep-rules.js-eval", `semgrep-rules.js-eval CWE-95 medium 0.0/   → node/src/app.js:17 eval of request data`},
		{"semgrep.sarif", "semgrep-rules.js-eval", `semgrep-rules.js-eval CWE-95 medium 0.0/   → node/src/app.js:17 Semgrep Finding: semgrep-rules.js-eval`},
		{"shellcheck.json", "SC2045", `SC2045  high 0.0/   → deploy.sh:3 Iterating over ls output is fragile. Use`},
		{"shellcheck.json1.json", "SC2045", `SC2045  high 0.0/   → deploy.sh:3 Iterating over ls output is fragile. Use`},
		{"staticcheck.json", "SA5000", `SA5000  high 0.0/   → /build/acme/vulnapp/go/pkg/price/price_test.go:48 assignment to nil map`},
		{"staticcheck.sarif", "SA5000", `SA5000  high 0.0/   → pkg/price/price_test.go:48 Assignment to nil map`},
	} {
		t.Run(c.file+" "+c.id, func(t *testing.T) {
			r, err := Read(read(t, c.file))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range r.Findings {
				if f.Is(c.id) {
					got := fmt.Sprintf("%s %s %s %.1f/%s %s %s %s→%s %s:%d %s", f.ID, strings.Join(f.Aliases, ","), f.Severity, f.Score, f.ScoreVersion, f.PURL, f.Package, f.Installed, f.Fixed, f.Path, f.Line, clip(f.Title, 40))
					if got != c.want {
						t.Errorf("\n got %s\nwant %s", got, c.want)
					}
					return
				}
			}
			t.Errorf("%s is not there", c.id)
		})
	}
}
