package policy_test

import (
	"strings"
	"testing"

	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

const twoPeople = `
approvers: {critical: 2, low: 1}
services:
  - {name: pay, repositories: [github.com/acme/pay], classification: critical, owner: pair}
  - {name: docs, repositories: [github.com/acme/docs], classification: low}
agents:
  - {id: bot, accounts: [bot], services: ["*"]}
people:
  - {id: cleo, accounts: [cleo-work, cleo-private]}
teams:
  - {id: pair, members: [cleo, ben]}
  - {id: single, members: [cleo-work, cleo-private, bot]}
rules:
  - {name: by owners, when: change.kind == "code", verdict: approval-required, reason: so, by: [owners]}
  - {name: by one person, when: change.kind == "configuration", verdict: approval-required, reason: so, by: [single]}
  - {name: review, when: change.kind == "test", verdict: review-required, reason: so, by: [owners]}
default: approval-required
`

func TestApprovers(t *testing.T) {
	p, err := policy.Parse([]byte(twoPeople))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		repository record.Repository
		kind       string
		people     int
		nobody     bool
	}{
		{"github.com/acme/pay", "", 2, false},
		{"github.com/acme/pay", "code", 2, false},
		{"github.com/acme/pay", "configuration", 2, true}, // one person with two accounts, and a bot
		{"github.com/acme/pay", "test", 0, false},
		{"github.com/acme/docs", "", 0, false},
	} {
		v := p.Decide(policy.Request{Agent: "bot", Repository: c.repository, Kind: c.kind, Paths: []string{"a"}})
		if len(v.Demands) != 1 || v.Demands[0].People != c.people || v.Demands[0].Nobody != c.nobody || v.Approvers() != c.people {
			t.Errorf("%s %s: %+v, want %d people, nobody %v", c.repository, c.kind, v.Demands, c.people, c.nobody)
		}
	}
}

func TestApproversThatAreMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"approvers: {critcal: 2}":               `approvers: classification "critcal"`,
		"approvers: {critical: 0}":              "policy:1:23: approvers: critical: 0 is not a number of people from 1 to 9",
		"approvers: {critical: 10}":             "10 is not a number of people",
		"approvers: {critical: -1}":             "-1 is not a number of people",
		"approvers: {critical: two}":            "two",
		"approvers: 2":                          "expected a group of keys",
		"approvers: {critical: 2, critical: 3}": "critical",
	} {
		if _, err := policy.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// TestOnlyTheSmallerNumberIsCertain: it is unknown which service a change touches, or whether it
// touches one.
func TestOnlyTheSmallerNumberIsCertain(t *testing.T) {
	p, err := policy.Parse([]byte(`
approvers: {critical: 3, high: 2}
services:
  - {name: a, repositories: [github.com/acme/pay], paths: ["a/**"], classification: critical}
  - {name: b, repositories: [github.com/acme/pay], paths: ["b/**"], classification: high}
default: approval-required
`))
	if err != nil {
		t.Fatal(err)
	}
	v := p.Decide(policy.Request{Agent: "bot", Repository: "github.com/acme/pay", Unseen: policy.Unseen{Paths: true}})
	if len(v.LeastDemands) != 1 || v.LeastDemands[0].Number() != 1 || v.Approvers() != 3 {
		t.Errorf("least %+v of %d people", v.LeastDemands, v.Approvers())
	}
}
