package ecosystem

import (
	"cmp"
	"slices"
	"strings"
)

// LowestFix returns the lowest version without the weakness that is above the
// installed one, or the lowest of all where nothing is said to be installed. Each
// of requirements is a version, a list of them or a range as the tool wrote it:
// ">=0.6.14, <1.0.0". Where it cannot be told whether a fix is above what is
// installed, or which of several is the lowest, there is none: a wrong fix is
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
		return only(fixes) // a branch, a commit: the tool has told that it is below
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

// lowest returns the lowest of versions, and nothing where it cannot be told.
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
