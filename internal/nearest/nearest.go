// Package nearest finds the name that somebody most likely meant by an unknown one. Everything that
// refuses unknown names uses it: commands, flags, keys of files, fields, saved queries, changes and
// agents.
package nearest

import (
	"cmp"
	"slices"
	"strings"
)

// Name returns the known name that is nearest to an unknown one; "" if none is near. The part
// behind a dot may be given instead of the whole name: gaps means changetrail.gaps.
func Name(given string, known []string) string {
	if given == "" {
		return ""
	}
	type candidate struct {
		name string
		cost int
	}
	var near []candidate
	for _, name := range known {
		if c, ok := cost(strings.ToLower(given), strings.ToLower(name)); ok && name != given {
			near = append(near, candidate{name, c})
		}
	}
	if len(near) == 0 {
		return ""
	}
	return slices.MinFunc(near, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.cost, b.cost), cmp.Compare(len(a.name), len(b.name)), cmp.Compare(a.name, b.name))
	}).name
}

// Hint returns the end of a sentence about an unknown name: the name that was probably meant, or
// nothing.
func Hint(given string, known []string) string {
	if name := Name(given, known); name != "" {
		return "; did you mean " + name + "?"
	}
	return ""
}

// List returns names as an enumeration in a sentence: a, b or c.
func List(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// NotOne says that a value is not one of the possible ones.
func NotOne(given string, known []string) string {
	named := slices.DeleteFunc(slices.Clone(known), func(name string) bool { return name == "" })
	return "\"" + given + "\" is not one of " + strings.Join(named, ", ") + Hint(given, named)
}

// cost is the distance between two names, in half mistakes; false if it is too large.
func cost(given, name string) (int, bool) {
	best, ok := mistakes(given, name)
	best *= 2
	if whole, _ := mistakes(normal(given), normal(name)); ok && whole == 0 {
		return 1, true // only the separators differ
	}
	if i := strings.LastIndexByte(name, '.'); i >= 0 && !strings.Contains(given, ".") {
		for _, part := range strings.Split(name, ".") {
			if n, near := mistakes(given, part); near && (!ok || 2*n+1 < best) {
				best, ok = 2*n+1, true
			}
		}
	}
	return best, ok
}

func normal(name string) string { return strings.NewReplacer("_", "", "-", "", " ", "").Replace(name) }

// mistakes counts how many letters must be inserted, removed, replaced or swapped with the next
// one; false if it is more than a third of the word.
func mistakes(a, b string) (int, bool) {
	x, y := []rune(a), []rune(b)
	most := max(1, max(len(x), len(y))/3)
	if len(x) < 3 || len(y) < 3 {
		most = min(1, len(x)-1)
	}
	if len(x)-len(y) > most || len(y)-len(x) > most || len(x) > 200 || len(y) > 200 {
		return 0, false
	}
	before, last, row := []int(nil), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			differs := 1
			if x[i-1] == y[j-1] {
				differs = 0
			}
			row[j] = min(row[j-1]+1, last[j]+1, last[j-1]+differs)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, make([]int, len(y)+1)
	}
	return last[len(y)], last[len(y)] <= most
}
