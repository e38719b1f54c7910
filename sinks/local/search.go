package local

import (
	"cmp"
	"container/heap"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/query"
)

// Search answers a request.
func (x *Index) Search(ctx context.Context, q query.Request) (*query.Result, error) {
	if err := x.catchUp(ctx); err != nil {
		return nil, err
	}
	m := &x.memory
	m.RLock()
	defer m.RUnlock()
	e := evaluation{Index: x, ctx: ctx}
	found, err := e.node(q.Where)
	if err != nil {
		return nil, err
	}
	found = roaring.And(found, m.live)
	res := &query.Result{Total: int(found.GetCardinality()), Facets: make(map[string][]query.Count)}
	for _, s := range m.newest(found, q.Skip, q.Size) {
		doc, err := x.Record(ctx, m.slots[s].id)
		if err != nil {
			return nil, fmt.Errorf("index: %w", err)
		}
		res.Hits = append(res.Hits, query.Hit{ID: m.slots[s].id, Doc: doc})
	}
	for _, name := range q.Facets {
		counts, err := x.count(ctx, name, found, cmp.Or(q.FacetSize, query.DefaultFacetSize))
		if err != nil {
			return nil, err
		}
		if len(counts) > 0 {
			res.Facets[name] = counts
		}
	}
	if q.Interval > 0 {
		res.Histogram = m.histogram(found, q.Interval.Milliseconds())
	}
	return res, nil
}

// All hands every record that matches to f, newest first.
func (x *Index) All(ctx context.Context, where query.Node, f func(query.Hit) error) error {
	if err := x.catchUp(ctx); err != nil {
		return err
	}
	m := &x.memory
	m.RLock()
	e := evaluation{Index: x, ctx: ctx}
	found, err := e.node(where)
	if err != nil {
		m.RUnlock()
		return err
	}
	found = roaring.And(found, m.live)
	ids := make([]string, 0, found.GetCardinality())
	for _, s := range m.newest(found, 0, int(found.GetCardinality())) {
		ids = append(ids, m.slots[s].id)
	}
	m.RUnlock()
	for _, id := range ids {
		doc, err := x.Record(ctx, id)
		if err != nil {
			return fmt.Errorf("index: %w", err)
		}
		if err := f(query.Hit{ID: id, Doc: doc}); err != nil {
			return err
		}
	}
	return nil
}

// Values returns values of a field that begin with a prefix, for completion.
func (x *Index) Values(ctx context.Context, field, prefix string, limit int) ([]string, error) {
	var out []string
	err := x.each(ctx, func(rows *sql.Rows) error {
		var v string
		err := rows.Scan(&v)
		out = append(out, v)
		return err
	}, "SELECT value FROM terms WHERE field = ? AND value >= ? AND value < ? ORDER BY value LIMIT ?", x.fieldID[field], prefix, prefix+"\U0010ffff", limit)
	return out, err
}

// newest returns the slots of found from skip on, newest first.
func (m *memory) newest(found *roaring.Bitmap, skip, size int) []uint32 {
	if size <= 0 {
		return nil
	}
	h := oldestFirst{m: m}
	for it := found.Iterator(); it.HasNext(); {
		s := it.Next()
		if len(h.slots) < skip+size {
			heap.Push(&h, s)
		} else if m.newer(s, h.slots[0]) {
			h.slots[0] = s
			heap.Fix(&h, 0)
		}
	}
	slices.SortFunc(h.slots, func(a, b uint32) int {
		if m.newer(a, b) {
			return -1
		}
		return 1
	})
	return h.slots[min(skip, len(h.slots)):]
}

// newer tells whether a comes before b among what was found.
func (m *memory) newer(a, b uint32) bool {
	x, y := &m.slots[a], &m.slots[b]
	if x.at != y.at {
		return x.at > y.at
	}
	return x.id < y.id
}

// oldestFirst is a heap whose first slot is the one to give up.
type oldestFirst struct {
	m     *memory
	slots []uint32
}

func (h *oldestFirst) Len() int           { return len(h.slots) }
func (h *oldestFirst) Less(i, j int) bool { return h.m.newer(h.slots[j], h.slots[i]) }
func (h *oldestFirst) Swap(i, j int)      { h.slots[i], h.slots[j] = h.slots[j], h.slots[i] }
func (h *oldestFirst) Push(s any)         { h.slots = append(h.slots, s.(uint32)) }
func (h *oldestFirst) Pop() any {
	last := h.slots[len(h.slots)-1]
	h.slots = h.slots[:len(h.slots)-1]
	return last
}

