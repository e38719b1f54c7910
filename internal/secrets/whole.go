package secrets

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"

	ahocorasick "github.com/BobuSumisu/aho-corasick"
)

// keys finds private keys in PEM, even if their end is cut off.
func (s *search) keys() {
	const begin, end = "-----begin ", "-----end "
	for at := 0; ; {
		i := strings.Index(s.lower[at:], begin)
		if i < 0 {
			return
		}
		start := at + i
		at = start + len(begin)
		line := s.lower[at:min(len(s.lower), at+100)]
		title, _, closed := strings.Cut(line, "-----")
		if !closed || !strings.Contains(title, "private key") && !strings.Contains(title, "openssh") {
			continue
		}
		at += len(title) + 5
		stop := len(s.text)
		if j := strings.Index(s.lower[at:], end); j >= 0 {
			stop = at + j + len(end)
			if k := strings.Index(s.lower[stop:min(len(s.lower), stop+100)], "-----"); k >= 0 {
				stop += k + 5
			}
		} else if j := strings.IndexFunc(s.text[at:], func(c rune) bool { return !keyCharacter(c) }); j >= 0 {
			stop = at + j
		}
		if stop > at {
			s.add(start, stop, "private-key")
		}
		at = stop
	}
}

// keyCharacter reports whether a character may occur in a PEM key.
func keyCharacter(c rune) bool {
	return c < 0x80 && (letterOrDigit(byte(c)) || strings.ContainsRune("+/=\\ \t\r\n:,-", c))
}

// shortestToken is the minimum length of base64 that is searched for a token.
const shortestToken = 32

// encoded finds tokens of a known form that are encoded in base64 or hex.
func (s *search) encoded() error {
	start := 0
	for i := 0; i <= len(s.text); i++ {
		if i < len(s.text) && encodedByte[s.text[i]] {
			continue
		}
		if i-start >= shortestToken {
			if s.ctx.Err() != nil {
				return s.ctx.Err()
			}
			if s.holdsToken(s.text[start:i]) {
				s.add(start, i, "encoded-token")
			}
		}
		start = i + 1
	}
	return nil
}

var encodedByte = func() (out [256]bool) {
	for c := range out {
		out[c] = letterOrDigit(byte(c)) || c == '+' || c == '/' || c == '-' || c == '_'
	}
	return out
}()

// holdsToken reports whether a decoded text contains a token.
func (s *search) holdsToken(text string) bool {
	decoded, ok := decode(text)
	if !ok {
		return false
	}
	inner := search{rules: s.rules, ctx: s.ctx, text: decoded, lower: lowered(decoded)}
	for _, h := range inner.hits(inner.text, inner.lower, false) {
		if h.rule != named && textOf(h.rule).ID != generic {
			if inner.ask([]hit{h}) != nil || len(inner.found) > 0 {
				return true
			}
		}
	}
	inner.keys()
	return len(inner.found) > 0
}

// decode decodes hex or base64, if the result is printable.
func decode(text string) (string, bool) {
	if head, err := hex.DecodeString(text[:24]); err == nil && printable(head) {
		if all, err := hex.DecodeString(text[:len(text)&^1]); err == nil && printable(all) {
			return string(all), true
		}
	}
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	if head, err := encoding.DecodeString(text[:24]); err != nil || !printable(head) {
		return "", false
	}
	all, err := encoding.DecodeString(text)
	if err != nil {
		all, err = encoding.DecodeString(text[:len(text)&^3])
	}
	return string(all), err == nil && printable(all)
}

// Limits on the search for repeated secrets.
const (
	shortestAgain = 8
	mostAgain     = 200
)

// again adds to the findings in a text the other places with the same secrets.
func again(text string, found []span) []span {
	rules := make(map[string]string)
	for _, f := range found {
		if s := text[f.start:f.end]; len(s) >= shortestAgain && len(s) <= 4096 && len(rules) < mostAgain && (hasDigit(s) || len(s) >= 2*shortestAgain) {
			rules[s] = f.rule
		}
	}
	if len(rules) == 0 {
		return found
	}
	trie := ahocorasick.NewTrieBuilder()
	for s := range rules {
		trie.AddString(s)
	}
	all := slices.Clone(found)
	trie.Build().Walk([]byte(text), func(last, n, _ int64) bool {
		start, end := int(last-n)+1, int(last)+1
		all = append(all, span{start, end, rules[text[start:end]]})
		return true
	})
	return all
}
