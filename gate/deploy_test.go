package gate_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/record"
)

const merge = "3333333333333333333333333333333333333333"

func merged(sha, head string) step {
	return says(&record.Merged{MergeSHA: sha, MergedBy: "dan", Revision: record.Revision{HeadSHA: head}})
}

// deploy asks at the end of a story whether a commit may be deployed.
func deploy(t *testing.T, commit string, steps []step) gate.Decision {
	t.Helper()
	s, r := tell(t, steps)
	p := &enricher.Preview{Now: enricher.FoldBy(change, s.events, r), Position: "events/0@1"}
	return gate.DecideDeployment(p, commit, s.now.Add(time.Minute))
}

// TestWhatTheGateAllowedMayBeDeployed compares both questions in each situation: the change is merged
// right after the gate was asked.
func TestWhatTheGateAllowedMayBeDeployed(t *testing.T) {
	var allowed, denied int
	for _, s := range situations {
		before := decide(t, s.steps)
		if before.Head == "" || strings.Contains(strings.Join(before.Reasons, " "), "already merged") {
			continue
		}
		enough := before.Authorized == record.Proven && (before.Reviewed == record.Proven || before.Reviewed == record.NotRequired)
		after := deploy(t, merge, append(slices.Clone(s.steps), merged(merge, before.Head)))
		switch {
		case before.Allowed || enough: // a check that failed stops the merge, not the deployment
			if allowed++; !after.Allowed {
				t.Errorf("%s The gate allowed the merge, but the deployment is denied: %v", s.says, after.Reasons)
			}
		case before.Authorized != "":
			if denied++; after.Allowed {
				t.Errorf("%s The gate denied the merge (%v), but the deployment is allowed: %v", s.says, before.Reasons, after.Reasons)
			}
		}
		if len(after.Reasons) == 0 {
			t.Errorf("%s The answer about the deployment has no reason.", s.says)
		}
	}
	if allowed < 20 || denied < 20 {
		t.Errorf("only %d allowed and %d denied situations were compared", allowed, denied)
	}
}

// TestDeployments: only a merge that the code host reported counts, and only what was known then.
func TestDeployments(t *testing.T) {
	for _, c := range []situation{
		{"A fixture was merged.", []step{inFixtures, merged(merge, commit1)}, ""},
		{"A reviewed change was merged.", []step{inCatalog, approves("dan"), merged(merge, commit1)}, ""},
		{"A change was merged without a review.", []step{inCatalog, merged(merge, commit1)}, "did not say that it was reviewed"},
		{"The review came after the merge.", []step{inCatalog, merged(merge, commit1), approves("dan")}, "When the change was merged, the record did not say that it was"},
		{"A forbidden change was merged.", []step{fixer("payments/iam/a.go"), approves("ben"), merged(merge, commit1)}, "did not say that it was authorized"},
		{"Another commit was merged than the approved one.", []step{inCatalog, approves("dan"), pushes("fixer[bot]", "catalog/a.go"), merged(merge, commit2)}, "did not say that it was reviewed"},
		{"A person's change was merged.", []step{by("dan", "human", "catalog/a.go"), merged(merge, commit1)}, ""},
		{"It is not merged.", []step{inFixtures}, "No code host has reported that the change was merged"},
		{"It is closed.", []step{inFixtures, says(&record.Closed{})}, "No code host has reported that the change was merged"},
		{"Only a claim says that it was merged.", []step{inFixtures, claim(&record.Merged{MergeSHA: merge})}, "No code host has reported that the change was merged"},
		{"It was merged as another commit.", []step{inFixtures, merged(commit2, commit1)}, "as 333333333: it says 222222222"},
		{"Nobody knows who made it.", []step{says(&record.Opened{Revision: record.Revision{HeadSHA: commit1, Files: []string{"testdata/a.json"}}}), merged(merge, commit1)}, "not known whether a person or an agent"},
	} {
		t.Run(c.says, func(t *testing.T) {
			d := deploy(t, merge, c.steps)
			if reasons := strings.Join(d.Reasons, " "); d.Allowed != (c.want == "") || !strings.Contains(reasons, c.want) || reasons == "" {
				t.Errorf("allowed is %v, want %q: %s", d.Allowed, c.want, reasons)
			}
			if d.Head != merge || d.Position == "" {
				t.Errorf("the answer is about %s at %s", d.Head, d.Position)
			}
		})
	}
}

// TestADirectPushIsAChangeOfItsOwn: nobody reviewed what was pushed to the branch that is deployed.
// TestADeploymentAfterBreakGlass: the merge was ordered before it was made, for that commit.
func TestADeploymentAfterBreakGlass(t *testing.T) {
	for _, c := range []struct {
		says  string
		steps []step
		want  string
	}{
		{"ordered, and merged", []step{glass, inPayments, orders("dan", commit1), merged(commit2, commit1)}, "dan ordered that this commit may be merged: customers cannot pay."},
		{"ordered, and merged as another commit", []step{glass, inPayments, orders("dan", commit1), pushes("fixer[bot]", "payments/src/a.go"), merged("3333333333333333333333333333333333333333", commit2)}, "did not say that it was authorized"},
		{"merged, and ordered afterwards", []step{glass, inPayments, merged(commit2, commit1), orders("dan", commit1)}, "did not say that it was authorized"},
		{"ordered, and merged when the time was over", []step{glass, inPayments, orders("dan", commit1), waits(25 * time.Hour), merged(commit2, commit1)}, "did not say that it was authorized"},
	} {
		t.Run(c.says, func(t *testing.T) {
			commit := commit2
			if strings.Contains(c.says, "another") {
				commit = "3333333333333333333333333333333333333333"
			}
			d := deploy(t, commit, c.steps)
			reasons := strings.Join(d.Reasons, " ")
			if d.Allowed != (d.Rule == record.RuleBreakGlass) || d.Allowed != strings.HasPrefix(c.want, "dan") || !strings.Contains(reasons, c.want) {
				t.Errorf("allowed is %v by %s: %s", d.Allowed, d.Rule, reasons)
			}
		})
	}
}

func TestADirectPushIsAChangeOfItsOwn(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"testdata/a.json", ""},
		{"catalog/a.go", "did not say that it was reviewed"},
	} {
		s, r := tell(t, nil)
		p := push(commit1, merge, "fixer[bot]", []string{c.file})
		p.Branch, p.Default = "main", true
		e := s.add(host, record.Observed, p)
		e.Change = repository.Change("/commit/" + merge)
		now := &enricher.Preview{Now: enricher.FoldBy(e.Change, s.events, r)}
		d := gate.DecideDeployment(now, merge, s.now.Add(time.Minute))
		if reasons := strings.Join(d.Reasons, " "); d.Allowed != (c.want == "") || !strings.Contains(reasons, c.want) {
			t.Errorf("%s: allowed is %v, want %q: %s", c.file, d.Allowed, c.want, reasons)
		}
	}
}
