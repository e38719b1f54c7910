package whatif

import (
	"fmt"
	"slices"
	"time"

	"github.com/changetrail/changetrail/record"
)

// A Sign is one sign that a change turned out bad.
type Sign struct {
	Kind string          `json:"kind"`
	Text string          `json:"text"`         // in words
	By   record.ChangeID `json:"by,omitempty"` // the change that shows it, if another one does
}

// The kinds of signs.
const (
	FailingTests     = "merged-on-failing-tests"
	TestsFailedLater = "tests-failed-after-merge"
	DeploymentFailed = "deployment-failed"
	RolledBack       = "rolled-back"
	Reverted         = "reverted"
	Incident         = "incident"
)

// signsOf returns the signs in the record of a change itself. What is only claimed is no sign.
func signsOf(r *record.Record) (out []Sign) {
	out = testSigns(&r.Trail)
	for _, d := range r.Trail.Deployments {
		if d.Tier != record.Observed || !d.At.After(r.Trail.Change.MergedAt) {
			continue
		}
		var s Sign
		switch d.Outcome {
		case "failure":
			s = Sign{Kind: DeploymentFailed, Text: "the deployment to " + d.Environment + " failed"}
		case "rolled-back":
			s = Sign{Kind: RolledBack, Text: "rolled back in " + d.Environment}
		default:
			continue
		}
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// testSigns looks at the tests of the merged commit, as a CI system saw them.
func testSigns(t *record.Trail) []Sign {
	v := t.Validation
	if v == nil || !v.Current || t.Tier == nil || t.Tier.Validation != record.Observed {
		return nil
	}
	// A conclusion at the merge that equals the claimed one may have been a claim then.
	if m := t.AtMerge; m != nil && failed(m.Conclusion) && m.Conclusion != v.Claimed {
		return []Sign{{Kind: FailingTests, Text: "merged on failing tests"}}
	}
	if failed(v.Conclusion) {
		return []Sign{{Kind: TestsFailedLater, Text: "its tests failed after the merge"}}
	}
	return nil
}

func failed(conclusion string) bool {
	return slices.Contains([]string{"failure", "error", "timed-out"}, conclusion)
}

// A report is what another record says about earlier changes: that it reverts one, or that an
// incident names some.
type report struct {
	kind       string
	by         record.ChangeID
	at         time.Time // changes that were merged later are not meant
	text       string    // that names the change
	repository record.Repository
}

// reportsOf returns what a record says about other changes. What is only claimed counts for nothing.
func reportsOf(r *record.Record) (out []report) {
	c := r.Trail.Change
	known := func(attribute string) bool { return !slices.Contains(c.Claimed, attribute) }
	if c.State == "merged" && known("state") && known("merged_at") {
		for _, field := range []struct{ name, text string }{{"title", revertedBy(c.Title)}, {"branch", revertedByBranch(c.Branch)}} {
			if field.text != "" && known(field.name) {
				out = append(out, report{Reverted, c.ID, c.MergedAt, field.text, c.Repository})
			}
		}
	}
	if t := r.Trail.Trigger; t != nil && t.Request != nil {
		q := t.Request
		if (q.Kind == "incident" || q.Kind == "alert") && q.Witness != record.Claimed {
			out = append(out, report{Incident, c.ID, q.OpenedAt, q.Title, ""})
		}
	}
	return out
}

// sign returns what the report says about a change that it names.
func (p report) sign() Sign {
	s := Sign{Kind: p.kind, By: p.by, Text: fmt.Sprintf("reverted by %s", p.by)}
	if p.kind == Incident {
		s.Text = fmt.Sprintf("named by an incident or alert that made %s start", p.by)
	}
	return s
}
