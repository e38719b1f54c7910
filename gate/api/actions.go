package api

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/ask"
	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/internal/nearest"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/record"
)

// A Guard answers whether a tool of an agent may run. [gate.Actions] are one.
type Guard interface {
	Ask(ctx context.Context, a gate.Action, wait time.Duration) (ask.Answer, error)
}

// Limits of a question about an action.
const (
	maxAction = 1 << 20 // bytes
	maxPaths  = 3000
	maxPath   = 1024 // bytes, also of other texts
)

const actionsPath = "/v1/gate/actions"

// Actions let senders ask a guard: each agent for itself alone, and only so many that wait at a time.
type Actions struct {
	guard   Guard
	waiting chan struct{} // one for each question that waits
}

// NewActions returns how senders ask a guard.
func NewActions(guard Guard) *Actions { return &Actions{guard, make(chan struct{}, mostWaiting)} }

// Handler answers POST /v1/gate/actions, and passes every other request on.
func (s *Actions) Handler(g *gateway.Gateway, next http.Handler) http.Handler {
	handler := g.For(func(from gateway.Sender) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := s.answer(w, r, from); err != nil {
				problem.Write(w, r, problem.Of(err, http.StatusInternalServerError))
			}
		})
	})
	return only(http.MethodPost, func(path string) bool { return path == actionsPath }, handler, next)
}

// Ask asks the guard for a sender. If too many questions wait already, the answer comes at once.
func (s *Actions) Ask(ctx context.Context, from gateway.Sender, a gate.Action, wait time.Duration) (ask.Answer, error) {
	if err := complete(&a, from); err != nil {
		return ask.Answer{}, err
	}
	if wait > 0 {
		select {
		case s.waiting <- struct{}{}:
			defer func() { <-s.waiting }()
		default:
			wait = 0
		}
	}
	answer, err := s.guard.Ask(ctx, a, wait)
	if err != nil {
		return answer, problem.New(http.StatusServiceUnavailable, "%v. The tool must not run", err).Later(time.Second)
	}
	return answer, nil
}

func (s *Actions) answer(w http.ResponseWriter, r *http.Request, from gateway.Sender) error {
	wait, err := waitOf(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAction))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return problem.New(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes; list fewer paths and set more", maxAction)
	case err != nil:
		return problem.New(http.StatusBadRequest, "the body cannot be read: %v", err)
	}
	var a gate.Action
	if err := json.Unmarshal(body, &a, json.RejectUnknownMembers(true)); err != nil {
		return problem.New(http.StatusBadRequest, "the body is not a question about an action in JSON: %v", err)
	}
	answer, err := s.Ask(r.Context(), from, a, wait)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.MarshalWrite(w, answer)
}

// waitOf reads the only parameter.
func waitOf(r *http.Request) (wait time.Duration, err error) {
	for name, values := range r.URL.Query() {
		value := values[len(values)-1]
		if name != "wait" {
			return 0, problem.New(http.StatusBadRequest, "there is no parameter %q; the only one is wait", name)
		}
		if wait, err = time.ParseDuration(value); err != nil || wait < 0 {
			return 0, problem.New(http.StatusBadRequest, "wait %q is not a duration such as 20s", value)
		}
	}
	return min(wait, longestWait), nil
}

// complete checks a question, and adds what the credential says about its sender: an agent asks for
// itself alone.
func complete(a *gate.Action, from gateway.Sender) error {
	known := []string{"write", "push", "deploy", "spend"}
	texts := slices.Concat([]string{a.Agent, a.Repository, a.Product, a.Tool, a.Run, a.AskedBy}, a.Paths)
	switch {
	case !slices.Contains(known, a.Does):
		return problem.New(http.StatusBadRequest, "does %s", nearest.NotOne(a.Does, known))
	case len(a.Paths) > maxPaths:
		return problem.New(http.StatusBadRequest, "the question lists %d paths; the limit is %d. List fewer and set more", len(a.Paths), maxPaths)
	case slices.ContainsFunc(texts, func(s string) bool { return len(s) > maxPath }), slices.Contains(a.Paths, ""):
		return problem.New(http.StatusBadRequest, "a path is empty, or a text has more than %d bytes", maxPath)
	case from.Agent != "" && a.Agent != "" && !strings.EqualFold(a.Agent, from.Agent):
		return problem.New(http.StatusForbidden, "the credential %s is for the agent %s, which may ask for itself alone, not for %s", from.Name, from.Agent, a.Agent)
	}
	if a.Agent = cmp.Or(from.Agent, a.Agent, a.Product); a.Agent == "" {
		return problem.New(http.StatusBadRequest, "agent is missing: the id of the agent in the policy")
	}
	a.AskedBy = cmp.Or(a.AskedBy, from.Person)
	if a.Repository != "" {
		repo, err := record.ParseRepository(a.Repository)
		if err != nil {
			return problem.New(http.StatusBadRequest, "repository: %v", err)
		}
		a.Repository = string(repo)
	}
	if !from.MayReportAbout(a.Repository) {
		return problem.New(http.StatusForbidden, "the credential %s may not ask about %s", from.Name, cmp.Or(a.Repository, "an unknown repository"))
	}
	return nil
}
