package oracle

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// at returns the version in force at t, and whether one was recorded. The zero time is now: the
// newest version.
func (w world) at(t time.Time) (rules, bool) {
	for _, v := range slices.Backward(w.Versions) {
		if t.IsZero() || !v.Since.After(t) {
			return v, true
		}
	}
	return w.Versions[0], false
}

// A scene is a change as a rule sees it, with all unknown parts decided.
type scene struct {
	Paths, Environments []string
	Jump, Kind          string
}

func (r rule) holds(s service, c scene) bool {
	under := func(p string) bool { return strings.HasPrefix(p, r.Arg) }
	switch r.Kind {
	case "some":
		return slices.ContainsFunc(c.Paths, under)
	case "all":
		return len(c.Paths) > 0 && !slices.ContainsFunc(c.Paths, func(p string) bool { return !under(p) })
	case "deployed":
		return slices.Contains(c.Environments, r.Arg)
	case "only":
		return len(c.Environments) > 0 && !slices.ContainsFunc(c.Environments, func(e string) bool { return e != r.Arg })
	}
	stated, asks := map[string]string{"jump": c.Jump, "kind": c.Kind, "class": s.Class, "site": s.Site}[r.Kind]
	return !asks || stated == r.Arg
}

// touched returns the services that a change to paths touches.
func (p rules) touched(paths []string) []service {
	return slices.DeleteFunc(slices.Clone(p.Services), func(s service) bool {
		return s.Prefix != "" && !slices.ContainsFunc(paths, func(f string) bool { return strings.HasPrefix(f, s.Prefix) })
	})
}

// filesOf returns the files of a service: those in it and in no other.
func (p rules) filesOf(s service, paths []string) (out []string) {
	for _, f := range paths {
		elsewhere := func(o service) bool { return o != s && strings.HasPrefix(f, o.Prefix) }
		if strings.HasPrefix(f, s.Prefix) || !slices.ContainsFunc(p.Services, elsewhere) {
			out = append(out, f)
		}
	}
	return out
}

// groups returns those who must each agree to a change of files by a rule that requires owners:
// their names in one text, with "/" for nobody.
func (p rules) groups(r rule, s service, files []string) (out []string) {
	others := slices.DeleteFunc(slices.Clone(r.By), func(name string) bool { return name == "owners" })
	for _, f := range files {
		for _, owners := range p.owners(f, s) {
			out = append(out, strings.Join(append(owners, others...), " "))
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(out)))
}

// owners returns who must agree to a file: one from each section of CODEOWNERS that has owners
// for it, or else the owner of its service.
func (p rules) owners(path string, s service) (sets [][]string) {
	for _, sec := range p.Owners {
		var last []string
		for _, l := range sec.Lines {
			if l.matches(path) {
				last = slices.Clone(l.Owners)
			}
		}
		if len(last) > 0 && !sec.Optional {
			sets = append(sets, last)
		}
	}
	if sets == nil {
		sets = [][]string{{cmp.Or(s.Owner, "/")}}
	}
	return sets
}

// matches supports the patterns in the histories: all, a folder, an ending.
func (l line) matches(path string) bool {
	ending, star := strings.CutPrefix(l.Pattern, "*")
	return star && strings.HasSuffix(path, ending) || strings.HasPrefix("/"+path, l.Pattern)
}

// person returns who is behind an account: the id of a person or an agent, or else the account in
// lower case.
func (p rules) person(account string) string {
	for _, h := range p.People {
		if strings.EqualFold(h.ID, account) || slices.ContainsFunc(h.Accounts, func(a string) bool { return strings.EqualFold(a, account) }) {
			return strings.ToLower(h.ID)
		}
	}
	a, _ := p.agent(account)
	return strings.ToLower(cmp.Or(a.ID, account))
}

// lists reports whether somebody is a person or an agent of the policy.
func (p rules) lists(who string) bool {
	_, agent := p.agent(who)
	return agent || slices.ContainsFunc(p.People, func(h person) bool { return strings.EqualFold(h.ID, who) })
}

// agent returns the agent of an account or an id.
func (p rules) agent(account string) (agent, bool) {
	for _, a := range p.Agents {
		if account != "" && (strings.EqualFold(a.ID, strings.TrimSuffix(account, "[bot]")) || strings.EqualFold(a.Account, account)) {
			return a, true
		}
	}
	return agent{}, false
}

// bot reports whether an account does not belong to a human.
func (p rules) bot(account string) bool {
	_, known := p.agent(account)
	return known || strings.HasSuffix(strings.ToLower(account), "[bot]")
}

// named returns the accounts for which a name in a policy stands: none if nobody has it.
func (p rules) named(name string) []string {
	name = strings.TrimPrefix(name, "@")
	for _, t := range p.Teams {
		if strings.EqualFold(t.ID, name[strings.LastIndex(name, "/")+1:]) {
			return t.Accounts
		}
	}
	if strings.Contains(name, "/") || strings.HasPrefix(name, "@") {
		return nil
	}
	return []string{name}
}

// approvers returns how many people must approve a change of a service beforehand.
func (p rules) approvers(s service) int { return max(1, p.Approvers[s.Class]) }

// tooFew reports whether fewer than n humans belong to a group.
func (p rules) tooFew(group string, n int) bool {
	humans := make(set)
	for _, name := range strings.Fields(group) {
		for _, account := range p.named(name) {
			humans.add(those(set{p.person(account): !p.bot(account)})...)
		}
	}
	return group != "" && len(humans) < n
}
