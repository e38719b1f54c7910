package enricher

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

// A Rebuilt is the result of a rebuild.
type Rebuilt struct {
	Events  int64        `json:"events"`  // read again
	Refused int64        `json:"refused"` // events that cannot be read; each has a dead letter
	Records int64        `json:"records"` // made again
	Changed []Difference `json:"changed"` // records with another content
}

// A Difference is one record with another content, and what differs in it.
type Difference struct {
	Change record.ChangeID `json:"change"`
	What   []string        `json:"what"`
}

// Rebuild makes all records again from the events that Kafka still has, with the readers of this
// release and the recorded policies and matrices. It sends a new revision of each record whose
// content differs. The indexes stay the same and can be searched all the time. No enricher may
// run meanwhile: the events that they would read wait.
//
// Facts in the state whose events are no longer kept stay in the state. With dryRun nothing is
// written. A rebuild that was stopped halfway does no harm: begin again.
func Rebuild(ctx context.Context, c Config, dryRun bool, progress func(done, partitions int32)) (Rebuilt, error) {
	b, end, err := newRebuild(ctx, c, dryRun)
	if err != nil {
		return Rebuilt{}, err
	}
	defer end()
	read, err := b.admin.Committed(ctx, Group(c.Topics), c.Topics.Events())
	if err != nil {
		return Rebuilt{}, err
	}
	for p := range b.partitions {
		until, known := read[p]
		if !known { // Kafka forgets the offsets of a group that was away for long
			until = -1
		}
		if err := b.partition(ctx, p, until); err != nil {
			return b.Rebuilt, fmt.Errorf("partition %d: %w", p, err)
		}
		progress(p+1, b.partitions)
	}
	return b.Rebuilt, nil
}

// newRebuild returns a rebuild of topics for which no enricher is running, and a function that
// ends it.
func newRebuild(ctx context.Context, c Config, dryRun bool) (b *rebuild, end func(), err error) {
	b = &rebuild{Config: c, memory: newMemory(c.Memory), sealer: &Enricher{conf: c, arena: new(arena)}}
	if b.partitions, err = stream.Partitions(ctx, c.Kafka, c.Topics); err != nil {
		return nil, nil, err
	}
	b.partitioner = stream.NewPartitioner(b.partitions)
	if b.admin, err = stream.NewAdmin(c.Kafka); err != nil {
		return nil, nil, err
	}
	if err := b.alone(ctx); err != nil {
		b.admin.Close()
		return nil, nil, err
	}
	if err := b.readRules(ctx, dryRun); err != nil {
		b.admin.Close()
		return nil, nil, err
	}
	if dryRun {
		b.write = func([]*stream.Record) error { return nil }
		return b, b.admin.Close, nil
	}
	w, err := stream.NewTransactionWriter(ctx, c.Kafka, Group(c.Topics)+"-rebuild")
	if err != nil {
		b.admin.Close()
		return nil, nil, err
	}
	b.write = func(recs []*stream.Record) error {
		if err := b.alone(ctx); err != nil {
			return err
		}
		return w.Append(ctx, recs)
	}
	return b, func() { w.Close(); b.admin.Close() }, nil
}

// readRules reads the recorded policies and matrices, and records the current ones if they
// differ.
func (b *rebuild) readRules(ctx context.Context, dryRun bool) (err error) {
	b.now = time.Now()
	if dryRun {
		if b.rules, _, err = ReadRules(ctx, b.Kafka, b.Topics); err == nil {
			b.rules, err = b.rules.with(b.Config, b.now)
		}
		return err
	}
	b.rules, _, err = b.recordRules(ctx, time.Now)
	return err
}

// alone returns an error if enrichers are running.
func (b *rebuild) alone(ctx context.Context) error {
	_, members, err := b.admin.Group(ctx, Group(b.Topics))
	if err == nil && members > 0 {
		err = fmt.Errorf("%d %w; stop them first (one that died is removed after 30 s). Searching still works meanwhile, and events wait", members, errBusy)
	}
	return err
}

