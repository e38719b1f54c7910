package query

import (
	"strings"
)

// An edge is one end of a range, as it is written.
type edge struct {
	text           string
	at             int // where the text begins
	low, inclusive bool
}

// span parses a range in brackets: [a TO b], {a TO b}, or mixed.
func (p *parser) span(f *Field) (Node, error) {
	start := p.at
	if f == nil {
		return nil, p.fail(start, "a range needs a field before it, such as @timestamp:[now-90d TO now]")
	}
	if f.Kind == Text || f.Kind == Boolean {
		return nil, p.fail(start, "the values of %s have no order, so it has no ranges", f.Name)
	}
	low := edge{low: true, inclusive: p.peek() == '['}
	p.at++
	var err error
	if low.text, low.at, err = p.bound(); err != nil {
		return nil, err
	}
	p.space()
	if !p.word("TO") {
		return nil, p.fail(p.at, "TO was expected: a range is written [a TO b]")
	}
	var top edge
	if top.text, top.at, err = p.bound(); err != nil {
		return nil, err
	}
	p.space()
	if p.done() || p.peek() != ']' && p.peek() != '}' {
		return nil, p.fail(start, "this range is not closed")
	}
	top.inclusive = p.peek() == ']'
	p.at++
	r := Range{Field: *f}
	if low.text != "*" {
		if r.Low, err = p.limit(*f, low); err != nil {
			return nil, err
		}
	}
	if top.text != "*" {
		if r.Top, err = p.limit(*f, top); err != nil {
			return nil, err
		}
	}
	if r.Low == nil && r.Top == nil {
		return Exists{*f}, nil
	}
	return r, nil
}

// bound parses one end of a range: everything up to white space or the end, or a quoted text.
func (p *parser) bound() (text string, at int, err error) {
	p.space()
	if at = p.at; p.peek() == '"' {
		text, err = p.quoted()
		return text, at, err
	}
	for !p.done() && !isSpace(p.peek()) && p.peek() != ']' && p.peek() != '}' {
		if p.peek() == '\\' && p.at+1 < len(p.text) {
			p.at++
		}
		text += string(p.peek())
		p.at++
	}
	if text == "" {
		return "", at, p.fail(at, "one end of the range is missing; write * for an open end")
	}
	return text, at, nil
}

// comparison parses >a, >=a, <a and <=a.
func (p *parser) comparison(f *Field) (Node, error) {
	start := p.at
	e := edge{low: p.take(">")}
	if !e.low && !p.take("<") {
		return nil, p.fail(start, "= is not an operator by itself; write field:value")
	}
	e.inclusive = p.take("=")
	p.space()
	e.at = p.at
	if p.peek() == '"' {
		var err error
		if e.text, err = p.quoted(); err != nil {
			return nil, err
		}
	} else {
		sign := ""
		if p.take("-") {
			sign = "-"
		}
		for !p.done() && !isSpace(p.peek()) && p.peek() != ')' {
			e.text += string(p.peek())
			p.at++
		}
		e.text = strings.ReplaceAll(sign+e.text, `\`, "")
	}
	switch {
	case f == nil:
		return nil, p.fail(start, "a comparison needs a field before it, such as changetrail.validation.failed:>0")
	case f.Kind == Text || f.Kind == Boolean:
		return nil, p.fail(start, "the values of %s have no order, so it has no comparisons", f.Name)
	case e.text == "":
		return nil, p.fail(start, "there is nothing after the comparison")
	}
	b, err := p.limit(*f, e)
	if e.low {
		return Range{Field: *f, Low: b}, err
	}
	return Range{Field: *f, Top: b}, err
}

// limit returns the bound that an edge sets. Like in the engines, above a whole day means after its
// end, and below it means before its start.
func (p *parser) limit(f Field, e edge) (b *Bound, err error) {
	b = &Bound{Inclusive: e.inclusive}
	switch f.Kind {
	case Date:
		day, err := parseDate(e.text, p.now)
		if err != nil {
			return nil, p.fail(e.at, "%s: %v", f.Name, err)
		}
		b.Number = float64(day.last)
		if e.low == e.inclusive {
			b.Number = float64(day.first)
		}
	case Number:
		b.Number, err = p.number(f, e.text, e.at)
	default:
		b.Text = e.text
	}
	return b, err
}
