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
		Short: "List what was refused and why, or have it read once more",
		Long: `Lists what was refused, with the reason. With --replay each is written to the topic
from which it came, as it was, so that the enricher or the sink reads it once more: once
the cause is removed. What was stored meanwhile is not stored twice. What is refused
again is a dead letter again; the former ones stay until the topic deletes them.`,
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
	cmd.Flags().StringVar(&l.reason, "reason", "", "those with this reason alone")
	cmd.Flags().Var(spanOf(&l.since, 0), "since", "those that are younger than this; all where 0")
	a.flag(cmd.Flags(), "data", "local.data", "folder of the embedded mode")
	cmd.Flags().BoolVar(&l.replay, "replay", false, "have them read once more")
	return cmd
}

// letters are what is asked of the dead letters.
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
		fmt.Fprintf(l.out, "; %d are read once more", l.put)
	}
	fmt.Fprintln(l.out)
	if l.left > 0 {
		return fmt.Errorf("%d dead letters cannot be written to where they came from", l.left)
	}
	return nil
}

// take lists letters, and writes them to where they came from.
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
			return errors.Join(fmt.Errorf("%d dead letters are read once more; the rest is not, and trying again is harmless", l.put), err)
		}
		l.put += len(part)
	}
	return nil
}
