package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/say"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
)

// A standing is how well a change by an agent can be shown: the worst of its four answers.
type standing struct {
	Class, Label string
	Query        string
}

// byAgents finds the changes by agents.
const byAgents = "changetrail.change.initiated_by:agent"

// standings from the best to the worst. Each change by an agent has one of them.
func standings() []standing {
	any := func(answer string) string { return "(" + anyOf(answer, answers) + ")" }
	is, not := func(a string) string { return " AND " + any(a) }, func(a string) string { return " AND NOT " + any(a) }
	return []standing{
		{record.Proven, "all proven", byAgents + not(record.Contradicted) + not(record.Unproven) + not(record.Partial) + not(record.Pending) + " AND _exists_:changetrail.answers"},
		{record.Pending, "pending", byAgents + is(record.Pending) + not(record.Contradicted) + not(record.Unproven) + not(record.Partial)},
		{record.Partial, "partial", byAgents + is(record.Partial) + not(record.Contradicted) + not(record.Unproven)},
		{record.Unproven, "unproven", byAgents + is(record.Unproven) + not(record.Contradicted)},
		{record.Contradicted, "contradicted", byAgents + is(record.Contradicted)},
	}
}

const (
	mostServices = 12
	mostAgents   = 8
	mostGaps     = 12
	mostOpen     = 8
)

// overview is the first page: how well changes by agents can be shown; each number is a search.
func (s *server) overview(w http.ResponseWriter, r *http.Request) error {
	asked := r.URL.Query()
	asked.Set("since", cmp.Or(asked.Get("span"), "90d"))
	v, err := s.read(asked)
	if err != nil {
		return err
	}
	o := &overviewer{server: s, ctx: r.Context(), span: v}
	s.Access.Note(r, "list", "overview of "+v.Since)
	p := overviewPage{Span: v.Since, Only: access.Of(r.Context()).Only()}
	for _, fill := range []func(*overviewPage) error{o.standing, o.gaps, o.pending, o.fixes} {
		if err := fill(&p); err != nil {
			return err
		}
	}
	return s.render(w, r, http.StatusOK, p.page())
}

// An overviewer counts for one page.
type overviewer struct {
	*server
	ctx  context.Context //nolint:containedctx // it lives as long as one request
	span *view
}

// in is the view of a search text in the span of the page.
func (o *overviewer) in(text string) *view {
	return o.span.with(func(v *view) { v.Query = text })
}

// find searches for a text in the span of the page.
func (o *overviewer) find(text string, q query.Request) (*query.Result, error) {
	v := o.in(text)
	if err := o.resolve(v); err != nil {
		return nil, err
	}
	q.Where = v.where
	return o.Index.Search(o.ctx, q)
}

// A number of changes, and the search that finds them.
type number struct {
	Class, Label, Means string
	N, Percent          int
	Link                string
}

// standing fills in the answers over time, by service and by control.
func (o *overviewer) standing(p *overviewPage) error {
	from, to, _ := o.span.asked(o.Now())
	var all []series
	var numbers []number
	services, controls := make(counted), make(counted)
	total := 0
	for i, st := range standings() {
		res, err := o.find(st.Query, query.Request{Interval: over(from, to, true), Facets: []string{"service.name", "tags"}, FacetSize: moreSize})
		if err != nil {
			return err
		}
		total += res.Total
		link := o.in(st.Query).here()
		all = append(all, series{Class: st.Class, Label: st.Label, Link: link, Buckets: res.Histogram})
		numbers = append(numbers, number{Class: st.Class, Label: st.Label, Means: say.Means(st.Class), N: res.Total, Link: link})
		services.add(i, res.Facets["service.name"])
		controls.add(i, res.Facets["tags"])
	}
	for i, percent := range percents(numbers, total) {
		numbers[i].Percent = percent
	}
	p.Total, p.Numbers = total, numbers
	p.AgentsLink = o.in(byAgents).here()
	p.Plot = chart{from, to, interval(to.Sub(from)), all, func(from, to string) string {
		return o.in(byAgents).with(func(v *view) { v.Since, v.From, v.To = "", from, to }).here()
	}, "change"}.drawn()
	p.Services = o.bars("service.name", services)
	p.Controls = o.bars("tags", controls)
	if total == 0 {
		everything, err := o.Index.Search(o.ctx, query.Request{Where: query.All{}})
		if err != nil {
			return err
		}
		p.Empty = everything.Total == 0
	}
	return nil
}

