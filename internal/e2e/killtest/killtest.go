// Package killtest kills sinks with SIGKILL at random moments, on a real Kafka, while documents
// arrive there.
package killtest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/servers"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// Kills is how often each sink is killed.
const Kills = 20

// Partitions of each topic.
const Partitions = 4

// batch is how many events, and how many records with a finding, are published at a time.
const batch = 50

// A Key says which document something is.
type Key struct {
	Index, ID string
	Revision  int64 // 0 for an event
}

// A Pipeline is the topics of a pipeline in a Kafka, and what was published there.
type Pipeline struct {
	Kafka  stream.Config
	Topics stream.Topics

	mu        sync.Mutex
	documents map[Key]string
}

// Kafka starts a Kafka.
func Kafka(t *testing.T) stream.Config {
	t.Helper()
	server, err := servers.Kafka(t.TempDir())
	if err == nil {
		err = server.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	return stream.Config{Brokers: []string{server.Address}}
}

// New makes the topics of a pipeline whose names begin with prefix.
func New(t *testing.T, kafka stream.Config, prefix string) *Pipeline {
	t.Helper()
	p := &Pipeline{Kafka: kafka, Topics: stream.Topics{Prefix: prefix}, documents: make(map[Key]string)}
	admin, err := stream.NewAdmin(kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	specs := append(p.Topics.Specs(Partitions, 24*time.Hour), p.Topics.OCSFSpec(Partitions, 24*time.Hour))
	if _, err := admin.Ensure(t.Context(), specs, 1, false); err != nil {
		t.Fatal(err)
	}
	return p
}

// Documents returns what was published so far: each document as canonical JSON.
func (p *Pipeline) Documents() map[Key]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.documents)
}

// Publish writes what an enricher writes, with a pause after each batch, until ctx is done. It
// returns after a whole batch.
func (p *Pipeline) Publish(ctx context.Context, t *testing.T, pause time.Duration) {
	w, err := stream.NewTransactionWriter(t.Context(), p.Kafka, "the enricher of "+p.Topics.Prefix)
	if err != nil {
		t.Error(err)
		return
	}
	defer w.Close()
	for from := 0; ctx.Err() == nil; from += batch {
		var recs []*stream.Record
		published := make(map[Key]string)
		for i := from; i < from+batch; i++ {
			recs = append(recs, p.messages(i, published)...)
		}
		if err := w.Append(t.Context(), recs); err != nil {
			t.Error(err)
			return
		}
		p.mu.Lock()
		maps.Copy(p.documents, published)
		p.mu.Unlock()
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// messages returns an event, and a record with a finding, and notes the three documents.
func (p *Pipeline) messages(i int, published map[Key]string) []*stream.Record {
	at := time.Date(2026, 11, 10+i%3, 3, 0, 0, 0, time.UTC)
	body := func(k Key, dataset, more string) []byte {
		change := fmt.Sprintf("github.com/acme/payments/pull/%d", i)
		text := fmt.Appendf(nil, `{"@timestamp":%q,"event":{"dataset":%q},"changetrail":{"repository":"github.com/acme/payments","change":{"id":%q},"revision":1%s}}`, at.Format(time.RFC3339), dataset, change, more)
		published[k] = Canonical(text)
		return text
	}
	message := func(topic string, k Key, value []byte) *stream.Record {
		r := &stream.Record{Topic: topic, Partition: int32(i % Partitions), Key: []byte("github.com/acme/payments"), Value: value}
		stream.AddHeader(r, stream.HeaderIndex, []byte(k.Index))
		stream.AddHeader(r, stream.HeaderID, []byte(k.ID))
		return r
	}
	event := Key{schemas.EventIndex("default"), fmt.Sprint("event", i), 0}
	record := Key{schemas.RecordIndex("default", at), fmt.Sprint("record", i), 1}
	finding := Key{schemas.FindingIndex("default"), fmt.Sprint("finding", i), 1}
	e := message(p.Topics.Enriched(), event, body(event, schemas.EventDataset, `,"event":{"type":"dev.changetrail.review.submitted.v1"}`))
	r := message(p.Topics.Records(), record, body(record, schemas.RecordDataset, ""))
	r.Key = []byte(record.ID)
	stream.AddHeader(r, stream.HeaderVersion, []byte("1"))
	found := body(finding, schemas.FindingDataset, `,"finding":{"kind":"review.missing","severity":"high","status":"open","revision":1}`)
	stream.AddHeader(r, stream.HeaderFinding, append([]byte(finding.ID+"\n"), found...))
	return []*stream.Record{e, r}
}

// Canonical returns a JSON text in its canonical form (RFC 8785), or as it is if it is no JSON.
func Canonical(text []byte) string {
	v := jsontext.Value(bytes.Clone(text))
	_ = v.Canonicalize() // then it is as it was
	return string(v)
}

// Lag returns how many messages the members of a consumer group have not committed yet.
func (p *Pipeline) Lag(t *testing.T, group string) (n int64) {
	t.Helper()
	admin, err := stream.NewAdmin(p.Kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	lag, _, err := admin.Group(t.Context(), group)
	if err != nil || len(lag) == 0 {
		t.Fatalf("the consumer group %s: %v %v", group, lag, err)
	}
	for _, behind := range lag {
		n += behind
	}
	return n
}

// Refused returns how many dead letters there are.
func (p *Pipeline) Refused(t *testing.T) (n int) {
	t.Helper()
	for i := range int32(Partitions) {
		if _, err := p.Kafka.Partition(p.Topics.DLQ(), i).Scan(t.Context(), -1, func(recs []*stream.Record) error {
			n += len(recs)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return n
}
