package stream

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// A BadRecord is the error of a batch that contains a record which can never be processed. The
// batch is read again in smaller parts until that record is alone in its batch, and is then
// refused.
type BadRecord struct {
	Reason string // what happened, and what to do
	Stack  []byte // where it happened, after a panic
}

func (b *BadRecord) Error() string { return b.Reason }

// ErrTooMuch is the error of a batch that needs more memory than there is. The batch is read again
// in smaller parts. A single record never needs too much.
var ErrTooMuch = errors.New("the batch needs more memory than there is")

// attrs returns the log attributes of b.
func (b *BadRecord) attrs() []any {
	attrs := []any{"reason", b.Reason}
	if len(b.Stack) > 0 {
		attrs = append(attrs, "stack", string(b.Stack))
	}
	return attrs
}

// Panicked makes a BadRecord of the value that recover returned.
func Panicked(value any) *BadRecord {
	return &BadRecord{fmt.Sprintf("panic: %v; this is a bug in changetrail, please report it", value), debug.Stack()}
}

// neverAccepted lists the errors with which a broker refuses a message every time.
var neverAccepted = []error{kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord}

// writeError is the error of writing r. It is a BadRecord if the broker will never accept r.
func writeError(r *Record, err error) error {
	err = fmt.Errorf("kafka: write to %s/%d: %w", r.Topic, r.Partition, err)
	for _, never := range neverAccepted {
		if errors.Is(err, never) {
			return &BadRecord{Reason: err.Error()}
		}
	}
	return err
}

// checkSizes finds a message that is too large for any broker, before any of them is written.
func checkSizes(out []*Record) error {
	for _, r := range out {
		if n := size(r); n > maxBatchBytes {
			return &BadRecord{Reason: fmt.Sprintf("the message for %s that it leads to has %d bytes; at most %d can be written", r.Topic, n, maxBatchBytes)}
		}
	}
	return nil
}

// size is the least size of a message: its content without the framing.
func size(r *Record) int {
	n := len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

func asBad(err error) *BadRecord {
	var bad *BadRecord
	errors.As(err, &bad)
	return bad
}

// cut shortens a text to at most n bytes and marks it as cut.
func cut(s string, n int) string {
	const mark = " … (cut)"
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-len(mark)], "") + mark
}
