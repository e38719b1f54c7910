package enricher

import (
	"maps"
	"slices"

	"github.com/changetrail/changetrail/record"
)

// An index finds the facts of one change in a projection. It implements
// [record.Index].
type index struct {
	p *projection
	c *changeState
}

func (i index) Own(record.ChangeID) (*record.List, error) {
	l, err := i.p.own(i.c)
	if err != nil {
		return nil, err
	}
	return &l.List, nil
}

func (i index) Under(r record.Ref) (*record.List, error) {
	l, err := i.p.under(i.c.partition, i.c.id.Repository(), r)
	if err != nil {
		return nil, err
	}
	return &l.List, nil
}

func (i index) Linked(r record.Ref) ([]record.Ref, error) {
	return i.p.linked(i.c.partition, i.c.id.Repository(), r)
}

// settle finds the facts of all changes that the transaction touched.
func (p *projection) settle() error {
	for _, id := range p.toSettle() {
		if _, _, err := p.settleOne(id); err != nil {
			return err
		}
	}
	return nil
}

// toSettle returns the changes that the transaction touched, in order.
func (p *projection) toSettle() []record.ChangeID { return slices.Sorted(maps.Keys(p.touched)) }

// settleOne finds the facts of a touched change, and subscribes the change to the refs under
// which it looks. Settling other changes does not modify what it returned.
func (p *projection) settleOne(id record.ChangeID) (*changeState, record.Facts, error) {
	touch := p.touched[id]
	c, err := p.change(touch.partition, id)
	if err != nil {
		return nil, record.Facts{}, err
	}
	f, err := p.find(c)
	if err != nil {
		return nil, f, err
	}
	if touch.again {
		for _, ref := range c.refs {
			p.nameAgain(id.Repository(), ref)
		}
	}
	return c, f, nil
}

// find returns the facts of a change. It counts the actions that are posted under refs to which
// the change subscribes for the first time.
func (p *projection) find(c *changeState) (record.Facts, error) {
	f, refs, err := record.Find(c.id, index{p, c})
	if err != nil {
		return f, err
	}
	for _, ref := range refs {
		if _, known := slices.BinarySearch(c.refs, ref); known {
			continue
		}
		fresh, err := p.subscribe(c, ref)
		if err == nil && fresh && (ref.IsCommit() || ref.Run() != "") {
			err = p.countPosted(c, ref)
		}
		if err != nil {
			return f, err
		}
	}
	c.refs = refs
	f.Actions = c.actions
	if f.Names, err = p.namesOf(c.partition, c.id.Repository()); err == nil {
		f.PartOf, err = p.partOf(c.partition, c.id)
	}
	return f, err
}
