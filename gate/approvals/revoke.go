package approvals

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/record"
)

// A View tells what is known of a change. An [enricher.View] is one.
type View interface {
	Preview(ctx context.Context, id record.ChangeID) (*enricher.Preview, error)
}

// Run writes each revocation to the changes that use its grant, until ctx is done: a merge need not
// ask the gate first. What fails is tried again. Several processes may do it: what they write is the
// same.
func (a *Applier) Run(ctx context.Context, view View, log *slog.Logger) error {
	const pause = 5 * time.Second
	type use struct {
		grant  string
		change record.ChangeID
	}
	done := make(map[use]bool)
	for {
		changed, retry := a.Book.Changed(), (<-chan time.Time)(nil)
		for _, s := range a.Book.Grants(a.Now()) {
			for _, change := range s.UsedBy {
				u := use{s.ID, change}
				if s.Revocation == nil || done[u] {
					continue
				}
				if err := a.settle(ctx, view, change); err != nil && ctx.Err() == nil {
					log.Warn("a revocation is not in the record of a change yet; trying again", "approval", s.ID, "change", change, "err", err)
					retry = time.After(pause)
					continue
				}
				done[u] = true
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-retry:
		}
	}
}

// settle writes the revocations of the grants that a change uses.
func (a *Applier) settle(ctx context.Context, view View, change record.ChangeID) error {
	p, err := view.Preview(ctx, change)
	switch {
	case errors.Is(err, enricher.ErrUnknownChange):
		return nil
	case err != nil:
		return err
	}
	for _, s := range a.revoked(p) {
		if err := a.withdraw(ctx, p, s); err != nil {
			return err
		}
	}
	return nil
}
