package policy

import (
	"maps"
	"slices"
)

// MaxPaths is how many paths a verdict names.
const MaxPaths = 10

// maxTried bounds the paths that are tried: a change may have thousands.
const maxTried = 500

// because returns the paths for each of which alone the rule of a verdict applies to its service.
// They are of a service that an agent may not change, or those that the condition of a rule asks for.
func (q question) because(v Verdict, touched []Service) (paths []string) {
	at := slices.IndexFunc(touched, func(s Service) bool { return s.Name == v.Service })
	if at < 0 {
		return nil
	}
	service := touched[at]
	applies := func(path string) bool { return len(service.Paths) > 0 && service.owns(path) }
	if v.Rule != RuleScope {
		i := slices.IndexFunc(q.Rules, func(r Rule) bool { return r.Name == v.Rule })
		if i < 0 || !q.Rules[i].partial.reads["paths"] {
			return nil
		}
		applies = func(path string) bool {
			held, _, err := q.Rules[i].holds(q.facts.only(path).of(service))
			return err == nil && held == always
		}
	}
	for _, path := range q.Paths[:min(len(q.Paths), maxTried)] {
		if applies(path) {
			if paths = append(paths, path); len(paths) == MaxPaths {
				break
			}
		}
	}
	return paths
}

// only returns the facts of a change that has no other path.
func (f facts) only(path string) facts {
	f.change = maps.Clone(f.change)
	f.change["paths"], f.unseen.Paths = []string{path}, false
	return f
}
