package pack

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	g "maragu.dev/gomponents"

	"github.com/changetrail/changetrail/audit"
	"github.com/changetrail/changetrail/internal/say"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/replay"
)

// The page is made as those of package web are: gomponents escapes all texts and values. Names of
// elements and attributes are constants, and links lead into the pack, or to http and https alone.

func el(name string, children ...g.Node) g.Node { return g.El(name, children...) }
func attr(name, value string) g.Node            { return g.Attr(name, value) }
func text(s string) g.Node                      { return g.Text(s) }
func textf(f string, values ...any) g.Node      { return text(fmt.Sprintf(f, values...)) }
func cell(children ...g.Node) g.Node            { return el("td", children...) }

// style has no address in it: the page loads nothing.
const style = `
:root{color-scheme:light}
body{font:16px/1.5 system-ui,sans-serif;color:#1b1b1b;background:#fff;max-width:72rem;margin:0 auto;padding:1.5rem}
h1{font-size:1.8rem}h2{margin-top:2.5rem;border-bottom:2px solid #1b1b1b}h3{margin-top:2rem}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid #bbb;overflow-wrap:break-word}
a{color:#0b57d0}.proven,.not-required,.ok{color:#146c2e}.contradicted,.deviation{color:#a50e0e;font-weight:600}
.partial,.unproven,.pending,.unknown{color:#7a4f01}
.sign{margin-top:2rem;border:1px solid #1b1b1b;padding:1rem}.sign p{margin:.2rem 0 2rem}
.scroll{overflow-x:auto}code{font-size:.85em;overflow-wrap:anywhere}
@media print{body{max-width:none;padding:0;font-size:10pt}h2{break-before:page}article,tr{break-inside:avoid}.cover h2{break-before:auto}a{color:inherit}}
`

// index writes the page.
func (w *writer) index(out io.Writer) error {
	title := "Evidence pack"
	if _, err := io.WriteString(out, "<!doctype html>\n"); err != nil {
		return err
	}
	return el("html", attr("lang", "en"),
		el("head",
			el("meta", attr("charset", "utf-8")), el("meta", attr("name", "viewport"), attr("content", "width=device-width, initial-scale=1")),
			el("meta", attr("http-equiv", "Content-Security-Policy"), attr("content", "default-src 'none'; style-src 'unsafe-inline'")),
			el("title", text(title)), el("style", g.Raw(style)),
		),
		el("body", el("main",
			el("div", attr("class", "cover"), el("h1", text(title)), w.asked(), w.found(), w.cannot(), sign()),
			w.sampleTable(), w.controls(), w.completeness(), w.method(),
			el("h2", text("The changes")), g.Map(w.changes, change),
		)),
	).Render(out)
}

func (w *writer) asked() g.Node {
	p, s := w.pack.Population, w.pack.Sample
	return g.Group{
		el("h2", text("What was asked")),
		el("p", textf("Of each change of the sample: which scan output triggered the agent, which alternatives did it consider and reject, was it authorized to change that service, and who reviewed before the merge?")),
		el("h2", text("Of what population")),
		el("p", textf("%d %s.", len(p.Items), p.Question)),
		el("p", textf("The sample is %d of them, drawn with the seed %d. ", len(s.Items), s.Plan.Seed), link("population.csv", "population.csv"), text(" lists the population; its SHA-256 digest is "), el("code", text(p.Digest)), text(".")),
	}
}

// found says how many of the answers are proven.
func (w *writer) found() g.Node {
	var rows []g.Node
	for _, r := range w.pack.Sample.Rates {
		if r.Of == 0 {
			continue
		}
		rows = append(rows, el("tr", el("th", attr("scope", "row"), text(questionOf(r.Question))), cell(textf("%d of %d", r.Tested-r.Deviations, r.Tested)), cell(textf("%d", r.Deviations)), cell(textf("%.1f %%", r.Limit*100)), cell(textf("%d of %d", r.DeviationsOf, r.Of))))
	}
	return g.Group{
		el("h2", text("What was found")),
		table("What was found", []string{"question", "answered with proof, or not required", "not proven", "upper limit of the rate", "not proven in the population, by its records"}, rows),
		el("p", textf("The upper limit holds with %g %% confidence among the changes of the population to which the question applies.", w.pack.Sample.Plan.Confidence*100)),
	}
}

// cannot says what nobody can say: checks that did not end as ok, and evidence that is not here.
func (w *writer) cannot() g.Node {
	var points []g.Node
	for _, c := range w.pack.Population.Checks {
		if c.Status != audit.OK {
			points = append(points, el("li", text(c.Text)))
		}
	}
	for _, lack := range w.lacks() {
		points = append(points, el("li", textf("Not in this pack: %s", lack)))
	}
	points = append(points, el("li", text("A change that no system reported is in no list. Compare the population with the history of the code host (changetrail audit reconcile).")))
	return g.Group{el("h2", text("What cannot be said")), el("ul", points...)}
}

