package query

// A Node is a node of the tree of a search. The set is closed: All, Exists, Term, Phrase, Wildcard,
// Range and Bool.
type Node interface{ node() }

// All matches every record.
type All struct{}

// Exists matches if a field has a value.
type Exists struct{ Field Field }

// A Term matches if a field of kind Keyword, Number or Boolean has the value, or a field of kind
// Text contains the word.
type Term struct {
	Field Field
	Value string
}

// A Phrase matches if a field of kind Text contains the words in sequence.
type Phrase struct {
	Field Field
	Words []string
	Text  string // the original text
}

// A Wildcard matches if a value, or a word of a text, matches the pattern.
type Wildcard struct {
	Field   Field
	Pattern Pattern
}

// A Range matches if a value is between two bounds; nil means open. Bounds of dates are in
// milliseconds since 1970.
type Range struct {
	Field    Field
	Low, Top *Bound
}

// A Bound is a bound of a range: Text for a keyword, Number for anything else.
type Bound struct {
	Text      string
	Number    float64
	Inclusive bool
}

// A Bool matches if all of Must, none of Not and, if Must is empty, one of Should match. With only
// Not it matches everything else.
type Bool struct{ Must, Should, Not []Node }

func (All) node()      {}
func (Exists) node()   {}
func (Term) node()     {}
func (Phrase) node()   {}
func (Wildcard) node() {}
func (Range) node()    {}
func (Bool) node()     {}

// A Pattern is a sequence of literal characters, [AnyOne] for any one character and [AnyMany] for
// any number of them.
type Pattern []rune

// The wildcards in a pattern.
const (
	AnyOne  rune = 0
	AnyMany rune = -1
)

// Match reports whether the whole of s matches.
func (p Pattern) Match(s string) bool {
	text := []rune(s)
	// Greedy, with one point to return to: the last star.
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

// Terms returns the terms of keyword fields that a tree searches for, except those that it
// excludes.
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
