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

// Normal returns the one name of an ecosystem that has several: "golang" is
// [Go], "Debian:12" is [Debian], "pip" is [PyPI]. One that is not known is
// returned in lower case, without a release after a colon.
func Normal(name string) string {
	base, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(name)), ":")
	if eco := bySpelling(base); eco != "" {
		return eco
	}
	return base
}

// known reports whether the rules of a normal ecosystem are known.
func known(eco string) bool { return bySpelling(strings.ToLower(eco)) == eco }

// bySpelling finds an ecosystem by what it is called in lower case: by OSV, as a
// type of package URLs, and by GitHub, GitLab, Dependabot, Trivy, Syft and Grype.
func bySpelling(name string) string {
	switch name {
	case "npm", "node", "nodejs", "node.js", "node-pkg", "javascript", "yarn", "pnpm", "bun", "npm_and_yarn":
		return NPM
	case "pypi", "pip", "python", "python-pkg", "pipenv", "poetry", "uv", "pdm", "pylock", "setuptools":
		return PyPI
	case "go", "golang", "gomod", "go_modules", "go-module", "go-mod", "gobinary":
		return Go
	case "maven", "java", "java-archive", "jenkins-plugin", "jar", "pom", "gradle", "sbt":
		return Maven
	case "crates.io", "cargo", "rust", "rust-crate", "crates", "rustbinary", "rust-binary":
		return Cargo
	case "rubygems", "gem", "gems", "ruby", "bundler", "gemspec":
		return RubyGems
	case "nuget", "dotnet", ".net", "dotnet-core", "dotnet-deps", "nuget-config", "packages-props", "packages-config":
		return NuGet
	case "packagist", "composer", "php", "php-composer", "composer-vendor":
		return Packagist
	case "debian", "deb", "dpkg", "ubuntu", "raspbian", "kali", "echo":
		return Debian
	case "alpine", "apk", "alpaquita", "wolfi", "chainguard", "minimos":
		return Alpine
	case "rpm", "red hat", "redhat", "rhel", "centos", "fedora", "rocky", "rocky linux", "alma", "almalinux", "oracle", "oraclelinux",
		"amazon", "amzn", "amazonlinux", "suse", "sles", "opensuse", "mageia", "openeuler", "photon", "azurelinux", "cbl-mariner", "mariner",
		"bottlerocket":
		return RPM
	}
	if strings.HasPrefix(name, "opensuse") || strings.HasPrefix(name, "suse ") || strings.HasPrefix(name, "suse.") {
		return RPM // "opensuse.leap", "suse linux enterprise server"
	}
	return ""
}
