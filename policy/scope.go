package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/changetrail/changetrail/internal/nearest"
	"github.com/changetrail/changetrail/record"
)

// CheckScope fails if an approval with this scope can cover nothing in a repository: the policy has
// no service there, or an entry is neither a service, nor the repository, nor a path. An entry
// without a slash and a dot is the name of a service.
func (p *Policy) CheckScope(scope []string, repository record.Repository) error {
	r := Request{Repository: repository, Unseen: Unseen{Paths: true}}
	sure, others := p.Touches(r)
	var names []string
	for _, s := range slices.Concat(sure, others) {
		names = append(names, s.Name)
	}
	switch {
	case len(names) == 0:
		return fmt.Errorf("the policy has no service in %s", repository)
	case len(scope) == 0:
		return fmt.Errorf("it names no service and no path; the services of %s are %s", repository, strings.Join(names, ", "))
	}
	for _, entry := range scope {
		switch {
		case !doublestar.ValidatePattern(entry):
			return fmt.Errorf("%q is not a valid pattern; check the * and the brackets", entry)
		case strings.ContainsAny(entry, "/."), slices.ContainsFunc(names, func(name string) bool { return matchAny([]string{entry}, name) }):
		default:
			return fmt.Errorf("%s; a path has a slash or a dot", nearest.NotOne(entry, names))
		}
	}
	return nil
}

// Knows reports whether the policy names an account as one of a person. If it names nobody at all,
// it knows everybody who is no agent and no bot.
func (p *Policy) Knows(account string) bool {
	if !p.IsPerson(account) {
		return false
	}
	if len(p.People)+len(p.Teams) == 0 {
		return true
	}
	who := p.Person(account)
	_, listed := p.directory.people[fold(account)]
	return listed || slices.ContainsFunc(p.Teams, func(t Team) bool { return slices.Contains(p.directory.teams[fold(t.ID)], who) })
}
