package ingest

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/evidence"
	"github.com/changetrail/changetrail/ingest/platform"
	"github.com/changetrail/changetrail/internal/budget"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// A Reader reads events. The zero Reader reads events that need nothing else.
type Reader struct {
	Blobs blobs.Getter // of data that are not in the event; nil means none
	// Keys are those of the gateways, whose signatures identify senders. Without keys no sender is
	// identified.
	Keys signing.Keys
	// Trust says which unsigned events are believed; empty means none.
	Trust []settings.Trust
	// Early says that the event is not in Kafka yet but at a gateway or a sender: it may wait on a
	// disk, and data too large for Kafka become a blob on the way.
	Early bool
	// Reserve returns an error if there is not enough memory for a report or for fetched data of that
	// many bytes. Read returns that error. nil means that there always is.
	Reserve func(bytes int64) error
}

// An Event is an event that was read.
type Event struct {
	record.Event
	Envelope schemas.Envelope // with its data, wherever they came from
	File     []byte           // the attached report, to be stored; nil if none
	// Named are all repositories in an event that is refused because it names several; see [Allow].
	Named []record.Repository
}

// A StoreError says that the blob store failed. It is no fault of the event, which is read again
// later.
type StoreError struct{ Err error }

func (e *StoreError) Error() string { return e.Err.Error() }

// Unwrap returns the error of the store.
func (e *StoreError) Unwrap() error { return e.Err }

// Read reads the event in an envelope that schemas opened or checked. key and now are the key and
// the time of its Kafka record; for an event that is not in Kafka, nil and the current time. An
// error is a refusal (package schemas) or a [StoreError].
func (r Reader) Read(ctx context.Context, env schemas.Envelope, key []byte, now time.Time) (Event, error) {
	e := Event{Envelope: env}
	if err := r.fetch(ctx, &e.Envelope); err != nil {
		return e, err
	}
	sender := schemas.SenderOf(r.Keys, e.Envelope)
	arrived, imported, err := r.arrival(&e.Envelope, sender, now)
	if err != nil {
		return e, err
	}
	stated, err := e.decode(key, arrived)
	if err != nil {
		var conflict *schemas.Conflict
		if errors.As(err, &conflict) {
			e.Named = conflict.Repositories
		}
		return e, err
	}
	e.Masked = e.Envelope.MaskedAfter
	e.Sender, e.Arrived, e.Imported = sender, arrived.UTC().Truncate(time.Second), imported // as the state holds it
	if e.Witness = r.witness(&e); e.Witness != record.Observed {                            // a code host alone says how it calls a repository
		e.RepositoryID, e.Event.Named, e.Former = "", "", ""
	}
	if e.File, err = r.readReport(e.Fact); err != nil {
		return e, err
	}
	if err := schemas.Fingerprint(&e.Event, stated); err != nil {
		return e, err
	}
	if _, own := e.Fact.(*record.RepositoryNamed); own {
		return e, nil // it is not stored
	}
	if n := len(e.Stored); n > schemas.MaxEventSize {
		return e, schemas.Refuse(schemas.TooLarge, "%d bytes without the report; the limit is %d", n, schemas.MaxEventSize)
	}
	if r.Early {
		return e, schemas.CheckClockAhead(e.Time, now)
	}
	return e, nil
}

// arrival returns when an event arrived: when its gateway accepted it, which the signature covers,
// or without a signature when the broker accepted it, which is now. imported says that the time is
// the sender's statement: the sender imports history, or is trusted with it. For an event that is
// not signed yet, a gateway has removed the time of every other sender.
func (r Reader) arrival(env *schemas.Envelope, sender string, now time.Time) (at time.Time, imported bool, err error) {
	switch {
	case env.ArrivedAt == "":
		return now, false, nil
	case r.Early:
		imported = true
	case sender != "":
		imported = env.Imported != ""
		now = now.Add(schemas.Behind) // the broker's clock may be behind
	default:
		if t := r.trusted(env.Source); t == nil || !t.History {
			return now, false, nil
		}
		imported = true
	}
	if imported {
		at, err = schemas.StatedArrival(env.ArrivedAt, now)
		return at, true, err
	}
	if at, err = time.Parse(time.RFC3339Nano, env.ArrivedAt); err != nil {
		return now, false, nil
	}
	return at, false, nil
}

// decode reads the fact, of whatever type, and its subject. It returns the time that the event
// states, or zero.
func (e *Event) decode(key []byte, arrived time.Time) (stated time.Time, err error) {
	if platform.Reads(e.Envelope.Type) {
		return e.foreign(key, arrived)
	}
	e.Event, err = schemas.Decode(e.Envelope, key, arrived)
	return e.Envelope.Time, err
}

