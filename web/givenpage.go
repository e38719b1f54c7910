package web

import (
	"fmt"

	g "maragu.dev/gomponents"

	"github.com/changetrail/changetrail/internal/say"
)

// A givenPage is how many approvals people gave, and how fast.
type givenPage struct {
	Span          string   // that was asked for
	Only          []string // repositories that the reader may read, if not all
	Away          string   // why the approvals before work are not counted
	Read, Changes int      // changes that were read, and those with approvals
	All           givenRow
	People        []givenRow
	PeopleTotal   int // of whom People are the first
	Plot          *plot
	Shown         string // what the list is narrowed to
	Unfiltered    string // address of the whole list; empty if it is shown
	List          []given
	Total         int // of which List is the newest
}

// A givenRow sums up the approvals of one person, or of all.
type givenRow struct {
	Person          string
	N, Quick        int
	ADay            string
	Half, Most      string // within which half and 90 % were answered
	Link, QuickLink string
}

func (p *givenPage) page() page {
	body := g.Group{
		inboxHead("/inbox/given", "How people approve"),
		el("form", attr("class", "row"), attr("action", "/inbox/given"), attr("method", "get"),
			el("label", hidden("Time"), el("select", attr("name", "since"), g.Map(spans[:len(spans)-1], func(s span) g.Node { return s.option(p.Span, "last "+s.Label) }))), text(" "),
			el("button", text("Show"))),
		paragraph("soft", text("Reviews and approvals by people, of changes of agents, and approvals before work. What is only claimed is not counted. The wait begins when the change is opened, or when the agent asks.")),
		when(p.Away, func(why string) g.Node {
			return el("p", attr("class", "error"), attr("role", "alert"), text("Approvals before work are not counted: "+why))
		}),
		g.If(p.Read < p.Changes, paragraph("note", text(fmt.Sprintf("Only the newest %d of %d changes with approvals are counted.", p.Read, p.Changes)))),
	}
	if p.All.N == 0 {
		return page{Title: "Given approvals", Body: append(body, el("p", text("There were none in this time.")))}
	}
	return page{Title: "Given approvals", Body: append(body, p.numbers(), p.plot(), section("people", "By whom", p.people()), section("list", p.Shown, p.list()),
		when(readsOnly(p.Only), func(only string) g.Node { return paragraph("soft", text(only)) }))}
}

func (p *givenPage) numbers() g.Node {
	item := func(class, value string, to, label, means string) g.Node {
		return el("li", attr("class", class), anchor(to, el("b", text(value)), text(" "+label)), soft(text(means)))
	}
	return el("ul", attr("class", "numbers"),
		item("", fmt.Sprint(p.All.N), p.All.Link, "approvals", p.All.ADay+" a day"),
		item("", p.All.Half, p.All.Link, "median wait", "half were given sooner"),
		item("", p.All.Most, p.All.Link, "wait of 90 %", "one in ten took longer"),
		item("partial", fmt.Sprint(p.All.Quick), p.All.QuickLink, "within ten seconds", "of the question, or of the same person's approval before: perhaps nobody looked"))
}

func (p *givenPage) plot() g.Node {
	if p.Plot == nil {
		return nil
	}
	return el("figure", attr("class", "histogram"), p.Plot.drawn(), el("figcaption", text("by "+p.Plot.Each+" "),
		g.Map(p.Plot.Legend, func(s series) g.Node { return key(s.Class, anchor(s.Link, text(s.Label))) })), p.Plot.table())
}

var givenTable = grid{"Table of people who approved", "people", []string{"Person", "#Approvals", "#A day", "#Median wait", "#Wait of 90 %", "#Within ten seconds"}}

func (p *givenPage) people() g.Node {
	cut := ""
	if len(p.People) < p.PeopleTotal {
		cut = fmt.Sprintf("Shown: %d of %d people, those with most approvals.", len(p.People), p.PeopleTotal)
	}
	return g.Group{when(cut, func(s string) g.Node { return paragraph("soft", text(s)) }), givenTable.node(g.Map(p.People, func(r givenRow) g.Node {
		return el("tr", givenTable.cells(text(r.Person), anchor(r.Link, text(fmt.Sprint(r.N))), text(r.ADay), text(r.Half), text(r.Most), anchor(r.QuickLink, text(fmt.Sprint(r.Quick)))))
	}))}
}

var givenList = grid{"Table of approvals", "given", []string{"Given", "By", "What", "Of", "Waited"}}

func (p *givenPage) list() g.Node {
	if p.Total == 0 {
		return el("p", text("There are none. "), when(p.Unfiltered, func(to string) g.Node { return anchor(to, text("Show all")) }))
	}
	cut := count(p.Total, "approval") + ", the newest first."
	if len(p.List) < p.Total {
		cut = fmt.Sprintf("Shown: the newest %d of %d approvals.", len(p.List), p.Total)
	}
	return g.Group{
		paragraph("soft", spaced(text(cut), when(p.Unfiltered, func(to string) g.Node { return anchor(to, text("Show all")) }))),
		givenList.node(g.Map(p.List, func(a given) g.Node {
			waited := "nobody asked"
			if a.Asked {
				waited = say.Span(a.Waited)
			}
			return el("tr", givenList.cells(moment(a.At), text(a.Person), text(a.What), anchor(a.Link, breaks(a.Of)),
				spaced(text(waited), g.If(a.Quick, el("span", attr("class", "badge partial"), text("within ten seconds"))))))
		})),
	}
}
