package desk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/gate/pending"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

// A View tells what is known of changes, and which policy is in force. An enricher.View is one.
type View interface {
	gate.View
	// InForce returns the policy that is in force now. unreadable is the error of a newer policy that
	// cannot be read; the one before it stays in force.
	InForce(ctx context.Context) (p *policy.Policy, unreadable error, err error)
}

// A Gate answers whether a change may be merged, and follows the orders of people in an emergency. A
// [gate.Gate] is one.
type Gate interface {
	Ask(ctx context.Context, q gate.Question) (gate.Decision, error)
	Override(ctx context.Context, o gate.Override) (gate.Decision, error)
}

// A Book keeps the approvals before work. An [approvals.Book] is one.
type Book interface {
	CatchUp(ctx context.Context) error
	Grants(now time.Time) []approvals.Standing
	Requests(now time.Time) []approvals.Request
	Grant(ctx context.Context, g approvals.Grant) (approvals.Standing, error)
	Refuse(ctx context.Context, r approvals.Refusal) error
	Revoke(ctx context.Context, r approvals.Revocation) (approvals.Standing, error)
}

// A List lists the open changes that wait for a person. A [pending.Follower] is one.
type List interface {
	List() ([]pending.Item, error)
}

// A Desk is where people decide.
type Desk struct {
	View     View
	Gate     Gate
	Recorder gate.Recorder
	Book     Book
	Open     List
	Now      func() time.Time

	deciding sync.Mutex // one decision at a time: the same one twice is recorded once
}

// Waiting is what waits for a person.
type Waiting struct {
	Changes  []pending.Item `json:"changes"`
	Requests []Request      `json:"requests"`
}

// A Request is what an agent asks for before it works.
type Request struct {
	approvals.Request
	Class string `json:"class,omitempty"` // the highest class of its services; empty if unknown
}

// A Verdict is what a person decides about the newest commit of a change.
type Verdict struct {
	Person  string          `json:"person"`
	Change  record.ChangeID `json:"change"`
	Commit  string          `json:"commit"` // that the person saw: nothing is decided if there is a newer one
	Approve bool            `json:"approve"`
	Reason  string          `json:"reason,omitempty"` // required to refuse
}

// refuse returns an error for people.
func refuse(status int, format string, args ...any) error {
	return problem.New(status, format, args...)
}

// away says that what people want to know or decide cannot be done at the moment.
func away(err error) error {
	return problem.New(http.StatusServiceUnavailable, "%v", err).Later(5 * time.Second)
}

// Waiting lists what waits for a person. It fails if something may be missing.
func (d *Desk) Waiting(ctx context.Context) (*Waiting, error) {
	changes, err := d.Open.List()
	if err != nil {
		return nil, away(err)
	}
	if err := d.Book.CatchUp(ctx); err != nil {
		return nil, away(err)
	}
	p, _, err := d.View.InForce(ctx)
	if err != nil {
		return nil, away(err)
	}
	out := &Waiting{Changes: changes}
	for _, q := range d.Book.Requests(d.Now()) {
		out.Requests = append(out.Requests, Request{q, classOf(p, q)})
	}
	return out, nil
}

// classOf returns the highest class of the services that a request names, or else of those in its
// repository.
func classOf(p *policy.Policy, q approvals.Request) string {
	services := p.Match(policy.Request{Repository: q.Repository, Paths: q.Paths, Unseen: policy.Unseen{Paths: len(q.Paths) == 0}})
	if named := slices.DeleteFunc(slices.Clone(p.Services), func(s policy.Service) bool { return !slices.Contains(q.Services, s.Name) }); len(named) > 0 {
		services = named
	}
	if len(services) == 0 {
		return ""
	}
	return p.Describe(services).Classification
}

// Grants lists the approvals before work, the newest first.
func (d *Desk) Grants(ctx context.Context) ([]approvals.Standing, error) {
	if err := d.Book.CatchUp(ctx); err != nil {
		return nil, away(err)
	}
	return d.Book.Grants(d.Now()), nil
}

// Grant gives an approval before work. If it answers a request, that must still wait for an answer.
func (d *Desk) Grant(ctx context.Context, g approvals.Grant) (approvals.Standing, error) {
	var none approvals.Standing
	p, _, err := d.View.InForce(ctx)
	if err != nil {
		return none, away(err)
	}
	if g, err = g.Check(p, d.Now()); err != nil {
		return none, refuse(http.StatusUnprocessableEntity, "%v", err)
	}
	if g.Request != "" {
		q, err := d.request(ctx, g.Request)
		switch {
		case err != nil:
			return none, err
		case q.AskedBy != "" && p.Person(q.AskedBy) == p.Person(g.Person):
			return none, refuse(http.StatusForbidden, "%s asked %s for this work, so somebody else must approve it.", g.Person, q.Agent)
		}
	}
	return said(d.Book.Grant(ctx, g))
}

// request returns a request that waits for an answer.
func (d *Desk) request(ctx context.Context, id string) (approvals.Request, error) {
	if err := d.Book.CatchUp(ctx); err != nil {
		return approvals.Request{}, away(err)
	}
	for _, q := range d.Book.Requests(d.Now()) {
		if q.ID == id {
			return q, nil
		}
	}
	return approvals.Request{}, refuse(http.StatusConflict, "This request does not wait any more: somebody answered it, or nobody did for a week.")
}

// Refuse refuses a request.
func (d *Desk) Refuse(ctx context.Context, r approvals.Refusal) error {
	if strings.TrimSpace(r.Reason) == "" {
		return refuse(http.StatusUnprocessableEntity, "reason is missing: whoever asked reads it")
	}
	if _, err := d.request(ctx, r.Request); err != nil {
		return err
	}
	_, err := said(approvals.Standing{}, d.Book.Refuse(ctx, r))
	return err
}

// Revoke ends an approval before work. It counts for no open change any more.
func (d *Desk) Revoke(ctx context.Context, r approvals.Revocation) (approvals.Standing, error) {
	if strings.TrimSpace(r.Reason) == "" {
		return approvals.Standing{}, refuse(http.StatusUnprocessableEntity, "reason is missing: an auditor will ask why")
	}
	return said(d.Book.Revoke(ctx, r))
}

// said turns an error of the book into one for people.
func said(s approvals.Standing, err error) (approvals.Standing, error) {
	switch {
	case err == nil:
		return s, nil
	case errors.Is(err, approvals.ErrUnknown):
		return s, refuse(http.StatusNotFound, "%v", err)
	case errors.Is(err, approvals.ErrTaken):
		return s, refuse(http.StatusConflict, "%v", err)
	}
	return s, away(fmt.Errorf("it is not known whether this was recorded: %w; look, and try again", err))
}
