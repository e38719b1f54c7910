package gateway

import (
	"context"

	"google.golang.org/protobuf/encoding/protowire"
)

// perField is the memory of an empty span, log or attribute after it was read.
const perField = 400

// growFor reserves memory for the values that a message of Protocol Buffers is read into.
func growFor(ctx context.Context, message []byte) error {
	return shareOf(ctx).Grow(2*int64(len(message)) + perField*int64(fieldsIn(message, 0)))
}

// fieldsIn counts the messages and strings in a message. A string that can be read as a message is
// counted as one, so that the count is never too low.
func fieldsIn(message []byte, depth int) (n int) {
	for len(message) > 0 {
		_, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return n
		}
		message = message[size:]
		if kind != protowire.BytesType {
			if size = protowire.ConsumeFieldValue(1, kind, message); size < 0 {
				return n
			}
			message = message[size:]
			continue
		}
		inner, size := protowire.ConsumeBytes(message)
		if size < 0 {
			return n
		}
		n++
		if depth < maxDepth {
			n += fieldsIn(inner, depth+1)
		}
		message = message[size:]
	}
	return n
}

// maxDepth is how deeply attributes are nested in a request, with lists in lists as agents send them.
const maxDepth = 12
