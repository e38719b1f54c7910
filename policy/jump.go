package policy

import (
	"strings"

	"golang.org/x/mod/semver"

	"github.com/changetrail/changetrail/record"
)

// Jump names the largest step among dependency updates: major, minor, patch,
// downgrade, or unknown where a version cannot be read; empty where there are
// none. Below 1.0.0 a minor step may break callers and counts as major
// (https://semver.org, 4).
func Jump(updates []record.DependencyUpdate) string {
	largest := ""
	for _, u := range updates {
		if j := jump(u.From, u.To); grave(j) > grave(largest) {
			largest = j
		}
	}
	return largest
}

func grave(jump string) int {
	for i, j := range []string{"", "patch", "minor", "major", "downgrade", "unknown"} {
		if j == jump {
			return i
		}
	}
	return 0
}

func jump(from, to string) string {
	a, b := "v"+strings.TrimPrefix(from, "v"), "v"+strings.TrimPrefix(to, "v")
	switch {
	case !semver.IsValid(a) || !semver.IsValid(b):
		return "unknown"
	case semver.Compare(a, b) > 0:
		return "downgrade"
	case semver.Major(a) != semver.Major(b):
		return "major"
	case semver.MajorMinor(a) != semver.MajorMinor(b):
		if semver.Major(a) == "v0" {
			return "major"
		}
		return "minor"
	}
	return "patch"
}
