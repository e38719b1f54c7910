package enricher

import (
	"slices"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

// copyNames copies the names of repositories from the former state. Events that are read again
// are found by them.
func (p *projection) copyNames(partition int32, former *store) error {
	for x, err := range former.each(prefixOf(partition, kindName), prefixOf(partition, kindName+1)) {
		if err != nil {
			return err
		}
		p.tx.put(x.key, slices.Clone(x.value))
	}
	return p.keep()
}

// readHere reports whether an event was added in this partition and not sent on. It uses the
// names in the state, with the offsets from which on they applied. If the state was lost, it uses
// the announcements of names that are read again.
func (b *rebuild) readHere(p int32, state *projection, d *decodedEvent) (bool, error) {
	home := b.partitioner.Of(string(d.event.Repository))
	switch {
	case d.route.as == routeAt:
		return home == p, nil
	case d.route.as == routeAsk && b.partitioner.Of(d.way()) == p:
		if _, err := state.keyOfIdentity(d); err != nil {
			return false, err
		}
		return false, state.keep()
	case d.route.as != "" || home != p && stream.Header(d.record, stream.HeaderRerouted) == nil:
		return false, nil
	}
	if f, ok := d.event.Fact.(*record.RepositoryNamed); ok {
		return b.readAnnouncement(p, state, d, f)
	}
	if !b.Keys.CanSign() {
		return true, nil
	}
	key, known, err := state.keyUnder(d)
	return !known || key == d.event.Repository, err
}

// readAnnouncement is readHere for announcements of names by an enricher.
func (b *rebuild) readAnnouncement(p int32, state *projection, d *decodedEvent, f *record.RepositoryNamed) (bool, error) {
	switch {
	case f.Moved != "":
		return true, nil
	case f.ID == "":
		return false, nil
	}
	if _, _, err := state.learnHolder(p, f, d.record.Offset); err != nil {
		return false, err
	}
	return false, state.keep()
}
