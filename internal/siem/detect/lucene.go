package detect

import (
	"strconv"
	"strings"

	"github.com/changetrail/changetrail/query"
)

// Lucene returns a tree as a text in Lucene's syntax, as Kibana and OpenSearch Dashboards accept it.
// Brackets group its parts, since AND and OR have the same precedence there.
func Lucene(n query.Node) string {
	switch n := n.(type) {
	case query.Exists:
		return "_exists_:" + n.Field.Name
	case query.Term:
		return n.Field.Name + ":" + query.Quote(n.Value)
	case query.Wildcard:
		return n.Field.Name + ":" + wildcard(n.Pattern)
	case query.Range:
		return n.Field.Name + ":" + span(n)
	case query.Bool:
		text := "*:*" // a query that only excludes would find nothing
		switch {
		case len(n.Must) > 0:
			text = join(n.Must, " AND ")
		case len(n.Should) > 0:
			text = either(n.Should)
		}
		if len(n.Not) > 0 {
			text += " AND NOT " + join(n.Not, " AND NOT ")
		}
		return text
	}
	return "*:*"
}

func join(nodes []query.Node, between string) string {
	parts := make([]string, len(nodes))
	for i, n := range nodes {
		parts[i] = Lucene(n)
		if b, ok := n.(query.Bool); ok && (len(b.Should) == 0 || oneField(b.Should) == "") {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return strings.Join(parts, between)
}

// either writes alternatives; those of one field become one group of values.
func either(nodes []query.Node) string {
	name := oneField(nodes)
	if name == "" {
		return join(nodes, " OR ")
	}
	parts := make([]string, len(nodes))
	for i, n := range nodes {
		parts[i] = strings.TrimPrefix(Lucene(n), name+":")
	}
	return name + ":(" + strings.Join(parts, " OR ") + ")"
}

// oneField returns the field if all nodes are terms or wildcards of the same one, else "".
func oneField(nodes []query.Node) (name string) {
	for i, n := range nodes {
		f := ""
		switch n := n.(type) {
		case query.Term:
			f = n.Field.Name
		case query.Wildcard:
			f = n.Field.Name
		}
		if f == "" || i > 0 && f != name {
			return ""
		}
		name = f
	}
	return name
}

func wildcard(p query.Pattern) string {
	var b strings.Builder
	for _, r := range p {
		switch {
		case r == query.AnyOne:
			b.WriteByte('?')
		case r == query.AnyMany:
			b.WriteByte('*')
		case strings.ContainsRune(`+-=&|!(){}[]^"~*?:\/ `, r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// span writes a range of numbers.
func span(r query.Range) string {
	write := func(b *query.Bound) string {
		if b == nil {
			return "*"
		}
		return strconv.FormatFloat(b.Number, 'f', -1, 64)
	}
	open, end := "[", "]"
	if r.Low != nil && !r.Low.Inclusive {
		open = "{"
	}
	if r.Top != nil && !r.Top.Inclusive {
		end = "}"
	}
	return open + write(r.Low) + " TO " + write(r.Top) + end
}
