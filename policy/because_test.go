package policy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestAVerdictNamesThePathsThatAloneMakeItsRuleApply: a change of such a path alone has the same
// rule, and one of the other paths alone has another.
func TestAVerdictNamesThePathsThatAloneMakeItsRuleApply(t *testing.T) {
	p := parsed(t, `
services: [{name: shop, repositories: [host/a/b], classification: critical}]
rules:
  - {name: rights, when: 'change.paths.exists(p, glob(p, "**/iam/**"))', verdict: forbidden, reason: x}
  - {name: auth, when: 'change.paths.exists(p, glob(p, "auth/**"))', verdict: approval-required, reason: x}
  - {name: docs, when: 'change.paths.all(p, p.endsWith(".md"))', verdict: autonomous, reason: x}
  - {name: critical, when: 'service.classification == "critical"', verdict: review-required, reason: x}
`)
	asks := []string{"rights", "auth", "docs"}
	r := rand.New(rand.NewPCG(1, 2))
	pool := []string{"deploy/iam/a.tf", "deploy/iam/b.tf", "auth/x.go", "auth/y.go", "README.md", "docs/a.md", "src/a.go", "src/b.go"}
	seen := make(map[string]bool)
	for range 2000 {
		paths := slices.Clone(pool)
		r.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
		q := Request{Repository: "host/a/b", Paths: paths[:1+r.IntN(len(paths))], Unseen: Unseen{Paths: r.IntN(4) == 0}}
		v := p.Decide(q)
		seen[v.Rule] = true
		for _, path := range q.Paths {
			alone := p.Decide(Request{Repository: "host/a/b", Paths: []string{path}}).Rule == v.Rule
			if named := slices.Contains(v.Paths, path); named != (alone && slices.Contains(asks, v.Rule)) {
				t.Fatalf("%+v: rule %s names %v, and %s alone has this rule: %t", q, v.Rule, v.Paths, path, alone)
			}
		}
	}
	if len(seen) != 4 {
		t.Errorf("only %v decided", seen)
	}
}

func TestThePathsOfAVerdictAreFew(t *testing.T) {
	p := parsed(t, `
services: [{name: shop, classification: low, repositories: [host/a/b], paths: ["shop/**"]}, {name: pay, classification: low, repositories: [host/a/b], paths: ["pay/**"]}]
agents: [{id: bot, services: [shop]}]
rules: [{name: r, when: 'change.paths.exists(p, p.contains("x"))', verdict: review-required, reason: x}]
`)
	var many []string
	for i := range 3000 {
		many = append(many, fmt.Sprintf("shop/x%d", i))
	}
	if v := p.Decide(Request{Agent: "bot", Repository: "host/a/b", Paths: many}); len(v.Paths) != MaxPaths {
		t.Errorf("%d paths of %d are named", len(v.Paths), len(many))
	}
	v := p.Decide(Request{Agent: "bot", Repository: "host/a/b", Paths: []string{"shop/x", "pay/b", "pay/a"}})
	if got := strings.Join(v.Paths, " "); v.Rule != RuleScope || got != "pay/b pay/a" {
		t.Errorf("rule %s because of %q: those of the service that the agent may not change", v.Rule, got)
	}
}
