package query

import (
	"strings"
	"unicode"

	"github.com/blevesearch/segment"
)

// maxWord is how many characters the engines' standard tokenizer puts in one
// word; a longer one is cut in several.
const maxWord = 255

// Words returns the words of a text in lower case, as the standard analyzer of
// the engines does: by the word boundaries of Unicode's Annex 29.
func Words(text string) []string {
	var words []string
	s := segment.NewWordSegmenterDirect([]byte(text))
	for s.Segment() {
		if s.Type() == segment.None {
			continue
		}
		w := []rune(strings.Map(unicode.ToLower, s.Text()))
		for len(w) > maxWord {
			words, w = append(words, string(w[:maxWord])), w[maxWord:]
		}
		words = append(words, string(w))
	}
	return words
}
