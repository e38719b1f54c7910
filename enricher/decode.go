package enricher

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"go.opentelemetry.io/otel/trace"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/evidence"
	"github.com/changetrail/changetrail/platform"
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
	reread  bool       // see Config.Resend
	span    trace.Span // nil where nothing is traced
}

// decodeAll reads a batch. Reading is the larger part of the work and needs no
// order, so all cores do it. An error is one of the blob store: what is wrong
// with an event is its refusal.
func decodeAll(ctx context.Context, batch []*stream.Record, store Blobs, stamp []byte) ([]decodedEvent, error) {
	out := make([]decodedEvent, len(batch))
	err := parallel(len(batch), func(i int) error {
		var err error
		out[i], err = decode(ctx, batch[i], store, stamp)
		return err
	})
	return out, err
}

func decode(ctx context.Context, r *stream.Record, store Blobs, stamp []byte) (d decodedEvent, err error) {
	d.record = r
	defer func() { // a bug met on one event must not stop the partition
		if p := recover(); p != nil {
			err = nil
			d.refusal = &schemas.Refusal{Reason: schemas.Internal, Detail: fmt.Sprintf("reading it failed: %v; this is a bug in changetrail, please report it", p)}
		}
	}()
	if err := d.read(ctx, store, stamp); err != nil {
		var unreachable *storeError
		if errors.As(err, &unreachable) {
			return d, err
		}
		d.refusal = schemas.AsRefusal(err)
		if d.refusal == nil {
			d.refusal = &schemas.Refusal{Reason: schemas.Internal, Detail: err.Error()}
		}
	}
	return d, nil
}

// A storeError says that the blob store could not be asked: no fault of the
// event, which is read again later.
type storeError struct{ error }

func (e *storeError) Unwrap() error { return e.error }

func (d *decodedEvent) read(ctx context.Context, store Blobs, stamp []byte) error {
	if n := len(d.record.Value); n > schemas.MaxEventSize {
		return schemas.Refuse(schemas.TooLarge, "%d bytes, at most %d are read; put large data elsewhere and name it in dataref", n, schemas.MaxEventSize)
	}
	var err error
	if d.env, err = schemas.Open(stream.Message(d.record)); err != nil {
		return err
	}
	if len(d.env.Data) == 0 && d.env.DataRef != "" {
		if d.env.Data, err = fetch(ctx, store, d.env.DataRef); err != nil {
			return err
		}
	}
	stated := d.env.Time
	if platform.Reads(d.env.Type) {
		d.event, stated, err = readPlatform(d.env, d.record.Key, d.record.Timestamp)
	} else {
		d.event, err = schemas.Decode(d.env, d.record.Key, d.record.Timestamp)
	}
	if err != nil {
		return err
	}
	d.event.Tier = schemas.TierOf(stamp, d.env)
	file, err := readReport(d.event.Fact)
	if err != nil {
		return err
	}
	if file != nil && store != nil {
		if _, err := store.Put(ctx, file); err != nil {
			return &storeError{err}
		}
	}
	if err := schemas.Fingerprint(&d.event, stated); err != nil {
		return err
	}
	if n := len(d.event.Stored); n > schemas.MaxEventSize {
		return schemas.Refuse(schemas.TooLarge, "%d bytes once the report is taken out, at most %d are kept", n, schemas.MaxEventSize)
	}
	return nil
}

// readPlatform reads an event of a code host or a CI system. Its time is the one
// inside it: a webhook that is sent again says the same, whenever that is. The
// time that it states is zero where it states none.
func readPlatform(env schemas.Envelope, key []byte, arrived time.Time) (record.Event, time.Time, error) {
	var hint record.Repository
	for _, name := range []string{env.PartitionKey, string(key)} {
		if repo, err := record.ParseRepository(name); err == nil && hint == "" {
			hint = repo
		}
	}
	r, err := platform.Read(env.Type, env.Data, hint)
	if id, notAChange := record.ParseChange(env.Subject); notAChange == nil && (err == nil || errors.Is(err, platform.ErrNotAChange)) {
		r.Change, r.Repository, err = id, id.Repository(), nil
	}
	switch {
	case errors.Is(err, platform.ErrNotAChange):
		return record.Event{}, r.Time, schemas.Refuse(schemas.NotAChange, "%v", err)
	case err != nil:
		return record.Event{}, r.Time, schemas.Refuse(schemas.SchemaViolation, "%v", err)
	case r.Repository == "":
		return record.Event{}, r.Time, schemas.Refuse(schemas.NoRepository, "the event names no repository; set partitionkey to host/path, as github.com/acme/payments")
	}
	if err := schemas.Check(r.Fact); err != nil {
		return record.Event{}, r.Time, schemas.Refuse(schemas.SchemaViolation, "as %s: %v", record.TypeOf(r.Fact), err)
	}
	e := record.Event{Source: env.Source, ID: env.ID, Type: record.TypeOf(r.Fact), Repository: r.Repository, Change: r.Change, Time: r.Time.UTC(), Fact: r.Fact}
	if r.Time.IsZero() {
		e.Time = arrived.UTC()
	}
	return e, r.Time, schemas.CheckClock(e.Time, arrived)
}

// fetch returns the data that a dataref names by its digest.
func fetch(ctx context.Context, store Blobs, ref string) ([]byte, error) {
	if store == nil {
		return nil, schemas.Refuse(schemas.BlobMissing, "dataref %s, and the enricher has no blob store; set blobs in its configuration", ref)
	}
	data, err := store.Get(ctx, ref)
	switch {
	case errors.Is(err, blobs.ErrNotFound), errors.Is(err, blobs.ErrDigest):
		return nil, schemas.Refuse(schemas.BlobMissing, "dataref: %v; put it there and send the event again", err)
	case errors.Is(err, blobs.ErrCorrupt):
		return nil, schemas.Refuse(schemas.DigestMismatch, "dataref: %v", err)
	case err != nil:
		return nil, &storeError{err}
	case len(data) > schemas.MaxDataSize:
		return nil, schemas.Refuse(schemas.TooLarge, "dataref: %d bytes, at most %d are read", len(data), schemas.MaxDataSize)
	}
	return data, nil
}

// readReport reads the report that a fact carries and returns that file.
func readReport(f record.Fact) ([]byte, error) {
	var file []byte
	var err error
	switch f := f.(type) {
	case *record.Scan:
		file, err = evidence.ReadScan(f)
	case *record.Validation:
		file, err = evidence.ReadValidation(f)
	}
	switch {
	case errors.Is(err, evidence.ErrDigest):
		return nil, schemas.Refuse(schemas.DigestMismatch, "%v; what was sent is not what was read: send the file again", err)
	case err != nil:
		return nil, schemas.Refuse(schemas.BadReport, "%v", err)
	}
	return file, nil
}

// data is the event's data for its document: as it came, but for reports,
// which are too large for an index.
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
// error. A panic of f is one: on a goroutine of its own nobody could recover it.
func parallel(n int, f func(int) error) error {
	const chunk = 32
	workers := min(runtime.GOMAXPROCS(0), (n+chunk-1)/chunk)
	if workers <= 1 {
		for i := range n {
			if err := guarded(f, i); err != nil {
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
					if err := guarded(f, i); err != nil {
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

func guarded(f func(int) error, i int) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = stream.Panicked(p)
		}
	}()
	return f(i)
}
