package sinktest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/sinks"
)

// Faults are ways to make a receiver fail. Each returns what ends the fault.
type Faults struct {
	Receiver
	// Down makes the receiver unreachable.
	Down func(t *testing.T) (up func())
	// Deny makes the receiver deny access, as with a wrong password; nil if it knows no access rights.
	Deny func(t *testing.T) (allow func())
	// Small makes the receiver accept no requests, or no documents, of more than so many bytes.
	Small func(t *testing.T, bytes int) (large func())
	// Summary reports whether a copy says that it is only a summary of a document that is too large;
	// nil if such a document is refused.
	Summary func(Copy) bool
}

// Fail tests that an engine loses nothing while its receiver fails: it says what happened in the
// way that lets the worker decide, and what is put again afterwards arrives.
func Fail(t *testing.T, f Faults) {
	t.Run("a receiver that is down", func(t *testing.T) {
		docs := f.some("down", 20)
		up := f.Down(t)
		out, err := f.Engine.Put(t.Context(), docs)
		_, blocked := errors.AsType[*sinks.BlockedError](err)
		if blocked || errors.Is(err, sinks.ErrTooLarge) || errors.Is(err, sinks.ErrWhole) {
			t.Errorf("the documents or the rights are blamed: %v", err)
		}
		if err == nil {
			for i, o := range out {
				if o.Kind != sinks.Retry {
					t.Errorf("document %d: %+v, want retry", i, o)
				}
			}
		}
		up()
		f.arrive(t, docs)
	})
	if f.Deny != nil {
		t.Run("a receiver that denies access", func(t *testing.T) {
			docs := f.some("denied", 3)
			allow := f.Deny(t)
			out, err := f.Engine.Put(t.Context(), docs)
			if blocked, is := errors.AsType[*sinks.BlockedError](err); is && (blocked.Cause == "" || blocked.Reason == "") || !is && err != nil {
				t.Errorf("%v, want an error that says that somebody must act", err)
			}
			for i, o := range out {
				if o.Kind != sinks.Blocked || o.Cause == "" || o.Reason == "" {
					t.Errorf("document %d: %+v, want blocked", i, o)
				}
			}
			allow()
			f.arrive(t, docs)
		})
	}
	t.Run("a receiver that accepts little at a time", func(t *testing.T) {
		const limit = 8 << 10
		docs := f.some("small", 40)
		huge := f.event("huge", strings.Repeat("x", 2*limit))
		docs = append(docs[:20:20], append([]sinks.Document{huge}, docs[20:]...)...)
		large := f.Small(t, limit)
		defer large()
		want := 1
		if f.Summary != nil {
			want = 0
		}
		if refused := f.split(t, docs); refused != want {
			t.Errorf("%d documents are refused, want %d: one is too large", refused, want)
		}
		for i, d := range docs {
			if d.ID != huge.ID {
				f.has(t, d.Index, d.ID, d.Version, message(i))
				continue
			}
			got := f.Copies(t, d.Index, d.ID)
			if f.Summary == nil && len(got) > 0 || f.Summary != nil && (len(got) == 0 || !f.Summary(got[0])) {
				t.Errorf("of the document that is too large the receiver has %.300v", got)
			}
		}
	})
}

// message is what the document at a position of a test says.
func message(i int) string {
	return fmt.Sprintf("document %d.", i) + strings.Repeat(" lorem ipsum", 40)
}

// some makes n documents of about half a kilobyte. The 21st message is left out.
func (f Faults) some(name string, n int) (docs []sinks.Document) {
	for i := range n {
		if i >= 20 {
			i++
		}
		id := fmt.Sprintf("%s-%d", name, i)
		if i%3 == 0 {
			docs = append(docs, f.record(id, 7, message(i)))
		} else {
			docs = append(docs, f.event(id, message(i)))
		}
	}
	return docs
}

// arrive puts documents again, and checks that all are there.
func (f Faults) arrive(t *testing.T, docs []sinks.Document) {
	t.Helper()
	f.accepted(t, docs...)
	for i, d := range docs {
		f.has(t, d.Index, d.ID, d.Version, message(i))
	}
}

// split puts documents as the worker does, in halves if they are too large. It returns how many are
// refused.
func (f Faults) split(t *testing.T, docs []sinks.Document) (refused int) {
	t.Helper()
	out, err := f.Engine.Put(t.Context(), docs)
	switch {
	case (errors.Is(err, sinks.ErrTooLarge) || errors.Is(err, sinks.ErrWhole)) && len(docs) > 1:
		return f.split(t, docs[:len(docs)/2]) + f.split(t, docs[len(docs)/2:])
	case errors.Is(err, sinks.ErrTooLarge):
		return 1
	case err != nil:
		t.Fatal(err)
	}
	reasons(t, out)
	for i, o := range out {
		switch o.Kind {
		case sinks.Done, sinks.Stale:
		case sinks.Refused:
			refused++
		default:
			t.Errorf("%s: %+v", docs[i].ID, o)
		}
	}
	return refused
}
