package web

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	g "maragu.dev/gomponents"

	"github.com/changetrail/changetrail/internal/say"
)

// An inboxPage is what waits for a person.
type inboxPage struct {
	Away    string // why it is not known what waits; then there are no items
	Cannot  string // why the reader cannot decide; empty if they can
	Outcome outcome
	Items   []inboxItem
	Total   int // of which Items are the first
	Token   string
	Only    []string // repositories that the reader may read, if not all
}

// An outcome says what became of what the reader sent.
type outcome struct {
	Failed bool
	Text   string
	Link   string // to what it is about
	Label  string
}

// An inboxItem is a change or a request of an agent that waits for a person.
type inboxItem struct {
	Anchor    string // its id in the page
	What      string // change or request
	Class     string // of the service; empty if unknown
	Title, ID string
	Link      string // to the page of the change, if there is one
	Agent     string
	Services  []string
	Since     time.Time
	Waits     string // how long
	Answers   []itemAnswer
	Reasons   []string
	Missing   []string
	Elsewhere string // what can be given only at the code host
	Host      string // address of the change at the code host
	Commit    string
	Evidence  []hyperlink
	Facts     []labeled
	Form      *decideForm // nil if the reader cannot decide
}

// An itemAnswer is one of the four answers.
type itemAnswer struct{ Name, Label, Answer, Sentence, Link string }

// A labeled text is a line of a list of facts.
type labeled struct{ Label, Text string }

// A hyperlink leads somewhere.
type hyperlink struct{ To, Label string }

// A decideForm is the form of an item.
type decideForm struct {
	Of      string // the change or the request
	What    string
	Commit  string // that the page shows
	ID      string // of the decision: one that is sent twice is one
	Records string // what an approval records
	Reason  field
	Grant   *grantFields // of a request: what is approved
	Order   *orderForm   // nil if the reader may not give one
}

// A field is an input with its value, and what is wrong with it.
type field struct{ Value, Error string }

func (p *inboxPage) page() page {
	body := g.Group{inboxHead("/inbox", "Inbox"), p.Outcome.node()}
	switch {
	case p.Away != "":
		body = append(body, el("p", attr("class", "error"), attr("role", "alert"), text("What waits for a person is not known at the moment: "+p.Away)))
	case len(p.Items) == 0:
		body = append(body, el("p", text("Nothing waits for a person.")), when(p.Cannot, cannot))
	default:
		body = append(body, p.intro(), when(p.Cannot, cannot), el("ol", attr("class", "inbox"), g.Map(p.Items, func(i inboxItem) g.Node { return i.node(p.Token) })))
	}
	return page{Title: "Inbox", Body: append(body, when(readsOnly(p.Only), func(only string) g.Node { return paragraph("soft", text(only)) }))}
}

// inboxPages are the pages about what people decide.
var inboxPages = []hyperlink{{"/inbox", "Waiting"}, {"/approvals", "Approvals before work"}, {"/inbox/given", "Statistics"}, {"/inbox/what-if", "What if"}}

// inboxHead is the heading of a page about what people decide, with links to the others.
func inboxHead(here, heading string) g.Node {
	return g.Group{
		el("h1", text(heading)),
		el("nav", attr("class", "tabs"), attr("aria-label", "Pages about decisions"), g.Map(inboxPages, func(l hyperlink) g.Node {
			return el("a", address(l.To), g.If(l.To == here, attr("aria-current", "page")), text(l.Label))
		})),
	}
}

func cannot(why string) g.Node { return paragraph("note", text(why)) }

// intro says how much waits, and how to decide with keys.
func (p *inboxPage) intro() g.Node {
	shown := ""
	if len(p.Items) < p.Total {
		shown = fmt.Sprintf(" Shown: the first %d.", len(p.Items))
	}
	verb := " wait"
	if p.Total == 1 {
		verb = " waits"
	}
	return g.Group{
		el("p", text(count(p.Total, "item")+verb+" for a person. Changes of critical services come first, and those whose class is not known; then the oldest."+shown)),
		g.If(p.Cannot == "", paragraph("keys soft", spaced(key1("j"), text("next"), key1("k"), text("previous"), text("· in an item:"), key1("a"), text("approve"), key1("r"), text("refuse (write the reason, then Enter)"), key1("o"), text("open")))),
	}
}

func key1(name string) g.Node { return el("kbd", text(name)) }

// node says what happened, to be read at once.
func (o outcome) node() g.Node {
	if o.Text == "" {
		return nil
	}
	class, role := "done", "status"
	if o.Failed {
		class, role = "error", "alert"
	}
	return el("p", attr("class", class), attr("role", role), attr("tabindex", "-1"), flag("autofocus"), spaced(text(o.Text), when(o.Link, func(to string) g.Node { return anchor(to, text(o.Label)) })))
}