// foreign reads an event of a code host or a CI system. Its time is the one inside it, so that a
// webhook that is sent again says the same.
func (e *Event) foreign(key []byte, arrived time.Time) (time.Time, error) {
	env := &e.Envelope
	if err := schemas.CheckMedia(*env); err != nil {
		return time.Time{}, err
	}
	subject, _ := record.ParseChange(env.Subject) // other senders use it for other things
	reading, err := platform.Read(env.Type, env.Data, schemas.Hint(subject, env, key))
	if subject != "" && errors.Is(err, platform.ErrNotAChange) {
		err = nil // the subject names it
	}
	if err != nil {
		return reading.Time, refusalOf(err)
	}
	e.Event = record.Event{Source: env.Source, ID: env.ID, Type: record.TypeOf(reading.Fact), Repository: reading.Repository, Change: reading.Change, Time: reading.Time.UTC(), Fact: reading.Fact}
	if reading.Time.IsZero() {
		e.Time = arrived.UTC()
	}
	if err := schemas.Place(&e.Event, subject, env, key); err != nil {
		return reading.Time, err
	}
	if e.Repository == "" {
		return reading.Time, schemas.Refuse(schemas.NoRepository, "the event names no repository; set partitionkey to host/path, for example github.com/acme/payments")
	}
	if reading.ID != "" {
		e.RepositoryID, e.Event.Named, e.Former = reading.ID, reading.Repository, reading.Former
	}
	schemas.Fit(e.Fact)
	if err := schemas.Check(e.Fact); err != nil {
		return reading.Time, schemas.Refuse(schemas.SchemaViolation, "as %s: %v", e.Type, err)
	}
	if err := schemas.Sound(env.Data); err != nil {
		return reading.Time, err
	}
	return reading.Time, schemas.CheckClock(e.Time, arrived)
}

// refusalOf returns the reason why a platform's event cannot be read.
func refusalOf(err error) error {
	var two *platform.Conflict
	switch {
	case errors.As(err, &two):
		return schemas.Conflicting(two.First, two.Second, two.Repositories...)
	case errors.Is(err, platform.ErrNotAChange):
		return schemas.Refuse(schemas.NotAChange, "%v", err)
	case errors.Is(err, platform.ErrNoRepository):
		return schemas.Refuse(schemas.NoRepository, "%v", err)
	}
	return schemas.Refuse(schemas.SchemaViolation, "%v", err)
}

// fetch loads the data that a dataref names, and refuses data that are too large. If an event has
// both data and a dataref, the digests must match; otherwise two readers could see different data.
func (r Reader) fetch(ctx context.Context, env *schemas.Envelope) error {
	if data := bytes.TrimSpace(env.Data); len(data) == 0 || string(data) == "null" {
		env.Data = nil
	}
	limit := schemas.MaxEventSize
	if r.Early {
		limit = schemas.MaxDataSize
	}
	switch n := len(env.Data); {
	case n > limit:
		return schemas.Refuse(schemas.TooLarge, "%d bytes of data, but the limit is %d; put large data into the blob store and name its digest in dataref", n, limit)
	case env.DataRef == "":
		return nil
	case n == 0:
		var err error
		if env.Data, err = get(ctx, r.Blobs, env.DataRef); err != nil {
			return err
		}
		return r.reserve(env.Data)
	case digests.Of(env.Data) != env.DataRef:
		return schemas.Refuse(schemas.DigestMismatch, "it has data, and dataref %q is not their digest; send only one of the two", env.DataRef)
	}
	env.DataRef = ""
	return nil
}

// reserve reserves the memory for reading fetched data.
func (r Reader) reserve(data []byte) error {
	if r.Reserve == nil {
		return nil
	}
	err := r.Reserve(budget.Weight(data))
	var tooLarge *budget.TooLargeError
	if errors.As(err, &tooLarge) {
		return schemas.Refuse(schemas.TooLarge, "dataref: %v", err)
	}
	return err
}

// Counted is a blob store that reserves memory for the blobs that it reads. The size of a blob is
// known only after it was read.
type Counted struct {
	Blobs blobs.Getter
	Share *budget.Share
}

// Get implements [blobs.Getter].
func (c Counted) Get(ctx context.Context, digest string) ([]byte, error) {
	before := c.Share.Held()
	if err := c.Share.Grow(blobs.MaxSize); err != nil {
		return nil, err
	}
	file, err := c.Blobs.Get(ctx, digest)
	c.Share.Shrink(c.Share.Held() - before - int64(len(file)))
	return file, err
}

// get returns the data that a dataref names by digest.
func get(ctx context.Context, store blobs.Getter, ref string) ([]byte, error) {
	if store == nil {
		return nil, schemas.Refuse(schemas.BlobMissing, "dataref is %s, but there is no blob store; set blobs in the configuration", ref)
	}
	data, err := store.Get(ctx, ref)
	switch {
	case errors.Is(err, blobs.ErrNotFound), errors.Is(err, blobs.ErrDigest):
		return nil, schemas.Refuse(schemas.BlobMissing, "dataref: %v; put it there and send the event again", err)
	case errors.Is(err, blobs.ErrCorrupt):
		return nil, schemas.Refuse(schemas.DigestMismatch, "dataref: %v", err)
	case err != nil:
		return nil, &StoreError{err}
	case len(data) > schemas.MaxDataSize:
		return nil, schemas.Refuse(schemas.TooLarge, "dataref: %d bytes, but the limit is %d", len(data), schemas.MaxDataSize)
	}
	return data, nil
}

// readReport reads the report that a fact carries and returns that file, or nil if it carries none.
func (r Reader) readReport(f record.Fact) (file []byte, err error) {
	reports := evidence.Reader{Reserve: r.Reserve}
	switch f := f.(type) {
	case *record.Scan:
		file, err = reports.ReadScan(f)
	case *record.Validation:
		file, err = reports.ReadValidation(f)
	}
	var full *evidence.BudgetError
	switch {
	case errors.As(err, &full):
		return nil, full.Err
	case errors.Is(err, evidence.ErrDigest):
		return nil, schemas.Refuse(schemas.DigestMismatch, "%v; the file changed on the way: send it again", err)
	case err != nil:
		return nil, schemas.Refuse(schemas.BadReport, "%v", err)
	}
	return file, nil
}
