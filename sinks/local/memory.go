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

// memory is the index over the records of the file, up to write n. Each revision of a record has
// its own slot; live contains the newest ones.
//
// The contents of a slot never change, and slots are only added at the end. So a search works on a
// [snapshot] and needs the lock only for short steps: no writer waits for a search, and no search
// waits for another.
type memory struct {
	sync.RWMutex
	n       int64
	slots   []slot
	of      map[int64]uint32 // slot of the newest revision, by r
	live    *roaring.Bitmap
	terms   []posting         // by term id
	numbers map[int64]*column // by field

	dictionary sync.Mutex
	values     map[int64]dictionary // of the fields that were counted so far
}

// A dictionary maps the term ids of a field to values, as of write upTo.
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

// A posting is the set of slots that have a term. Most terms, such as digests, are in only one.
type posting struct {
	first uint32 // slot+1; 0 if there is none
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

// count returns how many of the slots in b have the term.
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

// spare is how many slots of old revisions are allowed before the index is rebuilt without them.
const spare = 100_000

// A snapshot is the records as one search sees them, whatever is written in the meantime.
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

// upTo is the number of the newest write that m contains.
func (m *memory) upTo() int64 {
	m.RLock()
	defer m.RUnlock()
	return m.n
}

// unite adds to out the slots that have a term.
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

// countIn returns how many of the slots in found have a term.
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

// catchUp reads what was written to the file since the last call, and returns the current snapshot.
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
		m = newMemory() // running searches continue with the former one
	}
	err := x.each(ctx, func(rows *sql.Rows) error {
		var s slot
		var n int64
		var terms, numbers []byte
		if err := rows.Scan(&s.r, &n, &s.id, &s.at, &terms, &numbers); err != nil {
			return fmt.Errorf("index: %w", err)
		}
		if err := m.addSlot(s, n, terms, numbers); err != nil {
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

// stale reports whether too many slots belong to old revisions.
func (m *memory) stale() bool {
	m.RLock()
	defer m.RUnlock()
	return len(m.slots)-len(m.of) > len(m.of)+spare
}

// addSlot adds a slot for a revision.
func (m *memory) addSlot(s slot, n int64, terms, numbers []byte) error {
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
