package web

import (
	"cmp"
	"fmt"
	"time"

	g "maragu.dev/gomponents"

	"github.com/changetrail/changetrail/internal/say"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
)

// A searchPage is what the page of changes shows.
type searchPage struct {
	Title   string
	View    *view
	Error   string // why the search cannot be read; then there is no Result
	Saved   []query.Saved
	Named   query.Saved // the saved query that is searched, if any
	Near    []near
	Columns []choice
	Chips   []chip
	Dates   bool // View has dates that a browser can pick, or none

	Result               *query.Result
	Took                 time.Duration
	Only                 []string // repositories that the reader may read, if not all
	Facets               []facetList
	Histogram            *plot
	Head                 []heading
	Rows                 [][]cell
	CSV, JSON, Permalink string // addresses
	First, Last, Pages   int
	Before, Next         string // addresses of other pages
	LastPage             string
}

func (p *searchPage) page() page {
	body := g.Group{
		el("h1", attr("class", "hidden"), text("Changes")),
		el("form", attr("class", "search"), attr("action", "/changes"), attr("method", "get"), attr("role", "search"), p.question(), p.picked(), p.more()),
	}
	if p.Named.Name != "" {
		body = append(body, paragraph("note", text("Saved query "), el("strong", text(p.Named.Title)), text(": "+p.Named.Question+" "), soft(text("To search for the word, put it in quotes."))))
	}
	if len(p.Near) > 0 {
		body = append(body, paragraph("near", text("Did you mean "), listed(p.Near, func(n near) g.Node { return anchor(n.Link, text(n.Text)) }), text("?")))
	}
	if p.Result != nil {
		body = append(body, p.chips(), el("div", attr("class", "result"),
			el("input", attr("type", "checkbox"), attr("id", "unfold"), attr("class", "unfold")), el("label", attr("for", "unfold"), attr("class", "unfold"), text("Show filters")),
			el("aside", attr("aria-label", "Facets"), attr("class", "facets"), g.Map(p.Facets, facetList.node)),
			el("section", attr("aria-label", "What was found"), attr("class", "found"), p.counted(), p.histogram(), p.table())))
	}
	return page{Title: p.Title, Searches: true, Body: body}
}

// question is the first row of the form.
func (p *searchPage) question() g.Node {
	return el("div", attr("class", "row"), spaced(
		el("label", attr("class", "grow"), hidden("Search: a change, URL, commit, digest or CVE, a saved query, or Lucene's syntax"), text(" "),
			el("input", attr("id", "q"), attr("name", "q"), attr("type", "search"), attr("value", p.View.Query), attr("list", "completions"), attr("autocomplete", "off"), attr("spellcheck", "false"),
				attr("placeholder", "acme/payments#1058, a URL, a commit, CVE-2022-32149, service.name:payments"),
				g.If(p.Error != "", g.Group{attr("aria-invalid", "true"), attr("aria-describedby", "wrong")}))),
		completions(),
		el("label", hidden("Time"), text(" "), el("select", attr("name", "since"), g.Map(spans, func(s span) g.Node { return s.option(p.View.Since, s.Label) }))),
		el("button", attr("type", "submit"), text("Search"))))
}

// option is the span to choose; it is chosen if it is the one asked for.
func (s span) option(asked, label string) g.Node {
	return el("option", attr("value", s.Value), g.If(s.Value == asked, flag("selected")), text(label))
}

// picked are the error, and what the form keeps of the view.
func (p *searchPage) picked() g.Node {
	keep := func(name, value string) g.Node {
		return el("input", attr("type", "hidden"), attr("name", name), attr("value", value))
	}
	return g.Group{
		when(p.Error, func(why string) g.Node {
			return el("p", attr("class", "error"), attr("id", "wrong"), attr("role", "alert"), text(why))
		}),
		g.Map(p.View.Picked, func(pick pick) g.Node { return keep(pick.param(), pick.String()) }),
		when(p.View.Sort, func(field string) g.Node { return keep("sort", field) }),
	}
}

