package web

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	g "maragu.dev/gomponents"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/internal/say"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/replay"
)

// A changePage is what the page of a change shows.
type changePage struct {
	Record  *record.Record
	Answers []say.Answer
	Gaps    []say.Gap
	Line    *timeline
	Stages  []stage
	Events  *listing
	Ruled   string // what the policy in force now says of the merge
	Raw     string // the record as JSON
	JSON    string // its address
	Needs   *needs // nil if it waits for no person, as far as is known
	Grants  []usedGrant
}

// A needs is what a change waits for.
type needs struct {
	Yours   bool // the reader may decide
	Missing []string
	Link    string // to the inbox
	Waits   string
}

// A usedGrant is an approval before work that counts for the change.
type usedGrant struct {
	Person, Link string
	At           time.Time
	Withdrawn    bool // it was revoked, or refused later
}

func (p *changePage) page() page {
	return page{Title: titleOfChange(p.Record.Trail.Change), Body: el("article", attr("class", "change"),
		p.header(), p.needs(), p.answers(), p.gaps(), p.line(),
		section("line", "What happened", el("ol", attr("class", "timeline"), g.Map(p.Stages, stageItem))),
		p.controls(), p.atMerge(), p.record(),
	)}
}

// found is the address of the changes that have a value.
func found(field, value string) string { return searchPath(field + ":" + query.Quote(value)) }

func (p *changePage) header() g.Node {
	c, t := p.Record.Trail.Change, p.Record.Trail
	repository := string(c.Repository)
	return el("header",
		paragraph("crumb", anchor("/changes", text("Changes")), text(" › "), anchor(found("changetrail.change.repository", repository), breaks(repository))),
		el("h1", text(cmp.Or(c.Title, string(c.ID)))),
		paragraph("meta", spaced(
			el("code", breaks(string(c.ID))), badge(c.State), when(c.Kind, func(kind string) g.Node { return tagged(kindOf(kind)) }), when(c.InitiatedBy, p.initiator),
			g.If(t.Imported, el("span", attr("class", "tag"), attr("title", "whoever imported the events states when they arrived"), text("imported history"))),
			when(c.URL, func(to string) g.Node {
				return el("a", address(to), attr("rel", "noreferrer"), text("open at the code host"))
			}),
			anchor(p.JSON, text("JSON")))),
		p.service(),
		p.grants(),
		when(c.Naming(), func(names string) g.Node { return paragraph("meta", text("Repository "), breaks(names)) }),
		when(string(c.PartOf), func(id string) g.Node {
			return paragraph("meta", text("Part of "), anchor(changePath(id), el("code", breaks(id))))
		}),
		g.If(len(c.Claimed) > 0, paragraph("meta", spaced(witness(record.Claimed), el("span", text("Supported by claims only: "), listed(c.Claimed, func(field string) g.Node {
			return text(strings.ReplaceAll(field, "_", " "))
		}))))),
	)
}

// needs leads to the inbox if the change waits for a person.
func (p *changePage) needs() g.Node {
	if p.Needs == nil {
		return nil
	}
	heading, to := "Waits for a person", "See it in the inbox"
	if p.Needs.Yours {
		heading, to = "Needs you", "Decide in the inbox"
	}
	return el("section", attr("class", "needs"), attr("aria-labelledby", "needs"), el("h2", attr("id", "needs"), text(heading)),
		paragraph("lacks", el("strong", text("Missing: ")), text(strings.Join(p.Needs.Missing, "; ")+". "), soft(text("It waits "+p.Needs.Waits+"."))),
		el("p", anchor(p.Needs.Link, attr("class", "button"), text(to))))
}

// grants names the approvals before work that count for the change.
func (p *changePage) grants() g.Node {
	if len(p.Grants) == 0 {
		return nil
	}
	return paragraph("meta", text("Approved before the work by "), listed(p.Grants, func(u usedGrant) g.Node {
		word := ""
		if u.Withdrawn {
			word = ", withdrawn"
		}
		return g.Group{text(u.Person + " ("), anchor(u.Link, moment(u.At)), text(word + ")")}
	}))
}

func (p *changePage) initiator(by string) g.Node {
	who := p.Record.Trail.Change.Author
	if by == "agent" {
		who = "agent "
		if p.Record.GenAI != nil {
			who += p.Record.GenAI.Agent.ID
		}
	}
	return tagged("by " + who)
}

