package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/bmatcuk/doublestar/v4"
	"go.yaml.in/yaml/v3"

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

// A Policy is what policy.yaml says.
type Policy struct {
	Services []Service `yaml:"services"`

	digest string
}

// Classifications are those of a service, the gravest first.
var Classifications = []string{"critical", "high", "medium", "low"}

// Parse reads policy.yaml. It reports every mistake at once; an unknown key is
// one.
func Parse(text []byte) (*Policy, error) {
	var p Policy
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&p); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("policy: %w", err)
	}
	var errs []error
	seen := make(map[string]bool)
	for i, s := range p.Services {
		where := fmt.Sprintf("policy: services[%d] (%s)", i, s.Name)
		switch {
		case s.Name == "":
			errs = append(errs, fmt.Errorf("%s: name is missing", where))
		case seen[s.Name]:
			errs = append(errs, fmt.Errorf("%s: the name stands twice", where))
		}
		seen[s.Name] = true
		if len(s.Repositories) == 0 {
			errs = append(errs, fmt.Errorf("%s: repositories is missing; name at least one, as github.com/acme/payments", where))
		}
		if !slices.Contains(Classifications, s.Classification) {
			errs = append(errs, fmt.Errorf("%s: classification %q is not one of %v", where, s.Classification, Classifications))
		}
		for _, glob := range slices.Concat(s.Repositories, s.Paths) {
			if !doublestar.ValidatePattern(glob) {
				errs = append(errs, fmt.Errorf("%s: %q is not a glob", where, glob))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	p.digest = "sha256:" + hex.EncodeToString(sum[:])
	return &p, nil
}

// Digest is the digest of the file that p was read from.
func (p *Policy) Digest() string { return p.digest }

// Match returns the services that a change to files of repo touches, in the
// order of the policy. A service with paths is touched only where one of the
// files is known to lie in them.
func (p *Policy) Match(repo record.Repository, files []string) []Service {
	var out []Service
	for _, s := range p.Services {
		if matchAny(s.Repositories, string(repo)) && (len(s.Paths) == 0 || slices.ContainsFunc(files, func(f string) bool { return matchAny(s.Paths, f) })) {
			out = append(out, s)
		}
	}
	return out
}

func matchAny(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(g string) bool { return doublestar.MatchUnvalidated(g, name) })
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
