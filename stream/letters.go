package stream

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
)

// letterHeaders are those that [DeadLetter] adds.
var letterHeaders = []string{HeaderReason, HeaderDetail, HeaderStage, HeaderTopic, HeaderPartition, HeaderOffset, HeaderAt}

// Undo returns the message that a dead letter was, for the topic and the partition from
// which it came, so that it is read once more. Only topics of t are written to.
func Undo(t Topics, letter *Record) (*Record, error) {
	topic := string(LastHeader(letter, HeaderTopic))
	if !slices.Contains([]string{t.Events(), t.Enriched(), t.Records()}, topic) {
		return nil, fmt.Errorf("it came from the topic %q, which is none of %s, %s and %s", topic, t.Events(), t.Enriched(), t.Records())
	}
	if cut := LastHeader(letter, HeaderCut); cut != nil {
		return nil, fmt.Errorf("it was too large for the dead letters, which have its beginning alone (%s); the message itself lies in %s, partition %s, offset %s, as long as that is kept",
			cut, topic, LastHeader(letter, HeaderPartition), LastHeader(letter, HeaderOffset))
	}
	partition, err := strconv.ParseInt(string(LastHeader(letter, HeaderPartition)), 10, 32)
	if err != nil || partition < 0 {
		return nil, fmt.Errorf("its header %s names no partition", HeaderPartition)
	}
	headers := slices.DeleteFunc(slices.Clone(letter.Headers), func(h kgo.RecordHeader) bool { return slices.Contains(letterHeaders, h.Key) })
	return &Record{Topic: topic, Partition: int32(partition), Key: letter.Key, Value: letter.Value, Headers: headers}, nil
}

// LastHeader is the value of the last header of a name: what a sender wrote under it stands
// before what was added.
func LastHeader(r *Record, key string) []byte {
	for _, h := range slices.Backward(r.Headers) {
		if h.Key == key {
			return h.Value
		}
	}
	return nil
}
