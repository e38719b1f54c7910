package local

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"math"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
)

// memory is the index over the records of the file, up to write n. Each
// revision of a record has a slot of its own; live holds the newest ones.
type memory struct {
	sync.RWMutex
	n       int64
	slots   []slot
	of      map[int64]uint32 // slot of the newest revision, by r
	live    *roaring.Bitmap
	terms   []posting         // by id of the term
	numbers map[int64]*column // by field

	dictionary sync.Mutex
	values     map[int64]map[int64]string // term id to value, of fields that were counted
	valuesUpTo map[int64]int64
}

// A slot is one revision of one record.
type slot struct {
	r  int64
	at int64
	id string
}

// A posting is the slots that a term stands in. Most terms, as digests, stand in
// one.
type posting struct {
	first uint32 // slot+1; 0: in none
	all   *roaring.Bitmap
}

func (p *posting) add(s uint32) {
	switch {
	case p.all != nil:
		p.all.Add(s)
	case p.first == 0:
		p.first = s + 1
	default:
		p.all = roaring.BitmapOf(p.first-1, s)
	}
}

// count returns in how many of the slots of b the term stands.
func (p posting) count(b *roaring.Bitmap) int {
	switch {
	case p.all != nil:
		return int(p.all.AndCardinality(b))
	case p.first > 0 && b.Contains(p.first-1):
		return 1
	}
	return 0
}

// A column is the values of a field of numbers or dates, in order of slots.
type column struct {
	slots  []uint32
	values []float64
}

// spare is how many slots of old revisions are borne before the index is built
// anew without them.
const spare = 100_000

// catchUp takes over what was written to the file since the last time.
func (x *Index) catchUp(ctx context.Context) error {
	m := &x.memory
	var newest int64
	if err := x.db.QueryRowContext(ctx, "SELECT coalesce(max(n), 0) FROM records").Scan(&newest); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	m.RLock()
	known := m.n
	m.RUnlock()
	if known == newest && known > 0 {
		return nil
	}
	m.Lock()
	defer m.Unlock()
	if m.of == nil || len(m.slots)-len(m.of) > len(m.of)+spare {
		m.reset()
	}
	return x.each(ctx, func(rows *sql.Rows) error {
		var s slot
		var n int64
		var terms, numbers []byte
		if err := rows.Scan(&s.r, &n, &s.id, &s.at, &terms, &numbers); err != nil {
			return fmt.Errorf("index: %w", err)
		}
		if err := x.take(s, terms, numbers); err != nil {
			return fmt.Errorf("index %s: record %s: %w", x.file, s.id, err)
		}
		m.n = n
		return nil
	}, "SELECT r, n, id, at, terms, numbers FROM records WHERE n > ? ORDER BY n", m.n)
}

func (m *memory) reset() {
	m.n, m.slots, m.terms = 0, nil, nil
	m.of, m.live = make(map[int64]uint32), roaring.New()
	m.numbers = make(map[int64]*column)
}

// take gives a revision a slot.

func (x *Index) take(s slot, terms, numbers []byte) error {
	m := &x.memory
	at := uint32(len(m.slots))
	last := uint64(0)
	for len(terms) > 0 {
		d, n := binary.Uvarint(terms)
		if n <= 0 {
			return fmt.Errorf("its terms are cut off")
		}
		terms, last = terms[n:], last+d
		for uint64(len(m.terms)) <= last {
			m.terms = append(m.terms, posting{})
		}
		m.terms[last].add(at)
	}
	for len(numbers) > 0 {
		f, n := binary.Uvarint(numbers)
		if n <= 0 || len(numbers) < n+8 {
			return fmt.Errorf("its numbers are cut off")
		}
		v := math.Float64frombits(binary.LittleEndian.Uint64(numbers[n:]))
		numbers = numbers[n+8:]
		c := m.numbers[int64(f)]
		if c == nil {
			c = new(column)
			m.numbers[int64(f)] = c
		}
		c.slots, c.values = append(c.slots, at), append(c.values, v)
	}
	if old, ok := m.of[s.r]; ok {
		m.live.Remove(old)
	}
	m.of[s.r] = at
	m.live.Add(at)
	m.slots = append(m.slots, s)
	return nil
}