// more are the parts of the form that are folded.
func (p *searchPage) more() g.Node {
	apply := el("button", attr("type", "submit"), text("Apply"))
	date := func(name, value string) g.Node {
		return el("label", text(name+" "), el("input", attr("name", name), g.If(p.Dates, attr("type", "date")), attr("value", value)))
	}
	return el("div", attr("class", "row more"), spaced(
		el("details", g.If(p.View.From != "" || p.View.To != "", flag("open")), el("summary", text("Dates")),
			paragraph("fold row", spaced(date("from", p.View.From), date("to", p.View.To), apply))),
		folded("Columns", el("fieldset", attr("class", "fold columns"), el("legend", attr("class", "hidden"), text("Columns")), g.Map(p.Columns, func(c choice) g.Node {
			return el("label", el("input", attr("type", "checkbox"), attr("name", "c"), attr("value", c.Field), g.If(c.Chosen, flag("checked"))), text(" "+c.Label))
		}), apply)),
		folded("Saved queries", bullets("fold saved", p.Saved, func(q query.Saved) g.Node {
			return el("li", el("a", address(searchPath(q.Name)), attr("title", q.Question), text(q.Title)))
		})),
		g.Iff(p.Result != nil, func() g.Node {
			return folded("As one query", paragraph("fold", text("The same in Kibana or OpenSearch Dashboards, in Lucene's syntax:")), el("pre", text(cmp.Or(p.View.Lucene(), "*"))))
		})))
}

// chips are the filters.
func (p *searchPage) chips() g.Node {
	if len(p.Chips) == 0 {
		return nil
	}
	return el("ul", attr("class", "chips"), attr("aria-label", "Filters"), g.Map(p.Chips, chip.item), el("li", attr("class", "all"), anchor("/changes", text("remove all"))))
}

func (c chip) item() g.Node {
	class, is, turn := "", ": ", "exclude"
	if c.Not {
		class, is, turn = "not", " is not: ", "include"
	}
	return el("li", attr("class", class), spaced(
		el("span", text(c.Label+is), el("strong", text(c.Value))),
		when(c.Turn, func(to string) g.Node { return anchor(to, text(turn), hidden(" "+c.Value+" instead")) }),
		anchor(c.Remove, hidden("Remove "+c.Label+" "+c.Value), el("span", attr("aria-hidden", "true"), text("×")))))
}

func (l facetList) node() g.Node {
	return el("details", g.If(l.Open, flag("open")), el("summary", text(l.Label)), el("ul",
		g.Map(l.Values, func(v facetValue) g.Node {
			return el("li", el("a", address(v.Link), when(v.Means, func(means string) g.Node { return attr("title", means) }), g.If(v.Picked, g.Group{attr("class", "picked"), attr("aria-current", "true")}),
				el("span", attr("class", "value"), breaks(v.Value)), text(" "), el("span", attr("class", "n"), text(fmt.Sprint(v.N)))))
		}),
		when(l.More, func(to string) g.Node { return el("li", anchor(to, text("more …"))) })))
}

// counted says how much was found, and links to the same in other forms.
func (p *searchPage) counted() g.Node {
	noun, shown, only := "changes", "", readsOnly(p.Only)
	if p.Result.Total == 1 {
		noun = "change"
	}
	if len(p.Rows) > 0 {
		shown = fmt.Sprintf("· %d to %d · ", p.First, p.Last)
	}
	if only != "" {
		only = " · y" + only[1:len(only)-1]
	}
	return paragraph("count", el("strong", text(grouped(int64(p.Result.Total)))), text(" "+noun+" "), soft(textf("%sin %v%s", shown, p.Took, only)), text(" "),
		el("span", attr("class", "links"), spaced(anchor(p.Permalink, text("Permalink")), anchor(p.CSV, text("CSV")), anchor(p.JSON, text("JSON")))))
}

