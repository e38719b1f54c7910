package enricher

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/changetrail/changetrail/record"
)

// TestLeadsFindWhatARecordIsMadeFrom compares what an index of documents finds by refs and leads
// with the events that the record counts.
func TestLeadsFindWhatARecordIsMadeFrom(t *testing.T) {
	compared, evidence := 0, 0
	for seed := range uint64(histories) {
		rnd := rand.New(rand.NewPCG(seed, 14))
		events := history(t, rnd, record.Repository(fmt.Sprintf("github.com/acme/leads-%d", seed)))
		for _, id := range changesOf(events) {
			want := record.Gather(id, events).Events()
			got, foreign := followed(t, id, events)
			compared++
			evidence += foreign
			if got != want {
				t.Errorf("seed %d: %s: found %d events, the record is made from %d", seed, id, got, want)
			}
		}
	}
	if evidence < compared {
		t.Errorf("%d changes had %d events that do not name them: too few to be a test", compared, evidence)
	}
}

// followed counts the events of a change that the documents lead to, and those of them that do
// not name it.
func followed(t *testing.T, id record.ChangeID, events []record.Event) (n int64, foreign int) {
	t.Helper()
	list := func(is func(record.Event) bool) (out []record.Found) {
		for _, e := range events {
			if is(e) {
				out = append(out, record.Found{ID: e.Key(), Own: e.Change == id, Leads: record.Leads(e)})
			}
		}
		return out
	}
	under := func(refs []record.Ref) []record.Found {
		return list(func(e record.Event) bool {
			return slices.ContainsFunc(record.Refs(e), func(r record.Ref) bool { return slices.Contains(refs, r) })
		})
	}
	own := list(func(e record.Event) bool { return e.Change == id })
	refs, err := record.Follow(own, func(refs []record.Ref) ([]record.Found, error) { return under(refs), nil })
	if err != nil {
		t.Fatal(err)
	}
	keys := make(map[string]bool)
	for _, f := range append(own, under(refs)...) {
		if !keys[f.ID] && !f.Own {
			foreign++
		}
		keys[f.ID] = true
	}
	return int64(len(keys)), foreign
}
