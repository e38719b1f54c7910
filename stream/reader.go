package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A Reader reads the committed messages of topics as a member of a consumer group. Offsets are
// committed only when the caller is done with the messages, so that each message is seen at least
// once even after a crash.
type Reader struct{ cl *kgo.Client }

// A ReaderConfig is how to read.
type ReaderConfig struct {
	Config   Config
	Group    string
	Instance string // stable name of the member; may be empty
	Topics   []string
	// Drain is called before partitions are given up, or after they were lost. It returns once no
	// message of them is being processed. It may call Commit and Mark.
	Drain func(ctx context.Context, places []Place)
	// Gained, if set, is called with the marks of partitions that this member now reads, before any
	// of their messages is read.
	Gained func(marks map[Place]Mark)
}

// NewReader joins the group.
func NewReader(c ReaderConfig) (*Reader, error) {
	opts, err := c.Config.options()
	if err != nil {
		return nil, err
	}
	drain := func(ctx context.Context, _ *kgo.Client, lost map[string][]int32) { c.Drain(ctx, placesOf(lost)) }
	opts = append(opts,
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumerGroup(c.Group),
		kgo.ConsumeTopics(c.Topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.KeepControlRecords(), // so that a group can commit past the end of the last transaction
		kgo.BlockRebalanceOnPoll(),
		kgo.SessionTimeout(10*time.Second),
		kgo.HeartbeatInterval(time.Second),
		kgo.RebalanceTimeout(60*time.Second),
		kgo.FetchMaxBytes(8<<20),
		kgo.FetchMaxPartitionBytes(2<<20),
		kgo.MaxConcurrentFetches(1),
		kgo.OnPartitionsRevoked(drain),
		kgo.OnPartitionsLost(drain),
	)
	if c.Instance != "" {
		opts = append(opts, kgo.InstanceID(c.Instance))
	}
	if c.Gained != nil {
		opts = append(opts, kgo.OnOffsetsFetched(func(ctx context.Context, cl *kgo.Client, r *kmsg.OffsetFetchResponse) error {
			marks, err := marksOf(ctx, cl, r, c.Topics)
			if err == nil {
				c.Gained(marks)
			}
			return err
		}))
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return &Reader{cl}, nil
}

// A Batch is what a poll returned.
type Batch struct {
	Records []*Record
	Lag     map[string]map[int32]int64
}

// Poll returns up to limit records, waiting for the first until ctx is done.
// The markers that end transactions are among them; see [IsMarker].
func (r *Reader) Poll(ctx context.Context, limit int) (Batch, error) {
	fetches := r.cl.PollRecords(ctx, limit)
	b := Batch{Lag: make(map[string]map[int32]int64)}
	var failed error
	fetches.EachError(func(topic string, p int32, err error) {
		if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			failed = fmt.Errorf("kafka: read %s/%d: %w", topic, p, err)
		}
	})
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		n := len(p.Records)
		if n == 0 {
			return
		}
		b.Records = append(b.Records, p.Records...)
		if b.Lag[p.Topic] == nil {
			b.Lag[p.Topic] = make(map[int32]int64)
		}
		b.Lag[p.Topic][p.Partition] = p.HighWatermark - p.Records[n-1].Offset - 1
	})
	return b, failed
}

// Gather is Poll, and then waits for more records, for at most linger and up to limit.
func (r *Reader) Gather(ctx context.Context, limit int, linger time.Duration) (Batch, error) {
	b, err := r.Poll(ctx, limit)
	if err != nil || len(b.Records) == 0 || linger <= 0 {
		return b, err
	}
	wait, cancel := context.WithTimeout(ctx, linger)
	defer cancel()
	for len(b.Records) < limit && wait.Err() == nil {
		more, err := r.Poll(wait, limit-len(b.Records))
		b.Records = append(b.Records, more.Records...)
		for topic, ps := range more.Lag {
			if b.Lag[topic] == nil {
				b.Lag[topic] = ps
			}
			maps.Copy(b.Lag[topic], ps)
		}
		if err != nil {
			return b, err
		}
	}
	return b, nil
}

// IsMarker reports whether r is not a message but the end of a transaction.
func IsMarker(r *Record) bool { return r.Attrs.IsControl() }

// AllowRebalance lets partitions move; the caller calls it after each poll.
func (r *Reader) AllowRebalance() { r.cl.AllowRebalance() }

// Commit commits the offset after each given record.
func (r *Reader) Commit(ctx context.Context, last []*Record) error {
	if len(last) == 0 {
		return nil
	}
	if err := r.cl.CommitRecords(ctx, last...); err != nil {
		return fmt.Errorf("kafka: commit: %w", err)
	}
	return nil
}

// Close leaves the group.
func (r *Reader) Close() { r.cl.CloseAllowingRebalance() }

// A Writer appends messages to topics.
type Writer struct{ cl *kgo.Client }

// NewWriter returns a Writer that waits for all in-sync replicas.
func NewWriter(c Config) (*Writer, error) {
	opts, err := c.options()
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(maxBatchBytes))...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return &Writer{cl}, nil
}

// Append returns when every in-sync replica has all of recs.
func (w *Writer) Append(ctx context.Context, recs ...*Record) error {
	if err := w.cl.ProduceSync(ctx, recs...).FirstErr(); err != nil {
		return fmt.Errorf("kafka: write to %s: %w", recs[0].Topic, err)
	}
	return nil
}

// Close sends what is still buffered, then disconnects.
func (w *Writer) Close() { w.cl.Close() }