func (m *memory) histogram(found *roaring.Bitmap, width int64) []query.Bucket {
	counts := make(map[int64]int)
	for it := found.Iterator(); it.HasNext(); {
		at := m.slots[it.Next()].at
		counts[at-(at%width+width)%width]++
	}
	out := make([]query.Bucket, 0, len(counts))
	for at, n := range counts {
		out = append(out, query.Bucket{Start: time.UnixMilli(at).UTC(), N: n})
	}
	slices.SortFunc(out, func(a, b query.Bucket) int { return a.Start.Compare(b.Start) })
	return out
}

// count counts the values of a keyword field among found.
func (x *Index) count(ctx context.Context, field string, found *roaring.Bitmap, limit int) ([]query.Count, error) {
	values, err := x.valuesOf(ctx, x.fieldID[field])
	if err != nil {
		return nil, err
	}
	var out []query.Count
	for id, v := range values {
		if id < int64(len(x.memory.terms)) {
			if n := x.memory.terms[id].count(found); n > 0 {
				out = append(out, query.Count{Value: v, N: n})
			}
		}
	}
	slices.SortFunc(out, func(a, b query.Count) int {
		return cmp.Or(b.N-a.N, strings.Compare(a.Value, b.Value))
	})
	return out[:min(len(out), limit)], nil
}

// valuesOf returns the terms of a field, by id. They are read once, then what is
// new of them.
func (x *Index) valuesOf(ctx context.Context, field int64) (map[int64]string, error) {
	m := &x.memory
	m.dictionary.Lock()
	defer m.dictionary.Unlock()
	if m.values == nil {
		m.values, m.valuesUpTo = make(map[int64]map[int64]string), make(map[int64]int64)
	}
	known := m.values[field]
	if m.valuesUpTo[field] >= m.n && known != nil {
		return known, nil
	}
	fresh := make(map[int64]string, len(known)) // readers may hold the one of before
	if err := x.each(ctx, func(rows *sql.Rows) error {
		var id int64
		var v string
		err := rows.Scan(&id, &v)
		fresh[id] = v
		return err
	}, "SELECT id, value FROM terms WHERE field = ?", field); err != nil {
		return nil, err
	}
	m.values[field], m.valuesUpTo[field] = fresh, m.n
	return fresh, nil
}

// An evaluation turns a tree into the slots that it matches. Dead slots may be
// among them.
type evaluation struct {
	*Index
	ctx context.Context
}

func (e *evaluation) node(n query.Node) (*roaring.Bitmap, error) {
	m := &e.memory
	switch n := n.(type) {
	case query.All:
		return m.live, nil
	case query.Term:
		return e.terms("value = ?", n.Field, n.Value)
	case query.Wildcard:
		return e.wildcard(n)
	case query.Phrase:
		return e.phrase(n)
	case query.Exists:
		return e.exists(n.Field)
	case query.Range:
		return e.span(n)
	case query.Bool:
		return e.all(n)
	}
	return nil, fmt.Errorf("index: a node of type %T is unknown", n)
}

func (e *evaluation) all(n query.Bool) (*roaring.Bitmap, error) {
	var out *roaring.Bitmap
	switch {
	case len(n.Must) > 0:
		for _, c := range n.Must {
			b, err := e.node(c)
			if err != nil {
				return nil, err
			}
			if out == nil {
				out = b
			} else {
				out = roaring.And(out, b)
			}
		}
	case len(n.Should) > 0:
		parts := make([]*roaring.Bitmap, len(n.Should))
		for i, c := range n.Should {
			var err error
			if parts[i], err = e.node(c); err != nil {
				return nil, err
			}
		}
		out = roaring.FastOr(parts...)
	case len(n.Not) > 0:
		out = e.memory.live
	default:
		return roaring.New(), nil
	}
	for _, c := range n.Not {
		b, err := e.node(c)
		if err != nil {
			return nil, err
		}
		out = roaring.AndNot(out, b)
	}
	return out, nil
}

// terms returns the slots with any of the terms of a field that a condition on
// the dictionary finds.
func (e *evaluation) terms(condition string, f query.Field, args ...any) (*roaring.Bitmap, error) {
	return e.unite("field = ? AND "+condition, append([]any{e.fieldID[f.Name]}, args...)...)
}