var errBusy = errors.New("enrichers run")

type rebuild struct {
	Config
	Rebuilt
	admin       *stream.Admin
	rules       Rules
	now         time.Time
	partitions  int32
	partitioner *stream.Partitioner
	sealer      *Enricher // its arena holds the revisions of one transaction
	memory      *memory
	write       func([]*stream.Record) error
}

// partition rebuilds one partition, up to where the enrichers have read.
func (b *rebuild) partition(ctx context.Context, p int32, until int64) error {
	dir := filepath.Join(b.StateDir, "rebuild")
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // the next rebuild removes what is left
	former, err := openStore(filepath.Join(dir, "former"))
	if err != nil {
		return err
	}
	defer func() { _ = former.close() }() // its folder is removed
	fresh, err := openStore(filepath.Join(dir, "fresh"))
	if err != nil {
		return err
	}
	defer func() { _ = fresh.close() }()

	if err := b.readFormer(ctx, p, former); err != nil {
		return err
	}
	if err := b.upgrade(p, former); err != nil {
		return err
	}
	state, err := newProjection(fresh)
	if err != nil {
		return err
	}
	if err := state.copyNames(p, former); err != nil {
		return err
	}
	start, err := b.Kafka.Partition(b.Topics.Events(), p).Scan(ctx, until, func(recs []*stream.Record) error { return b.admit(ctx, p, state, recs) })
	if err != nil {
		return err
	}
	if start > 0 { // events were deleted: only the state contains what they said
		if err := carryOver(p, former, state); err != nil {
			return err
		}
	}
	return (&replacement{rebuild: b, partition: p, former: former, state: state, whole: start == 0}).send(ctx)
}

// readFormer reads the current state from the changelog.
func (b *rebuild) readFormer(ctx context.Context, p int32, former *store) error {
	_, err := b.Kafka.Partition(b.Topics.State(), p).Scan(ctx, -1, func(recs []*stream.Record) error {
		entries, err := unbundle(p, recs)
		if err != nil {
			return err
		}
		return former.write(entries, nil)
	})
	return err
}

func (b *rebuild) admit(ctx context.Context, p int32, state *projection, recs []*stream.Record) error {
	from := source{b.reader(), b.Blobs}
	decoded := decodedOf(recs, nil)
	b.memory.begin()
	err := parallel(len(recs), func(i int) error {
		return b.memory.decode(ctx, &decoded[i], from, len(recs))
	})
	if half := len(recs) / 2; errors.Is(err, stream.ErrTooMuch) {
		if err := b.admit(ctx, p, state, recs[:half]); err != nil {
			return err
		}
		return b.admit(ctx, p, state, recs[half:])
	}
	if err != nil {
		return err
	}
	var events []*decodedEvent
	for i := range decoded {
		d := &decoded[i]
		if d.refusal != nil {
			b.Events++
			b.Refused++
			continue
		}
		if d.event.Repository == "" {
			continue // a pending event: these stay as they are
		}
		here, err := b.readHere(p, state, d)
		if err != nil {
			return err
		}
		if !here {
			continue // it was sent on, and is read where it arrived
		}
		b.Events++
		events = append(events, d)
	}
	return b.admitAll(p, state, events)
}

// admitAll adds events. An event that cannot be processed has a dead letter, and is left out.
func (b *rebuild) admitAll(p int32, state *projection, events []*decodedEvent) error {
	for i, d := range events {
		err := guarded(func(int) error {
			if f, ok := d.event.Fact.(*record.RepositoryNamed); ok {
				return state.handleMoved(arrival{partition: p, at: d.arrived}, f, false)
			}
			if _, err := state.admit(arrival{partition: p, at: d.record.Timestamp}, d.event); err != nil {
				return blamed(err)
			}
			_, err := state.learnNames(p, d.event)
			return err
		}, i)
		var bad *stream.BadRecord
		if errors.As(err, &bad) {
			b.Refused++
			b.Log.Error("an event cannot be processed and is left out", "partition", p, "offset", d.record.Offset, "reason", bad.Reason)
			state.rollback() // it may have added a part of the event
			return b.admitAll(p, state, slices.Delete(events, i, i+1))
		}
		if err != nil {
			return err
		}
	}
	return state.keep()
}

