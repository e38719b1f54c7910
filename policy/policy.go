package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/mistake"
	"github.com/changetrail/changetrail/internal/nearest"
	"github.com/changetrail/changetrail/internal/strictyaml"
	"github.com/changetrail/changetrail/record"
)

// A Service is one entry of policy.yaml.
type Service struct {
	Name           string   `yaml:"name"`
	Repositories   []string `yaml:"repositories"`   // globs: github.com/acme/payments, github.com/acme/*
	Paths          []string `yaml:"paths"`          // globs within the repository; none means all of it
	Classification string   `yaml:"classification"` // critical, high, medium or low
	DataClasses    []string `yaml:"data_classes"`   // cardholder, phi, pii, financial, cui, …
	Environments   []string `yaml:"environments"`
	Owner          string   `yaml:"owner"`
}

// A Person is one entry of people: one human under all their accounts.
type Person struct {
	ID       string   `yaml:"id"`
	Accounts []string `yaml:"accounts"`
}

// A Team is one entry of teams: people under one name.
type Team struct {
	ID      string   `yaml:"id"`
	Members []string `yaml:"members"` // ids of people, or accounts
}

// GateEverything is the mode in which every action of an agent needs the leave
// of a person, given before.
const GateEverything = "gate-everything"

// A Policy is what policy.yaml says.
type Policy struct {
	Mode     string    `yaml:"mode"`  // empty, or gate-everything
	Since    time.Time `yaml:"since"` // in force from; for ever where empty
	Services []Service `yaml:"services"`
	Agents   []Agent   `yaml:"agents"`
	People   []Person  `yaml:"people"`
	Bots     []string  `yaml:"bots"` // globs of accounts that are no people; NAME[bot] always is one
	Teams    []Team    `yaml:"teams"`
	Rules    []Rule    `yaml:"rules"`
	Default  string    `yaml:"default"` // verdict where no rule holds; review-required where empty
	// Threshold is the classification from which on a person must review where
	// no rule holds; below it an agent may act alone. It stands in place of Default.
	Threshold string `yaml:"threshold"`

	// Recognition says which marks of agents count: those of known agents, too
	// (known, also where empty), or those in this file alone (own).
	Recognition string `yaml:"recognize"`

	// Catalogs are catalog-info.yaml files of Backstage from which services are
	// read, CodeOwners the CODEOWNERS file of each repository.
	Catalogs   []string          `yaml:"catalogs"`
	CodeOwners map[string]string `yaml:"codeowners"`

	directory directory
	owners    map[record.Repository]codeOwners // by repository, without case
	sources   []Source
	content   []byte
	digest    string
}

// Classifications are those of a service, the gravest first.
var Classifications = []string{"critical", "high", "medium", "low"}

// Parse reads a policy that stands in one file. It reports every mistake at
// once; an unknown key is one.
func Parse(text []byte) (*Policy, error) {
	p, err := decode(text)
	if err != nil {
		return nil, mistake.In("policy", err)
	}
	if len(p.Catalogs)+len(p.CodeOwners) > 0 {
		return nil, errors.New("catalogs and codeowners name other files, which are read from a folder only")
	}
	if err := errors.Join(p.validate(), p.misspelt()); err != nil {
		return nil, mistake.In("policy", strictyaml.Locate(text, err))
	}
	p.sources = []Source{{Name: "policy.yaml", Content: text}}
	p.seal()
	return p, nil
}

// seal notes what p was read from.
func (p *Policy) seal() {
	for _, s := range p.sources {
		p.content = append(p.content, s.Content...)
	}
	p.digest = digests.Of(p.content)
}

func decode(text []byte) (*Policy, error) {
	p := new(Policy)
	if err := strictyaml.Decode(text, p); err != nil {
		return nil, err
	}
	return p, nil
}

// validate reports every mistake at once and makes the rules ready.
func (p *Policy) validate() error {
	var errs []error
	seen := make(map[string]bool)
	for i, s := range p.Services {
		at := place{fmt.Sprintf("services[%d]", i), s.Name}
		switch {
		case s.Name == "":
			errs = append(errs, at.wrong("", "name is missing"))
		case seen[s.Name]:
			errs = append(errs, at.wrong("name", "another one has the same name"))
		}
		seen[s.Name] = true
		if len(s.Repositories) == 0 {
			errs = append(errs, at.wrong("", "repositories is missing; name at least one, as github.com/acme/payments"))
		}
		if !slices.Contains(Classifications, s.Classification) {
			errs = append(errs, at.wrong("classification", "classification %s", nearest.NotOne(s.Classification, Classifications)))
		}
		for _, glob := range slices.Concat(s.Repositories, s.Paths) {
			if !doublestar.ValidatePattern(glob) {
				errs = append(errs, at.wrong("", "%q is not a pattern of names; a * or a bracket is wrong", glob))
			}
		}
	}
	p.index()
	errs = append(errs, p.check(), p.compile())
	return errors.Join(errs...)
}

