//go:build bench

package bench

import (
	"bufio"
	"context"
	wire "encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/stream"
)

// work is what an enricher wrote of some events, in files: one for each topic and
// partition, of messages in their order.
type work struct {
	dir             string
	events          map[int32]kadm.ListedOffset // in each partition
	messages, bytes int64
}

// workTopics are the topics that an enricher writes, and how the work floor calls its
// own.
func workTopics(top stream.Topics) map[string]string {
	return map[string]string{top.State(): "work.state", top.Records(): "work.records", top.Enriched(): "work.enriched", top.Events(): "work.events"}
}

func workFile(dir, topic string, partition int32) string {
	return filepath.Join(dir, fmt.Sprintf("%s-%d", topic, partition))
}

// recordWork runs the enricher over n events and keeps what it writes.
func recordWork(t *testing.T, adm *kadm.Client, top stream.Topics, n int64) *work {
	t.Helper()
	events, err := adm.ListEndOffsets(t.Context(), top.Events()) // the enricher adds some of its own
	if err != nil {
		t.Fatal(err)
	}
	enrich(t, adm, top, binary, n)
	w := &work{dir: t.TempDir(), events: events[top.Events()]}
	for from, to := range workTopics(top) {
		recreate(t, adm, to)
		if err := w.record(t.Context(), adm, from, to); err != nil {
			t.Fatalf("recording what the enricher writes to %s: %v", from, err)
		}
	}
	return w
}

// record keeps the messages of a topic that an enricher wrote.
func (w *work) record(ctx context.Context, adm *kadm.Client, from, to string) error {
	ends, err := adm.ListCommittedOffsets(ctx, from)
	if err != nil {
		return err
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker.Address), kgo.ConsumeTopics(from), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		return err
	}
	defer cl.Close()
	files := make([]*bufio.Writer, partitions)
	counts := make([]int64, partitions)
	for p := range files {
		file, err := os.Create(workFile(w.dir, to, int32(p)))
		if err != nil {
			return err
		}
		defer file.Close()
		files[p] = bufio.NewWriterSize(file, 1<<20)
	}
	left := 0
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left++
		}
	})
	for left > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if end, _ := ends.Lookup(from, r.Partition); r.Offset == end.Offset-1 {
				left--
			}
			if r.Attrs.IsControl() || to == "work.events" && stream.Header(r, stream.HeaderRerouted) == nil {
				return
			}
			w.messages++
			w.bytes += int64(writeMessage(files[r.Partition], r))
			counts[r.Partition]++
		})
	}
	var failed error
	for p, f := range files {
		count := os.WriteFile(workFile(w.dir, to, int32(p))+".count", fmt.Appendf(nil, "%d %d", counts[p], w.events[int32(p)].Offset), 0o600)
		failed = errors.Join(failed, f.Flush(), count)
	}
	return failed
}

// floor runs the work floor until n events are done.
func (w *work) floor(t *testing.T, adm *kadm.Client, top stream.Topics, group string, n int64) result {
	t.Helper()
	before := w.written(t, adm, top)
	r := measure(t, floorCommand("work", "GROUP="+group, "FROM="+top.Events(), "WORK="+w.dir), n, consumed(t, adm, group, top.Events()))
	if written := w.written(t, adm, top) - before; written < w.messages*95/100 { // the last ones may be missing
		t.Fatalf("the work floor wrote %d messages, and the enricher %d", written, w.messages)
	}
	return r
}

// written is how far the topics of the work floor have come.
func (w *work) written(t *testing.T, adm *kadm.Client, top stream.Topics) (n int64) {
	t.Helper()
	for _, topic := range workTopics(top) {
		ends, err := adm.ListEndOffsets(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		n += total(ends)
	}
	return n
}

// floorWork consumes and produces, for each part of a partition that it has read, the
// same part of what an enricher wrote of that partition.
func floorWork(ctx context.Context) error {
	s, err := floorSession()
	if err != nil {
		return err
	}
	defer s.Close()
	outputs, err := openOutputs(os.Getenv("WORK"))
	if err != nil {
		return err
	}
	return transactions(ctx, s, func(fetches kgo.Fetches, produce func(*kgo.Record)) (failed error) {
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if len(p.Records) == 0 {
				return
			}
			for _, o := range outputs[p.Partition] {
				failed = errors.Join(failed, o.produce(p.Records[len(p.Records)-1].Offset+1, produce))
			}
		})
		return failed
	})
}

// An output is what is to be written to one partition.
type output struct {
	topic       string
	partition   int32
	in          *bufio.Reader
	count, done int64
	events      int64 // of which it is the output
}

func openOutputs(dir string) (outputs [partitions][]*output, err error) {
	for _, topic := range []string{"work.state", "work.records", "work.enriched", "work.events"} {
		for p := range int32(partitions) {
			count, err1 := os.ReadFile(workFile(dir, topic, p) + ".count")
			file, err2 := os.Open(workFile(dir, topic, p))
			if err := errors.Join(err1, err2); err != nil {
				return outputs, err
			}
			o := &output{topic: topic, partition: p, in: bufio.NewReaderSize(file, 1<<20)}
			if _, err := fmt.Sscan(string(count), &o.count, &o.events); err != nil {
				return outputs, err
			}
			outputs[p] = append(outputs[p], o)
		}
	}
	return outputs, nil
}

// produce writes what follows from the first events.
func (o *output) produce(events int64, produce func(*kgo.Record)) error {
	for until := o.count * min(events, o.events) / max(o.events, 1); o.done < until; o.done++ {
		r, err := readMessage(o.in)
		if err != nil {
			return err
		}
		r.Topic, r.Partition = o.topic, o.partition
		produce(r)
	}
	return nil
}

// writeMessage writes the key, the value and the headers of r, each after its length,
// and returns how many bytes they have.
func writeMessage(w *bufio.Writer, r *kgo.Record) (size int) {
	var length []byte
	part := func(b []byte) {
		length = wire.AppendUvarint(length[:0], uint64(len(b)))
		_, _ = w.Write(length) // Flush says what failed
		_, _ = w.Write(b)
		size += len(b)
	}
	part(r.Key)
	part(r.Value)
	_, _ = w.Write(wire.AppendUvarint(nil, uint64(len(r.Headers))))
	for _, h := range r.Headers {
		part([]byte(h.Key))
		part(h.Value)
	}
	return size
}

func readMessage(in *bufio.Reader) (*kgo.Record, error) {
	var failed error
	number := func() uint64 {
		n, err := wire.ReadUvarint(in)
		failed = errors.Join(failed, err)
		return n
	}
	part := func() []byte {
		b := make([]byte, number())
		_, err := io.ReadFull(in, b)
		failed = errors.Join(failed, err)
		return b
	}
	r := &kgo.Record{Key: part(), Value: part()}
	for n := number(); n > 0 && failed == nil; n-- {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: string(part()), Value: part()})
	}
	return r, failed
}
