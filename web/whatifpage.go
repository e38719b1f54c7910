package web

import (
	"fmt"
	"strings"

	g "maragu.dev/gomponents"

	"github.com/changetrail/changetrail/policy/whatif"
)

// A whatIfPage is how many people would be asked under other policies.
type whatIfPage struct {
	Days      int
	Away      string   // why there is no answer
	Only      []string // repositories that the reader may read, if not all
	Rows      []whatIfRow
	Decided   int
	Undecided int
	Read      int
	Cut       bool
}

// A whatIfRow is one policy.
type whatIfRow struct {
	Name, Command       string
	ADay                float64 // requests to people
	Asked, Stopped      int     // changes that need a person, and those that nobody can allow
	Busiest             string
	Most                int // requests on the busiest day
	BadWaiting, BadFree int // changes that turned out bad: those that a person would have had to allow, and all others
	InForce             bool
}

func (p *whatIfPage) fill(a *whatIfAnswer) {
	p.Read, p.Cut = a.Read, a.Cut
	for i, one := range a.Reports {
		r := one.Report
		if i == 0 {
			p.Decided = r.Decided
			for _, u := range r.Undecided {
				p.Undecided += u.Changes
			}
			p.Rows = append(p.Rows, rowOfTotals("in force", "", r.InForce))
			p.Rows[0].InForce = true
		}
		row := rowOfTotals(one.Name, one.Command, r.Instead)
		row.BadWaiting = r.Bad.Waiting + r.Bad.Stopped
		row.BadFree = r.Bad.Seen + r.Bad.Freed + r.Bad.Same
		p.Rows = append(p.Rows, row)
	}
}

func rowOfTotals(name, command string, t whatif.Totals) whatIfRow {
	return whatIfRow{Name: name, Command: command, ADay: t.ADay, Asked: t.Asked, Stopped: t.Stopped, Busiest: t.Busiest, Most: t.Most}
}

var whatIfTable = grid{"Table of policies", "whatif", []string{"Policy", "#Requests a day", "#Busiest day", "#Need a person", "#Nobody can allow", "#Bad ones stopped", "All details"}}

func (p *whatIfPage) page() page {
	body := g.Group{inboxHead("/inbox/what-if", "What if the policy asked more, or less?")}
	if p.Away != "" {
		return page{Title: "What if", Body: append(body, el("p", attr("class", "error"), attr("role", "alert"), text("There is no answer at the moment: "+strings.TrimSuffix(p.Away, ".")+".")),
			el("p", text("The command "), el("code", text(whatIfCommand+" --threshold high")), text(" answers the same question.")))}
	}
	cut := fmt.Sprintf("Read: %s records.", grouped(int64(p.Read)))
	if p.Cut {
		cut = fmt.Sprintf("There are more records than the %s that were read, so these numbers are too small. The commands read all.", grouped(int64(p.Read)))
	}
	return page{Title: "What if", Body: append(body,
		el("p", textf("The changes of agents that were merged in the last %d days, decided again: how many requests to people there would have been, how many changes need a person, and how many nobody can allow. A threshold decides only where no rule of the policy does.", p.Days)),
		g.If(p.Cut, paragraph("note", text(cut))),
		whatIfTable.node(g.Map(p.Rows, whatIfRow.node)),
		paragraph("soft", textf("Decided: %s. ", count(p.Decided, "change")), text(fmt.Sprintf("Not decided, because their records do not say enough: %s. ", grouped(int64(p.Undecided)))), g.If(!p.Cut, text(cut+" ")),
			text("A bad change had failing tests, was reverted, failed in a deployment or caused an incident. It is counted as stopped if a person would have had to allow it, and none had approved it. "+readsOnly(p.Only))))}
}

func (r whatIfRow) node() g.Node {
	name := el("strong", text(r.Name))
	if r.InForce {
		return el("tr", attr("class", "picked"), whatIfTable.cells(name, text(perDay(r.ADay)), r.busiest(), text(fmt.Sprint(r.Asked)), text(fmt.Sprint(r.Stopped)), nil, nil))
	}
	return el("tr", whatIfTable.cells(name, text(perDay(r.ADay)), r.busiest(), text(fmt.Sprint(r.Asked)), text(fmt.Sprint(r.Stopped)),
		textf("%d of %d", r.BadWaiting, r.BadWaiting+r.BadFree), el("code", text(r.Command))))
}

func perDay(n float64) string { return fmt.Sprintf("%.1f", n) }

func (r whatIfRow) busiest() g.Node {
	if r.Most == 0 {
		return text("0")
	}
	return g.Group{text(fmt.Sprint(r.Most)), el("br"), soft(text(r.Busiest))}
}