// check reports what is wrong outside services and rules.
func (p *Policy) check() error {
	var errs []error
	if p.Mode != "" && p.Mode != GateEverything {
		errs = append(errs, mistake.At("mode", "mode %q is not %s; leave it out for the rules alone", p.Mode, GateEverything))
	}
	if p.Default != "" && !slices.Contains(Verdicts, p.Default) {
		errs = append(errs, mistake.At("default", "default %s", nearest.NotOne(p.Default, Verdicts)))
	}
	switch {
	case p.Threshold != "" && p.Default != "":
		errs = append(errs, mistake.At("threshold", "threshold and default both say what applies where no rule does; give one"))
	case p.Threshold != "" && !slices.Contains(Classifications, p.Threshold):
		errs = append(errs, mistake.At("threshold", "threshold %s", nearest.NotOne(p.Threshold, Classifications)))
	}
	if p.Recognition != "" && p.Recognition != recognizeKnown && p.Recognition != recognizeOwn {
		errs = append(errs, mistake.At("recognize", "recognize %s", nearest.NotOne(p.Recognition, []string{recognizeKnown, recognizeOwn})))
	}
	owner := make(map[string]string) // of each account
	claim := func(at place, accounts []string) {
		id := at.name
		if id == "" {
			errs = append(errs, at.wrong("", "id is missing"))
		}
		for _, a := range append([]string{id}, accounts...) {
			if other, taken := owner[fold(a)]; taken && other != id {
				errs = append(errs, at.wrong("accounts", "account %q is also that of %s", a, other))
			}
			owner[fold(a)] = id
		}
	}
	for i, a := range p.Agents {
		at := place{fmt.Sprintf("agents[%d]", i), a.ID}
		claim(at, a.Accounts)
		if len(a.Services) == 0 {
			errs = append(errs, at.wrong("", "services is missing; name those that it may change, or \"*\""))
		}
		errs = append(errs, a.checkMarks(at))
	}
	for i, h := range p.People {
		claim(place{fmt.Sprintf("people[%d]", i), h.ID}, h.Accounts)
	}
	seen := make(map[string]bool)
	for i, t := range p.Teams {
		at := place{fmt.Sprintf("teams[%d]", i), t.ID}
		switch {
		case t.ID == "":
			errs = append(errs, at.wrong("", "id is missing"))
		case seen[fold(t.ID)]:
			errs = append(errs, at.wrong("id", "another one has the same id"))
		case len(t.Members) == 0:
			errs = append(errs, at.wrong("", "members is missing; nobody could ever approve"))
		}
		seen[fold(t.ID)] = true
	}
	return errors.Join(errs...)
}

// Covers reports whether a leave of some scope covers what a change does to a service:
// the service or the repository must stand in the scope, or each file of the change, by
// name or by glob. No scope covers everything. Where not all files are known, those that
// are may be covered, and no list of files surely covers them all.
func (p *Policy) Covers(scope []string, service string, r Request) (surely, may bool) {
	named := func(g string) bool { // the folder a/** is not the service a
		return g == service || !strings.Contains(g, "/") && doublestar.MatchUnvalidated(g, service)
	}
	if len(scope) == 0 || r.named(scope) || service != "" && slices.ContainsFunc(scope, named) {
		return true, true
	}
	covered := !slices.ContainsFunc(r.Paths, func(f string) bool { return !matchAny(scope, f) })
	return covered && len(r.Paths) > 0 && !r.Unseen.Paths, covered && (len(r.Paths) > 0 || r.Unseen.Paths)
}

// Digest is the digest of the file that p was read from.
func (p *Policy) Digest() string { return p.digest }

// Content is what the digest is over: the file, and those that it names after
// it.
func (p *Policy) Content() []byte { return p.content }

// Sources are the files that p was read from, itself first.
func (p *Policy) Sources() []Source { return p.sources }

// Match returns the services that a change touches, in the order of the policy. A service
// with paths is touched only where one of the files is known to lie in them.
func (p *Policy) Match(r Request) []Service {
	services, _ := p.touched(r)
	return services
}

// touched returns the services that a change touches, and those that it may touch where
// not all of its paths are known.
func (p *Policy) touched(r Request) (services, others []Service) {
	for _, s := range p.Services {
		switch {
		case !r.named(s.Repositories):
		case len(s.Paths) == 0 || slices.ContainsFunc(r.Paths, s.owns):
			services = append(services, s)
		case r.Unseen.Paths:
			others = append(others, s)
		}
	}
	return services, others
}

// owns reports whether a file lies in the paths of s.
func (s Service) owns(file string) bool { return matchAny(s.Paths, file) }

func matchAny(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(g string) bool { return doublestar.MatchUnvalidated(g, name) })
}

// matchNames is matchAny for names that are compared without case: those of
// repositories and accounts.
func matchNames(globs []string, name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(globs, func(g string) bool { return doublestar.MatchUnvalidated(strings.ToLower(g), name) })
}

// Describe sums up services: the names, the highest classification, all data
// classes and owners. It is nil where there are none.
func (p *Policy) Describe(services []Service) *record.ServiceFacts {
	if len(services) == 0 {
		return nil
	}
	out := &record.ServiceFacts{PolicyDigest: p.digest}
	rank := len(Classifications)
	for _, s := range services {
		out.Names = append(out.Names, s.Name)
		if i := slices.Index(Classifications, s.Classification); i < rank {
			rank, out.Classification = i, s.Classification
		}
		out.DataClasses = append(out.DataClasses, s.DataClasses...)
		if s.Owner != "" {
			out.Owners = append(out.Owners, s.Owner)
		}
	}
	for _, list := range []*[]string{&out.DataClasses, &out.Owners} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return out
}
