package query

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Limits on a search text.
const (
	maxText    = 16 << 10 // bytes
	maxDepth   = 40       // groups within groups
	maxClauses = 1024     // like the engines' indices.query.bool.max_clause_count
	maxNodes   = 8192     // of the tree: a word without a field is searched in several
	maxScans   = 128      // nodes that go through all values of a field: wildcards and ranges of keywords
)

// An Error says what is wrong in a search text, where, and what may have been meant.
type Error struct {
	At      int // number of characters before the mistake
	What    string
	Suggest string // the whole text as it may have been meant, or ""
}

func (e *Error) Error() string {
	return fmt.Sprintf("character %d: %s", e.At+1, e.What)
}

// Parse parses a search text; an empty text matches everything. Date math is relative to now. Every
// error is an [*Error].
func Parse(text string, fields Fields, now time.Time) (Node, error) {
	n, _, err := Read(text, fields, now)
	return n, err
}

// Read parses a search text like [Parse], and returns it in pure Lucene syntax: pasted text
// (addresses, ids, commits, digests, names of vulnerabilities) is replaced by a search for it.
func Read(text string, fields Fields, now time.Time) (n Node, lucene string, err error) {
	if err := valid(text); err != nil {
		return nil, "", err
	}
	p := &parser{text: []rune(text), fields: fields, now: now}
	p.space()
	if p.done() {
		return All{}, "", nil
	}
	if n, err = p.clauses(nil, 0); err != nil {
		return nil, "", err
	}
	return n, p.lucene(), affordable(n, len(p.text))
}

// affordable returns an error if a search costs too much.
func affordable(n Node, end int) error {
	nodes, scans := cost(n)
	switch {
	case nodes > maxNodes:
		return &Error{At: end, What: fmt.Sprintf("the search has %d conditions, but at most %d are allowed; name the fields of its words, such as title:word, or split the search", nodes, maxNodes)}
	case scans > maxScans:
		return &Error{At: end, What: fmt.Sprintf("the search has %d wildcards and ranges of texts, but at most %d are allowed, since each reads all values of a field; split the search", scans, maxScans)}
	}
	return nil
}

// cost counts the nodes of a tree, and those that read all values of a field.
func cost(n Node) (nodes, scans int) {
	switch n := n.(type) {
	case Bool:
		for _, list := range [][]Node{n.Must, n.Should, n.Not} {
			for _, child := range list {
				a, b := cost(child)
				nodes, scans = nodes+a, scans+b
			}
		}
		return nodes + 1, scans
	case Phrase:
		return len(n.Words), 0
	case Wildcard:
		return 1, 1
	case Range:
		if n.Field.Kind == Keyword {
			return 1, 1
		}
	}
	return 1, 0
}

type parser struct {
	text     []rune
	at       int
	fields   Fields
	now      time.Time
	count    int
	rewrites []rewrite
}

func (p *parser) fail(at int, format string, args ...any) error {
	return &Error{At: at, What: fmt.Sprintf(format, args...)}
}

// clauses parses the text between two brackets, or the whole text. in is the field before the
// group, if any.
//
// AND makes both of its sides required. The sides of OR, and words side by side, are optional: one
// of them must match if nothing is required. This is what Lucene's classic parser does
// (QueryParserBase.addClause); AND does not bind tighter than OR.
func (p *parser) clauses(in *Field, depth int) (Node, error) {
	if depth > maxDepth {
		return nil, p.fail(p.at, "groups are nested deeper than %d", maxDepth)
	}
	type clause struct {
		node     Node
		must, no bool
	}
	var list []clause
	for {
		p.space()
		if p.done() || p.peek() == ')' {
			break
		}
		start := p.at
		and, or := p.word("AND") || p.take("&&"), false
		if !and {
			or = p.word("OR") || p.take("||")
		}
		if and || or {
			if len(list) == 0 {
				return nil, p.fail(start, "there is nothing before %s", string(p.text[start:p.at]))
			}
			p.space()
		}
		c := clause{}
		modifier := p.at
		switch {
		case p.take("+"):
			c.must = true
		case p.take("-", "!"), p.word("NOT"):
			c.no = true
		}
		p.space()
		if p.done() || p.peek() == ')' {
			return nil, p.fail(start, "there is nothing after %s", strings.TrimSpace(string(p.text[start:p.at])))
		}
		if (c.must || c.no) && p.take("+", "-", "!") {
			return nil, p.fail(modifier, "two signs before one word; remove one of them")
		}
		if p.word("AND", "OR", "NOT") || p.take("&&", "||") {
			return nil, p.fail(modifier, "an operator is where a word was expected; to search for the words AND, OR, NOT, put them in quotes")
		}
		var err error
		if c.node, err = p.clause(in, depth); err != nil {
			return nil, err
		}
		if and {
			if last := &list[len(list)-1]; !last.no {
				last.must = true
			}
			c.must = c.must || !c.no
		}
		list = append(list, c)
		if p.count++; p.count > maxClauses {
			return nil, p.fail(start, "there are more than %d parts", maxClauses)
		}
	}
	if len(list) == 0 {
		return nil, p.fail(p.at, "there is nothing between the brackets")
	}
	if depth == 0 && !p.done() {
		return nil, p.fail(p.at, "this bracket closes nothing")
	}
	var b Bool
	for _, c := range list {
		switch {
		case c.no:
			b.Not = append(b.Not, c.node)
		case c.must:
			b.Must = append(b.Must, c.node)
		default:
			b.Should = append(b.Should, c.node)
		}
	}
	if len(b.Not) == 0 && len(b.Must)+len(b.Should) == 1 {
		return list[0].node, nil
	}
	return b, nil
}

