package policy

import (
	"fmt"
	"maps"
	"slices"

	"github.com/changetrail/changetrail/record"
)

// Owners in a rule's by means the owners of each file by CODEOWNERS, or the owner of the service
// for a file without an owner.
const Owners = "owners"

// demands returns what a rule with a list of people requires: one demand for each set of people,
// which are the people of the list and the owners of a file. least are the demands that are certain
// even if not all files are known.
func (q question) demands(o outcome, rule Rule, s Service, touched []Service) (demands, least []Demand) {
	if !asks(rule.Verdict) {
		return nil, nil
	}
	demand := func(by []string) Demand {
		return Demand{Service: s.Name, Rule: o.rule, Verdict: o.verdict, Reason: o.reason, By: by, Nobody: q.nobody(by)}
	}
	i := slices.Index(rule.By, Owners)
	if i < 0 {
		one := []Demand{demand(rule.By)}
		return one, one
	}
	others := slices.DeleteFunc(slices.Clone(rule.By), func(name string) bool { return name == Owners })
	sets, unsure := q.ownersOf(s, touched)
	for _, set := range sets {
		least = append(least, demand(slices.Concat(others, set)))
	}
	owners := q.owners[repositoryKey(q.Repository)]
	unseen := q.Unseen.Paths && owners != nil
	if !unseen && len(unsure) == 0 {
		return least, least
	}
	if len(q.Paths) > 0 {
		demands = slices.Clone(least)
	}
	for _, line := range unsure { // the owner of a file may be unknown
		demands = merge(demands, []Demand{demand(slices.Concat(others, []string{line}))})
	}
	var anyone []string
	if unseen {
		for _, set := range owners.all(s.owners()) { // the possible owners of files that are not known
			demands = merge(demands, []Demand{demand(slices.Concat(others, set))})
			anyone = append(anyone, set...)
		}
	}
	switch { // what is certain: any one of them may be asked alone
	case len(unsure) > 0:
		least = []Demand{{Service: s.Name, Rule: o.rule, Verdict: o.verdict, Reason: o.reason}}
	case len(q.Paths) == 0:
		slices.Sort(anyone)
		least = []Demand{demand(slices.Concat(others, slices.Compact(anyone)))}
	}
	return demands, least
}

// owners returns the owner of s as a list.
func (s Service) owners() []string {
	if s.Owner == "" {
		return nil
	}
	return []string{s.Owner}
}

// ownersOf returns the distinct sets of owners of the files of a service, in the order of the
// files. If no file is known, it is the owner of the service alone, who may be nobody. unsure are
// the unreadable lines of CODEOWNERS that may name other owners.
func (q question) ownersOf(s Service, touched []Service) (sets [][]string, unsure []string) {
	fallback := s.owners()
	owners := q.owners[repositoryKey(q.Repository)]
	for _, f := range filesOf(s, touched, q.Paths) {
		own, bad := owners.of(f)
		for _, line := range bad {
			if !slices.Contains(unsure, line) {
				unsure = append(unsure, line)
			}
		}
		if len(own) == 0 {
			own = [][]string{fallback}
		}
		for _, set := range own {
			if !slices.ContainsFunc(sets, func(o []string) bool { return slices.Equal(o, set) }) {
				sets = append(sets, set)
			}
		}
	}
	if sets == nil {
		sets = [][]string{fallback}
	}
	return sets, unsure
}

// filesOf returns the changed files that belong to a service: those in its paths, and those in no
// other touched service.
func filesOf(s Service, touched []Service, paths []string) []string {
	if len(s.Paths) == 0 {
		return paths
	}
	var out []string
	for _, f := range paths {
		if s.owns(f) || !slices.ContainsFunc(touched, func(o Service) bool { return o.Name != s.Name && (len(o.Paths) == 0 || o.owns(f)) }) {
			out = append(out, f)
		}
	}
	return out
}

// OwnersOf returns the owners of the changed files by the repository's CODEOWNERS, as the file
// names them: @person, @org/team, address.
func (p *Policy) OwnersOf(r Request) []string {
	var out []string
	for _, repo := range r.repositories() {
		for _, f := range r.Paths {
			sets, _ := p.owners[repositoryKey(repo)].of(f)
			out = slices.Concat(out, slices.Concat(sets...))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Warnings returns problems in the files of p that are no errors: lines of CODEOWNERS that cannot
// be read. A file that such a line may match never counts as owned or approved.
func (p *Policy) Warnings() []string {
	var out []string
	for _, repo := range slices.Sorted(maps.Keys(p.owners)) {
		for _, line := range p.owners[repo].bad() {
			out = append(out, fmt.Sprintf("policy: codeowners of %s: %s is ignored; nobody can approve the files that it may match", repo, line))
		}
	}
	return out
}

// repositoryKey returns the form in which repository names are compared.
func repositoryKey(r record.Repository) record.Repository { return record.Repository(fold(string(r))) }
