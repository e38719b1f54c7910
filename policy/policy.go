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
	Paths          []string `yaml:"paths"`          // globs within the repository; empty means all of it
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

// GateEverything is the mode in which every action of an agent needs a person's approval in
// advance.
const GateEverything = "gate-everything"

// A Policy is the content of policy.yaml.
type Policy struct {
	Mode     string    `yaml:"mode"`  // empty, or gate-everything
	Since    time.Time `yaml:"since"` // start of its force; empty means always
	Services []Service `yaml:"services"`
	Agents   []Agent   `yaml:"agents"`
	People   []Person  `yaml:"people"`
	Bots     []string  `yaml:"bots"` // globs of accounts that are not people; NAME[bot] never is
	Teams    []Team    `yaml:"teams"`
	Rules    []Rule    `yaml:"rules"`
	Default  string    `yaml:"default"` // verdict if no rule applies; empty means review-required
	// Threshold is the lowest classification that requires a person's review if no rule applies;
	// below it an agent may act alone. It replaces Default.
	Threshold string `yaml:"threshold"`

	// Recognition says which marks of agents count: also those of known agents (known, the
	// default), or only those in this file (own).
	Recognition string `yaml:"recognize"`

	Gate Gate `yaml:"gate"`

	// Approvers say how many different people must approve beforehand, by the classification of the
	// service; without an entry one person is enough. They apply to each approval that is required,
	// for whatever reason.
	Approvers map[string]int `yaml:"approvers"`

	// Catalogs are Backstage catalog-info.yaml files from which services are read. CodeOwners is
	// the CODEOWNERS file of each repository.
	Catalogs   []string          `yaml:"catalogs"`
	CodeOwners map[string]string `yaml:"codeowners"`

	directory directory
	owners    map[record.Repository]codeOwners // by repository, in lower case
	sources   []Source
	content   []byte
	digest    string
}

// Classifications are those of a service, the most critical first.
var Classifications = []string{"critical", "high", "medium", "low"}

// Parse reads a policy that is in one file. It reports all mistakes at once; an unknown key is a
// mistake.
func Parse(text []byte) (*Policy, error) {
	p, err := decode(text)
	if err != nil {
		return nil, mistake.In("policy", err)
	}
	if len(p.Catalogs)+len(p.CodeOwners) > 0 {
		return nil, errors.New("catalogs and codeowners name other files; load the policy from a folder")
	}
	if err := errors.Join(p.validate(), p.misspelt()); err != nil {
		return nil, mistake.In("policy", strictyaml.Locate(text, err))
	}
	p.sources = []Source{{Name: "policy.yaml", Content: text}}
	p.seal()
	return p, nil
}

// seal records the content that p was read from.
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

// validate reports all mistakes at once and compiles the rules.
func (p *Policy) validate() error {
	var errs []error
	seen := make(map[string]bool)
	for i, s := range p.Services {
		at := place{fmt.Sprintf("services[%d]", i), s.Name}
		switch {
		case s.Name == "":
			errs = append(errs, at.wrong("", "name is missing"))
		case seen[s.Name]:
			errs = append(errs, at.wrong("name", "another entry has the same name"))
		}
		seen[s.Name] = true
		if len(s.Repositories) == 0 {
			errs = append(errs, at.wrong("", "repositories is missing; name at least one, such as github.com/acme/payments"))
		}
		if !slices.Contains(Classifications, s.Classification) {
			errs = append(errs, at.wrong("classification", "classification %s", nearest.NotOne(s.Classification, Classifications)))
		}
		for _, glob := range slices.Concat(s.Repositories, s.Paths) {
			if !doublestar.ValidatePattern(glob) {
				errs = append(errs, at.wrong("", "%q is not a valid name pattern; check the * and the brackets", glob))
			}
		}
	}
	p.index()
	errs = append(errs, p.check(), p.compile())
	return errors.Join(errs...)
}

// check reports mistakes outside services and rules.
func (p *Policy) check() error {
	var errs []error
	if p.Mode != "" && p.Mode != GateEverything {
		errs = append(errs, mistake.At("mode", "mode %q is not %s; omit it to use the rules alone", p.Mode, GateEverything))
	}
	if p.Default != "" && !slices.Contains(Verdicts, p.Default) {
		errs = append(errs, mistake.At("default", "default %s", nearest.NotOne(p.Default, Verdicts)))
	}
	switch {
	case p.Threshold != "" && p.Default != "":
		errs = append(errs, mistake.At("threshold", "threshold and default both say what applies if no rule does; keep one of them"))
	case p.Threshold != "" && !slices.Contains(Classifications, p.Threshold):
		errs = append(errs, mistake.At("threshold", "threshold %s", nearest.NotOne(p.Threshold, Classifications)))
	}
	if p.Recognition != "" && p.Recognition != recognizeKnown && p.Recognition != recognizeOwn {
		errs = append(errs, mistake.At("recognize", "recognize %s", nearest.NotOne(p.Recognition, []string{recognizeKnown, recognizeOwn})))
	}
	errs = append(errs, p.checkApprovers())
	owner := make(map[string]string) // of each account
	claim := func(at place, accounts []string) {
		id := at.name
		if id == "" {
			errs = append(errs, at.wrong("", "id is missing"))
		}
		for _, a := range append([]string{id}, accounts...) {
			if other, taken := owner[fold(a)]; taken && other != id {
				errs = append(errs, at.wrong("accounts", "account %q also belongs to %s", a, other))
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
			errs = append(errs, at.wrong("id", "another entry has the same id"))
		case len(t.Members) == 0:
			errs = append(errs, at.wrong("", "members is missing; nobody could ever approve"))
		}
		seen[fold(t.ID)] = true
	}
	return errors.Join(append(errs, p.Gate.check(p.Services), p.checkBreakGlass())...)
}

// Covers reports whether an approval with some scope covers what a change does to a service: the
// scope must contain the service or the repository, or each file of the change, by name or by glob.
// No scope covers everything. If not all files are known, a scope of files may cover the change,
// but never surely.
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

// Digest returns the digest of Content.
func (p *Policy) Digest() string { return p.digest }

// Content returns the bytes that the digest covers: the file, followed by the files that it names.
func (p *Policy) Content() []byte { return p.content }

// Sources returns the files that p was read from, the policy file first.
func (p *Policy) Sources() []Source { return p.sources }

// Match returns the services that a change touches, in the order of the policy. A service with
// paths is touched only if one of the known files is in them.
func (p *Policy) Match(r Request) []Service {
	services, _ := p.Touches(r)
	return services
}

// Touches returns the services that a change touches, and those that it may touch because not all of
// its paths are known.
func (p *Policy) Touches(r Request) (surely, maybe []Service) {
	for _, s := range p.Services {
		switch {
		case !r.named(s.Repositories):
		case len(s.Paths) == 0 || slices.ContainsFunc(r.Paths, s.owns):
			surely = append(surely, s)
		case r.Unseen.Paths:
			maybe = append(maybe, s)
		}
	}
	return surely, maybe
}

// owns reports whether a file is in the paths of s.
func (s Service) owns(file string) bool { return matchAny(s.Paths, file) }

func matchAny(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(g string) bool { return doublestar.MatchUnvalidated(g, name) })
}

// matchNames is matchAny for names that are compared without case: repositories and accounts.
func matchNames(globs []string, name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(globs, func(g string) bool { return doublestar.MatchUnvalidated(strings.ToLower(g), name) })
}

// Describe summarizes services: their names, the highest classification, all data classes and
// owners. It is nil for no services.
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
