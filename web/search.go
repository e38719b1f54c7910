package web

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/query"
)

// A view is a search as the address of its page says it.
type view struct {
	Query   string
	Picked  []pick // facets that were chosen
	Since   string // as 90d; empty where From or To is given, or for all time
	From    string // date
	To      string // date
	Columns []string
	Page    int
	where   query.Node
}

// A pick is one value of a facet.
type pick struct{ Field, Value string }

const pageSize = 50

// spans of time to choose from.
var spans = []struct{ Value, Label string }{{"24h", "24 hours"}, {"7d", "7 days"}, {"30d", "30 days"}, {"90d", "90 days"}, {"365d", "a year"}, {"", "all time"}}

// facets in the order in which they are shown.
var facets = []struct{ Field, Label string }{
	{"changetrail.change.initiated_by", "Initiated by"},
	{"gen_ai.agent.id", "Agent"},
	{"service.name", "Service"},
	{"changetrail.service.classification", "Classification"},
	{"tags", "Control"},
	{"changetrail.answers.trigger", "Trigger"},
	{"changetrail.answers.alternatives", "Alternatives"},
	{"changetrail.answers.authorized", "Authorized"},
	{"changetrail.answers.reviewed", "Reviewed"},
	{"changetrail.gaps", "Gap"},
	{"changetrail.authorization.verdict", "Policy says"},
	{"changetrail.change.state", "State"},
	{"changetrail.change.claimed", "Only claimed"},
}

// A column of the table.
type column struct {
	Field, Label string
	Default      bool
}

// columns to choose from; those first are shown where none is chosen.
var columns = []column{
	{"@timestamp", "Last event", true},
	{"changetrail.change.id", "Change", true},
	{"changetrail.change.title", "Title", true},
	{"service.name", "Service", true},
	{"gen_ai.agent.id", "Agent", true},
	{"answers", "Answers", true},
	{"changetrail.gaps", "Gaps", true},
	{"changetrail.change.author", "Author", false},
	{"changetrail.change.state", "State", false},
	{"changetrail.change.kind", "Kind", false},
	{"changetrail.change.merged_at", "Merged", false},
	{"changetrail.change.merged_by", "Merged by", false},
	{"changetrail.change.merge_sha", "Merge commit", false},
	{"changetrail.environment", "Environment", false},
	{"changetrail.service.classification", "Classification", false},
	{"tags", "Controls", false},
	{"changetrail.trigger.finding", "Finding", false},
	{"changetrail.trigger.severity", "Severity", false},
	{"changetrail.decision.chosen", "Chosen", false},
	{"changetrail.decision.delegated_by", "Asked by", false},
	{"changetrail.authorization.verdict", "Policy says", false},
	{"changetrail.review.approvers", "Approvers", false},
	{"changetrail.validation.conclusion", "Tests", false},
	{"changetrail.revision", "Revision", false},
	{"changetrail.evidence_digest", "Evidence digest", false},
}

var answers = []string{"changetrail.answers.trigger", "changetrail.answers.alternatives", "changetrail.answers.authorized", "changetrail.answers.reviewed"}

// maxPages bounds the number of a page: no index has as many.
const maxPages = 1_000_000

// read reads a view from the address of a page.
func (s *server) read(v url.Values) (*view, error) {
	out := &view{Query: strings.TrimSpace(v.Get("q")), From: v.Get("from"), To: v.Get("to"), Page: 1, Since: v.Get("since")}
	if !v.Has("since") && out.From == "" && out.To == "" {
		out.Since = "90d"
	}
	if out.From != "" || out.To != "" {
		out.Since = ""
	}
	if p := v.Get("page"); p != "" {
		n, err := strconv.Atoi(p)
		if err != nil || n < 1 || n > maxPages {
			return nil, refuse(http.StatusBadRequest, "page %q is no number from 1 to %d", p, maxPages)
		}
		out.Page = n
	}
	for _, c := range v["c"] {
		if !slices.Contains(out.Columns, c) && slices.ContainsFunc(columns, func(k column) bool { return k.Field == c }) {
			out.Columns = append(out.Columns, c)
		}
	}
	now := s.Now()
	n, err := query.Parse(out.Query, s.fields, now)
	if err != nil {
		return nil, err
	}
	where := query.Bool{Must: []query.Node{n}}
	for _, f := range v["f"] {
		field, value, _ := strings.Cut(f, ":")
		known, ok := s.fields[field]
		if !ok || known.Kind != query.Keyword {
			return nil, refuse(http.StatusBadRequest, "%q is no facet", f)
		}
		out.Picked = append(out.Picked, pick{field, value})
		where.Must = append(where.Must, query.Term{Field: known, Value: value})
	}
	if t := out.timeRange(); t != "" {
		n, err := query.Parse("@timestamp:"+t, s.fields, now)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, "the time range cannot be read: %v", err)
		}
		where.Must = append(where.Must, n)
	}
	out.where = where
	return out, nil
}

