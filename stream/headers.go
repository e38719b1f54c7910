package stream

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/schemas"
)

// Headers of the messages in enriched and records. They say all that a sink
// has to know, so that it passes the value through and parses nothing.
const (
	HeaderIndex   = "changetrail_index"   // index or data stream
	HeaderID      = "changetrail_id"      // document id
	HeaderVersion = "changetrail_version" // revision of a record; absent: create once
	HeaderTime    = "changetrail_time"    // time of the newest event within, Unix nanoseconds
	HeaderFinding = "changetrail_finding" // on a record, repeated: document id, newline, document
	HeaderTrace   = "traceparent"         // W3C trace context
	// HeaderSignature is an enricher's signature over all else of the message (see [SignDocument]).
	HeaderSignature = "changetrail_signature"
)

// Headers of a dead letter, beside those that the message had.
const (
	HeaderReason    = "changetrail_reason"
	HeaderDetail    = "changetrail_detail"
	HeaderStage     = "changetrail_stage" // enricher, or the sink's name
	HeaderTopic     = "changetrail_topic"
	HeaderPartition = "changetrail_partition"
	HeaderOffset    = "changetrail_offset"
	HeaderAt        = "changetrail_at" // RFC 3339
	// HeaderCut says of a message that was too large for the dead letters how large it was, and
	// its digest: what lies there is its beginning. The message itself is where the other
	// headers say.
	HeaderCut = "changetrail_cut"
)

// Of a message that is too large for the dead letters so much is kept.
const (
	keptValue  = 64 << 10
	keptKey    = 1 << 10
	keptHeader = 1 << 10
	keptAll    = 64 << 10 // headers together
)

// HeaderRerouted marks an event that came in under another key and was sent
// again to the partition of its repository: "topic/partition/offset" of the
// one that came.
const HeaderRerouted = "changetrail_rerouted"

// HeaderArrived says when an event arrived that was sent on, or comes from an archive
// (see schemas.Arrival).
const HeaderArrived = "changetrail_arrived"

// HeaderRoute says on the way of an event between names of a repository how far it is: see
// package enricher.
const HeaderRoute = "changetrail_route"

// AddHeader adds a header to r.
func AddHeader(r *Record, key string, value []byte) {
	r.Headers = append(r.Headers, kgo.RecordHeader{Key: key, Value: value})
}

// Header returns the value of a header, or nil.
func Header(r *Record, key string) []byte {
	for i := range r.Headers {
		if r.Headers[i].Key == key {
			return r.Headers[i].Value
		}
	}
	return nil
}

// A Refusal says where, why and when a message was refused.
type Refusal struct {
	Stage  string
	Reason schemas.Reason
	Detail string // cut to some KiB
	At     time.Time
}

// DeadLetter returns the dead letter of r: its key, value and headers as they
// came (or their beginnings, where they are too large), and why it was refused. It lies in
// the partition of r, or in the one given where r was not read from a topic of ours.
func DeadLetter(dlq string, r *Record, why Refusal) *Record {
	key, value := r.Key, r.Value
	headers := slices.DeleteFunc(slices.Clone(r.Headers), func(h kgo.RecordHeader) bool { return h.Key == HeaderCut })
	if n := size(r); n > maxLetter {
		headers = beginning(headers)
		headers = append(headers, kgo.RecordHeader{Key: HeaderCut, Value: fmt.Appendf(nil, "of %d bytes, %d of the value, whose digest is sha256:%x", n, len(value), sha256.Sum256(value))})
		key, value = key[:min(len(key), keptKey)], value[:min(len(value), keptValue)]
	}
	for _, h := range [][2]string{
		{HeaderReason, string(why.Reason)},
		{HeaderDetail, cut(why.Detail, maxReason)},
		{HeaderStage, why.Stage},
		{HeaderTopic, r.Topic},
		{HeaderPartition, strconv.Itoa(int(r.Partition))},
		{HeaderOffset, strconv.FormatInt(r.Offset, 10)},
		{HeaderAt, why.At.UTC().Format(time.RFC3339Nano)},
	} {
		headers = append(headers, kgo.RecordHeader{Key: h[0], Value: []byte(h[1])})
	}
	return &Record{Topic: dlq, Partition: r.Partition, Key: key, Value: value, Headers: headers}
}

// maxLetter bounds a message that is kept whole in the dead letters, beside what is said of it.
const maxLetter = maxBatchBytes - 2*maxReason

// beginning is headers as far as they are small.
func beginning(headers []kgo.RecordHeader) []kgo.RecordHeader {
	left := keptAll
	return slices.DeleteFunc(headers, func(h kgo.RecordHeader) bool {
		n := len(h.Key) + len(h.Value)
		if n > keptHeader || n > left {
			return true
		}
		left -= n
		return false
	})
}

// Message returns the parts of r that schemas reads.
func Message(r *Record) schemas.Message { return MessageIn(nil, r) }

// MessageIn is [Message] with its headers in room, as far as that has some.
func MessageIn(room []schemas.Header, r *Record) schemas.Message {
	for i := range r.Headers {
		room = append(room, schemas.Header{Key: r.Headers[i].Key, Value: r.Headers[i].Value})
	}
	return schemas.Message{Key: r.Key, Value: r.Value, Headers: room, Time: r.Timestamp}
}
