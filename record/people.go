package record

import (
	"maps"
	"slices"
	"strings"
)

// people knows who is behind the accounts of a change, and which of them took part in it.
type people struct {
	authority Authority
	names     func(account string) []string
	involved  map[string]bool // those who made the change or asked for it; false: only by a claim
}

func newPeople(r *Record, a Authority) *people {
	p := &people{authority: a, names: r.Judged.Names, involved: make(map[string]bool)}
	j := &r.Judged
	known, claimed := slices.Concat(j.Authors, j.Askers, j.signers), slices.Concat(j.ClaimedAskers, j.deciders)
	if r.GenAI != nil {
		claimed = append(claimed, r.GenAI.Agent.ID)
	}
	if author := r.Trail.Change.Author; j.stated.known(attrAuthor) {
		known = append(known, author)
	} else {
		claimed = append(claimed, author)
	}
	p.involve(claimed, false)
	p.involve(known, true)
	return p
}

func (p *people) involve(accounts []string, known bool) {
	for _, account := range accounts {
		if account != "" {
			p.involved[p.who(account)] = known
		}
	}
}

// who returns the person behind an account: by the policy, or else by the code host's number of
// the account, or else by its name without regard to case.
func (p *people) who(account string) string {
	names := p.names(account)
	for _, name := range names {
		if p.authority.Person == nil {
			break
		}
		if person, listed := p.authority.Person(name); listed {
			return strings.ToLower(person)
		}
	}
	return strings.ToLower(names[min(1, len(names)-1)])
}

// tookPart reports whether an account made the change or asked for it.
func (p *people) tookPart(account string) bool { return p.involved[p.who(account)] }

// mayHave reports whether it is only claimed that an account took part.
func (p *people) mayHave(account string) bool {
	known, is := p.involved[p.who(account)]
	return is && !known
}

// isPerson reports whether an account belongs to a human.
func (p *people) isPerson(account, kind string) bool {
	if kind == "bot" || kind == "agent" {
		return false
	}
	return !slices.ContainsFunc(p.names(account), func(name string) bool {
		return strings.HasSuffix(strings.ToLower(name), "[bot]") || p.authority.IsPerson != nil && !p.authority.IsPerson(name)
	})
}

// in reports whether an account belongs to those who may meet a demand.
func (p *people) in(d Demand, account string) bool {
	return d.InGroup == nil || slices.ContainsFunc(p.names(account), d.InGroup)
}

// numbered records the code host's number of an account.
func (j *Judged) numbered(account, number string, e *Event) {
	if account == "" || number == "" || e.Witness != Observed {
		return
	}
	if j.numbers == nil {
		j.numbers = make(map[string]string)
	}
	j.numbers[strings.ToLower(account)] = number
}

// Names returns all names of an account: itself, then its number at the code host in the form
// id:12345, and other names with that number, such as the one before it was renamed.
func (j *Judged) Names(account string) []string {
	names, name := []string{account}, strings.ToLower(account)
	number := j.numbers[name]
	if number == "" {
		return names
	}
	for _, other := range slices.Sorted(maps.Keys(j.numbers)) {
		if j.numbers[other] == number && other != name {
			names = append(names, other)
		}
	}
	return slices.Insert(names, 1, "id:"+number)
}

// allNames returns all names of accounts.
func (j *Judged) allNames(accounts []string) (out []string) {
	for _, account := range accounts {
		out = append(out, j.Names(account)...)
	}
	return compactStrings(out)
}
