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

// A route says how far an event is on its way from a name of its repository to the key of that,
// in the header [stream.HeaderRoute]. Each step is one message, within the transaction of the
// one before:
//
//	the event comes in where its name is at home
//	former NAME    at the former name, where the event says that the repository was renamed
//	ask KEY        at the identity of the repository; KEY is proposed where it has none yet
//	at KEY         where the key is at home: it is about the repository of that key
//
// No step leads back, so the way ends, whoever was renamed to what. The header is signed: else a
// copy of an event could be sent to the records of another repository.
type route struct{ as, to string }

const (
	routeFormer = "former"
	routeAsk    = "ask"
	routeAt     = "at"
)

// identityHome is where an identity of a code host is at home.
func identityHome(id string) string { return "repository:" + id }

// readRoute reads the route of an event, and makes one that has arrived an event about the
// repository of its key.
func (d *decodedEvent) readRoute(keys signing.Keys) {
	h := stream.Header(d.record, stream.HeaderRoute)
	if h == nil {
		return
	}
	as, to, ok := schemas.ReadRoute(keys, d.env, h)
	if !ok {
		return // written by somebody else: it is what it is without
	}
	if as != routeAt && d.event.RepositoryID == "" {
		return
	}
	d.route = route{as, to}
	if as == routeAt {
		d.event = d.event.In(record.Repository(to))
	}
}

// way is what an event on its way is to be read by next: it may come out of an archive, where it
// lies under its name. Empty where it has no way behind it.
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

// direct returns what is to be sent of an event that goes on, and whether it does.
func (e *Enricher) direct(d *decodedEvent) (out []*stream.Record, goes bool, err error) {
	if !e.conf.Keys.CanSign() { // nobody would believe it
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

// atName is where an event comes in under a name.
func (e *Enricher) atName(d *decodedEvent) (out []*stream.Record, goes bool, err error) {
	at := nameAt{d.record.Partition, string(d.event.Repository)}
	n, err := e.state.name(at)
	if err != nil {
		return nil, false, err
	}
	b := n.of(d.event.RepositoryID)
	if b != nil && b.Known {
		if err := e.state.bears(at, n, b, d.event.Time, d.record.Offset); err != nil {
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
		if out, err = e.sayName(d, d.event.Former, key); err != nil {
			return nil, false, err
		}
	}
	if key == d.event.Repository {
		return out, false, nil
	}
	return append(out, e.pass(d, routeAt, key, string(key))...), true, nil
}

// atFormer is where an event that tells of a new name comes by the former one.
func (e *Enricher) atFormer(d *decodedEvent) ([]*stream.Record, error) {
	at := nameAt{d.record.Partition, d.route.to}
	n, err := e.state.name(at)
	if err != nil {
		return nil, err
	}
	return e.ask(d, at, n)
}

// ask sends an event to the identity of its repository, with the key that it gets if it has none:
// by the name at hand, where the key is kept free for it.
func (e *Enricher) ask(d *decodedEvent, at nameAt, n *nameState) ([]*stream.Record, error) {
	id := d.event.RepositoryID
	b := n.of(id)
	if b == nil {
		b = n.add(bearer{ID: id, Key: n.propose(record.Repository(at.of), id), Seen: d.event.Time.UnixNano()})
		if err := e.state.putName(at, n); err != nil {
			return nil, err
		}
	}
	return e.pass(d, routeAsk, b.Key, identityHome(id)), nil
}

// atIdentity is where the key of a repository is found, or the one that is proposed becomes it.
// The names get word of it.
func (e *Enricher) atIdentity(d *decodedEvent) ([]*stream.Record, error) {
	key, err := e.state.keyOfIdentity(d)
	if err != nil {
		return nil, err
	}
	var out []*stream.Record
	for _, name := range []record.Repository{d.event.Former, d.event.Repository} {
		word, err := e.sayName(d, name, key)
		if err != nil {
			return nil, err
		}
		out = append(out, word...)
	}
	return append(out, e.pass(d, routeAt, key, string(key))...), nil
}

// sayName sends word to where a name is at home that a repository bears it, or bore it until now.
func (e *Enricher) sayName(d *decodedEvent, name, key record.Repository) ([]*stream.Record, error) {
	said := d.event.Time
	switch name {
	case "":
		return nil, nil
	case d.event.Former:
		said = said.Add(-time.Nanosecond)
	}
	m, err := e.word(&record.RepositoryNamed{Name: string(name), Key: string(key), ID: d.event.RepositoryID, At: said}, string(name))
	return []*stream.Record{m}, err
}

// pass sends an event on its way, to where home is at home.
func (e *Enricher) pass(d *decodedEvent, as string, to record.Repository, home string) []*stream.Record {
	m := e.reroute(d, e.partitions.Of(home))
	m.Headers = slices.DeleteFunc(m.Headers, func(h kgo.RecordHeader) bool { return h.Key == stream.HeaderRoute })
	stream.AddHeader(m, stream.HeaderRoute, schemas.Route(e.conf.Keys, d.env, as, string(to)))
	return []*stream.Record{m}
}

// word is a message of one enricher to another about the names of a repository.
func (e *Enricher) word(f *record.RepositoryNamed, home string) (*stream.Record, error) {
	data, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("names of %s: %w", f.Key, err)
	}
	return e.sayNames(data, "", home), nil
}

// sayNames is the message with a [record.RepositoryNamed], in it or by its digest.
func (e *Enricher) sayNames(data []byte, ref, home string) *stream.Record {
	return e.rooms.send(schemas.Envelope{
		SpecVersion: "1.0", ID: digests.Of(data), Source: "/changetrail/enricher", Type: record.TypeRepositoryNamed, Time: e.now().UTC(),
		DataContentType: schemas.ContentTypeJSON, Data: data, DataRef: ref, AuthType: schemas.AuthSystem, AuthID: identity.Own,
	}, true, home, "enricher")
}

// takeWord takes in what another enricher says of the names of a repository. It returns what
// follows from it.
func (e *Enricher) takeWord(ctx context.Context, d *decodedEvent, f *record.RepositoryNamed) ([]*stream.Record, error) {
	switch {
	case f.Moved != "":
		return nil, e.state.takeMoved(arrival{partition: d.record.Partition, at: d.arrived}, f, d.reread)
	case f.ID == "":
		return e.renew(d, record.Repository(f.Key), f.After)
	}
	n, moves, err := e.state.learnBearer(d.record.Partition, f, d.record.Offset)
	if err != nil || !moves && (!d.reread || string(n.Moved) != f.Key) {
		return nil, err
	}
	return e.move(ctx, d, record.Repository(f.Name), n.Moved)
}

// called notes how the code host calls the repository of an event, and has its records made again
// where that is new.
func (e *Enricher) called(d *decodedEvent) ([]*stream.Record, error) {
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
