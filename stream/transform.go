package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// txnTimeout bounds how long a member that dies can delay the readers of its output: until then its
// open transaction hides all later messages.
const txnTimeout = 15 * time.Second

// A Processor turns batches of events into messages, and keeps state in a changelog topic.
// Transform never makes two calls at the same time.
type Processor interface {
	// Position returns the changelog offset up to which the local store of a partition is complete;
	// 0 if the store is empty. id identifies the changelog topic: the store of a topic with another
	// id must be emptied first.
	Position(partition int32, id string) (int64, error)
	// Restore applies changelog records. next is the position after them.
	Restore(partition int32, recs []*Record, next int64) error
	// Apply returns the messages that follow from batch, including state changes, all with their
	// partition set. The batch may be read again, perhaps divided differently: applying an event
	// twice must have the same result as applying it once. A panic, or an error that wraps a
	// [BadRecord], is the fault of a record of the batch; any other error ends the Transform.
	Apply(ctx context.Context, batch []*Record) ([]*Record, error)
	// Refuse returns the dead letter of a record that Apply can never process, with the reason. It
	// changes no state. A transaction calls it for each such record, after Apply, or alone if the
	// batch contains nothing else.
	Refuse(ctx context.Context, r *Record, reason string) ([]*Record, error)
	// Committed reports that the last results of Apply and Refuse are now committed, with the
	// changelog positions after them. Only now may the local store change.
	Committed(next map[int32]int64) error
	// Release reports that this member no longer owns the partitions.
	Release(partitions []int32)
	// Aborted reports that the last results of Apply and Refuse were discarded. It is also called
	// after a panic in them.
	Aborted()
}

// A Transform reads the topic In, passes batches to its processor, and writes what the processor
// returns. The messages, the state changes and the offsets of the batch are committed in one
// transaction: after a crash at any point all of them exist or none.
//
// A record that can never be processed does not block others: it is found and refused, and the
// others are processed. See [BadRecord].
type Transform struct {
	Config   Config
	Group    string
	Instance string // stable and unique among the members of Group; names the transactions
	In       string
	State    string // changelog topic; it has as many partitions as In. Empty: the processor has no state

	// Idle is how often the processor is called with an empty batch, so that it can do scheduled
	// work even while events arrive; 0 means never.
	Idle time.Duration

	Processor   Processor
	MaxBatch    int           // records per transaction, 4000 if 0
	Linger      time.Duration // how long a batch may wait to fill
	Compression string        // of the output: lz4 (the default), zstd, snappy, gzip, none
	Log         *slog.Logger

	// Observe, if set, is called after each transaction, for metrics.
	Observe func(Transaction)

	mu       sync.Mutex // held during calls of Processor
	owned    []int32
	paused   []int32 // those of owned that are paused while another one is searched
	search   search
	idleRest rest
	lastIdle time.Time // when an empty batch was last processed while there were records to read

	lostMu sync.Mutex
	lost   []int32 // partitions that the processor has not released yet
	moved  bool    // partitions were lost since the last transaction
}

// A Transaction describes one turn of a Transform.
type Transaction struct {
	Records   int
	Produced  int
	Refused   int // how many of Records went to Refuse
	Committed bool
	Failed    bool          // aborted for a reason that recurs with the same records
	Apply     time.Duration // within the processor
	Took      time.Duration
	Lag       map[int32]int64 // unread records of each partition
}

// Run transforms until ctx is done, which is not an error. A transaction that fails is tried again,
// for ever and with growing pauses. An error that cannot go away by itself, such as a wrong
// configuration, is returned.
func (t *Transform) Run(ctx context.Context) error {
	if _, err := t.options(); err != nil {
		return err
	}
	t.search = newSearch(cmp.Or(t.MaxBatch, 4000))
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

// A fatalError ends Run: trying again would not help.
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
		kgo.ProducerBatchMaxBytes(maxBatchBytes),
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
	return nil, fmt.Errorf("kafka: unknown compression %q; use one of lz4, zstd, snappy, gzip, none", name)
}

// session runs one transactional client until it fails or ctx is done.
func (t *Transform) session(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t.begin()
	opts, err := t.options()
	if err != nil {
		return &fatalError{err}
	}
	opts = append(opts, kgo.OnPartitionsAssigned(func(_ context.Context, cl *kgo.Client, gained map[string][]int32) {
		t.Log.Debug("partitions assigned, restoring state", "partitions", gained[t.In])
		if err := t.restoreAll(ctx, cl, gained[t.In]); err != nil {
			cancel(err)
		}
		t.assigned(gained[t.In])
	}), kgo.OnPartitionsRevoked(t.released), kgo.OnPartitionsLost(t.released))
	s, err := kgo.NewGroupTransactSession(opts...)
	if err != nil {
		return &fatalError{fmt.Errorf("kafka: %w", err)}
	}
	defer s.Close()
	for {
		batch, seen, lag, err := t.poll(ctx, s)
		if ctx.Err() != nil {
			t.leaveGroup(s.Client())
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if !seen && (t.Idle == 0 || t.idleRest.on()) {
			continue
		}
		if err := t.step(ctx, s, input{batch, !seen, lag}); err != nil {
			var fatal *fatalError
			if errors.As(err, &fatal) { // no later session will use the partitions
				t.leaveGroup(s.Client())
			}
			return err
		}
		if seen && t.due() { // scheduled work gets its own transaction
			if err := t.step(ctx, s, input{idle: true, lag: lag}); err != nil {
				return err
			}
		}
	}
}

// due reports whether the processor must be called with an empty batch although there are records
// to read.
func (t *Transform) due() bool {
	_, searching := t.search.suspect()
	if t.Idle == 0 || searching || t.idleRest.on() || time.Since(t.lastIdle) < t.Idle {
		return false
	}
	t.lastIdle = time.Now()
	return true
}

// begin clears what the client of a former session read.
func (t *Transform) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.owned, t.paused = nil, nil
}

func (t *Transform) assigned(partitions []int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.release()
	t.owned = append(t.owned, partitions...)
}

// released notes that partitions were lost. It does not wait for the current transaction, which may
// be about to end: the session calls it under the lock that the end of a transaction needs.
func (t *Transform) released(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	t.lostMu.Lock()
	defer t.lostMu.Unlock()
	t.lost = append(t.lost, lost[t.In]...)
	t.moved = true
}

// release informs the processor of lost partitions. The caller holds mu.
func (t *Transform) release() {
	t.lostMu.Lock()
	lost := t.lost
	t.lost = nil
	t.lostMu.Unlock()
	if len(lost) == 0 {
		return
	}
	gone := func(p int32) bool { return slices.Contains(lost, p) }
	t.owned = slices.DeleteFunc(t.owned, gone)
	t.search.release(gone)
	t.Processor.Release(lost)
}

// leaveGroup gives the partitions up at once. Otherwise a member with a stable name keeps them
// until its session times out, which a restart wants and a planned stop does not.
func (t *Transform) leaveGroup(cl *kgo.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if _, err := kadm.NewClient(cl).LeaveGroup(ctx, kadm.LeaveGroup(t.Group).InstanceIDs(t.Instance)); err != nil {
		t.Log.Info("could not leave the group; its partitions move when the session times out", "err", err)
	}
}
