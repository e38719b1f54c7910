package policy

import (
	"regexp"
	"strings"

	"github.com/changetrail/changetrail/internal/ecosystem"
	"github.com/changetrail/changetrail/record"
)

// Jump returns the largest step among dependency updates: major, minor, patch, downgrade, or
// unknown if two versions cannot be ordered; "" if there are no updates. Versions are ordered by
// the rules of the update's ecosystem. The first number that differs determines the step. Below
// 1.0.0 a minor step may break callers and counts as major (https://semver.org, 4); so does a
// change of the epoch.
func Jump(updates []record.DependencyUpdate) string {
	largest := ""
	for _, u := range updates {
		if j := jump(u); jumpRank(j) > jumpRank(largest) {
			largest = j
		}
	}
	return largest
}

func jumpRank(jump string) int {
	for i, j := range []string{"", "patch", "minor", "major", "downgrade", "unknown"} {
		if j == jump {
			return i
		}
	}
	return 0
}

func jump(u record.DependencyUpdate) string {
	order, ok := ecosystem.Compare(u.Ecosystem, u.From, u.To)
	switch {
	case !ok:
		return "unknown"
	case order > 0:
		return "downgrade"
	}
	a, b := numbered.FindStringSubmatch(u.From), numbered.FindStringSubmatch(u.To)
	if a == nil || b == nil {
		return "unknown"
	}
	if strings.TrimLeft(a[1], "0") != strings.TrimLeft(b[1], "0") {
		return "major"
	}
	x, y := strings.Split(a[2], "."), strings.Split(b[2], ".")
	switch {
	case number(x, 0) != number(y, 0):
		return "major"
	case number(x, 1) == number(y, 1):
		return "patch"
	case number(x, 0) == "":
		return "major"
	}
	return "minor"
}

// numbered matches the epoch of a version, as PyPI and distributions write it, and its numbers.
var numbered = regexp.MustCompile(`^(?:v|go)?(?:(\d+)[:!])?(\d+(?:\.\d+)*)`)

// number returns the number at i without leading zeros. It is empty for 0 and for a number that is
// missing.
func number(numbers []string, i int) string {
	if i >= len(numbers) {
		return ""
	}
	return strings.TrimLeft(numbers[i], "0")
}
