//go:build servers

package embedded

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/record"
)

// TestBreakGlass lets a person order the merge of an agent's change that nobody reviewed. An agent cannot.
// The finding is there at once, and becomes graver when nobody reviews the commit within a minute.
func TestBreakGlass(t *testing.T) {
	p, agent := newGateway(t)
	sha, other := strings.Repeat("a", 40), strings.Repeat("b", 40)
	const change = "github.com/acme/payments/pull/431"
	pull := pullOfAgent(t, p, 431, sha)
	as := func(token string) []string {
		return withBinary(map[string]string{"CHANGETRAIL_PRODUCER_GATEWAY": p.page, "CHANGETRAIL_PRODUCER_TOKEN": token})
	}
	order := func(token, commit string) (int, string) {
		return exit(t, as(token), binary, "gate", "break-glass", change, "--commit", commit, "--reason", "INC-17: customers cannot pay")
	}
	recordOf(t, p, change, func(r *record.Record) bool { return r.Trail.Change.HeadSHA == sha })
	if code, out := order(agent, sha); code != unknown || !strings.Contains(out, "people approve what agents do") {
		t.Errorf("an agent: exit code %d: %s", code, out)
	}
	if code, out := order(p.reader, other); code != unknown || !strings.Contains(out, "You asked about commit") {
		t.Errorf("another commit: exit code %d: %s", code, out)
	}
	if code, out := exit(t, as(p.reader), binary, "gate", change); code != denied {
		t.Errorf("before: exit code %d: %s", code, out)
	}
	if code, out := order(p.reader, sha[:12]); code != allowed || !strings.Contains(out, "ana ordered that this commit may be merged: INC-17: customers cannot pay.") {
		t.Fatalf("a person: exit code %d: %s", code, out)
	}
	if code, out := exit(t, as(p.reader), binary, "gate", change, "--commit", sha); code != allowed || !strings.Contains(out, "Rule break-glass") {
		t.Errorf("after: exit code %d: %s", code, out)
	}
	merge(t, p, pull, other)
	gaps := func(r *record.Record, has, lacks string) bool {
		return slices.Contains(r.Trail.Gaps, has) && !slices.Contains(r.Trail.Gaps, lacks)
	}
	r := recordOf(t, p, change, func(r *record.Record) bool { return r.Trail.Change.State == "merged" })
	if !gaps(r, record.GapBreakGlass, record.GapBreakGlassOverdue) || !gaps(r, record.GapReviewMissing, record.GapMergedAgainstGate) {
		t.Errorf("gaps %v", r.Trail.Gaps)
	}
	time.Sleep(time.Until(r.Trail.BreakGlass.ReviewBy))
	r = recordOf(t, p, change, func(r *record.Record) bool { return slices.Contains(r.Trail.Gaps, record.GapBreakGlassOverdue) })
	if b := r.Trail.BreakGlass; !b.Overdue || b.Person != "ana" || b.ReviewedBy != "" {
		t.Errorf("%+v", b)
	}
}
