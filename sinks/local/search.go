package local

import (
	"cmp"
	"container/heap"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
)

// searchTime is how long a search may take.
const searchTime = 10 * time.Second

// Search answers a request.
func (x *Index) Search(ctx context.Context, q query.Request) (*query.Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, searchTime, query.ErrSlow)
	defer cancel()
	res, err := x.search(ctx, q)
	return res, overdue(ctx, err)
}

// named is the maximum number of records that Named returns.
const named = 10

// Named returns the newest revisions of the records of changes that have id under another name of
// their repository.
func (x *Index) Named(ctx context.Context, id record.ChangeID) ([]jsontext.Value, error) {
	where := query.Term{Field: query.Field{Name: "changetrail.change.other_ids"}, Value: string(id)}
	res, err := x.Search(ctx, query.Request{Where: where, Size: named})
	if err != nil {
		return nil, err
	}
	var out []jsontext.Value
	for _, h := range res.Hits {
		out = append(out, h.Doc)
	}
	return out, nil
}

// overdue returns err, or an error that says that the search took too long if ctx has expired.
func overdue(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, query.ErrSlow) {
		return cause
	}
	return err
}

func (x *Index) search(ctx context.Context, q query.Request) (*query.Result, error) {
	e, found, err := x.evaluate(ctx, q.Where)
	if err != nil {
		return nil, err
	}
	res := &query.Result{Total: int(found.GetCardinality()), Facets: make(map[string][]query.Count)}
	for _, s := range e.ordered(found, q) {
		doc, err := x.Record(ctx, e.slots[s].id)
		if err != nil {
			return nil, fmt.Errorf("index: %w", err)
		}
		res.Hits = append(res.Hits, query.Hit{ID: e.slots[s].id, Doc: doc})
	}
	for _, name := range q.Facets {
		counts, err := e.count(name, found, cmp.Or(q.FacetSize, query.DefaultFacetSize))
		if err != nil {
			return nil, err
		}
		if len(counts) > 0 {
			res.Facets[name] = counts
		}
	}
	if q.Interval > 0 {
		res.Histogram = e.histogram(found, q.Interval.Milliseconds())
	}
	return res, nil
}

// evaluate finds the slots that match.
func (x *Index) evaluate(ctx context.Context, where query.Node) (*evaluation, *roaring.Bitmap, error) {
	now, err := x.catchUp(ctx)
	if err != nil {
		return nil, nil, err
	}
	e := &evaluation{Index: x, snapshot: now, ctx: ctx}
	if err := e.findPhrases(where); err != nil {
		return nil, nil, err
	}
	found, err := e.node(where)
	if err != nil {
		return nil, nil, err
	}
	return e, roaring.And(found, e.live), nil
}

