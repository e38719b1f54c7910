package access

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"mime"
	"net/http"
	"strings"

	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/internal/signin"
)

// FormField is the field of each form, and FormHeader the header of each request of a script, that
// repeats the form token of the reader's session. A page of another site does not know it.
const (
	FormField  = "form_token"
	FormHeader = "X-Form-Token"
)

const maxForm = 16 << 10 // bytes of a form

// cookie is the name of the session cookie. Over TLS no other host can set it.
func (d *Door) cookie() string {
	if d.Secure {
		return "__Host-changetrail-session"
	}
	return "changetrail-session"
}

func (d *Door) sessionID(r *http.Request) string {
	c, err := r.Cookie(d.cookie())
	if err != nil {
		return ""
	}
	return c.Value
}

func (d *Door) setCookie(w http.ResponseWriter, value string, age int) {
	http.SetCookie(w, &http.Cookie{ // #nosec G124 -- Secure whenever there is TLS; a browser does not keep such a cookie over plain HTTP
		Name: d.cookie(), Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, Secure: d.Secure, SameSite: http.SameSiteLaxMode, // Strict would not reach the page that a provider leads to
	})
}

// byProxy returns the reader whom the proxy names in a request.
func (d *Door) byProxy(r *http.Request) (Reader, error) {
	p, err := d.Proxy.Who(r)
	if err != nil {
		return Reader{}, err
	}
	reader := readerFor(p)
	reader.form = d.formOf(p.ID)
	return reader, nil
}

// bySession returns the reader whose session a request has.
func (d *Door) bySession(r *http.Request) (Reader, error) {
	id := d.sessionID(r)
	switch {
	case id == "" && d.Credentials == nil:
		return Reader{}, errors.New("nobody is signed in in this browser")
	case id == "":
		return Reader{}, identity.ErrNone
	}
	s, err := d.sessions.of(id)
	if err != nil || s.digest == nil {
		return s.reader, err
	}
	who, err := d.Credentials.Owner(*s.digest) // the session ends with its token
	if err != nil {
		d.sessions.end(id)
		return Reader{}, errSession
	}
	return Reader{Principal: who, form: s.reader.form}, nil
}

// fromHere refuses a request that changes something and that another site makes a browser send.
func fromHere(r *http.Request) error {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		return problem.New(http.StatusForbidden, "another site made the browser send this request: %v", err)
	}
	return nil
}

// checkForm refuses a request that changes something and lacks the form token of its session.
func checkForm(r *http.Request, reader Reader) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	sent := r.Header.Get(FormHeader)
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); sent == "" && media == "application/x-www-form-urlencoded" {
		r.Body = http.MaxBytesReader(nil, r.Body, maxForm)
		sent = r.PostFormValue(FormField)
	}
	if reader.form == "" || subtle.ConstantTimeCompare([]byte(sent), []byte(reader.form)) != 1 {
		return problem.New(http.StatusForbidden, "The form is not one of your session. Open its page again, and send it from there.")
	}
	return nil
}

// formOf returns the form token of a person whom a proxy names in each request: there is no session.
func (d *Door) formOf(id string) string {
	mac := hmac.New(sha256.New, d.key[:])
	mac.Write([]byte(id))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// begin begins a session under a new id, and ends the one that the browser had before.
func (d *Door) begin(w http.ResponseWriter, r *http.Request, s session) error {
	id, err := d.sessions.begin(s)
	if err != nil {
		return err
	}
	d.sessions.end(d.sessionID(r))
	d.setCookie(w, id, int(d.sessions.length.Seconds()))
	d.Log.InfoContext(r.Context(), "signed in", "part", "access", "credential", s.reader.Name, "from", r.RemoteAddr)
	return nil
}

// SignIn begins a session with the token from a form, and redirects to the requested page.
func (d *Door) SignIn(w http.ResponseWriter, r *http.Request) error {
	if err := fromHere(r); err != nil {
		return err
	}
	if d.Way() != ByToken {
		return problem.New(http.StatusNotFound, "Nobody signs in with a token here.")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	who, digest, err := d.Credentials.SignIn(strings.TrimSpace(r.PostFormValue("token")))
	if err != nil {
		d.Log.InfoContext(r.Context(), "sign-in refused", "part", "access", "from", r.RemoteAddr, "err", err)
		return problem.New(http.StatusUnauthorized, "%v", err)
	}
	if err := d.begin(w, r, session{reader: Reader{Principal: who}, digest: &digest}); err != nil {
		return err
	}
	http.Redirect(w, r, Here(r.PostFormValue("to")), http.StatusSeeOther) // #nosec G710 -- Here returns a page of this site, whatever was requested
	return nil
}

// Start leads the browser to the provider at which people sign in.
func (d *Door) Start(w http.ResponseWriter, r *http.Request) error {
	if d.Way() != AtProvider {
		return problem.New(http.StatusNotFound, "Nobody signs in at a provider here.")
	}
	return d.Provider.Begin(w, r, Here(r.URL.Query().Get("to")))
}

// Finish begins a session for the person whom the provider signed in, and redirects to the page that
// the person wanted.
func (d *Door) Finish(w http.ResponseWriter, r *http.Request) error {
	if d.Way() != AtProvider {
		return problem.New(http.StatusNotFound, "Nobody signs in at a provider here.")
	}
	signed, err := d.Provider.Finish(w, r)
	if err != nil {
		return err
	}
	if err := d.begin(w, r, session{reader: readerFor(signed.Person), idToken: signed.IDToken}); err != nil {
		return err
	}
	http.Redirect(w, r, Here(signed.To), http.StatusSeeOther) // #nosec G710 -- Here returns a page of this site, whatever was requested
	return nil
}

// SignOut ends the session. It returns the address at which the reader also signs out of the
// provider or the proxy; "" if there is none.
func (d *Door) SignOut(w http.ResponseWriter, r *http.Request) (elsewhere string, err error) {
	if err := fromHere(r); err != nil {
		return "", err
	}
	switch d.Way() {
	case NoSignIn:
		return "", nil
	case BehindProxy:
		reader, err := d.byProxy(r)
		if err == nil {
			err = checkForm(r, reader)
		}
		return d.Proxy.SignOutURL, err
	}
	id := d.sessionID(r)
	s, err := d.sessions.of(id)
	if err != nil { // it has ended already
		d.setCookie(w, "", -1)
		return "", nil
	}
	if err := checkForm(r, s.reader); err != nil {
		return "", err
	}
	d.sessions.end(id)
	d.setCookie(w, "", -1)
	d.Log.InfoContext(r.Context(), "signed out", "part", "access", "credential", s.reader.Name, "from", r.RemoteAddr)
	if d.Provider != nil {
		elsewhere = d.Provider.SignOut(r.Context(), s.idToken)
	}
	return elsewhere, nil
}

// Here returns the page after a sign-in: always one of this site.
func Here(to string) string {
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") || strings.HasPrefix(to, "/sign-") {
		return "/"
	}
	return to
}

// readerFor returns the reader that a person who signed in is. Whoever has a role may read.
func readerFor(p signin.Person) Reader {
	r := Reader{Principal: identity.Principal{Name: p.ID}, signed: &p}
	if len(p.Roles) > 0 {
		r.Person = p.ID
	}
	return r
}
