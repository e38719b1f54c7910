package stream

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
)

// letterHeaders are the headers that [DeadLetter] adds.
var letterHeaders = []string{HeaderReason, HeaderDetail, HeaderStage, HeaderTopic, HeaderPartition, HeaderOffset, HeaderAt}

// Undo turns a dead letter back into the message that it was, addressed to the topic and partition
// that it came from, so that it is read again. It writes only to topics of t.
func Undo(t Topics, letter *Record) (*Record, error) {
	topic := string(LastHeader(letter, HeaderTopic))
	if !slices.Contains([]string{t.Events(), t.Enriched(), t.Records()}, topic) {
		return nil, fmt.Errorf("it came from the topic %q; only letters from %s, %s and %s can be sent again", topic, t.Events(), t.Enriched(), t.Records())
	}
	if cut := LastHeader(letter, HeaderCut); cut != nil {
		return nil, fmt.Errorf("it was too large for the dead letters, which contain only its beginning (%s); the message itself is in %s, partition %s, offset %s, as long as that topic keeps it",
			cut, topic, LastHeader(letter, HeaderPartition), LastHeader(letter, HeaderOffset))
	}
	partition, err := strconv.ParseInt(string(LastHeader(letter, HeaderPartition)), 10, 32)
	if err != nil || partition < 0 {
		return nil, fmt.Errorf("its header %s names no partition", HeaderPartition)
	}
	headers := slices.DeleteFunc(slices.Clone(letter.Headers), func(h kgo.RecordHeader) bool { return slices.Contains(letterHeaders, h.Key) })
	return &Record{Topic: topic, Partition: int32(partition), Key: letter.Key, Value: letter.Value, Headers: headers}, nil
}

// LastHeader is the value of the last header with a name: a header that the sender wrote comes
// before the ones that were added.
func LastHeader(r *Record, key string) []byte {
	for _, h := range slices.Backward(r.Headers) {
		if h.Key == key {
			return h.Value
		}
	}
	return nil
}
