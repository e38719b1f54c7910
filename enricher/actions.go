package enricher

import (
	"encoding/binary"

	"github.com/changetrail/changetrail/record"
)

// admitAction counts an action in. One that names a change is that change's, and is not
// kept; one that names none is kept and posted under its refs, for the changes that look
// there now and later.
func (p *projection) admitAction(from arrival, e record.Event) (admission, error) {
	a := fresh
	var err error
	if e.Change != "" {
		a, err = p.admitOwnAction(from, e)
	} else {
		a, err = p.admitRunAction(from, e)
	}
	if a != fresh || err != nil {
		return a, err
	}
	return fresh, p.link(from, e)
}

func (p *projection) admitOwnAction(from arrival, e record.Event) (admission, error) {
	c, err := p.change(from.partition, e.Change)
	if err != nil {
		return fresh, err
	}
	if c.firstSeen.IsZero() {
		c.firstSeen = from.at
	}
	return p.count(from, c, e)
}

func (p *projection) admitRunAction(from arrival, e record.Event) (admission, error) {
	k := keyOf(from.partition, kindFact, ownerOf(e), suffix(e))
	if a, err := p.identify(k, e); a != fresh || err != nil {
		return a, err
	}
	short, err := brief(e)
	if err != nil {
		return fresh, err
	}
	return fresh, p.addRunAction(from, k, short)
}

func (p *projection) addRunAction(from arrival, k key, e record.Event) error {
	if err := p.putFact(k, classAction, e); err != nil {
		return err
	}
	for _, ref := range record.ActionRefs(e) {
		if err := p.name(from, e.Repository, ref); err != nil {
			return err
		}
		p.tx.set(keyOf(from.partition, kindAction, refName(e.Repository, ref), suffix(e)))
		looking, err := p.subscribers(from.partition, e.Repository, ref)
		if err != nil {
			return err
		}
		for _, id := range looking {
			c, err := p.change(from.partition, id)
			if err != nil {
				return err
			}
			if _, err := p.count(from, c, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// The value of a counted action: what its accounts report, when the last of them came, and
// the beginnings of the digests of all.
const (
	countedHead = 1 + 4
	markSize    = 8
)

// count counts an account of an action in for a change, unless it was counted before.
func (p *projection) count(from arrival, c *changeState, e record.Event) (admission, error) {
	k := keyOf(c.partition, kindCounted, c.name, actionName(e))
	known, err := p.tx.get(k)
	if err != nil {
		return fresh, err
	}
	sum := sumOf(e.Digest)
	before := record.Told(0)
	if len(known) >= countedHead {
		before = record.Told(known[0])
		for at := countedHead; at+markSize <= len(known); at += markSize {
			if string(known[at:at+markSize]) == string(sum[:markSize]) {
				return repeat, nil
			}
		}
	}
	if c.actions.Count >= formerActions {
		if former, err := p.formerlyCounted(c, e); err != nil || former {
			return repeat, err
		}
	}
	told := c.actions.Add(e, e.Fact.(*record.Action), before)
	c.sumsChanged = true
	value := binary.BigEndian.AppendUint32([]byte{byte(told)}, uint32(max(e.Arrived.Unix(), 0)))
	if len(known) > countedHead {
		value = append(value, known[countedHead:]...)
	}
	p.tx.put(k, append(value, sum[:markSize]...))
	p.touch(from, c.id, e.Time)
	return fresh, nil
}

// countPosted counts in the actions that are posted under a ref.
func (p *projection) countPosted(c *changeState, ref record.Ref) error {
	repo := c.id.Repository()
	entries, err := p.tx.list(keyOf(c.partition, kindAction, refName(repo, ref)))
	if err != nil {
		return err
	}
	for _, x := range entries {
		e, err := p.factOf(c.partition, repo, nil, x.key)
		if err != nil {
			return err
		}
		if e.Fact == nil {
			continue // expired
		}
		if _, err := p.count(arrival{partition: c.partition}, c, e); err != nil {
			return err
		}
	}
	return nil
}
