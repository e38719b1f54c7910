package evidence

import (
	"fmt"
	"strings"
	"testing"
)

func TestLowestFix(t *testing.T) {
	for _, c := range []struct{ eco, requirements, installed, want string }{
		{"npm", "4.17.21", "4.17.15", "4.17.21"},
		{"npm", ">=4.17.21", "", "4.17.21"},
		{"npm", "<0.0.0", "", ""}, // npm's way to say that there is none
		{"npm", ">=1.2.6 <2.0.0; >=0.2.4 <1.0.0", "1.2.5", "1.2.6"},
		{"npm", ">=1.2.6 <2.0.0; >=0.2.4 <1.0.0", "", "0.2.4"},
		{"npm", ">1.2.6", "1.2.5", ""}, // the version after 1.2.6 is not known
		{"alpine", "1.31.1-r10", "1.31.1-r9", "1.31.1-r10"},
		{"alpine", "1.31.1-r9", "1.31.1-r10", ""},
		{"debian", "2.36-9+deb12u10", "2.36-9+deb12u7", "2.36-9+deb12u10"},
		{"ubuntu", "3.0.2-0ubuntu1.15", "3.0.2-0ubuntu1.9", "3.0.2-0ubuntu1.15"},
		{"rpm", "0:0.7-21.el8", "0.7-20.el8", "0:0.7-21.el8"},
		{"rpm", "1:1.0-1", "2.0-1", "1:1.0-1"},
		{"redhat", "0:0.7-20.el8", "0.7-20.el8", ""},
		{"bundler", "~> 5.2.4, >= 5.2.4.3, >= 6.0.3.1", "5.2.3", "5.2.4.3"},
		{"bundler", "~> 5.2.4, >= 5.2.4.3, >= 6.0.3.1", "5.2.4.3", "6.0.3.1"},
		{"gem", "~> 2.2.6; >= 3.0.1", "2.1.0", "2.2.6"},
		{"gem", "2.0.0.rc2, 2.0.0", "2.0.0.rc1", "2.0.0.rc2"},
		{"cargo", ">=0.6.14, <1.0.0; >=1.0.3", "1.0.1", "1.0.3"},
		{"cargo", "^0.6.14; >=1.0.3", "0.6.1", "0.6.14"},
		{"PyPI", "2.0; 1.26.17", "1.26.9", "1.26.17"},
		{"PyPI", "1.0.0", "1.0", ""},
		{"PyPI", "1!1.0; 3.0", "2.0", "3.0"},
		{"jar", "2.12.4, 2.17.1, 2.3.2", "2.14.1", "2.17.1"},
		{"gomod", "0.17.0", "v0.9.0", "0.17.0"},
		{"gobinary", "1.21.8, 1.22.1", "go1.21.3", "1.21.8"},
		{"composer", "v6.4.15, v5.4.46", "v5.4.9", "v5.4.46"},
		{"nuget", "13.0.1", "9.0.1", "13.0.1"},
		{"swift", "1.2.3-a", "1.2.3-b", "1.2.3-a"},   // it stands alone, and the scanner says so
		{"swift", "1.2.3-a, 1.2.3-c", "1.2.3-b", ""}, // which is the nearest cannot be told
		{"swift", "1.10.0, 1.9.1", "1.9.0", "1.9.1"}, // numbers alone are ordered alike everywhere
		{"", "", "1.0", ""},
		{"", "none", "1.0", ""},
	} {
		if got := lowestFix(c.eco, strings.Split(c.requirements, ";"), c.installed); got != c.want {
			t.Errorf("%s: %q above %q: %q, want %q", c.eco, c.requirements, c.installed, got, c.want)
		}
	}
}

// TestFixedInReports reads whole reports whose fix was lost or wrong where
// versions were compared as text.
func TestFixedInReports(t *testing.T) {
	trivy := `{"SchemaVersion":2,"ArtifactName":"shop:1","Results":[{"Target":"shop:1","Type":%q,"Vulnerabilities":[{"VulnerabilityID":"CVE-2024-0004","PkgName":"p","InstalledVersion":%q,"FixedVersion":%q,"Severity":"HIGH"}]}]}`
	for report, want := range map[string]string{
		fmt.Sprintf(trivy, "alpine", "1.31.1-r9", "1.31.1-r10"):                    "1.31.1-r10",
		fmt.Sprintf(trivy, "bundler", "5.2.3", "~> 5.2.4, >= 5.2.4.3, >= 6.0.3.1"): "5.2.4.3",
		fmt.Sprintf(trivy, "debian", "7.88.1-10+deb12u5", "7.88.1-10+deb12u12"):    "7.88.1-10+deb12u12",
		`{"matches":[{"vulnerability":{"id":"CVE-2024-0005","severity":"Medium","fix":{"versions":["0:0.7-21.el8"],"state":"fixed"}},"artifact":{"name":"avahi-libs","version":"0.7-20.el8","type":"rpm","purl":"pkg:rpm/redhat/avahi-libs@0.7-20.el8"}}],"distro":{"name":"redhat","version":"8"},"descriptor":{"name":"grype","version":"0.80.0"}}`:         "0:0.7-21.el8",
		`{"actions":[],"advisories":{"1":{"id":1,"title":"A flaw","module_name":"till","severity":"high","github_advisory_id":"GHSA-aaaa-bbbb-cccc","url":"https://github.com/advisories/GHSA-aaaa-bbbb-cccc","vulnerable_versions":">=0.0.0","patched_versions":"<0.0.0","findings":[{"version":"1.0.0","paths":["till"]}]}},"metadata":{"dependencies":5}}`: "",
	} {
		res, err := Read([]byte(report))
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Findings) != 1 || res.Findings[0].Fixed != want {
			t.Errorf("%s\nfixed %v, want %q", report, res.Findings, want)
		}
	}
}
