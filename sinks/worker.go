package sinks

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// A Config is what a sink worker needs.
type Config struct {
	Kafka     stream.Config
	Topics    stream.Topics
	Namespace string
	Instance  string // stable name among the workers; may be empty
	Engine    Engine
	// Keys are the enrichers' keys. If there are any, a message that none of them signed is
	// refused: somebody else wrote it.
	Keys signing.Keys

	MaxDocs  int // documents per request; 1000 if 0
	MaxBytes int // bytes per request; 5 MiB if 0
	InFlight int // requests at a time; 2 if 0
	// Linger is how long a request may wait to fill up: each request costs the engine a sync of its
	// log, however small the request is.
	Linger time.Duration

	Log    *slog.Logger
	Meter  metric.MeterProvider
	Tracer trace.TracerProvider
}

// Group returns the consumer group of the workers that copy topics into an engine.
func Group(t stream.Topics, engine string) string { return t.Prefix + "-sink-" + engine }

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		field *int
		value int
	}{{&c.MaxDocs, 1000}, {&c.MaxBytes, 5 << 20}, {&c.InFlight, 2}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	return c
}

// A worker moves batches from a reader to an engine. Several batches are delivered at a time; they
// are committed in the order in which they were read.
type worker struct {
	Config
	reader  *stream.Reader
	letters *stream.Writer
	metrics *metrics
	tracer  *tracer
	waits   *waits
	rest    rest
	now     func() time.Time

	queue    chan *batch    // in reading order, to the committer
	slots    chan struct{}  // one for each request that may run at a time
	underway sync.WaitGroup // batches read and not yet committed or given up
}

// A batch is the result of one poll.
type batch struct {
	items []item
	last  []*stream.Record // the last record of each partition
	done  chan error
}

// An item is a document and the record that it came from.
type item struct {
	doc    Document
	record *stream.Record
	refuse string // why it cannot even be put; empty if it can

	fault   fault  // that it waits for; zero if none
	reason  string // the engine's reason
	tries   int    // that failed
	doubts  int    // tries with the outcome [Unclear]
	doubted time.Time
}

// grace is how long a stopping worker waits for running requests.
const grace = 20 * time.Second

// Run copies documents until ctx is done.
func Run(ctx context.Context, c Config) error {
	c = c.withDefaults()
	if err := c.Engine.Ready(ctx, c.Namespace); err != nil {
		return err
	}
	waiting := newWaits(c.Log, c.Engine.Name())
	m, err := newMetrics(c.Meter, c.Engine.Name(), waiting)
	if err != nil {
		return err
	}
	letters, err := stream.NewWriter(c.Kafka)
	if err != nil {
		return err
	}
	defer letters.Close()
	w := &worker{
		Config: c, letters: letters, metrics: m, waits: waiting, tracer: newTracer(c.Tracer, c.Engine.Name()), now: time.Now,
		queue: make(chan *batch, 2*c.InFlight), slots: make(chan struct{}, c.InFlight),
	}
	w.reader, err = stream.NewReader(stream.ReaderConfig{
		Config: c.Kafka, Group: Group(c.Topics, c.Engine.Name()), Instance: c.Instance,
		Topics: []string{c.Topics.Enriched(), c.Topics.Records()}, Drain: w.drain,
	})
	if err != nil {
		return err
	}
	defer w.reader.Close()
	return w.run(ctx)
}

// run reads until ctx is done, then lets running requests finish.
func (w *worker) run(ctx context.Context) error {
	deliver, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	committed := make(chan struct{})
	go func() {
		defer close(committed)
		w.commitLoop(deliver)
	}()
	err := w.readLoop(ctx, deliver)
	close(w.queue)
	select {
	case <-committed:
	case <-time.After(grace):
		w.Log.Warn("stopping with documents under way; they are read again by the next worker", "waited", grace)
		stop()
		<-committed
	}
	return err
}

