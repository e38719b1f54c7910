package replay_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/replay"
	"github.com/changetrail/changetrail/schemas"
)

// records is an index that contains only records.
type records map[record.ChangeID]*record.Record

func (x records) Record(_ context.Context, id string) (jsontext.Value, error) {
	for change, r := range x {
		if schemas.RecordID(change) == id {
			return schemas.Seal(nil, r, 1, ""), nil
		}
	}
	return nil, nil
}

func (x records) Named(_ context.Context, id record.ChangeID) (out []jsontext.Value, err error) {
	for _, r := range x {
		if slices.Contains(r.Trail.Change.OtherIDs, id) {
			out = append(out, schemas.Seal(nil, r, 1, ""))
		}
	}
	return out, nil
}

func (x records) Events(_ context.Context, q schemas.EventQuery, f func(string, jsontext.Value) error) error {
	if q.Change == "" {
		return nil
	}
	d := new(schemas.EventDocument)
	e := record.Event{Source: "/x", ID: string(q.Change), Type: record.TypeEventNoted, Repository: q.Change.Repository(), Change: q.Change, Time: noon, Fact: new(record.Activity)}
	d.Describe(&e, &schemas.Envelope{Type: e.Type}, nil, noon, "default")
	return f(e.ID, d.Append(nil))
}

// of returns a record of a change whose repository has other names, or that is part of another
// change.
func (x records) of(id, partOf record.ChangeID, names ...record.Repository) {
	r := record.Fold(id, record.Facts{Names: names, PartOf: partOf})
	x[id] = r
}

func TestAChangeIsFoundByEachNameOfItsRepository(t *testing.T) {
	x := make(records)
	x.of("host/a/pay/pull/7", "", "host/a/pay", "host/a/payments", "host/b/pay")
	x.of("host/a/payments/pull/7", "host/a/pay/pull/7")      // was reported under that name first
	x.of("host/a/pay~9/pull/8", "", "host/a/pay", "host/c")  // another one that took the name
	x.of("host/a/pay~10/pull/8", "", "host/a/pay", "host/d") // and yet another one
	x.of("host/a/pay/commit/1111111", "host/a/pay/pull/7")   // made by its merge
	for asked, want := range map[record.ChangeID]string{
		"host/a/pay/pull/7":         "host/a/pay/pull/7",
		"host/a/payments/pull/7":    "host/a/pay/pull/7",
		"host/b/pay/pull/7":         "host/a/pay/pull/7",
		"host/a/pay/commit/1111111": "host/a/pay/commit/1111111",
		"host/a/pay~9/pull/8":       "host/a/pay~9/pull/8",
		"host/c/pull/8":             "host/a/pay~9/pull/8",
		"host/a/pay/pull/8":         "host/a/pay~10/pull/8 host/a/pay~9/pull/8",
		"host/e/pay/pull/7":         "",
	} {
		_, r, err := replay.Find(t.Context(), x, asked)
		switch {
		case err == nil && string(r.Trail.Change.ID) == want:
		case errors.Is(err, replay.ErrNoRecord) && (want == "" || strings.Contains(want, " ") && strings.Contains(err.Error(), want)):
		default:
			t.Errorf("%s: %v, %v; want %q", asked, r, err, want)
		}
	}
}

func TestAStoryHasTheEventsOfEachPart(t *testing.T) {
	x := make(records)
	x.of("host/a/pay/pull/7", "", "host/a/pay", "host/a/payments", "host/b/pay")
	x.of("host/a/payments/pull/7", "host/a/pay/pull/7")
	x.of("host/b/pay/pull/7", "") // of another repository
	story, err := replay.Load(t.Context(), x, "host/a/payments/pull/7")
	if err != nil {
		t.Fatal(err)
	}
	var listed, handed []string
	for _, e := range story.Events {
		listed = append(listed, e.ID)
	}
	if err := story.Each(t.Context(), func(doc jsontext.Value) error {
		handed = append(handed, string(doc))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if story.ID() != "host/a/pay/pull/7" || !slices.Equal(listed, []string{"host/a/pay/pull/7", "host/a/payments/pull/7"}) || len(handed) != 2 {
		t.Errorf("%s: %v, %d documents", story.ID(), listed, len(handed))
	}
}
