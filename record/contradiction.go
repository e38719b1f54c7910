package record

import (
	"fmt"
	"slices"
	"strings"
)

// A Contradiction is a claim of the agent and what was observed instead. The observation counts.
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

// differ records a contradiction.
func (j *judge) differ(kind, claimed, observed string, args ...any) {
	j.gap(kind)
	t := &j.record.Trail
	t.Contradictions = append(t.Contradictions, Contradiction{Kind: kind, Claimed: claimed, Observed: fmt.Sprintf(observed, args...)})
}

// contradict compares what the agent says with what was observed.
func (j *judge) contradict() {
	t, judged := &j.record.Trail, &j.record.Judged
	for _, other := range judged.deciders {
		if judged.AgentSeen && j.people.who(other) != j.people.who(j.record.GenAI.Agent.ID) {
			j.differ(GapIdentityContradicted, "it is "+other, "the code host saw %s", j.record.GenAI.Agent.ID)
			break
		}
	}
	claims := new(Claims)
	if t.Decision != nil && t.Decision.Claims != nil {
		claims = t.Decision.Claims
	}
	j.contradictTests(claims)
	if len(claims.Files) > 0 {
		var more []string
		for _, f := range judged.Files {
			if !slices.Contains(claims.Files, f) {
				more = append(more, f)
			}
		}
		if len(more) > 0 {
			j.differ(GapFilesContradicted, fmt.Sprintf("%d files changed", len(claims.Files)), "%d files changed; not named: %s", t.Change.FilesTotal, strings.Join(more[:min(len(more), 5)], ", "))
		}
	}
	if g := t.Trigger; g != nil && g.Found && (g.Matched || judged.Trigger == Observed) && g.Claimed != "" && g.Claimed != "unknown" && g.Severity != "unknown" && g.Claimed != g.Severity {
		j.differ(GapSeverityContradicted, "severity "+g.Claimed, "the report of %s rates it %s", g.Scanner, g.Severity)
	}
	if a := t.Authorization; a != nil && a.Claimed != nil && a.Claimed.Verdict != "" && a.Verdict != "" && a.Claimed.Verdict != a.Verdict && j.certain() && !j.authority.NotOfTheTime {
		j.differ(GapVerdictContradicted, "the policy says "+a.Claimed.Verdict, "it says %s (rule %s)", a.Verdict, a.Rule)
	}
}

// contradictTests compares what the agent says about its tests with the results for the commit
// that counts, as a CI system saw them.
func (j *judge) contradictTests(claims *Claims) {
	t := &j.record.Trail
	v := t.Validation
	if v == nil || !v.Current || t.Tier == nil || t.Tier.Validation != Observed {
		return
	}
	said := v.Claimed
	if claims.Tests != "" {
		said = map[string]string{"passed": "success", "failed": "failure", "not-run": "not-run"}[claims.Tests]
	}
	failed := v.Conclusion == "failure" || v.Conclusion == "error" || v.Conclusion == "timed-out"
	if said == "success" && failed {
		j.differ(GapTestsContradicted, "the tests passed", "%s: %d passed, %d failed (%s)", v.Conclusion, v.Passed, v.Failed, strings.Join(v.Failing[:min(len(v.Failing), 5)], ", "))
	}
	if said == "failure" && v.Conclusion == "success" {
		j.differ(GapTestsContradicted, "the tests failed", "%s: %d passed, %d failed", v.Conclusion, v.Passed, v.Failed)
	}
}
