package record

import (
	"fmt"
	"slices"
	"strings"
)

// A Contradiction is a claim of the agent and what was observed instead. What
// was observed stands.
type Contradiction struct {
	Kind     string `json:"kind" index:"keyword"`
	Claimed  string `json:"claimed" index:"none"`
	Observed string `json:"observed" index:"none"`
}

// Gaps that are contradictions between a claim and an observation.
const (
	GapTestsContradicted    = "tests-contradicted"
	GapFilesContradicted    = "files-contradicted"
	GapSeverityContradicted = "severity-contradicted"
	GapVerdictContradicted  = "verdict-contradicted"
	GapIdentityContradicted = "identity-contradicted"
)

// contradict holds what the agent says against what was observed.
func (j *judge) contradict() {
	t := &j.record.Trail
	differ := func(kind, claimed, observed string, args ...any) {
		j.gaps = append(j.gaps, kind)
		t.Contradictions = append(t.Contradictions, Contradiction{Kind: kind, Claimed: claimed, Observed: fmt.Sprintf(observed, args...)})
	}
	t.Contradictions = nil
	if n := len(j.record.Judged.Refused); n > 0 {
		last := j.record.Judged.Refused[n-1]
		differ(GapIdentityContradicted, "it is "+last.Agent, "credential %s is not that agent's (%s); %d events were refused", last.Credential, orString(last.BoundTo, "bound to no agent"), n)
	}
	claims := new(Claims)
	if t.Decision != nil && t.Decision.Claims != nil {
		claims = t.Decision.Claims
	}
	if v := t.Validation; v != nil && t.Tier != nil && t.Tier.Validation != Claimed {
		said := v.Claimed
		if claims.Tests != "" {
			said = map[string]string{"passed": "success", "failed": "failure", "not-run": "not-run"}[claims.Tests]
		}
		failed := v.Conclusion == "failure" || v.Conclusion == "error" || v.Conclusion == "timed-out"
		if said == "success" && failed {
			differ(GapTestsContradicted, "the tests passed", "%s: %d passed, %d failed (%s)", v.Conclusion, v.Passed, v.Failed, strings.Join(v.Failing[:min(len(v.Failing), 5)], ", "))
		}
		if said == "failure" && v.Conclusion == "success" {
			differ(GapTestsContradicted, "the tests failed", "%s: %d passed, %d failed", v.Conclusion, v.Passed, v.Failed)
		}
	}
	if c := t.Change; len(claims.Files) > 0 && t.Tier != nil && t.Tier.Change == Observed {
		var more []string
		for _, f := range c.Files {
			if !slices.Contains(claims.Files, f) {
				more = append(more, f)
			}
		}
		if len(more) > 0 {
			differ(GapFilesContradicted, fmt.Sprintf("%d files changed", len(claims.Files)), "%d files changed; not named: %s", c.FilesTotal, strings.Join(more[:min(len(more), 5)], ", "))
		}
	}
	if g := t.Trigger; g != nil && g.Found && g.Claimed != "" && g.Claimed != "unknown" && g.Severity != "unknown" && g.Claimed != g.Severity {
		differ(GapSeverityContradicted, "severity "+g.Claimed, "the report of %s rates it %s", g.Scanner, g.Severity)
	}
	if a := t.Authorization; a != nil && a.Claimed != nil && a.Claimed.Verdict != "" && a.Verdict != "" && a.Claimed.Verdict != a.Verdict {
		differ(GapVerdictContradicted, "the policy says "+a.Claimed.Verdict, "it says %s (%s)", a.Verdict, a.Rule)
	}
}
