package policy

import (
	"slices"

	"github.com/changetrail/changetrail/record"
)

// Owners in a rule's by are, for each file, its owners by CODEOWNERS; the owner of the
// service where it has none.
const Owners = "owners"

// demands returns what a rule with a list of people asks for, and what of it is sure
// where not all files are known: one demand for each set of people, who are those of the
// list, and the owners of a file.
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
	for _, set := range q.ownersOf(s, touched) {
		least = append(least, demand(slices.Concat(others, set)))
	}
	owners := q.owners[repositoryKey(q.Repository)]
	if !q.Unseen.Paths || owners == nil {
		return least, least
	}
	var anyone []string
	if len(q.Paths) > 0 {
		demands = slices.Clone(least)
	}
	for _, set := range owners.all(s.owners()) { // whom a file that is not known may belong to
		demands = merge(demands, []Demand{demand(slices.Concat(others, set))})
		anyone = append(anyone, set...)
	}
	if len(q.Paths) == 0 { // any of them may be asked alone
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

// ownersOf returns the distinct sets of owners of the files of a service, in the order
// of the files: the owner of the service alone, who may be none, where no file is known.
func (q question) ownersOf(s Service, touched []Service) (sets [][]string) {
	fallback := s.owners()
	owners := q.owners[repositoryKey(q.Repository)]
	for _, f := range filesOf(s, touched, q.Paths) {
		own := owners.of(f)
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
	return sets
}

// filesOf returns the files of a change that are of a service: those in its paths, and
// those in no other service that is touched.
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

// OwnersOf returns who owns files of a repository by its CODEOWNERS, as the
// file names them: @person, @org/team, address.
func (p *Policy) OwnersOf(repo record.Repository, paths []string) []string {
	var out []string
	for _, f := range paths {
		out = slices.Concat(out, slices.Concat(p.owners[repositoryKey(repo)].of(f)...))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// repositoryKey is the name of a repository as it is compared.
func repositoryKey(r record.Repository) record.Repository { return record.Repository(fold(string(r))) }
