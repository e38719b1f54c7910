package sinktest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/sinks"
)

// A Receiver is an engine under test, with a way to look at what the receiver has.
type Receiver struct {
	Engine sinks.Engine
	Events string // index of events
	Record string // index of records, which have revisions
	// Copies returns all that the receiver has of the document with an id, in any order: what was
	// put before is there. It finds them by the id and the revision that the receiver was given,
	// as an analyst would.
	Copies func(t *testing.T, index, id string) []Copy
	// Document makes the document of an id and a revision, in which message can be found. If nil,
	// it has a time and the message.
	Document func(index, id string, version int64, message string) sinks.Document
}

// A Copy is a document as the receiver has it.
type Copy struct {
	Version int64 // of an event: 0
	Body    string
}

// Append tests what all engines promise, also those whose receivers only append: outcomes in order,
// a reason for each document that is refused while the rest is stored, and an id and a revision
// with each document, so that what is put again can be recognized.
func Append(t *testing.T, r Receiver) {
	t.Run("nothing to put is no error", func(t *testing.T) { r.put(t) })
	t.Run("each document arrives", func(t *testing.T) {
		r.accepted(t, r.event("one", "message 1"), r.record("rec", 1, "message 2"), r.event("two", "message 3"))
		r.has(t, r.Events, "one", 0, "message 1")
		r.has(t, r.Record, "rec", 1, "message 2")
		r.has(t, r.Events, "two", 0, "message 3")
		if got := r.Copies(t, r.Events, "none"); len(got) > 0 {
			t.Errorf("there are copies of a document that was not put: %v", got)
		}
	})
	t.Run("what is put again is the same document", func(t *testing.T) {
		r.accepted(t, r.event("repeat", "once"))
		r.accepted(t, r.event("repeat", "once"), r.event("repeat", "once"))
		r.has(t, r.Events, "repeat", 0, "once")
	})
	t.Run("the newest revision is known, in whatever order they are put", func(t *testing.T) {
		for _, version := range []int64{2, 1, 4, 3, 4} {
			r.accepted(t, r.record("revised", version, fmt.Sprintf("revision %d.", version)))
		}
		newest := Copy{}
		for _, c := range r.Copies(t, r.Record, "revised") {
			if c.Version >= newest.Version {
				newest = c
			}
		}
		if newest.Version != 4 || !strings.Contains(newest.Body, "revision 4.") {
			t.Errorf("the newest revision is %+v, want 4", newest)
		}
	})
	t.Run("a document that is not JSON is refused with a reason while the rest is stored", func(t *testing.T) {
		docs := []sinks.Document{r.event("before", "a"), r.event("broken", ""), r.event("empty", ""), r.event("after", "b")}
		docs[1].Body, docs[2].Body = []byte(`{"@timestamp":`), nil
		out := r.put(t, docs...)
		if diff := cmp.Diff([]string{"stored", "refused", "refused", "stored"}, kinds(out)); diff != "" {
			t.Error(diff)
		}
		reasons(t, out)
		r.has(t, r.Events, "before", 0, "a")
		r.has(t, r.Events, "after", 0, "b")
		for _, id := range []string{"broken", "empty"} {
			if got := r.Copies(t, r.Events, id); len(got) > 0 {
				t.Errorf("%s was refused, and is there: %v", id, got)
			}
		}
	})
	t.Run("a document over several lines is stored", func(t *testing.T) {
		d := r.event("lines", "over several lines")
		d.Body = []byte(strings.ReplaceAll(string(d.Body), ",", ",\n "))
		r.accepted(t, d)
		r.has(t, r.Events, "lines", 0, "over several lines")
	})
	t.Run("an id with characters of its own is kept", func(t *testing.T) {
		id := `github.com/acme/"pay ments]"/ümlaut\|=/pull/1`
		r.accepted(t, r.record(id, 1, "x"))
		r.has(t, r.Record, id, 1, "x")
	})
}

func (r Receiver) event(id, message string) sinks.Document {
	return r.document(r.Events, id, 0, message)
}

func (r Receiver) record(id string, version int64, message string) sinks.Document {
	return r.document(r.Record, id, version, message)
}

func (r Receiver) document(index, id string, version int64, message string) sinks.Document {
	if r.Document != nil {
		return r.Document(index, id, version, message)
	}
	return sinks.Document{Index: index, ID: id, Version: version, Body: fmt.Appendf(nil, `{"@timestamp":"2026-11-12T03:47:03Z","message":%q}`, message)}
}

// put puts documents and returns one outcome for each.
func (r Receiver) put(t *testing.T, docs ...sinks.Document) []sinks.Outcome {
	t.Helper()
	out, err := r.Engine.Put(t.Context(), docs)
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != len(docs) {
		t.Fatalf("%d documents, %d outcomes", len(docs), len(out))
	}
	return out
}

// accepted puts documents, each of which must be stored now or before.
func (r Receiver) accepted(t *testing.T, docs ...sinks.Document) {
	t.Helper()
	for i, o := range r.put(t, docs...) {
		if o.Kind != sinks.Done && o.Kind != sinks.Stale {
			t.Fatalf("%s: %+v", docs[i].ID, o)
		}
	}
}

// has checks that the receiver has a document, in one revision, and nothing else under its id.
func (r Receiver) has(t *testing.T, index, id string, version int64, message string) {
	t.Helper()
	copies := r.Copies(t, index, id)
	if len(copies) == 0 {
		t.Errorf("there is no document %s", id)
	}
	for _, c := range copies {
		if c.Version != version || !strings.Contains(c.Body, message) {
			t.Errorf("%s: there is version %d: %s, want version %d with %q", id, c.Version, c.Body, version, message)
		}
	}
}

func kinds(out []sinks.Outcome) (k []string) {
	for _, o := range out {
		k = append(k, o.Kind.String())
	}
	return k
}

// reasons checks that each document that is refused has a reason that says something.
func reasons(t *testing.T, out []sinks.Outcome) {
	t.Helper()
	for _, o := range out {
		if o.Kind == sinks.Refused && len(o.Reason) < 20 {
			t.Errorf("the reason says too little: %q", o.Reason)
		}
	}
}