func (p *changePage) service() g.Node {
	s := p.Record.Trail.Service
	if s == nil {
		return nil
	}
	var out g.Group
	for _, name := range s.Names {
		out = append(out, el("a", attr("class", "tag"), address(found("service.name", name)), text("service "+name)))
	}
	out = append(out, when(s.Classification, func(c string) g.Node { return tagged("classification: " + c) }))
	for _, class := range s.DataClasses {
		out = append(out, tagged(class+" data"))
	}
	for _, owner := range s.Owners {
		out = append(out, soft(text("owned by "+owner)))
	}
	return paragraph("meta", spaced(out...))
}

func (p *changePage) answers() g.Node {
	if len(p.Answers) == 0 {
		return fourAnswers(el("p", text("This change was not judged yet.")))
	}
	return fourAnswers(g.Map(p.Answers, func(a say.Answer) g.Node {
		d := p.Record.Trail.Decision
		return el("div", attr("class", "answer "+a.Answer), attr("id", a.Name),
			el("h3", text(a.Question)),
			paragraph("verdict", spaced(badge(a.Answer), el("span", text(a.Means)))),
			el("p", text(a.Sentence)),
			g.Iff(a.Name == "alternatives" && d != nil, func() g.Node { return optionList(d.Options) }),
			when(a.AtMerge, func(then string) g.Node {
				return paragraph("soft", textf("At the merge it was %s: %s.", plain(then), say.Means(then)))
			}))
	}))
}

func fourAnswers(content g.Node) g.Node {
	return el("section", attr("aria-labelledby", "four"), el("h2", attr("id", "four"), attr("class", "hidden"), text("The four answers")), el("div", attr("class", "answers"), content))
}

func (p *changePage) gaps() g.Node {
	if len(p.Gaps) == 0 {
		return nil
	}
	return section("gaps", "What is missing or contradictory, and what to do now", bullets("gaps", p.Gaps, func(gap say.Gap) g.Node {
		return el("li", attr("class", gap.Severity),
			el("p", el("span", attr("class", "gap "+gap.Severity), text(gap.Severity)), text(" "), el("strong", text(gap.Means))),
			el("p", text(gap.Advice+" "), el("a", attr("class", "soft"), address(found("changetrail.gaps", gap.Name)), text("all changes with "), el("code", text(gap.Name)))))
	}))
}

func stageItem(s stage) g.Node {
	return el("li", attr("class", "stage"), attr("id", s.Name), el("h3", text(s.Name)), g.Map(s.Steps, stepOf))
}

func stepOf(s replay.Step) g.Node {
	class := "step"
	if s.Missing {
		class += " missing"
	}
	return el("div", attr("class", class),
		paragraph("what", spaced(el("strong", breaks(s.Title)), when(s.Who, func(who string) g.Node { return el("span", attr("class", "who"), text(who)) }),
			moment(s.At), lag(s.Lag()), g.If(s.Imported, lag("imported")), witness(s.Tier))),
		g.Iff(len(s.Options) > 0, func() g.Node { return optionList(s.Options) }),
		g.Iff(len(s.Facts) > 0, func() g.Node { return el("dl", g.Map(s.Facts, factOf)) }),
		g.Iff(len(s.Diff) > 0, func() g.Node { return el("pre", attr("class", "diff"), attr("tabindex", "0"), g.Map(s.Diff, diffLine)) }),
		proof(s))
}

// lag is how late something was received.
func lag(late string) g.Node {
	return when(late, func(late string) g.Node { return el("span", attr("class", "lag"), text(late)) })
}

func factOf(f replay.Fact) g.Node {
	lines := strings.Split(f.Text, "\n")
	content := breaks(short(f.Text))
	if len(lines) > 1 {
		content = bullets("", lines, func(line string) g.Node { return el("li", breaks(line)) })
	}
	return g.Group{el("dt", text(f.Label)), el("dd", content)}
}

func diffLine(l replay.DiffLine) g.Node {
	line := el("span", text("  "+l.Text+"\n"))
	switch l.Kind {
	case "added":
		line = el("ins", text("+ "+l.Text+"\n"))
	case "removed":
		line = el("del", text("- "+l.Text+"\n"))
	case "place":
		line = el("b", text(l.Text+"\n"))
	}
	return line
}

// proof leads to what proves a step.
func proof(s replay.Step) g.Node {
	if s.Digest == "" && s.URL == "" {
		return nil
	}
	at := "Open at its source"
	if s.Stage == replay.Decided {
		at = "Open the log of the run"
	}
	return paragraph("proof", spaced(
		when(s.Digest, func(digest string) g.Node {
			return g.Group{el("a", attr("class", "evidence"), address(evidencePath(digest, s.Finding)), text("Open the evidence")), text(" "), el("code", attr("class", "soft"), text(short(digest)))}
		}),
		when(s.URL, func(to string) g.Node {
			return el("a", attr("class", "log"), address(to), attr("rel", "noreferrer"), text(at))
		})))
}

