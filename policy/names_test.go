package policy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/record"
)

// TestWhatIsSaidOfAnyNameOfARepositoryCounts decides about a repository that was renamed from a/old
// to a/new, under policies that contain one name or both.
func TestWhatIsSaidOfAnyNameOfARepositoryCounts(t *testing.T) {
	service := func(name, repo, class string) string {
		return "{name: " + name + ", repositories: [host/a/" + repo + "], classification: " + class + ", owner: " + name + "}"
	}
	const rules = `
teams: [{id: old, members: [ana]}, {id: new, members: [ben]}]
rules:
  - {name: high, when: 'service.classification == "high"', verdict: review-required, reason: x, by: [owners]}
  - {name: named, when: 'change.repository == "host/a/old"', verdict: approval-required, reason: x}
  - {name: low, when: 'service.classification == "low"', verdict: autonomous, reason: x}
  - {name: none, when: 'service.classification == "critical"', verdict: forbidden, reason: x}
`
	for name, c := range map[string]struct {
		services, want, demands string
	}{
		"none of both":                   {service("x", "other", "low"), "approval-required", " approval nobody"},
		"the new one":                    {service("new", "new", "low"), "autonomous", ""},
		"the old one":                    {service("old", "old", "high"), "review-required", "old review by old"},
		"both, the old one is stricter":  {service("old", "old", "high") + "," + service("new", "new", "low"), "review-required", "old review by old"},
		"both, the new one is stricter":  {service("old", "old", "low") + "," + service("new", "new", "critical"), "forbidden", "old approval"},
		"a rule about the old name":      {service("s", "*", "low"), "approval-required", "s approval"},
		"each asks for a person":         {service("old", "old", "high") + "," + service("new", "new", "high"), "review-required", "new review by new;old review by old"},
		"one service that lists the two": {"{name: s, repositories: [host/a/old, host/a/new], classification: high, owner: old}", "review-required", "s review by old"},
	} {
		p := owned(t, "services: ["+c.services+"]"+rules, "")
		for _, q := range []Request{
			{Repository: "host/a/new", OtherNames: []record.Repository{"host/a/old"}, Paths: []string{"x"}},
			{Repository: "host/a/old", OtherNames: []record.Repository{"host/a/new"}, Paths: []string{"x"}},
		} {
			v := p.Decide(q)
			demands := brief(v.Demands)
			if len(demands) == 2 && demands[0] > demands[1] {
				demands[0], demands[1] = demands[1], demands[0]
			}
			if diff := cmp.Diff([]string{c.want, c.demands}, []string{v.Verdict, strings.Join(demands, ";")}); diff != "" {
				t.Errorf("%s, now %s: -want +got:\n%s", name, q.Repository, diff)
			}
		}
	}
}

func TestAnApprovalOfAnyNameOfARepositoryCoversIt(t *testing.T) {
	p := owned(t, "services: [{name: s, repositories: [host/a/new], classification: low}]", "")
	q := Request{Repository: "host/a/new", OtherNames: []record.Repository{"host/a/old"}, Paths: []string{"x"}}
	for scope, want := range map[string]bool{"host/a/old": true, "host/a/new": true, "host/a/other": false} {
		if surely, _ := p.Covers([]string{scope}, "s", q); surely != want {
			t.Errorf("%s covers it: %t", scope, surely)
		}
	}
}
