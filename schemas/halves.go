package schemas

import (
	"bytes"
	"slices"
)

// replacement is the character that stands for what is none, as it is escaped in JSON.
var replacement = []byte(`\ufffd`)

// Whole returns JSON in which each escape of half a character is replaced: JavaScript
// cuts texts between the halves of an emoji and escapes what is left (\ud83d). The text is
// as long as before; it is text itself where there is no such escape.
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

// Halves of a character.
const (
	leading  = 1
	trailing = 2
)

// half says which half of a character is escaped at i, 0 where none is.
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
