package policy

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/record"
)

// owned reads a policy with a CODEOWNERS file for host/a/b.
func owned(t *testing.T, text, codeowners string) *Policy {
	t.Helper()
	p, err := Load(fstest.MapFS{"policy.yaml": {Data: []byte(text)}, "CODEOWNERS": {Data: []byte(codeowners)}}, "policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// brief formats demands: SERVICE VERDICT by NAMES, or nobody.
func brief(demands []Demand) []string {
	out := []string{}
	for _, d := range demands {
		s := d.Service + " " + strings.TrimSuffix(d.Verdict, "-required")
		if len(d.By) > 0 {
			s += " by " + strings.Join(d.By, " ")
		}
		if d.Nobody {
			s += " nobody"
		}
		out = append(out, s)
	}
	return out
}

func TestDemandsOfEachServiceAndFile(t *testing.T) {
	const repo = "repositories: [host/a/b], classification: high"
	const people = `
people: [{id: ana, accounts: [ana-p]}, {id: ben, accounts: [ben-k]}]
teams: [{id: pay, members: [ana]}, {id: book, members: [ben]}, {id: machines, members: ["sweeper[bot]"]}]
rules: [{name: r, when: 'service.classification == "high"', verdict: review-required, reason: x, by: [owners]}]
codeowners: {host/a/b: CODEOWNERS}
`
	two := "services: [{name: checkout, paths: ['checkout/**'], owner: pay, " + repo + "}, {name: ledger, paths: ['ledger/**'], owner: book, " + repo + "}]" + people
	one := "services: [{name: s, owner: pay, " + repo + "}]" + people
	unowned := "services: [{name: s, " + repo + "}]" + people
	for _, c := range []struct {
		name, text, codeowners, paths string
		unseen                        bool
		want, least                   string // demands, separated by semicolons; an empty least means the same as want
	}{
		{name: "two services", text: two, paths: "checkout/a ledger/b", want: "checkout review by pay;ledger review by book"},
		{name: "one of two", text: two, paths: "ledger/b", want: "ledger review by book"},
		{name: "the other may be touched", text: two, paths: "ledger/b", unseen: true, want: "ledger review by book;checkout review by pay", least: "ledger review by book"},
		{name: "a file of no service has the owner of each", text: two, codeowners: "/top @carl\n", paths: "ledger/b top", want: "ledger review by book;ledger review by @carl"},
		{name: "each file its owner", text: one, codeowners: "/docs/ @writer\n/auth/ @lead @a/book\n", paths: "auth/x docs/y auth/z", want: "s review by @a/book @lead;s review by @writer"},
		{name: "a file without an owner falls to the service's", text: one, codeowners: "/docs/ @writer\n", paths: "docs/y src/z", want: "s review by @writer;s review by pay"},
		{name: "a file that CODEOWNERS leaves to nobody", text: one, codeowners: "* @writer\n/src/\n", paths: "src/z", want: "s review by pay"},
		{name: "no file is known", text: one, codeowners: "* @writer\n", unseen: true, want: "s review by @writer"}, // each file has an owner
		{name: "no file is known, and some have no owner", text: one, codeowners: "/docs/ @writer\n", unseen: true, want: "s review by @writer;s review by pay", least: "s review by @writer pay"},
		{name: "owners of a file that is not known", text: one, codeowners: "* @writer\n/auth/ @lead\n", paths: "docs/x", unseen: true, want: "s review by @writer;s review by @lead", least: "s review by @writer"},
		{name: "a file that is not known may have no owner", text: one, codeowners: "/docs/ @writer\n", paths: "docs/x", unseen: true, want: "s review by @writer;s review by pay", least: "s review by @writer"},
		{name: "without CODEOWNERS the owner is known", text: one, paths: "docs/x", unseen: true, want: "s review by pay"},
		{name: "no owner at all", text: unowned, paths: "src/z", want: "s review nobody"},
		{name: "a team that the policy does not know", text: unowned, codeowners: "* @a/ghosts\n", paths: "src/z", want: "s review by @a/ghosts nobody"},
		{name: "a team of machines", text: unowned, codeowners: "* @a/machines\n", paths: "src/z", want: "s review by @a/machines nobody"},
		{name: "a role of the code host", text: unowned, codeowners: "* @a/ghosts somebody@example.com\n", paths: "src/z", want: "s review by @a/ghosts somebody@example.com"},
		{name: "an account that the policy does not list", text: unowned, codeowners: "* @writer\n", paths: "src/z", want: "s review by @writer"},
		{name: "people beside the owners", text: strings.Replace(unowned, "[owners]", "[owners, ben]", 1), codeowners: "/docs/ @writer\n", paths: "docs/y src/z", want: "s review by ben @writer;s review by ben"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := owned(t, c.text, c.codeowners).Decide(Request{Repository: "Host/A/B", Paths: strings.Fields(c.paths), Unseen: Unseen{Paths: c.unseen}})
			if diff := cmp.Diff(strings.Split(c.want, ";"), brief(v.Demands)); diff != "" {
				t.Errorf("demands (-want +got):\n%s", diff)
			}
			if c.least == "" {
				c.least = c.want
			}
			if diff := cmp.Diff(strings.Split(c.least, ";"), brief(v.LeastDemands)); diff != "" {
				t.Errorf("least (-want +got):\n%s", diff)
			}
		})
	}
}

// The owner of one file must not count as the owner of another.
func TestByNamesNobodyWhereFilesHaveOtherOwners(t *testing.T) {
	p := owned(t, "services: [{name: s, repositories: [host/a/b], classification: high}]\ncodeowners: {host/a/b: CODEOWNERS}\nrules: [{name: r, when: 'true', verdict: review-required, reason: x, by: [owners]}]", "/docs/ @writer\n/auth/ @lead\n")
	v := p.Decide(Request{Repository: "host/a/b", Paths: []string{"docs/a.md", "auth/login.go"}})
	for _, account := range []string{"writer", "lead"} {
		if p.InGroup(account, v.By) {
			t.Errorf("%s meets all of %v", account, brief(v.Demands))
		}
	}
}

func TestWhoMayAskAnAgent(t *testing.T) {
	const text = `
services: [{name: s, repositories: [host/a/b], classification: low}]
agents: [{id: bot, services: ["*"], delegates: [mira.s, Leads]}]
people: [{id: mira.s, accounts: [mira-s, "id:77"]}, {id: lea}]
teams: [{id: leads, members: [LEA]}]
rules:
  - {name: no keys, when: 'change.paths.exists(p, glob(p, "keys/**"))', verdict: forbidden, reason: x}
  - {name: auth, when: 'change.paths.exists(p, glob(p, "auth/**"))', verdict: approval-required, reason: x, by: [lea]}
default: autonomous
`
	p := parsed(t, text)
	for _, c := range []struct{ asked, path, verdict, demands string }{
		{"mira-s", "a", record.Autonomous, ""},
		{"Mira-S", "a", record.Autonomous, ""},
		{"id:77", "a", record.Autonomous, ""},
		{"Lea", "a", record.Autonomous, ""},
		{"tom-b", "a", record.ApprovalRequired, "s approval by mira.s Leads"},
		{"", "a", record.Autonomous, ""},
		{"tom-b", "auth/a", record.ApprovalRequired, "s approval by mira.s Leads;s approval by lea"},
		{"tom-b", "keys/a", record.Forbidden, ""},
	} {
		v := p.Decide(Request{Agent: "Bot", DelegatedBy: c.asked, Repository: "host/a/b", Paths: []string{c.path}})
		if got := strings.Join(brief(v.Demands), ";"); v.Verdict != c.verdict || got != c.demands {
			t.Errorf("%q asked for %s: %s (%s), %s", c.asked, c.path, v.Verdict, v.Rule, got)
		}
	}
}

// A delegate may ask under every name that the code host has for them.
func TestWhoAsksMayBeRenamed(t *testing.T) {
	p := parsed(t, "services: [{name: s, repositories: [host/a/b], classification: low}]\nagents: [{id: bot, services: ['*'], delegates: [mira]}]\npeople: [{id: mira, accounts: ['id:77']}]\ndefault: autonomous\n")
	q := Request{Agent: "bot", DelegatedBy: "mira-now", Repository: "host/a/b", Paths: []string{"a"}}
	if v := p.Decide(q); v.Verdict != record.ApprovalRequired {
		t.Errorf("asked by an account that nobody knows: %s", v.Verdict)
	}
	q.Names = func(account string) []string { return []string{account, "id:77"} }
	if v := p.Decide(q); v.Verdict != record.Autonomous {
		t.Errorf("asked by mira under another name: %s", v.Verdict)
	}
}

func TestEverythingIsGated(t *testing.T) {
	p := parsed(t, `
mode: gate-everything
services: [{name: s, repositories: [host/a/b], classification: low}]
rules: [{name: docs, when: 'change.paths.all(p, glob(p, "docs/**"))', verdict: autonomous, reason: x}, {name: rest, when: 'true', verdict: review-required, reason: x, by: [ana]}]
`)
	for path, want := range map[string]string{"docs/a": "s approval", "src/a": "s approval;s review by ana"} {
		if v := p.Decide(Request{Agent: "bot", Repository: "host/a/b", Paths: []string{path}}); v.Rule != RuleMode || strings.Join(brief(v.Demands), ";") != want {
			t.Errorf("%s: %s, %v", path, v.Rule, brief(v.Demands))
		}
	}
}

func parsed(t testing.TB, text string) *Policy {
	t.Helper()
	p, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNamesAreComparedWithoutCase(t *testing.T) {
	p := parsed(t, `
services: [{name: s, repositories: [GitHub.com/Acme/*], classification: low}]
agents: [{id: Patch-Pilot, accounts: ["Patch-Pilot[bot]", "id:4711"], services: ["*"]}]
people: [{id: Jonas.K, accounts: [jonas-k, Jonas@Acme.example, "id:12345"]}]
teams: [{id: Security, members: [JONAS-K, "@eve"]}]
bots: ["*-CI"]
`)
	for account, want := range map[string]string{
		"Jonas-K": "Jonas.K", "jonas@acme.EXAMPLE": "Jonas.K", "id:12345": "Jonas.K", "@jonas-k": "Jonas.K", "patch-PILOT[Bot]": "Patch-Pilot", "id:4711": "Patch-Pilot", "Eve": "eve", "": "",
	} {
		if got := p.Person(account); got != want {
			t.Errorf("%q is %q, want %q", account, got, want)
		}
	}
	for account, want := range map[string]bool{"Jonas-K": true, "PATCH-pilot": false, "Build-ci": false, "Some[BOT]": false, "EVE": true, "copilot": false, "CursorAgent": false, "": false, "id:4711": false} {
		if p.IsPerson(account) != want {
			t.Errorf("%q is a person: %v", account, !want)
		}
	}
	for account, want := range map[string]bool{"JONAS-k": true, "eve": true, "security": false, "mallory": false, "": false} {
		for _, group := range []string{"security", "@acme/security", "@Acme/Security"} {
			if p.InGroup(account, []string{group}) != want {
				t.Errorf("%q in %s: %v", account, group, !want)
			}
		}
	}
	for account, want := range map[string]bool{"eve": false, "ID:12345": true, "patch-pilot": true} {
		if _, listed := p.Listed(account); listed != want {
			t.Errorf("%q is listed: %v", account, listed)
		}
	}
	if got := p.Match(Request{Repository: "github.com/acme/Payments"}); len(got) != 1 {
		t.Errorf("services of the repository: %v", got)
	}
	if agent, _ := p.Recognize(record.Marks{Accounts: []string{"patch-pilot[BOT]"}}); agent != "Patch-Pilot" {
		t.Errorf("recognized: %q", agent)
	}
	if _, err := Parse([]byte("people: [{id: a, accounts: [X]}, {id: b, accounts: [x]}]")); err == nil {
		t.Error("one account, twice, in two cases")
	}
	own := parsed(t, "recognize: own")
	if !own.IsPerson("copilot") {
		t.Error("known agents count where the policy asks for its own alone")
	}
}

func TestScopesOfALeave(t *testing.T) {
	p := parsed(t, "services: [{name: a, repositories: [host/x/y], paths: ['a/**'], classification: low}, {name: b, repositories: [host/x/y], paths: ['b/**'], classification: low}]")
	for _, c := range []struct {
		scope, service, paths string
		unseen                bool
		surely, may           bool
	}{
		{"", "a", "a/1 b/2", true, true, true},
		{"a", "a", "a/1 b/2", false, true, true},
		{"a", "b", "a/1 b/2", false, false, false},
		{"a/**", "a", "a/1 a/2", false, true, true},
		{"a/**", "a", "a/1 b/2", false, false, false},
		{"a/**", "a", "a/1", true, false, true},
		{"a", "a", "a/1", true, true, true},
		{"a/**", "a", "", true, false, true},
		{"Host/X/*", "a", "a/1", true, true, true},
		{"other", "", "c/1", false, false, false},
		{"c/*", "", "c/1", false, true, true},
	} {
		surely, may := p.Covers(strings.Fields(c.scope), c.service, Request{Repository: "host/x/y", Paths: strings.Fields(c.paths), Unseen: Unseen{Paths: c.unseen}})
		if surely != c.surely || may != c.may {
			t.Errorf("%+v: surely %v, maybe %v", c, surely, may)
		}
	}
}
