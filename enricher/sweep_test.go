package enricher

import (
	"testing"
	"time"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

const testRepo = record.Repository("github.com/acme/payments")

// TestEvidenceThatWaitedTooLongIsDeleted posts evidence for changes that never
// come, and looks half a year later.
func TestEvidenceThatWaitedTooLongIsDeleted(t *testing.T) {
	s, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	begin := time.Date(2026, 1, 2, 3, 47, 0, 0, time.UTC)
	today := begin.AddDate(0, 0, 200)
	e, err := newEnricher(Config{EvidenceAge: 180 * 24 * time.Hour}, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	e.now = func() time.Time { return today }
	post := func(id, commit string, at time.Time) admission {
		t.Helper()
		ev := record.Event{Source: "/ci", ID: id, Type: record.TypeValidationCompleted, Repository: testRepo, Time: at, Fact: &record.Validation{Name: "unit", CommitSHA: commit, Conclusion: "success"}}
		if err := schemas.Fingerprint(&ev, at); err != nil {
			t.Fatal(err)
		}
		a, err := e.state.admit(0, ev, at, nil)
		if err != nil {
			t.Fatal(err)
		}
		entries, err := e.state.entries(new(slab))
		if err != nil {
			t.Fatal(err)
		}
		if err := e.state.commit(entries, nil); err != nil {
			t.Fatal(err)
		}
		return a
	}
	post("1", "aaaaaaa", begin)
	post("2", "bbbbbbb", today.AddDate(0, 0, -1))
	batch := []*stream.Record{{Partition: 0, Timestamp: begin.AddDate(0, 0, 10)}}
	if gone, _, err := e.sweep(batch); err != nil || len(gone) != 0 {
		t.Errorf("events of ten days after are read again, and %d entries are gone (%v)", len(gone), err)
	}
	e.swept[0] = sweep{}
	batch[0].Timestamp = today
	gone, _, err := e.sweep(batch)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, g := range gone {
		if g.value != nil {
			t.Errorf("%q is not deleted", g.key)
		}
		keys = append(keys, g.key)
	}
	want := []string{boardKey(testRepo, "commit:aaaaaaa"), seenKey(testRepo, record.Event{Source: "/ci", ID: "1"})}
	if len(keys) != 2 || keys[0] != want[0] || keys[1] != want[1] {
		t.Fatalf("deleted %q, want %q", keys, want)
	}
	if err := e.state.commit(gone, nil); err != nil {
		t.Fatal(err)
	}
	if again, _, err := e.sweep(batch); err != nil || len(again) != 0 {
		t.Errorf("%d entries within the pause (%v)", len(again), err)
	}
	if a := post("2", "bbbbbbb", today.AddDate(0, 0, -1)); a != repeat {
		t.Errorf("young evidence is forgotten: %v", a)
	}
	if b, err := e.state.board(0, testRepo, "commit:aaaaaaa"); err != nil || len(b.postings) != 0 {
		t.Errorf("old evidence is still there: %v %v", b.postings, err)
	}
}
