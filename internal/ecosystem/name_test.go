package ecosystem

import "testing"

func TestNormal(t *testing.T) {
	for want, spelled := range map[string][]string{
		NPM:       {"npm", "NPM", "node-pkg", "yarn", "pnpm", "npm_and_yarn"},
		PyPI:      {"PyPI", "pypi", "pip", "python", "python-pkg", "poetry", "Pipenv"},
		Go:        {"Go", "go", "golang", "gomod", "go-module", "gobinary", "go_modules"},
		Maven:     {"Maven", "maven", "java-archive", "jar", "pom", "gradle", "Maven:https://repo.example"},
		Cargo:     {"crates.io", "cargo", "rust", "rust-crate", "rustbinary"},
		RubyGems:  {"RubyGems", "gem", "bundler", "gemspec", "ruby"},
		NuGet:     {"NuGet", "nuget", "dotnet", "dotnet-core"},
		Packagist: {"Packagist", "composer", "php-composer", "composer-vendor"},
		Debian:    {"Debian", "debian", "deb", "Debian:12", "Ubuntu:22.04:LTS"},
		Alpine:    {"Alpine", "alpine", "apk", "Alpine:v3.18", "wolfi", "chainguard", "Wolfi", "Chainguard"},
		RPM:       {"rpm", "Red Hat:enterprise_linux:9::appstream", "redhat", "Rocky Linux:9", "opensuse.leap", "suse linux enterprise server", "amazon", "cbl-mariner", "photon", "SUSE:Linux Enterprise Server 15 SP5", "AlmaLinux:9", "slem", "openEuler:22.03-LTS", "Mageia:9"},
		Hex:       {"Hex", "hex", "mix"},
		Pub:       {"Pub", "pub", "dart-pub"},
		Swift:     {"SwiftURL", "swift"},
		CocoaPods: {"CocoaPods", "cocoapods", "pod"},
		Hackage:   {"Hackage", "hackage"},
		CRAN:      {"CRAN", "cran", "R-package"},
		"conan":   {"Conan", "conan"},
		"":        {"", " "},
	} {
		for _, s := range spelled {
			if got := Normal(s); got != want {
				t.Errorf("%q: %q, want %q", s, got, want)
			}
		}
	}
}

func TestName(t *testing.T) {
	for _, c := range [][3]string{
		// https://peps.python.org/pep-0503/#normalized-names
		{"pip", "PyYAML", "pyyaml"},
		{"PyPI", "zope.interface", "zope-interface"},
		{"PyPI", "a-._b", "a-b"},
		{"python", "requests[security]", "requests"},
		{"npm", "%40Babel/Core", "@babel/core"},
		{"npm", "lodash", "lodash"},
		{"maven", "org.apache.logging.log4j/log4j-core", "org.apache.logging.log4j:log4j-core"},
		{"jar", "log4j:log4j", "log4j:log4j"},
		{"Maven", "Guava", "Guava"},
		{"golang", "github.com/BurntSushi/toml", "github.com/BurntSushi/toml"},
		{"Go", "golang.org/x/net/", "golang.org/x/net"},
		{"NuGet", "Newtonsoft.Json", "newtonsoft.json"},
		{"composer", "Symfony/HTTP-Kernel", "symfony/http-kernel"},
		{"rust", "Serde_JSON", "serde-json"},
		{"gem", "RedCloth", "RedCloth"},
		{"gem", "rack_a", "rack_a"},
		{"Debian:12", "src:OpenSSL", "openssl"},
		{"deb", "libc6:amd64", "libc6"},
		{"rpm", "ImageMagick", "ImageMagick"},
		{"apk", "BusyBox", "busybox"},
		{"", "As_It.Is", "As_It.Is"},
	} {
		if got := Name(c[0], c[1]); got != c[2] {
			t.Errorf("%s %s: %s, want %s", c[0], c[1], got, c[2])
		}
	}
}