// keep settles the transaction and writes it to the store.
func (p *projection) keep() error {
	if err := p.settle(); err != nil {
		return err
	}
	entries, err := p.entries()
	if err != nil {
		return err
	}
	if err := p.commit(entries, nil); err != nil {
		return err
	}
	p.tx.arena.reset()
	return nil
}

// flush keeps the transaction once it is large.
func (p *projection) flush() error {
	if len(p.tx.entries) < 4000 && p.tx.bytes < 16<<20 {
		return nil
	}
	return p.keep()
}

// ofHead returns the change with the head x.
func (p *projection) ofHead(partition int32, x entry) (*changeState, error) {
	head := new(changeState)
	if err := head.decodeHead(x.value); err != nil {
		return nil, err
	}
	return p.change(partition, head.id)
}

// A replacement replaces the former state of one partition by the fresh one.
type replacement struct {
	*rebuild
	partition int32
	former    *store
	state     *projection // the fresh one
	whole     bool        // all events were read

	before *projection // of the former state
	sent   map[record.ChangeID]*record.Record
	out    *outbox
}

// send writes the fresh state over the former one, and the records whose content differs. If all
// events were read, it deletes what is only in the former state.
func (b *replacement) send(ctx context.Context) (err error) {
	p := b.partition
	if b.sent, err = b.lastSent(ctx, p); err != nil {
		return err
	}
	b.out = &outbox{write: func(recs []*stream.Record) error {
		defer b.sealer.arena.reset()
		return b.write(recs)
	}}
	if b.before, err = newProjection(b.former); err != nil {
		return err
	}
	for x, err := range b.state.store.each(prefixOf(p, kindHead), prefixOf(p, kindHead+1)) {
		if err != nil {
			return err
		}
		err = guarded(func(int) error { return b.change(x) }, 0)
		var bad *stream.BadRecord
		if errors.As(err, &bad) {
			b.Log.Error("a record cannot be made again and stays as it is", "partition", p, "reason", bad.Reason)
			continue
		}
		if err != nil {
			return err
		}
	}
	if err := b.sendState(); err != nil {
		return err
	}
	return b.out.flush()
}

// sendState writes the entries that differ. If all events were read, it deletes those that no event
// supports. A message of the changelog may contain several facts and
// refs: if one of them differs, all are written, each as a message of its own.
func (b *replacement) sendState() error {
	p, former, fresh := b.partition, b.former, b.state.store
	all, err := bundlesDiffer(p, former, fresh, b.whole)
	if err != nil {
		return err
	}
	for x, err := range fresh.each(ownKey(p, ""), ownKey(p+1, "")) {
		if err != nil {
			return err
		}
		if !rebuilt(x) {
			continue
		}
		known, err := former.holds(x)
		if err != nil {
			return err
		}
		if !known || all && (x.key[4] == kindFact || x.key[4] == kindRef) {
			if err := b.out.put(b.entry(x.key, slices.Clone(x.value))); err != nil {
				return err
			}
		}
	}
	if !b.whole {
		return nil
	}
	return b.deleteRest()
}

// bundlesDiffer reports whether entries that may be in bundles must be written or deleted.
func bundlesDiffer(p int32, former, fresh *store, whole bool) (bool, error) {
	for _, kind := range []byte{kindFact, kindRef} {
		differ, err := fresh.beyond(former, p, kind)
		if err == nil && !differ && whole {
			differ, err = former.beyond(fresh, p, kind)
		}
		if differ || err != nil {
			return differ, err
		}
	}
	return false, nil
}

