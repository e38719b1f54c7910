package ecosystem

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	depsdev "deps.dev/util/semver"
	"golang.org/x/mod/semver"
)

// Compare returns -1, 0 or 1 if version a is before, equal to, or after version b by the rules of
// the ecosystem, whose name may have any spelling. Versions are equal if the ecosystem treats them
// as equal: 1.0 and 1.0.0 in PyPI.
//
// ok is false if the order is unknown: one of the two is not a single version (a range, a branch,
// nothing) or not one that the ecosystem allows, or the ecosystem is unknown and ecosystems differ
// about these two.
func Compare(eco, a, b string) (order int, ok bool) {
	a, b = strings.TrimSpace(a), strings.TrimSpace(b)
	if len(a) > maxLength || len(b) > maxLength {
		return 0, false
	}
	switch Normal(eco) {
	case NPM:
		return compareSemver(strings.TrimLeft(a, "v="), strings.TrimLeft(b, "v="))
	case Cargo, Hex:
		return compareSemver(a, b)
	case Swift:
		return compareSemver(strings.TrimPrefix(a, "v"), strings.TrimPrefix(b, "v"))
	case Pub:
		return comparePub(a, b)
	case Go:
		return compareGo(a, b)
	case PyPI:
		return compareDepsDev(depsdev.PyPI, pep440, a, b)
	case NuGet:
		return compareDepsDev(depsdev.NuGet, nuget, a, b)
	case Maven:
		return compareMaven(a, b)
	case RubyGems, CocoaPods:
		return compareGem(a, b)
	case Packagist:
		return compareComposer(a, b)
	case Debian:
		return compareDebian(a, b)
	case Alpine:
		return compareAlpine(a, b)
	case RPM:
		return compareRPM(a, b)
	case Hackage, CRAN:
		return compareNumbers(a, b)
	}
	return compareAnywhere(a, b)
}

// maxLength is longer than any version that a registry accepts.
const maxLength = 256

// Sort orders versions, the lowest first. Versions that cannot be compared are in alphabetical
// order, so that the result does not depend on the order given.
func Sort(eco string, versions []string) {
	slices.Sort(versions)
	slices.SortStableFunc(versions, func(a, b string) int {
		order, _ := Compare(eco, a, b)
		return order
	})
}

// compareSemver compares by https://semver.org/#spec-item-11. All three numbers are required: npm
// and Cargo treat 1.2 as a range.
func compareSemver(a, b string) (int, bool) {
	if !full.MatchString(a) || !full.MatchString(b) || !semver.IsValid("v"+a) || !semver.IsValid("v"+b) {
		return 0, false
	}
	return semver.Compare("v"+a, "v"+b), true
}

var full = regexp.MustCompile(`^\d+\.\d+\.\d+($|[-+])`)

// comparePub compares like Dart, where a version with a build is after the one without, and builds
// are ordered like pre-releases
// (https://pub.dev/documentation/pub_semver/latest/pub_semver/Version/operator_less.html).
func comparePub(a, b string) (int, bool) {
	order, ok := compareSemver(a, b)
	if !ok || order != 0 {
		return order, ok
	}
	_, x, _ := strings.Cut(a, "+")
	_, y, _ := strings.Cut(b, "+")
	if x == y || x == "" || y == "" {
		return cmp.Compare(len(x), len(y)), true
	}
	return compareSemver("0.0.0-"+x, "0.0.0-"+y)
}

// compareGo compares versions of modules (https://go.dev/ref/mod#versions; OSV omits the v) and of
// Go itself.
func compareGo(a, b string) (int, bool) {
	return compareSemver(goSemver(a), goSemver(b))
}

// goRelease matches a release of Go, with what its build appends after a space: go1.21.3
// X:nocoverageredesign.
var goRelease = regexp.MustCompile(`^go(\d+\.\d+)(\.\d+)?(?:(beta|rc)(\d+))?( .*)?$`)

// goSemver returns a release of Go in the form of Go's vulnerability database: go1.22rc1 becomes
// 1.22.0-rc.1. It removes the v of a module version.
func goSemver(v string) string {
	m := goRelease.FindStringSubmatch(v)
	if m == nil {
		return strings.TrimPrefix(v, "v")
	}
	out := m[1] + cmp.Or(m[2], ".0")
	if m[3] != "" {
		out += "-" + m[3] + "." + m[4]
	}
	return out
}

// The versions that an ecosystem allows. Its parser accepts more than that, such as wildcards.
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

var numbers = regexp.MustCompile(`^\d+([.-]\d+)*$`)

// compareNumbers compares like Hackage and CRAN: number by number, with 1.0 before 1.0.0. CRAN
// treats a dash like a dot.
func compareNumbers(a, b string) (int, bool) {
	if !numbers.MatchString(a) || !numbers.MatchString(b) {
		return 0, false
	}
	x, y := strings.FieldsFunc(a, isSeparator), strings.FieldsFunc(b, isSeparator)
	return slices.CompareFunc(x, y, compareDigits), true
}

func isSeparator(r rune) bool { return r == '.' || r == '-' }

// leading matches the numbers at the start of a version, unless they are an epoch, and the rest.
var leading = regexp.MustCompile(`^v?((?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))*)(\.?[^.:!\d].*)?$`)

// compareAnywhere compares two versions of an unknown ecosystem, if all ecosystems agree about
// them: the first numbers that differ decide, and of two versions that only have numbers the longer
// one is later. Ecosystems differ about the rest: 1.0 and 1.0.0, with and without a v, a release
// and its pre-releases.
func compareAnywhere(a, b string) (int, bool) {
	if !oneVersion.MatchString(a) || !oneVersion.MatchString(b) {
		return 0, false
	}
	if a == b {
		return 0, true
	}
	m, n := leading.FindStringSubmatch(a), leading.FindStringSubmatch(b)
	if m == nil || n == nil {
		return 0, false
	}
	x, y := strings.Split(m[1], "."), strings.Split(n[1], ".")
	for i := range min(len(x), len(y)) {
		if order := compareDigits(x[i], y[i]); order != 0 {
			return order, true
		}
	}
	rest := slices.Concat(x[min(len(x), len(y)):], y[min(len(x), len(y)):])
	if m[2] != "" || n[2] != "" || strings.Trim(strings.Join(rest, ""), "0") == "" {
		return 0, false
	}
	return cmp.Compare(len(x), len(y)), true
}

// oneVersion matches a version without any sign of a range.
var oneVersion = regexp.MustCompile(`^[^\s<>=^~*|,\[\]()]*\d[^\s<>=^~*|,\[\]()]*$`)

// compareDigits compares two numbers of any length.
func compareDigits(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
