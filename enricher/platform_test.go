package enricher

import (
	"bufio"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

// TestAChangeToldInCDEvents folds events that the SDK of CDEvents wrote.
func TestAChangeToldInCDEvents(t *testing.T) {
	f, err := os.Open(filepath.Join("..", "ingest", "platform", "testdata", "cdevents.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var events []record.Event
	for lines := bufio.NewScanner(f); lines.Scan(); {
		key := []byte(nil)
		if len(events) == 5 { // the event of the artifact names no repository of its own
			key = []byte("github.com/acme/payments")
		}
		e, err := Decode(&stream.Record{Key: key, Value: []byte(lines.Text()), Timestamp: time.Date(2026, 3, 1, 5, 0, 0, 0, time.UTC)})
		if err != nil {
			t.Fatalf("%v: %s", err, lines.Text())
		}
		e.Witness = record.Observed // as if it came with the credential
		events = append(events, e)
	}
	p, err := policy.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := Fold("github.com/acme/payments/pull/4829", events, p, new(controls.Matrix))
	c := r.Trail.Change
	got := []any{c.State, c.Title, c.InitiatedBy, c.RecognizedBy, r.GenAI.Agent.ID, r.Trail.Review.Approvers, r.Trail.Validation.Conclusion, len(r.Trail.Validation.Jobs), r.Trail.Environment, r.Trail.Approvals[0].Approver, r.Trail.Answers.Reviewed}
	want := []any{"merged", "Update lodash", "agent", []string{"account agent-bot-3000[bot]"}, "agent-bot-3000", []string{"jonas.k"}, "failure", 2, []string{"production"}, "mira.s", "proven"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
