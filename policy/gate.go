package policy

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/changetrail/changetrail/internal/mistake"
)

// A Gate says what the gate requires besides the rules.
type Gate struct {
	// Services are globs of names of services. A change of an agent to one of them must ask the
	// gate before it is merged. "*" means every service.
	Services []string `yaml:"services"`
	// Checks are the names of CI jobs that must have succeeded on the head of a change of an agent.
	// A job that did not run has not succeeded.
	Checks []string `yaml:"checks"`
	// BreakGlass says who may order that a commit is merged although the gate denies it; nil: nobody.
	BreakGlass *BreakGlass `yaml:"break_glass"`
}

// BreakGlass says who may order in an emergency that a commit is merged although the gate denies it.
type BreakGlass struct {
	By           []string      `yaml:"by"`            // people and teams
	ReviewWithin time.Duration `yaml:"review_within"` // by when an independent person must review the commit
}

// The least and the longest time for the review of an emergency.
const (
	leastReviewWithin   = time.Minute
	longestReviewWithin = 30 * 24 * time.Hour
)

// MayBreakGlass reports whether the policy lets a person order a merge that the gate denies.
func (p *Policy) MayBreakGlass(account string) bool {
	b := p.Gate.BreakGlass
	return b != nil && p.Knows(account) && p.InGroup(account, b.By)
}

// BreakGlassAccounts returns the accounts of everybody whom the policy lets order a merge that the gate
// denies, in lower case and in order.
func (p *Policy) BreakGlassAccounts() []string {
	if p.Gate.BreakGlass == nil {
		return nil
	}
	who := p.Members(p.Gate.BreakGlass.By)
	accounts := slices.DeleteFunc(slices.Collect(maps.Keys(p.directory.people)), func(a string) bool { return !slices.Contains(who, p.Person(a)) })
	for _, name := range who {
		accounts = append(accounts, fold(name))
	}
	slices.Sort(accounts)
	return slices.DeleteFunc(slices.Compact(accounts), func(a string) bool { return !p.MayBreakGlass(a) })
}

func (p *Policy) checkBreakGlass() error {
	b := p.Gate.BreakGlass
	if b == nil {
		return nil
	}
	const by, within = "gate.break_glass.by", "gate.break_glass.review_within"
	var errs []error
	switch {
	case len(b.By) == 0:
		errs = append(errs, mistake.At("gate.break_glass", "gate.break_glass: by is missing; name the people and teams who may do it"))
	case p.nobody(b.By):
		errs = append(errs, mistake.At(by, "%s: nobody is behind %s; name people, or teams that have members", by, strings.Join(b.By, ", ")))
	}
	switch {
	case b.ReviewWithin == 0:
		errs = append(errs, mistake.At("gate.break_glass", "gate.break_glass: review_within is missing; say how soon an independent person must review the commit, such as 24h"))
	case b.ReviewWithin < leastReviewWithin || b.ReviewWithin > longestReviewWithin:
		errs = append(errs, mistake.At(within, "%s: %s is not a time from 1m to 720h (30 days)", within, b.ReviewWithin))
	}
	return errors.Join(errs...)
}

// CheckMissing is the state of a required check that did not run.
const CheckMissing = "missing"

func (g Gate) check(services []Service) error {
	var errs []error
	for i, glob := range g.Services {
		at := place{"gate.services", ""}
		switch {
		case !doublestar.ValidatePattern(glob):
			errs = append(errs, at.wrong("", "entry %d: %q is not a valid name pattern; check the * and the brackets", i, glob))
		case !slices.ContainsFunc(services, func(s Service) bool { return doublestar.MatchUnvalidated(glob, s.Name) }) && glob != "*":
			errs = append(errs, mistake.At("gate.services", "gate.services: no service is named %q", glob))
		}
	}
	if slices.Contains(g.Checks, "") {
		errs = append(errs, mistake.At("gate.checks", "gate.checks: the name of a check is empty"))
	}
	return errors.Join(errs...)
}

// RequiresGate reports whether a change must ask the gate before it is merged: one of the services
// that it certainly touches is listed, or all are.
func (p *Policy) RequiresGate(r Request) bool {
	if slices.Contains(p.Gate.Services, "*") {
		return true
	}
	return slices.ContainsFunc(p.Match(r), func(s Service) bool { return matchAny(p.Gate.Services, s.Name) })
}

// Members returns the people behind names: the members of teams, and the people behind accounts. A
// team that the policy does not know is returned by its name. Agents and bots are left out.
func (p *Policy) Members(names []string) []string {
	var out []string
	for _, name := range names {
		team, person := p.resolve(name)
		switch {
		case team != nil:
			out = append(out, slices.DeleteFunc(slices.Clone(team), func(m string) bool { return !p.IsPerson(m) })...)
		case person == "":
			out = append(out, name)
		case p.IsPerson(person):
			out = append(out, person)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
