package enricher

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
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
	Policy    *policy.Policy   // may be empty, not nil
	Controls  *controls.Matrix // may be empty, not nil
	Blobs     Blobs            // where reports and large data are kept; nil: nowhere

	// StampKey is the key of the gateways: what they say of the sender of an event
	// is believed where it is signed with it. Nothing is where it is empty.
	StampKey []byte

	EvidenceAge time.Duration // how long evidence waits for its change; for ever where 0
	TraceHold   time.Duration // how long a trace that gets no more spans waits for its agent; 10 min where 0
	MaxBatch    int           // events a transaction; 4000 where 0
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

// Blobs is a place for files, each under the digest of its content. Get's error
// wraps blobs.ErrNotFound or blobs.ErrCorrupt where trying again is of no use.
type Blobs interface {
	Put(ctx context.Context, content []byte) (digest string, err error)
	Get(ctx context.Context, digest string) ([]byte, error)
}

// An Enricher is one member of the group of enrichers. It implements
// [stream.Processor].
type Enricher struct {
	conf       Config
	partitions *stream.Partitioner
	store      *store
	state      *projection
	rooms      *rooms
	owned      map[int32]bool // partitions
	pending    []entry        // of the transaction at hand
	room       *slab          // of what it writes
	swept      map[int32]sweep
	metrics    *metrics
	tracer     *tracer
	now        func() time.Time
}

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
	t := &stream.Transform{
		Config: c.Kafka, Group: Group(c.Topics), Instance: c.Instance,
		In: c.Topics.Events(), State: c.Topics.State(),
		Processor: e, Idle: sweepPause, MaxBatch: c.MaxBatch, Linger: c.Linger, Compression: c.Compression,
		Log: c.Log, Observe: e.metrics.transaction,
	}
	return t.Run(ctx)
}

func newEnricher(c Config, s *store, partitions int32) (*Enricher, error) {
	m, err := newMetrics(c.Meter)
	if err != nil {
		return nil, err
	}
	e := &Enricher{
		conf: c, partitions: stream.NewPartitioner(partitions), store: s, room: new(slab), swept: make(map[int32]sweep), owned: make(map[int32]bool),
		metrics: m, tracer: newTracer(c.Tracer), now: time.Now,
	}
	e.begin()
	return e, nil
}

// begin forgets what is cached of the store.
func (e *Enricher) begin() {
	e.state = newProjection(e.store)
	e.rooms = &rooms{projection: e.state, stampKey: e.conf.StampKey, topics: e.conf.Topics, partitions: e.partitions}
}

