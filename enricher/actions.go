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
	known, err := p.identityOf(from.partition, k, e)
	if err != nil {
		return fresh, err
	}
	if known != nil {
		return compared(known, e), nil
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
		r, err := p.postAction(from, e, ref)
		if err != nil {
			return err
		}
		for who := range r.subscribers {
			c, err := p.change(from.partition, e.Repository.Change(who))
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
	known, err := p.counted(c, k)
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
	value = append(value, sum[:markSize]...)
	p.tx.put(k, value)
	c.noteCounted(k, value)
	p.touch(from, c.id, e.Time)
	return fresh, nil
}

// maxNoted is how many counted actions of a change are held in memory.
const maxNoted = 1_000

// counted returns the value of a counted action, nil where it is not counted. Of a change
// that began in this process, and is not large, all are held in memory.
func (p *projection) counted(c *changeState, k key) ([]byte, error) {
	if c.noted != nil {
		return c.noted[k], nil
	}
	return p.tx.get(k)
}

func (c *changeState) noteCounted(k key, value []byte) {
	if c.noted == nil {
		return
	}
	if c.noted[k] = value; len(c.noted) > maxNoted {
		c.noted = nil
	}
}

// countPosted counts in the actions that are posted under a ref.
func (p *projection) countPosted(c *changeState, ref record.Ref) error {
	repo := c.id.Repository()
	entries, err := p.actionsUnder(c.partition, repo, ref)
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
