package detecttest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/siem/detect"
	"github.com/changetrail/changetrail/query"
)

// Matches returns the ids of the documents that a rule's search finds, sorted, as the function of that name
// says.
func (f *Found) Matches(r *detect.Rule) (ids []string) {
	for _, d := range f.matching(r) {
		ids = append(ids, d.ID)
	}
	slices.Sort(ids)
	return ids
}

func (f *Found) matching(r *detect.Rule) (out []Document) {
	for _, d := range f.Documents {
		if d.Kind == r.Source.Document && Matches(r.Where, d.Doc) {
			out = append(out, d)
		}
	}
	return out
}

// Hits returns what raises an alert, sorted: ids of documents, or the values that are frequent
// enough.
func (f *Found) Hits(r *detect.Rule) (out []string) {
	if r.Threshold == nil {
		return f.Matches(r)
	}
	counts := make(map[string]int)
	for _, d := range f.matching(r) {
		at, err := time.Parse(time.RFC3339, d.Doc.Text(r.TimeField()))
		if err == nil && at.After(f.Now.Add(-r.Threshold.Within)) {
			for _, v := range d.Doc.Values(r.Threshold.GroupBy) {
				counts[v]++
			}
		}
	}
	for v, n := range counts {
		if n >= r.Threshold.AtLeast {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return out
}

// Keys returns the values by which a monitor counts the hits of a rule, sorted.
func (f *Found) Keys(r *detect.Rule, hits []string) (out []string) {
	if r.Threshold != nil {
		return hits
	}
	field, _ := r.Key()
	for _, d := range f.Documents {
		if d.Kind == r.Source.Document && slices.Contains(hits, d.ID) {
			out = append(out, d.Doc.Values(field)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Check tests hits, as returned by [Found.Hits] or by an engine: a rule must find each positive
// story, no negative story, and nothing in the story that is as it should be.
func (f *Found) Check(t *testing.T, r *detect.Rule, hits []string) {
	t.Helper()
	name := strings.TrimSuffix(r.File, ".yml")
	told := 0
	for i := range f.Stories {
		s := &f.Stories[i]
		if s.Rule != name && s.Rule != "" {
			continue
		}
		told++
		if hit := f.in(s, r, hits); hit != s.Positive {
			t.Errorf("%s: story %q: found %t, want %t\n%s", r.File, s.Name, hit, s.Positive, f.describe(s, r))
		}
	}
	if told < 3 {
		t.Errorf("%s: there are %d stories; a positive and a negative one are wanted in testdata/rules", r.File, told-1)
	}
}

// in reports whether one of the hits is of a story.
func (f *Found) in(s *Story, r *detect.Rule, hits []string) bool {
	return slices.ContainsFunc(f.Documents, func(d Document) bool {
		if d.Story != s || d.Kind != r.Source.Document {
			return false
		}
		if r.Threshold == nil {
			return slices.Contains(hits, d.ID)
		}
		return slices.ContainsFunc(d.Doc.Values(r.Threshold.GroupBy), func(v string) bool { return slices.Contains(hits, v) })
	})
}

// describe prints the documents of a story that a rule looks at.
func (f *Found) describe(s *Story, r *detect.Rule) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %s\n", detect.Lucene(r.Where))
	for _, d := range f.Documents {
		if d.Story == s && d.Kind == r.Source.Document {
			fmt.Fprintf(&b, "  %.3000s\n", d.Body)
		}
	}
	return b.String()
}

// Matches reports whether a document meets a condition. It is a second reading of the tree, without any
// index.
func Matches(n query.Node, d query.Doc) bool {
	switch n := n.(type) {
	case query.All:
		return true
	case query.Exists:
		return len(d.Values(n.Field.Name)) > 0
	case query.Term:
		return slices.Contains(d.Values(n.Field.Name), n.Value)
	case query.Wildcard:
		return slices.ContainsFunc(d.Values(n.Field.Name), n.Pattern.Match)
	case query.Range:
		return slices.ContainsFunc(d.Values(n.Field.Name), func(v string) bool {
			x, err := strconv.ParseFloat(v, 64)
			return err == nil &&
				(n.Low == nil || x > n.Low.Number || n.Low.Inclusive && x == n.Low.Number) &&
				(n.Top == nil || x < n.Top.Number || n.Top.Inclusive && x == n.Top.Number)
		})
	case query.Bool:
		match := func(n query.Node) bool { return Matches(n, d) }
		all := func(nodes []query.Node) bool {
			return !slices.ContainsFunc(nodes, func(n query.Node) bool { return !match(n) })
		}
		return all(n.Must) && !slices.ContainsFunc(n.Not, match) && (len(n.Must) > 0 || len(n.Should) == 0 || slices.ContainsFunc(n.Should, match))
	}
	return false
}
