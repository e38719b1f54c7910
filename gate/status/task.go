package status

import (
	"context"
	"errors"
	"time"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/record"
)

// A task is one try to let a host show the gate's answer at a place.
type task struct {
	w       *Worker
	at      Place
	host    Host
	changes []record.ChangeID
	shown   shown
	still   func(context.Context) error

	answered map[record.ChangeID]string
}

// run asks the gate about each change of the place, and lets the host show the gravest answer. If the
// gate cannot tell about one of them, nothing may be merged.
func (t *task) run(ctx context.Context) error {
	var status Status
	answered := make(map[record.ChangeID]string)
	for _, id := range t.changes {
		d, err := t.w.ask(ctx, id)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, enricher.ErrUnknownChange):
			continue // its events were deleted
		case err != nil:
			return errors.Join(err, t.doubt(ctx))
		}
		answered[id] = d.Digest()
		if d.Over() || d.Head != t.at.Commit {
			continue // it is not about this commit any more
		}
		if s := of(d, t.w.page(id)); status.State == "" || graver(s, status) {
			status = s
		}
	}
	if status.State == "" {
		return nil
	}
	if err := t.show(ctx, status); err != nil {
		return err
	}
	t.answered = answered
	return nil
}

// whole reports whether a commit has all its digits, as hosts ask for.
func whole(commit string) bool {
	return (len(commit) == 40 || len(commit) == 64) && record.IsCommit(commit)
}

// doubt lets the host show that the gate cannot tell, unless it is known to show no success.
func (t *task) doubt(ctx context.Context) error {
	if t.shown.known && t.shown.status.State != Success {
		return nil
	}
	var target string
	if len(t.changes) > 0 {
		target = t.w.page(t.changes[0])
	}
	return t.post(ctx, cannotTell(target), time.Now())
}

// show lets the host show a status, unless it does.
func (t *task) show(ctx context.Context, s Status) error {
	answered := time.Now()
	if t.shown.known && t.shown.status == s {
		return nil
	}
	if !t.shown.known {
		look, cancel := context.WithTimeout(ctx, t.w.times.look)
		same, err := t.host.Shows(look, t.at, s)
		cancel()
		switch {
		case err != nil:
			return err
		case same:
			t.shown = shown{known: true, status: s}
			return nil
		case time.Since(answered) > t.w.times.post/2:
			return errOld
		}
	}
	if err := t.still(ctx); err != nil {
		return err
	}
	return t.post(ctx, s, answered)
}

var errOld = errors.New("the host answered so slowly that the gate must be asked again")

// post sends a status. The request ends in time although the turn ends: the next process must not
// find it under way.
func (t *task) post(ctx context.Context, s Status, answered time.Time) error {
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), answered.Add(t.w.times.post))
	defer cancel()
	err := t.host.Show(ctx, t.at, s)
	switch {
	case err == nil:
		t.shown = shown{known: true, status: s, risky: t.shown.risky}
	case !refused(err):
		t.shown = shown{risky: true}
	}
	return err
}

// page returns the address of the page of a change.
func (w *Worker) page(id record.ChangeID) string {
	if w.pages == "" {
		return ""
	}
	return w.pages + "/changes/" + string(id)
}

var _ Asker = (*gate.Gate)(nil)
