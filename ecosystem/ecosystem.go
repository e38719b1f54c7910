package ecosystem

import "strings"

// The ecosystems whose rules are known. The names are OSV's
// (https://ossf.github.io/osv-schema/#defined-ecosystems) where it has one for
// the whole ecosystem. Distributions that share a package format share a name.
const (
	NPM       = "npm"
	PyPI      = "PyPI"
	Go        = "Go"
	Maven     = "Maven"
	Cargo     = "crates.io"
	RubyGems  = "RubyGems"
	NuGet     = "NuGet"
	Packagist = "Packagist"
	Debian    = "Debian" // dpkg: Debian, Ubuntu and what is made from them
	Alpine    = "Alpine" // apk: Alpine, Wolfi, Chainguard
	RPM       = "rpm"    // Red Hat, Fedora, SUSE, Amazon and their like
)

// spellings lists, in lower case, what each ecosystem is called: by OSV, as a
// type of package URLs, and by GitHub, GitLab, Dependabot, Trivy, Syft and Grype.
var spellings = map[string][]string{
	NPM:       {"npm", "node", "nodejs", "node.js", "node-pkg", "javascript", "yarn", "pnpm", "bun", "npm_and_yarn"},
	PyPI:      {"pypi", "pip", "python", "python-pkg", "pipenv", "poetry", "uv", "pdm", "pylock", "setuptools"},
	Go:        {"go", "golang", "gomod", "go_modules", "go-module", "go-mod", "gobinary"},
	Maven:     {"maven", "java", "java-archive", "jenkins-plugin", "jar", "pom", "gradle", "sbt"},
	Cargo:     {"crates.io", "cargo", "rust", "rust-crate", "crates", "rustbinary", "rust-binary"},
	RubyGems:  {"rubygems", "gem", "gems", "ruby", "bundler", "gemspec"},
	NuGet:     {"nuget", "dotnet", ".net", "dotnet-core", "dotnet-deps", "nuget-config", "packages-props", "packages-config"},
	Packagist: {"packagist", "composer", "php", "php-composer", "composer-vendor"},
	Debian:    {"debian", "deb", "dpkg", "ubuntu", "raspbian", "kali", "echo"},
	Alpine:    {"alpine", "apk", "alpaquita", "wolfi", "chainguard", "minimos"},
	RPM: {
		"rpm", "red hat", "redhat", "rhel", "centos", "fedora", "rocky", "rocky linux", "alma", "almalinux", "oracle", "oraclelinux",
		"amazon", "amzn", "amazonlinux", "suse", "sles", "opensuse", "suse linux enterprise server", "mageia", "openeuler", "photon",
		"azurelinux", "cbl-mariner", "mariner", "bottlerocket",
	},
}

var bySpelling = func() map[string]string {
	m := make(map[string]string)
	for eco, names := range spellings {
		for _, n := range names {
			m[n] = eco
		}
	}
	return m
}()

// Normal returns the one name of an ecosystem that has several: "golang" is
// [Go], "Debian:12" is [Debian], "pip" is [PyPI]. One that is not known is
// returned in lower case, without a release after a colon.
func Normal(name string) string {
	base, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(name)), ":")
	if eco, ok := bySpelling[base]; ok {
		return eco
	}
	if strings.HasPrefix(base, "opensuse") || strings.HasPrefix(base, "suse ") || strings.HasPrefix(base, "suse.") {
		return RPM // "opensuse.leap", "opensuse-tumbleweed"
	}
	return base
}

// known reports whether the rules of a normal ecosystem are known.
func known(eco string) bool { return spellings[eco] != nil }
