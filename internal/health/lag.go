package health

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/stream"
)

// lags measures each part of the pipeline: all consumer groups of its topics, and the enricher, even if it
// has never run.
func (r *reporter) lags(ctx context.Context, at time.Time) []document {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	own := enricher.Group(r.Topics)
	admin, err := stream.NewAdmin(r.Kafka)
	if err != nil {
		return []document{lag(at, measured{group: own, err: err})}
	}
	defer admin.Close()
	groups, err := admin.Groups(ctx, r.Topics.Prefix+"-")
	if err != nil {
		return []document{lag(at, measured{group: own, err: err})}
	}
	if !slices.Contains(groups, own) {
		groups = append(groups, own)
	}
	out := make([]document, len(groups))
	for i, group := range groups {
		m := measured{group: group}
		var behind map[string]int64
		behind, m.members, m.err = admin.Group(ctx, group)
		for _, n := range behind {
			m.behind += n
		}
		m.never = len(behind) == 0
		out[i] = lag(at, m)
	}
	return out
}

// indexed reports whether all events that arrived are in the index, as far as the lags of the enricher and of
// the sink of the index say.
func (r *reporter) indexed(lags []document) bool {
	done := 0
	for i := range lags {
		f := &lags[i].Trail.Health
		if (f.Name == enricher.Group(r.Topics) || f.Name == sinks.Group(r.Topics, r.Index.Name())) && f.Behind != nil && *f.Behind == 0 {
			done++
		}
	}
	return done == 2
}

// measured is what is known of a consumer group.
type measured struct {
	group   string
	behind  int64
	never   bool // it has read nothing yet, so that nobody knows how much it has to read
	members int
	err     error
}

func lag(at time.Time, m measured) document {
	facts := schemas.HealthFacts{Kind: schemas.HealthLag, Name: m.group}
	if m.err != nil {
		facts.Status, facts.Error = schemas.HealthUnknown, m.err.Error()
		return about(at, fmt.Sprintf("%s: how far it is behind could not be measured: %v", m.group, m.err), facts)
	}
	members := int64(m.members)
	facts.Status, facts.Behind, facts.Members = schemas.HealthOK, &m.behind, &members
	switch {
	case m.never && members == 0:
		facts.Status, facts.Behind = schemas.HealthStopped, nil
		return about(at, m.group+": no process does its work, and none ever did", facts)
	case members == 0:
		facts.Status = schemas.HealthStopped
		return about(at, fmt.Sprintf("%s: no process does its work; %d messages behind", m.group, m.behind), facts)
	case m.never:
		facts.Behind = nil
		return about(at, fmt.Sprintf("%s: %d processes, which have read nothing yet", m.group, members), facts)
	}
	return about(at, fmt.Sprintf("%s: %d processes, %d messages behind", m.group, members, m.behind), facts)
}
