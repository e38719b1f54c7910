package ecosystem

import "strings"

// The ecosystems whose rules are known. The names are OSV's
// (https://ossf.github.io/osv-schema/#defined-ecosystems) if it has one for the whole ecosystem.
// Distributions that share a package format share a name.
const (
	NPM       = "npm"
	PyPI      = "PyPI"
	Go        = "Go"
	Maven     = "Maven"
	Cargo     = "crates.io"
	RubyGems  = "RubyGems"
	NuGet     = "NuGet"
	Packagist = "Packagist"
	Hex       = "Hex"
	Pub       = "Pub"
	Swift     = "SwiftURL"
	CocoaPods = "CocoaPods"
	Hackage   = "Hackage"
	CRAN      = "CRAN"
	Debian    = "Debian" // dpkg: Debian, Ubuntu and derivatives
	Alpine    = "Alpine" // apk: Alpine, Wolfi, Chainguard
	RPM       = "rpm"    // Red Hat, Fedora, SUSE, Amazon and others
)

// Normal returns the normal name of an ecosystem: "golang" is [Go], "Debian:12" is [Debian], "pip"
// is [PyPI]. An unknown name is returned in lower case, without a release after a colon.
func Normal(name string) string {
	base, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(name)), ":")
	if eco := bySpelling(base); eco != "" {
		return eco
	}
	return base
}

// Of returns the ecosystem of a package by the tool's name for it, or by the package URL if only
// the tool uses that name.
func Of(name, purl string) string {
	if eco, _, _, ok := SplitPURL(purl); ok && !Known(name) {
		return eco
	}
	return name
}

// Known reports whether the rules of an ecosystem are known. Its name may have any spelling.
func Known(name string) bool { return known(Normal(name)) }

func known(normal string) bool { return bySpelling(strings.ToLower(normal)) == normal && normal != "" }

// bySpelling returns the ecosystem for a name in lower case, as used by OSV, as a type of package
// URLs, or by GitHub, GitLab, Dependabot, Trivy, Syft and Grype.
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
	case "hex", "elixir", "erlang", "mix":
		return Hex
	case "pub", "dart", "dart-pub", "flutter":
		return Pub
	case "swifturl", "swift", "swiftpm", "spm":
		return Swift
	case "cocoapods", "pod", "pods":
		return CocoaPods
	case "hackage", "haskell", "cabal", "stack":
		return Hackage
	case "cran", "r", "r-package":
		return CRAN
	}
	return distribution(name)
}

// distribution returns the package format of a Linux distribution for its name in lower case, as
// used by OSV, Trivy and Grype.
func distribution(name string) string {
	switch name {
	case "debian", "deb", "dpkg", "ubuntu", "raspbian", "kali", "linuxmint", "pop", "echo":
		return Debian
	case "alpine", "apk", "alpaquita", "wolfi", "chainguard", "minimos", "postmarketos", "bellsoft hardened containers":
		return Alpine
	case "rpm", "red hat", "redhat", "rhel", "centos", "centos stream", "fedora", "fedora coreos", "rocky", "rocky linux", "rockylinux", "alma", "almalinux",
		"oracle", "oracle linux", "oraclelinux", "ol", "amazon", "amazon linux", "amzn", "amazonlinux", "suse", "sles", "slem", "sle-micro", "sl-micro", "opensuse", "mageia", "openeuler", "photon", "photon os", "azurelinux", "azure linux", "cbl-mariner", "mariner",
		"bottlerocket":
		return RPM
	}
	if strings.HasPrefix(name, "opensuse") || strings.HasPrefix(name, "suse ") || strings.HasPrefix(name, "suse.") {
		return RPM // "opensuse.leap", "suse linux enterprise server"
	}
	return ""
}
