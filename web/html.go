package web

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	g "maragu.dev/gomponents"
)

// The pages are Go functions that return nodes of package gomponents, which escapes texts and the
// values of attributes. Two rules make a page safe, whatever agents and strangers wrote, and a test
// enforces them: names of elements and attributes are constants, and only [address] makes an address
// of a value.

// el is an element with attributes and content.
//
//go:noinline
func el(name string, children ...g.Node) g.Node { return g.El(name, children...) }

// attr is an attribute with a value.
//
//go:noinline
func attr(name, value string) g.Node { return g.Attr(name, value) }

// flag is an attribute without a value.
//
//go:noinline
func flag(name string) g.Node { return g.Attr(name) }

// text is a text.
//
//go:noinline
func text(s string) g.Node { return g.Text(s) }

// textf is a text with values in it.
func textf(format string, values ...any) g.Node { return text(fmt.Sprintf(format, values...)) }

// None of these is inlined: gomponents returns closures, and their code, copied into each of 1,000
// calls, would make the binary 1 MB larger.

// address is the href of a link. Where it does not lead to a page, such as one of javascript:, there
// is none: the link does nothing.
func address(to string) g.Node {
	to = written(to)
	if !leads(to) {
		return nil
	}
	return attr("href", to)
}

// leads reports whether an address is one of http or https, or within this site.
func leads(to string) bool {
	u, err := url.Parse(to)
	switch {
	case err != nil:
		return false
	case u.Scheme == "http" || u.Scheme == "https":
		return u.Host != ""
	}
	return u.Scheme == "" && (strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") || strings.HasPrefix(to, "#"))
}

// written is an address as browsers write it, such as with %20 for a space.
func written(to string) string {
	var out strings.Builder
	for i := range len(to) {
		c := to[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"'()<>\\^`{|}", c) >= 0 || c == '%' && !encoded.MatchString(to[i:]) {
			fmt.Fprintf(&out, "%%%02x", c)
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}

var encoded = regexp.MustCompile(`^%[0-9A-Fa-f]{2}`)

// listed makes a node of each value, with commas between them.
func listed[T any](values []T, node func(T) g.Node) g.Node {
	var out g.Group
	for i, v := range values {
		if i > 0 {
			out = append(out, text(", "))
		}
		out = append(out, node(v))
	}
	return out
}

// when makes a node of a text that is not empty.
func when(text string, node func(string) g.Node) g.Node {
	if text == "" {
		return nil
	}
	return node(text)
}

// spaced puts spaces between nodes.
func spaced(nodes ...g.Node) g.Node {
	var out g.Group
	for _, n := range nodes {
		if n == nil {
			continue
		}
		if out != nil {
			out = append(out, text(" "))
		}
		out = append(out, n)
	}
	return out
}

// anchor is a link.
func anchor(to string, children ...g.Node) g.Node { return el("a", address(to), g.Group(children)) }

// breaks lets a browser break an identifier after its slashes.
func breaks(id string) g.Node {
	var out g.Group
	for i, part := range strings.SplitAfter(id, "/") {
		if i > 0 {
			out = append(out, el("wbr"))
		}
		out = append(out, text(part))
	}
	return out
}

// moment is a time, or nothing where it is not known.
func moment(t time.Time) g.Node {
	if t.IsZero() {
		return nil
	}
	return el("time", attr("datetime", t.UTC().Format(time.RFC3339)), text(second(t)))
}

// second is a time to the second.
func second(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

func soft(children ...g.Node) g.Node { return el("span", attr("class", "soft"), g.Group(children)) }

func hidden(s string) g.Node { return el("span", attr("class", "hidden"), text(s)) }

func tagged(s string) g.Node { return el("span", attr("class", "tag"), text(s)) }

// paragraph is a P with a class.
func paragraph(class string, children ...g.Node) g.Node {
	return el("p", attr("class", class), g.Group(children))
}

// section is a part of a page with its heading.
func section(id, heading string, children ...g.Node) g.Node {
	return el("section", attr("aria-labelledby", id), el("h2", attr("id", id), text(heading)), g.Group(children))
}

// scrolling is a table that may be wider than the window.
func scrolling(label string, table ...g.Node) g.Node {
	return el("div", attr("class", "scroll"), attr("tabindex", "0"), attr("role", "region"), attr("aria-label", label), el("table", table...))
}

// head is the head of a table. A label that begins with # is of a column of numbers.
func head(labels ...string) g.Node {
	return el("thead", el("tr", g.Map(labels, func(label string) g.Node {
		name, number := strings.CutPrefix(label, "#")
		return el("th", attr("scope", "col"), g.If(number, attr("class", "n")), text(name))
	})))
}

// A grid is a table that fits a narrow screen: there, each row is a list of its cells, each with the
// label of its column. A label that begins with # is of a column of numbers.
type grid struct {
	label, class string
	columns      []string
}

func (t grid) node(rows g.Node) g.Node {
	return scrolling(t.label, attr("class", "stacked "+t.class), head(t.columns...), el("tbody", rows))
}

// cells are the cells of a row. One that is nil is left out on a narrow screen.
func (t grid) cells(contents ...g.Node) g.Node {
	var out g.Group
	for i, content := range contents {
		label, number := strings.CutPrefix(t.columns[i], "#")
		out = append(out, labeledCell(label, number, content))
	}
	return out
}

// labeledCell is a cell of a stacked table.
func labeledCell(label string, number bool, content g.Node) g.Node {
	var classes []string
	if number {
		classes = append(classes, "n")
	}
	if content == nil {
		classes = append(classes, "none")
	}
	return el("td", g.If(classes != nil, attr("class", strings.Join(classes, " "))), attr("data-label", label), content)
}

// bullets is a list with a class.
func bullets[T any](class string, values []T, item func(T) g.Node) g.Node {
	return el("ul", g.If(class != "", attr("class", class)), g.Map(values, item))
}

// folded shows its content when it is opened.
func folded(summary string, content ...g.Node) g.Node {
	return el("details", el("summary", text(summary)), g.Group(content))
}
