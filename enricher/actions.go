package enricher

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/changetrail/changetrail/record"
)

// admitAction counts an action. An action that names a change belongs to that change and is not
// kept. One that names none is kept and posted under its refs, for the changes that look there
// now and later.
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
		return a, p.settleIdentity(from, entry{k, known}, a, e) // a fact of another type has the same identity
	}
	return p.count(from, c, e)
}

// countedAs returns when an action of the change arrived that has the identity of e, which is not
// an action; nil if there is none.
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

// The value of a counted action: what its reports state, when the last of them came, how
// many of them name the change, and the first bytes of the digests of all reports. The digests of
// reports that name the change come first.
const (
	countedOwn  = 1 + 4
	countedHead = countedOwn + 1
	markSize    = 8
)

func newCounted(arrived time.Time) []byte { return append(append([]byte{0}, seconds(arrived)...), 0) }

// marks returns the first bytes of the digests of a counted action: own are those of the reports
// that name the change.
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

// count counts a report of an action for a change, unless it was counted before.
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
	if known == nil && e.Sender != "" { // a former version did not distinguish senders
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
	case e.Change != "" && len(own) > 0 && !record.MultiReport(e):
		return conflict, nil
	}
	if c.actions.Count >= formerActions {
		if former, err := p.formerlyCounted(c, e); err != nil || former {
			return repeat, err
		}
	}
	told := c.actions.Add(e, e.Fact.(*record.Action), record.Outcomes(known[0]))
	c.sumsChanged = true
	value := newCounted(e.Arrived)
	if former != nil {
		copy(value[1:countedOwn], known[1:countedOwn]) // keep the arrival: it shows that a former version counted it
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

// maxNoted is how many counted actions of a change are kept in memory.
const maxNoted = 1_000

// counted returns the value of a counted action, or nil if it was not counted. If a change began
// in this process and is not large, all its counted actions are in memory.
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

// countPosted counts the actions that are posted under a ref.
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
