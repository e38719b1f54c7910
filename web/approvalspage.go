package web

import (
	"fmt"
	"strings"
	"time"

	g "maragu.dev/gomponents"
)

// An approvalsPage lists the approvals before work.
type approvalsPage struct {
	Away    string // why they are not known; then there are none
	Cannot  string // why the reader cannot give one; empty if they can
	Outcome outcome
	Form    *grantForm
	Rows    []approvalRow
	Total   int // of which Rows are the first
	Token   string
	Revokes bool // the reader may revoke what others gave
}

// An approvalRow is one approval before work.
type approvalRow struct {
	ID, State, Person, Agent, Repository, Reason string
	Scope, Kinds                                 []string
	Uses                                         string
	Change                                       string // the only one for which it counts
	Until, At                                    time.Time
	Used                                         []string // the changes that use it
	Ended                                        string   // who revoked it, when and why
	Form                                         *revokeForm
}

// A revokeForm revokes an approval.
type revokeForm struct {
	ID, Of string
	Reason field
}

// A grantForm is the form of a new approval.
type grantForm struct {
	ID                        string
	Agent, Repository, Reason field
	Fields                    grantFields
	Open                      bool
}

// grantFields are the parts of a form that say what is approved.
type grantFields struct {
	Scope, Kinds, Until, Uses field
}

func (p *approvalsPage) page() page {
	body := g.Group{
		inboxHead("/approvals", "Approvals before work"), p.Outcome.node(),
		el("p", text("A person allows an agent work in a repository in advance: which services or paths, which kinds of change, until when, and for how many changes. The gate counts it for each change of the agent that it covers.")),
	}
	if p.Away != "" {
		return page{Title: "Approvals", Body: append(body, el("p", attr("class", "error"), attr("role", "alert"), text("The approvals are not known at the moment: "+p.Away)))}
	}
	return page{Title: "Approvals", Body: append(body,
		when(p.Cannot, cannot),
		g.Iff(p.Form != nil, func() g.Node { return p.Form.node(p.Token) }),
		section("given", "Approvals", p.table()))}
}

var approvalTable = grid{"Table of approvals before work", "approvals", []string{"State", "Agent", "For", "Until", "Uses", "Given by", "Reason"}}

func (p *approvalsPage) table() g.Node {
	if len(p.Rows) == 0 {
		return el("p", text("Nobody has given one."))
	}
	shown := ""
	if len(p.Rows) < p.Total {
		shown = fmt.Sprintf("Shown: %d of %d, the active ones first, then the newest.", len(p.Rows), p.Total)
	}
	return g.Group{
		when(shown, func(s string) g.Node { return paragraph("soft", text(s)) }),
		approvalTable.node(g.Map(p.Rows, func(r approvalRow) g.Node { return r.node(p.Token) })),
	}
}

func (r approvalRow) node(token string) g.Node {
	limits := func(label string, list []string) g.Node {
		return g.Iff(len(list) > 0, func() g.Node {
			return g.Group{el("br"), soft(text(label + " " + strings.Join(list, ", ")))}
		})
	}
	return el("tr", attr("id", r.ID), approvalTable.cells(
		badge(r.State),
		text(r.Agent),
		g.Group{breaks(r.Repository), limits("only", r.Scope), limits("kinds:", r.Kinds), when(r.Change, func(id string) g.Node {
			return g.Group{el("br"), soft(text("only ")), anchor(changePath(id), breaks(id))}
		})},
		moment(r.Until),
		g.Group{text(r.Uses), g.Map(r.Used, func(id string) g.Node {
			return g.Group{el("br"), anchor(changePath(id), breaks(id))}
		})},
		g.Group{text(r.Person), el("br"), soft(moment(r.At))},
		g.Group{text(r.Reason), when(r.Ended, func(how string) g.Node { return g.Group{el("br"), soft(text(how))} }), g.Iff(r.Form != nil, func() g.Node { return r.Form.node(r, token) })}))
}

func (f *revokeForm) node(of approvalRow, token string) g.Node {
	id := "revoke-" + f.Of
	return el("details", g.If(f.Reason.Error != "", flag("open")), el("summary", text("Revoke"), hidden(" the approval for "+of.Agent+" in "+of.Repository)),
		el("form", attr("method", "post"), attr("action", "/approvals"), attr("class", "decide"),
			formToken(token), hiddenField("do", "revoke"), hiddenField("of", f.Of), hiddenField("id", f.ID),
			el("label", attr("for", id), text("Reason")),
			el("textarea", attr("id", id), attr("name", "reason"), attr("rows", "2"), flag("required"), attr("maxlength", fmt.Sprint(maxReason)), f.Reason.wrong(id), text(f.Reason.Value)),
			f.Reason.why(id),
			el("p", el("button", attr("class", "refuse"), text("Revoke")))))
}

func (f *grantForm) node(token string) g.Node {
	return el("details", attr("class", "new"), g.If(f.Open, flag("open")), el("summary", text("Give a new approval")),
		el("form", attr("method", "post"), attr("action", "/approvals"), attr("class", "decide fold"),
			formToken(token), hiddenField("do", "grant"), hiddenField("id", f.ID),
			el("div", attr("class", "fields"),
				input{"agent", "Agent", "its id in the policy", f.Agent, flag("required")}.node("new"),
				input{"repository", "Repository", "such as github.com/acme/payments", f.Repository, flag("required")}.node("new"),
				f.Fields.node("new"),
				textarea("new-reason", "Reason", f.Reason)),
			el("p", el("button", text("Approve")))))
}

func textarea(id, label string, f field) g.Node {
	return el("div", attr("class", "wide"),
		el("label", attr("for", id), text(label)),
		el("textarea", attr("id", id), attr("name", "reason"), attr("rows", "2"), flag("required"), attr("maxlength", fmt.Sprint(maxReason)), f.wrong(id), text(f.Value)),
		f.why(id))
}

// node are the inputs that say what is approved.
func (f *grantFields) node(of string) g.Node {
	return g.Group{
		input{"scope", "Services and paths", "with commas, such as payments, docs/**", f.Scope, flag("required")}.node(of),
		input{"kinds", "Kinds of change", "with commas, such as dependency-update; empty: all", f.Kinds, nil}.node(of),
		input{"until", "Until (UTC)", "a day that is included, at most 90 days from now", f.Until, g.Group{attr("type", "date"), flag("required")}}.node(of),
		input{"uses", "Number of changes", "0: no limit", f.Uses, g.Group{attr("type", "number"), attr("min", "0"), flag("required")}}.node(of),
	}
}

// An input is a line of a form.
type input struct {
	name, label, hint string
	field             field
	more              g.Node // attributes
}

func (i input) node(of string) g.Node {
	id := i.name + "-" + of
	described := id + "-hint"
	if i.field.Error != "" {
		described += " " + id + "-error"
	}
	return el("div",
		el("label", attr("for", id), text(i.label)), el("span", attr("class", "soft hint"), attr("id", id+"-hint"), text(i.hint)),
		el("input", attr("id", id), attr("name", i.name), attr("value", i.field.Value), attr("autocomplete", "off"), attr("aria-describedby", described), g.If(i.field.Error != "", attr("aria-invalid", "true")), i.more),
		i.field.why(id))
}
