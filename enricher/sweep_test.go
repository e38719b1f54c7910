package enricher

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

const testRepo = record.Repository("github.com/acme/payments")

// TestEvidenceThatWaitedTooLongIsDeleted posts evidence for changes that never arrive, and sweeps
// half a year later.
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
	e.owned[0] = true
	post := func(id, commit string, at time.Time) admission {
		t.Helper()
		ev := record.Event{Source: "/ci", ID: id, Type: record.TypeValidationCompleted, Repository: testRepo, Time: at, Fact: &record.Validation{Name: "unit", CommitSHA: commit, Conclusion: "success"}}
		if err := schemas.Fingerprint(&ev, at); err != nil {
			t.Fatal(err)
		}
		a, err := e.state.admit(arrival{at: at}, ev)
		if err == nil {
			err = e.state.keep()
		}
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	sweep := func(batch []*stream.Record) (gone []string) {
		t.Helper()
		if out, err := e.sweepWhenDue(batch); out != nil || err != nil {
			t.Fatal(out, err)
		}
		if _, err := e.sweepWhenDue(nil); err != nil {
			t.Fatal(err)
		}
		for _, x := range e.state.tx.entries {
			if x.value != nil {
				t.Errorf("%q is not deleted", x.key)
			}
			gone = append(gone, x.key)
		}
		if err := e.state.keep(); err != nil {
			t.Fatal(err)
		}
		return gone
	}
	post("1", "aaaaaaa", begin)
	post("2", "bbbbbbb", today.AddDate(0, 0, -1))
	batch := []*stream.Record{{Partition: 0, Timestamp: begin.AddDate(0, 0, 10)}}
	if gone := sweep(batch); len(gone) != 0 {
		t.Errorf("events of ten days later are read again, and %d entries are deleted", len(gone))
	}
	e.swept[0] = sweepState{}
	batch[0].Timestamp = today
	gone := sweep(batch)
	old := record.Event{Source: "/ci", ID: "1", Repository: testRepo, Fact: &record.Validation{}}
	want := []string{keyOf(0, kindFact, ownerOf(old), suffix(old)), keyOf(0, kindRef, refName(testRepo, "commit:aaaaaaa"), refPosting, suffix(old))}
	if !slices.Equal(gone, want) {
		t.Fatalf("deleted %q, want %q", gone, want)
	}
	if again := sweep(batch); len(again) != 0 {
		t.Errorf("%d entries within the pause", len(again))
	}
	if a := post("2", "bbbbbbb", today.AddDate(0, 0, -1)); a != repeat {
		t.Errorf("young evidence is forgotten: %v", a)
	}
	if l, err := e.state.under(0, testRepo, "commit:aaaaaaa"); err != nil || len(l.Events) != 0 {
		t.Errorf("old evidence is still there: %v %v", l.Events, err)
	}
}

// TestEvidenceOfAChangeStays sweeps half a year after a change has found its evidence.
func TestEvidenceOfAChangeStays(t *testing.T) {
	begin := time.Date(2026, 1, 2, 3, 47, 0, 0, time.UTC)
	today := begin.AddDate(0, 0, 200)
	e, err := newEnricher(Config{EvidenceAge: 180 * 24 * time.Hour}, openTestStore(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	e.now = func() time.Time { return today }
	e.owned[0] = true
	const id = record.ChangeID(testRepo + "/pull/1")
	scan := &record.Scan{Tool: record.Tool{Name: "osv-scanner"}, Findings: []record.Finding{{ID: "CVE-1", Fingerprint: "1"}}, Report: record.Report{Digest: "sha256:1"}}
	for i, f := range []record.Fact{
		&record.Validation{Name: "unit", CommitSHA: "aaaaaaa", Conclusion: "success"}, scan,
		&record.Action{Agent: record.Agent{ID: "a", Run: "r"}, Tool: "edit", CommitSHA: "aaaaaaa"},
		&record.Decision{Agent: record.Agent{ID: "a", Run: "r"}, Trigger: &record.Trigger{Finding: "CVE-1"}},
		&record.Opened{Revision: record.Revision{HeadSHA: "aaaaaaa"}},
	} {
		ev := record.Event{Source: "/s", ID: fmt.Sprint(i), Type: record.TypeOf(f), Repository: testRepo, Time: begin, Fact: f}
		if _, opened := f.(*record.Opened); opened {
			ev.Change = id
		}
		if err := schemas.Fingerprint(&ev, begin); err != nil {
			t.Fatal(err)
		}
		if _, err := e.state.admit(arrival{at: begin}, ev); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.state.keep(); err != nil {
		t.Fatal(err)
	}
	before := factsOf(t, e.state, 0, id)
	if n := before.Events(); n != 5 {
		t.Errorf("%d events, want 5", n)
	}
	if _, err := e.sweepWhenDue(nil); err != nil {
		t.Fatal(err)
	}
	if err := e.state.keep(); err != nil {
		t.Fatal(err)
	}
	after := factsOf(t, testProjection(t, e.store), 0, id)
	if diff := cmp.Diff(before, after, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("half a year later (-before +after):\n%s", diff)
	}
}
