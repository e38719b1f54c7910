// Package ocsftopic writes all documents to a Kafka topic, as events of OCSF, exactly once: the
// events and the offsets of a batch are committed in one transaction, so that a consumer that reads
// committed messages sees each document once.
//
// It imports package stream for the transactions, and package sinks for the content of messages.
package ocsftopic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/metric"
	"golang.org/x/sync/errgroup"

	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/schemas/ocsf"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/stream"
)

// Name is the sink's name in metrics and dead letters, and part of its consumer groups.
const Name = settings.OCSFTopic

// Headers of an event, besides changetrail_id, changetrail_version and traceparent, which are those
// of the document.
const (
	HeaderClass   = "class_uid"
	HeaderContent = "content-type"
)

// A Config is what the sink needs.
type Config struct {
	Kafka     stream.Config
	Topics    stream.Topics
	Namespace string
	Instance  string // stable and unique among the sinks; names the transactions
	// Keys are the enrichers' keys. If there are any, a message that none of them signed is refused.
	Keys        signing.Keys
	MaxBatch    int           // messages of a transaction; 4000 if 0
	Linger      time.Duration // how long a transaction may wait to fill
	Compression string        // of the topic: lz4 (the default), zstd, snappy, gzip, none

	Log   *slog.Logger
	Meter metric.MeterProvider
}

// Groups returns the consumer groups of the sink, by the topic that each reads.
func Groups(t stream.Topics) map[string]string {
	return map[string]string{
		t.Enriched(): sinks.Group(t, Name) + "-enriched",
		t.Records():  sinks.Group(t, Name) + "-records",
	}
}

// Ready reports an error if the topics do not exist, or have different numbers of partitions.
func Ready(ctx context.Context, c stream.Config, t stream.Topics) error {
	n, err := stream.Partitions(ctx, c, t)
	if err != nil {
		return err
	}
	a, err := stream.NewAdmin(c)
	if err != nil {
		return err
	}
	defer a.Close()
	has, err := a.PartitionsOf(ctx, t.OCSF())
	switch {
	case err != nil:
		return err
	case has == 0:
		return fmt.Errorf("kafka: topic %s does not exist; run changetrail setup --engine %s", t.OCSF(), Name)
	case has < n:
		return fmt.Errorf("kafka: topic %s has %d partitions and %s has %d; an event is written to the partition of its document, so that it needs as many", t.OCSF(), has, t.Enriched(), n)
	}
	return nil
}

// Run writes events until ctx is done.
func Run(ctx context.Context, c Config) error {
	if c.Instance == "" {
		return errors.New("the sink has no instance name, which names its transactions")
	}
	if err := Ready(ctx, c.Kafka, c.Topics); err != nil {
		return err
	}
	meter, err := sinks.NewMeter(c.Meter, c.Log, Name)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for topic, group := range Groups(c.Topics) {
		p := &projector{Config: c, meter: meter, now: time.Now}
		g.Go(func() error {
			t := &stream.Transform{
				Config: c.Kafka, Group: group, Instance: c.Instance, In: topic, Processor: p,
				MaxBatch: c.MaxBatch, Linger: c.Linger, Compression: c.Compression, Log: c.Log,
				Observe: func(tx stream.Transaction) {
					meter.Read(stream.Batch{Lag: map[string]map[int32]int64{topic: tx.Lag}})
				},
			}
			return t.Run(ctx)
		})
	}
	return g.Wait()
}

// A projector is a [stream.Processor] without state.
type projector struct {
	Config
	meter   *sinks.Meter
	now     func() time.Time
	stored  []*stream.Record // of the transaction that is open
	letters int
}

// Position implements [stream.Processor].
func (*projector) Position(int32, string) (int64, error) { return 0, nil }

// Restore implements [stream.Processor].
func (*projector) Restore(int32, []*stream.Record, int64) error { return nil }

// Release implements [stream.Processor].
func (*projector) Release([]int32) {}

// Apply implements [stream.Processor].
func (p *projector) Apply(_ context.Context, batch []*stream.Record) ([]*stream.Record, error) {
	out := make([]*stream.Record, 0, len(batch))
	for _, r := range batch {
		for _, part := range sinks.Parts(r, schemas.FindingIndex(p.Namespace), p.Keys) {
			if part.Refuse != "" {
				out = append(out, p.letter(r, part.Document, part.Refuse))
				continue
			}
			e, err := ocsf.From(part.Body)
			if err != nil {
				out = append(out, p.letter(r, part.Document, err.Error()))
				continue
			}
			out = append(out, p.event(r, part.Document, e))
			p.stored = append(p.stored, r)
		}
	}
	return out, nil
}

// event makes the message of an event. Its key is the id of the document: all revisions of a record
// have the same one.
func (p *projector) event(r *stream.Record, d sinks.Document, e ocsf.Event) *stream.Record {
	out := &stream.Record{Topic: p.Topics.OCSF(), Partition: r.Partition, Key: []byte(d.ID), Value: e.JSON}
	stream.AddHeader(out, HeaderClass, strconv.AppendInt(nil, int64(e.Class), 10))
	stream.AddHeader(out, HeaderContent, []byte("application/json"))
	stream.AddHeader(out, stream.HeaderID, []byte(d.ID))
	if d.Version > 0 {
		stream.AddHeader(out, stream.HeaderVersion, strconv.AppendInt(nil, d.Version, 10))
	}
	if trace := stream.Header(r, stream.HeaderTrace); trace != nil {
		stream.AddHeader(out, stream.HeaderTrace, trace)
	}
	return out
}

func (p *projector) letter(r *stream.Record, d sinks.Document, why string) *stream.Record {
	p.letters++
	return sinks.Refuser{Log: p.Log, Sink: Name, Topic: p.Topics.DLQ()}.Letter(r, d, why, p.now())
}

// Refuse implements [stream.Processor].
func (p *projector) Refuse(_ context.Context, r *stream.Record, reason string) ([]*stream.Record, error) {
	return []*stream.Record{p.letter(r, sinks.Document{ID: string(stream.Header(r, stream.HeaderID))}, reason)}, nil
}

// Committed implements [stream.Processor].
func (p *projector) Committed(map[int32]int64) error {
	now := p.now()
	for _, r := range p.stored {
		p.meter.Stored(r, now)
	}
	for range p.letters {
		p.meter.DeadLettered()
	}
	p.Aborted()
	return nil
}

// Aborted implements [stream.Processor].
func (p *projector) Aborted() { p.stored, p.letters = nil, 0 }