func TestSamePackage(t *testing.T) {
	for _, c := range []struct {
		a, b Package
		want Match
	}{
		{Package{"PyPI", "PyYAML", ""}, Package{"pip", "pyyaml", ""}, Same},
		{Package{"", "PyYAML", ""}, Package{"python-pkg", "pyyaml", "pkg:pypi/pyyaml@5.3"}, Same},
		{Package{"", "PyYAML", ""}, Package{"", "pyyaml", ""}, Unknown},
		{Package{"", "lodash", ""}, Package{"", "lodash", ""}, Same},
		{Package{"", "lodash", ""}, Package{"", "minimist", ""}, Different},
		{Package{"", "pkg:npm/lodash@4.17.15", ""}, Package{"npm", "lodash", ""}, Same},
		{Package{"", "lodash@4.17.15", ""}, Package{"npm", "lodash", ""}, Same},
		{Package{"", "@babel/core@7.0.0", ""}, Package{"", "@babel/traverse", "pkg:npm/%40babel/core"}, Same}, // a package URL outranks a name
		{Package{"", "requests==2.31.0", ""}, Package{"PyPI", "requests", ""}, Same},
		{Package{"npm", "@scope/a", ""}, Package{"npm", "a", ""}, Different},
		{Package{"npm", "yaml", ""}, Package{"PyPI", "yaml", ""}, Different},
		{Package{"conda", "numpy", ""}, Package{"PyPI", "numpy", ""}, Unknown},
		{Package{"conda", "numpy", ""}, Package{"PyPI", "scipy", ""}, Different},
		{Package{"", "log4j-core", ""}, Package{"java-archive", "org.apache.logging.log4j:log4j-core", ""}, Unknown},
		{Package{"", "org.apache.logging.log4j:log4j-core", ""}, Package{"java-archive", "log4j-core", "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1"}, Same},
		{Package{"maven", "a:log4j-core", ""}, Package{"maven", "b:log4j-core", ""}, Different},
		{Package{"Go", "github.com/BurntSushi/toml", ""}, Package{"", "", "pkg:golang/github.com/burntsushi/toml@v1.0.0"}, Same},
		{Package{"Go", "github.com/Sirupsen/logrus", ""}, Package{"Go", "github.com/sirupsen/logrus", ""}, Unknown},
		{Package{"Go", "golang.org/x/net/http2", ""}, Package{"Go", "golang.org/x/net", ""}, Unknown},
		{Package{"Go", "golang.org/x/network", ""}, Package{"Go", "golang.org/x/net", ""}, Different},
		{Package{"", "openssl", ""}, Package{"deb", "libssl3", "pkg:deb/debian/libssl3@3.0.11?arch=amd64&upstream=openssl"}, Same},
		{Package{"", "openssl", ""}, Package{"rpm", "openssl-libs", "pkg:rpm/redhat/openssl-libs@3.0.7?upstream=openssl-3.0.7-24.el9.src.rpm"}, Same},
		{Package{"", "bash", ""}, Package{"deb", "libssl3", "pkg:deb/debian/libssl3@3.0.11?upstream=openssl"}, Different},
		{Package{"", "openssl", ""}, Package{"debian", "libssl3", ""}, Unknown},
		{Package{"", "serde-json", ""}, Package{"cargo", "serde_json", ""}, Same},
		{Package{"", "", ""}, Package{"npm", "lodash", ""}, Unknown},
	} {
		if got := SamePackage(c.a, c.b); got != c.want {
			t.Errorf("%v and %v: %d, want %d", c.a, c.b, got, c.want)
		}
		if got := SamePackage(c.b, c.a); got != c.want {
			t.Errorf("%v and %v: %d, want %d", c.b, c.a, got, c.want)
		}
	}
}

func TestPURL(t *testing.T) {
	for _, c := range []struct{ eco, name, version, want, back string }{
		{"npm", "@babel/core", "7.0.0", "pkg:npm/%40babel/core@7.0.0", "@babel/core"},
		{"PyPI", "Zope.Interface", "5.0", "pkg:pypi/zope-interface@5.0", "zope-interface"},
		{"Maven", "a.b:c", "1", "pkg:maven/a.b/c@1", "a.b:c"},
		{"Go", "golang.org/x/net", "v0.1.0", "pkg:golang/golang.org/x/net@v0.1.0", "golang.org/x/net"},
		{"crates.io", "serde_json", "", "pkg:cargo/serde_json", "serde_json"},
		{"Debian:12", "openssl", "1", "", ""},
		{"npm", "", "1", "", ""},
	} {
		got := PURL(c.eco, c.name, c.version)
		if got != c.want {
			t.Errorf("%s %s: %s, want %s", c.eco, c.name, got, c.want)
		}
		if eco, name, _, ok := SplitPURL(got); ok != (c.want != "") || name != c.back || ok && eco != c.eco {
			t.Errorf("%s: %s %s, %v", got, eco, name, ok)
		}
	}
	for s, want := range map[string][3]string{
		"pkg:deb/debian/openssl@3.0.11-1~deb12u2?arch=amd64": {Debian, "openssl", "3.0.11-1~deb12u2"},
		"pkg:rpm/redhat/bind@9.16.23-1.el9?epoch=32":         {RPM, "bind", "32:9.16.23-1.el9"},
		"pkg:golang/golang.org/x/net@v0.1.0":                 {Go, "golang.org/x/net", "0.1.0"},
	} {
		if eco, name, version, ok := SplitPURL(s); !ok || [3]string{eco, name, version} != want {
			t.Errorf("%s: %s %s %s, %v", s, eco, name, version, ok)
		}
	}
}
