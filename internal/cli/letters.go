package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/stream"
)

func (a *app) letters() *cobra.Command {
	l := letters{}
	cmd := &cobra.Command{
		Use:   "letters",
		Short: "List the dead letters, or process them again",
		Long: `Lists the messages that could not be processed, with the reason. With --replay each
one is written unchanged to the topic from which it came, so that the enricher or the
sink reads it again. Do that once the cause is removed. Nothing is stored twice. A
message that is refused again becomes a new dead letter; the old ones stay until the
topic deletes them.`,
		Example: "  changetrail letters --reason rejected-by-index --since 24h\n  changetrail letters --reason rejected-by-index --since 24h --replay",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.settings(cmd)
			if err != nil {
				return err
			}
			var end func()
			if l.kafka, end, err = s.kafkaOrFolder(cmd); err != nil {
				return err
			}
			defer end()
			l.topics, l.out = s.topics(), cmd.OutOrStdout()
			return l.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&l.reason, "reason", "", "only those with this reason")
	cmd.Flags().Var(spanOf(&l.since, 0), "since", "only those that are younger than this; 0 for all")
	a.flag(cmd.Flags(), "data", "local.data", "folder of the embedded mode")
	cmd.Flags().BoolVar(&l.replay, "replay", false, "process them again")
	return cmd
}

// letters selects dead letters and what to do with them.
type letters struct {
	kafka  stream.Config
	topics stream.Topics
	out    io.Writer
	reason string
	since  time.Duration
	replay bool

	writer           *stream.Writer
	found, left, put int
}

func (l *letters) run(ctx context.Context) error {
	partitions, err := stream.Partitions(ctx, l.kafka, l.topics)
	if err != nil {
		return err
	}
	if l.writer, err = stream.NewWriter(l.kafka); err != nil {
		return err
	}
	defer l.writer.Close()
	for partition := range partitions {
		_, err := l.kafka.Partition(l.topics.DLQ(), partition).Scan(ctx, -1, func(recs []*stream.Record) error { return l.take(ctx, recs) })
		if err != nil {
			return err
		}
	}
	fmt.Fprintf(l.out, "%d dead letters", l.found)
	if l.replay {
		fmt.Fprintf(l.out, "; %d were sent to be processed again", l.put)
	}
	fmt.Fprintln(l.out)
	if l.left > 0 {
		return fmt.Errorf("%d dead letters cannot be written back to their topics", l.left)
	}
	return nil
}

// take lists letters and, with replay, writes them back to their topics.
func (l *letters) take(ctx context.Context, recs []*stream.Record) error {
	var again []*stream.Record
	for _, r := range recs {
		if stream.IsMarker(r) || l.reason != "" && string(stream.LastHeader(r, stream.HeaderReason)) != l.reason || l.since > 0 && time.Since(r.Timestamp) > l.since {
			continue
		}
		l.found++
		was, err := stream.Undo(l.topics, r)
		if !l.replay || err != nil {
			fmt.Fprintf(l.out, "%s %s/%s/%s %s: %s\n", r.Timestamp.UTC().Format(time.RFC3339), stream.LastHeader(r, stream.HeaderTopic), stream.LastHeader(r, stream.HeaderPartition), stream.LastHeader(r, stream.HeaderOffset),
				stream.LastHeader(r, stream.HeaderReason), stream.LastHeader(r, stream.HeaderDetail))
		}
		if err != nil {
			fmt.Fprintf(l.out, "  %v\n", err)
			l.left++
			continue
		}
		again = append(again, was)
	}
	if !l.replay {
		return nil
	}
	for part := range slices.Chunk(again, 100) {
		if err := l.writer.Append(ctx, part...); err != nil {
			return errors.Join(fmt.Errorf("%d dead letters were sent to be processed again, the others were not; to try again is harmless", l.put), err)
		}
		l.put += len(part)
	}
	return nil
}
