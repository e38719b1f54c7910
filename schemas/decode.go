package schemas

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
)

// MaxEventSize is the largest event that is accepted, in bytes of its Kafka
// value. It is below Kafka's default for a message, so that one refused here
// with a reason is not refused there without one.
const MaxEventSize = 1_000_000

// ClaimCheckSize is the size of data, in bytes, above which it travels as a blob
// that dataref names by its digest.
const ClaimCheckSize = 64 << 10

// MaxDataSize is the largest data that is read from a blob, in bytes.
const MaxDataSize = 48 << 20

// Times outside these bounds come from a clock that is wrong.
const (
	maxAhead = 24 * time.Hour
	maxAge   = 20 * 365 * 24 * time.Hour
)

// Decode reads the event in an opened envelope, up to and not including the
// report that a scan or a validation carries: that is for package evidence.
// arrived is the time of the Kafka record; key is its key. Its errors are
// refusals.
func Decode(e Envelope, key []byte, arrived time.Time) (record.Event, error) {
	fact := record.NewFact(e.Type)
	if fact == nil {
		return record.Event{}, Refuse(UnknownType, "type %q is none that is read here; changetrail's own begin with dev.changetrail.", e.Type)
	}
	if err := jsonData(e); err != nil {
		return record.Event{}, err
	}
	text, ok := readFact(e.Data, fact)
	if !ok {
		text = nil
		fact = record.NewFact(e.Type)
		if err := judgeFact(e, fact); err != nil {
			return record.Event{}, err
		}
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

func jsonData(e Envelope) error {
	if t := e.DataContentType; t != "" {
		media, _, _ := strings.Cut(t, ";")
		media = strings.ToLower(strings.TrimSpace(media))
		if media != ContentTypeJSON && !strings.HasSuffix(media, "+json") {
			return Refuse(SchemaViolation, "data of type %s is %s; want %s", e.Type, media, ContentTypeJSON)
		}
	}
	return nil
}

// judgeFact reads the data of e into fact, and says what is wrong with it.
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
		return Refuse(NotJSON, "data: %s", cleanError(err))
	}
	return Refuse(SchemaViolation, "%s", semanticError("data", err))
}

// CheckClock refuses a time that only a wrong clock can tell.
func CheckClock(t, arrived time.Time) error {
	switch {
	case t.After(arrived.Add(maxAhead)):
		return Refuse(ClockSkew, "the event says %s, %s after it arrived; set the sender's clock and send it again", t.Format(time.RFC3339), t.Sub(arrived).Round(time.Minute))
	case t.Before(arrived.Add(-maxAge)):
		return Refuse(ClockSkew, "the event says %s, over 20 years before it arrived; set the sender's clock and send it again", t.Format(time.RFC3339))
	}
	return nil
}

// traceOf returns the trace id of a decision or an action, by which the actions of
// a run find what it decided; "" where there is none.
func traceOf(f record.Fact, e Envelope) string {
	switch f.(type) {
	case *record.Decision, *record.Action:
		if len(e.TraceParent) == len("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01") {
			return e.TraceParent[3:35]
		}
	}
	return ""
}

// locate finds out which change and repository an event is about, or which run.
func locate(ev *record.Event, e Envelope, key []byte) error {
	switch f := ev.Fact.(type) {
	case *record.Spans:
		ev.Room = f.Trace
		return nil
	case *record.RunNamed:
		ev.Room = f.Run
		return nil
	}
	if e.Subject != "" {
		id, err := record.ParseChange(e.Subject)
		if err != nil {
			return Refuse(NotAChange, "subject %v", err)
		}
		ev.Change, ev.Repository = id, id.Repository()
		return nil
	}
	if needsChange(ev.Fact, e) {
		or := ""
		if _, decision := ev.Fact.(*record.Decision); decision {
			or = "; or its run (data.agent.run), which the commits name in a trailer Agent-Execution"
		}
		return Refuse(NotAChange, "an event of type %s needs its change as the subject, as github.com/acme/payments/pull/4829%s", ev.Type, or)
	}
	for _, name := range []string{e.PartitionKey, repositoryOf(ev.Fact), string(key)} {
		if repo, err := record.ParseRepository(name); err == nil {
			ev.Repository = repo
			if p, ok := ev.Fact.(*record.Pushed); ok && p.Default { // a change of its own
				ev.Change = record.ChangeID(string(repo) + "/commit/" + strings.ToLower(p.After))
			}
			return nil
		}
	}
	if _, action := ev.Fact.(*record.Action); action && len(record.RunNames(*ev)) > 0 {
		runs := record.RunNames(*ev)
		ev.Room = runs[0]
		for _, name := range []string{string(key), e.PartitionKey} {
			if run := record.RoomOf(name); slices.Contains(runs, run) {
				ev.Room = run
			}
		}
		return nil
	}
	return Refuse(NoRepository, "neither the subject nor partitionkey, data.repository or the Kafka key names a repository; set partitionkey to host/path, as github.com/acme/payments")
}

// needsChange tells whether a fact that names no change is about nothing. A decision
// may name its run instead, an action that or its commit.
func needsChange(f record.Fact, e Envelope) bool {
	switch f := f.(type) {
	case *record.Scan, *record.Validation, *record.Deployment, *record.Pushed, *record.Noted:
		return false
	case *record.Decision:
		return f.Agent.Run == "" && f.Agent.LogsURL == "" && traceOf(f, e) == ""
	case *record.Action:
		return f.Agent.Run == "" && f.Agent.LogsURL == "" && f.CommitSHA == "" && traceOf(f, e) == ""
	}
	return true
}

func repositoryOf(f record.Fact) string {
	switch f := f.(type) {
	case *record.Scan:
		return f.Repository
	case *record.Validation:
		return f.Repository
	case *record.Deployment:
		return f.Repository
	case *record.Action:
		return f.Repository
	case *record.Pushed:
		return f.Repository
	case *record.Noted:
		return f.Repository
	}
	return ""
}

func goKindName(t reflect.Type) string {
	if t == timeType {
		return "an RFC 3339 time"
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a boolean"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "an array"
	}
	return "an object"
}
