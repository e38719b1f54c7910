package web

import (
	"fmt"
	"strings"

	g "maragu.dev/gomponents"
)

// num is a position or a size in a picture.
func num(name string, n any) g.Node { return attr(name, fmt.Sprint(n)) }

// rect is a rectangle of a picture.
func rect(class string, x, y, width, height any) g.Node {
	return el("rect", attr("class", class), num("x", x), num("y", y), num("width", width), num("height", height))
}

// upright is a line from top to bottom.
func upright(class string, x, top, bottom int, more ...g.Node) g.Node {
	return el("line", attr("class", class), num("x1", x), num("x2", x), num("y1", top), num("y2", bottom), g.Group(more))
}

// caption is a text in a picture.
func caption(class string, x, y int, more ...g.Node) g.Node {
	return el("text", attr("class", class), num("x", x), num("y", y), g.Group(more))
}

// toLeft ends a text where it would begin otherwise.
func toLeft(end bool) g.Node { return g.If(end, attr("text-anchor", "end")) }

func tooltip(says string) g.Node { return el("title", text(says)) }

// key is a colour and what it means, on one line.
func key(class string, means ...g.Node) g.Node {
	return g.Group{el("span", attr("class", "entry"), el("span", attr("class", "key "+class)), text(" "), g.Group(means)), text(" ")}
}

// line is the section of the drawn time line.
func (p *changePage) line() g.Node {
	if p.Line == nil {
		return nil
	}
	legend := g.Group{
		text("All times are UTC. "), key("observed", text("seen by a platform or a person")),
		key("signed", text("said by the agent with its credential")), key("claimed", text("only claimed")),
	}
	if p.Line.LateAny {
		legend = append(legend, key("late", text("received this much later")))
	}
	return section("drawn", "Time line", el("figure", attr("class", "line"),
		p.Line.Wide.drawn(p.Line.Summary), p.Line.Narrow.drawn(p.Line.Summary),
		el("figcaption", legend),
		folded("The same as a table", stepTable.node(g.Map(p.Line.Rows, func(r row) g.Node {
			return el("tr", stepTable.cells(moment(r.At), spaced(moment(r.Arrived), lag(r.Lag)), text(r.Stage), text(r.What), when(r.Who, text)))
		})))))
}

var stepTable = grid{"Table of the time line", "steps", []string{"When", "Received", "Part", "What", "Who"}}

// drawn is the picture. A page has one of each frame, and shows that which fits the screen.
func (t *drawing) drawn(summary string) g.Node {
	id := func(of string) string { return of + "-" + t.Name }
	return el("svg", attr("class", t.Name), attr("viewBox", fmt.Sprintf("0 0 %d %d", t.Width, t.Height)), attr("role", "img"), attr("aria-labelledby", id("line-title")+" "+id("line-desc")),
		el("title", attr("id", id("line-title")), text("Time line of the change")),
		el("desc", attr("id", id("line-desc")), text(summary+" The table below shows the same.")),
		el("defs", el("pattern", attr("id", id("late")), num("width", 6), num("height", 6), attr("patternUnits", "userSpaceOnUse"), attr("patternTransform", "rotate(45)"),
			el("rect", attr("class", "hatch"), num("width", 3), num("height", 6)))),
		g.Map(t.Ticks, func(k tick) g.Node {
			return g.Group{upright("grid", k.X, t.Top, t.Bottom), when(k.Text, func(says string) g.Node {
				return caption("tick", k.X, t.Height, num("dy", -6), toLeft(k.End), text(says))
			})}
		}),
		g.Iff(t.Merge != nil, func() g.Node {
			return g.Group{upright("merge", t.Merge.X, t.Top, t.Bottom), caption("merge", t.Merge.X, 18, toLeft(t.Merge.End), text(t.Merge.Text))}
		}),
		g.Map(t.Lanes, func(l lane) g.Node { return l.drawn("url(#" + id("late") + ")") }))
}

// drawn is a lane. late fills the bar from when something happened to when it was received.
func (l lane) drawn(late string) g.Node {
	return g.Group{
		caption("lane", 0, l.Label.Y, num("dy", 4), text(l.Name)),
		g.Map(l.Marks, func(m mark) g.Node {
			return el("g", tooltip(m.Title),
				g.Iff(m.Late != 0, func() g.Node {
					return el("rect", attr("class", "late"), attr("fill", late), num("x", m.X), num("y", l.Y), num("width", m.Late), num("height", 14), attr("transform", "translate(0 -7)"))
				}),
				el("circle", attr("class", m.Class), num("cx", m.X), num("cy", l.Y), num("r", 5)))
		}),
		caption("what", l.Label.X, l.Label.Y, num("dy", 4), toLeft(l.Label.End), text(l.Label.Text)),
	}
}

