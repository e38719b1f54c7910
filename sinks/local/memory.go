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
//
// What is known of a slot never changes, and slots are added at the end. So a search
// takes a [snapshot] and needs the lock for single steps alone: nobody who writes waits
// for a search, and no search for another.
type memory struct {
	sync.RWMutex
	n       int64
	slots   []slot
	of      map[int64]uint32 // slot of the newest revision, by r
	live    *roaring.Bitmap
	terms   []posting         // by id of the term
	numbers map[int64]*column // by field

	dictionary sync.Mutex
	values     map[int64]dictionary // of fields that were counted
}

// A dictionary is the values of the terms of a field, as of write upTo.
type dictionary struct {
	upTo int64
	byID map[int64]string
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

// A snapshot is the records as one search sees them, whatever is written meanwhile.
type snapshot struct {
	*memory
	live  *roaring.Bitmap
	slots []slot
}

func (m *memory) snapshot() snapshot {
	m.RLock()
	defer m.RUnlock()
	return snapshot{m, m.live.Clone(), m.slots[:len(m.slots):len(m.slots)]}
}

// upTo is the newest write that m knows.
func (m *memory) upTo() int64 {
	m.RLock()
	defer m.RUnlock()
	return m.n
}

// unite adds to out the slots that a term stands in.
func (m *memory) unite(out *roaring.Bitmap, id int64) {
	m.RLock()
	defer m.RUnlock()
	if id < int64(len(m.terms)) {
		switch p := m.terms[id]; {
		case p.all != nil:
			out.Or(p.all)
		case p.first > 0:
			out.Add(p.first - 1)
		}
	}
}

// countIn returns in how many of the slots of found a term stands.
func (m *memory) countIn(found *roaring.Bitmap, id int64) int {
	m.RLock()
	defer m.RUnlock()
	if id >= int64(len(m.terms)) {
		return 0
	}
	return m.terms[id].count(found)
}

// column returns the values of a field of numbers or dates.
func (m *memory) column(field int64) column {
	m.RLock()
	defer m.RUnlock()
	if c := m.numbers[field]; c != nil {
		return *c
	}
	return column{}
}

// catchUp takes over what was written to the file since the last time, and returns what
// is to be seen now.
func (x *Index) catchUp(ctx context.Context) (snapshot, error) {
	var newest int64
	if err := x.db.QueryRowContext(ctx, "SELECT coalesce(max(n), 0) FROM records").Scan(&newest); err != nil {
		return snapshot{}, fmt.Errorf("index: %w", err)
	}
	if m := x.current.Load(); m != nil && m.upTo() >= newest {
		return m.snapshot(), nil
	}
	x.catching.Lock()
	defer x.catching.Unlock()
	m := x.current.Load()
	if m == nil || m.stale() {
		m = newMemory() // those who search the former one go on
	}
	err := x.each(ctx, func(rows *sql.Rows) error {
		var s slot
		var n int64
		var terms, numbers []byte
		if err := rows.Scan(&s.r, &n, &s.id, &s.at, &terms, &numbers); err != nil {
			return fmt.Errorf("index: %w", err)
		}
		if err := m.take(s, n, terms, numbers); err != nil {
			return fmt.Errorf("index %s: record %s: %w", x.file, s.id, err)
		}
		return nil
	}, "SELECT r, n, id, at, terms, numbers FROM records WHERE n > ? ORDER BY n", m.upTo())
	if err != nil {
		return snapshot{}, err
	}
	x.current.Store(m)
	return m.snapshot(), nil
}

func newMemory() *memory {
	return &memory{of: make(map[int64]uint32), live: roaring.New(), numbers: make(map[int64]*column), values: make(map[int64]dictionary)}
}

// stale reports whether too many slots are of old revisions.
func (m *memory) stale() bool {
	m.RLock()
	defer m.RUnlock()
	return len(m.slots)-len(m.of) > len(m.of)+spare
}

// take gives a revision a slot.
func (m *memory) take(s slot, n int64, terms, numbers []byte) error {
	m.Lock()
	defer m.Unlock()
	m.n = n
	at := uint32(len(m.slots))
	last := uint64(0)
	for len(terms) > 0 {
		d, size := binary.Uvarint(terms)
		if size <= 0 {
			return fmt.Errorf("its terms are cut off")
		}
		terms, last = terms[size:], last+d
		for uint64(len(m.terms)) <= last {
			m.terms = append(m.terms, posting{})
		}
		m.terms[last].add(at)
	}
	for len(numbers) > 0 {
		f, size := binary.Uvarint(numbers)
		if size <= 0 || len(numbers) < size+8 {
			return fmt.Errorf("its numbers are cut off")
		}
		v := math.Float64frombits(binary.LittleEndian.Uint64(numbers[size:]))
		numbers = numbers[size+8:]
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
