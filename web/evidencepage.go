package web

import (
	"fmt"
	"net/url"
	"strings"

	g "maragu.dev/gomponents"

	"github.com/changetrail/changetrail/evidence"
	"github.com/changetrail/changetrail/record"
)

// An evidencePage is what the page of a file shows.
type evidencePage struct {
	Digest  string
	Size    int
	Masked  bool // secrets are hidden
	Uses    []use
	Find    string           // the finding to look for, if any
	Report  *evidence.Result // nil if it is none
	Finding *record.Finding  // the one to look for
	Rest    []record.Finding // the others, as many as are shown
	More    int              // how many more there are
	Binary  bool
	Marks   []fileLine
	Cut     bool // Marks are not all lines
}

// evidencePath is the address of the page of a file.
func evidencePath(digest, finding string) string {
	path := "/evidence/" + url.PathEscape(digest)
	if finding != "" {
		path += "?find=" + url.QueryEscape(finding)
	}
	return path
}

func (p *evidencePage) page() page {
	title := titleOf(p.Report, p.Uses)
	download := "Download the exact file"
	if p.Masked {
		download = "Download"
	}
	return page{Title: title, Body: g.Group{
		el("h1", text(title)),
		paragraph("meta", spaced(el("code", text(p.Digest)), soft(text(count(p.Size, "byte"))),
			g.Iff(p.Report != nil, func() g.Node { return tagged(p.Report.Format) }), anchor("/v1/blobs/"+url.PathEscape(p.Digest), text(download)))),
		g.If(p.Masked, paragraph("note", text("Secrets are hidden here. The digest is that of the stored file."))),
		p.finding(), p.uses(), p.tests(), p.rest(), p.file(),
	}}
}

// finding is what the agent named.
func (p *evidencePage) finding() g.Node {
	f := p.Finding
	if f == nil {
		return g.If(p.Find != "" && p.Report != nil, paragraph("error", textf("This report does not contain %s.", p.Find)))
	}
	entry := func(name string, about ...g.Node) g.Node { return g.Group{el("dt", text(name)), el("dd", about...)} }
	return section("found", "What the agent named", el("dl", attr("class", "wide"),
		entry("finding", names(*f)),
		entry("severity", rated(*f)),
		when(f.Title, func(title string) g.Node { return entry("title", text(title)) }),
		when(f.Package, func(name string) g.Node { return entry("package", text(name+" "+f.Installed)) }),
		when(f.Fixed, func(version string) g.Node { return entry("fixed in", text(version)) }),
		when(f.Path, func(path string) g.Node { return entry("in", breaks(path), text(lineOf(*f))) })))
}

func names(f record.Finding) g.Node {
	return spaced(g.Map(f.Names(), func(name string) g.Node { return el("code", text(name)) })...)
}

// rated is the severity of a finding, and its score where there is one.
func rated(f record.Finding) g.Node {
	if f.Score == 0 {
		return badge(f.Severity)
	}
	return g.Group{badge(f.Severity), text(fmt.Sprintf(" %v", f.Score))}
}

func lineOf(f record.Finding) string {
	if f.Line == 0 {
		return ""
	}
	return fmt.Sprintf(":%d", f.Line)
}

// uses are the changes that rest on the file.
func (p *evidencePage) uses() g.Node {
	if len(p.Uses) == 0 {
		return nil
	}
	return section("uses", "Changes that use it", g.Map(p.Uses, func(u use) g.Node {
		heading := u.Label
		if u.Total > 0 {
			heading += ": " + count(u.Total, "change")
		}
		return g.Group{
			el("h3", text(heading)),
			bullets("uses", u.Changes, func(c usedBy) g.Node {
				return el("li", anchor(changePath(string(c.ID)), breaks(string(c.ID))), text(" "+c.Title))
			}),
			g.If(u.Total > len(u.Changes), el("p", anchor(u.Link, text("all "+count(u.Total, "change"))))),
		}
	}))
}

// tests are the results of a run of tests, and what of any report was not understood.
func (p *evidencePage) tests() g.Node {
	r := p.Report
	if r == nil {
		return nil
	}
	item := func(line string) g.Node { return el("li", text(line)) }
	var out g.Group
	if !r.Scan {
		out = append(out, el("p", badge(r.Conclusion), textf(" %d passed, %d failed, %d skipped", r.Passed, r.Failed, r.Skipped)))
		if len(r.Failing) > 0 {
			out = append(out, el("h2", text("Failing")), bullets("", r.Failing, item))
		}
	}
	if len(r.Partial) > 0 {
		out = append(out, el("h2", text("Not understood")), bullets("", r.Partial, item))
	}
	return out
}

// rest are the other findings of the report.
func (p *evidencePage) rest() g.Node {
	if len(p.Rest) == 0 {
		return nil
	}
	heading := "In the report, most severe first"
	if p.Finding != nil {
		heading = "Also in the report, most severe first"
	}
	return section("rest", heading,
		findingTable.node(g.Map(p.Rest, func(f record.Finding) g.Node {
			return el("tr", findingTable.cells(
				rated(f), names(f), when(f.Title, text),
				g.Group{text(strings.TrimLeft(f.Package+" "+f.Installed+" ", " ")), breaks(f.Path), text(lineOf(f))},
				when(f.Fixed, text)))
		})),
		g.If(p.More > 0, el("p", textf("The file has %d more.", p.More))))
}

var findingTable = grid{"Table of findings", "findings", []string{"Severity", "Finding", "Title", "Where", "Fixed in"}}

// file shows the lines of the file.
func (p *evidencePage) file() g.Node {
	if p.Binary {
		return section("file", "The file itself", el("p", text("This is a binary file; download it.")))
	}
	return section("file", "The file itself",
		g.If(p.Cut, el("p", text("Only a part is shown; download the file to see the rest."))),
		el("pre", attr("class", "file"), attr("tabindex", "0"), g.Map(p.Marks, func(l fileLine) g.Node {
			line := text(l.Text)
			if l.Hit {
				line = el("mark", line)
			}
			return g.Group{el("span", attr("class", "no"), text(fmt.Sprint(l.Number))), line, text("\n")}
		})))
}
