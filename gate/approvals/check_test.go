package approvals

import (
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

const company = `
services:
  - {name: payments, repositories: [github.com/acme/shop], paths: ["payments/**"], classification: critical, owner: payments-owners}
  - {name: catalog, repositories: [github.com/acme/shop], paths: ["catalog/**"], classification: medium}
  - {name: ledger, repositories: [github.com/acme/bank], classification: critical}
agents:
  - {id: fixer, accounts: ["fixer[bot]"], services: ["*"]}
people:
  - {id: ben, accounts: [ben-at-work]}
bots: [ci-*]
teams:
  - {id: payments-owners, members: [ben, cleo]}
rules:
  - {name: critical, when: service.classification == "critical", verdict: approval-required, reason: people approve critical services, by: [owners]}
default: review-required
`

func parse(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestAGrantIsCheckedWhenItIsGiven: what can be known to be wrong then is said then.
func TestAGrantIsCheckedWhenItIsGiven(t *testing.T) {
	p := parse(t, company)
	now := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		change func(*Grant)
		want   string // empty: it is accepted
	}{
		"as it should be":           {func(*Grant) {}, ""},
		"by another account":        {func(g *Grant) { g.Person = "@Ben-At-Work" }, ""},
		"by a member of a team":     {func(g *Grant) { g.Person = "cleo" }, ""},
		"a path":                    {func(g *Grant) { g.Scope = []string{"payments/auth/**", "README.md"} }, ""},
		"every service":             {func(g *Grant) { g.Scope = []string{"*"} }, ""},
		"a repository written long": {func(g *Grant) { g.Repository = "https://github.com/Acme/Shop.git" }, ""},
		"a change":                  {func(g *Grant) { g.Change = "acme/shop#7" }, ""},
		"some kinds":                {func(g *Grant) { g.Kinds = []string{"documentation", "test"} }, ""},
		"90 days":                   {func(g *Grant) { g.Until = now.Add(longest) }, ""},
		"nobody":                    {func(g *Grant) { g.Person = "" }, "person is missing"},
		"the agent":                 {func(g *Grant) { g.Person = "fixer" }, "fixer is an agent or a bot"},
		"the account of the agent":  {func(g *Grant) { g.Person = "Fixer[bot]" }, "is an agent or a bot"},
		"a bot":                     {func(g *Grant) { g.Person = "ci-7" }, "is an agent or a bot"},
		"a known agent":             {func(g *Grant) { g.Person = "dependabot[bot]" }, "is an agent or a bot"},
		"a stranger":                {func(g *Grant) { g.Person = "mallory" }, "lists no person mallory"},
		"no agent":                  {func(g *Grant) { g.Agent = "" }, "agent is missing"},
		"an unknown agent":          {func(g *Grant) { g.Agent = "fixre" }, `"fixre" is not one of fixer; did you mean fixer?`},
		"no scope":                  {func(g *Grant) { g.Scope = nil }, "names no service and no path; the services of github.com/acme/shop are payments, catalog"},
		"a service misspelt":        {func(g *Grant) { g.Scope = []string{"payment"} }, `"payment" is not one of payments, catalog`},
		"a service elsewhere":       {func(g *Grant) { g.Scope = []string{"ledger"} }, `"ledger" is not one of payments, catalog`},
		"a bad pattern":             {func(g *Grant) { g.Scope = []string{"payments/["} }, "not a valid pattern"},
		"an unknown repository":     {func(g *Grant) { g.Repository = "github.com/acme/other" }, "no service in github.com/acme/other"},
		"no repository":             {func(g *Grant) { g.Repository = "" }, "repository"},
		"a kind misspelt":           {func(g *Grant) { g.Kinds = []string{"docs"} }, `"docs" is not one of dependency-update`},
		"no end":                    {func(g *Grant) { g.Until = time.Time{} }, "until is missing"},
		"an end in the past":        {func(g *Grant) { g.Until = now }, "in the past"},
		"an end far away":           {func(g *Grant) { g.Until = now.Add(longest + time.Second) }, "at most 90 days"},
		"fewer than no uses":        {func(g *Grant) { g.Uses = -1 }, "uses is -1"},
		"no reason":                 {func(g *Grant) { g.Reason = " \n" }, "reason is missing"},
		"a long reason":             {func(g *Grant) { g.Reason = strings.Repeat("x", maxText+1) }, "2049 bytes"},
		"a change elsewhere":        {func(g *Grant) { g.Change = "acme/bank#7" }, "is not one of github.com/acme/shop"},
		"no change":                 {func(g *Grant) { g.Change = "PAY-12" }, "not a change"},
		"not UTF-8":                 {func(g *Grant) { g.Reason = "\xff" }, "not UTF-8"},
		"no id":                     {func(g *Grant) { g.ID = "" }, "a name is empty"},
	} {
		g := grantOf("g1", 1)
		g.Until = now.Add(time.Hour)
		c.change(&g)
		got, err := g.Check(p, now)
		switch {
		case c.want == "" && (err != nil || got.Agent != "fixer" || got.Repository != repository || got.Change != "" && got.Change != record.ChangeID(repository+"/pull/7")):
			t.Errorf("%s: %+v %v", name, got, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v", name, err)
		}
	}
	everything := Grant{Person: "fixer", Uses: -1}
	if _, err := everything.Check(p, now); err == nil || strings.Count(err.Error(), "\n") != 5 {
		t.Errorf("all mistakes at once: %v", err)
	}
}