// drawn is the plot as a picture.
func (p *plot) drawn() g.Node {
	return el("svg", attr("class", "plot"), attr("viewBox", fmt.Sprintf("0 0 %d %d", p.Width, p.Height)), attr("role", "group"),
		attr("aria-label", fmt.Sprintf("%s over time, by %s; the table below has the numbers", count(p.Total, "change"), p.Each)),
		g.Map(p.Grid, func(l gridline) g.Node {
			return g.Group{
				el("line", attr("class", "grid"), num("x1", p.Left), num("x2", p.Right), num("y1", l.Y), num("y2", l.Y)),
				caption("tick", p.Left, l.Y, num("dx", -6), num("dy", 4), toLeft(true), text(l.Text)),
			}
		}),
		g.Map(p.Bars, bar.drawn),
		el("line", attr("class", "axis"), num("x1", p.Left), num("x2", p.Right), num("y1", p.Bottom), num("y2", p.Bottom)),
		g.Map(p.Ticks, func(k tick) g.Node {
			return g.Group{
				upright("axis", k.X, p.Bottom, p.Bottom, attr("transform", "translate(0 4)")),
				when(k.Text, func(says string) g.Node {
					return caption("tick", k.X, p.Height, num("dy", -10), toLeft(k.End), text(says))
				}),
			}
		}))
}

// table is the plot as a table.
func (p *plot) table() g.Node {
	return folded("The same as a table", scrolling("Table of "+p.Noun+"s over time", head("By "+p.Each, "Count"), el("tbody", g.Map(p.Bars, func(b bar) g.Node {
		days := b.From
		if b.To != b.From {
			days += " to " + b.To
		}
		return el("tr", el("td", anchor(b.Link, text(days))), el("td", text(b.Label)))
	}))))
}

func (b bar) drawn() g.Node {
	return el("a", address(b.Link), attr("tabindex", "-1"), attr("aria-label", b.Label), attr("data-from", b.From), attr("data-to", b.To), tooltip(b.Label),
		rect("back", b.X, plotTop, b.W, plotBottom-plotTop),
		g.Map(b.Parts, func(part part) g.Node { return rect(part.Class, b.X, part.Y, b.W, part.H) }))
}

// parted is a bar of parts, for the row of a table.
func parted(parts []widthPart) g.Node {
	labels := make([]string, len(parts))
	for i, p := range parts {
		labels[i] = p.label()
	}
	return el("svg", attr("viewBox", "0 0 100 10"), attr("preserveAspectRatio", "none"), attr("role", "group"), attr("aria-label", strings.Join(labels, ", ")),
		g.Map(parts, func(p widthPart) g.Node {
			return el("a", address(p.Link), attr("tabindex", "-1"), attr("aria-label", p.label()), tooltip(p.label()), rect(p.Class, p.X, 0, p.W, 10))
		}))
}

func (p widthPart) label() string { return fmt.Sprintf("%d %s", p.N, p.Label) }

// drawnFixes is how many fixes took how long.
func drawnFixes(bars []fixBar) g.Node {
	return el("svg", attr("class", "fixes"), attr("viewBox", "0 0 880 150"), attr("role", "img"), attr("aria-label", "How many fixes took how long; the table below has the medians"),
		g.Map(bars, func(b fixBar) g.Node {
			middle, most := attr("text-anchor", "middle"), b.Label
			if most != "more" {
				most = "≤ " + most
			}
			return el("g", tooltip(fmt.Sprintf("up to %s: %d", b.Label, b.N)), rect("agents", b.X, b.Y, b.W, b.H),
				caption("tick", b.X, b.Y, num("dx", 51), num("dy", -5), middle, text(fmt.Sprint(b.N))),
				caption("tick", b.X, 144, num("dx", 51), middle, text(most)))
		}),
		el("line", attr("class", "axis"), num("x1", 0), num("x2", 880), num("y1", fixBottom), num("y2", fixBottom)))
}
