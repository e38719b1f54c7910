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
	// A panic, and an error that wraps a [BadRecord], are the fault of a record
	// of the batch; any other error ends the Transform.
	Apply(ctx context.Context, batch []*Record) ([]*Record, error)
	// Refuse returns the dead letter of a record that Apply can never take, and
	// why. It changes no state. A transaction calls it for each such record,
	// after Apply, or alone where the batch holds nothing else.
	Refuse(ctx context.Context, r *Record, reason string) ([]*Record, error)
	// Committed tells that what Apply and Refuse returned last is now committed,
	// with the changelog positions after it. Only now the local store may change.
	Committed(next map[int32]int64) error
	// Release tells that partitions are no longer this member's.
	Release(partitions []int32)
	// Aborted tells that what Apply and Refuse returned last never was. It comes
	// after a panic of theirs too.
	Aborted()
}

// A Transform reads the topic In, hands batches to its processor, and writes
// what comes back. The messages, the state changes and the offsets of the
// batch are committed in one transaction: a crash at any point leaves all of
// them or none.
//
// A record that can never be processed stops nothing: it is found, refused, and
// all else goes on. See [BadRecord].
type Transform struct {
	Config   Config
	Group    string
	Instance string // stable and unique among the members of Group; names the transactions
	In       string
	State    string // changelog topic; it has the partitions of In

	// Idle is how often the processor is called with an empty batch, so that it may do what
	// time has come for, be there something to read or not; never where 0.
	Idle time.Duration

	Processor   Processor
	MaxBatch    int           // records a transaction, 4000 where 0
	Linger      time.Duration // how long a batch may wait to fill
	Compression string        // of what is written: lz4 (where empty), zstd, snappy, gzip, none
	Log         *slog.Logger

	// Observe, if set, is told of each transaction, for metrics.
	Observe func(Transaction)

	mu       sync.Mutex // held during calls of Processor
	owned    []int32
	paused   []int32 // of owned, while one of the others is searched
	search   search
	idleRest rest
	lastIdle time.Time // of an empty batch while there was something to read

	lostMu sync.Mutex
	lost   []int32 // partitions that the processor is still to be told of
	moved  bool    // partitions were lost since the last transaction
}

// A Transaction is what happened in one turn of a Transform.
type Transaction struct {
	Records   int
	Produced  int
	Refused   int // of Records, handed to Refuse
	Committed bool
	Failed    bool          // aborted for a reason that the same records always meet
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
	return nil, fmt.Errorf("kafka: compression %q is none of lz4, zstd, snappy, gzip, none", name)
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
		t.gained(gained[t.In])
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
		if !seen && (t.Idle == 0 || t.idleRest.on()) {
			continue
		}
		if err := t.step(ctx, s, batch, !seen, lag); err != nil {
			var fatal *fatalError
			if errors.As(err, &fatal) { // no session follows that would go on with the partitions
				t.leave(s.Client())
			}
			return err
		}
		if seen && t.due() { // what time has come for is in a transaction of its own
			if err := t.step(ctx, s, nil, true, lag); err != nil {
				return err
			}
		}
	}
}

// due reports whether the processor is to be called with an empty batch although there
// is something to read.
func (t *Transform) due() bool {
	_, searching := t.search.suspect()
	if t.Idle == 0 || searching || t.idleRest.on() || time.Since(t.lastIdle) < t.Idle {
		return false
	}
	t.lastIdle = time.Now()
	return true
}

// begin forgets what the client of a former session read.
func (t *Transform) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.owned, t.paused = nil, nil
}

func (t *Transform) gained(partitions []int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.release()
	t.owned = append(t.owned, partitions...)
}

// released takes note of partitions that were lost. It does not wait for the
// transaction at hand, which may be about to end: the session calls it under the
// lock that the end of a transaction needs.
func (t *Transform) released(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	t.lostMu.Lock()
	defer t.lostMu.Unlock()
	t.lost = append(t.lost, lost[t.In]...)
	t.moved = true
}

// release tells the processor of lost partitions. The caller holds mu.
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
