package enricher

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// Group returns the consumer group of the enrichers of some topics: pipelines
// that share a Kafka do not share members.
func Group(t stream.Topics) string { return t.Prefix + "-enricher" }

// A Config is what an enricher needs.
type Config struct {
	Kafka     stream.Config
	Topics    stream.Topics
	Namespace string           // of the indexes
	StateDir  string           // local store; one for each enricher
	Instance  string           // stable and unique; kept in StateDir where empty
	Policy    *policy.Policy   // recorded as the newest one where it is another; may be empty, not nil
	Controls  *controls.Matrix // as Policy
	Blobs     Blobs            // where reports and large data are kept; nil: nowhere

	// Keys are those of the gateways: what they say of the sender of an event is believed
	// where it is signed with one of them. Nothing is where there are none.
	Keys signing.Keys
	// DocumentKeys sign what sinks are to index; it has no signature where there are none.
	DocumentKeys signing.Keys
	// Trust says which events without a signature are believed all the same.
	Trust []settings.Trust

	EvidenceAge time.Duration // how long evidence waits for its change; for ever where 0
	TraceHold   time.Duration // how long a trace that gets no more spans waits for its agent; 10 min where 0
	MaxBatch    int           // events a transaction; 4000 where 0
	Memory      int64         // bytes that the events at work may take, unpacked; 256 MiB where 0
	Linger      time.Duration // how long a batch may wait to fill
	Compression string        // of what is written; lz4 where empty

	// Resend sends for an event that is read again what was sent when it was read
	// first. It is for a broker whose transactions are not atomic when it is killed:
	// the state that knows the event may be there while the rest is lost.
	Resend bool

	Log    *slog.Logger
	Meter  metric.MeterProvider
	Tracer trace.TracerProvider
}

// Blobs is a place for files.
type Blobs interface {
	blobs.Getter
	blobs.Putter
}

// An Enricher is one member of the group of enrichers. It implements
// [stream.Processor].
type Enricher struct {
	conf       Config
	partitions *stream.Partitioner
	count      int32 // of partitions
	store      *store
	state      *projection
	rooms      *rooms
	owned      map[int32]bool // partitions
	checked    map[int32]bool // partitions whose state is of this version
	decoded    []decodedEvent // of the batch at hand
	memory     *memory        // which they take
	pending    []entry        // what the transaction at hand writes to the state
	room       *slab          // of what it writes
	messages   shelf[stream.Record]
	headers    shelf[kgo.RecordHeader]
	docs       sync.Pool // of documents of events, as they are written
	swept      map[int32]sweepState
	metrics    *metrics
	tracer     *tracer
	now        func() time.Time
	rules      atomic.Pointer[Rules] // what is held, replaced as a whole
}

// reader reads events as c says who is believed.
func (c *Config) reader() ingest.Reader { return ingest.Reader{Keys: c.Keys, Trust: c.Trust} }

// Run enriches until ctx is done.
func Run(ctx context.Context, c Config) error {
	partitions, err := stream.Partitions(ctx, c.Kafka, c.Topics)
	if err != nil {
		return err
	}
	s, err := openStore(c.StateDir)
	if err != nil {
		return err
	}
	defer func() {
		if err := s.close(); err != nil {
			c.Log.Warn("closing the state folder failed; what is missing there is restored from the changelog", "err", err)
		}
	}()
	if c.Instance == "" {
		if c.Instance, err = s.instance(); err != nil {
			return err
		}
	}
	e, err := newEnricher(c, s, partitions)
	if err != nil {
		return err
	}
	rules, next, err := c.recordRules(ctx, e.now)
	if err != nil {
		return err
	}
	e.rules.Store(&rules)
	if err := errors.Join(append(rules.Unreadable, rules.unread())...); err != nil {
		c.Log.Error("policies or control matrices that are recorded cannot be read; what was in force before them stays so", "err", err)
	}
	following, stop := context.WithCancel(ctx)
	var wait sync.WaitGroup
	wait.Go(func() { e.followRules(following, next) })
	defer func() {
		stop()
		wait.Wait()
	}()
	t := &stream.Transform{
		Config: c.Kafka, Group: Group(c.Topics), Instance: c.Instance,
		In: c.Topics.Events(), State: c.Topics.State(),
		Processor: e, Idle: sweepPause, MaxBatch: c.MaxBatch, Linger: c.Linger, Compression: c.Compression,
		Log: c.Log, Observe: e.metrics.transaction,
	}
	for {
		if err := t.Run(ctx); !errors.Is(err, errFormer) {
			return err
		}
		if err := e.upgradeWhenAlone(ctx); err != nil {
			return err
		}
	}
}

func newEnricher(c Config, s *store, partitions int32) (*Enricher, error) {
	m, err := newMetrics(c.Meter)
	if err != nil {
		return nil, err
	}
	e := &Enricher{
		conf: c, partitions: stream.NewPartitioner(partitions), count: partitions, store: s, memory: newMemory(c.Memory), room: new(slab), swept: make(map[int32]sweepState), owned: make(map[int32]bool), checked: make(map[int32]bool),
		metrics: m, tracer: newTracer(c.Tracer), now: time.Now, docs: sync.Pool{New: func() any { return new(schemas.EventDocument) }},
	}
	rules := Always(c.Policy, c.Controls) // until Run knows what is held
	e.rules.Store(&rules)
	return e, e.begin()
}

// begin forgets what is cached of the store.
func (e *Enricher) begin() (err error) {
	if e.state, err = newProjection(e.store); err != nil {
		return err
	}
	e.rooms = &rooms{projection: e.state, keys: e.conf.Keys, topics: e.conf.Topics, partitions: e.partitions}
	return nil
}

// Position implements [stream.Processor].
func (e *Enricher) Position(partition int32, id string) (int64, error) {
	e.owned[partition] = true
	delete(e.checked, partition)
	n, err := e.store.position(partition, id)
	if n == 0 && err == nil {
		err = e.begin()
	}
	return n, err
}

// Release implements [stream.Processor].
func (e *Enricher) Release(partitions []int32) {
	for _, p := range partitions {
		delete(e.owned, p)
	}
}

// Restore implements [stream.Processor].
func (e *Enricher) Restore(partition int32, recs []*stream.Record, next int64) error {
	entries, err := unbundle(partition, recs)
	if err != nil {
		return err
	}
	return e.state.restore(entries, partition, next)
}

// Committed implements [stream.Processor].
func (e *Enricher) Committed(next map[int32]int64) error {
	err := e.state.commit(e.pending, next)
	e.pending = nil
	e.metrics.committed()
	e.tracer.end(true)
	return err
}

// Aborted implements [stream.Processor].
func (e *Enricher) Aborted() {
	e.state.rollback()
	e.pending = nil
	e.metrics.aborted()
	e.tracer.end(false)
}
