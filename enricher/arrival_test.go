package enricher

import (
	"testing"
	"time"

	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// TestWhatIsSentOnKeepsItsArrival checks that an event that is sent on keeps its arrival, and
// that others who write to Kafka cannot set one.
func TestWhatIsSentOnKeepsItsArrival(t *testing.T) {
	e := new(Enricher)
	e.conf.Topics = stream.Topics{Prefix: "b"}
	e.conf.Keys = signingKeys
	var err error
	if e.metrics, err = newMetrics(nil); err != nil {
		t.Fatal(err)
	}
	came := time.Date(2026, 11, 29, 3, 47, 0, 0, time.UTC)
	read := func(r *stream.Record, key signing.Keys) record.Event {
		t.Helper()
		d, err := decode(t.Context(), r, ingest.Reader{Keys: key}, nil)
		if err != nil || d.refusal != nil {
			t.Fatal(err, d.refusal)
		}
		return d.event
	}
	first := &stream.Record{Topic: "b.events", Timestamp: came, Value: []byte(`{"specversion":"1.0","id":"1","source":"/x","type":"` + record.TypeEventNoted + `","partitionkey":"github.com/acme/docs","data":{}}`)}
	d, err := decode(t.Context(), first, ingest.Reader{Keys: signingKeys}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sent := e.reroute(&d, 1)
	sent.Timestamp = came.Add(3 * time.Hour)
	if got := read(sent, signingKeys).Arrived; !got.Equal(came) {
		t.Errorf("it arrived %s, want %s", got, came)
	}
	if got := read(sent, signing.Of([]byte("another key, long enough"))).Arrived; !got.Equal(sent.Timestamp) {
		t.Errorf("by another key it arrived %s, want %s", got, sent.Timestamp)
	}
	forged := &stream.Record{Timestamp: came, Value: first.Value}
	env, err := schemas.Open(stream.Message(forged))
	if err != nil {
		t.Fatal(err)
	}
	stream.AddHeader(forged, stream.HeaderArrived, schemas.Arrival(signing.Keys{}, env, came.AddDate(0, -1, 0)))
	if got := read(forged, signingKeys).Arrived; !got.Equal(came) {
		t.Errorf("as a client says it arrived %s, want %s", got, came)
	}
	moved := *sent
	moved.Value = []byte(`{"specversion":"1.0","id":"2","source":"/x","type":"` + record.TypeEventNoted + `","partitionkey":"github.com/acme/docs","data":{}}`)
	if got := read(&moved, signingKeys).Arrived; !got.Equal(moved.Timestamp) {
		t.Errorf("with the header of another event it arrived %s, want %s", got, moved.Timestamp)
	}
}
