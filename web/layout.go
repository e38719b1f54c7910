package web

import (
	"cmp"
	"fmt"
	"io"
	"net/url"
	"strings"

	g "maragu.dev/gomponents"

	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/say"
	"github.com/changetrail/changetrail/internal/signin"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
)

// A page is what the layout surrounds.
type page struct {
	Title    string
	Body     g.Node
	Searches bool   // it has a form to search of its own
	Store    string // what the index is; empty for those who may not know: they see no navigation

	Inbox bool // there is an inbox
	Waits int  // how much waits for a person in it

	// Who signed in, and with which roles, and the token that each form repeats; empty for those who
	// did not sign in.
	Who, Roles, FormToken string
}

// write writes the whole page.
func (p page) write(w io.Writer) error {
	if _, err := io.WriteString(w, "<!doctype html>"); err != nil {
		return err
	}
	return p.document().Render(w)
}

func (p page) document() g.Node {
	return el("html", attr("lang", "en"),
		el("head",
			el("meta", attr("charset", "utf-8")),
			el("meta", attr("name", "viewport"), attr("content", "width=device-width, initial-scale=1")),
			el("meta", attr("name", "color-scheme"), attr("content", "light dark")),
			el("title", text(p.Title+" · changetrail")),
			el("link", attr("rel", "icon"), attr("href", "/static/icon.svg"), attr("type", "image/svg+xml")),
			el("link", attr("rel", "stylesheet"), attr("href", "/static/style.css")),
			el("script", attr("src", "/static/script.js"), flag("defer")),
		),
		el("body",
			spaced(
				g.If(p.Store != "", el("a", attr("class", "skip"), attr("href", "#q"), text("Skip to the search"))),
				el("a", attr("class", "skip"), attr("href", "#main"), text("Skip to the content"))),
			p.top(),
			el("main", attr("id", "main"), attr("tabindex", "-1"), p.Body),
		),
	)
}

func (p page) top() g.Node {
	return el("header", attr("class", "top"), spaced(
		el("a", attr("class", "brand"), attr("href", "/"), text("changetrail")),
		g.If(p.Store != "", el("nav", attr("aria-label", "Pages"), spaced(anchor("/", text("Overview")), anchor("/changes", text("Changes")), anchor("/queries", text("Saved queries")), p.toInbox()))),
		g.If(p.Store != "" && !p.Searches, el("form", attr("class", "find"), attr("action", "/changes"), attr("method", "get"), attr("role", "search"),
			el("label", hidden("Search changes"), el("input", attr("id", "q"), attr("name", "q"), attr("type", "search"), attr("list", "completions"), attr("autocomplete", "off"), attr("spellcheck", "false"),
				attr("placeholder", "Search: change, URL, commit, CVE, service.name:…"))),
			completions(), el("button", text("Search")))),
		el("span", attr("class", "store"), text(p.Store)),
		p.signOut(),
	))
}

// toInbox leads to what waits for a person.
func (p page) toInbox() g.Node {
	if !p.Inbox {
		return nil
	}
	if p.Waits == 0 {
		return anchor("/inbox", text("Inbox"))
	}
	return anchor("/inbox", text("Inbox "), el("span", attr("class", "waits"), text(fmt.Sprint(p.Waits)), hidden(" waiting for a person")))
}

// signOut says who reads, with a button to sign out.
func (p page) signOut() g.Node {
	return when(p.FormToken, func(token string) g.Node {
		return el("form", attr("class", "reader"), attr("method", "post"), attr("action", "/sign-out"), spaced(
			formToken(token),
			el("span", g.If(p.Roles != "", attr("title", p.Roles)), hidden("Signed in as "), text(p.Who)),
			el("button", attr("class", "quiet"), text("Sign out"))))
	})
}

// formToken is a part of each form that changes something: without it the form is refused.
func formToken(token string) g.Node {
	return el("input", attr("type", "hidden"), attr("name", access.FormField), attr("value", token))
}

// completions is filled by the script of the pages.
func completions() g.Node { return el("datalist", attr("id", "completions")) }

// badge is a state in a colour.
func badge(state string) g.Node { return el("span", attr("class", "badge "+state), text(plain(state))) }

// witness says who states something; nothing where that is not known.
func witness(tier string) g.Node {
	return when(tier, func(tier string) g.Node {
		return el("span", attr("class", "tier "+tier), attr("title", witnesses[tier]), text(cmp.Or(saidBy[tier], tier)))
	})
}

