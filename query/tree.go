package query

// A Node of the tree of a search. The set is closed: All, Exists, Term, Phrase,
// Wildcard, Range and Bool.
type Node interface{ node() }

// All matches every record.
type All struct{}

// Exists matches where a field has a value.
type Exists struct{ Field Field }

// A Term matches where a field of kind Keyword, Number or Boolean has the value,
// or one of kind Text the word.
type Term struct {
	Field Field
	Value string
}

// A Phrase matches where the words stand in a field of kind Text one after the
// other.
type Phrase struct {
	Field Field
	Words []string
	Text  string // as it was written
}

// A Wildcard matches where a value, or a word of a text, fits the pattern.
type Wildcard struct {
	Field   Field
	Pattern Pattern
}

// A Range matches where a value lies between two bounds; nil is open. The
// bounds of dates are in milliseconds since 1970.
type Range struct {
	Field    Field
	Low, Top *Bound
}

// A Bound of a range: Text of a keyword, Number of all else.
type Bound struct {
	Text      string
	Number    float64
	Inclusive bool
}

// A Bool matches where all of Must, none of Not and, if Must is empty, one of
// Should match. Where only Not is given, it is all else that matches.
type Bool struct{ Must, Should, Not []Node }

func (All) node()      {}
func (Exists) node()   {}
func (Term) node()     {}
func (Phrase) node()   {}
func (Wildcard) node() {}
func (Range) node()    {}
func (Bool) node()     {}

// A Pattern is a sequence of literal characters, with [AnyOne] for any one character
// and [AnyMany] for any number of them.
type Pattern []rune

// Places of a pattern that are not literal.
const (
	AnyOne  rune = 0
	AnyMany rune = -1
)

// Match tells whether the whole of s fits.
func (p Pattern) Match(s string) bool {
	text := []rune(s)
	// Greedy with one point to come back to: the last star that was passed.
	i, j, star, mark := 0, 0, -1, 0
	for j < len(text) {
		switch {
		case i < len(p) && p[i] == AnyMany:
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == AnyOne || p[i] == text[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == AnyMany {
		i++
	}
	return i == len(p)
}

// Prefix returns the literal characters that every match begins with.
func (p Pattern) Prefix() string {
	for i, r := range p {
		if r == AnyOne || r == AnyMany {
			return string(p[:i])
		}
	}
	return string(p)
}

// Terms returns the terms of keyword fields that a tree asks for, outside of what it excludes.
func Terms(n Node) (out []Term) {
	switch n := n.(type) {
	case Term:
		if n.Field.Kind == Keyword {
			out = append(out, n)
		}
	case Bool:
		for _, list := range [][]Node{n.Must, n.Should} {
			for _, child := range list {
				out = append(out, Terms(child)...)
			}
		}
	}
	return out
}