// sign is where the auditor signs.
func sign() g.Node {
	return el("section", attr("class", "sign"), attr("aria-label", "Signature"),
		el("p", text("Examined by (name, date, signature):")), el("p", text("Reviewed by (name, date, signature):")),
	)
}

func (w *writer) sampleTable() g.Node {
	var rows []g.Node
	for _, c := range w.changes {
		by := map[string]string{"human": "person"}[c.InitiatedBy]
		if by == "" {
			by = c.InitiatedBy
		}
		if c.Agent != "" {
			by = "agent " + c.Agent
		} else if c.Author != "" {
			by += " " + c.Author
		}
		cells := []g.Node{
			cell(textf("%d", c.n)), cell(el("a", attr("href", "#"+c.anchor()), breaking(string(c.Change)))), cell(text(c.MergedAt.Format("2006-01-02 15:04"))), cell(text(by)),
			cell(text(strings.Join(c.Services, ", "))), cell(text(c.Class)),
		}
		for _, q := range audit.Questions {
			cells = append(cells, cell(answer(c.Answer(q))))
		}
		rows = append(rows, el("tr", cells...))
	}
	return g.Group{
		el("h2", attr("id", "sample"), text("The sample")),
		table("The sample", []string{"no.", "change", "merged (UTC)", "made by", "services", "class", "trigger", "alternatives", "authorized", "reviewed"}, rows),
		el("p", link("sample.csv", "sample.csv"), text(" is the same as a table for spreadsheets.")),
	}
}

// controls lists the samples of each control.
func (w *writer) controls() g.Node {
	of := make(map[string][]*packed)
	var tags []string
	for _, c := range w.changes {
		for _, tag := range c.Controls {
			if of[tag] == nil {
				tags = append(tags, tag)
			}
			of[tag] = append(of[tag], c)
		}
	}
	slices.Sort(tags)
	var rows []g.Node
	for _, tag := range tags {
		var links []g.Node
		shown := 0
		for i, c := range of[tag] {
			if i > 0 {
				links = append(links, text(" "))
			}
			if k := c.story.Record.Trail.Control; k != nil && slices.Contains(k.Shown, tag) {
				shown++
			}
			links = append(links, link("#"+c.anchor(), fmt.Sprintf("%d", c.n)))
		}
		rows = append(rows, el("tr", el("th", attr("scope", "row"), text(tag)), cell(textf("%d of %d", shown, len(of[tag]))), cell(links...)))
	}
	if rows == nil {
		rows = []g.Node{el("tr", cell(attr("colspan", "3"), text("No control applies to a change of the sample.")))}
	}
	return g.Group{el("h2", text("By control")), table("By control", []string{"control", "all required evidence is there", "samples"}, rows)}
}

func (w *writer) completeness() g.Node {
	var rows []g.Node
	for _, c := range w.pack.Population.Checks {
		content := []g.Node{text(c.Text)}
		if len(c.Details) > 0 {
			content = append(content, el("ul", g.Map(c.Details, func(d string) g.Node { return el("li", text(d)) })))
		}
		if more := c.Total - len(c.Details); more > 0 {
			content = append(content, textf("And %d more.", more))
		}
		rows = append(rows, el("tr", el("th", attr("scope", "row"), text(c.Name)), cell(attr("class", string(c.Status)), text(string(c.Status))), cell(content...)))
	}
	return g.Group{el("h2", text("Is the population complete?")), table("Is the population complete?", []string{"check", "result", "what was compared"}, rows)}
}

func (w *writer) method() g.Node {
	var strata []g.Node
	for _, s := range w.pack.Sample.Strata {
		strata = append(strata, el("li", textf("%s: %d of %d, the numbers %s", s.Name, s.Taken, s.Size, strings.Trim(fmt.Sprint(s.Drawn), "[]"))))
	}
	return g.Group{
		el("h2", text("Draw the sample again, and check this pack")),
		el("p", textf("Sort population.csv by the column change, which is how it is sorted, and number the lines of each stratum from 1. Begin with the seed %d; the next number is always MOD(16807*x, 2147483647). Skip the first ten. Each further number x draws line INT(x*N/2147483647)+1 of the stratum, where N is the number of its lines; skip a line that was drawn before. Go on with the next stratum, in the order of the names:", w.pack.Sample.Plan.Seed)),
		el("ul", strata...),
		el("p", el("code", text("sha256sum -c SHA256SUMS")), text(" checks each file of this pack. "), el("code", text("changetrail replay --check changes/001")), text(" checks that a record is what its events and its evidence say, offline.")),
		g.If(len(w.pack.Rules) > 0, el("p", text("The policies and control matrices by which these changes were judged: "), links(w.pack.Rules))),
	}
}

