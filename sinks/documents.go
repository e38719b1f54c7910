package sinks

import (
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// A Part is a document of a message.
type Part struct {
	Document
	Refuse string // why it cannot be stored; empty if it can
}

// Parts returns the document of a message of the topics enriched or records, and the findings that
// a record carries. findings is their index. If there are keys, a message that none of them signed
// is one part, which is refused.
func Parts(r *stream.Record, findings string, keys signing.Keys) []Part {
	items := newItems(r, findings, keys)
	out := make([]Part, len(items))
	for i, it := range items {
		out[i] = Part{it.doc, it.refuse}
	}
	return out
}

// A Refuser tells of the documents that a sink refuses.
type Refuser struct {
	Log   *slog.Logger
	Sink  string
	Topic string // of the dead letters
}

// Letter logs that a document of a message is refused, and returns the dead letter of the message.
func (f Refuser) Letter(r *stream.Record, d Document, why string, at time.Time) *stream.Record {
	f.Log.Warn("document refused", "engine", f.Sink, "index", d.Index, "id", d.ID, "reason", why, "topic", r.Topic, "partition", r.Partition, "offset", r.Offset)
	return stream.DeadLetter(f.Topic, r, stream.Refusal{Stage: f.Sink, Reason: schemas.Rejected, Detail: why, At: at})
}

// A Meter counts for a sink that is not an [Engine] what a worker counts for one.
type Meter struct{ m *metrics }

// NewMeter returns the meter of a sink.
func NewMeter(p metric.MeterProvider, log *slog.Logger, sink string) (*Meter, error) {
	m, err := newMetrics(p, sink, newWaits(log, sink))
	return &Meter{m}, err
}

// Read counts what a poll returned.
func (m *Meter) Read(b stream.Batch) { m.m.read(b) }

// Request counts a request to the receiver.
func (m *Meter) Request(took time.Duration, err error) { m.m.request(took, err) }

// Stored counts a document that the receiver has acknowledged.
func (m *Meter) Stored(r *stream.Record, now time.Time) { m.m.stored(item{record: r}, Done, now) }

// DeadLettered counts a document that went to the dead letters.
func (m *Meter) DeadLettered() { m.m.deadLettered() }
