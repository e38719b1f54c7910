package ecosystem

import (
	"cmp"
	goversion "go/version"
	"regexp"
	"slices"
	"strings"

	depsdev "deps.dev/util/semver"
	"golang.org/x/mod/semver"
)

// Compare returns -1, 0 or 1 as version a is before, the same as, or after
// version b by the rules of the ecosystem, which may be in any spelling. The
// same is what the ecosystem takes for the same: 1.0 and 1.0.0 in PyPI.
//
// ok is false where it cannot be told: one of the two is no single version (a
// range, a branch, nothing) or none that the ecosystem allows, or the ecosystem
// is not known and ecosystems differ about these two.
func Compare(eco, a, b string) (order int, ok bool) {
	a, b = strings.TrimSpace(a), strings.TrimSpace(b)
	if len(a) > maxLength || len(b) > maxLength {
		return 0, false
	}
	switch Normal(eco) {
	case NPM:
		return compareSemver(strings.TrimLeft(a, "v="), strings.TrimLeft(b, "v="))
	case Cargo:
		return compareSemver(a, b)
	case Go:
		return compareGo(a, b)
	case PyPI:
		return compareDepsDev(depsdev.PyPI, pep440, a, b)
	case NuGet:
		return compareDepsDev(depsdev.NuGet, nuget, a, b)
	case Maven:
		return compareMaven(a, b)
	case RubyGems:
		return compareGem(a, b)
	case Packagist:
		return compareComposer(a, b)
	case Debian:
		return compareDebian(a, b)
	case Alpine:
		return compareAlpine(a, b)
	case RPM:
		return compareRPM(a, b)
	}
	return compareNumbers(a, b)
}

// maxLength is longer than any version that a registry takes.
const maxLength = 256

// Sort orders versions, the lowest first. Those that cannot be compared stand
// in the order of their letters, so that the result does not depend on the
// order given.
func Sort(eco string, versions []string) {
	slices.Sort(versions)
	slices.SortStableFunc(versions, func(a, b string) int {
		order, _ := Compare(eco, a, b)
		return order
	})
}

// compareSemver compares by https://semver.org/#spec-item-11. All three numbers
// are needed: npm and Cargo take 1.2 for a range.
func compareSemver(a, b string) (int, bool) {
	if !full.MatchString(a) || !full.MatchString(b) || !semver.IsValid("v"+a) || !semver.IsValid("v"+b) {
		return 0, false
	}
	return semver.Compare("v"+a, "v"+b), true
}

var full = regexp.MustCompile(`^\d+\.\d+\.\d+($|[-+])`)

// compareGo compares versions of modules (https://go.dev/ref/mod#versions; OSV
// leaves the v away) and of the Go release itself, where one of the two says
// that it is one: go1.21rc2.
func compareGo(a, b string) (int, bool) {
	if !strings.HasPrefix(a, "go") && !strings.HasPrefix(b, "go") {
		return compareSemver(strings.TrimPrefix(a, "v"), strings.TrimPrefix(b, "v"))
	}
	a, b = "go"+strings.TrimLeft(a, "gov"), "go"+strings.TrimLeft(b, "gov")
	if !goversion.IsValid(a) || !goversion.IsValid(b) {
		return 0, false
	}
	return goversion.Compare(a, b), true
}

// What may be a version of an ecosystem. The parsers behind it read more than
// that, wildcards among it.
var (
	pep440 = regexp.MustCompile(`^[0-9A-Za-z.!+_-]+$`)                                    // https://packaging.python.org/specifications/version-specifiers
	nuget  = regexp.MustCompile(`^\d+(\.\d+){0,3}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`) // https://learn.microsoft.com/nuget/concepts/package-versioning
)

func compareDepsDev(sys depsdev.System, allowed *regexp.Regexp, a, b string) (int, bool) {
	if !allowed.MatchString(a) || !allowed.MatchString(b) {
		return 0, false
	}
	v, errA := sys.Parse(a)
	w, errB := sys.Parse(b)
	if errA != nil || errB != nil {
		return 0, false
	}
	return cmp.Compare(v.Compare(w), 0), true
}

var plain = regexp.MustCompile(`^v?(0|[1-9]\d*)(\.(0|[1-9]\d*))*$`)

// compareNumbers compares numbers between dots, which all ecosystems order
// alike. They differ about the rest, so there only a version is the same as
// itself: 1.0 and 1.0.0, with and without a v, a release and what precedes it.
func compareNumbers(a, b string) (int, bool) {
	if a == b {
		return 0, oneVersion.MatchString(a)
	}
	if !plain.MatchString(a) || !plain.MatchString(b) {
		return 0, false
	}
	x, y := strings.Split(strings.TrimPrefix(a, "v"), "."), strings.Split(strings.TrimPrefix(b, "v"), ".")
	for i := range min(len(x), len(y)) {
		if order := compareDigits(x[i], y[i]); order != 0 {
			return order, true
		}
	}
	rest := slices.Concat(x[min(len(x), len(y)):], y[min(len(x), len(y)):])
	if strings.Trim(strings.Join(rest, ""), "0") == "" {
		return 0, false
	}
	return cmp.Compare(len(x), len(y)), true
}

// oneVersion holds no sign of a range.
var oneVersion = regexp.MustCompile(`^[^\s<>=^~*|,\[\]()]*\d[^\s<>=^~*|,\[\]()]*$`)

// compareDigits compares two numbers of any length.
func compareDigits(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
