package web

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/nearest"
	"github.com/changetrail/changetrail/query"
)

// search is the page of changes.
func (s *server) search(w http.ResponseWriter, r *http.Request) error {
	v, err := s.read(r.URL.Query())
	if err != nil {
		return s.searchFailed(w, r, err)
	}
	q := query.Request{Where: v.where, Skip: (v.Page - 1) * pageSize, Size: pageSize, Sort: v.sort, Facets: facetFields(), FacetSize: facetSize}
	from, to, known := v.asked(s.Now())
	q.Interval = over(from, to, known)
	s.Access.Note(r, "list", v.Lucene())
	began := time.Now()
	res, err := s.Index.Search(r.Context(), q)
	if err != nil {
		return err
	}
	if err := s.countFacets(r.Context(), v, res); err != nil {
		return err
	}
	drawn, err := s.histogram(r.Context(), v, res)
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
		return "/changes?" + q.Encode()
	}
	p := s.form(v)
	if res.Total == 0 {
		p.Near = s.near(r.Context(), v)
	}
	p.Title, p.Only, p.Result, p.Took = titleOfSearch(v, res.Total), access.Of(r.Context()).Only(), res, time.Since(began).Round(time.Millisecond)
	p.Facets, p.Histogram, p.Head, p.Rows = facetLists(v, res), drawn, s.headings(v), rows(v, res.Hits)
	p.CSV, p.JSON, p.Permalink = v.at("/changes.csv"), v.at("/v1/changes"), v.fixed(s.Now()).here()
	p.First, p.Last, p.Pages = (v.Page-1)*pageSize+1, (v.Page-1)*pageSize+len(res.Hits), pages
	p.Before, p.Next, p.LastPage = link(v.Page-1), link(v.Page+1), link(pages)
	return s.render(w, r, http.StatusOK, p.page())
}

// form is the page with its form only.
func (s *server) form(v *view) *searchPage {
	p := &searchPage{Title: "Changes", View: v, Saved: s.Saved, Columns: columnChoice(v), Chips: chips(v), Dates: isDate(v.From) && isDate(v.To)}
	p.Named, _ = query.Find(s.Saved, v.Query)
	return p
}

// isDate reports whether a browser's picker of dates has a text.
func isDate(text string) bool {
	_, err := time.Parse(time.DateOnly, text)
	return text == "" || err == nil
}

// searchFailed shows the form again, what is wrong, and what may have been meant.
func (s *server) searchFailed(w http.ResponseWriter, r *http.Request, err error) error {
	p := classify(err)
	v := &view{Query: r.URL.Query().Get("q"), Page: 1}
	page := s.form(v)
	page.Error = p.Detail
	if text := suggestion(err); text != "" {
		page.Near = []near{{text, v.with(func(v *view) { v.Query = text }).here()}}
	}
	return s.render(w, r, p.Status, page.page())
}

// titleOfSearch is the browser title of the page.
func titleOfSearch(v *view, total int) string {
	var parts []string
	for _, c := range chips(v) {
		is := ": "
		if c.Not {
			is = " not: "
		}
		if c.Label == "search" || c.Label == "time" {
			parts = append(parts, c.Value)
		} else {
			parts = append(parts, c.Label+is+c.Value)
		}
	}
	if parts == nil {
		return "Changes"
	}
	return strings.Join(parts, ", ") + " — " + count(total, "change")
}

// histogram draws what was found over time, in the range that was asked for.
func (s *server) histogram(ctx context.Context, v *view, res *query.Result) (*plot, error) {
	from, to, known := v.asked(s.Now())
	all := res.Histogram
	if len(all) == 0 {
		return nil, nil
	}
	if !known {
		from = all[0].Start
	}
	if last := all[len(all)-1].Start; last.After(to) {
		to = last // dated in the future
	}
	people := query.Bool{Must: []query.Node{v.where}, Not: []query.Node{query.Term{Field: s.fields["changetrail.change.initiated_by"], Value: "agent"}}}
	humans, err := s.Index.Search(ctx, query.Request{Where: people, Interval: over(from, to, known)})
	if err != nil {
		return nil, err
	}
	return chart{from, to, interval(to.Sub(from)), []series{
		{Class: "agents", Label: "by agents", Buckets: less(all, humans.Histogram)}, {Class: "people", Label: "by people", Buckets: humans.Histogram},
	}, func(from, to string) string {
		return v.with(func(v *view) { v.Since, v.From, v.To = "", from, to }).here()
	}, "change"}.drawn(), nil
}

// less returns all without part.
func less(all, part []query.Bucket) []query.Bucket {
	out := slices.Clone(all)
	for i := range out {
		for _, p := range part {
			if p.Start.Equal(out[i].Start) {
				out[i].N -= p.N
			}
		}
	}
	return out
}

// csv writes all found changes as a file.
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
		for _, pattern := range access.Of(r.Context()).Only() { // so that nobody mistakes it for a complete list
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
			line[i] = query.EscapeFormula(doc.Text(f))
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
	if err != nil { // the head was sent: break the connection, so that nobody takes the file for a complete one
		s.Log.Error("a CSV file was cut off", "err", err)
		panic(http.ErrAbortHandler) //nolint:forbidigo // how net/http is told to break a connection
	}
	return out.Error()
}

// former redirects the addresses of searches of former versions, whose page was the first page.
func former(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		asked := r.URL.Query()
		for _, name := range []string{"q", "f", "from", "to", "since", "c", "page"} {
			if asked.Has(name) {
				http.Redirect(w, r, "/changes?"+asked.Encode(), http.StatusSeeOther) // #nosec G710 -- the path is ours; only its query comes from the request
				return
			}
		}
		next(w, r)
	}
}

// searchPath is the address of a search over all time.
func searchPath(text string) string { return "/changes?" + url.Values{"q": {text}}.Encode() }

// A near search is one that may have been meant.
type near struct{ Text, Link string }

// maxNear is the maximum number of searches that are suggested.
const maxNear = 5

// near suggests searches instead of one that found nothing: a saved query, or another value of
// a field.
func (s *server) near(ctx context.Context, v *view) (out []near) {
	add := func(text string) {
		out = append(out, near{text, v.with(func(v *view) { v.Query = text }).here()})
	}
	if name := query.Closest(v.Query, s.Saved); name != "" {
		add(name)
	}
	asked, err := query.Parse(query.Named(v.Query, s.Saved), s.fields, s.Now())
	if err != nil {
		return out
	}
	for _, t := range query.Terms(asked) {
		if len(out) >= maxNear || !strings.Contains(v.Query, t.Field.Name+":") || t.Value == "" {
			continue
		}
		if value := nearest.Name(t.Value, s.valuesLike(ctx, t)); value != "" {
			if text := strings.Replace(strings.Replace(v.Query, query.Quote(t.Value), t.Value, 1), t.Field.Name+":"+t.Value, t.Field.Name+":"+query.Quote(value), 1); text != v.Query {
				add(text)
			}
		}
	}
	return out
}

// valuesLike returns values of a field that begin with the first letter of a term, in either case.
func (s *server) valuesLike(ctx context.Context, t query.Term) (out []string) {
	first := string([]rune(t.Value)[0])
	for _, prefix := range []string{strings.ToLower(first), strings.ToUpper(first)} {
		values, err := s.Index.Values(ctx, t.Field.Name, prefix, 200)
		if err != nil {
			s.Log.Warn("values near to one of a search cannot be read", "field", t.Field.Name, "err", fmt.Sprint(err))
			return out
		}
		out = append(out, values...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