// timeRange is the range in Lucene's syntax; empty for all time.
func (v *view) timeRange() string {
	or := func(s string) string {
		if s == "" {
			return "*"
		}
		return `"` + strings.ReplaceAll(s, `"`, "") + `"`
	}
	switch {
	case v.From != "" || v.To != "":
		return fmt.Sprintf("[%s TO %s]", or(v.From), or(v.To))
	case v.Since != "":
		return fmt.Sprintf("[%s TO *]", or("now-"+v.Since))
	}
	return ""
}

// Lucene is the whole view as one query, to be taken to Kibana.
func (v *view) Lucene() string {
	var parts []string
	if v.Query != "" {
		parts = append(parts, "("+v.Query+")")
	}
	for _, p := range v.Picked {
		parts = append(parts, p.Field+":"+quote(p.Value))
	}
	if t := v.timeRange(); t != "" {
		parts = append(parts, "@timestamp:"+t)
	}
	return strings.Join(parts, " AND ")
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// values is the view as the query of an address.
func (v *view) values() url.Values {
	out := url.Values{}
	set := func(k, s string) {
		if s != "" {
			out.Set(k, s)
		}
	}
	set("q", v.Query)
	set("from", v.From)
	set("to", v.To)
	if v.From == "" && v.To == "" && v.Since != "90d" {
		out.Set("since", v.Since)
	}
	for _, p := range v.Picked {
		out.Add("f", p.Field+":"+p.Value)
	}
	for _, c := range v.Columns {
		out.Add("c", c)
	}
	return out
}

// at is the address of the view on a path.
func (v *view) at(path string) string {
	if q := v.values().Encode(); q != "" {
		return path + "?" + q
	}
	return path
}

// with returns a copy that was changed; it begins at the first page.
func (v *view) with(f func(*view)) *view {
	c := *v
	c.Page = 1
	c.Picked = slices.Clone(v.Picked)
	f(&c)
	return &c
}

func (v *view) shown() []string {
	if len(v.Columns) > 0 {
		return v.Columns
	}
	var out []string
	for _, c := range columns {
		if c.Default {
			out = append(out, c.Field)
		}
	}
	return out
}

// width is how long a bar of the histogram is, for a start.
func (v *view) width() time.Duration {
	if v.Since == "24h" {
		return time.Hour
	}
	return 24 * time.Hour
}

// search is the first page.
func (s *server) search(w http.ResponseWriter, r *http.Request) error {
	v, err := s.read(r.URL.Query())
	if err != nil {
		p := classify(err)
		return s.render(w, p.Status, "search.html", map[string]any{
			"Title": "Changes", "Error": p.Detail, "View": &view{Query: r.URL.Query().Get("q"), Since: "90d", Page: 1}, "Spans": spans, "Saved": s.Saved, "Columns": s.columnChoice(&view{}),
		})
	}
	q := query.Request{Where: v.where, Skip: (v.Page - 1) * pageSize, Size: pageSize, Interval: v.width(), FacetSize: 12}
	for _, f := range facets {
		q.Facets = append(q.Facets, f.Field)
	}
	s.Access.Note(r, "list", v.Lucene())
	began := time.Now()
	res, err := s.Index.Search(r.Context(), q)
	if err != nil {
		return err
	}
	pages := (res.Total + pageSize - 1) / pageSize
	link := func(page int) string {
		if page < 1 || page > pages {
			return ""
		}
		q := v.values()
		q.Set("page", strconv.Itoa(page))
		return "/?" + q.Encode()
	}
	return s.render(w, http.StatusOK, "search.html", map[string]any{
		"Title": "Changes", "Only": access.Of(r.Context()).Only(), "View": v, "Spans": spans, "Saved": s.Saved, "Result": res, "Took": time.Since(began).Round(time.Millisecond),
		"Facets": facetLists(v, res), "Histogram": newHistogram(v, res.Histogram), "Head": labels(v.shown()), "Rows": rows(v.shown(), res.Hits),
		"Columns": s.columnChoice(v), "Picked": pickedLinks(v), "CSV": v.at("/changes.csv"), "JSON": v.at("/v1/changes"),
		"FourNames": []string{"Trigger", "Alternatives", "Authorized", "Reviewed"},
		"First":     (v.Page-1)*pageSize + 1, "Last": (v.Page-1)*pageSize + len(res.Hits), "Pages": pages, "Before": link(v.Page - 1), "Next": link(v.Page + 1),
	})
}

// A facetList is one facet with its values as links.
type facetList struct {
	Label  string
	Values []facetValue
	Open   bool
}

type facetValue struct {
	Value, Link string
	N           int
	Picked      bool
}

func facetLists(v *view, res *query.Result) []facetList {
	var out []facetList
	for i, f := range facets {
		l := facetList{Label: f.Label, Open: i < 5}
		for _, c := range res.Facets[f.Field] {
			p := pick{f.Field, c.Value}
			picked := slices.Contains(v.Picked, p)
			link := v.with(func(v *view) {
				if picked {
					v.Picked = slices.DeleteFunc(v.Picked, func(o pick) bool { return o == p })
				} else {
					v.Picked = append(v.Picked, p)
				}
			}).at("/")
			l.Values = append(l.Values, facetValue{c.Value, link, c.N, picked})
			l.Open = l.Open || picked
		}
		if len(l.Values) > 0 {
			out = append(out, l)
		}
	}
	return out
}

type chip struct{ Label, Value, Link string }

func pickedLinks(v *view) []chip {
	var out []chip
	for _, p := range v.Picked {
		label := p.Field
		for _, f := range facets {
			if f.Field == p.Field {
				label = f.Label
			}
		}
		out = append(out, chip{label, p.Value, v.with(func(v *view) {
			v.Picked = slices.DeleteFunc(v.Picked, func(o pick) bool { return o == p })
		}).at("/")})
	}
	return out
}

type choice struct {
	Field, Label string
	Chosen       bool
}

func (s *server) columnChoice(v *view) []choice {
	var out []choice
	for _, c := range columns {
		out = append(out, choice{c.Field, c.Label, slices.Contains(v.shown(), c.Field)})
	}
	return out
}

func labels(fields []string) []string {
	var out []string
	for _, f := range fields {
		for _, c := range columns {
			if c.Field == f {
				out = append(out, c.Label)
			}
		}
	}
	return out
}

// A cell of the table.
type cell struct {
	Field  string
	Values []string
	Link   string
	Time   time.Time
}

func rows(fields []string, hits []query.Hit) [][]cell {
	var out [][]cell
	for _, h := range hits {
		doc, _ := query.ReadDoc(h.Doc) // what cannot be read is shown empty, by its id
		var row []cell
		for _, f := range fields {
			c := cell{Field: f}
			switch f {
			case "answers":
				for _, a := range answers {
					c.Values = append(c.Values, doc.Text(a))
				}
			case "changetrail.change.id":
				id := h.ID
				if v := doc.Values(f); len(v) > 0 {
					id = v[0]
				}
				c.Values, c.Link = []string{id}, changePath(id)
			default:
				c.Values = doc.Values(f)
				if strings.HasSuffix(f, "_at") || f == "@timestamp" {
					if len(c.Values) > 0 {
						c.Time, _ = time.Parse(time.RFC3339Nano, c.Values[0])
					}
				}
			}
			row = append(row, c)
		}
		out = append(out, row)
	}
	return out
}

// changePath is the address of the page of a change.
func changePath(id string) string {
	return (&url.URL{Path: "/changes/" + id}).EscapedPath()
}

// csv writes all that was found, as a file.
func (s *server) csv(w http.ResponseWriter, r *http.Request) error {
	v, err := s.read(r.URL.Query())
	if err != nil {
		return err
	}
	s.Access.Note(r, "list", v.Lucene())
	fields := v.shown()
	head := []string{}
	for _, f := range fields {
		if f == "answers" {
			head = append(head, answers...)
		} else {
			head = append(head, f)
		}
	}
	out := csv.NewWriter(w)
	begun := false
	begin := func() error { // once the first change was found: until then it may be refused
		if begun {
			return nil
		}
		begun = true
		h := w.Header()
		h.Set("Content-Type", "text/csv; charset=utf-8")
		h.Set("Content-Disposition", `attachment; filename="changes.csv"`)
		for _, pattern := range access.Of(r.Context()).Only() { // so that nobody takes it for all there is
			h.Add("Changetrail-Repositories", pattern)
		}
		return out.Write(head)
	}
	err = s.Index.All(r.Context(), v.where, func(h query.Hit) error {
		doc, err := query.ReadDoc(h.Doc)
		if err != nil {
			return err
		}
		if err := begin(); err != nil {
			return err
		}
		line := make([]string, len(head))
		for i, f := range head {
			line[i] = query.Harmless(doc.Text(f))
		}
		return out.Write(line)
	})
	if err != nil && !begun {
		return err
	}
	if err := begin(); err != nil {
		return err
	}
	out.Flush()
	if err != nil { // the head is out already: what can be done is to break off, so that the file is seen to be cut
		s.Log.Error("a CSV file was cut off", "err", err)
		panic(http.ErrAbortHandler) //nolint:forbidigo // how net/http is told to break a connection
	}
	return out.Error()
}
