package schemas_test

import (
	"testing"
	"time"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// TestWhatIsStoredOfAFactStays: the digest of an event covers the stored form of its fact. A new
// field that an event does not have must not change it (omitzero); otherwise an event that is sent
// again after an upgrade would be a different one.
func TestWhatIsStoredOfAFactStays(t *testing.T) {
	revision := `{"additions":0,"deletions":0}`
	stored := map[string]string{
		record.TypeDecisionRecorded:    `{"agent":{"id":""},"trigger":{"kind":""},"options":[{"id":"","outcome":""}]}`,
		record.TypeActionPerformed:     `{"agent":{"id":""},"tool":"","duration_ms":0}`,
		record.TypeScanCompleted:       `{"tool":{"name":""}}`,
		record.TypeValidationCompleted: `{"name":"","passed":0,"failed":0,"skipped":0}`,
		record.TypeReviewSubmitted:     `{"reviewer":"","verdict":""}`,
		record.TypeApprovalGranted:     `{"approver":""}`,
		record.TypeChangeOpened:        revision,
		record.TypeChangeUpdated:       revision,
		record.TypeChangeMerged:        revision,
		record.TypeChangeClosed:        revision,
		record.TypeDeploymentFinished:  `{"environment":"","outcome":""}`,
		record.TypeGateDecided:         `{"verdict":"","allowed":false}`,
		record.TypeGateOverridden:      `{"person":"","reason":"","commit_sha":"","review_by":"0001-01-01T00:00:00Z"}`,
		record.TypeIdentityRefused:     `{"agent":"","credential":""}`,
		record.TypeCommitsPushed:       `{"branch":"","default":false,"after":"","forced":false,"commits":[{"sha":""}]}`,
		record.TypeEventNoted:          `{}`,
		record.TypeSpansReceived:       `{"trace":"","spans":[]}`,
		record.TypeRunNamed:            `{"run":"","repository":""}`,
		record.TypeRepositoryNamed:     `{"name":"","key":""}`,
		record.TypeRequestReceived:     `{"kind":""}`,
	}
	for _, eventType := range record.Types() {
		e := record.Event{Type: eventType, Fact: record.NewFact(eventType)}
		switch f := e.Fact.(type) {
		case *record.Decision:
			f.Trigger, f.Options = new(record.Trigger), make([]record.Option, 1)
		case *record.Pushed:
			f.Commits = make([]record.Commit, 1)
		}
		if err := schemas.Fingerprint(&e, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if string(e.Stored) != stored[eventType] {
			t.Errorf("%s: %s, want %s", eventType, e.Stored, stored[eventType])
		}
	}
}
