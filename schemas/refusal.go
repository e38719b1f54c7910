package schemas

import (
	"errors"
	"fmt"
)

// A Reason is why an event was refused. The set is closed: it labels a metric and is in the header
// of each dead letter.
type Reason string

// The reasons for which an event becomes a dead letter.
const (
	NotJSON         Reason = "not-json"
	NotCloudEvent   Reason = "not-a-cloudevent"
	UnknownType     Reason = "unknown-type"
	SchemaViolation Reason = "schema-violation"
	NoRepository    Reason = "no-repository"
	NotAChange      Reason = "not-a-change"
	ClockSkew       Reason = "clock-skew"
	TooLarge        Reason = "too-large"
	BadReport       Reason = "bad-report"
	DigestMismatch  Reason = "digest-mismatch"
	DuplicateID     Reason = "duplicate-id"
	BlobMissing     Reason = "blob-missing"
	RunUnknown      Reason = "run-unknown"
	NamesConflict   Reason = "names-conflict"         // the subject names one change or repository, and the data another
	NotTheSenders   Reason = "not-the-senders"        // it speaks in the name of somebody other than its sender
	NotAllowed      Reason = "repository-not-allowed" // its sender may not send events about this repository
	Internal        Reason = "internal-error"
	Unprocessable   Reason = "cannot-be-processed"
	Rejected        Reason = "rejected-by-index"
)

// A Refusal is the error for an event that will never be accepted, however
// often it is read.
type Refusal struct {
	Reason Reason
	Detail string // what is wrong with it and what to do
}

func (r *Refusal) Error() string { return string(r.Reason) + ": " + r.Detail }

// Refuse returns a Refusal.
func Refuse(reason Reason, format string, args ...any) error {
	return &Refusal{reason, fmt.Sprintf(format, args...)}
}

// AsRefusal returns the Refusal in err's chain, or nil.
func AsRefusal(err error) *Refusal {
	var r *Refusal
	if errors.As(err, &r) {
		return r
	}
	return nil
}
