package stream

import (
	"maps"
	"slices"
	"time"
)

// A search finds the records that can never be processed, and remembers them until they are
// refused.
//
// When a batch fails, its partitions become suspects. They are read one at a time, so that the same
// records come again, in batches of half the size. Each failure halves the size, each success
// doubles it. A record that fails alone is refused. A partition is no longer a suspect once all
// its records of the failed batch are committed.
//
// A partition has at most one refused record: the first one that is not committed. It is
// therefore the next to be read, and is then refused.
type search struct {
	max, limit int               // records a batch may have: ever, and now
	suspects   map[int32]int64   // partitions, and the offset behind the batch that failed
	refused    map[int32]verdict // by partition
}

// A verdict is why a record is refused.
type verdict struct {
	offset int64
	reason string
}

func newSearch(most int) search {
	return search{max: most, limit: most, suspects: make(map[int32]int64), refused: make(map[int32]verdict)}
}

// suspect returns the partition that must be read alone.
func (s *search) suspect() (int32, bool) {
	if len(s.suspects) == 0 {
		return 0, false
	}
	return slices.Min(slices.Collect(maps.Keys(s.suspects))), true
}

// reason returns why r is refused, if it is.
func (s *search) reason(r *Record) (string, bool) {
	v, ok := s.refused[r.Partition]
	return v.reason, ok && v.offset == r.Offset
}

// split divides a batch into the records that can be processed, according to what is known so far,
// and the refused ones.
func (s *search) split(batch []*Record) (good, refused []*Record) {
	if len(s.refused) == 0 {
		return batch, nil
	}
	for _, r := range batch {
		if _, ok := s.reason(r); ok {
			refused = append(refused, r)
		} else {
			good = append(good, r)
		}
	}
	return good, refused
}

// failed records that batch failed.
func (s *search) failed(batch []*Record) {
	s.limit = max(1, len(batch)/2)
	for _, r := range batch {
		s.suspects[r.Partition] = max(s.suspects[r.Partition], r.Offset+1)
	}
}

// slow records that a batch of n records took too long, so that fewer are read at a time. No record
// is blamed for that.
func (s *search) slow(n int) { s.limit = max(1, n/2) }

// refuse makes r be refused when it is read again.
func (s *search) refuse(r *Record, reason string) {
	s.refused[r.Partition] = verdict{r.Offset, reason}
}

// passed records that batch is committed. An empty batch says nothing about the suspects.
func (s *search) passed(batch []*Record) {
	if len(batch) == 0 {
		return
	}
	s.limit = min(2*s.limit, s.max)
	if len(s.suspects)+len(s.refused) == 0 {
		return
	}
	for _, r := range batch {
		if _, ok := s.reason(r); ok {
			delete(s.refused, r.Partition)
		}
		if end, ok := s.suspects[r.Partition]; ok && r.Offset+1 >= end {
			delete(s.suspects, r.Partition)
		}
	}
}

// giveUp ends the search in partition p: the records that failed there do not come again.
func (s *search) giveUp(p int32) { delete(s.suspects, p) }

// release forgets partitions that another member reads now.
func (s *search) release(gone func(int32) bool) {
	maps.DeleteFunc(s.suspects, func(p int32, _ int64) bool { return gone(p) })
	maps.DeleteFunc(s.refused, func(p int32, _ verdict) bool { return gone(p) })
}

// A rest is a pause after a failure; each one is longer than the one before.
type rest struct {
	pause time.Duration
	until time.Time
}

func (r *rest) on() bool { return time.Now().Before(r.until) }

func (r *rest) begin() time.Duration {
	r.pause = min(max(2*r.pause, time.Second), 5*time.Minute)
	r.until = time.Now().Add(r.pause)
	return r.pause
}
