package access

import (
	"net/http"
	"strings"

	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/problem"
)

// cookie is the name of the session cookie. Over TLS no other host can set it.
func (d *Door) cookie() string {
	if d.Secure {
		return "__Host-changetrail-session"
	}
	return "changetrail-session"
}

func (d *Door) session(r *http.Request) string {
	c, err := r.Cookie(d.cookie())
	if err != nil {
		return ""
	}
	return c.Value
}

func (d *Door) setCookie(w http.ResponseWriter, value string, age int) {
	http.SetCookie(w, &http.Cookie{ // #nosec G124 -- Secure whenever there is TLS; a browser does not keep such a cookie over plain HTTP
		Name: d.cookie(), Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, Secure: d.Secure, SameSite: http.SameSiteStrictMode,
	})
}

// SignIn begins a session with the token from a form, and redirects to the requested page.
func (d *Door) SignIn(w http.ResponseWriter, r *http.Request) error {
	if err := d.fromHere(w, r); err != nil {
		return err
	}
	if !d.Asks() {
		return problem.New(http.StatusNotFound, "Signing in is not needed here.")
	}
	session, who, err := d.sessions.Begin(strings.TrimSpace(r.PostFormValue("token")))
	if err != nil {
		d.Log.InfoContext(r.Context(), "sign-in refused", "part", "access", "from", r.RemoteAddr, "err", err)
		return problem.New(http.StatusUnauthorized, "%v", err)
	}
	d.setCookie(w, session, int(identity.SessionLength.Seconds()))
	d.Log.InfoContext(r.Context(), "signed in", "part", "access", "credential", who.Name, "from", r.RemoteAddr)
	http.Redirect(w, r, Here(r.PostFormValue("to")), http.StatusSeeOther) // #nosec G710 -- Here returns a page of this site, whatever was requested
	return nil
}

// SignOut ends the session.
func (d *Door) SignOut(w http.ResponseWriter, r *http.Request) error {
	if err := d.fromHere(w, r); err != nil {
		return err
	}
	if d.Asks() {
		d.sessions.End(d.session(r))
	}
	d.setCookie(w, "", -1)
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
	return nil
}

// fromHere refuses a form that another site sends, or a large one.
func (d *Door) fromHere(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		return problem.New(http.StatusForbidden, "another site made the browser send this request: %v", err)
	}
	return nil
}

// Here returns the page after a sign-in: always one of this site.
func Here(to string) string {
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") || strings.HasPrefix(to, "/sign-") {
		return "/"
	}
	return to
}
