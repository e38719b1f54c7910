package stream

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// restoreStall is how long a restore may wait without progress. The broker ends any open
// transaction sooner.
const restoreStall = 2 * txnTimeout

// restoreAll brings the local store of each gained partition up to the end of its changelog before
// any event of the partition is read. Otherwise a member that takes over would start at revision 1
// of a change again. Every index would then rightly ignore the revision as older, and the update
// would be lost without an error anywhere.
func (t *Transform) restoreAll(ctx context.Context, cl *kgo.Client, partitions []int32) error {
	if len(partitions) == 0 {
		return nil
	}
	// Take over the transactional id now. This ends a transaction that a former process left open;
	// otherwise restore would have to wait for it. If the coordinator does not answer, a new
	// session looks for it again.
	bounded, cancel := context.WithTimeout(ctx, restoreStall)
	defer cancel()
	if _, _, err := cl.ProducerID(bounded); err != nil {
		return fmt.Errorf("kafka: transactional id: %w", err)
	}
	if t.State == "" {
		t.Log.Info("partitions assigned", "topic", t.In, "partitions", partitions)
		return nil
	}
	adm := kadm.NewClient(cl)
	topics, err := adm.ListTopics(ctx, t.State)
	if err != nil {
		return fmt.Errorf("kafka: describe %s: %w", t.State, err)
	}
	detail := topics[t.State]
	if detail.Err != nil {
		return &fatalError{fmt.Errorf("kafka: topic %s: %w; run changetrail setup", t.State, detail.Err)}
	}
	id := hex.EncodeToString(detail.ID[:])
	began := time.Now()
	total := 0
	for _, p := range partitions {
		n, err := t.restore(ctx, adm, p, id)
		if err != nil {
			return fmt.Errorf("restore partition %d: %w", p, err)
		}
		total += n
	}
	t.Log.Info("partitions assigned, state restored", "partitions", partitions, "records", total, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// restore replays the changelog of partition p from the position of the local store to the current
// end. It reads to the high watermark, not to the last stable offset: a predecessor's transaction
// may be about to commit.
func (t *Transform) restore(ctx context.Context, adm *kadm.Client, p int32, id string) (int, error) {
	t.mu.Lock()
	t.release()
	from, err := t.Processor.Position(p, id)
	t.mu.Unlock()
	if err != nil {
		return 0, &fatalError{err}
	}
	start, end, err := bounds(ctx, adm, t.State, p)
	if err != nil {
		return 0, err
	}
	if from > end {
		return 0, &fatalError{fmt.Errorf("the local store is at changelog offset %d, but %s/%d ends at %d: the topic was truncated; delete the state folder to restore from what is left", from, t.State, p, end)}
	}
	from = max(from, start)
	if from >= end {
		return 0, nil
	}
	n := 0
	progress := time.Now()
	s := span{t.Config.Partition(t.State, p), from, end}
	err = s.read(ctx, adm, func(recs []*Record, next int64) error {
		progress = time.Now()
		n += len(recs)
		t.mu.Lock()
		defer t.mu.Unlock()
		if err := t.Processor.Restore(p, recs, next); err != nil {
			return &fatalError{err}
		}
		return nil
	}, func(stable int64) error {
		if time.Since(progress) > restoreStall {
			return fmt.Errorf("%s/%d: nothing to read before offset %d for %s, and a transaction is open at %d", t.State, p, end, restoreStall, stable)
		}
		t.Log.Info("waiting for a transaction of another member to end", "topic", t.State, "partition", p, "offset", stable, "until", end)
		return nil
	})
	return n, err
}

func bounds(ctx context.Context, adm *kadm.Client, topic string, p int32) (start, end int64, err error) {
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return 0, 0, err
	}
	ends, err := adm.ListEndOffsets(ctx, topic)
	if err != nil {
		return 0, 0, err
	}
	s, okS := starts.Lookup(topic, p)
	e, okE := ends.Lookup(topic, p)
	if !okS || !okE {
		return 0, 0, &fatalError{fmt.Errorf("topic %s has no partition %d; it must have as many partitions as the events topic: run changetrail setup", topic, p)}
	}
	if s.Err != nil {
		return 0, 0, s.Err
	}
	return s.Offset, e.Offset, e.Err
}

func stableEnd(ctx context.Context, adm *kadm.Client, topic string, p int32) (int64, error) {
	ends, err := adm.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return 0, err
	}
	e, _ := ends.Lookup(topic, p)
	return e.Offset, e.Err
}
