package desk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/gate/pending"
	"github.com/changetrail/changetrail/record"
)

// A Follower says when what waits, or what is approved, has changed.
type Follower interface{ Changed() <-chan struct{} }

// A Sweep asks the gate about changes that an approval before work may cover, or whose approval was
// revoked: the gate brings both onto the stream when it is asked. Without it, they would wait until
// somebody asks, and stay in the inbox.
type Sweep struct {
	Desk           *Desk
	Changes, Books Follower
	Notes          Notes
	Log            *slog.Logger

	noted map[string]bool
	asked map[record.ChangeID]string // what was known when the gate was asked about a change
}

// Notes puts a fact about a repository on the stream, as changetrail's own, so that the search index has
// it. The same fact with the same time is one fact.
type Notes interface {
	NoteAt(ctx context.Context, repository record.Repository, fact record.Fact, at time.Time) error
}

// noteAge is how old a grant or a revocation may be that is noted after a start: longer than a process
// needs to start again.
const noteAge = time.Hour

// note notes the grants and revocations that are new.
func (s *Sweep) note(ctx context.Context, grants []approvals.Standing) error {
	say := func(key string, g approvals.Standing, at time.Time, text string) error {
		if s.noted[key] || s.Desk.Now().Sub(at) > noteAge {
			return nil
		}
		err := s.Notes.NoteAt(ctx, g.Repository, &record.Activity{Summary: text, Repository: string(g.Repository)}, at)
		s.noted[key] = err == nil
		return err
	}
	for _, g := range grants {
		if err := say("grant "+g.ID, g, g.At, fmt.Sprintf("%s approved that the agent %s works on %s until %s (approval %s): %s", g.Person, g.Agent, strings.Join(g.Scope, ", "), g.Until.Format(time.RFC3339), g.ID, g.Reason)); err != nil {
			return err
		}
		if r := g.Revocation; r != nil {
			if err := say("revocation "+g.ID, g, r.At, fmt.Sprintf("%s revoked the approval %s that %s gave to the agent %s: %s", r.Person, g.ID, g.Person, g.Agent, r.Reason)); err != nil {
				return err
			}
		}
	}
	return nil
}

// again is how long a sweep waits after a failure.
const again = time.Second

// Run sweeps until ctx is done.
func (s *Sweep) Run(ctx context.Context) error {
	s.asked, s.noted = make(map[record.ChangeID]string), make(map[string]bool)
	for ctx.Err() == nil {
		changes, books := s.Changes.Changed(), s.Books.Changed()
		var retry <-chan time.Time
		if err := s.sweep(ctx); err != nil {
			retry = time.After(again)
			s.Log.Debug("approvals are not applied to open changes yet", "err", err)
		}
		select {
		case <-changes:
		case <-books:
		case <-retry:
		case <-ctx.Done():
		}
	}
	return nil
}

func (s *Sweep) sweep(ctx context.Context) error {
	items, err := s.Desk.Open.List()
	if err != nil {
		return err
	}
	grants, err := s.Desk.Grants(ctx)
	if err != nil {
		return err
	}
	return errors.Join(s.apply(ctx, items, grants), s.note(ctx, grants))
}

// apply asks the gate about the changes that a grant or a revocation may concern.
func (s *Sweep) apply(ctx context.Context, items []pending.Item, grants []approvals.Standing) error {
	for _, i := range items {
		var usable []string
		for _, g := range grants {
			if g.Status == approvals.InForce && g.Repository == i.Change.Repository() && strings.EqualFold(g.Agent, i.Agent) {
				usable = append(usable, g.ID)
			}
		}
		if usable != nil {
			if err := s.ask(ctx, i.Change, i.Decision.Digest()+" "+strings.Join(usable, " ")); err != nil {
				return err
			}
		}
	}
	now := s.Desk.Now()
	for _, g := range grants {
		if g.Revocation == nil || now.After(g.Until) {
			continue
		}
		for _, change := range slices.Compact(g.UsedBy) {
			if err := s.ask(ctx, change, "revoked "+g.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// ask asks the gate about a change, unless it did so with the same knowledge.
func (s *Sweep) ask(ctx context.Context, change record.ChangeID, knowing string) error {
	if s.asked[change] == knowing {
		return nil
	}
	if _, err := s.Desk.Gate.Ask(ctx, gate.Question{Change: change}); err != nil {
		return err
	}
	s.asked[change] = knowing
	return nil
}
