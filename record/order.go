package record

import (
	"cmp"
	"slices"
	"strings"
)

// cmpStrings compares strings pairwise; the first difference decides.
func cmpStrings(pairs ...string) int {
	for i := 0; i+1 < len(pairs); i += 2 {
		if c := strings.Compare(pairs[i], pairs[i+1]); c != 0 {
			return c
		}
	}
	return 0
}

// compactStrings returns the distinct non-empty strings of in, in order of
// first appearance.
func compactStrings(in []string) []string {
	out := in[:0:0]
	for _, s := range in {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// smallest returns the union of two sorted sets, cut to the n smallest members. That makes a
// union independent of the order of its parts.
func smallest[T any](a, b []T, n int, compare func(T, T) int) []T {
	if addsNothing(a, b, n, compare) {
		return a
	}
	out := slices.Concat(a, b)
	slices.SortFunc(out, compare)
	out = slices.CompactFunc(out, func(x, y T) bool { return compare(x, y) == 0 })
	return out[:min(n, len(out))]
}

// addsNothing reports whether each member of b is in the sorted set a, or sorts after it if a is
// full.
func addsNothing[T any](a, b []T, n int, compare func(T, T) int) bool {
	if len(a) == 0 || len(a) > n {
		return false
	}
	return !slices.ContainsFunc(b, func(x T) bool {
		at, found := slices.BinarySearchFunc(a, x, compare)
		return !found && (at < len(a) || len(a) < n)
	})
}

func smallestStrings(a, b []string, n int) []string {
	out := smallest(a, b, n+1, cmp.Compare[string])
	if len(out) > 0 && out[0] == "" {
		out = out[1:]
	}
	return out[:min(n, len(out))]
}

// severities, from the least to the most serious.
var severities = []string{"", "unknown", "none", "low", "medium", "high", "critical"}

// MaxSeverity returns the more serious of two severities.
func MaxSeverity(a, b string) string {
	if slices.Index(severities, a) >= slices.Index(severities, b) {
		return a
	}
	return b
}
