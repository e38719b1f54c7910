package ecosystem

import (
	"regexp"
	"strings"
)

var (
	gemVersion = regexp.MustCompile(`^[0-9]+(\.[0-9A-Za-z]+)*(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`)
	// gemPlatform matches what a lock file appends for a gem that was built for a platform
	// (https://docs.ruby-lang.org/en/master/Gem/Platform.html). No release has a dash.
	gemPlatform = regexp.MustCompile(`-(?:java|jruby|dalvik|mswin|mingw|(?:x86|x64|i[3-6]86|arm|aarch64|universal|ppc|powerpc|s390|riscv|sparc)[0-9a-z_]*-)[0-9A-Za-z_.-]*$`)
	gemSegment  = regexp.MustCompile(`[0-9]+|[A-Za-z]+`)
)

// compareGem compares like Gem::Version (https://docs.ruby-lang.org/en/master/Gem/Version.html):
// segment by segment, letters before numbers, and a missing segment is 0.
func compareGem(a, b string) (int, bool) {
	a, b = gemPlatform.ReplaceAllString(a, ""), gemPlatform.ReplaceAllString(b, "")
	if !gemVersion.MatchString(a) || !gemVersion.MatchString(b) {
		return 0, false
	}
	x, y := gemSegments(a), gemSegments(b)
	for i := range max(len(x), len(y)) {
		if order := compareSegments(segment(x, i), segment(y, i)); order != 0 {
			return order, true
		}
	}
	return 0, true
}

// gemSegments returns the numbers and words of a version, without the zeros at the end of its
// numeric part and at the end of the version.
func gemSegments(v string) []string {
	all := gemSegment.FindAllString(strings.ReplaceAll(v, "-", ".pre."), -1)
	n := 0
	for n < len(all) && isNumber(all[n]) {
		n++
	}
	return append(withoutZeros(all[:n:n]), withoutZeros(all[n:])...)
}

func withoutZeros(segments []string) []string {
	for len(segments) > 0 && strings.Trim(segments[len(segments)-1], "0") == "" {
		segments = segments[:len(segments)-1]
	}
	return segments
}

func segment(segments []string, i int) string {
	if i < len(segments) {
		return segments[i]
	}
	return "0"
}

func compareSegments(a, b string) int {
	switch x, y := isNumber(a), isNumber(b); {
	case x && y:
		return compareDigits(a, b)
	case x:
		return 1
	case y:
		return -1
	}
	return strings.Compare(a, b)
}

func isNumber(s string) bool { return s[0] >= '0' && s[0] <= '9' }
