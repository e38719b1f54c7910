package enricher

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
	"go.opentelemetry.io/otel/trace"

	"github.com/changetrail/changetrail/evidence"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// A decodedEvent is one Kafka record read, or the reason why it cannot be.
type decodedEvent struct {
	record  *stream.Record
	env     schemas.Envelope
	event   record.Event
	refusal *schemas.Refusal
	span    trace.Span // nil where nothing is traced
}

// decodeAll reads a batch. Reading is the larger part of the work and needs no
// order, so all cores do it.
func decodeAll(batch []*stream.Record) []decodedEvent {
	out := make([]decodedEvent, len(batch))
	_ = parallel(len(batch), func(i int) error {
		out[i] = decode(batch[i])
		return nil
	})
	return out
}

func decode(r *stream.Record) (d decodedEvent) {
	d.record = r
	defer func() { // a bug met on one event must not stop the partition
		if p := recover(); p != nil {
			d.refusal = &schemas.Refusal{Reason: schemas.Internal, Detail: fmt.Sprintf("reading it failed: %v; this is a bug in changetrail, please report it", p)}
		}
	}()
	if err := d.read(); err != nil {
		d.refusal = schemas.AsRefusal(err)
		if d.refusal == nil {
			d.refusal = &schemas.Refusal{Reason: schemas.Internal, Detail: err.Error()}
		}
	}
	return d
}

func (d *decodedEvent) read() error {
	if n := len(d.record.Value); n > schemas.MaxEventSize {
		return schemas.Refuse(schemas.TooLarge, "%d bytes, at most %d are read; put large data elsewhere and name it in dataref", n, schemas.MaxEventSize)
	}
	var err error
	if d.env, err = schemas.Open(stream.Message(d.record)); err != nil {
		return err
	}
	if d.event, err = schemas.Decode(d.env, d.record.Key, d.record.Timestamp); err != nil {
		return err
	}
	if err := readReport(d.event.Fact); err != nil {
		return err
	}
	return schemas.Fingerprint(&d.event, d.env.Time)
}

func readReport(f record.Fact) error {
	var err error
	switch f := f.(type) {
	case *record.Scan:
		err = evidence.ReadScan(f)
	case *record.Validation:
		err = evidence.ReadValidation(f)
	}
	switch {
	case errors.Is(err, evidence.ErrDigest):
		return schemas.Refuse(schemas.DigestMismatch, "%v; what was sent is not what was read: send the file again", err)
	case err != nil:
		return schemas.Refuse(schemas.BadReport, "%v", err)
	}
	return nil
}

// data is the event's data for its document: as it came, but for reports,
// which are too large for an index.
func (d *decodedEvent) data() jsontext.Value {
	switch d.event.Fact.(type) {
	case *record.Scan, *record.Validation:
		return d.event.Stored
	}
	return d.env.Data
}

// trace is the trace context to pass on: that of this step's span where there
// is one, else the one that came.
func (d *decodedEvent) trace() []byte {
	if d.span != nil {
		return traceparent(d.span.SpanContext())
	}
	if d.env.TraceParent != "" {
		return []byte(d.env.TraceParent)
	}
	return stream.Header(d.record, stream.HeaderTrace)
}

// parallel calls f for 0 to n-1 on all cores, in chunks, and returns the first
// error.
func parallel(n int, f func(int) error) error {
	const chunk = 32
	workers := min(runtime.GOMAXPROCS(0), (n+chunk-1)/chunk)
	if workers <= 1 {
		for i := range n {
			if err := f(i); err != nil {
				return err
			}
		}
		return nil
	}
	var mu sync.Mutex
	var first error
	next := 0
	take := func() (int, int) {
		mu.Lock()
		defer mu.Unlock()
		from := next
		next = min(next+chunk, n)
		return from, next
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for from, to := take(); from < to; from, to = take() {
				for i := from; i < to; i++ {
					if err := f(i); err != nil {
						mu.Lock()
						first = errors.Join(first, err)
						mu.Unlock()
						return
					}
				}
			}
		})
	}
	wg.Wait()
	return first
}
