package enricher

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"go.opentelemetry.io/otel/trace"

	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/ingest/platform"
	"github.com/changetrail/changetrail/internal/budget"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// A decodedEvent is the event of one Kafka record, or the reason why it cannot be read.
type decodedEvent struct {
	record  *stream.Record
	headers []schemas.Header // of the record
	env     schemas.Envelope
	event   record.Event
	arrived time.Time // when the event arrived at the broker first, even if it was rerouted since
	refusal *schemas.Refusal
	route   route
	reread  bool       // see Config.Resend
	traced  []byte     // the trace context of the message
	span    trace.Span // nil if it is not traced
}

// decodedOf returns the decoded events of a batch, not yet read. It uses the memory of the last
// batch again.
func decodedOf(batch []*stream.Record, last []decodedEvent) []decodedEvent {
	clear(last[min(len(batch), len(last)):])
	out := slices.Grow(last[:0], len(batch))[:len(batch)]
	for i := range out {
		out[i] = decodedEvent{record: batch[i], headers: out[i].headers[:0]}
	}
	return out
}

func decode(ctx context.Context, r *stream.Record, reader ingest.Reader, store Blobs) (decodedEvent, error) {
	d := decodedEvent{record: r}
	err := d.decode(ctx, reader, store)
	return d, err
}

// decode reads the event. Its error is one of the blob store, or says that there is no memory
// now. An error of the event itself becomes its refusal.
func (d *decodedEvent) decode(ctx context.Context, reader ingest.Reader, store Blobs) (err error) {
	defer func() { // a bug that one event triggers must not stop the partition
		if p := recover(); p != nil {
			err = nil
			d.refusal = &schemas.Refusal{Reason: schemas.Internal, Detail: fmt.Sprintf("reading it failed: %v; this is a bug in changetrail, please report it", p)}
		}
	}()
	if err := d.read(ctx, reader, store); err != nil {
		var unreachable *ingest.StoreError
		if errors.As(err, &unreachable) || errors.Is(err, budget.ErrFull) {
			return err
		}
		d.refusal = schemas.AsRefusal(err)
		if d.refusal == nil {
			d.refusal = &schemas.Refusal{Reason: schemas.Internal, Detail: err.Error()}
		}
	}
	return nil
}

func (d *decodedEvent) read(ctx context.Context, r ingest.Reader, store Blobs) error {
	if n := len(d.record.Value); n > schemas.MaxEventSize {
		return schemas.Refuse(schemas.TooLarge, "%d bytes, at most %d are read; put large data elsewhere and name it in dataref", n, schemas.MaxEventSize)
	}
	m := stream.MessageIn(d.headers, d.record)
	d.headers = m.Headers
	var err error
	if d.env, err = schemas.Open(m); err != nil {
		return err
	}
	if d.traced = []byte(d.env.TraceParent); len(d.traced) == 0 {
		d.traced = stream.Header(d.record, stream.HeaderTrace)
	}
	if store != nil {
		r.Blobs = store
	}
	d.arrived = d.record.Timestamp
	if h := stream.Header(d.record, stream.HeaderArrived); h != nil {
		if at, ok := schemas.ReadArrival(r.Keys, d.env, h); ok && at.Before(d.arrived) {
			d.arrived = at
		}
	}
	read, err := r.Read(ctx, d.env, d.record.Key, d.arrived)
	d.env, d.event = read.Envelope, read.Event
	if err := r.AllowSigned(&read, err); err != nil {
		return err
	}
	d.readRoute(r.Keys)
	if read.File != nil && store != nil {
		if _, err := store.Put(ctx, read.File); err != nil {
			return &ingest.StoreError{Err: err}
		}
	}
	return nil
}

// data returns the event's data for its document as they came, except for reports, which are too
// large for an index.
func (d *decodedEvent) data() jsontext.Value {
	if !platform.Reads(d.env.Type) {
		switch d.event.Fact.(type) {
		case *record.Scan, *record.Validation:
			return d.event.Stored
		}
	}
	if d.env.DataRef != "" && len(d.env.Data) > schemas.ClaimCheckSize {
		return nil // dataref says where it is
	}
	return wellFormed(d.env.Data)
}

// wellFormed returns data without broken characters, which no index accepts: code hosts cut texts
// in the middle of a character.
func wellFormed(data jsontext.Value) jsontext.Value {
	if utf8.Valid(data) && !bytes.Contains(data, []byte(`\u`)) || data.IsValid() {
		return data
	}
	var b bytes.Buffer
	if err := jsontext.NewEncoder(&b, jsontext.AllowInvalidUTF8(true)).WriteValue(data); err != nil {
		return data // data was parsed before, so this cannot fail
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// trace returns the trace context to pass on: that of the span of this step, or else the one that
// came.
func (d *decodedEvent) trace() []byte {
	if d.span != nil {
		return traceparent(d.span.SpanContext())
	}
	return d.traced
}
