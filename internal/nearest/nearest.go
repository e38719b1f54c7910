// Package nearest finds the name that somebody most likely meant by one that nobody
// knows. Whatever refuses a name asks it: commands, flags, keys of files, fields, saved
// queries, changes and agents.
package nearest

import (
	"cmp"
	"slices"
	"strings"
)

// Name returns the known name that is nearest to one that is not known; "" where none is
// near. A part between dots may be given in place of the whole: gaps is changetrail.gaps.
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

// Hint is the end of a sentence about an unknown name: which one was meant, or nothing.
func Hint(given string, known []string) string {
	if name := Name(given, known); name != "" {
		return "; did you mean " + name + "?"
	}
	return ""
}

// List returns names as a sentence has them: a, b or c.
func List(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// NotOne says of a value that it is not one of those that are possible.
func NotOne(given string, known []string) string {
	named := slices.DeleteFunc(slices.Clone(known), func(name string) bool { return name == "" })
	return "\"" + given + "\" is not one of " + strings.Join(named, ", ") + Hint(given, named)
}

// cost is how far a name is from another one, in half mistakes; false where it is too far
// to be meant.
func cost(given, name string) (int, bool) {
	best, ok := mistakes(given, name)
	best *= 2
	if whole, _ := mistakes(normal(given), normal(name)); ok && whole == 0 {
		return 1, true // the same words with other separators
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

// mistakes counts how many letters must be put in, taken out, replaced or exchanged with
// the next one; false where that is more than a third of the word.
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
