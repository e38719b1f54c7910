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

// Headers of the messages in the topics enriched and records. They say all that a sink has to know,
// so that it passes the value on without parsing it.
const (
	HeaderIndex   = "changetrail_index"   // index or data stream
	HeaderID      = "changetrail_id"      // document id
	HeaderVersion = "changetrail_version" // revision of a record; absent: create once
	HeaderTime    = "changetrail_time"    // time of its newest event, Unix nanoseconds
	HeaderFinding = "changetrail_finding" // on a record, repeated: document id, newline, document
	HeaderTrace   = "traceparent"         // W3C trace context
	// HeaderSignature is the enricher's signature over the rest of the message (see
	// [SignDocument]).
	HeaderSignature = "changetrail_signature"
)

// Headers of a dead letter, in addition to those of the message.
const (
	HeaderReason    = "changetrail_reason"
	HeaderDetail    = "changetrail_detail"
	HeaderStage     = "changetrail_stage" // enricher, or the sink's name
	HeaderTopic     = "changetrail_topic"
	HeaderPartition = "changetrail_partition"
	HeaderOffset    = "changetrail_offset"
	HeaderAt        = "changetrail_at" // RFC 3339
	// HeaderCut marks a message that was too large for the dead letters: it states the full size
	// and the digest. The dead letter contains only the beginning of the message; the other headers
	// say where the message itself is.
	HeaderCut = "changetrail_cut"
)

// How much is kept of a message that is too large for the dead letters.
const (
	keptValue  = 64 << 10
	keptKey    = 1 << 10
	keptHeader = 1 << 10
	keptAll    = 64 << 10 // headers together
)

// HeaderRerouted marks an event that arrived under the wrong key and was sent again to the
// partition of its repository. Its value is the "topic/partition/offset" at which the event
// arrived.
const HeaderRerouted = "changetrail_rerouted"

// HeaderArrived says when an event arrived that was sent again or comes from an archive (see
// schemas.Arrival).
const HeaderArrived = "changetrail_arrived"

// HeaderRoute says how far an event has come on its way between names of a repository: see package
// enricher.
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

// DeadLetter returns the dead letter of r: its key, value and headers unchanged (or their
// beginnings, if they are too large), and why r was refused. It is written to the partition of r,
// or to why.Partition if r was not read from one of our topics.
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

// maxLetter bounds a message that is kept whole in the dead letters; it leaves space for the
// reason.
const maxLetter = maxBatchBytes - 2*maxReason

// beginning returns the small headers, up to a total size of keptAll.
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

// MessageIn is [Message], but appends the headers to buffer, which saves an allocation.
func MessageIn(buffer []schemas.Header, r *Record) schemas.Message {
	for i := range r.Headers {
		buffer = append(buffer, schemas.Header{Key: r.Headers[i].Key, Value: r.Headers[i].Value})
	}
	return schemas.Message{Key: r.Key, Value: r.Value, Headers: buffer, Time: r.Timestamp}
}
