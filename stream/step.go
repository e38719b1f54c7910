package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// suspectWait is how long a suspect may have nothing to read before the other partitions are
	// read again.
	suspectWait = 5 * time.Second
	// maxReason bounds the reason in a dead letter.
	maxReason = 4 << 10
)

// poll collects a batch: the records that are there, and those that arrive while it lingers. seen
// reports whether anything was read, even if only the end of a transaction.
func (t *Transform) poll(ctx context.Context, s *kgo.GroupTransactSession) (batch []*Record, seen bool, lag map[int32]int64, err error) {
	suspect, searching, limit := t.focus(s.Client())
	lag = make(map[int32]int64)
	add := func(f kgo.Fetches) error {
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
	switch {
	case searching:
		first, done = context.WithTimeout(ctx, suspectWait)
	case t.Idle > 0:
		first, done = context.WithTimeout(ctx, t.Idle)
	}
	err = add(s.PollRecords(first, limit))
	done()
	if searching && !seen {
		t.giveUp(suspect)
	}
	if err != nil || !seen || searching || t.Linger == 0 {
		return batch, seen, lag, err
	}
	wait, cancel := context.WithTimeout(ctx, t.Linger)
	defer cancel()
	for len(batch) < limit && wait.Err() == nil {
		if err := add(s.PollRecords(wait, limit-len(batch))); err != nil {
			return batch, seen, lag, err
		}
	}
	return batch, seen, lag, nil
}

// focus makes the client read only the suspect, or all partitions if there is none. It returns the
// suspect and how many records to read.
func (t *Transform) focus(cl *kgo.Client) (suspect int32, searching bool, limit int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.release()
	var others []int32
	if suspect, searching = t.search.suspect(); searching {
		others = slices.DeleteFunc(slices.Clone(t.owned), func(p int32) bool { return p == suspect })
	}
	if !slices.Equal(others, t.paused) {
		cl.ResumeFetchPartitions(map[string][]int32{t.In: t.paused})
		if len(others) > 0 {
			cl.PauseFetchPartitions(map[string][]int32{t.In: others})
		}
		t.paused = others
	}
	return suspect, searching, t.search.limit
}

func (t *Transform) giveUp(suspect int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.search.giveUp(suspect)
}

// An input is what one transaction processes.
type input struct {
	batch []*Record
	idle  bool            // the batch is empty: scheduled work is due
	lag   map[int32]int64 // by partition
}

// step runs one transaction. Once begun, the transaction is ended even when ctx is done: an open
// one would hide later messages from all readers until it times out.
func (t *Transform) step(ctx context.Context, s *kgo.GroupTransactSession, in input) error {
	began, batch, idle := time.Now(), in.batch, in.idle
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), txnTimeout)
	defer cancel()
	if err := s.Begin(); err != nil {
		return fmt.Errorf("kafka: begin transaction: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.release()
	good, refused := t.search.split(batch)
	out, applyErr := t.process(ctx, good, refused, idle)
	applied := time.Since(began)
	var next map[int32]int64
	var produceErr error
	if applyErr == nil {
		next, produceErr = t.produce(ctx, s, out)
	}
	bad := asBad(errors.Join(applyErr, produceErr))
	committed, endErr := t.end(ctx, s, applyErr == nil && produceErr == nil)
	if t.Observe != nil && (!idle || len(out) > 0 || bad != nil) {
		t.Observe(Transaction{
			Records: len(batch), Produced: len(out), Refused: len(refused), Committed: committed, Failed: bad != nil,
			Apply: applied, Took: time.Since(began), Lag: in.lag,
		})
	}
	if committed {
		return t.committed(batch, refused, out, next)
	}
	t.Processor.Aborted()
	if late, heavy := ctx.Err() != nil && bad == nil, errors.Is(applyErr, ErrTooMuch); (late || heavy) && len(batch) > 0 {
		t.search.slow(len(batch))
		t.Log.Warn("transaction exceeded its limit of time or memory and was aborted; its batch is read again in smaller parts", "records", len(batch), "took", time.Since(began).Round(time.Millisecond), "reason", applyErr)
		applyErr = nil
	}
	if applyErr != nil && bad == nil {
		return &fatalError{applyErr}
	}
	var stuck error
	if bad != nil {
		stuck = t.failed(batch, refused, bad)
	}
	switch {
	case endErr != nil:
		return fmt.Errorf("kafka: end transaction: %w", errors.Join(produceErr, endErr))
	case bad != nil:
		return stuck
	case produceErr != nil:
		t.Log.Warn("transaction aborted; its batch is read again", "records", len(batch), "reason", produceErr)
	default:
		t.Log.Info("transaction aborted, because partitions move; its batch is read again", "records", len(batch))
	}
	return nil
}

// errUnsure reports a transaction of which the broker does not say whether it is committed. The
// session treats it as aborted; only a new session learns the truth.
var errUnsure = errors.New("the broker does not say whether it is committed; a new session asks")

// end ends the transaction and reports whether it is committed.
func (t *Transform) end(ctx context.Context, s *kgo.GroupTransactSession, commit bool) (bool, error) {
	committed, err := s.End(ctx, kgo.TransactionEndTry(commit))
	t.lostMu.Lock()
	defer t.lostMu.Unlock()
	if commit && !committed && err == nil && !t.moved {
		err = errUnsure
	}
	t.moved = false
	return committed && err == nil, err
}

// process returns the messages that follow from a batch: the output of the processor for the good
// records, and the dead letters of the refused ones.
func (t *Transform) process(ctx context.Context, good, refused []*Record, idle bool) (out []*Record, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, Panicked(p)
		}
	}()
	if idle || len(good) > 0 {
		if out, err = t.Processor.Apply(ctx, good); err != nil {
			return nil, err
		}
	}
	for _, r := range refused {
		reason, _ := t.search.reason(r)
		letters, err := t.Processor.Refuse(ctx, r, reason)
		if err != nil {
			return nil, err
		}
		out = append(out, letters...)
	}
	return out, checkSizes(out)
}

