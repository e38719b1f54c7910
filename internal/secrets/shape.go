package secrets

import "regexp/syntax"

func wordCharacter(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == 'ſ' || c == '\u212a' // (?i) takes these for s and k
}

// runs are the runs of word characters that every match of an expression has.
type runs struct {
	before, inside, after int  // at its beginning, anywhere, at its end
	whole                 bool // it consists of one run, and all three fields are its minimum length
}

// least returns the runs that every match of an expression has.
func least(re *syntax.Regexp) runs {
	switch re.Op {
	case syntax.OpLiteral:
		out := runs{whole: true}
		for _, c := range re.Rune {
			out = out.then(character(wordCharacter(c)))
		}
		return out
	case syntax.OpCharClass:
		for i := 0; i < len(re.Rune); i += 2 {
			for c := re.Rune[i]; c <= re.Rune[i+1]; c++ {
				if !wordCharacter(c) {
					return character(false)
				}
			}
		}
		return character(true)
	case syntax.OpCapture:
		return least(re.Sub[0])
	case syntax.OpConcat:
		out := runs{whole: true}
		for _, sub := range re.Sub {
			out = out.then(least(sub))
		}
		return out
	case syntax.OpAlternate:
		out := least(re.Sub[0])
		for _, sub := range re.Sub[1:] {
			o := least(sub)
			out = runs{min(out.before, o.before), min(out.inside, o.inside), min(out.after, o.after), out.whole && o.whole}
		}
		return out
	case syntax.OpPlus:
		return repeat(least(re.Sub[0]), 1)
	case syntax.OpRepeat:
		return repeat(least(re.Sub[0]), re.Min)
	case syntax.OpStar, syntax.OpQuest:
		return repeat(least(re.Sub[0]), 0)
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return runs{whole: true}
	}
	return runs{} // any character
}

func character(word bool) runs {
	if word {
		return runs{1, 1, 1, true}
	}
	return runs{}
}

func (a runs) then(b runs) runs {
	out := runs{before: a.before, inside: max(a.inside, b.inside, a.after+b.before), after: b.after, whole: a.whole && b.whole}
	if a.whole {
		out.before += b.before
	}
	if b.whole {
		out.after += a.after
	}
	return out
}

// repeat returns the runs of an expression that is repeated n times or more.
func repeat(a runs, n int) runs {
	out := runs{whole: true}
	for range n {
		out = out.then(a)
	}
	out.whole = a.whole
	return out
}

// longestLetter is the bytes of a letter at most: (?i) matches some characters of three bytes as
// ASCII letters.
const longestLetter = 3

// longest returns the maximum length of a match of an expression in bytes, and whether there is no
// maximum.
func longest(re *syntax.Regexp) (n int, open bool) {
	switch re.Op {
	case syntax.OpLiteral:
		return longestLetter * len(re.Rune), false
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		if k := len(re.Rune); re.Op == syntax.OpCharClass && k > 0 && re.Rune[k-1] < 0x80 {
			return 1, false
		}
		return 4, false
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			m, o := longest(sub)
			n, open = max(n, m), open || o
		}
		return n, open
	}
	for _, sub := range re.Sub {
		m, o := longest(sub)
		n, open = n+m, open || o
	}
	switch re.Op {
	case syntax.OpStar, syntax.OpPlus:
		return n, true
	case syntax.OpRepeat:
		return n * max(re.Min, re.Max), open || re.Max < 0
	}
	return n, open
}
