package policy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

func example(t testing.TB) *policy.Policy {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "deploy", "example", "policy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDecide(t *testing.T) {
	payments := policy.Request{Agent: "agent-bot-3000", Repository: "github.com/acme/payments", Paths: []string{"src/cart.js"}}
	patch := []record.DependencyUpdate{{Name: "lodash", From: "4.17.20", To: "4.17.21"}}
	for _, test := range []struct {
		name          string
		request       func(policy.Request) policy.Request
		verdict, rule string
	}{
		{"code asks for a review if no rule applies", func(r policy.Request) policy.Request { return r }, record.ReviewRequired, policy.RuleDefault},
		{"authentication asks for leave", func(r policy.Request) policy.Request { r.Paths = []string{"a.js", "src/auth/session.js"}; return r }, record.ApprovalRequired, "authentication in payments"},
		{"a fixture needs nobody", func(r policy.Request) policy.Request { r.Paths = []string{"test/fixtures/a.json"}; return r }, record.Autonomous, "test fixtures"},
		{"a fixture beside code is code", func(r policy.Request) policy.Request {
			r.Paths = []string{"test/fixtures/a.json", "src/cart.js"}
			return r
		}, record.ReviewRequired, policy.RuleDefault},
		{"a change of which no path is known is no fixture", func(r policy.Request) policy.Request { r.Paths = nil; return r }, record.ReviewRequired, policy.RuleDefault},
		{"a patch in a low service needs nobody", func(r policy.Request) policy.Request {
			r.Repository, r.Dependencies = "github.com/acme/docs", patch
			return r
		}, record.Autonomous, "patches outside critical services"},
		{"a patch in a critical service is reviewed", func(r policy.Request) policy.Request { r.Dependencies = patch; return r }, record.ReviewRequired, policy.RuleDefault},
		{"an agent is known by its account too", func(r policy.Request) policy.Request {
			r.Agent, r.Paths = "agent-bot-3000[bot]", []string{"test/fixtures/a.json"}
			return r
		}, record.Autonomous, "test fixtures"},
		{"an unknown agent may nothing", func(r policy.Request) policy.Request { r.Agent = "stranger"; return r }, record.Forbidden, policy.RuleUnknownAgent},
		{"an unknown agent may nothing in an unknown service either", func(r policy.Request) policy.Request {
			r.Agent, r.Repository = "stranger", "github.com/acme/new"
			return r
		}, record.Forbidden, policy.RuleUnknownAgent},
		{"an unknown service asks for leave", func(r policy.Request) policy.Request { r.Repository = "github.com/acme/new"; return r }, record.ApprovalRequired, policy.RuleUnknownService},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := example(t).Decide(test.request(payments))
			if v.Verdict != test.verdict || v.Rule != test.rule {
				t.Errorf("%s by %s (%s); want %s by %s", v.Verdict, v.Rule, v.Reason, test.verdict, test.rule)
			}
			if v.Reason == "" {
				t.Error("no reason is given")
			}
		})
	}
}

func TestTheGravestVerdictOfTwoServicesStands(t *testing.T) {
	p, err := policy.Parse([]byte(`
services:
  - {name: web, repositories: [a/b/c], paths: ["web/**"], classification: low}
  - {name: ledger, repositories: [a/b/c], paths: ["ledger/**"], classification: critical}
rules:
  - {name: low, when: service.classification == "low", verdict: autonomous, reason: r}
  - {name: critical, when: service.classification == "critical", verdict: forbidden, reason: r}
`))
	if err != nil {
		t.Fatal(err)
	}
	v := p.Decide(policy.Request{Repository: "a/b/c", Paths: []string{"web/x", "ledger/y"}})
	if v.Verdict != record.Forbidden || v.Service != "ledger" || len(v.Trials) != 3 {
		t.Errorf("%+v", v)
	}
}

