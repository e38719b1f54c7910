package web

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/internal/secrets"
	"github.com/changetrail/changetrail/internal/signin"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/replay"
)

// An Index is searched, and stories are made from it.
type Index interface {
	replay.Index
	access.Finder
}

// narrowed is an index in which readers find what they may read.
type narrowed struct {
	replay.Index
	access.Finder
}

// A Config is what the pages need.
type Config struct {
	Access *access.Door // who may read what
	Index  Index
	Blobs  blobs.Getter // of the files that prove something; nil where none is configured
	Desk   Desk         // where people decide; nil if this process does not know the gate
	// Policies returns the policies that were in force; nil if this process does not know them.
	Policies func(context.Context) (policy.History[*policy.Policy], error)
	Saved    []query.Saved
	Store    string // what the index is, for people
	Log      *slog.Logger
	Now      func() time.Time
}

//go:embed static
var static embed.FS

// A server answers requests.
type server struct {
	Config       // its Index is narrowed to what readers may read
	all    Index // for code that checks itself who may read
	fields query.Fields
	// secrets are hidden in what is shown, whatever the settings keep.
	secrets *secrets.Redactor
	waits   *waits
	whatIfs *whatIfs
}

// New returns the handler of all pages.
func New(c Config) (http.Handler, error) {
	fields, err := query.RecordFields()
	if err != nil {
		return nil, err
	}
	files, err := fs.Sub(static, "static")
	if err != nil {
		return nil, err
	}
	if c.Access == nil {
		return nil, errors.New("web: Access is missing: it says who may read")
	}
	redactor, err := secrets.New(secrets.Redacted, nil)
	if err != nil {
		return nil, err
	}
	s := &server{c, c.Index, fields, redactor, new(waits), new(whatIfs)}
	s.Index = narrowed{c.Index, access.Narrow(c.Index, fields)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", former(s.page(s.overview)))
	mux.HandleFunc("GET /changes", s.page(s.search))
	mux.HandleFunc("GET /changes.csv", s.page(s.csv))
	mux.HandleFunc("GET /changes/{id...}", s.page(s.change))
	mux.HandleFunc("GET /evidence/{digest}", s.page(s.evidence))
	mux.HandleFunc("GET /queries", s.page(s.queries))
	mux.HandleFunc("GET /inbox", s.page(s.inbox))
	mux.HandleFunc("POST /inbox", s.page(s.decide))
	mux.HandleFunc("GET /inbox/given", s.page(s.given))
	mux.HandleFunc("GET /inbox/what-if", s.page(s.whatIf))
	mux.HandleFunc("GET /approvals", s.page(s.listApprovals))
	mux.HandleFunc("POST /approvals", s.page(s.changeApprovals))
	mux.HandleFunc("GET /v1/approvals", s.api(s.apiGrants))
	mux.HandleFunc("POST /v1/approvals", s.api(s.apiGrant))
	mux.HandleFunc("GET /v1/changes", s.api(s.apiSearch))
	mux.HandleFunc("GET /v1/changes/{id...}", s.api(s.apiChange))
	mux.HandleFunc("GET /v1/blobs/{digest}", s.api(s.apiBlob))
	mux.HandleFunc("GET /v1/complete", s.api(s.complete))
	mux.HandleFunc("/", s.page(func(_ http.ResponseWriter, r *http.Request) error {
		return refuse(http.StatusNotFound, "There is no page %s.", r.URL.Path)
	}))
	return guard(s.open(s.identified(mux), files)), nil
}

// open answers anybody where the answer reveals nothing about records, and passes all other requests
// on to next.
func (s *server) open(next http.Handler, static fs.FS) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+signin.Page, s.page(s.signInPage))
	mux.HandleFunc("POST "+signin.Page, s.page(s.signIn))
	mux.HandleFunc("GET "+signin.Start, s.page(s.Access.Start))
	mux.HandleFunc("GET "+signin.Callback, s.page(s.Access.Finish))
	mux.HandleFunc("POST /sign-out", s.page(s.signOut))
	mux.HandleFunc("GET /openapi.json", s.api(s.openapi))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.api(s.ready))
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(static)))
	mux.Handle("/", next)
	return mux
}

