//go:build servers

package e2e

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/stream"
)

var formerDir = filepath.Join("..", "..", "enricher", "testdata", "former")

const (
	formerPartitions = 3
	formerKey        = "0123456789abcdef0123456789abcdef"
)

// A former is what an enricher of a former version left: see the README of its folder.
type former struct {
	read, unread []*stream.Record // events
	state        []*stream.Record
	records      []*stream.Record
	policy       *policy.Policy
	controls     *controls.Matrix
}

func readFormer(t *testing.T) *former {
	t.Helper()
	f := new(former)
	var err error
	if f.policy, err = policy.Parse(formerFile(t, "policy.yaml")); err != nil {
		t.Fatal(err)
	}
	if f.controls, err = controls.Parse(formerFile(t, "controls.yaml")); err != nil {
		t.Fatal(err)
	}
	for _, m := range formerLines(t, "events.jsonl.gz") {
		if m.Unread {
			f.unread = append(f.unread, m.message())
		} else {
			f.read = append(f.read, m.message())
		}
	}
	for _, m := range formerLines(t, "state.jsonl.gz") {
		f.state = append(f.state, m.message())
	}
	for _, m := range formerLines(t, "records.jsonl.gz") {
		m.Value = fmt.Sprintf(`{"changetrail":{"evidence_digest":%q,"revision":%d}}`, m.Digest, m.Revision)
		f.records = append(f.records, m.message())
	}
	return f
}

func formerFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(formerDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A formerLine is one of the files. Of records the documents are not kept.
type formerLine struct {
	Partition int32       `json:"p"`
	Time      int64       `json:"t"`
	Unread    bool        `json:"unread"`
	Key       string      `json:"k"`
	Headers   [][2]string `json:"h"`
	Value     string      `json:"v"`
	Bytes     []byte      `json:"b"`
	Revision  int64       `json:"revision"`
	Digest    string      `json:"digest"`
}

func (m formerLine) message() *stream.Record {
	r := &stream.Record{Partition: m.Partition, Timestamp: time.UnixMilli(m.Time).UTC(), Key: []byte(m.Key), Value: append([]byte(m.Value), m.Bytes...)}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h[0], Value: []byte(h[1])})
	}
	return r
}

func formerLines(t *testing.T, name string) (out []formerLine) {
	t.Helper()
	file, err := os.Open(filepath.Join(formerDir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var m formerLine
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out = append(out, m)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// load makes topics and puts into them what the former version left there: the events that
// it read and how far that was, its state, and the records that it sent.
func (f *former) load(t *testing.T, name string) *pipeline {
	t.Helper()
	p := &pipeline{
		topics: stream.Topics{Prefix: name}, namespace: "default", kafka: stream.Config{Brokers: []string{broker.Address}},
		policy: f.policy, matrix: f.controls,
	}
	adm, err := stream.NewAdmin(p.kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()
	if _, err := adm.Ensure(t.Context(), p.topics.Specs(formerPartitions, 24*time.Hour), 1, false); err != nil {
		t.Fatal(err)
	}
	p.append(t, p.topics.Events(), f.read)
	p.append(t, p.topics.State(), f.state)
	p.append(t, p.topics.Records(), f.records)
	p.commit(t, f.read)
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