// beyond reports whether s has entries of a kind, made from events, that other lacks.
func (s *store) beyond(other *store, p int32, kind byte) (bool, error) {
	for x, err := range s.each(prefixOf(p, kind), prefixOf(p, kind+1)) {
		if err != nil {
			return false, err
		}
		if !rebuilt(x) {
			continue
		}
		if known, err := other.holds(x); !known || err != nil {
			return err == nil, err
		}
	}
	return false, nil
}

// deleteRest deletes the entries that no event supports.
func (b *replacement) deleteRest() error {
	for x, err := range b.former.each(ownKey(b.partition, ""), ownKey(b.partition+1, "")) {
		if err != nil {
			return err
		}
		if !rebuilt(x) {
			continue
		}
		have, err := b.state.store.get(x.key)
		if err != nil {
			return err
		}
		if have == nil {
			if err := b.out.put(b.entry(x.key, nil)); err != nil {
				return err
			}
		}
	}
	return nil
}

// rebuilt reports whether an entry is made from the events of repositories. Pending events, and
// entries that do not belong to a change or repository, stay as they are.
func rebuilt(x entry) bool {
	if len(x.key) < prefixSize {
		return false
	}
	switch x.key[4] {
	case kindHead, kindGaps:
		return false // without its revision a change would begin again at the first one
	case kindFact:
		return len(x.value) > 0 && x.value[0] != classWaiting && x.value[0] != classSpan
	case kindRef:
		return x.key[prefixSize:prefixSize+1] != refSubscriber || len(x.value) == 0 // the entry of a run has the time at which it was named
	case kindOpen, kindSettled, kindRead, kindDue:
		return false
	}
	return true
}

func (b *rebuild) entry(k key, value []byte) *stream.Record {
	p, own := partitionOf(k)
	return &stream.Record{Topic: b.Topics.State(), Partition: p, Key: []byte(own), Value: value}
}

// change folds one change again, and sends the record and its head if they differ.
func (b *replacement) change(x entry) error {
	c, err := b.state.ofHead(b.partition, x)
	if err != nil {
		return err
	}
	defer b.state.rollback() // nothing else is changed
	old, err := b.before.change(b.partition, c.id)
	if err != nil {
		return err
	}
	defer b.before.rollback()
	if !old.firstSeen.IsZero() {
		c.firstSeen, c.revision, c.digest, c.gaps = old.firstSeen, old.revision, old.digest, old.gaps
	}
	f, err := b.state.find(c)
	if err != nil {
		return err
	}
	b.Records++
	r := fold(c.id, f, b.rules, b.now)
	var out []*stream.Record
	if rec := b.sealer.revision(c, r, &touch{partition: b.partition, newest: r.Timestamp}); rec != nil {
		b.Changed = append(b.Changed, Difference{c.id, differences(b.sent[c.id], r)})
		out = append(out, rec)
	}
	for _, x := range c.sentSince(old) {
		out = append(out, b.entry(x.key, x.value))
	}
	if x, waits := dueOf(c, r); waits {
		out = append(out, b.entry(x.key, x.value))
	}
	return b.out.put(out...)
}

// lastSent returns the newest revision of each record of a partition, reduced to what
// [differences] compares.
func (b *rebuild) lastSent(ctx context.Context, p int32) (map[record.ChangeID]*record.Record, error) {
	out := make(map[record.ChangeID]*record.Record)
	_, err := b.Kafka.Partition(b.Topics.Records(), p).Scan(ctx, -1, func(recs []*stream.Record) error {
		for _, m := range recs {
			var r record.Record
			if err := json.Unmarshal(m.Value, &r); err != nil {
				return fmt.Errorf("%s: offset %d: %w", m.Topic, m.Offset, err)
			}
			brief := &record.Record{Tags: r.Tags}
			brief.Trail.Answers, brief.Trail.Gaps, brief.Trail.Service = r.Trail.Answers, r.Trail.Gaps, r.Trail.Service
			brief.Trail.Authorization, brief.Trail.Validation = r.Trail.Authorization, r.Trail.Validation
			out[record.ChangeID(m.Key)] = brief
		}
		return nil
	})
	return out, err
}
