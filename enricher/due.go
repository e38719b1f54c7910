package enricher

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/changetrail/changetrail/record"
)

// Time alone changes a record if something must be there by a deadline, such as the review after a
// break-glass. A record depends on its facts and on the time at which it is folded, so it only has
// to be folded again once the deadline has passed. The state remembers each deadline: it survives
// restarts, and moves with its partition to another enricher. A rebuild folds every record as of
// now. Whether a deadline was met depends only on the times of facts, never on when an enricher
// looked.

// remember notes when the record of a change will differ although nothing happens. A deadline that
// was met later stays: folding once more than needed changes nothing.
func (p *projection) remember(c *changeState, r *record.Record) {
	if x, waits := dueOf(c, r); waits {
		p.tx.put(x.key, x.value)
	}
}

// dueOf returns the entry that remembers the deadline of a record, if it has one.
func dueOf(c *changeState, r *record.Record) (x entry, waits bool) {
	at := r.Judged.ChangesAt
	if at.IsZero() {
		return entry{}, false
	}
	value := binary.BigEndian.AppendUint64(nil, uint64(at.UnixNano()))
	return entry{keyOf(c.partition, kindDue, c.name), append(value, c.id...)}, true
}

// touchDue touches the changes whose deadline has passed, so that they are folded again. A partition
// that is far behind waits until it has read what may have met the deadline.
func (e *Enricher) touchDue(now time.Time) error {
	for _, p := range slices.Sorted(maps.Keys(e.owned)) {
		if former, err := e.store.hasFormer(p); err != nil {
			return err
		} else if former {
			continue
		}
		if err := e.state.touchDue(p, e.swept[p].today(now)); err != nil {
			return err
		}
	}
	return nil
}

func (p *projection) touchDue(partition int32, now time.Time) error {
	due, err := p.due(partition, now)
	if err != nil {
		return err
	}
	for _, x := range due {
		p.tx.put(x.key, nil)
		id := record.ChangeID(x.value[8:])
		c, err := p.change(partition, id)
		if err != nil {
			return err
		}
		if !c.firstSeen.IsZero() { // otherwise it was moved to the key of its repository
			p.touch(arrival{partition: partition}, id, deadline(x))
		}
	}
	return nil
}

// due returns the entries of deadlines that have passed.
func (p *projection) due(partition int32, now time.Time) (out []entry, err error) {
	for x, err := range p.store.each(prefixOf(partition, kindDue), prefixOf(partition, kindDue+1)) {
		switch {
		case err != nil:
			return nil, err
		case len(x.value) < 8:
			return nil, fmt.Errorf("state: the deadline %x of partition %d cannot be read", x.value, partition)
		case now.After(deadline(x)):
			out = append(out, entry{x.key, slices.Clone(x.value)})
		}
	}
	return out, nil
}

func deadline(x entry) time.Time { return time.Unix(0, int64(binary.BigEndian.Uint64(x.value))) }
