package gateway

import (
	"context"
	"errors"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// Record publishes a fact that changetrail itself states about a change. id names the event: two with
// the same id are one. It returns once the broker has it.
func (g *Gateway) Record(ctx context.Context, change record.ChangeID, fact record.Fact, id string) error {
	schemas.Fit(fact)
	e := producer.Event(string(change), fact)
	e.SetSource(ownSource + "/gate")
	e.SetID(id)
	e.SetTime(g.Now().UTC())
	e.SetExtension("partitionkey", string(change.Repository()))
	Sign(&e, g.Keys, ingest.Own(), g.Now())
	spooled, err := g.publish(ctx, []event.Event{e})
	if err == nil && spooled > 0 {
		return errors.New("the broker cannot be reached")
	}
	return err
}