// guard sets the security headers of every answer.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store") // what is recorded stays in no cache
		if strings.HasPrefix(r.URL.Path, "/static/") {
			h.Set("Cache-Control", "public, max-age=3600")
		}
		next.ServeHTTP(w, r)
	})
}

func refuse(status int, format string, args ...any) error {
	return problem.New(status, format, args...)
}

// suggestion is the search that may have been meant by one that cannot be read.
func suggestion(err error) string {
	var q *query.Error
	if errors.As(err, &q) {
		return q.Suggest
	}
	return ""
}

// classify returns the answer to an error.
func classify(err error) *problem.Problem {
	var q *query.Error
	switch {
	case errors.As(err, &q):
		return problem.New(http.StatusBadRequest, "%v", q)
	case errors.Is(err, query.ErrSlow):
		return problem.New(http.StatusServiceUnavailable, "%v", query.ErrSlow)
	case errors.Is(err, replay.ErrNoRecord):
		return problem.New(http.StatusNotFound, "%v", err)
	}
	return problem.Of(err, http.StatusBadGateway)
}

// identified passes on the requests of readers, and asks others to sign in. All pages are behind it,
// so that none can forget to ask.
func (s *server) identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reader, err := s.Access.Identify(r)
		if err != nil {
			s.askToSignIn(w, r, problem.Of(err, http.StatusUnauthorized), reader)
			return
		}
		next.ServeHTTP(w, reader.With(r))
	})
}

// page answers with a page, even if it fails.
func (s *server) page(f func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil && r.Context().Err() == nil {
			s.fail(w, r, classify(err))
		}
	}
}

func (s *server) fail(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	if p.Status >= 500 {
		s.Log.Error("a page failed", "path", r.URL.Path, "err", p.Detail)
	}
	if strings.HasPrefix(r.URL.Path, "/v1/") {
		problem.Write(w, r, p)
		return
	}
	page := errorPage(http.StatusText(p.Status), p.Detail, anchor("/changes", text("To the changes")))
	switch {
	case strings.HasPrefix(r.URL.Path, signin.Page):
		page = errorPage("Not signed in", p.Detail, anchor(signin.Page, text("To the sign-in")))
	case !access.Of(r.Context()).Known():
		page = errorPage(http.StatusText(p.Status), p.Detail, nil)
	}
	if p.Retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(p.Retry.Seconds())))
	}
	if err := s.render(w, r, p.Status, page); err != nil {
		s.Log.Error("the page of an error failed", "err", err)
	}
}

// render writes a page whole or not at all. Those who may not read see no navigation.
func (s *server) render(w http.ResponseWriter, r *http.Request, status int, p page) error {
	reader := access.Of(r.Context())
	if p.Who, p.Roles, p.FormToken = reader.Title(), reader.Roles(), reader.FormToken(); reader.Known() {
		p.Store, p.Inbox = s.Store, s.Desk != nil
		if waiting := s.recently(r.Context()); waiting != nil {
			mine := readBy(waiting, reader)
			p.Waits = len(mine.Changes) + len(mine.Requests)
		}
	}
	var b bytes.Buffer
	if err := p.write(&b); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	return err
}

// api answers with JSON, or a problem of RFC 9457.
func (s *server) api(f func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil && r.Context().Err() == nil {
			p := classify(err)
			if p.Status >= 500 {
				s.Log.Error("a request failed", "path", r.URL.Path, "err", p.Detail)
			}
			problem.Write(w, r, p)
		}
	}
}

func writeJSON(w http.ResponseWriter, v any) error {
	text, err := json.Marshal(v, json.Deterministic(true), json.FormatNilSliceAsNull(false))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(text)
	return err
}

// ready reports whether the index answers; it reveals nothing about records.
func (s *server) ready(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.all.Search(r.Context(), query.Request{Where: query.All{}}); err != nil {
		return refuse(http.StatusServiceUnavailable, "%v", err)
	}
	_, err := fmt.Fprintln(w, "ok")
	return err
}
