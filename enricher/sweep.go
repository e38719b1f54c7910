package enricher

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

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

// sweep returns deletions of evidence and identities older than EvidenceAge,
// in the partitions of batch: a few at a time, so that no transaction is late.
// Changes themselves stay: without its revision a change would begin again at
// the first one, which every index rightly ignores.
func (e *Enricher) sweep(batch []*stream.Record) ([]entry, error) {
	if e.conf.EvidenceAge <= 0 {
		return nil, nil
	}
	now := e.now()
	var out []entry
	for _, r := range batch {
		p := r.Partition
		s := e.swept[p]
		if now.Sub(s.at) < sweepPause {
			continue
		}
		today := r.Timestamp // when events of a year ago are read again, it is a year ago
		if today.After(now) {
			today = now
		}
		expired, next, err := e.state.expired(p, s.next, today.Add(-e.conf.EvidenceAge))
		if err != nil {
			return nil, err
		}
		e.swept[p] = sweep{next, now}
		out = append(out, expired...)
	}
	return out, nil
}

// expired returns deletions of what in a partition was last touched before
// limit, and the key to go on from.
func (p *projection) expired(partition int32, from string, limit time.Time) (out []entry, next string, err error) {
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
		if touched.Before(limit) {
			out = append(out, entry{partition: partition, key: key})
		}
		return true
	}
	for _, kind := range []string{"a/", "b/", "s/"} {
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
