package policy

import (
	"slices"
	"strings"
	"sync"
)

// directory says who is behind an account. Its keys are in lower case, since code hosts ignore case
// in accounts, teams and mail addresses.
type directory struct {
	people map[string]string   // account, or id: id of the person
	agents map[string]*Agent   // account, or id
	teams  map[string][]string // id: people, as person returns them
}

// fold returns the form in which names of accounts, teams and repositories are compared. It removes
// case and the leading @ of code hosts.
func fold(name string) string { return strings.ToLower(strings.TrimPrefix(name, "@")) }

// index builds the directory. It must run again when people, agents or teams change.
func (p *Policy) index() {
	d := directory{make(map[string]string), make(map[string]*Agent), make(map[string][]string)}
	for i := range p.Agents {
		a := &p.Agents[i]
		for _, name := range append([]string{a.ID}, a.Accounts...) {
			d.agents[fold(name)] = a
		}
	}
	for _, h := range p.People {
		for _, name := range append([]string{h.ID}, h.Accounts...) {
			d.people[fold(name)] = h.ID
		}
	}
	p.directory = d
	for _, t := range p.Teams {
		for _, m := range t.Members {
			d.teams[fold(t.ID)] = append(d.teams[fold(t.ID)], p.Person(m))
		}
	}
}

// knownAccounts are the lower-case accounts of agents that are recognized even if the policy does
// not list them.
var knownAccounts = sync.OnceValue(func() map[string]bool {
	out := make(map[string]bool)
	agents, err := known()
	if err != nil { // a test guards against this
		return out
	}
	for _, a := range agents {
		for _, name := range append([]string{a.ID}, a.Accounts...) {
			out[fold(name)] = true
		}
	}
	return out
})

// Person returns who is behind an account: the id of a person or an agent of the policy, or else
// the account itself in lower case. An account may also be given by the number that the code host
// has for it, as id:12345.
func (p *Policy) Person(account string) string {
	account = fold(account)
	if id, ok := p.directory.people[account]; ok {
		return id
	}
	if a := p.agent(account); a != nil {
		return a.ID
	}
	return account
}

// Listed is like Person, and also reports whether the policy lists the account.
func (p *Policy) Listed(account string) (who string, listed bool) {
	_, person := p.directory.people[fold(account)]
	return p.Person(account), person || p.agent(account) != nil
}

// IsPerson reports whether an account belongs to a human: to no agent of the policy, no known agent
// and no bot.
func (p *Policy) IsPerson(account string) bool {
	name := fold(account)
	if name == "" || p.agent(name) != nil || strings.HasSuffix(name, "[bot]") || p.isBot(name) {
		return false
	}
	_, listed := p.directory.people[name]
	return listed || p.Recognition == recognizeOwn || !knownAccounts()[name]
}

// isBot reports whether p lists an account as neither a person nor an agent.
func (p *Policy) isBot(account string) bool {
	account = fold(account)
	return slices.ContainsFunc(p.Bots, func(b string) bool { return fold(b) == account }) || matchNames(p.Bots, strings.TrimSuffix(account, "[bot]"))
}

// agent finds an agent by id or account.
func (p *Policy) agent(name string) *Agent { return p.directory.agents[fold(name)] }

// InGroup reports whether an account belongs to one of names: a person, a team, or an account, with
// or without the @ of code hosts. A name with a slash, such as @acme/security, is a team; so is the
// name of a team of the policy.
func (p *Policy) InGroup(account string, names []string) bool {
	person := p.Person(account)
	return person != "" && slices.ContainsFunc(names, func(name string) bool {
		team, account := p.resolve(name)
		return slices.Contains(team, person) || account != "" && account == person
	})
}

// resolve returns the members of a team, or the person behind an account. It returns neither for a
// team or role that the policy does not know.
func (p *Policy) resolve(name string) (team []string, person string) {
	name = fold(name)
	if members, ok := p.directory.teams[name[strings.LastIndexByte(name, '/')+1:]]; ok {
		return members, ""
	}
	if name == "" || strings.ContainsAny(name, "/@") && !isMail(name) { // @acme/security, @@developers
		return nil, ""
	}
	return nil, p.Person(name)
}

func isMail(name string) bool {
	local, host, ok := strings.Cut(name, "@")
	return ok && local != "" && host != "" && !strings.Contains(name, "/")
}

// nobody reports whether names contains no person, no account that may belong to a person, and no
// team with such a member. A demand on such names can never be met.
func (p *Policy) nobody(names []string) bool { return p.fewer(1, names) }

// fewer reports whether fewer than n different people are behind names.
func (p *Policy) fewer(n int, names []string) bool {
	people := make(map[string]bool)
	for _, name := range names {
		team, person := p.resolve(name)
		for _, who := range append(slices.Clip(team), person) {
			if p.IsPerson(who) {
				people[who] = true
			}
		}
	}
	return len(people) < n
}
