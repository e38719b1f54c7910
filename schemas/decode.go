package schemas

import (
	"errors"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/nearest"
	"github.com/changetrail/changetrail/internal/phrase"
	"github.com/changetrail/changetrail/record"
)

// MaxEventSize is the largest event that is accepted, in bytes of its Kafka value. It is below
// Kafka's default limit, so that a large event is refused here with a reason and not by Kafka
// without one.
const MaxEventSize = 1_000_000

// ClaimCheckSize is the size in bytes above which data is kept as a blob, and the event only
// contains its digest in dataref.
const ClaimCheckSize = 64 << 10

// MaxDataSize is the largest data that is read from a blob, in bytes.
const MaxDataSize = 48 << 20

// Times outside these bounds come from a wrong clock.
const (
	maxAhead = 24 * time.Hour
	maxAge   = 20 * 365 * 24 * time.Hour
)

// Decode reads the event in an opened envelope, except for the report in a scan or a validation,
// which package evidence reads. arrived is the time of the Kafka record; key is its key. Its errors
// are refusals.
func Decode(e Envelope, key []byte, arrived time.Time) (record.Event, error) {
	fact := record.NewFact(e.Type)
	if fact == nil {
		return record.Event{}, Refuse(UnknownType, "unknown event type %q%s; docs/events.md lists the types, which begin with dev.changetrail.", e.Type, nearest.Hint(e.Type, record.Types()))
	}
	if err := CheckMedia(e); err != nil {
		return record.Event{}, err
	}
	e.Data = Whole(e.Data) // the data may come from a blob
	text, ok := readFact(e.Data, fact)
	if !ok {
		text = nil
		fact = record.NewFact(e.Type)
		if err := judgeFact(e, fact); err != nil {
			return record.Event{}, err
		}
	}
	if err := Sound(e.Data); err != nil {
		return record.Event{}, err
	}
	ev := record.Event{Source: e.Source, ID: e.ID, Type: e.Type, Time: e.Time.UTC(), Fact: fact, Trace: traceOf(fact, e), Stored: text}
	if e.Time.IsZero() {
		ev.Time = arrived.UTC()
	}
	if err := CheckClock(ev.Time, arrived); err != nil {
		return record.Event{}, err
	}
	if err := locate(&ev, e, key); err != nil {
		return record.Event{}, err
	}
	return ev, nil
}

// CheckMedia refuses data with a media type other than JSON.
func CheckMedia(e Envelope) error {
	if !IsJSON(e.DataContentType) {
		return Refuse(SchemaViolation, "data of type %s is %s; want %s", e.Type, e.DataContentType, ContentTypeJSON)
	}
	return nil
}

// judgeFact reads the data of e into fact and explains what is wrong with it.
func judgeFact(e Envelope, fact record.Fact) error {
	if err := unmarshalData(e.Data, fact); err != nil {
		return err
	}
	if err := Check(fact); err != nil {
		return Refuse(SchemaViolation, "%s (see schemas/events/%s.json)", strings.ReplaceAll(err.Error(), "\n", "; "), e.Type)
	}
	return nil
}

func unmarshalData(data jsontext.Value, fact record.Fact) error {
	if len(data) == 0 || string(data) == "null" {
		return Refuse(SchemaViolation, "the event has no data")
	}
	err := json.Unmarshal(data, fact)
	if err == nil {
		return nil
	}
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return Refuse(NotJSON, "data: %v", phrase.JSON(data, err))
	}
	return Refuse(SchemaViolation, "%s", semanticError("data", err))
}

// CheckClock refuses a time that only a wrong clock can state.
func CheckClock(t, arrived time.Time) error {
	switch {
	case t.After(arrived.Add(maxAhead)):
		return Refuse(ClockSkew, "the event says %s, %s after it arrived; set the sender's clock and send it again", t.Format(time.RFC3339), t.Sub(arrived).Round(time.Minute))
	case t.Before(arrived.Add(-maxAge)):
		return Refuse(ClockSkew, "the event says %s, over 20 years before it arrived; set the sender's clock and send it again", t.Format(time.RFC3339))
	}
	return nil
}

// allowance tolerates clocks that differ, when it is decided what existed before a merge.
const allowance = 2 * time.Minute

// StatedArrival returns when an event arrived elsewhere, according to its attribute arrivedat. It
// is never later than now.
func StatedArrival(text string, now time.Time) (time.Time, error) {
	at, err := time.Parse(time.RFC3339Nano, text)
	switch {
	case err != nil:
		return at, Refuse(NotCloudEvent, "arrivedat %q is not an RFC 3339 time", text)
	case at.After(now.Add(allowance)):
		return at, Refuse(ClockSkew, "arrivedat is %s, which is in the future; state when the event arrived at its first system", at.Format(time.RFC3339))
	case at.Unix() < 0:
		return at, Refuse(ClockSkew, "arrivedat is %s, before 1970; state when the event arrived at its first system", at.Format(time.RFC3339))
	}
	if at.After(now) {
		at = now
	}
	return at.UTC(), nil
}

// Bounds for when an event that is checked now arrives in Kafka.
const (
	mayWait = 30 * 24 * time.Hour // how long an event may wait on a sender's disk
	Behind  = time.Hour           // how far the broker's clock may be behind
)

// CheckClockAhead is CheckClock for an event that has not arrived in Kafka yet.
func CheckClockAhead(t, now time.Time) error {
	if err := CheckClock(t, now.Add(-Behind)); err != nil {
		return err
	}
	return CheckClock(t, now.Add(mayWait))
}

// traceOf returns the trace id of a decision or an action, which connects the actions of a run with
// its decision; "" if there is none.
func traceOf(f record.Fact, e Envelope) string {
	switch f.(type) {
	case *record.Decision, *record.Action:
		if len(e.TraceParent) == len("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01") {
			return e.TraceParent[3:35]
		}
	}
	return ""
}
