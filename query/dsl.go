package query

import (
	"strconv"
	"strings"
)

// DSL returns the query of Elasticsearch and OpenSearch for a tree, ready to be encoded as JSON.
func DSL(n Node) map[string]any {
	switch n := n.(type) {
	case All:
		return one("match_all", map[string]any{})
	case Exists:
		return within(n.Field, one("exists", one("field", n.Field.Name)))
	case Term:
		return within(n.Field, one("term", one(n.Field.Name, n.Value)))
	case Phrase:
		return within(n.Field, one("match_phrase", one(n.Field.Name, n.Text)))
	case Wildcard:
		return within(n.Field, one("wildcard", one(n.Field.Name, one("value", n.Pattern.escaped()))))
	case Range:
		bounds := make(map[string]any)
		if n.Field.Kind == Date {
			bounds["format"] = "epoch_millis"
		}
		if n.Low != nil {
			bounds[map[bool]string{true: "gte", false: "gt"}[n.Low.Inclusive]] = n.Low.value(n.Field.Kind)
		}
		if n.Top != nil {
			bounds[map[bool]string{true: "lte", false: "lt"}[n.Top.Inclusive]] = n.Top.value(n.Field.Kind)
		}
		return within(n.Field, one("range", one(n.Field.Name, bounds)))
	case Bool:
		b := make(map[string]any)
		switch {
		case len(n.Must) > 0: // Should would then only affect scores, which are not used
			b["filter"] = dslOf(n.Must)
		case len(n.Should) > 0:
			b["should"], b["minimum_should_match"] = dslOf(n.Should), 1
		case len(n.Not) == 0:
			return one("match_none", map[string]any{})
		}
		if len(n.Not) > 0 {
			b["must_not"] = dslOf(n.Not)
		}
		return one("bool", b)
	}
	return one("match_none", map[string]any{})
}

func dslOf(nodes []Node) []any {
	out := make([]any, len(nodes))
	for i, n := range nodes {
		out[i] = DSL(n)
	}
	return out
}

func one(key string, value any) map[string]any { return map[string]any{key: value} }

// within wraps a query in a nested query if the field belongs to a list of objects.
func within(f Field, query map[string]any) map[string]any {
	if f.Nested == "" {
		return query
	}
	return one("nested", map[string]any{"path": f.Nested, "query": query})
}

func (b *Bound) value(k Kind) any {
	switch k {
	case Keyword:
		return b.Text
	case Date:
		return strconv.FormatInt(int64(b.Number), 10)
	}
	return b.Number
}

func (p Pattern) escaped() string {
	var b strings.Builder
	for _, r := range p {
		switch r {
		case AnyOne:
			b.WriteByte('?')
		case AnyMany:
			b.WriteByte('*')
		case '*', '?', '\\':
			b.WriteByte('\\')
			fallthrough
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
