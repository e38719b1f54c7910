package oracle

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// A world is what was in force when: versions of the policy, the oldest first.
type world struct{ Versions []rules }

// at returns the version in force at t, and whether one was held. The zero time is
// now: the newest version.
func (w world) at(t time.Time) (rules, bool) {
	for _, v := range slices.Backward(w.Versions) {
		if t.IsZero() || !v.Since.After(t) {
			return v, true
		}
	}
	return w.Versions[0], false
}

// rules are one version of a policy, in a form that can be tried by hand.
type rules struct {
	Since    time.Time
	Services []service
	Agents   []agent
	People   []person
	Teams    []person // Accounts are the members
	Rules    []rule
	Default  string
}

type service struct{ Name, Prefix, Class, Owner string } // no prefix: the whole repository

type agent struct {
	ID, Account string
	Services    []string // names, or "*"
	Delegates   []string
}

type person struct {
	ID       string
	Accounts []string
}

// A rule holds by its Kind: "some" path lies under Arg, "all" paths do, the
// "jump", "kind" or "class" is Arg, or "always".
type rule struct {
	Name, Kind, Arg, Verdict string
	By                       []string
}

// A scene is a change as a rule sees it: all that may be unknown of it is decided.
type scene struct {
	Paths      []string
	Jump, Kind string
}

func (r rule) holds(s service, c scene) bool {
	under := func(p string) bool { return strings.HasPrefix(p, r.Arg) }
	switch r.Kind {
	case "some":
		return slices.ContainsFunc(c.Paths, under)
	case "all":
		return len(c.Paths) > 0 && !slices.ContainsFunc(c.Paths, func(p string) bool { return !under(p) })
	}
	stated, asks := map[string]string{"jump": c.Jump, "kind": c.Kind, "class": s.Class}[r.Kind]
	return !asks || stated == r.Arg
}

// touched returns the services that a change to paths touches.
func (p rules) touched(paths []string) []service {
	return slices.DeleteFunc(slices.Clone(p.Services), func(s service) bool {
		return s.Prefix != "" && !slices.ContainsFunc(paths, func(f string) bool { return strings.HasPrefix(f, s.Prefix) })
	})
}

// person returns who is behind an account: a person's or an agent's id, else the
// account in lower case.
func (p rules) person(account string) string {
	for _, h := range p.People {
		if strings.EqualFold(h.ID, account) || slices.ContainsFunc(h.Accounts, func(a string) bool { return strings.EqualFold(a, account) }) {
			return strings.ToLower(h.ID)
		}
	}
	a, _ := p.agent(account)
	return strings.ToLower(cmp.Or(a.ID, account))
}

// agent returns the agent of an account or an id.
func (p rules) agent(account string) (agent, bool) {
	for _, a := range p.Agents {
		if account != "" && (strings.EqualFold(a.ID, account) || strings.EqualFold(a.Account, account)) {
			return a, true
		}
	}
	return agent{}, false
}

// bot reports whether an account is none of a human.
func (p rules) bot(account string) bool {
	_, known := p.agent(account)
	return known || strings.HasSuffix(strings.ToLower(account), "[bot]")
}

// in reports whether a person belongs to a group of people, teams and owners.
func (p rules) in(who string, by []string, s service) bool {
	return len(by) == 0 || slices.ContainsFunc(by, func(name string) bool {
		if name == "owners" {
			return s.Owner != "" && p.in(who, []string{s.Owner}, s)
		}
		return p.person(name) == who || slices.ContainsFunc(p.Teams, func(t person) bool {
			return strings.EqualFold(t.ID, name) && slices.ContainsFunc(t.Accounts, func(m string) bool { return p.person(m) == who })
		})
	})
}

// nobody reports whether a group is the owners of what has none.
func (p rules) nobody(by []string, s service) bool {
	return slices.Contains(by, "owners") && s.Owner == "" || slices.Contains(by, "team-nobody")
}

// Universe holds a path for each thing that a rule or a service may ask of paths.
var universe = []string{
	"docs/guide.md", "src/auth/login.go", "src/app.go", "package.json",
	"pkg/testdata/a.json", "services/checkout/cart.go", "services/ledger/book.go",
}

var (
	jumps = []string{"", "patch", "minor", "major", "downgrade", "unknown"}
	kinds = []string{"", "dependency-update", "vulnerability-fix", "code", "configuration", "test", "documentation"}
)
