package enricher

import (
	"slices"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// settleIdentity updates the fact that was added before when another event has its identity. If
// the new event is the same and arrived earlier, the fact gets the earlier arrival. If it has
// other content, the fact is marked as altered: its sender says two things under one identity.
// The sums of the actions of a change keep neither. known is the identity, under the key of the fact.
func (p *projection) settleIdentity(from arrival, known entry, a admission, e record.Event) error {
	fact := known.key
	earlier := a == repeat && e.Arrived.Unix() < arrivalOf(known.value).Unix()
	if a == fresh || a == repeat && !earlier {
		return nil
	}
	value, err := p.tx.get(fact)
	if err != nil {
		return err
	}
	if value == nil { // the state keeps only its identity
		if k := identityKey(fact); earlier {
			p.tx.put(k, appendIdentity(nil, e.Arrived, e.Digest))
		}
		return nil
	}
	prior, err := p.decodeFact(value)
	if err != nil {
		return err
	}
	switch {
	case earlier:
		prior.Arrived, prior.Imported = e.Arrived, e.Imported
	case prior.Altered:
		return nil
	default:
		prior.Altered = true
	}
	return p.restate(from, fact, value[0], prior)
}

// restate writes a fact that was added before again, and its postings, since they are in its
// bundle of the changelog. It drops what was cached of the fact, and touches the changes that the
// fact is about.
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

// repost writes the postings of a fact under a ref again, unchanged.
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

// forgetList drops a list from the cache, so that it is read again.
func (p *projection) forgetList(prefix key) {
	p.lists.drop(prefix)
	p.dirty = append(p.dirty, prefix)
}
