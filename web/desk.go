package web

import (
	"context"
	"time"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/record"
)

// A Desk is where people decide about what agents ask for, and about changes that wait for a person.
// It enforces who may decide; the pages only say so. Its errors are sentences for people.
type Desk interface {
	// Waiting lists what waits for a person, in any order.
	Waiting(ctx context.Context) (*Waiting, error)
	// Grants lists the approvals before work, in any order.
	Grants(ctx context.Context) ([]approvals.Standing, error)
	// Decide decides about a change, and returns what the gate answers then.
	Decide(ctx context.Context, d Verdict) (gate.Decision, error)
	Grant(ctx context.Context, g approvals.Grant) (approvals.Standing, error)
	Refuse(ctx context.Context, r approvals.Refusal) error
	Revoke(ctx context.Context, r approvals.Revocation) (approvals.Standing, error)
}

// Waiting is what waits for a person.
type Waiting struct {
	Changes  []WaitingChange
	Requests []WaitingRequest
}

// A WaitingChange is an open change that lacks what a person can give.
type WaitingChange struct {
	Change   record.ChangeID
	Title    string
	URL      string
	Author   string // account at the code host
	Agent    string
	Services []string
	Class    string // the highest class of its services; empty if unknown
	Answers  record.Answers
	Decision gate.Decision
	Since    time.Time
}

// A WaitingRequest is what an agent asks for before it works.
type WaitingRequest struct {
	approvals.Request
	Class string // the highest class of its services; empty if unknown
}

// A Verdict is what a person decides about the newest commit of a change.
type Verdict struct {
	ID      string // the same id twice is one decision
	Person  string
	Change  record.ChangeID
	Commit  string // that the person saw; the decision is refused if the change has a newer one
	Approve bool
	Reason  string
}
