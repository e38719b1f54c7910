// Package produced contains documents of every kind for tests: those that the enricher writes of
// the demo, of generated changes and of odd events. It runs the enricher on a broker in its own
// process.
package produced

import (
	"bytes"
	"context"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/internal/corpus"
	"github.com/changetrail/changetrail/internal/demo"
	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/internal/workload"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/stream"
)

// Demo returns the documents of the demo with a seed.
func Demo(t testing.TB, seed uint64) []sinks.Document {
	t.Helper()
	end := time.Now().UTC()
	p, m, err := demo.Rules(end)
	if err != nil {
		t.Fatal(err)
	}
	keys := signing.Of([]byte("a key of the tests"))
	var in []*stream.Record
	if err := demo.New(seed, end).Each(func(_ int, events []event.Event) error {
		for _, e := range events {
			gateway.Sign(&e, keys, demo.Sender(e), end)
			in = append(in, message(t, e))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return run(t, enricher.Config{Policy: p, Controls: m, Keys: keys}, in)
}

// Workload returns the documents of generated changes.
func Workload(t testing.TB, seed uint64, changes int) []sinks.Document {
	t.Helper()
	g := workload.New(seed, 5, time.Now().Add(-48*time.Hour))
	var in []*stream.Record
	for range changes {
		for _, e := range g.Change() {
			in = append(in, message(t, e))
		}
	}
	return run(t, enricher.Config{}, in)
}

// Odd returns the documents of events of every type with mistakes and odd content, as far as the
// enricher accepts them.
func Odd(t testing.TB, seed uint64, n int) []sinks.Document {
	t.Helper()
	now := time.Now().UTC()
	store, err := blobs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var in []*stream.Record
	for _, c := range corpus.New(seed, n, 1, now) {
		if c.Blob != nil {
			if _, err := store.Put(t.Context(), c.Blob); err != nil {
				t.Fatal(err)
			}
		}
		in = append(in, received(c.Kafka(now)))
	}
	return run(t, enricher.Config{Blobs: store}, in)
}

// message returns an event as it is sent to Kafka.
func message(t testing.TB, e event.Event) *stream.Record {
	t.Helper()
	m, err := producer.Encode(context.Background(), e, producer.Binary)
	if err != nil {
		t.Fatal(err)
	}
	r := &stream.Record{Key: m.Key, Value: m.Value}
	for _, h := range m.Headers {
		stream.AddHeader(r, h.Key, h.Value)
	}
	return r
}

func received(m schemas.Message) *stream.Record {
	r := &stream.Record{Key: m.Key, Value: m.Value}
	for _, h := range m.Headers {
		stream.AddHeader(r, h.Key, h.Value)
	}
	return r
}

// partitions of each topic.
const partitions = 2

// run returns what an enricher writes of messages. Without a policy it uses one that knows
// everything.
func run(t testing.TB, c enricher.Config, in []*stream.Record) []sinks.Document {
	t.Helper()
	c.Topics, c.Namespace, c.StateDir, c.Log = stream.Topics{Prefix: "t"}, "test", t.TempDir(), slog.New(slog.DiscardHandler)
	kafka, w := kafkatest.Pipeline(t, partitions, c.Topics)
	c.Kafka = kafka
	if c.Policy == nil {
		c.Trust = []settings.Trust{{Source: "**", As: "observed", History: true}}
		c.Policy, c.Controls = rules(t)
	}
	spread := stream.NewPartitioner(partitions)
	for _, r := range in {
		r.Topic, r.Partition, r.Timestamp = c.Topics.Events(), spread.Of(string(r.Key)), time.Now()
	}
	if err := w.Append(t.Context(), in...); err != nil {
		t.Fatal(err)
	}
	enrich(t, c)
	return append(collect(t, c, c.Topics.Enriched()), collect(t, c, c.Topics.Records())...)
}

func rules(t testing.TB) (*policy.Policy, *controls.Matrix) {
	t.Helper()
	p, err := policy.Parse([]byte(`
services: [{name: payments, repositories: ["*/*/*"], classification: critical, data_classes: [cardholder], owner: team}]
agents: [{id: "*", services: ["*"]}]
teams: [{id: team, members: [person-1]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	m, err := controls.Parse([]byte("controls: [{tag: pci-dss-6.3.2}, {tag: soc2-cc8.1}, {tag: our-own-1}]"))
	if err != nil {
		t.Fatal(err)
	}
	return p, m
}

// enrich runs an enricher until it has read all events, including those that it sends to itself.
func enrich(t testing.TB, c enricher.Config) {
	t.Helper()
	admin, err := stream.NewAdmin(c.Kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- enricher.Run(ctx, c) }()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		at, err := admin.Committed(t.Context(), enricher.Group(c.Topics), c.Topics.Events())
		lag, _, lagErr := admin.Group(t.Context(), enricher.Group(c.Topics))
		if err == nil && lagErr == nil && len(at) > 0 && lag[c.Topics.Events()] == 0 {
			break
		}
		if time.Since(began) > 2*time.Minute {
			t.Fatalf("the enricher is %d events behind: %v %v", lag[c.Topics.Events()], err, lagErr)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// collect reads the documents in a topic, as a sink does.
func collect(t testing.TB, c enricher.Config, topic string) (out []sinks.Document) {
	t.Helper()
	for p := range int32(partitions) {
		_, err := c.Kafka.Partition(topic, p).Scan(t.Context(), -1, func(recs []*stream.Record) error {
			for _, r := range recs {
				if !stream.IsMarker(r) {
					out = append(out, documents(r, c.Namespace)...)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// documents returns the document of a message and its findings.
func documents(r *stream.Record, namespace string) []sinks.Document {
	revision, _ := strconv.ParseInt(string(stream.Header(r, stream.HeaderVersion)), 10, 64) // absent for an event
	out := []sinks.Document{{
		Index: string(stream.Header(r, stream.HeaderIndex)), ID: string(stream.Header(r, stream.HeaderID)), Version: revision, Body: r.Value,
	}}
	for _, h := range r.Headers {
		if h.Key == stream.HeaderFinding {
			id, body, _ := bytes.Cut(h.Value, []byte("\n"))
			out = append(out, sinks.Document{Index: schemas.FindingIndex(namespace), ID: string(id), Version: revision, Body: body})
		}
	}
	return out
}
