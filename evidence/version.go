package evidence

import (
	"strings"

	"github.com/changetrail/changetrail/ecosystem"
)

// lowestFix returns the lowest version without the weakness that is above the
// installed one, or the lowest of all where that is not known. Each of
// requirements is a version or a range as the ecosystem writes it:
// ">=0.6.14, <1.0.0". Where versions cannot be compared, only one that stands
// alone is taken: a wrong fix is worse than none.
func lowestFix(eco string, requirements []string, installed string) string {
	var bounds []string
	for _, r := range requirements {
		bounds = append(bounds, lowerBounds(eco, r)...)
	}
	bounds = distinct(bounds)
	best, sure := "", true
	for _, v := range bounds {
		if installed != "" {
			order, ok := ecosystem.Compare(eco, v, installed)
			if ok && order <= 0 || !ok && len(bounds) > 1 {
				continue
			}
		}
		if best == "" {
			best = v
			continue
		}
		order, ok := ecosystem.Compare(eco, v, best)
		if sure = sure && ok; ok && order < 0 {
			best = v
		}
	}
	if !sure {
		return ""
	}
	return best
}

// A bound is one comparison of a range.
type bound struct{ sign, version string }

// lowerBounds returns the lowest versions that the parts of a range allow. A
// bound from above is none of them, nor is one that leaves its own version out:
// the version behind it is not known. In "~> 5.2.4, >= 5.2.4.3" the second bound
// narrows the first, and it alone counts.
func lowerBounds(eco, requirement string) []string {
	bounds := splitBounds(requirement)
	var out []string
	for i, b := range bounds {
		switch b.sign {
		case "", "=", "==", ">=", "^", "~":
		case "~>", "~=":
			if i+1 < len(bounds) && bounds[i+1].sign == ">=" && within(eco, bounds[i+1].version, b.version) {
				continue
			}
		default:
			continue
		}
		out = append(out, b.version)
	}
	return out
}

// splitBounds reads the comparisons of a range, which commas, bars or spaces
// separate. A space may also stand behind a sign.
func splitBounds(requirement string) []bound {
	var out []bound
	sign := ""
	for _, word := range strings.FieldsFunc(requirement, func(r rune) bool { return r == ',' || r == '|' || r == ' ' || r == '\t' }) {
		version := strings.TrimLeft(word, "<>=^~!")
		sign += word[:len(word)-len(version)]
		if strings.ContainsAny(version, "0123456789") {
			out = append(out, bound{sign, version})
			sign = ""
		}
	}
	return out
}

// within reports whether v satisfies "~> floor": at least the floor, with all its
// numbers but the last (https://guides.rubygems.org/patterns/#pessimistic-version-constraint).
func within(eco, v, floor string) bool {
	i := strings.LastIndexByte(floor, '.')
	if i < 0 {
		i = 0
	}
	order, ok := ecosystem.Compare(eco, v, floor)
	return ok && order >= 0 && strings.HasPrefix(v, floor[:i]+".")
}
