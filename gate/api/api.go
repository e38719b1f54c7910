// Package api answers GET /v1/changes/{id}/gate: the gate over HTTP, for CI jobs, merge queues and
// deployments; and POST /v1/gate/actions, for agents before their tools run.
//
// It imports package gate, and package gateway, which identifies who asks.
package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/record"
)

// An Asker answers whether a change may be merged. A [gate.Gate] is one.
type Asker interface {
	Ask(ctx context.Context, q gate.Question) (gate.Decision, error)
}

// The path of an answer, around the id of the change.
const (
	prefix = "/v1/changes/"
	suffix = "/gate"
)

// longestWait is how long one request may wait. A client that waits longer asks again.
const longestWait = 25 * time.Second

// mostWaiting is how many requests may wait at a time: each of them looks at its change when anything
// changes. All others are answered at once.
const mostWaiting = 128

// Handler answers GET /v1/changes/{id}/gate, and passes every other request on.
func Handler(g *gateway.Gateway, asker Asker, next http.Handler) http.Handler {
	s := server{asker, make(chan struct{}, mostWaiting)}
	return only(http.MethodGet, under(suffix), g.Authenticated(s.answer), next)
}

// only passes the requests of some paths to a handler, which takes one method, and every other request on.
func only(method string, of func(path string) bool, handler, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !of(r.URL.Path):
			next.ServeHTTP(w, r)
		case r.Method != method:
			w.Header().Set("Allow", method)
			problem.Write(w, r, problem.New(http.StatusMethodNotAllowed, "%s accepts %s, not %s", r.URL.Path, method, r.Method))
		default:
			handler.ServeHTTP(w, r)
		}
	})
}

// under reports whether a path is that of a change with a suffix.
func under(suffix string) func(path string) bool {
	return func(path string) bool {
		_, ok := changeIn(path, suffix)
		return ok
	}
}

// changeIn returns the change in a path with a suffix, as it is written there.
func changeIn(path, suffix string) (change string, ok bool) {
	change, below := strings.CutPrefix(path, prefix)
	change, ends := strings.CutSuffix(change, suffix)
	return change, below && ends && change != ""
}

// A server answers for an asker.
type server struct {
	asker   Asker
	waiting chan struct{} // one for each request that waits
}

func (s server) answer(w http.ResponseWriter, r *http.Request, from gateway.Sender) error {
	text, _ := changeIn(r.URL.Path, suffix)
	id, err := record.ParseChange(text)
	if err != nil {
		return problem.New(http.StatusBadRequest, "%v", err)
	}
	if !from.MayReportAbout(string(id.Repository())) {
		return problem.New(http.StatusForbidden, "the credential %s may not ask about %s", from.Name, id.Repository())
	}
	q, err := questionOf(r, id)
	if err != nil {
		return err
	}
	if q.Wait > 0 {
		select {
		case s.waiting <- struct{}{}:
			defer func() { <-s.waiting }()
		default:
			q.Wait = 0
		}
	}
	d, err := s.asker.Ask(r.Context(), q)
	switch {
	case errors.Is(err, enricher.ErrUnknownChange):
		return problem.New(http.StatusNotFound, "%v", err)
	case err != nil:
		return problem.New(http.StatusServiceUnavailable, "%v. Do not merge.", err).Later(time.Second)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("ETag", `"`+d.Digest()+`"`)
	return json.MarshalWrite(w, d)
}

// deployable fails if a question about a deployment does not name one commit with all its digits.
func deployable(q gate.Question) error {
	_, kind, sha := q.Change.Split()
	switch whole := len(sha) == 40 || len(sha) == 64; {
	case !q.Deploy:
		return nil
	case q.Commit != "":
		return problem.New(http.StatusBadRequest, "commit is for merges; a question about a deployment names the commit in its path")
	case kind != "commit" || !whole:
		return problem.New(http.StatusBadRequest, "%s is not a commit with all its digits, which is what a question about a deployment names, such as github.com/acme/payments/commit/<40 digits>", q.Change)
	}
	return nil
}

// commitOf reads a commit id, which may be shortened.
func commitOf(text string) (string, error) {
	if len(text) < 7 || len(text) > 64 || strings.Trim(strings.ToLower(text), "0123456789abcdef") != "" {
		return "", problem.New(http.StatusBadRequest, "commit %q is not a commit id: give at least 7 hexadecimal digits", text)
	}
	return strings.ToLower(text), nil
}

// questionOf reads the parameters of a request: commit, deploy (true: may the commit be deployed),
// wait (such as 20s) and unless (the ETag of the answer that the asker has, so that the request waits
// for another one).
func questionOf(r *http.Request, id record.ChangeID) (q gate.Question, err error) {
	q.Change = id
	for name, values := range r.URL.Query() {
		value := values[len(values)-1]
		switch name {
		case "commit":
			if q.Commit, err = commitOf(value); err != nil {
				return q, err
			}
		case "wait":
			d, err := time.ParseDuration(value)
			if err != nil || d < 0 {
				return q, problem.New(http.StatusBadRequest, "wait %q is not a duration such as 20s", value)
			}
			q.Wait = min(d, longestWait)
		case "unless":
			q.Last = value
		case "deploy":
			if value != "true" {
				return q, problem.New(http.StatusBadRequest, "deploy is %q; the only value is true", value)
			}
			q.Deploy = true
		default:
			return q, problem.New(http.StatusBadRequest, "there is no parameter %q; the gate knows commit, deploy, wait and unless", name)
		}
	}
	if err := deployable(q); err != nil {
		return q, err
	}
	if q.Last != "" && q.Wait == 0 {
		return q, problem.New(http.StatusBadRequest, "unless is for requests that wait; add wait=20s")
	}
	return q, nil
}