// produce writes out and returns the changelog positions after it. If there are several errors, it
// prefers one that names a bad record.
func (t *Transform) produce(ctx context.Context, s *kgo.GroupTransactSession, out []*Record) (map[int32]int64, error) {
	next := make(map[int32]int64)
	var mu sync.Mutex
	var failed error
	var wg sync.WaitGroup
	wg.Add(len(out))
	for _, r := range out {
		s.Produce(ctx, r, func(r *Record, err error) {
			defer wg.Done()
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && r.Topic == t.State:
				next[r.Partition] = max(next[r.Partition], r.Offset+1)
			case err != nil && asBad(failed) == nil:
				if err = writeError(r, err); failed == nil || asBad(err) != nil {
					failed = err
				}
			}
		})
	}
	wg.Wait()
	return next, failed
}

// committed informs the processor of the commit and continues the search.
func (t *Transform) committed(batch, refused, out []*Record, next map[int32]int64) error {
	t.search.passed(batch)
	if len(batch) == 0 {
		t.idleRest = rest{}
	}
	for _, r := range refused {
		t.Log.Info("the message that cannot be processed is in the dead letters", place(r)...)
	}
	if len(batch)+len(out) == 0 {
		return nil
	}
	if err := t.Processor.Committed(next); err != nil {
		return &fatalError{err}
	}
	return nil
}

// failed decides what is read next after a batch that always fails. It returns an error if nothing
// is left to try.
func (t *Transform) failed(batch, refused []*Record, bad *BadRecord) error {
	switch {
	case len(batch) == 0:
		t.Log.Error("the processor's scheduled work failed; it is tried again", append(bad.attrs(), "pause", t.idleRest.begin())...)
	case len(batch) > 1:
		t.search.failed(batch)
		t.Log.Warn("transaction aborted; its batch is read again in smaller parts, to find the message that cannot be processed", append(bad.attrs(), "records", len(batch))...)
	case len(refused) == 1:
		t.Log.Error("a dead letter cannot be written, and its partition waits; if it is too large for the topic of dead letters, run changetrail setup, which sets the limit", append(bad.attrs(), place(batch[0])...)...)
		return fmt.Errorf("dead letter: %w", bad)
	default:
		t.search.failed(batch)
		t.search.refuse(batch[0], cut(bad.Reason, maxReason))
		t.Log.Error("a message cannot be processed; it goes to the dead letters, and all others are processed", append(bad.attrs(), place(batch[0])...)...)
	}
	return nil
}

func place(r *Record) []any {
	return []any{"topic", r.Topic, "partition", r.Partition, "offset", r.Offset}
}
