package desk

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/internal/problem"
)

// Override lets a person order in an emergency that the newest commit of a change may be merged although
// the gate denies it, and returns what the gate answers then. The gate decides who may.
func (d *Desk) Override(ctx context.Context, o gate.Override) (gate.Decision, error) {
	decision, err := d.Gate.Override(ctx, o)
	if err != nil {
		return decision, Unfollowed(err)
	}
	return decision, nil
}

// Unfollowed returns the problem of an order that the gate did not follow: err is one of
// [gate.Gate.Override].
func Unfollowed(err error) *problem.Problem {
	switch {
	case errors.Is(err, gate.ErrMayNot):
		return problem.New(http.StatusForbidden, "%v", err)
	case errors.Is(err, gate.ErrNotNow):
		return problem.New(http.StatusConflict, "%v", err)
	case errors.Is(err, gate.ErrNoReason):
		return problem.New(http.StatusUnprocessableEntity, "%v", err)
	case errors.Is(err, enricher.ErrUnknownChange):
		return problem.New(http.StatusNotFound, "%v", err)
	}
	return problem.New(http.StatusServiceUnavailable, "%v. Do not merge.", err).Later(time.Second)
}
