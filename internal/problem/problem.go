// Package problem answers failed HTTP requests (RFC 9457).
//
// It imports only package mistake.
package problem

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/phrase"
)

// A Problem is an error with the HTTP status of its answer.
type Problem struct {
	Status int
	Detail string        // what happened, to what, and what to do
	Retry  time.Duration // when to try again; not said where 0
	// Errors name what is wrong with parts of a request, such as the events of a batch.
	Errors []Part
}

// A Part is the error of one part of a request.
type Part struct {
	Index  int    `json:"index"` // from 0
	ID     string `json:"id,omitempty"`
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail"`
}

func (p *Problem) Error() string { return p.Detail }

// New returns a Problem. Errors among the arguments are translated into plain words.
func New(status int, format string, args ...any) *Problem {
	for i, arg := range args {
		if err, is := arg.(error); is {
			args[i] = phrase.Error(err)
		}
	}
	return &Problem{Status: status, Detail: fmt.Sprintf(format, args...)}
}

// Later returns p with the time after which to try again.
func (p *Problem) Later(after time.Duration) *Problem {
	q := *p
	q.Retry = max(after, time.Second)
	return &q
}

// Of returns the Problem in an error's chain; any other error becomes a Problem with status.
func Of(err error, status int) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return &Problem{Status: status, Detail: phrase.Error(err)}
}

// Write answers r with p.
func Write(w http.ResponseWriter, r *http.Request, p *Problem) {
	body := map[string]any{"type": "about:blank", "title": http.StatusText(p.Status), "status": p.Status, "detail": p.Detail, "instance": r.URL.Path}
	if len(p.Errors) > 0 {
		body["errors"] = p.Errors
	}
	if p.Retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((p.Retry+time.Second-1)/time.Second)))
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.MarshalWrite(w, body, json.Deterministic(true), jsontext.AllowInvalidUTF8(true)) // errors only if the client left; invalid UTF-8 may be quoted from its request
}
