package ecosystem

import (
	"slices"
	"strings"
)

// A span is a range of versions of an ecosystem, from low to high. A bound that is empty does not
// exist.
type span struct {
	eco               string
	low, high         string
	lowOpen, highOpen bool     // the bound itself is excluded
	not               []string // excluded as well
}

// first returns the lowest version of the span, if it is known.
func (s span) first() (string, bool) {
	if !strings.ContainsAny(s.low, digits) || s.lowOpen || s.empty() {
		return "", false
	}
	for _, v := range s.not {
		if order, ok := Compare(s.eco, v, s.low); order == 0 || !ok {
			return "", false
		}
	}
	_, ok := Compare(s.eco, s.low, s.low)
	return s.low, ok
}

// empty reports whether no version is in the span, or that is unknown.
func (s span) empty() bool {
	if s.low == "" || s.high == "" || s.low == s.high {
		return s.low != "" && s.low == s.high && (s.lowOpen || s.highOpen)
	}
	order, ok := Compare(s.eco, s.low, s.high)
	return !ok || order > 0 || order == 0 && (s.lowOpen || s.highOpen)
}

// and returns the versions that are in both spans. ok is false if they are unknown.
func (s span) and(t span) (both span, ok bool) {
	both = s
	both.not = slices.Concat(s.not, t.not)
	if t.low != "" {
		order, ok := 1, true
		if s.low != "" {
			order, ok = Compare(s.eco, t.low, s.low)
		}
		switch {
		case !ok:
			return span{}, false
		case order > 0:
			both.low, both.lowOpen = t.low, t.lowOpen
		case order == 0:
			both.lowOpen = s.lowOpen || t.lowOpen
		}
	}
	if t.high != "" {
		order, ok := -1, true
		if s.high != "" {
			order, ok = Compare(s.eco, t.high, s.high)
		}
		switch {
		case !ok:
			return span{}, false
		case order < 0:
			both.high, both.highOpen = t.high, t.highOpen
		case order == 0:
			both.highOpen = s.highOpen || t.highOpen
		}
	}
	return both, true
}