// gapName is a gap by its name, with an explanation.
func gapName(name string) g.Node {
	gap := say.GapOf(nil, name)
	return el("span", attr("class", "gap "+gap.Severity), attr("title", gap.Severity+": "+gap.Means), text(gap.Name))
}

// optionList is what an agent chose from.
func optionList(options []record.Option) g.Node {
	return bullets("options", options, func(o record.Option) g.Node {
		return el("li", attr("class", o.Outcome), spaced(
			el("span", attr("class", "badge "+o.Outcome), text(o.Outcome)),
			el("span", spaced(text(say.Title(o)), soft(text("— "+cmp.Or(o.Reason, "no reason given")))))))
	})
}

// readsOnly says which repositories the reader may read, if not all.
func readsOnly(only []string) string {
	if len(only) == 0 {
		return ""
	}
	return "You read " + strings.Join(only, ", ") + " only."
}

// errorPage says what went wrong, and leads on.
func errorPage(title, why string, on g.Node) page {
	return page{Title: title, Body: g.Group{
		el("h1", text(title)),
		el("p", attr("class", "error"), attr("role", "alert"), text(why)),
		el("p", on),
	}}
}

// signInPage asks to sign in, with a token or at a provider. failed says why the try before was
// refused.
func signInPage(way access.Way, provider, to, failed string) page {
	p := page{Title: "Sign in", Body: g.Group{el("h1", text("Sign in")), el("p", text("Signing in is not needed here. "), anchor("/", text("To the search")))}}
	switch way {
	case access.ByToken:
		p.Body = tokenForm(to, failed)
	case access.AtProvider:
		p.Body = g.Group{
			el("h1", text("Sign in")),
			el("p", anchor(signin.Start+"?"+url.Values{"to": {to}}.Encode(), attr("class", "button"), text("Sign in with "+provider))),
			paragraph("soft", text("Programs send a token with each request instead.")),
		}
	case access.BehindProxy:
		p.Body = g.Group{el("h1", text("Sign in")), el("p", text("A proxy in front of this page signs people in. "), anchor("/", text("To the search")))}
	}
	return p
}

func tokenForm(to, failed string) g.Node {
	return g.Group{
		el("h1", text("Sign in")),
		when(failed, func(why string) g.Node { return el("p", attr("class", "error"), attr("role", "alert"), text(why)) }),
		el("p", text("Paste your token, which belongs to a person or a platform in "), el("code", text("credentials.yaml")),
			text(". The token is not stored; the browser keeps a session, which ends if it is not used.")),
		el("form", attr("method", "post"), attr("action", "/sign-in"), attr("class", "row"), spaced(
			el("input", attr("type", "hidden"), attr("name", "to"), attr("value", to)),
			el("label", attr("class", "grow"), hidden("Token"), el("input", attr("type", "password"), attr("name", "token"), flag("required"), flag("autofocus"), attr("autocomplete", "off"), attr("spellcheck", "false"), attr("placeholder", "ct_…"))),
			el("button", text("Sign in")))),
	}
}

// signedOutPage leads to where the reader also signs out.
func signedOutPage(elsewhere string) page {
	return page{Title: "Signed out", Body: g.Group{
		el("h1", text("Signed out")),
		el("p", text("You are signed out here. "), anchor(elsewhere, text("Sign out where you signed in, too")), text(".")),
	}}
}

// An answeredQuery is a saved query, and how many changes it finds.
type answeredQuery struct {
	query.Saved
	N int
}

func queriesPage(list []answeredQuery, only []string) page {
	return page{Title: "Saved queries", Body: g.Group{
		el("h1", text("Saved queries")),
		el("p", text("Use them by name on the command line ("), el("code", text("changetrail query NAME")), text("), in the search box or in the API ("), el("code", text("/v1/changes?q=NAME")),
			text("). They search all time unless you choose a time; the numbers below cover all time."), text(" "+readsOnly(only))),
		queryTable.node(g.Map(list, func(q answeredQuery) g.Node {
			return el("tr", attr("id", q.Name), queryTable.cells(
				g.Group{anchor(searchPath(q.Name), text(q.Title)), el("br"), el("code", attr("class", "soft"), text(q.Name))},
				g.Group{text(q.Question), folded("Lucene", el("pre", text(q.Query)))},
				text(grouped(int64(q.N)))))
		})),
	}}
}

var queryTable = grid{"Table of saved queries", "queries", []string{"Query", "Question", "#Changes"}}
