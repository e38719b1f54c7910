// Package sinktest is the contract of [sinks.Engine] as a test. Every engine runs [Append]. One that
// keeps documents under their id, and replaces them, runs [Run], which includes Append. [Fail] tests
// what an engine makes of a receiver that is down, denies access or accepts only small requests.
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

// A Subject is an index under test, with a way to look inside.
type Subject struct {
	Engine sinks.Engine
	Events string // an index for events: create only
	Record string // an index for records: versioned
	// Get returns the document with id and its version, or "" if there is none.
	Get func(t *testing.T, index, id string) (body string, version int64)
	// EventsOf returns the events that match q, once the documents that were put can be found.
	EventsOf func(t *testing.T, q schemas.EventQuery) []jsontext.Value
}

// Run tests an index: it keeps the contract of [Append], stores each document once, replaces older
// revisions, and finds events.
func Run(t *testing.T, s Subject) {
	r := Receiver{Engine: s.Engine, Events: s.Events, Record: s.Record, Copies: func(t *testing.T, index, id string) []Copy {
		body, version := s.Get(t, index, id)
		if body == "" {
			return nil
		}
		if index == s.Events {
			version = 0 // the index counts versions of events, too
		}
		return []Copy{{version, body}}
	}}
	Append(t, r)
	t.Run("an event that is put again is stored once", func(t *testing.T) {
		first, second := r.put(t, r.event("again", "one")), r.put(t, r.event("again", "two"))
		if first[0].Kind != sinks.Done || second[0].Kind != sinks.Stale {
			t.Errorf("outcomes are %v and %v, want stored and stale", first[0], second[0])
		}
	})
	t.Run("a newer revision replaces an older one and never the other way", func(t *testing.T) {
		got := kinds(r.put(t, r.record("r", 2, "two")))
		got = append(got, kinds(r.put(t, r.record("r", 1, "one")))...)
		got = append(got, kinds(r.put(t, r.record("r", 2, "two")))...)
		got = append(got, kinds(r.put(t, r.record("r", 3, "three")))...)
		if diff := cmp.Diff([]string{"stored", "stale", "stale", "stored"}, got); diff != "" {
			t.Error(diff)
		}
		if body, version := s.Get(t, s.Record, "r"); version != 3 || !strings.Contains(body, "three") {
			t.Errorf("the index holds version %d: %s", version, body)
		}
	})
	t.Run("a document that does not fit the mapping is refused with a reason while the rest is stored", func(t *testing.T) {
		bad, unmapped := r.event("bad", ""), r.event("unmapped", "")
		bad.Body = []byte(`{"@timestamp":"yesterday"}`)
		unmapped.Body = []byte(`{"@timestamp":"2026-11-12T03:47:03Z","nobody_knows":1}`)
		out := r.put(t, r.event("before-bad", "a"), bad, unmapped, r.event("after-bad", "b"))
		if diff := cmp.Diff([]string{"stored", "refused", "refused", "stored"}, kinds(out)); diff != "" {
			t.Error(diff)
		}
		reasons(t, out)
	})
	t.Run("events are found by their change and under their refs", func(t *testing.T) { eventsAreFound(t, s, r.put) })
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
