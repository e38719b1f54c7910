package bulk_test

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// values are those that a document has at a path.
func values(doc any, path string) (out []any) {
	switch d := doc.(type) {
	case nil:
	case []any:
		for _, v := range d {
			out = append(out, values(v, path)...)
		}
	case object:
		first, rest, _ := strings.Cut(path, ".")
		return values(d[first], rest)
	default:
		if path == "" {
			return []any{d}
		}
	}
	return out
}

// list is v as a list: one condition may be given without one.
func list(v any) []any {
	if l, ok := v.([]any); ok || v == nil {
		return l
	}
	return []any{v}
}

// matches reports whether a document meets a condition.
func matches(q object, id string, doc object) bool {
	all := true
	for kind, c := range q {
		all = all && meets(kind, c.(object), id, doc)
	}
	return all
}

func meets(kind string, c object, id string, doc object) bool {
	each := func(v any) bool { return matches(v.(object), id, doc) }
	switch kind {
	case "match_all":
		return true
	case "bool":
		return !slices.ContainsFunc(list(c["filter"]), func(v any) bool { return !each(v) }) && !slices.ContainsFunc(list(c["must_not"]), each) &&
			(len(list(c["should"])) == 0 || slices.ContainsFunc(list(c["should"]), each))
	case "exists":
		return len(values(doc, c["field"].(string))) > 0
	case "ids":
		return slices.Contains(c["values"].([]any), any(id))
	}
	for field, want := range c {
		have := values(doc, field)
		switch kind {
		case "term", "terms":
			return slices.ContainsFunc(list(want), func(w any) bool { return slices.Contains(have, w) })
		case "prefix":
			return slices.ContainsFunc(have, func(v any) bool { return strings.HasPrefix(fmt.Sprint(v), want.(string)) })
		}
	}
	panic("the engine of this test does not know " + kind)
}

// A key is one by which hits are sorted.
type key struct {
	field        string
	desc         bool
	missingFirst bool
}

func keyOf(v any) (k key) {
	for field, how := range v.(object) {
		k.field = field
		if o, ok := how.(object); ok {
			k.missingFirst = o["missing"] == "_first"
			how = o["order"]
		}
		k.desc = how == "desc"
	}
	return k
}

func sortValues(order []any, doc object) []any {
	out := make([]any, len(order))
	for i := range order {
		if have := values(doc, keyOf(order[i]).field); len(have) > 0 {
			out[i] = have[0]
		}
	}
	return out
}

func compare(order, a, b []any) int {
	for i := range order {
		k := keyOf(order[i])
		c := 0
		switch x := a[i].(type) {
		case string:
			if y, ok := b[i].(string); ok {
				c = cmp.Compare(x, y)
			}
		case float64:
			if y, ok := b[i].(float64); ok {
				c = cmp.Compare(x, y)
			}
		}
		if k.desc {
			c = -c
		}
		if a[i] == nil != (b[i] == nil) {
			if c = 1; a[i] == nil == k.missingFirst {
				c = -1
			}
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// aggregate counts values.
func aggregate(q object, hits []hit) object {
	out := make(object)
	aggs, _ := q["aggs"].(object)
	for name, a := range aggs {
		counts := make(map[any]int)
		if h, ok := a.(object)["date_histogram"].(object); ok {
			width, _ := time.ParseDuration(h["fixed_interval"].(string))
			for _, x := range hits {
				at, _ := time.Parse(time.RFC3339, x.doc[h["field"].(string)].(string))
				counts[at.UnixMilli()/width.Milliseconds()*width.Milliseconds()]++
			}
			out[name] = object{"buckets": buckets(counts, len(counts), false)}
			continue
		}
		terms := a.(object)["terms"].(object)
		only := regexp.MustCompile(".*")
		if text, ok := terms["include"].(string); ok {
			only = regexp.MustCompile("^(?:" + text + ")$")
		}
		for _, x := range hits {
			for _, v := range values(x.doc, terms["field"].(string)) {
				if only.MatchString(v.(string)) {
					counts[v]++
				}
			}
		}
		_, byCount := terms["order"].([]any)
		out[name] = object{"buckets": buckets(counts, int(terms["size"].(float64)), byCount)}
	}
	return out
}

func buckets(counts map[any]int, size int, byCount bool) []object {
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b any) int {
		if c := counts[b] - counts[a]; byCount && c != 0 {
			return c
		}
		return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b))
	})
	out := []object{}
	for _, k := range keys[:min(size, len(keys))] {
		out = append(out, object{"key": k, "doc_count": counts[k]})
	}
	return out
}
