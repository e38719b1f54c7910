package record

import (
	"strings"
	"testing"
)

func TestTriggerFindsItsPackageInAnySpelling(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	for _, c := range []struct {
		name, named string
		in          []Finding
		found       bool
		pkg         string // the package of the finding that was selected
	}{
		{"another case", "PyYAML", []Finding{{Package: "pyyaml", Ecosystem: "pip"}}, true, "pyyaml"},
		{"a package URL", "pkg:npm/%40babel/core@7.1.0", []Finding{{Package: "@babel/core", Ecosystem: "npm"}}, true, "@babel/core"},
		{"coordinates with a slash", "a.b/c", []Finding{{Package: "a.b:c", Ecosystem: "jar"}}, true, "a.b:c"},
		{"an artifact without its group may be the package", "c", []Finding{{Package: "a.b:c", Ecosystem: "jar"}}, true, "a.b:c"},
		{"the source of a distribution's package", "openssl", []Finding{{Package: "libssl3", Ecosystem: "deb", PURL: "pkg:deb/debian/libssl3@3.0.11?upstream=openssl"}}, true, "libssl3"},
		{"a finding that names no package", "pyyaml", []Finding{{}}, true, ""},
		{"no package named", "", []Finding{{Package: "pyyaml"}}, true, "pyyaml"},
		{"another package", "lodash", []Finding{{Package: "lodash.merge", Ecosystem: "npm"}}, false, "lodash"},
		{"a package of that name elsewhere", "pkg:npm/yaml", []Finding{{Package: "yaml", Ecosystem: "PyPI"}}, false, "pkg:npm/yaml"},
		{"the surer of two, first", "openssl", []Finding{{Package: "openssl", Ecosystem: "debian"}, {Package: "libssl3", Ecosystem: "debian"}}, true, "openssl"},
		{"the surer of two, last", "openssl", []Finding{{Package: "libssl3", Ecosystem: "debian"}, {Package: "openssl", Ecosystem: "debian"}}, true, "openssl"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &Scan{Tool: Tool{Name: "trivy"}, Report: Report{Digest: digest}, Summary: ScanSummary{Findings: len(c.in), Scanned: true}}
			for i, f := range c.in {
				f.ID, f.Fingerprint = "CVE-2026-1", string(rune('a'+i))
				s.Findings = append(s.Findings, f)
			}
			r := fold(about(1, s), said(30, &Decision{Agent: Agent{ID: "a"}, Trigger: &Trigger{Kind: "scan", Digest: digest, Finding: "CVE-2026-1", Package: c.named}}))
			if got := r.Trail.Trigger; !got.Held || got.Found != c.found || got.Package != c.pkg {
				t.Errorf("held %v, found %v, %q; want found %v, %q", got.Held, got.Found, got.Package, c.found, c.pkg)
			}
		})
	}
}