// percents are the parts of a total in percent. They sum to 100: those with the largest remainders
// are rounded up. A part that is less than the total is never 100.
func percents(parts []number, total int) []int {
	out, order, left := make([]int, len(parts)), make([]int, len(parts)), 100
	for i, p := range parts {
		out[i], order[i] = percent(p.N, total), i
		left -= out[i]
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return parts[b].N*100%max(1, total) - parts[a].N*100%max(1, total)
	})
	for _, i := range order {
		if left > 0 && parts[i].N > 0 && out[i] < 99 {
			out[i]++
			left--
		}
	}
	return out
}

func percent(n, of int) int {
	if of == 0 {
		return 0
	}
	return n * 100 / of // rounded down: not all is never 100
}

// counted are counts of each value, by the place of the standing.
type counted map[string]*[5]int

func (c counted) add(standing int, counts []query.Count) {
	for _, v := range counts {
		if c[v.Value] == nil {
			c[v.Value] = new([5]int)
		}
		c[v.Value][standing] += v.N
	}
}

// A cut says how many rows of a list are shown, and leads to all of them.
type cut struct {
	Shown, Total int
	Least        bool // there may be more than Total: the index counts no more values
	Link         string
}

// Is reports whether rows are left out.
func (c cut) Is() bool { return c.Shown < c.Total || c.Least }

// cutOf says how many of the values of a field are shown, and leads to the list of all.
func (o *overviewer) cutOf(field string, shown, total int) cut {
	all := o.in(byAgents).with(func(v *view) { v.More = field })
	return cut{Shown: shown, Total: total, Least: total >= moreSize, Link: all.here()}
}

// bars are the readiness by the values of a field, as many as are shown.
type bars struct {
	Cut  cut
	Rows []readiness
}

// A readiness says how many of the changes of one service, or in the scope of one control, have
// which answers.
type readiness struct {
	Name, Link string
	Total      int
	Percent    int // of those whose answers are all proven
	Parts      []widthPart
}

// A widthPart is a part of a horizontal bar: X and W in hundredths.
type widthPart struct {
	Class, Label string
	X, W         float64
	N            int
	Link         string
}

// bars returns the readiness by the values of a field, those with most to do first.
func (o *overviewer) bars(field string, counts counted) bars {
	var out []readiness
	for name, c := range counts {
		total := sum(c[:])
		out = append(out, readiness{Name: name, Total: total, Percent: percent(c[0], total)})
	}
	slices.SortFunc(out, func(a, b readiness) int {
		return cmp.Or(a.Percent-b.Percent, b.Total-a.Total, strings.Compare(a.Name, b.Name))
	})
	rows := out[:min(len(out), mostServices)]
	for i, row := range rows {
		at := field + ":" + query.Quote(row.Name) + " AND "
		rows[i].Link, rows[i].Parts = o.in(at+byAgents).here(), o.parts(at, counts[row.Name])
	}
	return bars{o.cutOf(field, len(rows), len(out)), rows}
}

// parts returns the parts of a bar. Its changes are those that a search finds that begins with at.
func (o *overviewer) parts(at string, counts *[5]int) (out []widthPart) {
	x, total := 0., float64(sum(counts[:]))
	for i, st := range standings() {
		if n := counts[i]; n > 0 {
			width := float64(n) * 100 / total
			out = append(out, widthPart{st.Class, st.Label, x, width, n, o.in(at + st.Query).here()})
			x += width
		}
	}
	return out
}

