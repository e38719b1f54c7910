package query

import (
	"strings"
)

// span parses a range in brackets: [a TO b], {a TO b}, or mixed.
func (p *parser) span(f *Field) (Node, error) {
	start := p.at
	if f == nil {
		return nil, p.fail(start, "a range needs a field before it, such as @timestamp:[now-90d TO now]")
	}
	if f.Kind == Text || f.Kind == Boolean {
		return nil, p.fail(start, "the values of %s have no order, so it has no ranges", f.Name)
	}
	low := &Bound{Inclusive: p.peek() == '['}
	p.at++
	lowText, lowAt, err := p.bound()
	if err != nil {
		return nil, err
	}
	p.space()
	if !p.word("TO") {
		return nil, p.fail(p.at, "TO was expected: a range is written [a TO b]")
	}
	topText, topAt, err := p.bound()
	if err != nil {
		return nil, err
	}
	p.space()
	if p.done() || p.peek() != ']' && p.peek() != '}' {
		return nil, p.fail(start, "this range is not closed")
	}
	top := &Bound{Inclusive: p.peek() == ']'}
	p.at++
	r := Range{Field: *f}
	if lowText != "*" {
		if err := p.setLow(*f, low, lowText, lowAt); err != nil {
			return nil, err
		}
		r.Low = low
	}
	if topText != "*" {
		if err := p.setTop(*f, top, topText, topAt); err != nil {
			return nil, err
		}
		r.Top = top
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
	low := p.take(">")
	if !low && !p.take("<") {
		return nil, p.fail(start, "= is not an operator by itself; write field:value")
	}
	b := &Bound{Inclusive: p.take("=")}
	p.space()
	at := p.at
	text := ""
	if p.peek() == '"' {
		t, err := p.quoted()
		if err != nil {
			return nil, err
		}
		text = t
	} else {
		sign := ""
		if p.take("-") {
			sign = "-"
		}
		for !p.done() && !isSpace(p.peek()) && p.peek() != ')' {
			text += string(p.peek())
			p.at++
		}
		text = strings.ReplaceAll(sign+text, `\`, "")
	}
	switch {
	case f == nil:
		return nil, p.fail(start, "a comparison needs a field before it, such as changetrail.validation.failed:>0")
	case f.Kind == Text || f.Kind == Boolean:
		return nil, p.fail(start, "the values of %s have no order, so it has no comparisons", f.Name)
	case text == "":
		return nil, p.fail(start, "there is nothing after the comparison")
	}
	if low {
		return Range{Field: *f, Low: b}, p.setLow(*f, b, text, at)
	}
	return Range{Field: *f, Top: b}, p.setTop(*f, b, text, at)
}

// setLow sets a lower bound. Like in the engines, above a whole day means after its end, and below
// it means before its start.
func (p *parser) setLow(f Field, b *Bound, text string, at int) error {
	s, err := p.setBound(f, b, text, at)
	if f.Kind == Date {
		b.Number = float64(s.first)
		if !b.Inclusive {
			b.Number = float64(s.last)
		}
	}
	return err
}

func (p *parser) setTop(f Field, b *Bound, text string, at int) error {
	s, err := p.setBound(f, b, text, at)
	if f.Kind == Date {
		b.Number = float64(s.last)
		if !b.Inclusive {
			b.Number = float64(s.first)
		}
	}
	return err
}

func (p *parser) setBound(f Field, b *Bound, text string, at int) (s span, err error) {
	switch f.Kind {
	case Date:
		if s, err = parseDate(text, p.now); err != nil {
			err = p.fail(at, "%s: %v", f.Name, err)
		}
	case Number:
		b.Number, err = p.number(f, text, at)
	default:
		b.Text = text
	}
	return s, err
}
