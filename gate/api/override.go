package api

import (
	"context"
	"net/http"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/desk"
	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/record"
)

// An Overrider follows the orders of people. A [gate.Gate] is one.
type Overrider interface {
	Override(ctx context.Context, o gate.Override) (gate.Decision, error)
}

// overrideSuffix follows the id of a change in the path of an order.
const overrideSuffix = "/break-glass"

// An Order is the body of POST /v1/changes/{id}/break-glass.
type Order struct {
	Commit string `json:"commit"`
	Reason string `json:"reason"`
	Person string `json:"person,omitempty"` // stated by the credential of a platform that may state approvals
}

// Overrides answers POST /v1/changes/{id}/break-glass, and passes every other request on. Only people may
// order something: with their own credential, or through a platform that may state approvals.
func Overrides(g *gateway.Gateway, to Overrider, next http.Handler) http.Handler {
	s := orders{to}
	return only(http.MethodPost, under(overrideSuffix), g.Authenticated(s.answer), next)
}

type orders struct{ to Overrider }

func (s orders) answer(w http.ResponseWriter, r *http.Request, from gateway.Sender) error {
	text, _ := changeIn(r.URL.Path, overrideSuffix)
	id, err := record.ParseChange(text)
	if err != nil {
		return problem.New(http.StatusBadRequest, "%v", err)
	}
	var o Order
	err = read(w, r, &o)
	if err == nil {
		o.Person, err = personOf(from, o.Person)
	}
	if err == nil {
		err = about(from, id.Repository())
	}
	if err != nil {
		return err
	}
	if o.Commit, err = commitOf(o.Commit); err != nil {
		return err
	}
	d, err := s.to.Override(r.Context(), gate.Override{Change: id, Person: o.Person, Commit: o.Commit, Reason: o.Reason})
	if err != nil {
		return desk.Unfollowed(err)
	}
	return answer(w, http.StatusOK, d)
}
