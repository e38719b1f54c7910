package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Follow calls f with each committed record of a partition from an offset on, in order, until ctx
// is done or f fails.
func (p Partition) Follow(ctx context.Context, from int64, f func(*Record) error) error {
	opts, err := p.Kafka.options()
	if err != nil {
		return err
	}
	cl, err := kgo.NewClient(append(opts,
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{p.Topic: {p.Number: kgo.NewOffset().At(from)}}),
	)...)
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	defer cl.Close()
	for {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var errs []error
		for _, e := range fetches.Errors() {
			errs = append(errs, fmt.Errorf("kafka: follow %s/%d: %w", p.Topic, p.Number, e.Err))
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		for it := fetches.RecordIter(); !it.Done(); {
			if err := f(it.Next()); err != nil {
				return err
			}
		}
	}
}
