package ecosystem

import (
	"cmp"
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

// comparePub compares as Dart does, where a build comes after the version
// without it, and builds are in order like what precedes a release
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

// compareGo compares versions of modules (https://go.dev/ref/mod#versions; OSV
// leaves the v away) and of the Go release itself.
func compareGo(a, b string) (int, bool) {
	return compareSemver(goSemver(a), goSemver(b))
}

// goRelease is a release of Go, with what its build adds after a space:
// go1.21.3 X:nocoverageredesign.
var goRelease = regexp.MustCompile(`^go(\d+\.\d+)(\.\d+)?(?:(beta|rc)(\d+))?( .*)?$`)

// goSemver writes a release of Go as Go's database of vulnerabilities does:
// go1.22rc1 is 1.22.0-rc.1. A version of a module loses its v.
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

var numbers = regexp.MustCompile(`^\d+([.-]\d+)*$`)

// compareNumbers compares as Hackage and CRAN do: number by number, and 1.0 is
// before 1.0.0. CRAN takes a dash for a dot.
func compareNumbers(a, b string) (int, bool) {
	if !numbers.MatchString(a) || !numbers.MatchString(b) {
		return 0, false
	}
	x, y := strings.FieldsFunc(a, isSeparator), strings.FieldsFunc(b, isSeparator)
	return slices.CompareFunc(x, y, compareDigits), true
}

func isSeparator(r rune) bool { return r == '.' || r == '-' }

// leading reads the numbers with which a version begins, unless they are an
// epoch, and what is behind them.
var leading = regexp.MustCompile(`^v?((?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))*)(\.?[^.:!\d].*)?$`)

// compareAnywhere compares two versions of an ecosystem that is not known, as far
// as all ecosystems agree: the first numbers that differ decide, and of two that
// are numbers alone the longer one is later. They differ about the rest: 1.0 and
// 1.0.0, with and without a v, a release and what precedes it.
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

// oneVersion holds no sign of a range.
var oneVersion = regexp.MustCompile(`^[^\s<>=^~*|,\[\]()]*\d[^\s<>=^~*|,\[\]()]*$`)

// compareDigits compares two numbers of any length.
func compareDigits(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
