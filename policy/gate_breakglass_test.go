package policy_test

import (
	"strings"
	"testing"

	"github.com/changetrail/changetrail/policy"
)

const emergencies = `
services: [{name: pay, repositories: [github.com/acme/pay], classification: critical}]
agents: [{id: fixer, accounts: ["fixer[bot]"], services: ["*"]}]
people: [{id: ana, accounts: [ana-work, ana-home]}, {id: ben, accounts: [ben]}, {id: dan, accounts: [dan]}]
teams: [{id: on-call, members: [ana-work, ben]}]
gate: {break_glass: {by: [on-call, "@acme/on-call", fixer], review_within: 24h}}
`

func TestWhoMayBreakTheGlass(t *testing.T) {
	p, err := policy.Parse([]byte(emergencies))
	if err != nil {
		t.Fatal(err)
	}
	for account, want := range map[string]bool{"ana": true, "Ana-Home": true, "@ben": true, "dan": false, "eve": false, "fixer": false, "fixer[bot]": false, "on-call": false, "": false} {
		if got := p.MayBreakGlass(account); got != want {
			t.Errorf("%q: %v, want %v", account, got, want)
		}
	}
	none, err := policy.Parse([]byte("people: [{id: ana, accounts: [ana]}]"))
	if err != nil || none.MayBreakGlass("ana") {
		t.Errorf("a policy that says nothing lets ana: %v", err)
	}
}

func TestBreakGlassThatIsAMistake(t *testing.T) {
	for section, want := range map[string]string{
		"{review_within: 24h}":                          "gate.break_glass: by is missing",
		"{by: [], review_within: 24h}":                  "by is missing",
		"{by: [fixer], review_within: 24h}":             "policy:6:26: gate.break_glass.by: nobody is behind fixer",
		"{by: [\"@acme/ghosts\"], review_within: 24h}":  "nobody is behind @acme/ghosts",
		"{by: [dan]}":                                   "review_within is missing",
		"{by: [dan], review_within: 0s}":                "review_within is missing",
		"{by: [dan], review_within: 1s}":                "gate.break_glass.review_within: 1s is not a time from 1m to 720h",
		"{by: [dan], review_within: 1000h}":             "is not a time from 1m to 720h",
		"{by: [dan], review_within: -24h}":              "is not a time from 1m to 720h",
		"{by: [dan], review_within: soon}":              "soon",
		"{by: [dan], review_within: 24h, until: never}": "until",
	} {
		text := strings.Replace(emergencies, `{by: [on-call, "@acme/on-call", fixer], review_within: 24h}`, section, 1)
		if _, err := policy.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", section, err, want)
		}
	}
}