func links(rules []Rule) g.Node {
	var out g.Group
	for i, r := range rules {
		if i > 0 {
			out = append(out, text(", "))
		}
		out = append(out, link(r.path(), r.Kind+" "+r.Digest))
	}
	return out
}

// breaking is a text that may be broken after each slash.
func breaking(s string) g.Node {
	var out g.Group
	for part := range strings.SplitAfterSeq(s, "/") {
		out = append(out, text(part), el("wbr"))
	}
	return out
}

func (c *packed) anchor() string { return fmt.Sprintf("change-%d", c.n) }

// change is one change of the sample.
func change(c *packed) g.Node {
	r := c.story.Record
	nodes := []g.Node{
		attr("id", c.anchor()),
		el("h3", textf("%d. %s", c.n, c.Change)),
		el("p", text(c.Title), textf(" — merged %s UTC", c.MergedAt.Format("2006-01-02 15:04:05"))),
	}
	if u := r.Trail.Change.URL; isWeb(u) {
		nodes = append(nodes, el("p", link(u, "At the code host")))
	}
	var answers []g.Node
	for _, a := range say.Answers(r) {
		said := []g.Node{text(a.Sentence)}
		if a.AtMerge != "" {
			said = append(said, textf(" At the merge the answer was: %s.", a.AtMerge))
		}
		answers = append(answers, el("tr", el("th", attr("scope", "row"), text(a.Question)), cell(answer(a.Answer)), cell(said...)))
	}
	nodes = append(nodes, table(fmt.Sprintf("Answers about change %d", c.n), []string{"question", "answer", "why"}, answers), c.gaps(), c.evidence(), c.timeline(), el("p", link("#sample", "Back to the sample")))
	return el("article", nodes...)
}

func (c *packed) gaps() g.Node {
	gaps := say.Gaps(c.story.Record)
	if len(gaps) == 0 {
		return nil
	}
	return g.Group{el("h4", text("What is missing or contradictory")), el("ul", g.Map(gaps, func(gap say.Gap) g.Node {
		return el("li", el("strong", text(gap.Title)), textf(" (%s): %s %s", gap.Severity, gap.Means, gap.Advice))
	}))}
}

// evidence links the files of the change.
func (c *packed) evidence() g.Node {
	var files []g.Node
	for _, f := range c.manifest.Files {
		files = append(files, el("li", link(c.folder+"/"+f.Path, f.What), textf(" (%d bytes)", f.Size)))
	}
	for _, lack := range c.lacks {
		files = append(files, el("li", textf("Not here: %s", lack)))
	}
	return g.Group{el("h4", text("Evidence")), el("ul", files...)}
}

func (c *packed) timeline() g.Node {
	var rows []g.Node
	for _, s := range c.story.Steps {
		at := "time unknown"
		if !s.At.IsZero() {
			at = s.At.UTC().Format("2006-01-02 15:04:05")
		}
		rows = append(rows, el("tr", cell(text(at)), cell(text(string(s.Stage))), cell(text(s.Title), optionsOf(s)), cell(text(s.Who)), cell(text(s.Tier))))
	}
	return g.Group{el("h4", text("Time line")), table(fmt.Sprintf("Time line of change %d", c.n), []string{"time (UTC)", "stage", "what", "who", "witness"}, rows)}
}

// optionsOf lists what the agent considered.
func optionsOf(s replay.Step) g.Node {
	if len(s.Options) == 0 {
		return nil
	}
	return el("ul", g.Map(s.Options, func(o record.Option) g.Node {
		return el("li", textf("%s: %s. %s", o.Outcome, say.Title(o), o.Reason))
	}))
}

func answer(a string) g.Node {
	if a == "" {
		return text("not asked")
	}
	return el("span", attr("class", a), text(a))
}

func questionOf(name string) string {
	return map[string]string{
		"trigger": "Which scan output triggered the agent?", "alternatives": "Which alternatives did it consider and reject?",
		"authorized": "Was it authorized to change that service?", "reviewed": "Who reviewed before merge?",
	}[name]
}

// table is a table that scrolls on a narrow screen. what names it for people who do not see it.
func table(what string, head []string, rows []g.Node) g.Node {
	return el("div", attr("class", "scroll"), attr("tabindex", "0"), attr("role", "region"), attr("aria-label", what),
		el("table", el("thead", el("tr", g.Map(head, func(h string) g.Node { return el("th", attr("scope", "col"), text(h)) }))), el("tbody", rows...)))
}

// link leads to a file or a place of the pack, or to an address that [isWeb].
func link(to, shown string) g.Node { return el("a", attr("href", to), text(shown)) }

// isWeb reports whether an address that somebody wrote is one of http or https.
func isWeb(to string) bool {
	u, err := url.Parse(to)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
