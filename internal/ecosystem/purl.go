package ecosystem

import (
	"cmp"
	"strings"

	packageurl "github.com/package-url/packageurl-go"
)

// purlTypes are the types of package URLs (https://github.com/package-url/purl-spec) that need only
// the name of a package. The type of a distribution would also need the distribution.
var purlTypes = map[string]string{
	NPM: "npm", PyPI: "pypi", Go: "golang", Maven: "maven", Cargo: "cargo",
	RubyGems: "gem", NuGet: "nuget", Packagist: "composer", Hex: "hex", Pub: "pub",
	Swift: "swift", CocoaPods: "cocoapods", Hackage: "hackage", CRAN: "cran",
}

// PURL returns the package URL of a package, or "" if the name of the package is not enough for one
// in its ecosystem. Version may be empty.
func PURL(eco, name, version string) string {
	typ := purlTypes[Normal(eco)]
	if typ == "" || name == "" {
		return ""
	}
	namespace := ""
	switch typ {
	case "pypi":
		name = Name(PyPI, name)
	case "maven":
		namespace, name, _ = strings.Cut(Name(Maven, name), ":")
	case "npm", "golang", "composer", "hex", "swift":
		if i := strings.LastIndexByte(name, '/'); i > 0 {
			namespace, name = name[:i], name[i+1:]
		}
	}
	return packageurl.NewPackageURL(typ, namespace, name, version, nil, "").ToString()
}

// SplitPURL parses a package URL and returns names in the form used here, and its version: a Go
// version without its v, like OSV. ok is false if s is not a package URL.
func SplitPURL(s string) (eco, name, version string, ok bool) {
	u, err := packageurl.FromString(s)
	if err != nil {
		return "", "", "", false
	}
	eco, name, version = Normal(u.Type), u.Name, u.Version
	switch {
	case eco == Debian || eco == Alpine || eco == RPM || u.Namespace == "":
		// The namespace is the distribution, not a part of the name.
	case eco == Maven:
		name = u.Namespace + ":" + u.Name
	default:
		name = u.Namespace + "/" + u.Name
	}
	if eco == Go {
		version = strings.TrimPrefix(version, "v")
	}
	if epoch := u.Qualifiers.Map()["epoch"]; eco == RPM && version != "" && cmp.Or(epoch, "0") != "0" && !strings.Contains(version, ":") {
		version = epoch + ":" + version // https://github.com/package-url/purl-spec: rpm
	}
	return eco, name, version, true
}

// upstream returns the source package that a distribution's package URL names as its upstream, in
// Syft's form: "openssl" or "openssl-3.0.7-1.el9.src.rpm".
func upstream(purl string) string {
	u, err := packageurl.FromString(purl)
	if err != nil {
		return ""
	}
	source := u.Qualifiers.Map()["upstream"]
	if rpm, ok := strings.CutSuffix(source, ".src.rpm"); ok {
		for range 2 { // version and release
			if i := strings.LastIndexByte(rpm, '-'); i > 0 {
				rpm = rpm[:i]
			}
		}
		return rpm
	}
	source, _, _ = strings.Cut(source, "@")
	return source
}
