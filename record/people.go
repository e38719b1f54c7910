package record

import (
	"slices"
	"strings"
)

// people tells who is behind the accounts of a change, and who of them took part in it.
type people struct {
	authority Authority
	numbers   map[string]string // the code host's number of an account, by its lower case name
	involved  map[string]bool   // those who made the change or asked for it
}

func newPeople(r *Record, a Authority) *people {
	p := &people{authority: a, numbers: r.Judged.numbers, involved: make(map[string]bool)}
	accounts := slices.Concat([]string{r.Trail.Change.Author, r.Judged.DecisionAgent}, r.Judged.Authors, r.Judged.Askers, r.Judged.deciders)
	if r.GenAI != nil {
		accounts = append(accounts, r.GenAI.Agent.ID)
	}
	for _, account := range accounts {
		if account != "" {
			p.involved[p.who(account)] = true
		}
	}
	return p
}

// who names the person behind an account: by the policy, else by the code host's number of
// the account, else by its name, of which the case does not count.
func (p *people) who(account string) string {
	name := strings.ToLower(account)
	number := p.numbers[name]
	if p.authority.Person != nil {
		if id := "id:" + number; number != "" && p.authority.Person(id) != id {
			return strings.ToLower(p.authority.Person(id))
		}
		if person := p.authority.Person(account); !strings.EqualFold(person, account) {
			return strings.ToLower(person)
		}
	}
	if number != "" {
		return "id:" + number
	}
	return name
}

// took reports whether an account made the change or asked for it.
func (p *people) took(account string) bool { return p.involved[p.who(account)] }

// isPerson reports whether an account is that of a human.
func (p *people) isPerson(account, kind string) bool {
	if kind == "bot" || kind == "agent" || strings.HasSuffix(strings.ToLower(account), "[bot]") {
		return false
	}
	return p.authority.IsPerson == nil || p.authority.IsPerson(account)
}

// numbered notes the code host's number of an account.
func (j *Judged) numbered(account, number string, e *Event) {
	if account == "" || number == "" || e.Witness != Observed {
		return
	}
	if j.numbers == nil {
		j.numbers = make(map[string]string)
	}
	j.numbers[strings.ToLower(account)] = number
}
