package ingest

import (
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/record"
)

// Complete adds to an event what it omits and the credential of its sender determines: the agent of
// spans, and the repository of an event without one. It reports whether the data of the event
// changed.
func Complete(who identity.Principal, e *Event) (changed bool) {
	spans, ok := e.Fact.(*record.Spans)
	if !ok {
		if e.Repository == "" {
			e.Repository = only(who)
		}
		return false
	}
	for i := range spans.Spans {
		s := &spans.Spans[i]
		agent, repo := s.AgentID, s.Repository
		CompleteSpan(who, s)
		changed = changed || s.AgentID != agent || s.Repository != repo
	}
	return changed
}

// CompleteSpan is Complete for one span.
func CompleteSpan(who identity.Principal, s *record.Span) {
	if s.AgentID == "" {
		s.AgentID = who.Agent
	}
	if s.Repository == "" {
		s.Repository = string(only(who))
	}
}

// only returns the repository of a credential that is limited to one, otherwise "".
func only(who identity.Principal) record.Repository {
	repo, err := record.ParseRepository(who.OnlyRepository())
	if err != nil {
		return ""
	}
	return repo
}
