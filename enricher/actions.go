package enricher

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/changetrail/changetrail/record"
)

// admitAction counts an action in. One that names a change is that change's, and is not
// kept; one that names none is kept and posted under its refs, for the changes that look
// there now and later.
func (p *projection) admitAction(from arrival, e record.Event) (admission, error) {
	admit := p.admitOwnAction
	if e.Change == "" {
		admit = p.admitRunAction
	}
	a, err := admit(from, e)
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
	k := keyOf(c.partition, kindFact, c.name, suffix(e))
	known, err := p.ownIdentity(c, k)
	if err != nil {
		return fresh, err
	}
	if a := compared(known, e); a != fresh {
		return a, p.settleIdentity(from, k, known, a, e) // a fact that is no action has its identity
	}
	return p.count(from, c, e)
}

// countedAs returns the arrival of an action of the change that has the identity of a fact
// that is none; nil where there is none.
func (p *projection) countedAs(c *changeState, e record.Event) ([]byte, error) {
	known, err := p.counted(c, keyOf(c.partition, kindCounted, c.name, actionName(e)))
	if len(known) < countedHead || known[countedOwn] == 0 {
		return nil, err
	}
	return slices.Clone(known[1:countedOwn]), err
}

func (p *projection) admitRunAction(from arrival, e record.Event) (admission, error) {
	k := keyOf(from.partition, kindFact, ownerOf(e), suffix(e))
	if a, err := p.identify(from, k, e); a != fresh || err != nil {
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
		r, err := p.postAction(from, e, ref)
		if err != nil {
			return err
		}
		for _, who := range slices.Sorted(maps.Keys(r.subscribers)) {
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

// The value of a counted action: what its accounts report, when the last of them came, how
// many of them name the change, and the beginnings of the digests of all, those first.
const (
	countedOwn  = 1 + 4
	countedHead = countedOwn + 1
	markSize    = 8
)

func newCounted(arrived time.Time) []byte { return append(append([]byte{0}, seconds(arrived)...), 0) }

// marks are the beginnings of the digests of a counted action; own: of the accounts that
// name the change.
func marks(counted []byte) (own, all []byte) {
	all = counted[countedHead:]
	return all[:min(markSize*int(counted[countedOwn]), len(all))], all
}

func hasMark(marks, mark []byte) bool {
	for at := 0; at+markSize <= len(marks); at += markSize {
		if bytes.Equal(marks[at:at+markSize], mark) {
			return true
		}
	}
	return false
}

// count counts an account of an action in for a change, unless it was counted before.
func (p *projection) count(from arrival, c *changeState, e record.Event) (admission, error) {
	k := keyOf(c.partition, kindCounted, c.name, actionName(e))
	known, err := p.counted(c, k)
	if err != nil {
		return fresh, err
	}
	former, err := p.formerlyNoted(c, k)
	if err != nil {
		return fresh, err
	}
	if known == nil && e.Sender != "" { // a former version did not tell senders apart
		plain := e
		plain.Sender = ""
		at := keyOf(c.partition, kindCounted, c.name, actionName(plain))
		if former, err = p.formerlyNoted(c, at); err != nil {
			return fresh, err
		}
		if former != nil {
			k, e, known = at, plain, former
		}
	}
	if len(known) < countedHead {
		known = newCounted(e.Arrived)
	}
	sum := sumOf(e.Digest)
	own, all := marks(known)
	switch {
	case hasMark(all, sum[:markSize]):
		return repeat, nil
	case e.Change != "" && len(own) > 0 && !record.SeveralAccounts(e):
		return conflict, nil
	}
	if c.actions.Count >= formerActions {
		if former, err := p.formerlyCounted(c, e); err != nil || former {
			return repeat, err
		}
	}
	told := c.actions.Add(e, e.Fact.(*record.Action), record.Told(known[0]))
	c.sumsChanged = true
	value := newCounted(e.Arrived)
	if former != nil {
		copy(value[1:countedOwn], known[1:countedOwn]) // else it would be none of a former version
	}
	value[0], value[countedOwn] = byte(told), known[countedOwn]
	if e.Change != "" && value[countedOwn] < 255 {
		value[countedOwn]++
		value = append(append(append(value, own...), sum[:markSize]...), all[len(own):]...)
	} else {
		value = append(append(value, all...), sum[:markSize]...)
	}
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