// Position implements [stream.Processor].
func (e *Enricher) Position(partition int32, id string) (int64, error) {
	e.owned[partition] = true
	n, err := e.store.position(partition, id)
	if n == 0 {
		e.begin()
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
	entries := make([]entry, len(recs))
	for i, r := range recs {
		entries[i] = entry{partition, string(r.Key), r.Value}
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
	e.state.reset()
	e.pending = nil
	e.metrics.aborted()
	e.tracer.end(false)
}

// Apply implements [stream.Processor]: it decodes the batch, takes in each
// event, folds the changes that they touch, and returns each event enriched,
// the newest revision of each record, the state that changed, and what was
// refused.
func (e *Enricher) Apply(ctx context.Context, batch []*stream.Record) ([]*stream.Record, error) {
	e.state.reset()
	e.rooms.reset()
	e.room.reset()
	decoded, err := decodeAll(ctx, batch, e.conf.Blobs, e.conf.StampKey)
	if err != nil {
		return nil, err
	}
	if e.conf.Resend {
		if err := e.state.markReread(decoded); err != nil {
			return nil, err
		}
	}
	out := make([]*stream.Record, 0, 3*len(batch))
	admitted := make([]*decodedEvent, 0, len(batch))
	for i := range decoded {
		d := &decoded[i]
		if d.refusal == nil && d.event.Repository == "" {
			sent, known, err := e.rooms.take(d)
			if err != nil {
				return nil, err
			}
			out = append(out, sent...)
			e.metrics.count(map[bool]string{true: repeated, false: waiting}[known], d.event.Type)
			continue
		}
		if d.refusal == nil {
			if home := e.partitions.Of(string(d.event.Repository)); home != d.record.Partition && stream.Header(d.record, stream.HeaderRerouted) == nil {
				out = append(out, e.reroute(d, home))
				continue
			}
			a, err := e.state.admit(d.record.Partition, d.event, d.record.Timestamp, d.trace())
			if err != nil {
				return nil, err
			}
			switch a {
			case fresh:
				d.span = e.tracer.start(d)
				admitted = append(admitted, d)
				continue
			case repeat:
				e.metrics.count(repeated, d.event.Type)
				if d.reread {
					if err := e.state.again(d.record.Partition, d.event, d.record.Timestamp, d.trace()); err != nil {
						return nil, err
					}
					admitted = append(admitted, d)
				}
				continue
			case conflict:
				d.refusal = &schemas.Refusal{Reason: schemas.DuplicateID, Detail: "source and id are those of another event with other content; of the two the one with the earlier time stands. Give each event an id of its own"}
			}
		}
		out = append(out, e.refuse(d))
	}
	records, folded, err := e.fold()
	if err != nil {
		return nil, err
	}
	documents, err := e.documents(admitted, folded)
	if err != nil {
		return nil, err
	}
	actions, err := e.rooms.perform()
	if err != nil {
		return nil, err
	}
	words, err := e.rooms.word()
	if err != nil {
		return nil, err
	}
	out = slices.Concat(out, actions, words)
	expired, late, err := e.sweep(batch)
	if err != nil {
		return nil, err
	}
	e.pending, err = e.state.entries(e.room)
	if err != nil {
		return nil, err
	}
	e.pending = append(e.pending, expired...)
	out = slices.Concat(out, late, documents, records)
	for _, s := range e.pending {
		out = append(out, &stream.Record{Topic: e.conf.Topics.State(), Partition: s.partition, Key: []byte(s.key), Value: s.value})
	}
	return out, nil
}

// fold makes the record of each change that was touched. It returns the
// revisions to be sent and every record folded.
func (e *Enricher) fold() ([]*stream.Record, map[record.ChangeID]*record.Record, error) {
	touched := slices.Sorted(maps.Keys(e.state.work.touched))
	records := make([]*record.Record, len(touched))
	out := make([]*stream.Record, len(touched))
	err := parallel(len(touched), func(i int) error {
		id := touched[i]
		t, c := e.state.work.touched[id], e.state.work.changes[id]
		r := fold(id, c.facts, e.conf.Policy, e.conf.Controls)
		records[i] = r
		out[i] = e.revision(c, r, t)
		return nil
	})
	folded := make(map[record.ChangeID]*record.Record, len(touched))
	for i, id := range touched {
		folded[id] = records[i]
	}
	return slices.DeleteFunc(out, func(r *stream.Record) bool { return r == nil }), folded, err
}

// revision seals r as the next revision of a change and returns its message, or
// nil where nothing changed.
func (e *Enricher) revision(c *changeState, r *record.Record, t *touch) *stream.Record {
	id := r.Trail.Change.ID
	if r.Trail.Change.PartOf != "" && c.revision == 0 {
		return nil // a commit that a merge made, and that nobody has seen as a change
	}
	value := e.room.append(16<<10, func(b []byte) []byte { return schemas.Seal(b, r, c.revision+1, c.digest) })
	if len(value) == 0 && t.again {
		value = e.room.append(16<<10, func(b []byte) []byte { return schemas.Seal(b, r, c.revision, "") })
	}
	if len(value) == 0 {
		return nil
	}
	c.revision, c.digest = r.Trail.Revision, r.Trail.EvidenceDigest
	findings := schemas.Findings(r, c.gaps)
	if len(findings) > len(c.gaps) {
		c.gaps = make([]string, len(findings))
		for i, f := range findings {
			c.gaps[i] = f.Trail.Finding.Kind
		}
	}
	out := &stream.Record{
		Topic: e.conf.Topics.Records(), Partition: t.partition, Key: []byte(id), Value: value,
		Headers: headers(schemas.RecordIndex(e.conf.Namespace, c.firstSeen), schemas.RecordID(id), c.revision, t.newest, t.trace),
	}
	for i := range findings {
		out.Headers = append(out.Headers, e.finding(&findings[i]))
	}
	return out
}

// finding is the header that carries a finding beside its record. They travel
// together, so that compaction of the topic never keeps one without the other,
// and a sink that reads the newest revision alone has all of them.
func (e *Enricher) finding(f *schemas.Finding) kgo.RecordHeader {
	value := e.room.append(2<<10, func(b []byte) []byte {
		b = append(b, schemas.FindingID(f.Trail.Change.ID, f.Trail.Finding.Kind)...)
		return f.Append(append(b, '\n'))
	})
	return kgo.RecordHeader{Key: stream.HeaderFinding, Value: value}
}

// documents returns each event with what is known of its change.
func (e *Enricher) documents(admitted []*decodedEvent, folded map[record.ChangeID]*record.Record) ([]*stream.Record, error) {
	out := make([]*stream.Record, len(admitted))
	err := parallel(len(admitted), func(i int) error {
		d := admitted[i]
		doc := schemas.NewEventDocument(d.event, d.env, d.data(), d.record.Timestamp, e.conf.Namespace)
		r := folded[d.event.Change]
		if r == nil { // evidence that names no change: what its repository tells
			r = record.Fold(record.ChangeID(d.event.Repository)+"/commit/0", record.Facts{})
			r.Trail.Change.Repository = d.event.Repository
			place(r, e.conf.Policy, e.conf.Controls)
		} else {
			c := r.Trail.Change
			doc.Trail.Change = &schemas.EventChange{ID: c.ID, Number: c.Number, Kind: c.Kind, State: c.State, InitiatedBy: c.InitiatedBy}
		}
		doc.Tags, doc.Service = r.Tags, r.Service
		doc.Trail.Service, doc.Trail.Environment = r.Trail.Service, r.Trail.Environment
		if c := r.Trail.Control; c != nil { // what is missing is said of the change, once
			doc.Trail.Control = &record.ControlFacts{Tags: c.Tags, MatrixDigest: c.MatrixDigest}
		}
		value := e.room.append(4<<10+len(doc.Trail.Data)+len(doc.Trail.DataText), doc.Append)
		out[i] = &stream.Record{
			Topic: e.conf.Topics.Enriched(), Partition: d.record.Partition, Key: []byte(d.event.Repository), Value: value,
			Headers: headers(schemas.EventIndex(e.conf.Namespace), schemas.DocumentID(d.event), 0, d.event.Time, d.trace()),
		}
		return nil
	})
	for _, d := range admitted {
		e.metrics.count(enriched, d.event.Type)
	}
	return out, err
}

func headers(index, id string, version int64, at time.Time, traceparent []byte) []kgo.RecordHeader {
	h := make([]kgo.RecordHeader, 0, 5)
	h = append(h,
		kgo.RecordHeader{Key: stream.HeaderIndex, Value: []byte(index)},
		kgo.RecordHeader{Key: stream.HeaderID, Value: []byte(id)},
		kgo.RecordHeader{Key: stream.HeaderTime, Value: strconv.AppendInt(nil, at.UnixNano(), 10)},
	)
	if version > 0 {
		h = append(h, kgo.RecordHeader{Key: stream.HeaderVersion, Value: strconv.AppendInt(nil, version, 10)})
	}
	if traceparent != nil {
		h = append(h, kgo.RecordHeader{Key: stream.HeaderTrace, Value: traceparent})
	}
	return h
}

// reroute sends an event that came in under a foreign key to the partition of
// its repository: other clients choose partitions in other ways, and what is
// joined must lie in one.
func (e *Enricher) reroute(d *decodedEvent, home int32) *stream.Record {
	e.metrics.count(rerouted, d.event.Type)
	from := fmt.Sprintf("%s/%d/%d", d.record.Topic, d.record.Partition, d.record.Offset)
	return &stream.Record{
		Topic: d.record.Topic, Partition: home, Key: []byte(d.event.Repository), Value: d.record.Value,
		Headers: append(slices.Clone(d.record.Headers), kgo.RecordHeader{Key: stream.HeaderRerouted, Value: []byte(from)}),
	}
}

// refuse sends what cannot be taken in to the dead letters.
func (e *Enricher) refuse(d *decodedEvent) *stream.Record {
	e.metrics.refuse(d.refusal.Reason)
	e.conf.Log.Warn("event refused", "reason", string(d.refusal.Reason), "detail", d.refusal.Detail,
		"topic", d.record.Topic, "partition", d.record.Partition, "offset", d.record.Offset)
	return stream.DeadLetter(e.conf.Topics.DLQ(), "enricher", d.record, d.refusal.Reason, d.refusal.Detail, e.now())
}