// clause parses one part: a group, or a value with or without a field.
func (p *parser) clause(in *Field, depth int) (Node, error) {
	start := p.at
	if in == nil {
		if n, ok, err := p.pastedHere(); ok || err != nil {
			return n, err
		}
	}
	if name, ok := p.fieldName(); ok {
		if in != nil {
			return nil, p.fail(start, "a field within the group of field %s; write the fields in the group", in.Name)
		}
		p.space()
		if name == "_exists_" {
			return p.exists()
		}
		if name == "*" {
			if !p.take("*") {
				return nil, p.fail(start, "*: is only allowed in *:*, which matches everything")
			}
			return All{}, p.end()
		}
		f, ok := p.fields[name]
		if !ok {
			return nil, p.unknown(start, name)
		}
		return p.value(&f, depth)
	}
	return p.value(in, depth)
}

// fieldName parses a name and the colon after it, or nothing.
func (p *parser) fieldName() (string, bool) {
	start := p.at
	if p.peek() == '*' && p.at+1 < len(p.text) && p.text[p.at+1] == ':' {
		p.at += 2
		return "*", true
	}
	text, _, err := p.literal()
	after := p.at
	p.space()
	if err == nil && after > start && p.take(":") {
		return string(text), true
	}
	p.at = start
	return "", false
}

func (p *parser) exists() (Node, error) {
	start := p.at
	text, _, err := p.literal()
	if err != nil {
		return nil, err
	}
	name := string(text)
	if f, ok := p.fields[name]; ok {
		return Exists{f}, p.end()
	}
	var any Bool // an object exists if one of its fields does
	for _, n := range p.fields.Names() {
		if strings.HasPrefix(n, name+".") {
			any.Should = append(any.Should, Exists{p.fields[n]})
		}
	}
	if len(any.Should) == 0 {
		return nil, p.fail(start, "%s", p.fields.Unknown(name))
	}
	return any, p.end()
}

// value parses the value to search for in f, or in the default fields if f is nil.
func (p *parser) value(f *Field, depth int) (Node, error) {
	start := p.at
	switch r := p.peek(); {
	case r == '(':
		p.at++
		n, err := p.clauses(f, depth+1)
		if err != nil {
			return nil, err
		}
		if !p.take(")") {
			return nil, p.fail(start, "this bracket is not closed")
		}
		return n, p.end()
	case r == '[' || r == '{':
		n, err := p.span(f)
		if err != nil {
			return nil, err
		}
		return n, p.end()
	case strings.ContainsRune("<>=", r) && r != 0:
		return p.comparison(f)
	case r == '"':
		text, err := p.quoted()
		if err == nil {
			err = p.end()
		}
		if err != nil {
			return nil, err
		}
		return p.each(f, func(f Field) (Node, error) { return p.exactly(f, text, true, start) })
	}
	text, wild, err := p.literal()
	if err == nil {
		err = p.end()
	}
	if err == nil && len(text) == 0 {
		err = p.fail(start, "a word was expected")
	}
	switch {
	case err != nil:
		return nil, err
	case wild && len(text) == 1 && text[0] == AnyMany && f == nil:
		return All{}, nil
	case wild && len(text) == 1 && text[0] == AnyMany:
		return Exists{*f}, nil
	case wild:
		return p.each(f, func(f Field) (Node, error) { return p.wildcard(f, text, start) })
	}
	return p.each(f, func(f Field) (Node, error) { return p.exactly(f, string(text), false, start) })
}

// each makes a node for f, or one that matches any of the default fields.
func (p *parser) each(f *Field, make func(Field) (Node, error)) (Node, error) {
	if f != nil {
		return make(*f)
	}
	var any Bool
	for _, name := range Defaults {
		n, err := make(p.fields[name])
		if err != nil {
			return nil, err
		}
		if b, ok := n.(Bool); ok && len(b.Should) == 0 {
			continue // a text without words matches nothing
		}
		any.Should = append(any.Should, n)
	}
	return any, nil
}

// exactly makes the node for a value without wildcards.
func (p *parser) exactly(f Field, text string, quoted bool, at int) (Node, error) {
	switch f.Kind {
	case Text:
		words := Words(text)
		if len(words) == 1 {
			return Term{f, words[0]}, nil
		}
		if quoted && len(words) > 0 {
			return Phrase{f, words, text}, nil
		}
		var any Bool // an empty Bool matches nothing, like a text without words
		for _, w := range words {
			any.Should = append(any.Should, Term{f, w})
		}
		return any, nil
	case Date:
		s, err := parseDate(text, p.now)
		if err != nil {
			return nil, p.fail(at, "%s: %v", f.Name, err)
		}
		return Range{f, &Bound{Number: float64(s.first), Inclusive: true}, &Bound{Number: float64(s.last), Inclusive: true}}, nil
	case Number:
		n, err := p.number(f, text, at)
		if err != nil {
			return nil, err
		}
		return Range{f, &Bound{Number: n, Inclusive: true}, &Bound{Number: n, Inclusive: true}}, nil
	case Boolean:
		if text != "true" && text != "false" {
			return nil, p.fail(at, "%s must be true or false, not %q", f.Name, text)
		}
	}
	return Term{f, text}, nil
}

func (p *parser) number(f Field, text string, at int) (float64, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) || strings.ContainsAny(text, "xXpP_") {
		return 0, p.fail(at, "%s must be a number, not %q", f.Name, text)
	}
	return n, nil
}

func (p *parser) wildcard(f Field, text []rune, at int) (Node, error) {
	switch f.Kind {
	case Text:
		return Wildcard{f, Pattern(lower(text))}, nil
	case Keyword:
		return Wildcard{f, Pattern(text)}, nil
	}
	return nil, p.fail(at, "%s is not a text, so * and ? do not work; use a range such as [1 TO 5]", f.Name)
}
