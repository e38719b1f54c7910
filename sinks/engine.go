package sinks

import (
	"context"
	"errors"
)

// A Document is one message for an index. Body is JSON on one line.
type Document struct {
	Index   string
	ID      string
	Version int64 // revision of a record; 0 for an event, which is only created
	Body    []byte
}

// An Outcome is the result of putting one document.
type Outcome struct {
	Kind   Kind
	Cause  string // type of the error, if any; one of a small set
	Reason string // in the engine's words, unless Done
}

// A Kind of outcome. The set is closed.
type Kind int

// Outcomes of a document.
const (
	Done    Kind = iota // stored
	Stale               // the same event, or this or a newer revision, is already stored
	Retry               // not now: the engine is busy; put it again later
	Refused             // never: the engine says what is wrong with this document
	Blocked             // not before somebody acts: the index or its permissions are at fault, not the document
	Unclear             // the engine does not say whether the document or the index is at fault
)

func (k Kind) String() string {
	return [...]string{"stored", "stale", "retry", "refused", "blocked", "unclear"}[k]
}

// ErrTooLarge reports a request that is larger than the engine accepts. Nothing of it was stored.
var ErrTooLarge = errors.New("request is too large for the engine")

// ErrWhole reports a request that was refused as a whole because of one of its documents. Nothing
// of it was stored.
var ErrWhole = errors.New("request is refused as a whole")

// A BlockedError reports that the engine accepts no request until somebody acts, for example
// because a password is wrong.
type BlockedError struct{ Cause, Reason string }

func (b *BlockedError) Error() string { return b.Cause + ": " + b.Reason }

// An Engine stores documents in search indexes, or sends them to another receiver.
//
// Package sinktest tests that an implementation keeps this contract.
type Engine interface {
	// Name is the engine's name in metrics, dead letters and the consumer group.
	Name() string
	// Put stores docs and returns one outcome for each, in order. A document that is Done is
	// acknowledged: it survives a crash of the engine, or the engine's package says what else may
	// happen to it. Putting a document again is harmless: an index stores it once, and any other
	// receiver gets the same id and revision again. An
	// error means that the request as a whole failed, and each document may or may not be stored.
	// The caller then puts all of them again later, in smaller parts if the error is [ErrTooLarge]
	// or [ErrWhole], and not before the time that a [BusyError] names.
	Put(ctx context.Context, docs []Document) ([]Outcome, error)
	// Ready reports an error if the receiver cannot be used, for example because the indexes for
	// namespace are not set up.
	Ready(ctx context.Context, namespace string) error
}
