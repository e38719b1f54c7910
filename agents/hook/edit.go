package hook

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A container is an object or an array and its place in a text, so that a part of the text can be
// changed without touching the rest.
type container struct {
	start, end int // brackets included
	items      []item
}

// An item is an element of an array or a member of an object.
type item struct {
	name              string // of a member
	start, value, end int    // of a member start is that of its name
}

// containerAt reads the object or array between two offsets of a text.
func containerAt(text []byte, start, end int, kind jsontext.Kind) (c container, err error) {
	d := jsontext.NewDecoder(bytes.NewReader(text[start:end]))
	open, err := d.ReadToken()
	if err != nil {
		return c, err
	}
	if open.Kind() != kind {
		return c, fmt.Errorf("a %s stands where %s is expected", open.Kind(), map[jsontext.Kind]string{'{': "an object", '[': "an array"}[kind])
	}
	c.start = start + int(d.InputOffset()) - 1
	for d.PeekKind() != '}' && d.PeekKind() != ']' {
		var i item
		v, err := d.ReadValue()
		if err != nil {
			return c, err
		}
		i.start = start + int(d.InputOffset()) - len(v)
		if i.value = i.start; kind == '{' {
			if err := json.Unmarshal(v, &i.name); err != nil {
				return c, err
			}
			if v, err = d.ReadValue(); err != nil {
				return c, err
			}
			i.value = start + int(d.InputOffset()) - len(v)
		}
		i.end = start + int(d.InputOffset())
		c.items = append(c.items, i)
	}
	if _, err := d.ReadToken(); err != nil {
		return c, err
	}
	c.end = start + int(d.InputOffset())
	return c, nil
}

// document reads a text that consists of one object.
func document(text []byte) (container, error) {
	c, err := containerAt(text, 0, len(text), '{')
	if err == nil && len(bytes.TrimSpace(text[c.end:])) > 0 {
		err = errors.New("something stands behind the object")
	}
	return c, err
}

// member returns the value of a member, if it exists.
func (c container) member(text []byte, name string, kind jsontext.Kind) (value container, ok bool, err error) {
	i := c.index(name)
	if i < 0 {
		return value, false, nil
	}
	value, err = containerAt(text, c.items[i].value, c.items[i].end, kind)
	return value, true, err
}

func (c container) index(name string) int {
	return slices.IndexFunc(c.items, func(i item) bool { return i.name == name })
}

// without returns the text without one item.
func (c container) without(text []byte, i int) []byte {
	from, to := c.start+1, c.end-1 // the only one
	switch {
	case i > 0:
		from, to = c.items[i-1].end, c.items[i].end
	case len(c.items) > 1:
		from, to = c.items[0].start, c.items[1].start
	}
	return slices.Concat(text[:from], text[to:])
}

// with returns the text with one more item, v: a member if name is given. It is formatted like the
// item before it.
func (c container) with(text []byte, name string, v jsontext.Value) ([]byte, error) {
	begin, after, rest := c.start+1, "", c.end-1
	line := text[bytes.LastIndexByte(text[:c.start], '\n')+1:]
	indent := string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
	space := "\n" + indent + "  "
	if n := len(c.items); n > 0 {
		last := c.items[n-1]
		before := text[:last.start]
		space = string(before[len(bytes.TrimRight(before, " \t\r\n")):])
		begin, rest = last.end, last.end
	} else {
		after = "\n" + indent
	}
	v = v.Clone()
	colon := ":"
	if i := strings.LastIndexByte(space, '\n'); i >= 0 {
		if err := v.Indent(jsontext.WithIndent("  "), jsontext.WithIndentPrefix(space[i+1:])); err != nil {
			return nil, err
		}
		colon = ": "
	}
	out := slices.Clone(text[:begin])
	if len(c.items) > 0 {
		out = append(out, ',')
	}
	out = append(out, space...)
	if name != "" {
		out = append(append(append(out, '"'), name...), '"')
		out = append(out, colon...)
	}
	return slices.Concat(out, v, []byte(after), text[rest:]), nil
}