func (p *changePage) controls() g.Node {
	c := p.Record.Trail.Control
	if c == nil {
		return nil
	}
	return section("controls", "Controls", controlTable.node(g.Map(c.Resolved, controlRow)))
}

var controlTable = grid{"Table of controls", "controls", []string{"Control", "What it is", "Required evidence", "State"}}

func controlRow(c record.ResolvedControl) g.Node {
	between := ""
	if c.Framework != "" && c.Title != "" {
		between = ": "
	}
	needed := func(kind string) g.Node { return text(say.Evidence(kind)) }
	return el("tr", controlTable.cells(
		anchor(found("tags", c.Tag), text(c.Tag)),
		spaced(text(c.Framework+between+c.Title), when(c.Note, func(note string) g.Node { return soft(text(note)) })),
		g.If(len(c.Evidence) > 0, listed(c.Evidence, needed)),
		spaced(
			when(c.Status, func(status string) g.Node {
				return el("span", attr("class", "badge "+status), attr("title", controls.Means(status)), text(plain(status)))
			}),
			g.If(len(c.Missing) > 0, listed(c.Missing, needed)),
			g.If(len(c.Missing) == 0 && len(c.Evidence) == 0, soft(text(controls.Means(c.Status)))))))
}

func (p *changePage) atMerge() g.Node {
	known := p.Record.Trail.AtMerge
	if known == nil {
		return nil
	}
	happened := count(int(known.Events), "event") + " had happened by then."
	if p.Ruled != "" {
		happened += " " + p.Ruled + "."
	}
	return section("then", "What was known at the merge", el("p", text(happened+" "),
		g.If(len(known.Gaps) > 0, g.Group{text("Missing or contradictory at that time: "), spaced(g.Map(known.Gaps, gapName)...)})))
}

// record says what the record is made from, and shows it and its events.
func (p *changePage) record() g.Node {
	t := p.Record.Trail
	after := ". These are the events that changetrail received; an event that nobody sent cannot be among them."
	if t.Imported {
		after += " Some of them were imported as history: whoever imported them states when they arrived."
	}
	if t.LeftOut != 0 {
		after += " " + count(int(t.LeftOut), "event") + " beyond the limit of a record were left out."
	}
	return section("record", "Record",
		el("p", textf("Revision %d, fingerprint (digest) ", t.Revision), el("code", text(t.EvidenceDigest)), text(", made from "+p.Events.Count+after)),
		p.Events.node(),
		folded("The record as JSON", el("pre", attr("tabindex", "0"), text(p.Raw))))
}

// node is the page of events as a table.
func (l *listing) node() g.Node {
	return el("details", attr("id", "events"), g.If(l.Asked, flag("open")), el("summary", textf("Events, %d", l.Total)),
		paragraph("orders", g.Map(l.Orders, func(o ordering) g.Node {
			return g.Group{el("a", address(o.Link), g.If(o.Chosen, g.Group{attr("aria-current", "true"), attr("class", "picked")}), text(o.Label)), text(" ")}
		}), anchor(l.All, text("all as JSON, one per line"))),
		eventTable.node(g.Map(l.Events, eventRow)),
		g.If(l.Before != "" || l.Next != "", pager("Pages of events", l.Before, l.Next, fmt.Sprintf("%d to %d of %d", l.First, l.Last, l.Total))),
	)
}

var eventTable = grid{"Table of events", "events", []string{"Happened", "Arrived", "Witness", "What", "It names", "From", "Id"}}

func eventRow(e replay.Event) g.Node {
	what := e.Action
	if e.Message != "" {
		what += ": " + e.Message
	}
	return el("tr", eventTable.cells(
		moment(e.Stated),
		spaced(moment(e.Arrived), lag(e.Lag()), g.If(e.Imported, lag("imported"))),
		witness(e.Witness),
		text(what),
		when(tie(e.Names), text),
		spaced(text(e.Source), when(e.Sender, func(sender string) g.Node { return soft(text(sender)) })),
		el("code", text(e.ID))))
}

// pager leads to the pages before and after this one.
func pager(label, before, next, here string) g.Node {
	to := func(rel, label string) func(string) g.Node {
		return func(to string) g.Node { return el("a", address(to), attr("rel", rel), text(label)) }
	}
	return el("nav", attr("class", "pages"), attr("aria-label", label), spaced(
		when(before, to("prev", "← before")), when(here, func(here string) g.Node { return el("span", text(here)) }), when(next, to("next", "after →"))))
}