// A gapRow is one gap, and how often each agent has it.
type gapRow struct {
	say.Gap
	Link  string
	Total int
	Cells []gapCell
}

type gapCell struct {
	Agent string
	N     int
	Class string
	Link  string
}

// gaps fills in the gaps by agent.
func (o *overviewer) gaps(p *overviewPage) error {
	res, err := o.find(byAgents, query.Request{Facets: []string{"gen_ai.agent.id", "changetrail.gaps"}, FacetSize: moreSize})
	if err != nil {
		return err
	}
	agents, gaps := res.Facets["gen_ai.agent.id"], res.Facets["changetrail.gaps"]
	p.AgentsCut = o.cutOf("gen_ai.agent.id", min(len(agents), mostAgents), len(agents))
	p.GapsCut = o.cutOf("changetrail.gaps", min(len(gaps), mostGaps), len(gaps))
	agents = agents[:min(len(agents), mostAgents)]
	rows := make([]gapRow, 0, mostGaps)
	for _, g := range gaps[:min(len(gaps), mostGaps)] {
		rows = append(rows, gapRow{Gap: say.GapOf(nil, g.Value), Total: g.N, Link: o.in(byAgents + " AND changetrail.gaps:" + g.Value).here()})
	}
	for _, a := range agents {
		of := "gen_ai.agent.id:" + query.Quote(a.Value)
		counts, err := o.find(of, query.Request{Facets: []string{"changetrail.gaps"}, FacetSize: moreSize})
		if err != nil {
			return err
		}
		for i := range rows {
			c := gapCell{Agent: a.Value, Link: o.in(of + " AND changetrail.gaps:" + rows[i].Name).here()}
			if k := slices.IndexFunc(counts.Facets["changetrail.gaps"], func(c query.Count) bool { return c.Value == rows[i].Name }); k >= 0 {
				c.N = counts.Facets["changetrail.gaps"][k].N
				c.Class = heat(c.N, a.N)
			}
			rows[i].Cells = append(rows[i].Cells, c)
		}
	}
	p.Gaps, p.Agents = rows, agents
	return nil
}

// heat says how large a part of an agent's changes has a gap.
func heat(n, of int) string {
	switch share := float64(n) / float64(max(1, of)); {
	case share >= .1:
		return "heat3"
	case share >= .03:
		return "heat2"
	}
	return "heat1"
}

// An openChange waits for something.
type openChange struct {
	ID      record.ChangeID
	Title   string
	Since   time.Time
	Waiting []string
}

// pending fills in the open changes that wait for evidence, the oldest first.
func (o *overviewer) pending(p *overviewPage) error {
	text := "changetrail.change.state:open AND " + standings()[1].Query
	v := &view{Query: text, Sort: "changetrail.change.opened_at", Page: 1} // of all time: what waits is not over
	if err := o.resolve(v); err != nil {
		return err
	}
	res, err := o.Index.Search(o.ctx, query.Request{Where: v.where, Size: mostOpen, Sort: v.sort})
	if err != nil {
		return err
	}
	var list []openChange
	for _, h := range res.Hits {
		doc, err := query.ReadDoc(h.Doc)
		if err != nil {
			return err
		}
		c := openChange{ID: record.ChangeID(doc.Text("changetrail.change.id")), Title: doc.Text("changetrail.change.title")}
		c.Since, _ = time.Parse(time.RFC3339Nano, doc.Text("changetrail.change.opened_at")) // it may not be known
		for i, a := range answers {
			if doc.Text(a) == record.Pending {
				c.Waiting = append(c.Waiting, []string{"trigger", "alternatives", "authorization", "review"}[i])
			}
		}
		list = append(list, c)
	}
	p.Open, p.OpenTotal, p.OpenLink = list, res.Total, v.here()
	return nil
}
