package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// txnTimeout bounds how long the death of a member can hold back the readers
// of what it wrote: until then its open transaction hides all that follows.
const txnTimeout = 15 * time.Second

// A Processor turns batches of events into messages, with state that a
// changelog topic keeps. Transform makes no two calls at the same time.
type Processor interface {
	// Position returns the changelog offset up to which the local store of a
	// partition is complete; 0 where it is empty. id names the changelog
	// topic's incarnation: a store of another one must be emptied first.
	Position(partition int32, id string) (int64, error)
	// Restore applies changelog records. next is the position after them.
	Restore(partition int32, recs []*Record, next int64) error
	// Apply returns the messages that follow from batch, state changes among
	// them, all with their partition set. The batch may be read again, perhaps
	// cut in other places: applying an event twice must be as applying it once.
	Apply(ctx context.Context, batch []*Record) ([]*Record, error)
	// Committed tells that what Apply returned last is now committed, with the
	// changelog positions after it. Only now the local store may change.
	Committed(next map[int32]int64) error
	// Release tells that partitions are no longer this member's.
	Release(partitions []int32)
	// Aborted tells that what Apply returned last never was.
	Aborted()
}

// A Transform reads the topic In, hands batches to its processor, and writes
// what comes back. The messages, the state changes and the offsets of the
// batch are committed in one transaction: a crash at any point leaves all of
// them or none.
type Transform struct {
	Config   Config
	Group    string
	Instance string // stable and unique among the members of Group; names the transactions
	In       string
	State    string // changelog topic; it has the partitions of In

	// Idle is how often the processor is called with an empty batch while nothing
	// comes, so that it may do what time has come for; never where 0.
	Idle time.Duration

	Processor   Processor
	MaxBatch    int           // records a transaction, 4000 where 0
	Linger      time.Duration // how long a batch may wait to fill
	Compression string        // of what is written: lz4 (where empty), zstd, snappy, gzip, none
	Log         *slog.Logger

	// Observe, if set, is told of each transaction, for metrics.
	Observe func(Transaction)

	mu sync.Mutex // held during calls of Processor
}

// A Transaction is what happened in one turn of a Transform.
type Transaction struct {
	Records   int
	Produced  int
	Committed bool
	Apply     time.Duration // within the processor
	Took      time.Duration
	Lag       map[int32]int64 // records of each partition still to be read
}

// Run transforms until ctx is done, which is no error. A transaction that
// fails is tried again, for ever and with growing pauses; what cannot get
// better, as a wrong configuration, is returned.
func (t *Transform) Run(ctx context.Context) error {
	if _, err := t.options(); err != nil {
		return err
	}
	pause := time.Second
	for {
		began := time.Now()
		err := t.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var fatal *fatalError
		if errors.As(err, &fatal) {
			return fatal.err
		}
		if time.Since(began) > time.Minute {
			pause = time.Second
		}
		t.Log.Warn("transaction session ended; a new one follows", "err", err, "pause", pause)
		select {
		case <-time.After(pause + rand.N(pause)):
		case <-ctx.Done():
			return nil
		}
		pause = min(2*pause, 30*time.Second)
	}
}

// A fatalError ends Run: to begin again would not help.
type fatalError struct{ err error }

func (e *fatalError) Error() string { return e.err.Error() }

func (t *Transform) options() ([]kgo.Opt, error) {
	opts, err := t.Config.options()
	if err != nil {
		return nil, err
	}
	codec, err := compression(t.Compression)
	if err != nil {
		return nil, err
	}
	return append(opts,
		kgo.TransactionalID(t.Group+"-"+t.Instance),
		kgo.TransactionTimeout(txnTimeout),
		kgo.InstanceID(t.Instance),
		kgo.SessionTimeout(30*time.Second),
		kgo.HeartbeatInterval(2*time.Second),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // ends of transactions, so that what is committed reaches the end of the topic
		kgo.ConsumerGroup(t.Group),
		kgo.ConsumeTopics(t.In),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxBytes(16<<20),
		kgo.FetchMaxWait(500*time.Millisecond),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(maxOutput-1024),
		kgo.ProducerBatchCompression(codec...),
		kgo.ProducerLinger(0),
	), nil
}

func compression(name string) ([]kgo.CompressionCodec, error) {
	switch name {
	case "", "lz4":
		return []kgo.CompressionCodec{kgo.Lz4Compression()}, nil
	case "zstd":
		return []kgo.CompressionCodec{kgo.ZstdCompression()}, nil
	case "snappy":
		return []kgo.CompressionCodec{kgo.SnappyCompression()}, nil
	case "gzip":
		return []kgo.CompressionCodec{kgo.GzipCompression()}, nil
	case "none":
		return []kgo.CompressionCodec{kgo.NoCompression()}, nil
	}
	return nil, fmt.Errorf("kafka: compression %q is none of lz4, zstd, snappy, gzip, none", name)
}

