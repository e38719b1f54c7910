package ecosystem

import (
	"cmp"
	"slices"
	"strings"
)

// LowestFix returns the lowest version without the weakness that is above the installed one, or the
// lowest of all if no installed version is given. Each of requirements is a version, a list of
// versions or a range as the tool wrote it: ">=0.6.14, <1.0.0". It returns "" if it is unknown
// whether a fix is above the installed version, or which of several is the lowest: a wrong fix is
// worse than none.
func LowestFix(eco string, requirements []string, installed string) string {
	var fixes []string
	for _, r := range requirements {
		eco = stated(eco, r)
		for _, v := range firsts(eco, r) {
			if !slices.Contains(fixes, v) {
				fixes = append(fixes, v)
			}
		}
	}
	if !strings.ContainsAny(installed, digits) {
		return lowest(eco, fixes) // "", (devel), UNKNOWN
	}
	if _, ok := Compare(eco, installed, installed); !ok {
		return only(fixes) // a branch, a commit: the tool says that the fix is above it
	}
	var above []string
	for _, v := range fixes {
		if order, ok := Compare(eco, v, installed); ok && order > 0 {
			above = append(above, v)
		}
	}
	return lowest(eco, above)
}

func only(fixes []string) string {
	if len(fixes) != 1 {
		return ""
	}
	return fixes[0]
}

// lowest returns the lowest of versions, or "" if that is unknown.
func lowest(eco string, versions []string) string {
	best := ""
	for _, v := range versions {
		order, ok := Compare(eco, v, cmp.Or(best, v))
		if !ok {
			return ""
		}
		if best == "" || order < 0 {
			best = v
		}
	}
	return best
}
