package ecosystem

import (
	"net/url"
	"regexp"
	"strings"
)

var separators = regexp.MustCompile(`[-_.]+`)

// Name returns the normal form of a package's name in an ecosystem, which may have any spelling.
// Names with the same normal form mean the same package. In an unknown ecosystem the name is
// returned unchanged.
func Name(eco, name string) string {
	name = strings.TrimSpace(name)
	switch Normal(eco) {
	case PyPI: // https://peps.python.org/pep-0503/#normalized-names; extras are not part of the name
		name, _, _ = strings.Cut(name, "[")
		return separators.ReplaceAllString(strings.ToLower(name), "-")
	case NPM: // https://docs.npmjs.com/cli/configuring-npm/package-json#name
		if n, err := url.PathUnescape(name); err == nil {
			name = n
		}
		return strings.ToLower(name)
	case Maven: // group:artifact; package URLs and paths have a slash between them
		group, artifact, ok := strings.Cut(name, ":")
		if !ok {
			group, artifact, ok = strings.Cut(name, "/")
		}
		if !ok {
			return name
		}
		return group + ":" + artifact
	case Cargo: // crates.io treats - and _, and both cases, as equal
		return strings.ReplaceAll(strings.ToLower(name), "_", "-")
	case Swift: // the address of its repository
		_, address, ok := strings.Cut(name, "://")
		if !ok {
			address = name
		}
		return strings.TrimSuffix(strings.ToLower(strings.Trim(address, "/")), ".git")
	case NuGet, Packagist, Alpine, Hex, Pub:
		return strings.ToLower(name)
	case Debian: // a source package, and an architecture after a colon
		name, _ = strings.CutPrefix(strings.ToLower(name), "src:")
		name, _, _ = strings.Cut(name, ":")
		return name
	case Go: // https://go.dev/ref/mod#module-path: case counts
		return strings.TrimSuffix(name, "/")
	}
	return name
}

// A Match says whether two packages are the same.
type Match int

// Unknown is between the others: callers that must not accuse treat it as Same, callers that must
// not trust treat it as Different.
const (
	Different Match = iota // they are two packages
	Unknown                // the given data do not decide it
	Same                   // they are one package
)

// A Package is a package as some source describes it. Each field may be empty.
type Package struct {
	Ecosystem string // in any spelling
	Name      string // in any spelling, or a package URL; a version after @ is ignored
	PURL      string // takes precedence over the others
}

// SamePackage reports whether a and b are the same package, whatever their versions. If only one of
// them states its ecosystem, the other is read by the rules of that ecosystem, and Same means: the
// same, if it is of that ecosystem.
func SamePackage(a, b Package) Match {
	x, y := read(a), read(b)
	if len(x.names) == 0 || len(y.names) == 0 {
		return Unknown
	}
	if x.eco != y.eco && x.eco != "" && y.eco != "" {
		if known(x.eco) && known(y.eco) || !sameName("", x, y) {
			return Different
		}
		return Unknown // conda's numpy may be PyPI's, or not
	}
	eco := x.eco
	if eco == "" {
		eco = y.eco
	}
	if sameName(eco, x, y) {
		return Same
	}
	if mayBe(eco, x, y) {
		return Unknown
	}
	return Different
}

// identity is a parsed package.
type identity struct {
	eco     string
	names   []string // of the package, then of its source package
	lowered bool     // the name was converted to lower case
}

func read(p Package) identity {
	for _, s := range []string{p.PURL, p.Name} {
		eco, name, _, ok := SplitPURL(s)
		if !ok {
			continue
		}
		id := identity{eco: eco, names: []string{name}, lowered: true}
		if source := upstream(s); source != "" {
			id.names = append(id.names, source)
		}
		return id
	}
	name := strings.TrimSpace(p.Name)
	if i := strings.LastIndexByte(name, '@'); i > 0 {
		name = name[:i]
	}
	name, _, _ = strings.Cut(name, "==")
	id := identity{eco: Normal(p.Ecosystem)}
	if name != "" {
		id.names = []string{name}
	}
	return id
}

func sameName(eco string, x, y identity) bool {
	for _, a := range x.names {
		for _, b := range y.names {
			m, n := Name(eco, a), Name(eco, b)
			if m == n || eco == Go && (x.lowered || y.lowered) && strings.EqualFold(m, n) {
				return true
			}
		}
	}
	return false
}

// mayBe reports whether two different names may still mean the same package.
func mayBe(eco string, x, y identity) bool {
	a, b := Name(eco, x.names[0]), Name(eco, y.names[0])
	if strings.EqualFold(a, b) {
		return true
	}
	switch eco {
	case Debian, Alpine, RPM:
		// One may be the source package of the other, which the names do not show.
		return len(x.names) == 1 && len(y.names) == 1
	case Go: // a package of a module
		return strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/")
	case Maven:
		return bareArtifact(a, b)
	case "":
		return bareArtifact(Name(Maven, a), Name(Maven, b)) || Name(PyPI, a) == Name(PyPI, b)
	}
	return false
}

// bareArtifact reports whether one of two coordinates is the artifact of the other without its
// group.
func bareArtifact(a, b string) bool {
	return !strings.Contains(a, ":") && strings.HasSuffix(b, ":"+a) || !strings.Contains(b, ":") && strings.HasSuffix(a, ":"+b)
}
