package stream

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/schemas"
)

func TestADeadLetterIsUndone(t *testing.T) {
	topics := Topics{Prefix: "p"}
	for _, headers := range [][]kgo.RecordHeader{
		nil,
		{{Key: HeaderIndex, Value: []byte("i")}, {Key: HeaderID, Value: []byte("1")}},
		{{Key: HeaderTopic, Value: []byte("p.policies")}, {Key: "x", Value: []byte("y")}}, // of a sender who would write elsewhere
	} {
		was := &Record{Topic: topics.Records(), Partition: 3, Offset: 7, Key: []byte("k"), Value: []byte("v"), Headers: headers}
		got, err := Undo(topics, DeadLetter(topics.DLQ(), was, Refusal{Stage: "opensearch", Reason: schemas.Rejected, Detail: "why", At: time.Now()}))
		if err != nil {
			t.Fatal(err)
		}
		want := &Record{Topic: was.Topic, Partition: 3, Key: was.Key, Value: was.Value}
		for _, h := range headers {
			if h.Key != HeaderTopic {
				want.Headers = append(want.Headers, h)
			}
		}
		if diff := cmp.Diff(fmt.Sprintf("%+v", *want), fmt.Sprintf("%+v", *got)); diff != "" {
			t.Error(diff)
		}
	}
	for _, topic := range []string{"", "p.state", "p.policies", "p.dlq", "other"} {
		if _, err := Undo(topics, DeadLetter("p.dlq", &Record{Topic: topic}, Refusal{Stage: "s", Reason: schemas.Rejected, Detail: "", At: time.Now()})); err == nil {
			t.Errorf("a letter is written to %q", topic)
		}
	}
}
