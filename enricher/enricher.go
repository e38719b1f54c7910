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

// Group returns the consumer group of the enrichers of these topics. Pipelines that share a Kafka
// do not share members.
func Group(t stream.Topics) string { return t.Prefix + "-enricher" }

// A Config is what an enricher needs.
type Config struct {
	Kafka     stream.Config
	Topics    stream.Topics
	Namespace string           // of the indexes
	StateDir  string           // local store; one for each enricher
	Instance  string           // stable and unique; read from StateDir if empty
	Policy    *policy.Policy   // recorded if it is not the newest one; may be empty, not nil
	Controls  *controls.Matrix // like Policy
	Blobs     Blobs            // where reports and large data are kept; nil: nowhere

	// Keys are the keys of the gateways. What a gateway states about the sender of an event is
	// believed only if it is signed with one of them. Without keys nothing is believed.
	Keys signing.Keys
	// DocumentKeys sign the documents for sinks. Without keys documents are not signed.
	DocumentKeys signing.Keys
	// Trust lists which events without a signature are believed nevertheless.
	Trust []settings.Trust

	EvidenceAge time.Duration // how long evidence waits for its change; for ever if 0
	TraceHold   time.Duration // how long a trace without new spans waits for its agent; 10 min if 0
	MaxBatch    int           // events of a transaction; 4000 if 0
	Memory      int64         // bytes that the events being processed may use, unpacked; 256 MiB if 0
	Linger      time.Duration // how long a batch may wait to fill
	Compression string        // of what is written; lz4 if empty

	// Resend sends the results of an event again if the event is read again. It is for a broker
	// whose transactions are not atomic when it is killed: the state that contains the event may
	// survive while the other messages are lost.
	Resend bool

	Log    *slog.Logger
	Meter  metric.MeterProvider
	Tracer trace.TracerProvider
}

// Blobs stores files.
type Blobs interface {
	blobs.Getter
	blobs.Putter
}

// An Enricher is one member of the group of enrichers. It implements
// [stream.Processor].
type Enricher struct {
	conf        Config
	partitions  *stream.Partitioner
	count       int32 // of partitions
	store       *store
	state       *projection
	pendingRuns *pendingRuns
	owned       map[int32]bool // partitions
	checked     map[int32]bool // partitions whose state was written by this version
	decoded     []decodedEvent // of the current batch
	memory      *memory        // that the decoded events use
	pending     []entry        // what the current transaction writes to the state
	arena       *arena         // the bytes of the current transaction
	messages    pool[stream.Record]
	headers     pool[kgo.RecordHeader]
	docs        sync.Pool // of [schemas.EventDocument], while they are written
	swept       map[int32]sweepState
	metrics     *metrics
	tracer      *tracer
	now         func() time.Time
	rules       atomic.Pointer[Rules] // all recorded rules, replaced as a whole
}

// reader returns a reader of events that believes what c configures.
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
			c.Log.Warn("closing the state folder failed; what is missing in it is restored from the changelog", "err", err)
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
		c.Log.Error("recorded policies or control matrices cannot be read; those before them stay in force", "err", err)
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
		conf: c, partitions: stream.NewPartitioner(partitions), count: partitions, store: s, memory: newMemory(c.Memory), arena: new(arena), swept: make(map[int32]sweepState), owned: make(map[int32]bool), checked: make(map[int32]bool),
		metrics: m, tracer: newTracer(c.Tracer), now: time.Now, docs: sync.Pool{New: func() any { return new(schemas.EventDocument) }},
	}
	rules := Always(c.Policy, c.Controls) // until Run reads the recorded rules
	e.rules.Store(&rules)
	return e, e.begin()
}

// begin drops what is cached of the store.
func (e *Enricher) begin() (err error) {
	if e.state, err = newProjection(e.store); err != nil {
		return err
	}
	e.pendingRuns = &pendingRuns{projection: e.state, keys: e.conf.Keys, topics: e.conf.Topics, partitions: e.partitions}
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
