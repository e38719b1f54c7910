package stream

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestTheDeadLetterOfWhateverIsLargeIsTaken: a message can be larger than the limit of a write,
// since brokers measure it compressed, and its partition must not wait for ever.
func TestTheDeadLetterOfWhateverIsLargeIsTaken(t *testing.T) {
	large := bytes.Repeat([]byte("0"), 80<<20)
	many := make([]kgo.RecordHeader, 100_000)
	for i := range many {
		many[i] = kgo.RecordHeader{Key: strings.Repeat("k", 50), Value: large[:50]}
	}
	topics := Topics{Prefix: "changetrail"}
	for name, k := range map[string]struct {
		r   *Record
		cut bool
	}{
		"a value":                   {&Record{Topic: topics.Events(), Key: []byte("k"), Value: large}, true},
		"a key":                     {&Record{Topic: topics.Events(), Key: large, Value: []byte("v")}, true},
		"a header":                  {&Record{Topic: topics.Events(), Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: "h", Value: large}}}, true},
		"the name of a header":      {&Record{Topic: topics.Events(), Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: string(large)}}}, true},
		"many headers":              {&Record{Topic: topics.Events(), Value: []byte("v"), Headers: many}, true},
		"as much as is written":     {&Record{Topic: topics.Events(), Value: large[:maxBatchBytes]}, true},
		"as much as is kept":        {&Record{Topic: topics.Events(), Value: large[:maxLetter]}, false},
		"one that says that it is":  {&Record{Topic: topics.Events(), Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: HeaderCut, Value: []byte("no")}}}, false},
		"another one of some bytes": {&Record{Topic: topics.Events(), Value: []byte("v")}, false},
	} {
		letter := DeadLetter(topics.DLQ(), k.r, Refusal{Stage: "enricher", Reason: "too-large", Detail: strings.Repeat("why ", 10_000), At: time.Now()})
		if err := checkSizes([]*Record{letter}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, err := Undo(topics, letter)
		if said := LastHeader(letter, HeaderCut) != nil; said != k.cut || (err != nil) != k.cut {
			t.Errorf("%s: it says that it is cut: %t; %v", name, said, err)
		}
		if !k.cut && !bytes.Equal(letter.Value, k.r.Value) {
			t.Errorf("%s: it is not whole", name)
		}
	}
}
