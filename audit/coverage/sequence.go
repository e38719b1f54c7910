package coverage

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// A numbered is the numbers of the events of one sender. Numbers may have any size: the attribute is a
// text. Most senders count up, so that the numbers are kept as runs.
type numbered struct {
	runs    []run // in no order; the last one is extended
	events  int
	foreign int
}

// A run is numbers that follow each other, both ends included.
type run struct{ low, high *big.Int }

var one = big.NewInt(1)

// maxDigits bounds a number: a longer text is none that anybody counts with.
const maxDigits = 40

func (n *numbered) add(text string) {
	n.events++
	if len(text) > maxDigits || text == "" || strings.Trim(text, "0123456789") != "" {
		n.foreign++
		return
	}
	number, _ := new(big.Int).SetString(text, 10)
	if len(n.runs) > 0 {
		last := &n.runs[len(n.runs)-1]
		next := new(big.Int).Add(last.high, one)
		if number.Cmp(next) == 0 {
			last.high = number
			return
		}
	}
	n.runs = append(n.runs, run{number, number})
}

// maxGaps is how many gaps are named.
const maxGaps = 20

// sequence returns what the numbers say. A number that occurs twice is an event that was sent again.
func (n *numbered) sequence(source string) Sequence {
	s := Sequence{Source: source, Events: n.events, Foreign: n.foreign, Low: new(big.Int), High: new(big.Int), Missing: new(big.Int)}
	if len(n.runs) == 0 {
		return s
	}
	slices.SortFunc(n.runs, func(a, b run) int { return a.low.Cmp(b.low) })
	s.Low, s.High = n.runs[0].low, n.runs[0].high
	for _, r := range n.runs[1:] {
		next := new(big.Int).Add(s.High, one)
		if r.low.Cmp(next) > 0 {
			last := new(big.Int).Sub(r.low, one)
			s.Missing.Add(s.Missing, new(big.Int).Sub(r.low, next))
			if len(s.Gaps) < maxGaps {
				s.Gaps = append(s.Gaps, gap(next, last))
			} else if len(s.Gaps) == maxGaps {
				s.Gaps = append(s.Gaps, "…")
			}
		}
		if r.high.Cmp(s.High) > 0 {
			s.High = r.high
		}
	}
	return s
}

func gap(first, last *big.Int) string {
	if first.Cmp(last) == 0 {
		return first.String()
	}
	return fmt.Sprintf("%s-%s", first, last)
}

func (s Sequence) gaps() string { return strings.Join(s.Gaps, ", ") }
