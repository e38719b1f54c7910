package approvals

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/internal/nearest"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

// longest is how far ahead the end of a grant may be.
const longest = 90 * 24 * time.Hour

// Check returns the grant with the agent and the person by their names in the policy. It fails with
// everything that is wrong with it and can be known before a change uses it.
func (g Grant) Check(p *policy.Policy, now time.Time) (Grant, error) {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch agent, known := agentOf(p, g.Agent); {
	case g.Agent == "":
		wrong("agent is missing: the id of the agent that may work")
	case !known:
		wrong("agent %s", nearest.NotOne(g.Agent, agents(p)))
	default:
		g.Agent = agent
	}
	switch {
	case g.Person == "":
		wrong("person is missing: who approves")
	case !p.IsPerson(g.Person):
		wrong("person: %s is an agent or a bot; only people approve", g.Person)
	case !p.Knows(g.Person):
		wrong("person: the policy lists no person %s; add them to people or to a team", g.Person)
	}
	if repository, err := record.ParseRepository(string(g.Repository)); err != nil {
		wrong("repository: %w", err)
	} else if err := p.CheckScope(g.Scope, repository); err != nil {
		wrong("scope: %w", err)
	} else {
		g.Repository = repository
	}
	for _, kind := range g.Kinds {
		if !slices.Contains(record.Kinds(), kind) {
			wrong("kinds: %s", nearest.NotOne(kind, record.Kinds()))
		}
	}
	switch {
	case g.Until.IsZero():
		wrong("until is missing: when the approval ends, at most %d days from now", longest/(24*time.Hour))
	case !g.Until.After(now):
		wrong("until is %s, which is in the past", g.Until.UTC().Format(time.RFC3339))
	case g.Until.Sub(now) > longest:
		wrong("until is %s; an approval lasts at most %d days, until %s", g.Until.UTC().Format(time.RFC3339), longest/(24*time.Hour), now.Add(longest).UTC().Format(time.RFC3339))
	}
	if g.Uses < 0 {
		wrong("uses is %d; give how many changes may use the approval, or 0 for no limit", g.Uses)
	}
	if strings.TrimSpace(g.Reason) == "" {
		wrong("reason is missing: an auditor will ask why")
	}
	if g.Change != "" {
		switch id, err := record.ParseChange(string(g.Change)); {
		case err != nil:
			wrong("change: %w", err)
		case id.Repository() != g.Repository:
			wrong("change %s is not one of %s", id, g.Repository)
		default:
			g.Change = id
		}
	}
	if err := g.check(); errs == nil && err != nil {
		errs = append(errs, err)
	}
	return g, errors.Join(errs...)
}

// agentOf returns the id of an agent of the policy. A policy that lists no agents knows all.
func agentOf(p *policy.Policy, name string) (id string, known bool) {
	id = p.Person(name)
	return id, len(p.Agents) == 0 || slices.Contains(agents(p), id)
}

func agents(p *policy.Policy) []string {
	var out []string
	for _, a := range p.Agents {
		out = append(out, a.ID)
	}
	return out
}
