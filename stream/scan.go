package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A Partition is a partition of a topic in a cluster.
type Partition struct {
	Kafka  Config
	Topic  string
	Number int32
}

// Partition returns one partition of a topic.
func (c Config) Partition(topic string, number int32) Partition {
	return Partition{c, topic, number}
}

// Scan reads a partition once, from its first message up to the offset until, and passes the
// committed messages to f, in order and in batches. A negative until means the current end. It
// returns the offset of the first message that still exists.
func (p Partition) Scan(ctx context.Context, until int64, f func([]*Record) error) (start int64, err error) {
	return p.ScanFrom(ctx, 0, until, f)
}

// ScanFrom is Scan, but starts at an offset.
func (p Partition) ScanFrom(ctx context.Context, from, until int64, f func([]*Record) error) (start int64, err error) {
	opts, err := p.Kafka.options()
	if err != nil {
		return 0, err
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return 0, fmt.Errorf("kafka: %w", err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	start, end, err := bounds(ctx, adm, p.Topic, p.Number)
	if err != nil {
		return 0, explain(err)
	}
	if until >= 0 {
		end = min(end, until)
	}
	s := span{p, max(from, start), end}
	return start, explain(s.read(ctx, adm, func(recs []*Record, _ int64) error {
		recs = slices.DeleteFunc(recs, func(r *Record) bool { return r.Offset >= end })
		if len(recs) == 0 {
			return nil
		}
		return f(recs)
	}, func(int64) error { return nil }))
}

// A span is a part of a partition: the offsets from from up to end.
type span struct {
	Partition
	from, end int64
}

const (
	scanPoll = 2 * time.Second
	// quiet is how many empty polls show that the rest of a span is empty: after only one, the
	// broker may just be slow.
	quiet = 2
)

// read passes the committed messages of the span to f, in order, each batch with the offset behind
// it; the last batch may go beyond the end. While a transaction is open in the span, read waits and
// calls waiting with the offset where the transaction began.
func (s span) read(ctx context.Context, adm *kadm.Client, f func(recs []*Record, next int64) error, waiting func(stable int64) error) error {
	if s.from >= s.end {
		return nil
	}
	opts, err := s.Kafka.options()
	if err != nil {
		return err
	}
	cl, err := kgo.NewClient(append(opts,
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // so that a partition that ends in a commit marker is seen to end
		kgo.FetchMaxBytes(16<<20),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{s.Topic: {s.Number: kgo.NewOffset().At(s.from)}}),
	)...)
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	defer cl.Close()
	next := s.from
	for empty := 0; next < s.end; {
		wait, cancel := context.WithTimeout(ctx, scanPoll)
		fetches := cl.PollRecords(wait, 5000)
		cancel()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		for _, e := range fetches.Errors() {
			if !errors.Is(e.Err, context.DeadlineExceeded) {
				return fmt.Errorf("kafka: read %s/%d at offset %d: %w", s.Topic, s.Number, next, e.Err)
			}
		}
		if !fetches.Empty() {
			empty = 0
			var recs []*Record
			fetches.EachRecord(func(r *Record) {
				next = r.Offset + 1
				if !r.Attrs.IsControl() {
					recs = append(recs, r)
				}
			})
			if err := f(recs, next); err != nil {
				return err
			}
			continue
		}
		// Aborted or compacted messages at the end never arrive. The end is reached when no open
		// transaction begins before it.
		stable, err := stableEnd(ctx, adm, s.Topic, s.Number)
		if err != nil {
			return err
		}
		if stable < s.end {
			empty = 0
			if err := waiting(stable); err != nil {
				return err
			}
			continue
		}
		if empty++; empty >= quiet {
			return f(nil, s.end)
		}
	}
	return nil
}

// A TransactionWriter appends messages to topics, in transactions.
type TransactionWriter struct{ cl *kgo.Client }

// ErrTakenOver is wrapped by the error of a writer whose transactional id another writer has taken
// over.
var ErrTakenOver = errors.New("another writer has taken over")

// NewTransactionWriter returns a writer with a transactional id, which it takes over from any other
// writer: an open transaction of that writer is ended, and its later writes fail.
func NewTransactionWriter(ctx context.Context, c Config, id string) (*TransactionWriter, error) {
	opts, err := c.options()
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(append(opts,
		kgo.TransactionalID(id), kgo.TransactionTimeout(txnTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(maxBatchBytes),
	)...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	if _, _, err := cl.ProducerID(ctx); err != nil {
		cl.Close()
		return nil, fmt.Errorf("transactional id %s: %w", id, explain(err))
	}
	return &TransactionWriter{cl}, nil
}

// Append writes recs, all of them or none.
func (w *TransactionWriter) Append(ctx context.Context, recs []*Record) error {
	if err := w.cl.BeginTransaction(); err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	err := w.cl.ProduceSync(ctx, recs...).FirstErr()
	if end := w.cl.EndTransaction(ctx, kgo.TransactionEndTry(err == nil)); err == nil {
		err = end
	}
	if errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch) || errors.Is(err, kerr.InvalidTxnState) { // whoever takes over an id ends its transaction
		return fmt.Errorf("kafka: transaction: %w: %w", ErrTakenOver, err)
	}
	if err != nil {
		return fmt.Errorf("kafka: transaction: %w", err)
	}
	return nil
}

// Close closes the writer.
func (w *TransactionWriter) Close() { w.cl.Close() }

// Committed returns how far a group has read each partition of a topic. A group that does not exist
// has read nothing.
func (a *Admin) Committed(ctx context.Context, group, topic string) (map[int32]int64, error) {
	offsets, err := a.adm.FetchOffsets(ctx, group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return map[int32]int64{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("kafka: offsets of %s: %w", group, err)
	}
	out := make(map[int32]int64)
	offsets.Each(func(o kadm.OffsetResponse) {
		if o.Topic == topic {
			out[o.Partition] = o.At
		}
	})
	return out, nil
}
