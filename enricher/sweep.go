package enricher

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// A sweep looks at so many entries of a partition, and not more often.
const (
	sweepEntries = 2_000
	sweepPause   = 10 * time.Second
)

// A sweep is how far a partition has been looked through for what has waited
// too long.
type sweep struct {
	next string // key to go on from
	at   time.Time
}

// traceAge is how long the spans of a trace are kept for others that come late.
const traceAge = 24 * time.Hour

// sweep looks a few entries at a time, so that no transaction is late. It returns
// deletions of evidence and identities older than EvidenceAge in the partitions of
// batch, or, where nothing more is to be read, in all; and the actions of traces that
// have waited too long, and dead letters of those that waited for a repository in
// vain. Changes themselves stay: without its revision a change would begin again at
// the first one, which every index rightly ignores.
func (e *Enricher) sweep(batch []*stream.Record) (expired []entry, out []*stream.Record, err error) {
	now := e.now()
	today := make(map[int32]time.Time)
	for _, r := range batch {
		today[r.Partition] = r.Timestamp // when events of a year ago are read again, it is a year ago
	}
	if len(batch) == 0 {
		for p := range e.owned {
			today[p] = now
		}
	}
	for _, p := range slices.Sorted(maps.Keys(today)) {
		if today[p].After(now) {
			today[p] = now
		}
		s := e.swept[p]
		if now.Sub(s.at) < sweepPause {
			continue
		}
		late, err := e.rooms.overdue(p, today[p].Add(-cmp.Or(e.conf.TraceHold, 10*time.Minute)))
		if err != nil {
			return nil, nil, err
		}
		out = append(out, late...)
		s.at = now
		if e.conf.EvidenceAge > 0 {
			var old []entry
			if old, s.next, err = e.state.expired(p, s.next, today[p], e.conf.EvidenceAge); err != nil {
				return nil, nil, err
			}
			for _, w := range old {
				if w.key[0] == 'w' {
					lost, err := e.rooms.lost(p, w.key, w.value, now)
					if err != nil {
						return nil, nil, err
					}
					if lost != nil {
						e.metrics.refuse(schemas.RunUnknown)
						out = append(out, lost)
					}
				}
				expired = append(expired, entry{partition: p, key: w.key})
			}
		}
		e.swept[p] = s
	}
	return expired, out, nil
}

// expired returns the entries of a partition that were last touched longer than age
// before today, and the key to go on from.
func (p *projection) expired(partition int32, from string, today time.Time, age time.Duration) (out []entry, next string, err error) {
	looked := 0
	take := func(key string, value []byte) bool {
		if looked++; looked > sweepEntries {
			next = key
			return false
		}
		if _, busy := p.work.home[key]; busy {
			return true
		}
		touched, bad := touchedAt(key, value)
		if bad != nil {
			err = bad
			return false
		}
		kept := age
		if key[0] == 't' {
			kept = min(age, traceAge)
		}
		if touched.Before(today.Add(-kept)) {
			out = append(out, entry{partition, key, slices.Clone(value)})
		}
		return true
	}
	for _, kind := range []string{"a/", "b/", "r/", "s/", "t/", "w/"} {
		end := kind[:1] + "0" // '0' follows '/'
		if from >= end {
			continue
		}
		if failed := p.store.each(partition, max(from, kind), end, take); failed != nil {
			return nil, "", failed
		}
		if err != nil || next != "" {
			return out, next, err
		}
	}
	return out, "", nil
}

func touchedAt(key string, value []byte) (time.Time, error) {
	if key[0] != 'b' {
		_, at := splitSeen(value)
		return at, nil
	}
	var b struct {
		Touched int64 `json:"at"`
	}
	if err := json.Unmarshal(value, &b); err != nil {
		return time.Time{}, fmt.Errorf("state: %s: %w", key, err)
	}
	return time.Unix(b.Touched, 0), nil
}
