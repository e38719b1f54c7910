package pending

import (
	"cmp"
	"slices"
	"time"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

// An Item is an open change.
type Item struct {
	Change   record.ChangeID // under the present name of its repository
	Title    string
	URL      string
	Author   string // account at the code host
	Agent    string // id of the agent that made it; empty if a person made it or nobody knows
	Services []string
	Class    string // the highest classification of the services; empty if no service is known
	// Answers are the four answers about the change as it is: those of an open change.
	Answers record.Answers
	// Decision is what the gate would answer now. It has no position: see the package comment.
	Decision gate.Decision
	// Since is when the change began to wait for a person: when its newest commit was reported, or
	// when the last thing that counted for it was lost: a review was withdrawn or asked for changes,
	// an approval was refused or expired. The clock is that of whoever reported it. Zero if no code
	// host reported the commit.
	Since time.Time
	// Emergency says who may order the merge in an emergency, while the change waits for a person; nil
	// if nobody may.
	Emergency *gate.Emergency `json:",omitempty"`
}

// Waits reports whether an agent made the change and a person must review or approve it before it
// may be merged.
func (i *Item) Waits() bool {
	return i.Agent != "" && !i.Decision.Allowed && len(i.Decision.Missing) > 0
}

// itemOf describes an open change.
func itemOf(p *enricher.Preview, now time.Time) Item {
	t := &p.Now.Trail
	c := t.Change
	repo := c.ID.Repository()
	i := Item{
		Change: c.Repository.Change(string(c.ID[len(repo):])), Title: c.Title, URL: cmp.Or(c.URL, c.ID.URL()), Author: c.Author,
		Decision: gate.Decide(p, "", now), Since: since(p, now),
	}
	if c.InitiatedBy == "agent" {
		i.Agent = unknownAgent
		if g := p.Now.GenAI; g != nil && g.Agent.ID != "" {
			i.Agent = g.Agent.ID
		}
	}
	if s := t.Service; s != nil {
		i.Services, i.Class = s.Names, s.Classification
	}
	if t.Answers != nil {
		i.Answers = *t.Answers
	}
	if i.Waits() {
		i.Emergency = gate.EmergencyOf(p, i.Decision)
	}
	return i
}

// unknownAgent is the agent of a change that some agent made, and nobody says which.
const unknownAgent = "unknown"

// since returns from when on a change waits as it does now.
func since(p *enricher.Preview, now time.Time) time.Time {
	t := &p.Now.Trail
	at := p.HeadSince
	later := func(o time.Time) {
		if o.After(at) {
			at = o
		}
	}
	if r := t.Review; r != nil {
		for _, v := range r.Verdicts {
			if v.Tier != record.Claimed && slices.Contains([]string{"dismissed", "changes-requested"}, v.Verdict) {
				later(v.SubmittedAt)
			}
		}
	}
	for _, a := range t.Approvals {
		switch {
		case a.Tier == record.Claimed:
		case a.Verdict == "refused":
			later(a.GrantedAt)
		case !a.ExpiresAt.IsZero() && !a.ExpiresAt.After(now):
			later(a.ExpiresAt)
		}
	}
	return at
}

// compare orders items by their class, the most critical first, and then by how long they wait.
func compare(a, b Item) int {
	return cmp.Or(cmp.Compare(rank(a.Class), rank(b.Class)), a.Since.Compare(b.Since), cmp.Compare(a.Change, b.Change))
}

func rank(class string) int {
	if i := slices.Index(policy.Classifications, class); i >= 0 {
		return i
	}
	return len(policy.Classifications)
}
