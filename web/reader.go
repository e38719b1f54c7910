package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/internal/signin"
	"github.com/changetrail/changetrail/record"
)

// askToSignIn answers those who may not read: a browser gets the sign-in page, a program or somebody
// who signed in and still may not read the reason.
func (s *server) askToSignIn(w http.ResponseWriter, r *http.Request, p *problem.Problem, reader access.Reader) {
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	program := r.Header.Get("Authorization") != "" || r.URL.Path == "/changes.csv" && r.Header.Get("Sec-Fetch-Mode") == ""
	form := s.Access.Way() == access.ByToken || s.Access.Way() == access.AtProvider
	if p.Status == http.StatusUnauthorized && form && read && !program && !strings.HasPrefix(r.URL.Path, "/v1/") {
		http.Redirect(w, r, signin.Page+"?"+url.Values{"to": {r.URL.RequestURI()}}.Encode(), http.StatusSeeOther)
		return
	}
	if isDecision(r) && !program {
		s.unsent(w, r, p, reader)
		return
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="changetrail"`)
	}
	s.fail(w, reader.With(r), p)
}

func (s *server) signInPage(w http.ResponseWriter, r *http.Request) error {
	return s.signInForm(w, r, r.URL.Query().Get("to"), nil)
}

func (s *server) signIn(w http.ResponseWriter, r *http.Request) error {
	err := s.Access.SignIn(w, r)
	var p *problem.Problem
	if errors.As(err, &p) && p.Status == http.StatusUnauthorized {
		return s.signInForm(w, r, r.PostFormValue("to"), p)
	}
	return err
}

// signInForm shows the page to sign in at, and why it did not work.
func (s *server) signInForm(w http.ResponseWriter, r *http.Request, to string, p *problem.Problem) error {
	status, failed := http.StatusOK, ""
	if p != nil {
		status, failed = p.Status, p.Detail
	}
	provider := ""
	if s.Access.Provider != nil {
		provider = s.Access.Provider.Name
	}
	return s.render(w, r, status, signInPage(s.Access.Way(), provider, access.Here(to), failed))
}

// signOut ends the session here, and then at the provider or the proxy. A page in between leads
// there, since the content security policy lets no form lead to another site.
func (s *server) signOut(w http.ResponseWriter, r *http.Request) error {
	elsewhere, err := s.Access.SignOut(w, r)
	if err != nil {
		return err
	}
	if elsewhere == "" {
		http.Redirect(w, r, signin.Page, http.StatusSeeOther)
		return nil
	}
	w.Header().Set("Refresh", "0; url="+elsewhere)
	return s.render(w, r, http.StatusOK, signedOutPage(elsewhere))
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