func (p *searchPage) histogram() g.Node {
	if p.Histogram == nil {
		return nil
	}
	return el("figure", attr("class", "histogram"), p.Histogram.drawn(), el("figcaption", text("by "+p.Histogram.Each+" "),
		g.Map(p.Histogram.Legend, func(s series) g.Node { return key(s.Class, text(s.Label+", "+grouped(int64(s.N)))) }),
		el("span", attr("class", "brushing soft"), text("Drag over the bars to choose a time range."))), p.Histogram.table())
}

// table is the found changes, or why there are none here.
func (p *searchPage) table() g.Node {
	switch {
	case len(p.Rows) > 0:
	case p.Result.Total > 0:
		return el("p", textf("There is no page %d; the last one is page %d. ", p.View.Page, p.Pages), anchor(p.LastPage, text("Go to it")))
	default:
		return el("p", text("No change matches. Remove a filter above, or look at the "), anchor("/queries", text("saved queries")), text("."))
	}
	here := ""
	if p.Pages > 1 {
		here = fmt.Sprintf("page %d of %d", p.View.Page, p.Pages)
	}
	return g.Group{
		scrolling("Table of changes", attr("class", "stacked changes"), el("thead", el("tr", g.Map(p.Head, heading.node))), el("tbody", g.Map(p.Rows, func(row []cell) g.Node { return el("tr", g.Map(row, cell.node)) }))),
		paragraph("soft legend", text("Answers: trigger, alternatives, authorized, reviewed. "), g.Map(record.AllAnswers(), func(a record.AnswerWords) g.Node {
			return g.Group{el("span", attr("class", "slot "+a.Answer), text(a.Symbol)), textf(" %s: %s ", plain(a.Answer), a.Means)}
		}), el("span", attr("class", "slot"), text("·")), text(" not asked of changes by people")),
		pager("Pages of the result", p.Before, p.Next, here),
	}
}

func (c heading) node() g.Node {
	label := text(c.Label)
	if c.Link != "" {
		arrow := map[string]string{"ascending": "↑", "descending": "↓"}[c.Order]
		label = spaced(anchor(c.Link, text(c.Label)), when(arrow, func(arrow string) g.Node { return el("span", attr("aria-hidden", "true"), text(arrow)) }))
	}
	return el("th", attr("scope", "col"), when(c.Order, func(order string) g.Node { return attr("aria-sort", order) }),
		g.If(c.Label == "Answers", attr("title", "trigger, alternatives, authorized, reviewed")), label)
}

func (c cell) node() g.Node {
	class := map[string]string{"answers": "four", "changetrail.change.id": "id"}[c.Field]
	if len(c.Values) == 0 {
		class += " none"
	}
	return el("td", attr("class", class), attr("data-label", c.Label), c.content())
}

func (c cell) content() g.Node {
	switch {
	case c.Link != "":
		return anchor(c.Link, breaks(c.Values[0]))
	case !c.Time.IsZero():
		return moment(c.Time)
	case c.Field == "answers":
		var slots g.Group
		for i, answer := range c.Values {
			slots = append(slots, slot(fourNames[i], answer))
		}
		return slots
	case c.Field == "changetrail.gaps":
		return spaced(g.Map(c.Values, gapName)...)
	}
	return spaced(g.Map(c.Values, func(v string) g.Node { return breaks(short(v)) })...)
}

// fourNames name the answers of a cell.
var fourNames = []string{"Trigger", "Alternatives", "Authorized", "Reviewed"}

// slot is one answer of a cell.
func slot(name, answer string) g.Node {
	says := cmp.Or(answer, "not asked")
	return el("span", attr("class", "slot "+answer), attr("title", fmt.Sprintf("%s: %s, %s", name, says, say.Means(answer))),
		hidden(fmt.Sprintf("%s %s, ", name, says)), el("span", attr("aria-hidden", "true"), text(symbol(answer))))
}
