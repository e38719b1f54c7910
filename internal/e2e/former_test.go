//go:build servers

package e2e

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/internal/former"
	"github.com/changetrail/changetrail/stream"
)

const (
	formerPartitions = 3
	formerKey        = "0123456789abcdef0123456789abcdef"
)

// A leftBehind is what an enricher of a former version left.
type leftBehind struct{ *former.Left }

func readFormer(t *testing.T) leftBehind {
	t.Helper()
	left, err := former.Read(filepath.Join("..", "..", "enricher", "testdata", "former"))
	if err != nil {
		t.Fatal(err)
	}
	return leftBehind{left}
}

// load makes topics and puts into them what the former version left there: the events that
// it read and how far that was, its state, and the records that it sent.
func (f leftBehind) load(t *testing.T, name string) *pipeline {
	t.Helper()
	p := &pipeline{
		topics: stream.Topics{Prefix: name}, namespace: "default", kafka: stream.Config{Brokers: []string{broker.Address}},
		policy: f.Policy, matrix: f.Controls,
	}
	adm, err := stream.NewAdmin(p.kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()
	if _, err := adm.Ensure(t.Context(), p.topics.Specs(formerPartitions, 24*time.Hour), 1, false); err != nil {
		t.Fatal(err)
	}
	p.append(t, p.topics.Events(), f.Read)
	p.append(t, p.topics.State(), f.State)
	p.append(t, p.topics.Records(), f.Records)
	p.commit(t, f.Read)
	return p
}

// append writes messages to their partitions of a topic.
func (p *pipeline) append(t *testing.T, topic string, messages []*stream.Record) {
	t.Helper()
	w, err := stream.NewWriter(p.kafka)
	if err != nil {
		t.Error(err)
		return
	}
	defer w.Close()
	out := make([]*stream.Record, len(messages))
	for i, r := range messages {
		out[i] = &stream.Record{Topic: topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: r.Headers}
	}
	if err := w.Append(t.Context(), out...); err != nil {
		t.Error(err)
	}
}

// commit has the group of the enrichers stand behind events.
func (p *pipeline) commit(t *testing.T, read []*stream.Record) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(p.kafka.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	offsets := make(kadm.Offsets)
	for partition, n := range perPartition(read) {
		offsets.AddOffset(p.topics.Events(), partition, n, -1)
	}
	if err := kadm.NewClient(cl).CommitAllOffsets(t.Context(), enricher.Group(p.topics), offsets); err != nil {
		t.Fatal(err)
	}
}

func perPartition(messages []*stream.Record) map[int32]int64 {
	n := make(map[int32]int64)
	for _, r := range messages {
		n[r.Partition]++
	}
	return n
}

// scan returns what is committed in a topic, from an offset of each partition on.
func (p *pipeline) scan(t *testing.T, topic string, from map[int32]int64) (out []*stream.Record) {
	t.Helper()
	for partition := range int32(formerPartitions) {
		if _, err := p.kafka.Partition(topic, partition).Scan(t.Context(), -1, func(recs []*stream.Record) error {
			for _, r := range recs {
				if r.Offset >= from[partition] {
					out = append(out, r)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// A sentDocument is what is read of a document, changetrail.* in it.
type sentDocument struct {
	Revision int64  `json:"revision"`
	Digest   string `json:"evidence_digest"`
	Event    struct {
		Digest string `json:"digest"`
	} `json:"event"`
}

func readSent(t *testing.T, r *stream.Record) sentDocument {
	t.Helper()
	var doc struct {
		Trail sentDocument `json:"changetrail"`
	}
	if err := json.Unmarshal(r.Value, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Trail
}
