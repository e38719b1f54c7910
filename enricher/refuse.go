package enricher

import (
	"context"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// Refuse implements [stream.Processor]: it sends an event that can be read and
// not taken in to the dead letters.
func (e *Enricher) Refuse(_ context.Context, r *stream.Record, reason string) ([]*stream.Record, error) {
	e.metrics.refuse(schemas.Unprocessable)
	return []*stream.Record{stream.DeadLetter(e.conf.Topics.DLQ(), "enricher", r, schemas.Unprocessable, reason, e.now())}, nil
}