func TestChosenElsewhere(t *testing.T) {
	type answer struct {
		want, got, name string
		comparable      bool
	}
	lodash := func(to string) []DependencyUpdate {
		return []DependencyUpdate{{Name: "lodash", Ecosystem: "npm", From: "4.17.15", To: to}}
	}
	for _, c := range []struct {
		name   string
		option Option
		done   []DependencyUpdate
		want   answer
	}{
		{"as chosen", Option{Package: "pkg:npm/lodash", To: "4.17.21"}, lodash("4.17.21"), answer{comparable: true}},
		{"in another spelling", Option{Package: "pkg:npm/lodash@4.17.15", To: "v4.17.21"}, lodash("4.17.21"), answer{comparable: true}},
		{"elsewhere", Option{Package: "pkg:npm/lodash", To: "4.17.20"}, lodash("4.17.21"), answer{"4.17.20", "4.17.21", "lodash", true}},
		{"to what precedes it", Option{Package: "pkg:npm/lodash", To: "4.17.21"}, lodash("4.17.21-rc.1"), answer{"4.17.21", "4.17.21-rc.1", "lodash", true}},
		{"a range was chosen", Option{Package: "pkg:npm/lodash", To: "4.17.x"}, lodash("4.17.21"), answer{}},
		{"a range was done", Option{Package: "pkg:npm/lodash", To: "4.17.21"}, lodash("^4.17.21"), answer{}},
		{"what is done is not said", Option{Package: "pkg:npm/lodash", To: "4.17.21"}, lodash(""), answer{}},
		{"the package is not among them", Option{Package: "pkg:npm/minimist", To: "1.2.6"}, lodash("4.17.21"), answer{}},
		{"one of that name elsewhere", Option{Package: "pkg:pypi/lodash", To: "1.0"}, lodash("4.17.21"), answer{}},
		{"the same by PyPI, and no ecosystem stated", Option{Package: "pkg:pypi/pyyaml", To: "6.0"}, []DependencyUpdate{{Name: "PyYAML", To: "6.0.0"}}, answer{comparable: true}},
		{"as no crate is written", Option{Package: "pkg:cargo/serde", To: "v1.0.200"}, []DependencyUpdate{{Name: "serde", Ecosystem: "cargo", To: "1.0.200"}}, answer{comparable: true}},
		{"as a requirement is pinned", Option{Package: "pkg:pypi/pyyaml", To: "==6.0"}, []DependencyUpdate{{Name: "pyyaml", Ecosystem: "pip", To: "6.0.0"}}, answer{comparable: true}},
		{"a minimum is no version", Option{Package: "pkg:pypi/pyyaml", To: ">=6.0"}, []DependencyUpdate{{Name: "pyyaml", Ecosystem: "pip", To: "6.0.0"}}, answer{}},
		{"an epoch of 0 is none", Option{Package: "pkg:rpm/redhat/avahi", To: "0.7-21.el8"}, []DependencyUpdate{{Name: "avahi", Ecosystem: "rpm", To: "0:0.7-21.el8"}}, answer{comparable: true}},
		{"a v before it, and no ecosystem stated", Option{Package: "lib", To: "v1.2.3"}, []DependencyUpdate{{Name: "lib", To: "1.2.3"}}, answer{comparable: true}},
		{"not the same by Debian", Option{Package: "pkg:deb/debian/a", To: "6.0"}, []DependencyUpdate{{Name: "a", Ecosystem: "Debian:12", To: "6.0.0"}}, answer{"6.0", "6.0.0", "a", true}},
		{"an artifact without its group", Option{Package: "pkg:maven/g/a", To: "1"}, []DependencyUpdate{{Name: "a", Ecosystem: "Maven", To: "2"}}, answer{}},
		{"one of two places is enough", Option{Package: "pkg:npm/lodash", To: "4.17.21"}, append(lodash("3.10.2"), lodash("4.17.21")...), answer{comparable: true}},
		{"neither of two places", Option{Package: "pkg:npm/lodash", To: "4.17.21"}, append(lodash("3.10.2"), lodash("4.17.20")...), answer{"4.17.21", "4.17.20", "lodash", true}},
		{"no dependencies listed", Option{Package: "pkg:npm/lodash", To: "4.17.21"}, nil, answer{}},
		{"words in a title alone", Option{Title: "Upgrade lodash 4.17.15 to 4.17.20"}, lodash("4.17.21"), answer{}},
		{"a version without a package", Option{To: "4.17.20"}, lodash("4.17.21"), answer{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got answer
			if got.want, got.got, got.name, got.comparable = compareChosen(c.option, c.done); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// TestPins checks that a title that is nothing but a package and its version is read, and prose
// is not.
func TestPins(t *testing.T) {
	for text, want := range map[string]Option{
		"requests==2.31.0":              {Package: "requests", To: "2.31.0"},
		" uvicorn[standard] == 0.30.1 ": {Package: "uvicorn", To: "0.30.1"},
		"lodash@4.17.21":                {Package: "lodash", To: "4.17.21"},
		"@types/node@20.1.0":            {Package: "@types/node", To: "20.1.0"},
		"golang.org/x/net@v0.23.0":      {Package: "golang.org/x/net", To: "v0.23.0"},
		"pkg:pypi/requests@2.31.0":      {Package: "pkg:pypi/requests", To: "2.31.0"},
		"Bump requests to 2.31.0":       {},
		"requests==2.31.0, urllib3==2":  {},
		"lodash 4.17.20 -> 4.17.21":     {},
		"lodash@^4.17.0":                {},
		"requests>=2.31.0":              {},
		"lodash@latest":                 {},
		"mail ops@4.example":            {},
		"Other":                         {},
		"":                              {},
	} {
		if got, ok := pin(text); got != want || ok != (want != Option{}) {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}