func (i inboxItem) node(token string) g.Node {
	heading := "t-" + i.Anchor
	title := el("h2", attr("id", heading), text(i.Title))
	if i.Link != "" {
		title = el("h2", attr("id", heading), anchor(i.Link, text(i.Title)))
	}
	return el("li", attr("class", cmp.Or(i.Class, "high")), attr("id", i.Anchor), attr("tabindex", "-1"), attr("aria-labelledby", heading),
		paragraph("meta", spaced(classBadge(i.Class), tagged(i.What), g.Map(i.Services, func(name string) g.Node { return g.Group{tagged("service " + name), text(" ")} }),
			when(i.Agent, func(agent string) g.Node { return tagged("agent " + agent) }),
			el("span", attr("class", "waits"), text("waits "+i.Waits+" "), soft(text("since "), moment(i.Since))))),
		title,
		paragraph("meta", spaced(el("code", breaks(i.ID)), when(i.Commit, func(sha string) g.Node { return g.Group{text("commit "), el("code", text(short(sha)))} }),
			when(i.Host, func(to string) g.Node {
				return el("a", address(to), attr("rel", "noreferrer"), text("open at the code host"))
			}),
			g.Map(i.Evidence, func(l hyperlink) g.Node { return g.Group{anchor(l.To, text(l.Label)), text(" ")} }))),
		g.Iff(len(i.Facts) > 0, func() g.Node {
			return el("dl", g.Map(i.Facts, func(f labeled) g.Node { return g.Group{el("dt", text(f.Label)), el("dd", breaks(f.Text))} }))
		}),
		i.fourAnswers(),
		g.Iff(len(i.Reasons) > 0, func() g.Node {
			return bullets("why", i.Reasons, func(s string) g.Node { return el("li", text(s)) })
		}),
		g.Iff(len(i.Missing) > 0, func() g.Node {
			return paragraph("lacks", el("strong", text("Missing: ")), text(strings.Join(i.Missing, "; ")+"."))
		}),
		when(i.Elsewhere, func(what string) g.Node { return paragraph("soft", text(what)) }),
		g.Iff(i.Form != nil, func() g.Node { return i.Form.node(i.Anchor, i.Title, token) }))
}

// classBadge names the class of a service.
func classBadge(class string) g.Node {
	if class == "" {
		return el("span", attr("class", "badge high"), text("class unknown"))
	}
	return badge(class)
}

func (i inboxItem) fourAnswers() g.Node {
	if len(i.Answers) == 0 {
		return nil
	}
	return el("ul", attr("class", "standing"), attr("aria-label", "The four answers"), g.Map(i.Answers, func(a itemAnswer) g.Node {
		return el("li", spaced(badge(a.Answer), anchor(a.Link, text(a.Label)), when(a.Sentence, func(why string) g.Node { return soft(text(why)) })))
	}))
}

func (f *decideForm) node(anchor, title, token string) g.Node {
	id := "reason-" + anchor
	form := el("form", attr("method", "post"), attr("action", "/inbox"), attr("class", "decide"),
		formToken(token), hiddenField("what", f.What), hiddenField("of", f.Of), hiddenField("commit", f.Commit), hiddenField("id", f.ID),
		g.Iff(f.Grant != nil, func() g.Node { return el("div", attr("class", "fields"), f.Grant.node(anchor)) }),
		el("label", attr("for", id), text("Reason")), soft(text(" (required to refuse)")),
		el("textarea", attr("id", id), attr("name", "reason"), attr("rows", "1"), attr("maxlength", fmt.Sprint(maxReason)), f.Reason.wrong(id), text(f.Reason.Value)),
		f.Reason.why(id),
		when(f.Records, func(what string) g.Node { return paragraph("soft", text(what)) }),
		el("p", attr("class", "row"),
			el("button", attr("name", "verdict"), attr("value", "approve"), text("Approve"), hidden(" "+title)), text(" "),
			el("button", attr("name", "verdict"), attr("value", "refuse"), attr("class", "refuse"), text("Refuse"), hidden(" "+title))))
	return g.Group{form, g.Iff(f.Order != nil, func() g.Node { return f.Order.node(f.Of, anchor, title, token) })}
}

// hiddenField is what a form sends besides its inputs.
func hiddenField(name, value string) g.Node {
	return el("input", attr("type", "hidden"), attr("name", name), attr("value", value))
}

// wrong marks an input whose value was refused, and names the text that says why.
func (f field) wrong(id string) g.Node {
	return when(f.Error, func(string) g.Node {
		return g.Group{attr("aria-invalid", "true"), attr("aria-describedby", id+"-error")}
	})
}

// why says why the value of an input was refused.
func (f field) why(id string) g.Node {
	return when(f.Error, func(why string) g.Node {
		return el("p", attr("class", "error"), attr("id", id+"-error"), text(why))
	})
}

// waitsFor is how long something has waited.
func waitsFor(since, now time.Time) string {
	if since.IsZero() {
		return "for an unknown time"
	}
	return say.Span(now.Sub(since))
}
