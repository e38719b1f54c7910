package enricher

import (
	"time"

	"github.com/changetrail/changetrail/record"
)

// A formerMark states whether a partition was upgraded, and the latest arrival of the events that
// the former version had read.
type formerMark struct {
	held bool
	last time.Time
}

// formerMarkOf returns the mark of a partition.
func (p *projection) formerMarkOf(partition int32) (formerMark, error) {
	if m, asked := p.upgraded[partition]; asked {
		return m, nil
	}
	value, err := p.tx.get(keyOf(partition, kindUpgraded, name{}))
	m := formerMark{held: value != nil}
	if len(value) >= 4 {
		m.last = arrivalOf(value)
	}
	if err == nil {
		p.upgraded[partition] = m
	}
	return m, err
}

// markUpgraded records that a partition was upgraded.
func (p *projection) markUpgraded(partition int32) error {
	var last time.Time
	for _, at := range []struct {
		kind  byte
		place int
	}{{kindFact, arrivalAt}, {kindIdentity, 0}} {
		for x, err := range p.store.each(prefixOf(partition, at.kind), prefixOf(partition, at.kind+1)) {
			if err != nil {
				return err
			}
			if len(x.value) < at.place+4 {
				continue
			}
			if arrived := arrivalOf(x.value[at.place:]); arrived.After(last) {
				last = arrived
			}
		}
	}
	p.tx.put(keyOf(partition, kindUpgraded, name{}), seconds(last))
	p.upgraded[partition] = formerMark{true, last}
	return p.keep()
}

// formerIdentity returns the identity of a fact that a former version knew, or nil. e is the fact
// without its sender.
func (p *projection) formerIdentity(partition int32, fact key, e record.Event) ([]byte, error) {
	mark, err := p.formerMarkOf(partition)
	if err != nil || !mark.held {
		return nil, err
	}
	known, err := p.identityOf(partition, fact, e)
	if len(known) < 4 || arrivalOf(known).After(mark.last) {
		return nil, err
	}
	return known, err
}

// formerlyNoted returns the value of an action that a former version counted, or nil.
func (p *projection) formerlyNoted(c *changeState, k key) ([]byte, error) {
	mark, err := p.formerMarkOf(c.partition)
	if err != nil || !mark.held {
		return nil, err
	}
	known, err := p.counted(c, k)
	if len(known) < countedHead || arrivalOf(known[1:]).After(mark.last) {
		return nil, err
	}
	return known, err
}

// formerlyCounted reports whether a former version counted an action for a change that has so
// many actions that their identities are stored with the repository.
func (p *projection) formerlyCounted(c *changeState, e record.Event) (bool, error) {
	if mark, err := p.formerMarkOf(c.partition); err != nil || !mark.held {
		return false, err
	}
	e.Sender = ""
	rest := ""
	if e.Change == "" {
		rest = "\x00" + string(c.id)
	}
	for _, account := range []string{e.Key(), e.Key() + "\x00" + e.Digest} {
		known, err := p.tx.get(formerKey(c.partition, e.Repository, account+rest))
		if err != nil || known != nil && sameDigest(known, e.Digest) {
			return err == nil, err
		}
	}
	return false, nil
}
