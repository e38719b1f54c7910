package web

import (
	"context"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/gate/desk"
)

// A Desk is where people decide about what agents ask for, and about changes that wait for a person.
// It enforces who may decide; the pages check that the person signed in with the role for it. Its errors
// are sentences for people. A desk.Desk is one, and so is a client of a gateway that has the gate.
type Desk interface {
	// Waiting lists what waits for a person, in any order. It fails if something may be missing.
	Waiting(ctx context.Context) (*desk.Waiting, error)
	// Grants lists the approvals before work, in any order.
	Grants(ctx context.Context) ([]approvals.Standing, error)
	// Decide decides about a change, and returns what the gate answers then.
	Decide(ctx context.Context, v desk.Verdict) (gate.Decision, error)
	// Override orders in an emergency that a commit may be merged although the gate denies it, and
	// returns what the gate answers then.
	Override(ctx context.Context, o gate.Override) (gate.Decision, error)
	Grant(ctx context.Context, g approvals.Grant) (approvals.Standing, error)
	Refuse(ctx context.Context, r approvals.Refusal) error
	Revoke(ctx context.Context, r approvals.Revocation) (approvals.Standing, error)
}