func (w *worker) readLoop(ctx, deliver context.Context) error {
	for ctx.Err() == nil {
		select {
		case w.slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		polled, err := w.reader.Gather(ctx, w.MaxDocs, w.Linger)
		if err != nil {
			w.Log.Warn("reading failed; it is tried again", "err", err)
			time.Sleep(time.Second)
		}
		if len(polled.Records) == 0 {
			w.reader.AllowRebalance()
			<-w.slots
			continue
		}
		w.metrics.read(polled)
		b := newBatch(polled.Records, schemas.FindingIndex(w.Namespace), w.Keys)
		w.underway.Add(1)
		w.reader.AllowRebalance()
		go func() {
			defer func() { <-w.slots }()
			b.done <- w.deliver(deliver, b)
		}()
		w.queue <- b
	}
	return nil
}

// commitLoop commits each batch once it and all batches before it are delivered.
func (w *worker) commitLoop(ctx context.Context) {
	failed := false
	for b := range w.queue {
		err := <-b.done
		if err != nil {
			failed = true // only when stopping: nothing after it may be committed
		}
		if !failed {
			if err := w.reader.Commit(ctx, b.last); err != nil && ctx.Err() == nil {
				w.Log.Warn("offsets could not be committed; if this lasts, documents are put again, which is harmless", "err", err)
			}
		}
		w.underway.Done()
	}
}

// drain waits until no batch is being delivered, before partitions are given up.
func (w *worker) drain(ctx context.Context, _ []stream.Place) {
	done := make(chan struct{})
	go func() {
		w.underway.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	case <-time.After(30 * time.Second):
		w.Log.Warn("partitions are given up with documents under way; their new owner puts them again")
	}
}

// newBatch makes documents of records. Of several revisions of one record it keeps only the newest;
// a refused revision does not displace another.
func newBatch(records []*stream.Record, findings string, keys signing.Keys) *batch {
	b := &batch{done: make(chan error, 1), items: make([]item, 0, len(records))}
	type place struct {
		topic     string
		partition int32
	}
	last := make(map[place]*stream.Record)
	newest := make(map[string]int)
	for _, r := range records {
		last[place{r.Topic, r.Partition}] = r
		if stream.IsMarker(r) {
			continue
		}
		for _, it := range newItems(r, findings, keys) {
			if it.doc.Version > 0 && it.refuse == "" {
				key := it.doc.Index + "\x00" + it.doc.ID
				if i, ok := newest[key]; ok {
					if it.doc.Version > b.items[i].doc.Version {
						b.items[i] = it
					}
					continue
				}
				newest[key] = len(b.items)
			}
			b.items = append(b.items, it)
		}
	}
	for _, r := range last {
		b.last = append(b.last, r)
	}
	return b
}

// newItems makes the document of a message, and the documents of the findings in the headers of a
// record.
func newItems(r *stream.Record, findings string, keys signing.Keys) []item {
	first := newItem(r)
	if !stream.Signed(keys, r) {
		first.refuse = "no enricher signed it: somebody else wrote to this topic, or record_key differs from the enrichers' key"
		return []item{first}
	}
	out := []item{first}
	for _, h := range r.Headers {
		if h.Key != stream.HeaderFinding {
			continue
		}
		id, body, ok := bytes.Cut(h.Value, []byte("\n"))
		it := item{record: r, doc: Document{Index: findings, ID: string(id), Version: first.doc.Version, Body: body}}
		if !ok || len(id) == 0 {
			it.refuse = fmt.Sprintf("header %s is not a document id, a newline and a document", stream.HeaderFinding)
		}
		out = append(out, it)
	}
	return out
}

func newItem(r *stream.Record) item {
	it := item{record: r, doc: Document{Body: r.Value}}
	for _, h := range r.Headers {
		switch h.Key {
		case stream.HeaderIndex:
			it.doc.Index = string(h.Value)
		case stream.HeaderID:
			it.doc.ID = string(h.Value)
		case stream.HeaderVersion:
			if _, err := fmt.Sscan(string(h.Value), &it.doc.Version); err != nil || it.doc.Version < 1 {
				it.refuse = fmt.Sprintf("header %s is %q, which is not a revision", stream.HeaderVersion, h.Value)
			}
		}
	}
	if it.doc.Index == "" || it.doc.ID == "" {
		it.refuse = fmt.Sprintf("it has no header %s or %s; only the enricher writes to this topic", stream.HeaderIndex, stream.HeaderID)
	}
	return it
}
