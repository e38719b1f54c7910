package stream

import (
	"cmp"
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A Place is a partition of a topic.
type Place struct {
	Topic     string
	Partition int32
}

func (p Place) String() string { return fmt.Sprintf("%s/%d", p.Topic, p.Partition) }

// A Mark is what a group has committed for a partition: where to read on, and a note.
//
// The note is the group's memory of work that it has begun and not finished. Whoever reads the
// partition next gets it, after a crash as well. Only the present owner of a partition can write
// it: the coordinator refuses the commit of a member that has lost the partition.
type Mark struct {
	Offset int64  // of the next message; -1 if nothing was ever committed
	Note   string // at most 4096 bytes, unless the broker is configured otherwise
}

// Mark commits marks. After an error each of them may or may not be committed.
func (r *Reader) Mark(ctx context.Context, marks map[Place]Mark) error {
	if len(marks) == 0 {
		return nil
	}
	offsets := make(map[string]map[int32]kgo.EpochOffset)
	for p, m := range marks {
		if offsets[p.Topic] == nil {
			offsets[p.Topic] = make(map[int32]kgo.EpochOffset)
		}
		offsets[p.Topic][p.Partition] = kgo.EpochOffset{Epoch: -1, Offset: m.Offset}
	}
	ctx = kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
		for i := range req.Topics {
			t := &req.Topics[i]
			for j := range t.Partitions {
				t.Partitions[j].Metadata = kmsg.StringPtr(marks[Place{t.Topic, t.Partitions[j].Partition}].Note)
			}
		}
		return nil
	})
	return commitSync(ctx, r.cl, offsets)
}

// marksOf returns the marks in an answer of the coordinator, which names topics or gives their ids.
func marksOf(ctx context.Context, cl *kgo.Client, r *kmsg.OffsetFetchResponse, of []string) (map[Place]Mark, error) {
	topics, err := kadm.NewClient(cl).ListTopics(ctx, of...)
	if err != nil {
		return nil, fmt.Errorf("kafka: describe topics: %w", err)
	}
	names := make(map[kadm.TopicID]string)
	for _, t := range topics {
		names[t.ID] = t.Topic
	}
	out := make(map[Place]Mark)
	for _, g := range r.Groups {
		for _, t := range g.Topics {
			topic := cmp.Or(t.Topic, names[t.TopicID])
			for _, p := range t.Partitions {
				if kerr.ErrorForCode(p.ErrorCode) != nil {
					continue // the client asks again, or reports it to Poll
				}
				m := Mark{Offset: p.Offset}
				if p.Metadata != nil {
					m.Note = *p.Metadata
				}
				out[Place{topic, p.Partition}] = m
			}
		}
	}
	return out, nil
}

func placesOf(partitions map[string][]int32) []Place {
	var out []Place
	for topic, ps := range partitions {
		for _, p := range ps {
			out = append(out, Place{topic, p})
		}
	}
	return out
}
