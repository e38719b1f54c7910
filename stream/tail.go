package stream

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A Tail follows all partitions of a topic. It passes on what a transaction wrote to a partition as
// a whole, once the transaction is committed: whoever reads what was passed on never sees a part of
// a transaction. A message that no transaction wrote is passed on at once.
type Tail struct {
	Config Config
	Topic  string
	// Position returns the offset up to which a partition was already read; id identifies the topic:
	// one that was deleted and created again has another id.
	Position func(partition int32, id string) (int64, error)
	// Apply takes committed messages of a partition, in order. next is the offset after them. Run
	// never makes two calls at the same time.
	Apply func(partition int32, recs []*Record, next int64) error

	mu      sync.Mutex
	applied map[int32]int64
	changed chan struct{} // closed when applied changes
	failed  error
}

// Run follows the topic until ctx is done or something fails.
func (t *Tail) Run(ctx context.Context) error {
	err := t.run(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = err
	if err == nil {
		t.failed = context.Canceled
	}
	t.signal()
	return err
}

func (t *Tail) run(ctx context.Context) error {
	from, ends, err := t.begin(ctx)
	if err != nil {
		return err
	}
	opts, err := t.Config.options()
	if err != nil {
		return err
	}
	offsets := make(map[int32]kgo.Offset, len(from))
	for p, at := range from {
		offsets[p] = kgo.NewOffset().At(at)
	}
	cl, err := kgo.NewClient(append(opts,
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // the ends of transactions
		kgo.FetchMaxBytes(16<<20),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{t.Topic: offsets}),
	)...)
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	defer cl.Close()
	open := make(map[int32][]*Record) // of each partition, what a transaction wrote that has no end yet
	for {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		for _, e := range fetches.Errors() {
			return fmt.Errorf("kafka: follow %s/%d: %w", t.Topic, e.Partition, e.Err)
		}
		for it := fetches.RecordIter(); !it.Done(); {
			r := it.Next()
			end := r.Attrs.IsControl()
			if !end {
				open[r.Partition] = append(open[r.Partition], r)
			}
			// Compaction removes the ends of old transactions. What was stable when Run began belongs
			// to transactions that had ended.
			if end || !r.Attrs.IsTransactional() || r.Offset+1 == ends[r.Partition] {
				if err := t.apply(r.Partition, open[r.Partition], r.Offset+1); err != nil {
					return err
				}
				open[r.Partition] = nil
			}
		}
	}
}

// begin returns the positions from which the partitions are read, and their stable ends.
func (t *Tail) begin(ctx context.Context) (from, ends map[int32]int64, err error) {
	a, err := NewAdmin(t.Config)
	if err != nil {
		return nil, nil, err
	}
	defer a.Close()
	details, err := a.adm.ListTopics(ctx, t.Topic)
	if err != nil {
		return nil, nil, explain(err)
	}
	d := details[t.Topic]
	if d.Err != nil {
		return nil, nil, fmt.Errorf("kafka: topic %s: %w; run changetrail setup", t.Topic, d.Err)
	}
	starts, err1 := a.adm.ListStartOffsets(ctx, t.Topic)
	stable, err2 := a.adm.ListCommittedOffsets(ctx, t.Topic)
	if err := errors.Join(err1, err2, starts.Error(), stable.Error()); err != nil {
		return nil, nil, explain(err)
	}
	from, ends = make(map[int32]int64), make(map[int32]int64)
	for p := range d.Partitions {
		at, err := t.Position(p, hex.EncodeToString(d.ID[:]))
		if err != nil {
			return nil, nil, err
		}
		first, _ := starts.Lookup(t.Topic, p)
		end, _ := stable.Lookup(t.Topic, p)
		if at > end.Offset {
			return nil, nil, fmt.Errorf("kafka: the local copy of %s/%d is at offset %d, but the stream ends at %d: the topic was truncated; delete the copy", t.Topic, p, at, end.Offset)
		}
		from[p], ends[p] = max(at, first.Offset), end.Offset
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.applied, t.failed = make(map[int32]int64), nil
	for p, at := range from {
		t.applied[p] = at
	}
	t.signal()
	return from, ends, nil
}

func (t *Tail) apply(partition int32, recs []*Record, next int64) error {
	if err := t.Apply(partition, recs, next); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.applied[partition] = next
	t.signal()
	return nil
}

// signal wakes all who wait. The caller holds mu.
func (t *Tail) signal() {
	if t.changed != nil {
		close(t.changed)
	}
	t.changed = make(chan struct{})
}

// Wait returns once everything before an offset of a partition was applied. It fails if ctx is done
// or Run ended before that.
func (t *Tail) Wait(ctx context.Context, partition int32, offset int64) error {
	for {
		t.mu.Lock()
		if t.changed == nil {
			t.changed = make(chan struct{})
		}
		at, changed, failed := t.applied[partition], t.changed, t.failed
		known := t.applied != nil
		t.mu.Unlock()
		switch {
		case known && at >= offset:
			return nil
		case failed != nil:
			return fmt.Errorf("%s is not followed any more: %w", t.Topic, failed)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s/%d is read up to offset %d, not yet up to %d: %w", t.Topic, partition, at, offset, context.Cause(ctx))
		}
	}
}

// Ends are the offsets after the newest messages of the partitions of topics, committed or not.
type Ends map[string]map[int32]int64

// Ends returns the ends of topics.
func (a *Admin) Ends(ctx context.Context, topics ...string) (Ends, error) {
	listed, err := a.adm.ListEndOffsets(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("kafka: ends of topics: %w", explain(err))
	}
	out := make(Ends)
	listed.Each(func(o kadm.ListedOffset) {
		if o.Err != nil {
			err = fmt.Errorf("kafka: end of %s/%d: %w", o.Topic, o.Partition, o.Err)
			return
		}
		if out[o.Topic] == nil {
			out[o.Topic] = make(map[int32]int64)
		}
		out[o.Topic][o.Partition] = o.Offset
	})
	return out, err
}
