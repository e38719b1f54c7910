package query

import (
	"slices"
	"strings"
	"unicode"

	"github.com/blevesearch/segment"
)

// maxWord is the maximum length of a word in the engines' standard tokenizer, in characters; a
// longer word is split.
const maxWord = 255

// Words returns the words of a text in lower case, like the standard analyzer of the engines: by
// the word boundaries of Unicode's Annex 29. An emoji is a word, with everything that is joined to
// it, and so is a run of characters of a script without spaces.
func Words(text string) []string {
	var words []string
	rest := []rune(text)
	for from := 0; from < len(rest); {
		at, n := from, 0
		for ; at < len(rest); at++ {
			if n = special(rest, at); n > 0 {
				break
			}
		}
		words = append(words, plainWords(string(rest[from:at]))...)
		if n > 0 {
			words = append(words, cut(rest[at:at+n])...)
		}
		from = at + n
	}
	return words
}

// plainWords returns the words of a text without emoji and scripts without spaces.
func plainWords(text string) (words []string) {
	s := segment.NewWordSegmenterDirect([]byte(text))
	for s.Segment() {
		if s.Type() != segment.None && strings.ContainsFunc(s.Text(), isLetterOrNumber) {
			words = append(words, cut([]rune(s.Text()))...)
		}
	}
	return words
}

// cut returns a word in lower case, split if it is too long.
func cut(word []rune) (words []string) {
	w := []rune(strings.Map(unicode.ToLower, string(word)))
	for part := range slices.Chunk(w, maxWord) {
		words = append(words, string(part))
	}
	return words
}

// special returns the length in characters of the emoji or the run of a script without spaces at a
// position of text; it is 0 if there is none.
func special(text []rune, at int) int {
	c := text[at]
	switch {
	case unicode.Is(runOn, c):
		if unicode.Is(unicode.M, c) && at > 0 && (isWordRune(text[at-1]) || extends(text[at-1])) {
			return 0 // a mark belongs to the word before it
		}
		return runOf(text[at:])
	case unicode.Is(pictographs, c):
		if c == information && inWord(text, at) {
			return 0
		}
		return joined(text[at:])
	case isFlagLetter(c):
		n := 1 + extended(text[at+1:])
		if at+n < len(text) && isFlagLetter(text[at+n]) {
			return n + 1 + extended(text[at+n+1:])
		}
	case (c >= '0' && c <= '9' || c == '#' || c == '*') && (at == 0 || !isWordRune(text[at-1])):
		return keycap(text[at:])
	}
	return 0
}

// information is an emoji that is also a letter.
const information = 'ℹ'

func inWord(text []rune, at int) bool {
	return at > 0 && isWordRune(text[at-1]) || at+1 < len(text) && isWordRune(text[at+1])
}

func isLetterOrNumber(c rune) bool { return unicode.IsLetter(c) || unicode.IsNumber(c) }

func isWordRune(c rune) bool { return isLetterOrNumber(c) || c == '_' }

// runOf returns the length of a run of a script without spaces.
func runOf(text []rune) (n int) {
	for n < len(text) && unicode.Is(runOn, text[n]) {
		n += 1 + extended(text[n+1:])
	}
	return n
}

const joiner = '\u200d'

// joined returns the length of an emoji including those joined to it.
func joined(text []rune) int {
	n := 1 + extended(text[1:])
	for n < len(text) && text[n-1] == joiner && unicode.Is(pictographs, text[n]) {
		n += 1 + extended(text[n+1:])
	}
	return n
}

// extended returns how many characters at the start of text belong to the character before it.
func extended(text []rune) (n int) {
	for n < len(text) && extends(text[n]) {
		n++
	}
	return n
}

// extends reports whether a character belongs to the one before it: marks, variants, skin tones,
// tags and invisible characters.
func extends(c rune) bool {
	const zeroWidthSpace, firstTone, lastTone = '\u200b', 0x1F3FB, 0x1F3FF
	return unicode.Is(unicode.M, c) || unicode.Is(unicode.Cf, c) && c != zeroWidthSpace || c >= firstTone && c <= lastTone
}

// isFlagLetter reports whether c is one of the letters that form a flag in pairs.
func isFlagLetter(c rune) bool { return c >= 0x1F1E6 && c <= 0x1F1FF }

// keycap returns the length of a keycap with a digit, # or *, or 0.
func keycap(text []rune) int {
	const emoji, key = '\ufe0f', '\u20e3'
	switch {
	case len(text) > 2 && text[1] == emoji && text[2] == key:
		return 3 + extended(text[3:])
	case len(text) > 1 && text[1] == key:
		return 2 + extended(text[2:])
	}
	return 0
}
