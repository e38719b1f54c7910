package secrets

import (
	"cmp"
	"slices"
	"strings"
)

// A keyword is a text near which rules are applied. All keywords are in index.go, with the
// shapes of the rules: a test writes that file from the rules.
type keyword struct {
	text  string
	named bool  // it is a word that names of secrets have
	rules []int // that have it
}

// few is the length up to which a text is searched for each keyword by itself: to prepare a
// search for all of them in one pass takes longer than that.
const few = 16 << 10

// walk calls f for each keyword in a text, in the order of their ends, the longer of two
// first.
func (r *rules) walk(lower string, f func(start, end, keyword int)) {
	if r.searched.Add(int64(len(lower))) > few {
		r.trie().Walk([]byte(lower), func(last, n, keyword int64) bool {
			f(int(last-n)+1, int(last)+1, int(keyword))
			return true
		})
		return
	}
	for _, p := range r.each(lower) {
		f(p.start, p.end, p.keyword)
	}
}

// A match is the place of a keyword.
type match struct{ start, end, keyword int }

// each searches a text for each keyword by itself.
func (*rules) each(lower string) (found []match) {
	there := pairsOf(lower)
	for i := range keywords {
		k := keywords[i].text
		if !there.may(k) {
			continue
		}
		for at := 0; ; at++ {
			n := strings.Index(lower[at:], k)
			if n < 0 {
				break
			}
			at += n
			found = append(found, match{at, at + len(k), i})
		}
	}
	slices.SortFunc(found, func(a, b match) int { return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.start, b.start)) })
	return found
}

// pairs has a bit for each two bytes that follow each other in a text; several pairs may share one.
type pairs [64]uint64

func pairBit(a, b byte) (word, bit uint) {
	n := (uint(a)*41 + uint(b)) % (64 * 64)
	return n / 64, n % 64
}

func pairsOf(text string) (out pairs) {
	for i := 1; i < len(text); i++ {
		word, bit := pairBit(text[i-1], text[i])
		out[word] |= 1 << bit
	}
	return out
}

// may reports whether a text that has these pairs may have a keyword in it.
func (p *pairs) may(keyword string) bool {
	for i := 1; i < len(keyword); i++ {
		if word, bit := pairBit(keyword[i-1], keyword[i]); p[word]&(1<<bit) == 0 {
			return false
		}
	}
	return true
}
