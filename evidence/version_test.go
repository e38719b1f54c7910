package evidence

import (
	"fmt"
	"testing"
)

// TestFixedInReports reads whole reports whose fix was lost or wrong when versions were compared as
// text.
func TestFixedInReports(t *testing.T) {
	trivy := `{"SchemaVersion":2,"ArtifactName":"shop:1","Results":[{"Target":"shop:1","Type":%q,"Vulnerabilities":[{"VulnerabilityID":"CVE-2024-0004","PkgName":"p","InstalledVersion":%q,"FixedVersion":%q,"Severity":"HIGH"}]}]}`
	for report, want := range map[string]string{
		fmt.Sprintf(trivy, "alpine", "1.31.1-r9", "1.31.1-r10"):                    "1.31.1-r10",
		fmt.Sprintf(trivy, "bundler", "5.2.3", "~> 5.2.4, >= 5.2.4.3, >= 6.0.3.1"): "5.2.4.3",
		fmt.Sprintf(trivy, "debian", "7.88.1-10+deb12u5", "7.88.1-10+deb12u12"):    "7.88.1-10+deb12u12",
		`{"matches":[{"vulnerability":{"id":"CVE-2024-0005","severity":"Medium","fix":{"versions":["0:0.7-21.el8"],"state":"fixed"}},"artifact":{"name":"avahi-libs","version":"0.7-20.el8","type":"rpm","purl":"pkg:rpm/redhat/avahi-libs@0.7-20.el8"}}],"distro":{"name":"redhat","version":"8"},"descriptor":{"name":"grype","version":"0.80.0"}}`:         "0:0.7-21.el8",
		`{"actions":[],"advisories":{"1":{"id":1,"title":"A flaw","module_name":"till","severity":"high","github_advisory_id":"GHSA-aaaa-bbbb-cccc","url":"https://github.com/advisories/GHSA-aaaa-bbbb-cccc","vulnerable_versions":">=0.0.0","patched_versions":"<0.0.0","findings":[{"version":"1.0.0","paths":["till"]}]}},"metadata":{"dependencies":5}}`: "",
		// For a type that only Trivy has, the package URL states the ecosystem.
		`{"SchemaVersion":2,"ArtifactName":"k","Results":[{"Target":"k","Type":"kubernetes","Vulnerabilities":[{"VulnerabilityID":"CVE-2024-0004","PkgName":"p","InstalledVersion":"1.0.0-rc.9","FixedVersion":"1.0.0-rc.10","Severity":"HIGH","PkgIdentifier":{"PURL":"pkg:golang/k8s.io/p@1.0.0-rc.9"}}]}]}`: "1.0.0-rc.10",
		// npm 6 states the installed version: a lower version is no fix.
		`{"actions":[],"advisories":{"1":{"id":1,"title":"A flaw","module_name":"till","severity":"high","github_advisory_id":"GHSA-aaaa-bbbb-cccc","url":"https://github.com/advisories/GHSA-aaaa-bbbb-cccc","vulnerable_versions":"<1.2.3 || >=2.0.0 <2.0.5","patched_versions":">=1.2.3 <2.0.0 || >=2.0.5","findings":[{"version":"2.0.1","paths":["till"]}]}},"metadata":{"dependencies":5}}`: "2.0.5",
		// npm 7 and later state the vulnerable range, but not the installed version.
		npm7(">=1.0.0 <1.2.3"):           "1.2.3",
		npm7("<1.2.3 || >=2.0.0 <2.0.5"): "",
		npm7(">=1.0.0"):                  "",
		npm7("<=1.2.2"):                  "",
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

func npm7(vulnerable string) string {
	return fmt.Sprintf(`{"auditReportVersion":2,"vulnerabilities":{"till":{"name":"till","severity":"high","via":[{"source":1,"name":"till","title":"A flaw","url":"https://github.com/advisories/GHSA-aaaa-bbbb-cccc","severity":"high","range":%q}],"nodes":["node_modules/till"],"fixAvailable":true}},"metadata":{"dependencies":{"total":5}}}`, vulnerable)
}

// TestFixedByOSV reads a weakness of packages with the same name in several ecosystems and
// releases: only the fix for the package itself counts.
func TestFixedByOSV(t *testing.T) {
	const report = `{"results":[{"source":{"path":"a","type":"lockfile"},"packages":[{"package":{"name":"bootstrap","version":%q,"ecosystem":%q},"groups":[{"ids":["GHSA-1"]}],
		"vulnerabilities":[{"id":"GHSA-1","affected":[%s]}]}]}]}`
	affected := func(eco, fixed string) string {
		return fmt.Sprintf(`{"package":{"ecosystem":%q,"name":"bootstrap"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":%q}]}]}`, eco, fixed)
	}
	for _, c := range []struct{ eco, installed, affected, want string }{
		{"npm", "3.4.0", affected("RubyGems", "3.4.0.1") + "," + affected("npm", "3.4.1"), "3.4.1"},
		{"npm", "3.4.0", affected("RubyGems", "3.4.0.1"), ""},
		{"Debian:12", "3.4-1", affected("Debian:13", "3.6-1") + "," + affected("Debian:12", "3.4-1+deb12u1"), "3.4-1+deb12u1"},
		{"Debian:12", "3.4-1", affected("Debian:13", "3.6-1"), ""},
		{"Debian:12", "3.4-1", affected("Debian:1", "3.6-1"), ""},
		{"Rocky Linux:9.3", "3.4-1.el9", affected("Rocky Linux:8", "3.4-2.el8") + "," + affected("Rocky Linux:9", "0:3.4-2.el9"), "0:3.4-2.el9"},
		{"Ubuntu:22.04", "3.4-1", affected("Ubuntu:22.04:LTS", "3.4-1ubuntu0.1"), "3.4-1ubuntu0.1"},
	} {
		res, err := Read(fmt.Appendf(nil, report, c.installed, c.eco, c.affected))
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Findings) != 1 || res.Findings[0].Fixed != c.want {
			t.Errorf("%v: fixed %v", c, res.Findings)
		}
	}
}
