package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// TestDeadLettersAreReadOnceMore writes letters, and finds each chosen one where it came
// from, as it was.
func TestDeadLettersAreReadOnceMore(t *testing.T) {
	topics := stream.Topics{Prefix: "t"}
	conf, w := kafkatest.Pipeline(t, 2, topics)
	letter := func(topic string, partition int32, value string, reason schemas.Reason) *stream.Record {
		was := &stream.Record{Topic: topic, Partition: partition, Key: []byte("k"), Value: []byte(value), Headers: []kgo.RecordHeader{
			{Key: stream.HeaderID, Value: []byte("1")}, {Key: stream.HeaderReason, Value: []byte("forged")},
		}}
		return stream.DeadLetter(topics.DLQ(), was, stream.Refusal{Stage: "sink", Reason: reason, Detail: "because", At: time.Now()})
	}
	err := w.Append(t.Context(), letter(topics.Records(), 1, "a", schemas.Rejected), letter(topics.Events(), 0, "b", schemas.NotJSON), letter("elsewhere", 0, "c", schemas.Rejected))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(args ...string) string {
		root := newRoot([]string{"CHANGETRAIL_KAFKA_BROKERS=" + strings.Join(conf.Brokers, ","), "CHANGETRAIL_KAFKA_PREFIX=t"})
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&out)
		root.SetArgs(append([]string{"letters"}, args...))
		if err := root.ExecuteContext(t.Context()); err != nil {
			out.WriteString(err.Error())
		}
		return out.String()
	}
	if said := ask(); !strings.Contains(said, "3 dead letters\n") || !strings.Contains(said, "t.records/1/0 rejected-by-index: because") {
		t.Errorf("it says %s", said)
	}
	if said := ask("--reason", string(schemas.Rejected), "--replay"); !strings.Contains(said, "2 dead letters; 1 were sent to be processed again") || !strings.Contains(said, "1 dead letters cannot be written") {
		t.Errorf("it says %s", said)
	}
	for topic, want := range map[string]int{topics.Records(): 1, topics.Events(): 0} {
		for partition := range int32(2) {
			got := 0
			if _, err := conf.Partition(topic, partition).Scan(t.Context(), -1, func(recs []*stream.Record) error {
				got += len(recs)
				if r := recs[0]; string(r.Value) != "a" || string(r.Key) != "k" || string(stream.Header(r, stream.HeaderID)) != "1" || stream.Header(r, stream.HeaderDetail) != nil {
					t.Errorf("%+v", r)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if partition != 1 {
				continue
			}
			if got != want {
				t.Errorf("%s has %d messages, want %d", topic, got, want)
			}
		}
	}
}
