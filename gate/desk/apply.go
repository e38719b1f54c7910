package desk

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/approvals"
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
	Log            *slog.Logger

	asked map[record.ChangeID]string // what was known when the gate was asked about a change
}

// again is how long a sweep waits after a failure.
const again = time.Second

// Run sweeps until ctx is done.
func (s *Sweep) Run(ctx context.Context) error {
	s.asked = make(map[record.ChangeID]string)
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
