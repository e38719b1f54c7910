package enricher

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// A route says how far an event has travelled from a name of its repository to the key of the
// repository, in the header [stream.HeaderRoute]. Each step sends one message, within the
// transaction that reads the message of the step before:
//
//	(no route)     at the name: the event is in the home partition of the name that it states
//	former NAME    at the former name: the event says that the repository was renamed
//	ask KEY        at the identity of the repository; KEY is proposed if it has none yet
//	at KEY         at the key: the event is about the repository with that key
//
// No step leads back, so every route ends, in whatever order repositories were renamed. The
// header is signed. Otherwise someone could send a copy of an event into the records of another
// repository.
type route struct{ as, to string }

const (
	routeFormer = "former"
	routeAsk    = "ask"
	routeAt     = "at"
)

// identityHome returns the key by which the home partition of an identity of a code host is
// chosen.
func identityHome(id string) string { return "repository:" + id }

// readRoute reads the route of an event. If the event has arrived at the key, it becomes an event
// about the repository with that key.
func (d *decodedEvent) readRoute(keys signing.Keys) {
	h := stream.Header(d.record, stream.HeaderRoute)
	if h == nil {
		return
	}
	as, to, ok := schemas.ReadRoute(keys, d.env, h)
	if !ok {
		return // not signed by us: the event is read as if it had no route
	}
	if as != routeAt && d.event.RepositoryID == "" {
		return
	}
	d.route = route{as, to}
	if as == routeAt {
		d.event = d.event.In(record.Repository(to))
	}
}

// way returns the key by which an event with a route must be read next, since the event may come
// out of an archive, where it is stored under its name. It is empty if the event has no route.
func (d *decodedEvent) way() string {
	switch d.route.as {
	case routeAt:
		return string(d.event.Repository)
	case routeFormer:
		return d.route.to
	case routeAsk:
		return identityHome(d.event.RepositoryID)
	}
	return ""
}

// direct returns the messages of an event that must travel on, and whether it must.
func (e *Enricher) direct(d *decodedEvent) (out []*stream.Record, goes bool, err error) {
	if !e.conf.Keys.CanSign() { // an unsigned route would not be believed
		return nil, false, nil
	}
	switch d.route.as {
	case routeAt:
		return nil, false, nil
	case routeFormer:
		out, err = e.atFormer(d)
	case routeAsk:
		out, err = e.atIdentity(d)
	default:
		return e.atName(d)
	}
	return out, true, err
}

// atName handles an event in the home partition of the name that it states.
func (e *Enricher) atName(d *decodedEvent) (out []*stream.Record, goes bool, err error) {
	at := nameAt{d.record.Partition, string(d.event.Repository)}
	n, err := e.state.name(at)
	if err != nil {
		return nil, false, err
	}
	b := n.of(d.event.RepositoryID)
	if b != nil && b.Known {
		if err := e.state.seenHolding(at, n, b, d); err != nil {
			return nil, false, err
		}
	}
	key, known, err := e.state.keyUnder(d)
	switch {
	case err != nil:
		return nil, false, err
	case !known && d.event.Former != "" && b == nil:
		return e.pass(d, routeFormer, d.event.Former, string(d.event.Former)), true, nil
	case !known:
		out, err = e.ask(d, at, n)
		return out, true, err
	case d.event.Former != "":
		if out, err = e.announceName(d, d.event.Former, key); err != nil {
			return nil, false, err
		}
	}
	if key == d.event.Repository {
		return out, false, nil
	}
	return append(out, e.pass(d, routeAt, key, string(key))...), true, nil
}

// atFormer handles an event that reports a rename in the home partition of the former name.
func (e *Enricher) atFormer(d *decodedEvent) ([]*stream.Record, error) {
	at := nameAt{d.record.Partition, d.route.to}
	n, err := e.state.name(at)
	if err != nil {
		return nil, err
	}
	return e.ask(d, at, n)
}

// ask sends an event to the identity of its repository, with the key that the repository gets if
// it has none. The current name reserves that key for it.
func (e *Enricher) ask(d *decodedEvent, at nameAt, n *nameState) ([]*stream.Record, error) {
	id := d.event.RepositoryID
	b := n.of(id)
	if b == nil {
		b = n.add(nameHolder{ID: id, Key: n.propose(record.Repository(at.of), id), Seen: d.event.Time.UnixNano()})
		if err := e.state.putName(at, n); err != nil {
			return nil, err
		}
	}
	return e.pass(d, routeAsk, b.Key, identityHome(id)), nil
}