// All calls f with every matching record, newest first. The time limit of searches applies only to
// finding them.
func (x *Index) All(ctx context.Context, where query.Node, f func(query.Hit) error) error {
	finding, cancel := context.WithTimeoutCause(ctx, searchTime, query.ErrSlow)
	defer cancel()
	e, found, err := x.evaluate(finding, where)
	if err != nil {
		return overdue(finding, err)
	}
	for _, s := range e.newest(found, 0, int(found.GetCardinality())) {
		doc, err := x.Record(ctx, e.slots[s].id)
		if err != nil {
			return fmt.Errorf("index: %w", err)
		}
		if err := f(query.Hit{ID: e.slots[s].id, Doc: doc}); err != nil {
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

// ordered returns the slots of one page, in the order of the request.
func (e *evaluation) ordered(found *roaring.Bitmap, q query.Request) []uint32 {
	if q.Sort.Field.Name == "" || q.Size <= 0 {
		return e.newest(found, q.Skip, q.Size)
	}
	values := make(map[uint32]float64)
	c := e.column(e.fieldID[q.Sort.Field.Name])
	for i, s := range c.slots {
		if v, ok := values[s]; !ok || (c.values[i] < v) == q.Sort.Ascending { // if there are several, the one that comes first
			values[s] = c.values[i]
		}
	}
	slots := found.ToArray()
	slices.SortFunc(slots, func(a, b uint32) int {
		x, hasX := values[a]
		y, hasY := values[b]
		switch {
		case hasX != hasY:
			return map[bool]int{true: -1, false: 1}[hasX]
		case x != y:
			return map[bool]int{true: -1, false: 1}[(x < y) == q.Sort.Ascending]
		}
		return strings.Compare(e.slots[a].id, e.slots[b].id)
	})
	slots = slots[min(q.Skip, len(slots)):]
	return slots[:min(q.Size, len(slots))]
}

// newest returns size slots of found after the first skip, newest first.
func (m snapshot) newest(found *roaring.Bitmap, skip, size int) []uint32 {
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

// newer reports whether a comes before b in the results.
func (m snapshot) newer(a, b uint32) bool {
	x, y := &m.slots[a], &m.slots[b]
	if x.at != y.at {
		return x.at > y.at
	}
	return x.id < y.id
}

// oldestFirst is a heap whose first slot is the next to drop.
type oldestFirst struct {
	m     snapshot
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

func (m snapshot) histogram(found *roaring.Bitmap, width int64) []query.Bucket {
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
func (e *evaluation) count(field string, found *roaring.Bitmap, limit int) ([]query.Count, error) {
	values, err := e.valuesOf(e.ctx, e.memory, e.fieldID[field])
	if err != nil {
		return nil, err
	}
	var out []query.Count
	for id, v := range values {
		if n := e.countIn(found, id); n > 0 {
			out = append(out, query.Count{Value: v, N: n})
		}
	}
	slices.SortFunc(out, func(a, b query.Count) int {
		return cmp.Or(b.N-a.N, strings.Compare(a.Value, b.Value))
	})
	return out[:min(len(out), limit)], nil
}

// valuesOf returns the terms of a field, by id. They are read again after each write. Two searches
// that read them at the same time do not wait for each other.
func (x *Index) valuesOf(ctx context.Context, m *memory, field int64) (map[int64]string, error) {
	upTo := m.upTo()
	m.dictionary.Lock()
	known, ok := m.values[field]
	m.dictionary.Unlock()
	if ok && known.upTo >= upTo {
		return known.byID, nil
	}
	fresh := dictionary{upTo: upTo, byID: make(map[int64]string, len(known.byID))} // others may still read the former map
	if err := x.each(ctx, func(rows *sql.Rows) error {
		var id int64
		var v string
		err := rows.Scan(&id, &v)
		fresh.byID[id] = v
		return err
	}, "SELECT id, value FROM terms WHERE field = ?", field); err != nil {
		return nil, err
	}
	m.dictionary.Lock()
	defer m.dictionary.Unlock()
	m.values[field] = fresh
	return fresh.byID, nil
}

// An evaluation turns a tree into the slots that it matches. The result may contain slots of old
// revisions.
type evaluation struct {
	*Index
	snapshot
	ctx     context.Context
	phrases map[string]*phrase
}

func (e *evaluation) node(n query.Node) (*roaring.Bitmap, error) {
	if err := e.ctx.Err(); err != nil {
		return nil, err
	}
	switch n := n.(type) {
	case query.All:
		return e.live, nil
	case query.Term:
		return e.terms("value = ?", n.Field, n.Value)
	case query.Wildcard:
		return e.wildcard(n)
	case query.Phrase:
		return e.phrases[keyOf(n)].found, nil
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
		out = e.live
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

// terms returns the slots that have any term of a field that a condition on the dictionary selects.
func (e *evaluation) terms(condition string, f query.Field, args ...any) (*roaring.Bitmap, error) {
	return e.unite("field = ? AND "+condition, append([]any{e.fieldID[f.Name]}, args...)...)
}

// unite returns the slots that have any of the terms that a condition selects.
func (e *evaluation) unite(condition string, args ...any) (*roaring.Bitmap, error) {
	out := roaring.New()
	err := e.each(e.ctx, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		e.memory.unite(out, id)
		return err
	}, "SELECT id FROM terms WHERE "+condition, args...)
	return out, err
}

func (e *evaluation) wildcard(n query.Wildcard) (*roaring.Bitmap, error) {
	prefix := n.Pattern.Prefix()
	out := roaring.New()
	err := e.each(e.ctx, func(rows *sql.Rows) error {
		var id int64
		var v string
		err := rows.Scan(&id, &v)
		if n.Pattern.Match(v) {
			e.memory.unite(out, id)
		}
		return err
	}, "SELECT id, value FROM terms WHERE field = ? AND value >= ? AND value <= ?", e.fieldID[n.Field.Name], prefix, prefix+"\U0010ffff")
	return out, err
}

func (e *evaluation) exists(f query.Field) (*roaring.Bitmap, error) {
	if f.Kind == query.Date || f.Kind == query.Number {
		return roaring.BitmapOf(e.column(e.fieldID[f.Name]).slots...), nil
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
	bound := func(b *query.Bound) float64 { // as the values are stored
		if n.Field.Single {
			return float64(float32(b.Number))
		}
		return b.Number
	}
	out := roaring.New()
	c := e.column(e.fieldID[n.Field.Name])
	for i, v := range c.values {
		if b := n.Low; b != nil && (v < bound(b) || v == bound(b) && !b.Inclusive) {
			continue
		}
		if b := n.Top; b != nil && (v > bound(b) || v == bound(b) && !b.Inclusive) {
			continue
		}
		out.Add(c.slots[i])
	}
	return out, nil
}
