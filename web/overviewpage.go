package web

import (
	"fmt"
	"strings"

	g "maragu.dev/gomponents"

	"github.com/changetrail/changetrail/query"
)

// An overviewPage is what the first page shows.
type overviewPage struct {
	Span  string   // that was asked for
	Only  []string // repositories that the reader may read, if not all
	Empty bool     // there is no record at all

	Total              int
	Numbers            []number
	AgentsLink         string
	Plot               *plot
	Services, Controls bars

	Gaps               []gapRow
	Agents             []query.Count
	AgentsCut, GapsCut cut

	Fixes                       []fixBar
	FixTable                    []fixRow
	FixCount, FixTotal, FixRead int // fixes with a known time, all of them, and those that were looked at
	FixLink                     string

	Open      []openChange
	OpenTotal int
	OpenLink  string
}

func (p *overviewPage) page() page {
	content := p.cards()
	if p.Empty {
		content = firstEvent()
	}
	return page{Title: "Overview", Body: g.Group{
		el("div", attr("class", "heading"), el("h1", text("Changes by agents")), el("form", attr("class", "row"), attr("action", "/"), attr("method", "get"),
			el("label", hidden("Time"), el("select", attr("name", "span"), g.Map(spans[:len(spans)-1], func(s span) g.Node { return s.option(p.Span, "last "+s.Label) }))),
			el("button", text("Show")))),
		when(readsOnly(p.Only), func(only string) g.Node { return paragraph("soft", text(only)) }),
		content,
	}}
}

// firstEvent says how to send an event to an empty index.
func firstEvent() g.Node {
	return el("section", attr("class", "card"), attr("aria-labelledby", "first"), el("h2", attr("id", "first"), text("No events yet")),
		el("p", text("Send one, with the token of a code host that "), el("code", text("changetrail up")), text(" printed:")),
		el("pre", attr("tabindex", "0"), text(`curl -X POST http://127.0.0.1:8080/v1/events -H "Authorization: Bearer $CODE_HOST" -H 'Content-Type: application/cloudevents+json' -d '{"specversion":"1.0","id":"1",
 "source":"/my/code-host","type":"dev.changetrail.change.opened.v1","subject":"acme/payments#1","data":{"title":"My first change","author":"me"}}'`)),
		el("p", text("or connect an agent, a code host and a scanner: see the README.")))
}

// card is a part of the page with its heading.
func card(class, id, heading string, children ...g.Node) g.Node {
	return el("section", attr("class", class), attr("aria-labelledby", id), el("h2", attr("id", id), text(heading)), g.Group(children))
}

func (p *overviewPage) cards() g.Node {
	return g.Group{
		el("section", attr("aria-labelledby", "stand"), el("h2", attr("id", "stand"), attr("class", "hidden"), text("Can they be shown to an auditor?")),
			el("ul", attr("class", "numbers"), el("li", anchor(p.AgentsLink, el("b", text(fmt.Sprint(p.Total))), text(" changes by agents"))), g.Map(p.Numbers, number.item))),
		el("div", attr("class", "cards"),
			p.overTime(),
			card("card", "services", "Readiness by service",
				paragraph("soft", text("Changes by agents whose four answers are all proven or not required. Services with the most work to do come first."),
					p.Services.Cut.node(" ", "services", "")),
				readinessTable(p.Services.Rows)),
			card("card", "bycontrol", "Readiness by control",
				paragraph("soft", text("The same count, for the changes in the scope of each control. A control may require more evidence, such as passing tests or a bill of materials. That is not counted here; the page of each change says which evidence is missing for its controls."),
					p.Controls.Cut.node(" ", "controls", ", those with the most work to do")),
				readinessTable(p.Controls.Rows)),
			card("card wide", "gapsby", "Gaps by agent", p.gapTable()),
			card("card", "fixes", "Time from finding to fix", p.fixes()),
			card("card", "waiting", "Pending", p.pending()),
		),
	}
}

func (n number) item() g.Node {
	return el("li", attr("class", n.Class), anchor(n.Link, el("b", text(fmt.Sprint(n.N))), text(" "+n.Label+" "), el("span", textf("%d %%", n.Percent))), soft(text(n.Means)))
}

func (p *overviewPage) overTime() g.Node {
	if p.Plot == nil {
		return card("card wide", "time", "Answers over time", el("p", text("There were no such changes.")))
	}
	return card("card wide", "time", "Answers over time", el("figure", attr("class", "histogram"), p.Plot.drawn(),
		el("figcaption", textf("The worst of the four answers of each change, by %s ", p.Plot.Each), g.Map(p.Plot.Legend, func(s series) g.Node {
			return key(s.Class, anchor(s.Link, text(s.Label)))
		})), p.Plot.table()))
}

