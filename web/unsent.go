package web

import (
	"net/http"
	"net/url"
	"slices"

	g "maragu.dev/gomponents"

	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/internal/signin"
)

// longestReturn is the longest address, in bytes, to which a sign-in returns.
const longestReturn = 1800

// An unsentPage says that a decision did not count because the session had ended, and keeps what the
// person wrote.
type unsentPage struct {
	Why    string
	Wrote  string // the reason
	To     string // where to go on
	SignIn bool   // by signing in first
	Kept   bool   // the form contains again what the person wrote
}

// isDecision reports whether a request sends a form with a decision.
func isDecision(r *http.Request) bool {
	return r.Method == http.MethodPost && slices.Contains([]string{"/inbox", "/approvals"}, r.URL.Path)
}

// unsent answers a decision that came from a session that has ended.
func (s *server) unsent(w http.ResponseWriter, r *http.Request, p *problem.Problem, reader access.Reader) {
	r.Body = http.MaxBytesReader(w, r.Body, maxUnsent)
	_ = r.ParseForm() // what cannot be read is not kept
	form := url.Values{}
	for name, values := range r.PostForm {
		if name != access.FormField && name != "id" && name != "commit" && name != "verdict" {
			form[name] = values
		}
	}
	u := unsentPage{Why: p.Detail, Wrote: form.Get("reason"), To: r.URL.Path, SignIn: !reader.Known()}
	if again := r.URL.Path + "?" + form.Encode(); len(again) <= longestReturn {
		u.To, u.Kept = again, true
	}
	if u.SignIn {
		u.Why = "Your session has ended, so it is not known who you are."
		at := signin.Page
		if s.Access.Way() == access.AtProvider {
			at = signin.Start
		}
		u.To = at + "?" + url.Values{"to": {u.To}}.Encode()
	}
	if err := s.render(w, reader.With(r), p.Status, u.page()); err != nil {
		s.Log.Error("the page of an error failed", "err", err)
	}
}

// maxUnsent is the largest form, in bytes, from which a reason is kept.
const maxUnsent = 16 << 10

func (u *unsentPage) page() page {
	on := "Back to the form"
	if u.SignIn {
		on = "Sign in"
	}
	kept := ""
	if u.Kept {
		kept = "The form has your text again then."
	}
	return page{Title: "Nothing was decided", Body: g.Group{
		el("h1", text("Nothing was decided")),
		el("p", attr("class", "error"), attr("role", "alert"), text(u.Why)),
		el("p", spaced(anchor(u.To, attr("class", "button"), text(on)), when(kept, text))),
		when(u.Wrote, func(reason string) g.Node { return g.Group{el("p", text("You wrote:")), el("pre", text(reason))} }),
	}}
}
