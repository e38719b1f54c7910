package query

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

func (p *parser) done() bool { return p.at >= len(p.text) }

func (p *parser) peek() rune {
	if p.done() {
		return 0
	}
	return p.text[p.at]
}

func isSpace(r rune) bool { return strings.ContainsRune(" \t\n\r\u3000", r) }

func (p *parser) space() {
	for !p.done() && isSpace(p.peek()) {
		p.at++
	}
}

// take consumes one of the given texts, if it comes next.
func (p *parser) take(texts ...string) bool {
	for _, t := range texts {
		n := utf8.RuneCountInString(t)
		if p.at+n <= len(p.text) && string(p.text[p.at:p.at+n]) == t {
			p.at += n
			return true
		}
	}
	return false
}

// word consumes an operator that is written as a word, if it is a whole word.
func (p *parser) word(texts ...string) bool {
	start := p.at
	if p.take(texts...) && (p.done() || isSpace(p.peek()) || strings.ContainsRune(`()"[{+-!`, p.peek())) {
		return true
	}
	p.at = start
	return false
}

// literal parses a word up to white space or a character with a meaning. It returns ? and * as
// those of a [Pattern].
func (p *parser) literal() (text []rune, wild bool, err error) {
	for !p.done() {
		r := p.peek()
		switch {
		case r == '\\':
			if p.at++; p.done() {
				return nil, false, p.fail(p.at-1, `\ at the end; write \\ for the character`)
			}
			r = p.peek()
			if r == 'u' && p.at+4 < len(p.text) {
				if n, err := strconv.ParseUint(string(p.text[p.at+1:p.at+5]), 16, 16); err == nil && n > 0 {
					r, p.at = rune(n), p.at+4
				}
			}
			text = append(text, r)
		case r == '*':
			text, wild = append(text, AnyMany), true
		case r == '?':
			text, wild = append(text, AnyOne), true
		case isSpace(r), strings.ContainsRune(`!(){}[]^"~:/`, r):
			return text, wild, nil
		case len(text) == 0 && strings.ContainsRune("+-<>=", r):
			return text, wild, nil
		default:
			text = append(text, r)
		}
		p.at++
	}
	return text, wild, nil
}

// end checks that a value ends at the current position.
func (p *parser) end() error {
	if p.done() || isSpace(p.peek()) || p.peek() == ')' || p.peek() == '(' {
		return nil
	}
	switch r := p.peek(); r {
	case '~':
		return p.fail(p.at, `fuzzy and near searches (~) are not supported; use * and ?, or quotes; write \~ for the character`)
	case '^':
		return p.fail(p.at, `boosts (^) are not supported, since results are ordered by time; write \^ for the character`)
	case '/':
		return &Error{At: p.at, What: `/ begins a regular expression in Lucene, which is not supported; write \/ for the character, or put the value in quotes`, Suggest: p.quotedHere()}
	case ':':
		return &Error{At: p.at, What: `there is a second colon; write \: for the character, or put the value in quotes`, Suggest: p.quotedHere()}
	case '"', '[', '{', '!':
		return p.fail(p.at, `%c within a word; write \%c for the character, or put a space before it`, r, r)
	default:
		return p.fail(p.at, "%c closes nothing", r)
	}
}

// quoted parses a text in quotes.
func (p *parser) quoted() (string, error) {
	start := p.at
	var b strings.Builder
	for p.at++; !p.done(); p.at++ {
		switch r := p.peek(); r {
		case '"':
			p.at++
			return b.String(), nil
		case '\\':
			if p.at++; p.done() {
				return "", p.fail(start, "this quote is not closed")
			}
			b.WriteRune(p.peek())
		default:
			b.WriteRune(r)
		}
	}
	return "", p.fail(start, "this quote is not closed")
}

func lower(text []rune) []rune {
	out := make([]rune, len(text))
	for i, r := range text {
		out[i] = r
		if r > 0 {
			out[i] = []rune(strings.ToLower(string(r)))[0]
		}
	}
	return out
}
