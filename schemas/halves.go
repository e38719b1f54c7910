package schemas

import (
	"bytes"
	"slices"
)

// replacement is the replacement character U+FFFD, escaped for JSON.
var replacement = []byte(`\ufffd`)

// Whole replaces each escape of half a character in JSON: JavaScript cuts texts between the two
// halves of an emoji and escapes the rest (\ud83d). The result is as long as text; it is text
// itself if there is no such escape.
func Whole(text []byte) []byte {
	if !bytes.Contains(text, []byte(`\ud`)) && !bytes.Contains(text, []byte(`\uD`)) {
		return text
	}
	out, copied := text, false
	for i := bytes.IndexByte(text, '\\'); i >= 0 && i+1 < len(text); {
		next := i + 2
		switch first, second := half(text, i), half(text, i+len(replacement)); {
		case first == 0:
		case first == leading && second == trailing:
			next = i + 2*len(replacement)
		default:
			if !copied {
				out, copied = slices.Clone(text), true
			}
			next = i + copy(out[i:], replacement)
		}
		more := bytes.IndexByte(text[next:], '\\')
		if more < 0 {
			break
		}
		i = next + more
	}
	return out
}

// Halves of a character (surrogates).
const (
	leading  = 1
	trailing = 2
)

// half returns which half of a character is escaped at i, 0 if neither.
func half(text []byte, i int) int {
	if i+len(replacement) > len(text) || text[i] != '\\' || text[i+1] != 'u' || text[i+2]|0x20 != 'd' {
		return 0
	}
	for _, c := range text[i+4 : i+6] {
		if !isHex(c) {
			return 0
		}
	}
	switch c := text[i+3] | 0x20; {
	case c == '8', c == '9', c == 'a', c == 'b':
		return leading
	case c >= 'c' && c <= 'f':
		return trailing
	}
	return 0
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}
