package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ErrLost is the cause of the context of work in [Alone] if another process may have begun it: this
// one did not reach the coordinator of the group in time.
var ErrLost = errors.New("the consumer group gave this work to another process, or will do so")

// Times of a turn. A process that cannot reach the coordinator ends its turn before the coordinator
// gives it to another one.
const (
	turnSession   = 20 * time.Second
	turnHeartbeat = time.Second
	turnGiveUp    = 6 * time.Second
)

// A Turn is the time in which one process alone does the work of a group.
type Turn struct {
	cl    *kgo.Client
	topic string
}

// Still asks the coordinator of the group whether it is still this process's turn, and fails if it is
// not, or if nobody knows. A process that was suspended learns here that another one has begun.
func (t Turn) Still(ctx context.Context) error {
	at := map[string]map[int32]kgo.EpochOffset{t.topic: {0: {Epoch: -1, Offset: 0}}}
	return commitSync(ctx, t.cl, at)
}

// commitSync commits offsets, and fails unless the coordinator accepts each of them.
func commitSync(ctx context.Context, cl *kgo.Client, offsets map[string]map[int32]kgo.EpochOffset) error {
	var failed error
	cl.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		if failed = err; err != nil {
			return
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					failed = errors.Join(failed, fmt.Errorf("%s/%d: %w", t.Topic, p.Partition, err))
				}
			}
		}
	})
	if failed != nil {
		return fmt.Errorf("kafka: commit: %w", failed)
	}
	return nil
}

// Alone runs work in one of the processes that call it for the same group: in the one that owns the
// first partition of a topic in the consumer group. It reads nothing of the topic. work must return
// soon after its context is done; it is called again in this process's next turn. If its context has
// the cause [ErrLost], no other process waits for that. Alone returns when ctx is done.
func Alone(ctx context.Context, c Config, group, topic string, work func(ctx context.Context, t Turn)) error {
	opts, err := c.options()
	if err != nil {
		return err
	}
	stop := func(error) {} // the callbacks are called one after another
	cl, err := kgo.NewClient(append(opts,
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.SessionTimeout(turnSession), kgo.HeartbeatInterval(turnHeartbeat), kgo.RetryTimeout(turnGiveUp), kgo.RequestTimeoutOverhead(turnGiveUp),
		kgo.OnPartitionsAssigned(func(_ context.Context, cl *kgo.Client, gained map[string][]int32) {
			if slices.Contains(gained[topic], 0) {
				stop = begin(ctx, func(ctx context.Context) { work(ctx, Turn{cl, topic}) })
			}
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, given map[string][]int32) {
			if slices.Contains(given[topic], 0) {
				stop(context.Canceled)
			}
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
			if slices.Contains(lost[topic], 0) {
				stop(ErrLost)
			}
		}),
	)...)
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	cl.PauseFetchTopics(topic)
	<-ctx.Done()
	cl.CloseAllowingRebalance() // gives up the partition, and waits for work
	return nil
}

// begin runs f until stop is called, which waits for it.
func begin(ctx context.Context, f func(context.Context)) (stop func(cause error)) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	return func(cause error) {
		cancel(cause)
		<-done
	}
}
