package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/record"
)

// askToSignIn answers unknown readers: a browser gets the sign-in page, a program the error of
// its token.
func (s *server) askToSignIn(w http.ResponseWriter, r *http.Request, err error) {
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	program := r.Header.Get("Authorization") != "" || r.URL.Path == "/changes.csv" && r.Header.Get("Sec-Fetch-Mode") == ""
	if program || !read || strings.HasPrefix(r.URL.Path, "/v1/") {
		w.Header().Set("WWW-Authenticate", `Bearer realm="changetrail"`)
		s.fail(w, r, classify(err))
		return
	}
	http.Redirect(w, r, "/sign-in?"+url.Values{"to": {r.URL.RequestURI()}}.Encode(), http.StatusSeeOther)
}

func (s *server) signInPage(w http.ResponseWriter, r *http.Request) error {
	return s.signInForm(w, r.URL.Query().Get("to"), nil)
}

func (s *server) signIn(w http.ResponseWriter, r *http.Request) error {
	err := s.Access.SignIn(w, r)
	var p *problem.Problem
	if errors.As(err, &p) {
		return s.signInForm(w, r.PostFormValue("to"), p)
	}
	return err
}

// signInForm shows the page to sign in at, and why it did not work.
func (s *server) signInForm(w http.ResponseWriter, to string, p *problem.Problem) error {
	status, failed := http.StatusOK, ""
	if p != nil {
		status, failed = p.Status, p.Detail
	}
	return write(w, status, signInPage(s.Access.Asks(), access.Here(to), failed))
}

// mayRead refuses a change of a repository that the reader may not read, by its current name.
func (s *server) mayRead(r *http.Request, id record.ChangeID, of record.Repository) error {
	reader := access.Of(r.Context())
	if reader.MayRead(string(of)) {
		return nil
	}
	return refuse(http.StatusForbidden, "The credential %s may not read records of %s.", reader.Name, id.Repository())
}

// mayReadFile refuses a file, as if it did not exist, unless a change that the reader may read
// rests on it.
func (s *server) mayReadFile(r *http.Request, digest string) error {
	reader := access.Of(r.Context())
	if reader.ReadsAll() {
		return nil
	}
	rests, err := MayReadFile(r.Context(), s.all, digest, reader.Principal)
	if err == nil && !rests {
		err = refuse(http.StatusNotFound, "No change that the credential %s may read rests on a file %s.", reader.Name, digest)
	}
	return err
}