func TestARuleThatCannotBeTriedAsksAPerson(t *testing.T) {
	p, err := policy.FromSources([]policy.Source{{Name: "policy.yaml", Content: []byte(`
services: [{name: s, repositories: [a/b/c], classification: low}]
rules: [{name: broken, when: 'change.nothing == "x"', verdict: autonomous, reason: r}]
`)}})
	if err != nil {
		t.Fatal(err)
	}
	if v := p.Decide(policy.Request{Repository: "a/b/c"}); v.Verdict != record.ApprovalRequired || !strings.Contains(v.Reason, "no such key") {
		t.Errorf("%+v", v)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	service := "services: [{name: s, repositories: [a/b/c], classification: low}]\n"
	for name, test := range map[string]struct{ text, want string }{
		"a condition that is no CEL":             {service + "rules: [{name: r, when: 'change.', verdict: autonomous, reason: x}]", "rules[0] (r): when, character 8: the condition is not complete"},
		"a condition about nothing known":        {service + "rules: [{name: r, when: 'chnage.kind == \"\"', verdict: autonomous, reason: x}]", "there is no chnage; a condition can use agent, service and change; did you mean change?"},
		"a field that there is not":              {service + "rules: [{name: r, when: 'service.nme == \"a\"', verdict: autonomous, reason: x}]", "policy:2:25: rules[0] (r): when: service has no nme, only name, classification, data_classes, environments, owner; did you mean name?"},
		"a field that there is not, in brackets": {service + "rules: [{name: r, when: 'change[\"knd\"] == \"a\"', verdict: autonomous, reason: x}]", "did you mean kind?"},
		"one = in place of two":                  {service + "rules: [{name: r, when: 'service.name = \"a\"', verdict: autonomous, reason: x}]", "write =="},
		"a condition that gives no truth":        {service + "rules: [{name: r, when: '1 + 1', verdict: autonomous, reason: x}]", "must give true or false"},
		"a verdict that does not exist":          {service + "rules: [{name: r, when: 'true', verdict: maybe, reason: x}]", `verdict "maybe" is not one of autonomous, review-required`},
		"a rule without a reason":                {service + "rules: [{name: r, when: 'true', verdict: autonomous}]", "reason is missing"},
		"a rule with the name of the default":    {service + "rules: [{name: default, when: 'true', verdict: autonomous, reason: x}]", "choose another"},
		"a mode that does not exist":             {service + "mode: relaxed", `mode "relaxed"`},
		"an agent without services":              {service + "agents: [{id: a}]", "services is missing"},
		"one account of two people":              {service + "people: [{id: a, accounts: [x]}, {id: b, accounts: [x]}]", `account "x" also belongs to a`},
		"an account of an agent and of a human":  {service + "agents: [{id: a, services: ['*'], accounts: [x]}]\npeople: [{id: b, accounts: [x]}]", `account "x" also belongs to a`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := policy.Parse([]byte(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("want an error with %q, got %v", test.want, err)
			}
		})
	}
}

func TestJump(t *testing.T) {
	for _, test := range []struct{ eco, from, to, want string }{
		{"", "4.17.20", "4.17.21", "patch"},
		{"", "v1.2.3", "v1.3.0", "minor"},
		{"", "1.9.0", "2.0.0", "major"},
		{"", "0.3.1", "0.4.0", "major"},
		{"", "0.3.1", "0.3.2", "patch"},
		{"", "2.0.0", "1.9.9", "downgrade"},
		{"", "5.3", "5.4", "minor"},
		{"", "v3", "v4.1.2", "major"},
		{"", "", "1.0.0", "unknown"},
		{"", "1.0.0", "", "unknown"},
		{"", "2024-01", "2024-02", "unknown"},
		{"", "1.31.1-r9", "1.31.1-r10", "unknown"},
		{"Alpine:v3.18", "1.31.1-r9", "1.31.1-r10", "patch"},
		{"npm", "1.2.3-rc.1", "1.2.3", "patch"},
		{"npm", "^1.2.3", "2.0.0", "unknown"},
		{"pip", "2.31", "2.32.0", "minor"},
		{"PyPI", "1.0", "1.0.0", "patch"},
		{"PyPI", "2024.1", "1!1.0", "major"},
		{"PyPI", "2.0rc1", "2.0b2", "downgrade"},
		{"rpm", "1:2.0-1", "10:2.0-1", "major"},
		{"Debian", "1:9.18.24-1", "1:9.18.28-1~deb12u2", "patch"},
		{"Maven", "31.1-jre", "32.0.0-jre", "major"},
		{"Go", "0.17.0", "v0.18.0", "major"},
	} {
		if got := policy.Jump([]record.DependencyUpdate{{Ecosystem: test.eco, From: test.from, To: test.to}}); got != test.want {
			t.Errorf("%s %s to %s: %s, want %s", test.eco, test.from, test.to, got, test.want)
		}
	}
	if got := policy.Jump([]record.DependencyUpdate{{From: "1.0.0", To: "1.0.1"}, {From: "1.0.0", To: "2.0.0"}}); got != "major" {
		t.Errorf("the largest of two: %s", got)
	}
	if got := policy.Jump(nil); got != "" {
		t.Errorf("none: %s", got)
	}
}

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile(filepath.Join("..", "deploy", "example", "policy.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("rules: [{name: r, when: 'change.paths.all(p, p == p)', verdict: autonomous, reason: x}]"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		if p, err := policy.Parse(text); err == nil {
			p.Decide(policy.Request{Agent: "a", Repository: "github.com/acme/payments", Paths: []string{"a"}})
		}
	})
}

func TestTheThresholdFromWhichOnAPersonReviews(t *testing.T) {
	p, err := policy.Parse([]byte(`
threshold: high
services:
  - {name: a, repositories: [github.com/x/a], classification: critical}
  - {name: b, repositories: [github.com/x/b], classification: high}
  - {name: c, repositories: [github.com/x/c], classification: medium}
`))
	if err != nil {
		t.Fatal(err)
	}
	for repo, want := range map[string]string{"a": "review-required", "b": "review-required", "c": "autonomous"} {
		if v := p.Decide(policy.Request{Agent: "x", Repository: record.Repository("github.com/x/" + repo)}); v.Verdict != want || v.Rule != policy.RuleThreshold {
			t.Errorf("%s: %+v", repo, v)
		}
	}
	for _, bad := range []string{"threshold: tall", "threshold: low\ndefault: forbidden"} {
		if _, err := policy.Parse([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
