package stream

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// A BadRecord is the error of a batch that holds a record which can never be
// processed, however often it is read. The batch is read again in smaller parts
// until that record stands alone, which is then refused.
type BadRecord struct {
	Reason string // what happened, and what to do
	Stack  []byte // where it happened, after a panic
}

func (b *BadRecord) Error() string { return b.Reason }

// ErrTooMuch is the error of a batch that takes more memory than there is. It is read again in
// smaller parts. One record alone is never too much.
var ErrTooMuch = errors.New("the batch takes more memory than there is")

// attrs tells of b in the log.
func (b *BadRecord) attrs() []any {
	attrs := []any{"reason", b.Reason}
	if len(b.Stack) > 0 {
		attrs = append(attrs, "stack", string(b.Stack))
	}
	return attrs
}

// Panicked returns the BadRecord of a panic, from what recover returned.
func Panicked(value any) *BadRecord {
	return &BadRecord{fmt.Sprintf("panic: %v; this is a bug in changetrail, please report it", value), debug.Stack()}
}

// neverTaken lists the answers that a broker gives to the same message always.
var neverTaken = []error{kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord}

// writeError is the error of writing r, which is a BadRecord where the broker
// never takes it.
func writeError(r *Record, err error) error {
	err = fmt.Errorf("kafka: write to %s/%d: %w", r.Topic, r.Partition, err)
	for _, never := range neverTaken {
		if errors.Is(err, never) {
			return &BadRecord{Reason: err.Error()}
		}
	}
	return err
}

// checkSizes finds a message that no broker is asked to take, before any of them
// is written.
func checkSizes(out []*Record) error {
	for _, r := range out {
		if n := size(r); n > maxBatchBytes {
			return &BadRecord{Reason: fmt.Sprintf("the message for %s that follows from it has %d bytes, at most %d are written", r.Topic, n, maxBatchBytes)}
		}
	}
	return nil
}

// size is what a message takes at least, without what frames it.
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

// cut shortens a text to at most n bytes and says so.
func cut(s string, n int) string {
	const mark = " … (cut)"
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-len(mark)], "") + mark
}
