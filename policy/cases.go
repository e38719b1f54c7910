package policy

import (
	"errors"
	"fmt"
	"slices"

	"github.com/changetrail/changetrail/internal/nearest"
	"github.com/changetrail/changetrail/internal/strictyaml"
	"github.com/changetrail/changetrail/record"
)

// A Case is one row of a table that ships beside a policy: a change, and the expected verdict.
type Case struct {
	Name         string       `yaml:"name"`
	Agent        string       `yaml:"agent"`
	DelegatedBy  string       `yaml:"delegated_by"`
	Repository   string       `yaml:"repository"`
	Kind         string       `yaml:"kind"`
	Paths        []string     `yaml:"paths"`
	Environments []string     `yaml:"environments"`
	Dependencies []Dependency `yaml:"dependencies"`
	Want         string       `yaml:"want"` // a verdict
	Rule         string       `yaml:"rule"` // that decides; empty means any
}

// A Dependency is a dependency update of a case.
type Dependency struct {
	Name string `yaml:"name"`
	From string `yaml:"from"`
	To   string `yaml:"to"`
}

// ParseCases reads a table of cases. It reports all mistakes at once.
func ParseCases(text []byte) ([]Case, error) {
	var file struct {
		Cases []Case `yaml:"cases"`
	}
	if err := strictyaml.Decode(text, &file); err != nil {
		return nil, err
	}
	if len(file.Cases) == 0 {
		return nil, errors.New("there are no cases; list them under cases")
	}
	var errs []error
	for i, c := range file.Cases {
		at := place{fmt.Sprintf("cases[%d]", i), c.Name}
		if c.Name == "" {
			errs = append(errs, at.wrong("", "name is missing"))
		}
		if _, err := record.ParseRepository(c.Repository); err != nil {
			errs = append(errs, at.wrong("repository", "repository: %v", err))
		}
		if !slices.Contains(Verdicts, c.Want) {
			errs = append(errs, at.wrong("want", "want %s", nearest.NotOne(c.Want, Verdicts)))
		}
	}
	return file.Cases, strictyaml.Locate(text, errors.Join(errs...))
}

// Request returns the request that the case describes. c must come from [ParseCases].
func (c Case) Request() Request {
	repo, _ := record.ParseRepository(c.Repository)
	r := Request{Agent: c.Agent, DelegatedBy: c.DelegatedBy, Repository: repo, Kind: c.Kind, Paths: c.Paths, Environments: c.Environments}
	for _, d := range c.Dependencies {
		r.Dependencies = append(r.Dependencies, record.DependencyUpdate{Name: d.Name, From: d.From, To: d.To})
	}
	return r
}
