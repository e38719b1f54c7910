package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// Record publishes a fact that changetrail itself states about a change. id names the event: two with
// the same id are one. It returns once the broker has it.
func (g *Gateway) Record(ctx context.Context, change record.ChangeID, fact record.Fact, id string) error {
	schemas.Fit(fact)
	return g.own(ctx, change.Repository(), producer.Event(string(change), fact), func(e *event.Event) {
		e.SetID(id)
		e.SetTime(g.Now().UTC())
	})
}

// RecordAt is Record for a fact that counts from a time on. The same fact with the same time is one
// event.
func (g *Gateway) RecordAt(ctx context.Context, change record.ChangeID, fact record.Fact, at time.Time) error {
	return g.stateAt(ctx, target{change.Repository(), change}, fact, at)
}

// NoteAt publishes a fact that changetrail itself states about a repository and no change. The same
// fact with the same time is one event.
func (g *Gateway) NoteAt(ctx context.Context, repository record.Repository, fact record.Fact, at time.Time) error {
	return g.stateAt(ctx, target{repository: repository}, fact, at)
}

// A target is what a fact is about.
type target struct {
	repository record.Repository
	change     record.ChangeID // empty: no change
}

// stateAt publishes a fact with an id that is made of its content and its time.
func (g *Gateway) stateAt(ctx context.Context, of target, fact record.Fact, at time.Time) error {
	schemas.Fit(fact)
	text, err := schemas.Encode(fact)
	if err != nil {
		return err
	}
	at = at.UTC()
	return g.own(ctx, of.repository, producer.Event(string(of.change), fact), func(e *event.Event) {
		e.SetID("fact:" + digests.Of([]byte(record.TypeOf(fact)+"\x00"+string(of.repository)+string(of.change)+"\x00"+at.Format(time.RFC3339Nano)+"\x00"+string(text))))
		e.SetTime(at)
	})
}

// own publishes an event of changetrail itself; name sets its id and time.
func (g *Gateway) own(ctx context.Context, repository record.Repository, e event.Event, name func(*event.Event)) error {
	e.SetSource(ownSource + "/gate")
	name(&e)
	e.SetExtension("partitionkey", string(repository))
	Sign(&e, g.Keys, ingest.Own(), g.Now())
	spooled, err := g.publish(ctx, []event.Event{e})
	if err == nil && spooled > 0 {
		return errors.New("the broker cannot be reached")
	}
	return err
}