// atIdentity handles an event in the home partition of the identity of its repository. It finds
// the key, or makes the proposed one the key, and announces it to the names.
func (e *Enricher) atIdentity(d *decodedEvent) ([]*stream.Record, error) {
	key, err := e.state.keyOfIdentity(d)
	if err != nil {
		return nil, err
	}
	var out []*stream.Record
	for _, name := range []record.Repository{d.event.Former, d.event.Repository} {
		announced, err := e.announceName(d, name, key)
		if err != nil {
			return nil, err
		}
		out = append(out, announced...)
	}
	return append(out, e.pass(d, routeAt, key, string(key))...), nil
}

// announceName announces to the home partition of a name that a repository has it, or had it until
// now.
func (e *Enricher) announceName(d *decodedEvent, name, key record.Repository) ([]*stream.Record, error) {
	said := d.event.Time
	switch name {
	case "":
		return nil, nil
	case d.event.Former:
		said = said.Add(-time.Nanosecond)
	}
	m, err := e.namesMessage(&record.RepositoryNamed{Name: string(name), Key: string(key), ID: d.event.RepositoryID, At: said}, string(name))
	return []*stream.Record{m}, err
}

// pass sends an event on, to the home partition of home.
func (e *Enricher) pass(d *decodedEvent, as string, to record.Repository, home string) []*stream.Record {
	m := e.reroute(d, e.partitions.Of(home))
	m.Headers = slices.DeleteFunc(m.Headers, func(h kgo.RecordHeader) bool { return h.Key == stream.HeaderRoute })
	stream.AddHeader(m, stream.HeaderRoute, schemas.Route(e.conf.Keys, d.env, as, string(to)))
	return []*stream.Record{m}
}

// namesMessage returns a message to another enricher about the names of a repository.
func (e *Enricher) namesMessage(f *record.RepositoryNamed, home string) (*stream.Record, error) {
	data, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("names of %s: %w", f.Key, err)
	}
	return e.namesEvent(data, "", home), nil
}

// namesEvent returns the message with a [record.RepositoryNamed], which is in the message or in a
// blob with the digest ref.
func (e *Enricher) namesEvent(data []byte, ref, home string) *stream.Record {
	return e.pendingRuns.send(schemas.Envelope{
		SpecVersion: "1.0", ID: digests.Of(data), Source: "/changetrail/enricher", Type: record.TypeRepositoryNamed, Time: e.now().UTC(),
		DataContentType: schemas.ContentTypeJSON, Data: data, DataRef: ref, AuthType: schemas.AuthSystem, AuthID: identity.Own,
	}, true, home, "enricher")
}

// handleAnnouncement handles a message of another enricher about the names of a repository. It
// returns the messages to send.
func (e *Enricher) handleAnnouncement(ctx context.Context, d *decodedEvent, f *record.RepositoryNamed) ([]*stream.Record, error) {
	switch {
	case f.Moved != "":
		return nil, e.state.handleMoved(arrival{partition: d.record.Partition, at: d.arrived}, f, d.reread)
	case f.ID == "":
		return e.renew(d, record.Repository(f.Key), f.After)
	}
	n, moves, err := e.state.learnHolder(d.record.Partition, f, d.record.Offset)
	if err != nil || !moves && (!d.reread || string(n.Moved) != f.Key) {
		return nil, err
	}
	return e.move(ctx, d, record.Repository(f.Name), n.Moved)
}

// recordNames records what the code host calls the repository of an event. If the name is new, it
// makes the records of the repository again.
func (e *Enricher) recordNames(d *decodedEvent) ([]*stream.Record, error) {
	fresh, err := e.state.learnNames(d.record.Partition, d.event)
	other := d.event.Named != "" && (d.event.Named != d.event.Repository.Name() || d.event.Former != "")
	if err != nil {
		return nil, err
	}
	if !fresh && (!other || !d.reread) {
		return nil, nil
	}
	return e.renew(d, d.event.Repository, "")
}