// node says that rows are left out, if any are.
func (c cut) node(before, what, which string) g.Node {
	if !c.Is() {
		return nil
	}
	least := ""
	if c.Least {
		least = "at least "
	}
	return g.Group{textf("%sShown: %d of %s", before, c.Shown, least), anchor(c.Link, textf("%d %s", c.Total, what)), text(which + ".")}
}

func readinessTable(rows []readiness) g.Node {
	if len(rows) == 0 {
		return el("p", text("There were none."))
	}
	col := attr("scope", "col")
	return el("table", attr("class", "ready"),
		el("thead", el("tr", el("th", col, text("Name")), el("th", col, hidden("Parts")), el("th", col, attr("class", "n"), text("All proven")), el("th", col, attr("class", "n"), text("Changes")))),
		el("tbody", g.Map(rows, func(r readiness) g.Node {
			return el("tr", el("td", anchor(r.Link, text(r.Name))), el("td", parted(r.Parts)), numberCell(fmt.Sprintf("%d %%", r.Percent)), numberCell(r.Total))
		})))
}

func numberCell(n any) g.Node { return el("td", attr("class", "n"), text(fmt.Sprint(n))) }

func (p *overviewPage) gapTable() g.Node {
	if len(p.Gaps) == 0 {
		return el("p", text("There are none."))
	}
	col := attr("scope", "col")
	return g.Group{
		g.If(p.AgentsCut.Is(), paragraph("soft", p.AgentsCut.node("", "agents", ", those with most changes"))),
		g.If(p.GapsCut.Is(), paragraph("soft", p.GapsCut.node("", "kinds of gaps", ", the most frequent ones"))),
		scrolling("Table of gaps by agent", attr("class", "stacked matrix"),
			el("thead", el("tr", el("th", col, text("Gap")), el("th", col, attr("class", "n"), text("All")), g.Map(p.Agents, func(a query.Count) g.Node {
				return el("th", col, attr("class", "n"), text(a.Value), el("br"), soft(text(count(a.N, "change"))))
			}))),
			el("tbody", g.Map(p.Gaps, gapRow.node))),
	}
}

func (r gapRow) node() g.Node {
	return el("tr",
		el("th", attr("scope", "row"), el("span", attr("class", "gap "+r.Severity), text(r.Severity)), text(" "), anchor(r.Link, text(r.Means))),
		labeledCell("All agents", true, text(fmt.Sprint(r.Total))),
		g.Map(r.Cells, func(c gapCell) g.Node {
			if c.N == 0 {
				return el("td", attr("class", "n none"))
			}
			return el("td", attr("class", "n "+c.Class), attr("data-label", c.Agent), anchor(c.Link, text(fmt.Sprint(c.N))))
		}))
}

func (p *overviewPage) fixes() g.Node {
	if len(p.Fixes) == 0 {
		return el("p", text("No merged change has a scan report with the finding that it fixes."))
	}
	return g.Group{
		paragraph("soft", text("Time from the scan that found the problem to the merge, for "), p.measured(), text(".")),
		drawnFixes(p.Fixes),
		el("table", attr("class", "fixtable"), head("Severity", "#Fixes", "#Half were fixed within", "#90 % were fixed within"), el("tbody", g.Map(p.FixTable, func(r fixRow) g.Node {
			return el("tr", el("td", anchor(r.Link, badge(r.Severity))), numberCell(r.N), numberCell(r.Half), numberCell(r.Most))
		}))),
	}
}

// measured says which fixes are drawn.
func (p *overviewPage) measured() g.Node {
	if p.FixCount >= p.FixTotal {
		return text(count(p.FixCount, "fix"))
	}
	why := "The others have no scan with a known time before the merge"
	if p.FixRead < p.FixTotal {
		why = fmt.Sprintf("Only the newest %d are included", p.FixRead)
		if p.FixCount < p.FixRead {
			why += ", without those that have no scan with a known time before the merge"
		}
	}
	return g.Group{textf("%d of ", p.FixCount), anchor(p.FixLink, text(count(p.FixTotal, "fix"))), text(". " + why)}
}

func (p *overviewPage) pending() g.Node {
	if len(p.Open) == 0 {
		return el("p", text("No open change by an agent lacks evidence."))
	}
	which := " The oldest come first."
	if len(p.Open) < p.OpenTotal {
		which = fmt.Sprintf(" Shown: the %d oldest.", len(p.Open))
	}
	return g.Group{
		paragraph("soft", anchor(p.OpenLink, text(count(p.OpenTotal, "open change")+" by agents")), text(" lack evidence that an auditor will ask for."+which)),
		bullets("waiting", p.Open, func(c openChange) g.Node {
			waits := "waits for " + strings.Join(c.Waiting, " and ")
			if !c.Since.IsZero() {
				waits += "; open since " + second(c.Since)
			}
			return el("li", anchor(changePath(string(c.ID)), breaks(string(c.ID))), text(" "+c.Title+" "), soft(text(waits)))
		}),
	}
}
