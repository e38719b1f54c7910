package ingest

import (
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/record"
)

// Complete states on an event what it leaves out and the credential of its sender
// says: which agent spans belong to, and which repository what names none is about. It
// reports whether the data of the event changed by that.
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

// only is the one repository that a credential may speak of, "" where there are others.
func only(who identity.Principal) record.Repository {
	repo, err := record.ParseRepository(who.OnlyRepository())
	if err != nil {
		return ""
	}
	return repo
}