// session runs one transactional client until it fails or ctx is done.
func (t *Transform) session(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	opts, err := t.options()
	if err != nil {
		return &fatalError{err}
	}
	opts = append(opts, kgo.OnPartitionsAssigned(func(_ context.Context, cl *kgo.Client, gained map[string][]int32) {
		t.Log.Debug("partitions assigned, restoring state", "partitions", gained[t.In])
		if err := t.restoreAll(ctx, cl, gained[t.In]); err != nil {
			cancel(err)
		}
	}), kgo.OnPartitionsRevoked(t.released), kgo.OnPartitionsLost(t.released))
	s, err := kgo.NewGroupTransactSession(opts...)
	if err != nil {
		return &fatalError{fmt.Errorf("kafka: %w", err)}
	}
	defer s.Close()
	for {
		batch, seen, lag, err := t.poll(ctx, s)
		if ctx.Err() != nil {
			t.leave(s.Client())
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if !seen && t.Idle == 0 {
			continue
		}
		if err := t.step(ctx, s, batch, !seen, lag); err != nil {
			return err
		}
	}
}

func (t *Transform) released(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Processor.Release(lost[t.In])
}

// leave gives the partitions up at once. A member with a name of its own keeps
// them until its session times out, which is what a restart wants and a
// planned stop does not.
func (t *Transform) leave(cl *kgo.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if _, err := kadm.NewClient(cl).LeaveGroup(ctx, kadm.LeaveGroup(t.Group).InstanceIDs(t.Instance)); err != nil {
		t.Log.Info("could not leave the group; its partitions move when the session times out", "err", err)
	}
}

// poll gathers a batch: what is there, and what comes while it lingers. seen: there
// was something, be it only the end of a transaction.
func (t *Transform) poll(ctx context.Context, s *kgo.GroupTransactSession) (batch []*Record, seen bool, lag map[int32]int64, err error) {
	limit := t.MaxBatch
	if limit == 0 {
		limit = 4000
	}
	lag = make(map[int32]int64)
	take := func(f kgo.Fetches) error {
		f.EachPartition(func(p kgo.FetchTopicPartition) {
			for _, r := range p.Records {
				seen = true
				lag[p.Partition] = p.HighWatermark - r.Offset - 1
				if !r.Attrs.IsControl() {
					batch = append(batch, r)
				}
			}
		})
		var failed error
		f.EachError(func(topic string, p int32, err error) {
			if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
				failed = fmt.Errorf("kafka: read %s/%d: %w", topic, p, err)
			}
		})
		return failed
	}
	first, done := ctx, func() {}
	if t.Idle > 0 {
		first, done = context.WithTimeout(ctx, t.Idle)
	}
	err = take(s.PollRecords(first, limit))
	done()
	if err != nil || !seen || t.Linger == 0 {
		return batch, seen, lag, err
	}
	wait, cancel := context.WithTimeout(ctx, t.Linger)
	defer cancel()
	for len(batch) < limit && wait.Err() == nil {
		if err := take(s.PollRecords(wait, limit-len(batch))); err != nil {
			return batch, seen, lag, err
		}
	}
	return batch, seen, lag, nil
}

// step is one transaction. Once begun it is ended, even when ctx is done: left
// open it would hide what follows from all readers until it times out.
func (t *Transform) step(ctx context.Context, s *kgo.GroupTransactSession, batch []*Record, idle bool, lag map[int32]int64) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), txnTimeout)
	defer cancel()
	if err := s.Begin(); err != nil {
		return fmt.Errorf("kafka: begin transaction: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []*Record
	var applyErr error
	if idle || len(batch) > 0 {
		out, applyErr = t.Processor.Apply(ctx, batch)
	}
	applied := time.Since(began)
	next := make(map[int32]int64)
	var produceErr error
	if applyErr == nil {
		next, produceErr = t.produce(ctx, s, out)
	}
	committed, endErr := s.End(ctx, kgo.TransactionEndTry(applyErr == nil && produceErr == nil))
	if t.Observe != nil && (!idle || len(out) > 0) {
		t.Observe(Transaction{len(batch), len(out), committed, applied, time.Since(began), lag})
	}
	if !committed || endErr != nil {
		t.Processor.Aborted()
		if applyErr != nil {
			return &fatalError{applyErr}
		}
		if endErr != nil {
			return fmt.Errorf("kafka: end transaction: %w", errors.Join(produceErr, endErr))
		}
		t.Log.Info("transaction aborted; its batch is read again", "records", len(batch), "err", produceErr)
		return nil
	}
	if len(batch)+len(out) == 0 {
		return nil
	}
	if err := t.Processor.Committed(next); err != nil {
		return &fatalError{err}
	}
	return nil
}

// produce writes out and returns the changelog positions after it.
func (t *Transform) produce(ctx context.Context, s *kgo.GroupTransactSession, out []*Record) (map[int32]int64, error) {
	next := make(map[int32]int64)
	var mu sync.Mutex
	var first error
	var wg sync.WaitGroup
	wg.Add(len(out))
	for _, r := range out {
		s.Produce(ctx, r, func(r *Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil && first == nil {
				first = fmt.Errorf("kafka: write to %s/%d: %w", r.Topic, r.Partition, err)
			}
			if err == nil && r.Topic == t.State {
				next[r.Partition] = max(next[r.Partition], r.Offset+1)
			}
			wg.Done()
		})
	}
	if len(out) > 0 {
		wg.Wait()
	}
	return next, first
}
