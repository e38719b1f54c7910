package enricher

import (
	"slices"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// settleIdentity notes what an event that was added before says of the one that stands:
// that it came earlier, where this one did; that its sender says something else under
// its identity, where this one does. What a change sums up of its actions keeps neither.
func (p *projection) settleIdentity(from arrival, fact key, known []byte, a admission, e record.Event) error {
	earlier := a == repeat && e.Arrived.Unix() < arrivalOf(known).Unix()
	if a == fresh || a == repeat && !earlier {
		return nil
	}
	value, err := p.tx.get(fact)
	if err != nil {
		return err
	}
	if value == nil { // only its identity is kept
		if k := identityKey(fact); earlier {
			p.tx.put(k, appendIdentity(nil, e.Arrived, e.Digest))
		}
		return nil
	}
	stands, err := p.decodeFact(value)
	if err != nil {
		return err
	}
	switch {
	case earlier:
		stands.Arrived, stands.Imported = e.Arrived, e.Imported
	case stands.Altered:
		return nil
	default:
		stands.Altered = true
	}
	return p.restate(from, fact, value[0], stands)
}

// restate writes a fact that was added before again, and all that lies in its bundle of the
// changelog with it: its postings. What was read of it before is forgotten, and the changes
// that it is about are touched.
func (p *projection) restate(from arrival, fact key, class byte, e record.Event) error {
	if err := p.putFact(fact, class, e); err != nil {
		return err
	}
	if e.Change != "" {
		c, err := p.change(from.partition, e.Change)
		if err != nil {
			return err
		}
		p.forgetList(c.ownPrefix)
		p.touch(from, e.Change, e.Time)
	}
	refs := record.ActionRefs(e)
	for _, posting := range slices.Concat(record.Postings(e), record.FindingPostings(e, func(record.Ref) bool { return true })) {
		refs = append(refs, posting.Ref)
	}
	if _, scan := e.Fact.(*record.Scan); scan {
		refs = append(refs, scansRef)
	}
	slices.Sort(refs)
	for _, ref := range slices.Compact(refs) {
		r, err := p.ref(from.partition, e.Repository, ref)
		if err != nil {
			return err
		}
		p.touchLooking(from, e, r)
		p.refs.drop(r.prefix)
		if err := p.repost(r.prefix, e); err != nil {
			return err
		}
	}
	return nil
}

// repost writes the postings of a fact under a ref again, as they are.
func (p *projection) repost(under key, e record.Event) error {
	entries, err := p.tx.list(under, "")
	if err != nil {
		return err
	}
	fact := suffix(e)
	for _, x := range entries {
		if isPosting(x) && strings.HasPrefix(x.key[refRestAt:], fact) {
			p.tx.put(x.key, x.value)
		}
	}
	return nil
}

// forgetList makes a list be read again.
func (p *projection) forgetList(prefix key) {
	p.lists.drop(prefix)
	p.dirty = append(p.dirty, prefix)
}
