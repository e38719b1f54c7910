// Package sinktest is the contract of [sinks.Engine] as a test. Every engine runs it.
package sinktest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
)

// A Subject is an engine under test, with a way to look inside.
type Subject struct {
	Engine sinks.Engine
	Events string // an index for events: create only
	Record string // an index for records: versioned
	// Get returns the document with id and its version, or "" if there is none.
	Get func(t *testing.T, index, id string) (body string, version int64)
	// EventsOf returns the events that match q, once the documents that were put can be found.
	EventsOf func(t *testing.T, q schemas.EventQuery) []jsontext.Value
}

// Run runs the contract.
func Run(t *testing.T, s Subject) {
	event := func(id, message string) sinks.Document {
		return sinks.Document{Index: s.Events, ID: id, Body: fmt.Appendf(nil, `{"@timestamp":"2026-11-12T03:47:03Z","message":%q}`, message)}
	}
	rec := func(id string, version int64, message string) sinks.Document {
		return sinks.Document{Index: s.Record, ID: id, Version: version, Body: fmt.Appendf(nil, `{"@timestamp":"2026-11-12T03:47:03Z","message":%q}`, message)}
	}
	put := func(t *testing.T, docs ...sinks.Document) []sinks.Outcome {
		t.Helper()
		out, err := s.Engine.Put(t.Context(), docs)
		if err != nil {
			t.Fatal(err)
		}
		if len(out) != len(docs) {
			t.Fatalf("%d documents, %d outcomes", len(docs), len(out))
		}
		return out
	}
	kinds := func(out []sinks.Outcome) (k []string) {
		for _, o := range out {
			k = append(k, o.Kind.String())
		}
		return k
	}

	t.Run("an event that is put again is stored once", func(t *testing.T) {
		first, second := put(t, event("again", "one")), put(t, event("again", "two"))
		if first[0].Kind != sinks.Done || second[0].Kind != sinks.Stale {
			t.Errorf("outcomes are %v and %v, want stored and stale", first[0], second[0])
		}
	})
	t.Run("a newer revision replaces an older one and never the other way", func(t *testing.T) {
		got := kinds(put(t, rec("r", 2, "two")))
		got = append(got, kinds(put(t, rec("r", 1, "one")))...)
		got = append(got, kinds(put(t, rec("r", 2, "two")))...)
		got = append(got, kinds(put(t, rec("r", 3, "three")))...)
		if diff := cmp.Diff([]string{"stored", "stale", "stale", "stored"}, got); diff != "" {
			t.Error(diff)
		}
		if body, version := s.Get(t, s.Record, "r"); version != 3 || !strings.Contains(body, "three") {
			t.Errorf("the index holds version %d: %s", version, body)
		}
	})
	t.Run("a document that does not fit is refused with a reason while the rest is stored", func(t *testing.T) {
		bad := event("bad", "")
		bad.Body = []byte(`{"@timestamp":"yesterday"}`)
		unmapped := event("unmapped", "")
		unmapped.Body = []byte(`{"@timestamp":"2026-11-12T03:47:03Z","nobody_knows":1}`)
		broken := event("broken", "")
		broken.Body = []byte(`{"@timestamp":`)
		out := put(t, event("before", "a"), bad, unmapped, broken, event("after", "b"))
		if diff := cmp.Diff([]string{"stored", "refused", "refused", "refused", "stored"}, kinds(out)); diff != "" {
			t.Error(diff)
		}
		for _, o := range out {
			if o.Kind == sinks.Refused && len(o.Reason) < 20 {
				t.Errorf("the reason says too little: %q", o.Reason)
			}
		}
	})
	t.Run("events are found by their change and under their refs", func(t *testing.T) { eventsAreFound(t, s, put) })
	t.Run("a document over several lines is stored", func(t *testing.T) {
		d := event("lines", "")
		d.Body = []byte("{\n \"@timestamp\": \"2026-11-12T03:47:03Z\",\n \"message\": \"a\\nb\"\n}")
		if out := put(t, d); out[0].Kind != sinks.Done {
			t.Error(out[0])
		}
	})
	t.Run("an id with characters of its own is kept", func(t *testing.T) {
		id := `github.com/acme/"pay ments"/ümlaut/pull/1`
		put(t, rec(id, 1, "x"))
		if body, _ := s.Get(t, s.Record, id); body == "" {
			t.Errorf("no document under %s", id)
		}
	})
	t.Run("nothing to put is no error", func(t *testing.T) { put(t) })
}

func eventsAreFound(t *testing.T, s Subject, put func(*testing.T, ...sinks.Document) []sinks.Outcome) {
	of := func(id, change, repository string, refs ...record.Ref) sinks.Document {
		var text []string
		for _, r := range refs {
			text = append(text, strconv.Quote(string(r)))
		}
		return sinks.Document{Index: s.Events, ID: id, Body: fmt.Appendf(nil, `{"@timestamp":"2026-11-12T03:47:0%sZ","event":{"id":%q},"changetrail":{%s"repository":%q,"refs":[%s]}}`,
			id[:1], id, change, repository, strings.Join(text, ","))}
	}
	const repo, id = record.Repository("github.com/acme/payments"), record.ChangeID("github.com/acme/payments/pull/1")
	mine, other := `"change":{"id":"github.com/acme/payments/pull/1"},`, `"change":{"id":"github.com/acme/payments/pull/2"},`
	put(t, of("4-mine-too", mine, string(repo), "run:1"), of("1-mine", mine, string(repo)), of("2-of-my-run", "", string(repo), "run:1", "commit:a"),
		of("3-of-another-run", "", string(repo), "run:2"), of("5-elsewhere", "", "github.com/acme/docs", "run:1", "commit:b"),
		of("6-of-another-change", other, string(repo), "commit:b"))
	var many []sinks.Document
	for i := range 2500 { // more than fit in one answer of an engine
		many = append(many, of(fmt.Sprintf("7-%04d", i), "", string(repo), "commit:many"))
	}
	put(t, many...)
	for _, c := range []struct {
		name string
		q    schemas.EventQuery
		want []string
	}{
		{"of a change", schemas.EventQuery{Change: id}, []string{"1-mine", "4-mine-too"}},
		{"and under refs, each once", schemas.EventQuery{Change: id, Repository: repo, Refs: []record.Ref{"run:1", "commit:a", "run:of none"}}, []string{"1-mine", "2-of-my-run", "4-mine-too"}},
		{"under refs alone", schemas.EventQuery{Repository: repo, Refs: []record.Ref{"commit:b"}}, []string{"6-of-another-change"}},
		{"nothing", schemas.EventQuery{Repository: repo, Refs: []record.Ref{"commit:c"}}, nil},
		{"of nothing", schemas.EventQuery{Repository: repo}, nil},
	} {
		var got []string
		for _, raw := range s.EventsOf(t, c.q) {
			var e struct {
				Event struct {
					ID string `json:"id"`
				} `json:"event"`
			}
			if err := json.Unmarshal(raw, &e); err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Event.ID)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.name, diff)
		}
	}
	if n := len(s.EventsOf(t, schemas.EventQuery{Repository: repo, Refs: []record.Ref{"commit:many"}})); n != len(many) {
		t.Errorf("%d of %d events are found", n, len(many))
	}
}
