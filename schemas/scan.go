package schemas

import (
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// A scanner reads JSON text from left to right. It reads what clients usually write, and gives up
// on the rest: names with escapes, surrogates, objects with very many members. Giving up says
// nothing about the text: the general decoder then judges it. The general decoder accepts all text
// that the scanner accepts.
//
// Each method skips white space, reads one thing, and reports whether it could.
type scanner struct {
	text  []byte
	at    int
	keeps bool // strings may be parts of text; otherwise they are copied

	loose bool // the text is not minimal: it has white space or other escapes
}

// Limits of what the scanner reads.
const (
	maxScanDepth = 50
	maxScanNames = 24 // each new name is compared with all others
)

func (s *scanner) space() {
	for s.at < len(s.text) && (s.text[s.at] == ' ' || s.text[s.at] == '\n' || s.text[s.at] == '\t' || s.text[s.at] == '\r') {
		s.at++
		s.loose = true
	}
}

// next reads c.
func (s *scanner) next(c byte) bool {
	s.space()
	if s.at == len(s.text) || s.text[s.at] != c {
		return false
	}
	s.at++
	return true
}

// end reports whether only white space follows.
func (s *scanner) end() bool {
	s.space()
	return s.at == len(s.text)
}

// literal reads word, for example true.
func (s *scanner) literal(word string) bool {
	s.space()
	end := s.at + len(word)
	if end > len(s.text) || string(s.text[s.at:end]) != word {
		return false
	}
	s.at = end
	return true
}

// object reads an object, and calls member to read the value of each member.
func (s *scanner) object(member func(name []byte) bool) bool {
	if !s.next('{') {
		return false
	}
	for first := true; !s.next('}'); first = false {
		if !first && !s.next(',') {
			return false
		}
		name, plain, ok := s.quoted()
		if !ok || !plain || !s.next(':') || !member(name) {
			return false
		}
	}
	return true
}

// array reads an array, and calls element to read each element.
func (s *scanner) array(element func() bool) bool {
	if !s.next('[') {
		return false
	}
	for first := true; !s.next(']'); first = false {
		if !first && !s.next(',') || !element() {
			return false
		}
	}
	return true
}

// quoted reads a string and returns the text between its quotes; plain reports that it has no
// escapes.
func (s *scanner) quoted() (content []byte, plain, ok bool) {
	if !s.next('"') {
		return nil, false, false
	}
	plain, ascii := true, true
	for i := s.at + ordinary(s.text[s.at:]); i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			content = s.text[s.at:i]
			s.at = i + 1
			return content, plain, ascii || utf8.Valid(content)
		case c == '\\':
			n := escape(s.text[i:])
			if n == 0 {
				return nil, false, false
			}
			s.loose = s.loose || s.text[i+1] == '/' || s.text[i+1] == 'u'
			i += n - 1
			plain = false
		case c < ' ':
			return nil, false, false
		case c >= utf8.RuneSelf:
			ascii = false
		default:
			i += ordinary(s.text[i:]) - 1
		}
	}
	return nil, false, false
}

// escape returns the length of the escape at the start of b; 0 if there is none, and for
// surrogates, which are only valid in pairs.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) >= 6 && hex4(b[2:6]) && (b[2]|0x20 != 'd' || b[3] < '8') {
			return 6
		}
	}
	return 0
}

func hex4(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}

// string reads a string.
func (s *scanner) string() (string, bool) {
	content, plain, ok := s.quoted()
	switch {
	case !ok:
		return "", false
	case !plain:
		from := s.at - len(content) - 2
		b, err := jsontext.AppendUnquote(nil, s.text[from:s.at])
		return string(b), err == nil
	case s.keeps:
		return textOf(content), true
	}
	return string(content), true
}

// digits reads one or more digits.
func (s *scanner) digits() bool {
	from := s.at
	for s.at < len(s.text) && s.text[s.at] >= '0' && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at > from
}

// one reads one of the characters of set, without white space before it.
func (s *scanner) one(set string) bool {
	for i := range len(set) {
		if s.at < len(s.text) && s.text[s.at] == set[i] {
			s.at++
			return true
		}
	}
	return false
}

// whole reads a whole number that is not negative and has no leading zero.
func (s *scanner) whole() bool {
	s.space()
	from := s.at
	return s.digits() && (s.text[from] != '0' || s.at == from+1)
}

// number reads any number.
func (s *scanner) number() bool {
	s.space()
	s.one("-")
	if s.at == len(s.text) || s.text[s.at] < '0' || s.text[s.at] > '9' || !s.whole() {
		return false
	}
	if s.one(".") && !s.digits() {
		return false
	}
	if s.one("eE") {
		s.one("+-")
		return s.digits()
	}
	return true
}

// value reads any value at nesting level depth.
func (s *scanner) value(depth int) bool {
	s.space()
	if s.at == len(s.text) || depth > maxScanDepth {
		return false
	}
	switch s.text[s.at] {
	case '{':
		var seen names
		return s.object(func(name []byte) bool { return seen.add(name) && s.value(depth+1) })
	case '[':
		return s.array(func() bool { return s.value(depth + 1) })
	case '"':
		_, _, ok := s.quoted()
		return ok
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	}
	return s.number()
}

// count returns the number of elements of the array that comes next.
func (s scanner) count() (n int, ok bool) {
	ok = s.array(func() bool { n++; return s.value(0) })
	return n, ok
}

// raw reads any value and returns its text.
func (s *scanner) raw() ([]byte, bool) {
	s.space()
	from := s.at
	ok := s.value(0)
	return s.text[from:s.at:s.at], ok
}

// names are the names of an object's members so far.
type names struct {
	n    int
	list [maxScanNames][]byte
}

// add adds name, and reports whether it is new.
func (s *names) add(name []byte) bool {
	for _, n := range s.list[:s.n] {
		if string(n) == string(name) {
			return false
		}
	}
	if s.n == len(s.list) {
		return false
	}
	s.list[s.n] = name
	s.n++
	return true
}
