package schemas_test

import (
	"testing"
	"time"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// TestADocumentSaysWhatAnEventStates in the same words, whatever format the event has.
func TestADocumentSaysWhatAnEventStates(t *testing.T) {
	for name, c := range map[string]struct {
		sent          string
		fact          record.Fact
		says, verdict string
	}{
		"our own review":        {record.TypeReviewSubmitted, &record.Review{Verdict: "approved"}, "review-submitted", "approved"},
		"a review of GitHub":    {"com.github.pull_request_review.submitted", &record.Review{Verdict: "changes-requested"}, "review-submitted", "changes-requested"},
		"an approval":           {record.TypeApprovalGranted, &record.Approval{}, "approval-granted", "granted"},
		"a refusal":             {record.TypeApprovalGranted, &record.Approval{Verdict: "refused"}, "approval-granted", "refused"},
		"a gate":                {record.TypeGateDecided, &record.GateDecision{Verdict: "forbidden"}, "gate-decided", "forbidden"},
		"break-glass":           {record.TypeGateOverridden, &record.BreakGlass{Person: "ana"}, "gate-overridden", ""},
		"a merge of GitLab":     {"com.gitlab.merge_request.merge", &record.Merged{}, "change-merged", ""},
		"an event without fact": {"com.github.ping", nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var d schemas.EventDocument
			d.Describe(&record.Event{Type: c.sent, Fact: c.fact}, &schemas.Envelope{Type: c.sent}, nil, time.Time{}, "default")
			if d.Trail.Fact != c.says || d.Trail.Verdict != c.verdict {
				t.Errorf("%q %q, want %q %q", d.Trail.Fact, d.Trail.Verdict, c.says, c.verdict)
			}
		})
	}
}
