package enricher

import (
	"context"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// Refuse implements [stream.Processor]: it sends an event that can be read but not processed to
// the dead letters.
func (e *Enricher) Refuse(_ context.Context, r *stream.Record, reason string) ([]*stream.Record, error) {
	e.metrics.refuse(schemas.Unprocessable)
	return []*stream.Record{stream.DeadLetter(e.conf.Topics.DLQ(), r, stream.Refusal{Stage: "enricher", Reason: schemas.Unprocessable, Detail: reason, At: e.now()})}, nil
}
