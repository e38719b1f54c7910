package ecosystem

import (
	"cmp"
	"regexp"
	"strings"
)

// composerVersion matches what Composer accepts as a version: up to four numbers, a stability with
// its number, and dev (https://getcomposer.org/doc/04-schema.md#version). It does not match a
// branch, such as dev-main or 2.x-dev.
var composerVersion = regexp.MustCompile(`(?i)^v?(\d{1,5}(?:\.\d+){0,3})(?:[._-]?(?:(stable|beta|b|rc|alpha|a|patch|pl|p)((?:[.-]?\d+)*))?)([.-]?dev)?(?:\+\S+)?$`)

// stabilities are the ranks of PHP's version_compare (https://www.php.net/version_compare). A
// release has no stability and rank 4.
var stabilities = map[string]int{"dev": 0, "alpha": 1, "a": 1, "beta": 2, "b": 2, "rc": 3, "stable": 4, "": 4, "patch": 5, "pl": 5, "p": 5}

// composer is a version in the normal form of Composer.
type composer struct {
	numbers   []string // four
	stability int
	counts    []string // the numbers of the stability
	dev       bool
}

func compareComposer(a, b string) (int, bool) {
	v, okA := parseComposer(a)
	w, okB := parseComposer(b)
	if !okA || !okB {
		return 0, false
	}
	return v.compare(w), true
}

func parseComposer(s string) (composer, bool) {
	m := composerVersion.FindStringSubmatch(s)
	if m == nil {
		return composer{}, false
	}
	v := composer{numbers: strings.Split(m[1], "."), stability: stabilities[strings.ToLower(m[2])], dev: m[4] != ""}
	for len(v.numbers) < 4 {
		v.numbers = append(v.numbers, "0")
	}
	switch {
	case m[2] != "" && v.stability == stabilities["stable"]:
		v.dev = false // what follows stable has no meaning
	default:
		v.counts = strings.FieldsFunc(m[3], func(r rune) bool { return r == '.' || r == '-' })
	}
	return v, true
}

func (v composer) compare(w composer) int {
	for i, n := range v.numbers {
		if order := compareDigits(n, w.numbers[i]); order != 0 {
			return order
		}
	}
	x, y := v.rank(), w.rank()
	if x != y {
		return cmp.Compare(x, y)
	}
	for i := range min(len(v.counts), len(w.counts)) {
		if order := compareDigits(v.counts[i], w.counts[i]); order != 0 {
			return order
		}
	}
	switch {
	case len(v.counts) != len(w.counts):
		return cmp.Compare(len(v.counts), len(w.counts))
	case v.dev != w.dev && v.dev:
		return -1
	case v.dev != w.dev:
		return 1
	}
	return 0
}

// rank returns the rank of a stability: 1.0-dev, which has none, comes first.
func (v composer) rank() int {
	if v.dev && v.stability == stabilities["stable"] {
		return stabilities["dev"]
	}
	return v.stability
}
