package stream

import (
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A Record is a Kafka record.
type Record = kgo.Record

// Topics names the topics under one prefix. Events, enriched, records and state have the same
// number of partitions, and the messages of a repository are in the same partition of each: the
// owner of a partition of one topic may read and write that partition of the others.
//
// Events of every kind share one topic. With a topic for each kind, a rebalance could give the
// halves of a change to two enrichers.
type Topics struct{ Prefix string }

// Events is the topic of the events as they arrived, unchanged.
func (t Topics) Events() string { return t.Prefix + ".events" }

// Enriched is the topic of the events, each with what is known about its change.
func (t Topics) Enriched() string { return t.Prefix + ".enriched" }

// Records is the topic of the newest revision of each change record.
func (t Topics) Records() string { return t.Prefix + ".records" }

// State is the topic of the enricher's changelog.
func (t Topics) State() string { return t.Prefix + ".state" }

// DLQ is the topic of the refused messages, byte for byte.
func (t Topics) DLQ() string { return t.Prefix + ".dlq" }

// OCSF is the topic of all documents as events of OCSF, for other consumers. Only setup for the sink
// that writes it creates it.
func (t Topics) OCSF() string { return t.Prefix + ".ocsf" }

// Policies is the topic of all versions of the policies and control matrices, kept for ever. It has
// one partition and is joined with no other topic.
func (t Topics) Policies() string { return t.Prefix + ".policies" }

// Approvals is the topic of the approvals that people give before the work, and of what becomes of
// them, kept for ever. It has one partition: the order of its messages decides which change got the
// last use of an approval.
func (t Topics) Approvals() string { return t.Prefix + ".approvals" }

// All returns the topics that keep the messages of a repository in one partition.
func (t Topics) All() []string {
	return []string{t.Events(), t.Enriched(), t.Records(), t.State(), t.DLQ()}
}

// A TopicSpec describes a topic that setup creates.
type TopicSpec struct {
	Name       string
	Partitions int32
	Config     map[string]string
}

// maxOutput bounds a message of the topics that the enricher writes. Events are smaller than
// Kafka's default limit of 1 MiB.
const maxOutput = 4 << 20

// maxBatchBytes bounds what a client writes at once, with space for the framing.
const maxBatchBytes = maxOutput - 1024

// OCSFSpec describes the topic of OCSF events. Its keys are ids of documents, so that whoever wants
// only the newest revision of each record may let the broker compact it.
func (t Topics) OCSFSpec(partitions int32, retention time.Duration) TopicSpec {
	return TopicSpec{t.OCSF(), partitions, map[string]string{
		"cleanup.policy": "delete", "retention.ms": strconv.FormatInt(retention.Milliseconds(), 10), "max.message.bytes": strconv.Itoa(maxOutput),
	}}
}

// Specs describes the topics that setup creates. Timestamps of events are set by the broker,
// because they say when an event arrived and which month a record belongs to.
func (t Topics) Specs(partitions int32, retention time.Duration) []TopicSpec {
	kept := map[string]string{"cleanup.policy": "delete", "retention.ms": strconv.FormatInt(retention.Milliseconds(), 10)}
	with := func(base map[string]string, pairs ...string) map[string]string {
		out := make(map[string]string)
		for k, v := range base {
			out[k] = v
		}
		for i := 0; i < len(pairs); i += 2 {
			out[pairs[i]] = pairs[i+1] // #nosec G602 -- they come in pairs
		}
		return out
	}
	large := []string{"max.message.bytes", strconv.Itoa(maxOutput)}
	compacted := map[string]string{"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.3"}
	return []TopicSpec{
		{t.Events(), partitions, with(kept, "message.timestamp.type", "LogAppendTime")},
		{t.Enriched(), partitions, with(kept, large...)},
		{t.Records(), partitions, with(compacted, large...)},
		{t.State(), partitions, with(compacted, large...)},
		{t.DLQ(), partitions, with(kept, large...)},
		{t.Policies(), 1, with(compacted, append(large, "message.timestamp.type", "LogAppendTime")...)},
		// It is not compacted: a message without a value would delete an older one with its key.
		{t.Approvals(), 1, map[string]string{"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1", "message.timestamp.type": "LogAppendTime"}},
	}
}

// A Partitioner chooses partitions as Kafka's own clients do: murmur2 over the key. It must not be
// used by several goroutines at once.
type Partitioner struct {
	p          kgo.TopicPartitioner
	partitions int
	message    kgo.Record // reused
}

// NewPartitioner returns a Partitioner for topics with this number of partitions.
func NewPartitioner(partitions int32) *Partitioner {
	return &Partitioner{p: kgo.StickyKeyPartitioner(nil).ForTopic(""), partitions: int(partitions)}
}

// Len returns the number of partitions.
func (p *Partitioner) Len() int { return p.partitions }

// Of returns the partition of a key.
func (p *Partitioner) Of(key string) int32 {
	p.message.Key = append(p.message.Key[:0], key...)
	return int32(p.p.Partition(&p.message, p.partitions))
}
