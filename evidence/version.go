package evidence

import (
	"strconv"
	"strings"
)

// compareVersions compares two versions part by part: numbers as numbers, a
// pre-release before its release. It is good enough to pick the nearest fix
// among the versions of one package, in whatever ecosystem.
func compareVersions(a, b string) int {
	a, b = strings.TrimPrefix(a, "v"), strings.TrimPrefix(b, "v")
	a, _, _ = strings.Cut(a, "+")
	b, _, _ = strings.Cut(b, "+")
	as, bs := splitVersion(a), splitVersion(b)
	for i := range max(len(as), len(bs)) {
		if c := comparePart(part(as, i), part(bs, i)); c != 0 {
			return c
		}
	}
	return 0
}

func splitVersion(v string) []string {
	return strings.FieldsFunc(v, func(r rune) bool { return r == '.' || r == '-' || r == '_' })
}

func part(parts []string, i int) string {
	if i < len(parts) {
		return parts[i]
	}
	return "0"
}

func comparePart(a, b string) int {
	x, errA := strconv.ParseUint(a, 10, 63)
	y, errB := strconv.ParseUint(b, 10, 63)
	switch {
	case errA == nil && errB == nil:
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	case errA == nil:
		return 1 // 1.0.0 is after 1.0.0-rc1
	case errB == nil:
		return -1
	}
	return strings.Compare(a, b)
}

// lowestAbove returns the lowest of versions above installed, or the lowest of
// all where that is not known. Comparison signs before a version are skipped.
func lowestAbove(versions []string, installed string) string {
	best := ""
	for _, v := range versions {
		v = strings.TrimLeft(strings.TrimSpace(v), "<>=^~ ")
		if v, _, _ = strings.Cut(v, " "); v == "" {
			continue
		}
		v = strings.TrimSuffix(v, ",")
		if installed != "" && compareVersions(v, installed) <= 0 {
			continue
		}
		if best == "" || compareVersions(v, best) < 0 {
			best = v
		}
	}
	return best
}
