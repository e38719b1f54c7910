package detect

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/changetrail/changetrail/internal/mistake"
	"github.com/changetrail/changetrail/query"
)

// A detection is the section of that name: searches by their names, and the condition that combines
// them.
type detection struct {
	names    []string // in the order of the file
	searches map[string]query.Node
	fields   query.Fields
}

// wrong returns a mistake at a node.
func wrong(n *yaml.Node, format string, args ...any) error {
	return &mistake.Mistake{Line: n.Line, Column: n.Column, What: fmt.Sprintf(format, args...)}
}

func readDetection(n *yaml.Node, fields query.Fields) (query.Node, error) {
	if n.Kind != yaml.MappingNode {
		return nil, wrong(n, "detection: searches by name and a condition are wanted")
	}
	d := detection{searches: make(map[string]query.Node), fields: fields}
	var condition *yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Value == "condition" {
			condition = value
			continue
		}
		if !isName(key.Value) || reserved(key.Value) {
			return nil, wrong(key, "detection: %q is not the name of a search; use letters, digits and _", key.Value)
		}
		if d.searches[key.Value] != nil {
			return nil, wrong(key, "detection: there are two searches with the name %s", key.Value)
		}
		search, err := d.search(value)
		if err != nil {
			return nil, err
		}
		d.names, d.searches[key.Value] = append(d.names, key.Value), search
	}
	if condition == nil || condition.Kind != yaml.ScalarNode {
		return nil, wrong(n, "detection: one condition is wanted, as text")
	}
	return d.condition(condition)
}

// search reads a map, of which every entry must match, or a list of maps, of which one must match.
func (d *detection) search(n *yaml.Node) (query.Node, error) {
	switch {
	case n.Kind == yaml.SequenceNode && len(n.Content) > 0:
		any := make([]query.Node, len(n.Content))
		for i, m := range n.Content {
			var err error
			if any[i], err = d.entries(m); err != nil {
				return nil, err
			}
		}
		return or(any), nil
	case n.Kind == yaml.MappingNode:
		return d.entries(n)
	}
	return nil, wrong(n, "a search is a map of fields and values, or a list of such maps")
}

func (d *detection) entries(n *yaml.Node) (query.Node, error) {
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		return nil, wrong(n, "a map of fields and values is wanted")
	}
	var all []query.Node
	seen := make(map[string]bool)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || seen[key.Value] {
			return nil, wrong(key, "the field %s occurs twice", key.Value)
		}
		seen[key.Value] = true
		one, err := d.entry(key, n.Content[i+1])
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return and(all), nil
}

// entry reads one field with its modifiers and values.
func (d *detection) entry(key, value *yaml.Node) (query.Node, error) {
	name, rest, modified := strings.Cut(key.Value, "|")
	f, ok := d.fields[name]
	switch {
	case !ok:
		return nil, wrong(key, "%s", d.fields.Unknown(name))
	case f.Nested != "":
		return nil, wrong(key, "field %s is in a list of objects, which the rule languages of some products cannot search", name)
	case f.Kind == query.Text:
		return nil, wrong(key, "field %s is searched word by word; rules need fields that are compared as a whole", name)
	}
	var modifiers []string
	if modified {
		modifiers = strings.Split(rest, "|")
	}
	values := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		values = value.Content
	}
	every := slices.Equal(modifiers[min(1, len(modifiers)):], []string{"all"}) && len(values) > 1
	if len(values) == 0 || len(modifiers) > 1 && !every {
		return nil, wrong(key, "%s: values are missing, or the modifiers are not of use together", key.Value)
	}
	modifier := ""
	if len(modifiers) > 0 {
		modifier = modifiers[0]
	}
	nodes := make([]query.Node, len(values))
	for i, v := range values {
		var err error
		if nodes[i], err = test(f, modifier, v); err != nil {
			return nil, err
		}
	}
	if every {
		return and(nodes), nil
	}
	return or(nodes), nil
}

// test reads one value.
func test(f query.Field, modifier string, v *yaml.Node) (query.Node, error) {
	if v.Kind != yaml.ScalarNode {
		return nil, wrong(v, "%s: a value is wanted", f.Name)
	}
	switch modifier {
	case "":
		return equal(f, v)
	case "exists":
		switch {
		case v.Tag == "!!bool" && v.Value == "true":
			return query.Exists{Field: f}, nil
		case v.Tag == "!!bool" && v.Value == "false":
			return not(query.Exists{Field: f}), nil
		}
		return nil, wrong(v, "%s|exists is true or false", f.Name)
	case "contains", "startswith", "endswith":
		return part(f, modifier, v)
	case "gt", "gte", "lt", "lte":
		return compare(f, modifier, v)
	}
	return nil, wrong(v, "%s: the modifier %q is not read here", f.Name, modifier)
}

