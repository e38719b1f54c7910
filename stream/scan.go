package stream

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Scan reads a partition once, from its first message to below until, and hands
// on what was committed, in order and in batches. until below 0 is the end as
// of now. It returns the offset of the first message that is still there.
func Scan(ctx context.Context, c Config, topic string, partition int32, until int64, f func([]*Record) error) (start int64, err error) {
	opts, err := c.options()
	if err != nil {
		return 0, err
	}
	cl, err := kgo.NewClient(append(opts,
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // so that a partition that ends in a commit marker is seen to end
		kgo.FetchMaxBytes(16<<20),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}),
	)...)
	if err != nil {
		return 0, fmt.Errorf("kafka: %w", err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	start, end, err := bounds(ctx, adm, topic, partition)
	if err != nil {
		return 0, explain(err)
	}
	if until >= 0 {
		end = min(end, until)
	}
	for next := start; next < end; {
		wait, cancel := context.WithTimeout(ctx, 2*time.Second)
		fetches := cl.PollRecords(wait, 5000)
		cancel()
		if ctx.Err() != nil {
			return start, context.Cause(ctx)
		}
		var recs []*Record
		fetches.EachRecord(func(r *Record) {
			next = r.Offset + 1
			if !r.Attrs.IsControl() && r.Offset < end {
				recs = append(recs, r)
			}
		})
		if len(recs) > 0 {
			if err := f(recs); err != nil {
				return start, err
			}
		}
		if fetches.Empty() { // what is compacted or aborted at the end never comes
			stable, err := stableEnd(ctx, adm, topic, partition)
			if err != nil {
				return start, explain(err)
			}
			if stable >= end {
				return start, nil
			}
		}
	}
	return start, nil
}

// A TransactionWriter appends messages to topics, in transactions.
type TransactionWriter struct{ cl *kgo.Client }

// NewTransactionWriter returns one under a transactional id. Another one under
// the same id ends what this one left open.
func NewTransactionWriter(c Config, id string) (*TransactionWriter, error) {
	opts, err := c.options()
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(append(opts,
		kgo.TransactionalID(id), kgo.TransactionTimeout(txnTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(maxOutput-1024),
	)...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
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
	if err != nil {
		return fmt.Errorf("kafka: transaction: %w", err)
	}
	return nil
}

// Close closes the writer.
func (w *TransactionWriter) Close() { w.cl.Close() }

// Committed returns how far a group has read each partition of a topic.
func (a *Admin) Committed(ctx context.Context, group, topic string) (map[int32]int64, error) {
	offsets, err := a.adm.FetchOffsets(ctx, group)
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
