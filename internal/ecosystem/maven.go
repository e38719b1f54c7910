package ecosystem

import (
	"regexp"
	"strings"

	depsdev "deps.dev/util/semver"
)

var (
	// https://maven.apache.org/pom.html#version-order-specification
	maven = regexp.MustCompile(`^[0-9A-Za-z._+-]*\d[0-9A-Za-z._+-]*$`)
	// mavenTail matches the text after the first numbers of a version.
	mavenTail = regexp.MustCompile(`^(\d+(?:\.\d+)*?)(?:\.0+)*([._-]?[a-z].*|-\d.*|_.*)?$`)
	// meaning matches a tail whose qualifier has its own place in the order.
	meaning = regexp.MustCompile(`^[.-]?((alpha|beta|milestone|rc|cr|snapshot|ga|final|release|sp)([^a-z]|$)|[abm]\d)`)
	zeros   = regexp.MustCompile(`(^|[^0-9])0+([0-9])`)
)

func compareMaven(a, b string) (int, bool) {
	if dynamic(a) || dynamic(b) {
		return 0, false
	}
	// The library treats 01 as another number than 1.
	a, b = zeros.ReplaceAllString(a, "$1$2"), zeros.ReplaceAllString(b, "$1$2")
	if releasesDiffer(a, b) {
		return 0, false
	}
	return compareDepsDev(depsdev.Maven, maven, a, b)
}

// dynamic reports whether a version of Maven or Gradle means the newest of several: 1.+, 1.x.
func dynamic(v string) bool {
	return strings.HasSuffix(v, "+") || strings.HasSuffix(strings.ToLower(v), ".x") || strings.HasPrefix(v, "latest.")
}

// releasesDiffer reports whether releases of Maven differ about the order: 1.foo and 1-foo are
// equal since 3.8.7, and were different before.
func releasesDiffer(a, b string) bool {
	x, y := mavenTail.FindStringSubmatch(strings.ToLower(a)), mavenTail.FindStringSubmatch(strings.ToLower(b))
	if x == nil || y == nil || x[1] != y[1] || x[2] == "" || y[2] == "" || meaning.MatchString(x[2]) || meaning.MatchString(y[2]) {
		return false
	}
	return (x[2][0] == '.') != (y[2][0] == '.')
}
