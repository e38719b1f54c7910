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

// A Reader reads events. The zero Reader reads what needs nothing else.
type Reader struct {
	Blobs blobs.Getter // of data that are not in the event; nil: there is none
	// Keys are those of the gateways, whose word on the sender is believed; nobody's is
	// where there are none.
	Keys signing.Keys
	// Trust says which events without a signature are believed; none where it is empty.
	Trust []settings.Trust
	// Early says that the event is read before it lies in Kafka, by a gateway or a
	// sender: it may wait on a disk, and data too large for Kafka become a blob on the
	// way.
	Early bool
	// Room is asked before memory is taken for a report or for fetched data, in bytes; nil:
	// there is enough.
	// Its error is returned by Read.
	Room func(bytes int64) error
}

// An Event is one that was read.
type Event struct {
	record.Event
	Envelope schemas.Envelope // with its data in place, wherever they came from
	File     []byte           // the report that it carried, to be kept; nil where none
	// Named are all repositories that an event names which is refused because it names
	// several; see [Allow].
	Named []record.Repository
}

// A StoreError says that the blob store could not be asked: no fault of the event,
// which is read again later.
type StoreError struct{ Err error }

func (e *StoreError) Error() string { return e.Err.Error() }

// Unwrap returns what the store said.
func (e *StoreError) Unwrap() error { return e.Err }

// Read reads the event in an envelope that schemas opened or checked. key is that of its Kafka record,
// and now the time of that; where it lies in none, nil and the time now. An error
// is a refusal (package schemas) or a [StoreError].
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
		return e, nil // it is not kept
	}
	if n := len(e.Stored); n > schemas.MaxEventSize {
		return e, schemas.Refuse(schemas.TooLarge, "%d bytes once the report is taken out, at most %d are kept", n, schemas.MaxEventSize)
	}
	if r.Early {
		return e, schemas.CheckClockAhead(e.Time, now)
	}
	return e, nil
}

// arrival returns when an event arrived: when its gateway took it, which the signature covers;
// without one, when the broker took it, which is now. imported says that it is what the
// sender states: one that brings in history, or that is trusted with it. Where it is not
// signed yet, a gateway has dropped it from everyone else.
func (r Reader) arrival(env *schemas.Envelope, sender string, now time.Time) (at time.Time, imported bool, err error) {
	switch {
	case env.ArrivedAt == "":
		return now, false, nil
	case r.Early:
		imported = true
	case sender != "":
		imported = env.Imported != ""
		now = now.Add(schemas.Behind) // the clock of the broker
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

// decode reads the fact, of whatever type, and what it is about. It returns the time
// that the event states, zero where it states none.
func (e *Event) decode(key []byte, arrived time.Time) (stated time.Time, err error) {
	if platform.Reads(e.Envelope.Type) {
		return e.foreign(key, arrived)
	}
	e.Event, err = schemas.Decode(e.Envelope, key, arrived)
	return e.Envelope.Time, err
}

// foreign reads an event of a code host or a CI system. Its time is the one inside
// it: a webhook that is sent again says the same, whenever that is.
func (e *Event) foreign(key []byte, arrived time.Time) (time.Time, error) {
	env := &e.Envelope
	if err := schemas.CheckMedia(*env); err != nil {
		return time.Time{}, err
	}
	subject, _ := record.ParseChange(env.Subject) // others mean other things by it
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

// refusalOf says why a platform's event cannot be read.
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

// fetch puts the data in place that a dataref names, and refuses what is too large.
// Data that stand in the event must be those that its dataref names, if it has one:
// else one reader would see these and the next one those.
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
		return schemas.Refuse(schemas.TooLarge, "%d bytes of data, at most %d are taken; put large data into the blob store and name its digest in dataref", n, limit)
	case env.DataRef == "":
		return nil
	case n == 0:
		var err error
		if env.Data, err = get(ctx, r.Blobs, env.DataRef); err != nil {
			return err
		}
		return r.room(env.Data)
	case digests.Of(env.Data) != env.DataRef:
		return schemas.Refuse(schemas.DigestMismatch, "it has data, and dataref %q is not their digest; leave one of the two out", env.DataRef)
	}
	env.DataRef = ""
	return nil
}

// room asks for the memory that it takes to read fetched data.
func (r Reader) room(data []byte) error {
	if r.Room == nil {
		return nil
	}
	err := r.Room(budget.Weight(data))
	var tooLarge *budget.TooLargeError
	if errors.As(err, &tooLarge) {
		return schemas.Refuse(schemas.TooLarge, "dataref: %v", err)
	}
	return err
}

// Counted is a place for files that takes memory for those that it reads. How large one is,
// is known once it is read.
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

// get returns the data that a dataref names by its digest.
func get(ctx context.Context, store blobs.Getter, ref string) ([]byte, error) {
	if store == nil {
		return nil, schemas.Refuse(schemas.BlobMissing, "dataref %s, and there is no blob store here; set blobs in the configuration", ref)
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
		return nil, schemas.Refuse(schemas.TooLarge, "dataref: %d bytes, at most %d are read", len(data), schemas.MaxDataSize)
	}
	return data, nil
}

// ReadReport reads the report that a fact carries and returns that file; nil where it
// carries none.
func ReadReport(f record.Fact) (file []byte, err error) { return Reader{}.readReport(f) }

func (r Reader) readReport(f record.Fact) (file []byte, err error) {
	reports := evidence.Reader{Room: r.Room}
	switch f := f.(type) {
	case *record.Scan:
		file, err = reports.ReadScan(f)
	case *record.Validation:
		file, err = reports.ReadValidation(f)
	}
	var full *evidence.RoomError
	switch {
	case errors.As(err, &full):
		return nil, full.Err
	case errors.Is(err, evidence.ErrDigest):
		return nil, schemas.Refuse(schemas.DigestMismatch, "%v; what was sent is not what was read: send the file again", err)
	case err != nil:
		return nil, schemas.Refuse(schemas.BadReport, "%v", err)
	}
	return file, nil
}