// unite returns the slots with any of the terms that a condition finds.
func (e *evaluation) unite(condition string, args ...any) (*roaring.Bitmap, error) {
	out := roaring.New()
	err := e.each(e.ctx, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		e.union(out, id)
		return err
	}, "SELECT id FROM terms WHERE "+condition, args...)
	return out, err
}

func (e *evaluation) union(out *roaring.Bitmap, id int64) {
	if id < int64(len(e.memory.terms)) {
		switch p := e.memory.terms[id]; {
		case p.all != nil:
			out.Or(p.all)
		case p.first > 0:
			out.Add(p.first - 1)
		}
	}
}

func (e *evaluation) wildcard(n query.Wildcard) (*roaring.Bitmap, error) {
	prefix := n.Pattern.Prefix()
	out := roaring.New()
	err := e.each(e.ctx, func(rows *sql.Rows) error {
		var id int64
		var v string
		err := rows.Scan(&id, &v)
		if n.Pattern.Match(v) {
			e.union(out, id)
		}
		return err
	}, "SELECT id, value FROM terms WHERE field = ? AND value >= ? AND value <= ?", e.fieldID[n.Field.Name], prefix, prefix+"\U0010ffff")
	return out, err
}

// phrase looks for records with all of the words, then at how they stand.
func (e *evaluation) phrase(n query.Phrase) (*roaring.Bitmap, error) {
	var both query.Bool
	for _, w := range n.Words {
		both.Must = append(both.Must, query.Term{Field: n.Field, Value: w})
	}
	candidates, err := e.all(both)
	if err != nil {
		return nil, err
	}
	candidates = roaring.And(candidates, e.memory.live)
	out := roaring.New()
	path := strings.Split(n.Field.Name, ".")
	for it := candidates.Iterator(); it.HasNext(); {
		s := it.Next()
		doc, err := e.Record(e.ctx, e.memory.slots[s].id)
		if err != nil {
			return nil, fmt.Errorf("index: %w", err)
		}
		var v any
		if err := json.Unmarshal(doc, &v, jsontext.AllowInvalidUTF8(true)); err != nil {
			return nil, fmt.Errorf("index: %w", err)
		}
		if holds(v, path, n.Words) {
			out.Add(s)
		}
	}
	return out, nil
}

// holds tells whether words stand one after the other in a text at path.
func holds(v any, path, words []string) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, func(v any) bool { return holds(v, path, words) })
	case map[string]any:
		return len(path) > 0 && holds(v[path[0]], path[1:], words)
	case string:
		have := query.Words(v)
		for i := 0; i+len(words) <= len(have); i++ {
			if slices.Equal(have[i:i+len(words)], words) {
				return true
			}
		}
	}
	return false
}

func (e *evaluation) exists(f query.Field) (*roaring.Bitmap, error) {
	if f.Kind == query.Date || f.Kind == query.Number {
		out := roaring.New()
		if c := e.memory.numbers[e.fieldID[f.Name]]; c != nil {
			out.AddMany(c.slots)
		}
		return out, nil
	}
	return e.unite("field = ? AND value = ?", presence, f.Name)
}

func (e *evaluation) span(n query.Range) (*roaring.Bitmap, error) {
	if n.Field.Kind == query.Keyword {
		condition, args := "1", []any(nil)
		if b := n.Low; b != nil {
			condition += map[bool]string{true: " AND value >= ?", false: " AND value > ?"}[b.Inclusive]
			args = append(args, b.Text)
		}
		if b := n.Top; b != nil {
			condition += map[bool]string{true: " AND value <= ?", false: " AND value < ?"}[b.Inclusive]
			args = append(args, b.Text)
		}
		return e.terms(condition, n.Field, args...)
	}
	out := roaring.New()
	c := e.memory.numbers[e.fieldID[n.Field.Name]]
	if c == nil {
		return out, nil
	}
	for i, v := range c.values {
		if b := n.Low; b != nil && (v < b.Number || v == b.Number && !b.Inclusive) {
			continue
		}
		if b := n.Top; b != nil && (v > b.Number || v == b.Number && !b.Inclusive) {
			continue
		}
		out.Add(c.slots[i])
	}
	return out, nil
}
