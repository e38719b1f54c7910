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

// settle finds the facts of the changes that the transaction has touched, and notes each
// of them under the refs where it looks. It returns the changes in order, and the facts
// of each.
func (p *projection) settle() ([]*changeState, []record.Facts, error) {
	touched := slices.Sorted(maps.Keys(p.touched))
	changes, facts := make([]*changeState, len(touched)), make([]record.Facts, len(touched))
	for i, id := range touched {
		var err error
		if changes[i], err = p.change(p.touched[id].partition, id); err != nil {
			return nil, nil, err
		}
		if facts[i], err = p.find(changes[i]); err != nil {
			return nil, nil, err
		}
		if p.touched[id].again {
			for _, ref := range changes[i].refs {
				p.nameAgain(id.Repository(), ref)
			}
		}
	}
	return changes, facts, nil
}

// find returns the facts of a change. It counts in the actions that are posted where the
// change looks for the first time.
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
	return f, nil
}