// equal compares with a value, a text with wildcards, or null.
func equal(f query.Field, v *yaml.Node) (query.Node, error) {
	switch {
	case v.Tag == "!!null":
		return not(query.Exists{Field: f}), nil
	case f.Kind == query.Boolean && v.Tag == "!!bool" && (v.Value == "true" || v.Value == "false"):
		return query.Term{Field: f, Value: v.Value}, nil
	case f.Kind == query.Number:
		n, err := number(f, v)
		if err != nil {
			return nil, err
		}
		b := &query.Bound{Number: n, Inclusive: true}
		return query.Range{Field: f, Low: b, Top: b}, nil
	case f.Kind == query.Keyword && v.Tag == "!!str" && v.Value != "":
		p, err := pattern(v)
		if err != nil {
			return nil, err
		}
		return text(f, p), nil
	}
	return nil, wrong(v, "%s: the value %q does not fit the field", f.Name, v.Value)
}

// text compares with a pattern, or with a value if the pattern has no wildcards.
func text(f query.Field, p query.Pattern) query.Node {
	wild := slices.ContainsFunc(p, func(r rune) bool { return r == query.AnyOne || r == query.AnyMany })
	switch {
	case !wild:
		return query.Term{Field: f, Value: string(p)}
	case len(p) == 1 && p[0] == query.AnyMany:
		return query.Exists{Field: f}
	}
	return query.Wildcard{Field: f, Pattern: p}
}

// part compares with a part of the value.
func part(f query.Field, modifier string, v *yaml.Node) (query.Node, error) {
	if f.Kind != query.Keyword || v.Tag != "!!str" || v.Value == "" {
		return nil, wrong(v, "%s|%s: a field of texts and a text are wanted", f.Name, modifier)
	}
	p, err := pattern(v)
	if err != nil {
		return nil, err
	}
	if modifier != "startswith" && p[0] != query.AnyMany {
		p = slices.Insert(p, 0, query.AnyMany)
	}
	if modifier != "endswith" && p[len(p)-1] != query.AnyMany {
		p = append(p, query.AnyMany)
	}
	return text(f, p), nil
}

// pattern reads a text in which * and ? are wildcards. A backslash takes the meaning from a wildcard
// or a backslash, and is itself before anything else.
func pattern(v *yaml.Node) (query.Pattern, error) {
	var p query.Pattern
	runes := []rune(v.Value)
	for i := 0; i < len(runes); i++ {
		switch r := runes[i]; {
		case r == '\\' && i+1 < len(runes) && strings.ContainsRune(`\*?`, runes[i+1]):
			i++
			p = append(p, runes[i])
		case r == '*':
			if len(p) == 0 || p[len(p)-1] != query.AnyMany {
				p = append(p, query.AnyMany)
			}
		case r == '?':
			p = append(p, query.AnyOne)
		case r < ' ' || r == 0x7f || r == '\uFFFD' || r == '<' || r == '>': // the last two have no escape in Lucene's syntax
			return nil, wrong(v, "a value cannot have the character %q here", r)
		default:
			p = append(p, r)
		}
	}
	return p, nil
}

func compare(f query.Field, modifier string, v *yaml.Node) (query.Node, error) {
	if f.Kind != query.Number {
		return nil, wrong(v, "%s|%s: only numbers are compared", f.Name, modifier)
	}
	n, err := number(f, v)
	if err != nil {
		return nil, err
	}
	b := &query.Bound{Number: n, Inclusive: len(modifier) == len("gte")}
	if modifier[0] == 'g' {
		return query.Range{Field: f, Low: b}, nil
	}
	return query.Range{Field: f, Top: b}, nil
}

// number reads a whole number: with others the languages differ in the digits.
func number(f query.Field, v *yaml.Node) (float64, error) {
	n, err := strconv.ParseInt(v.Value, 10, 32)
	if err != nil || v.Tag != "!!int" || math.Abs(float64(n)) > 1<<31 {
		return 0, wrong(v, "%s: %q is not a whole number", f.Name, v.Value)
	}
	return float64(n), nil
}

// and joins nodes. What they exclude is excluded once, at the end.
func and(nodes []query.Node) query.Node {
	if len(nodes) == 1 {
		return nodes[0]
	}
	var all query.Bool
	for _, n := range nodes {
		if b, ok := n.(query.Bool); ok && len(b.Should) == 0 {
			all.Must, all.Not = append(all.Must, b.Must...), append(all.Not, b.Not...)
		} else {
			all.Must = append(all.Must, n)
		}
	}
	return all
}

func or(nodes []query.Node) query.Node {
	if len(nodes) == 1 {
		return nodes[0]
	}
	return query.Bool{Should: nodes}
}

func not(n query.Node) query.Node { return query.Bool{Not: []query.Node{n}} }
