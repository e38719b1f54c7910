package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/changetrail/changetrail/query"
)

// A view is a search, as the URL of its page states it.
type view struct {
	Query   string
	Picked  []pick
	Since   string // as 90d; empty where From or To is given, or for all time
	From    string // date
	To      string // date
	Sort    string // field, with - before it for the greatest first; empty for the newest first
	More    string // the facet whose values are all shown
	Columns []string
	Page    int

	lucene string // of Query
	where  query.Node
	sort   query.Sort
}

// A pick is one value of a facet that is asked for, or excluded.
type pick struct {
	Field, Value string
	Not          bool
}

func (p pick) String() string { return p.Field + ":" + p.Value }

// param is the parameter of an address that has a pick.
func (p pick) param() string {
	if p.Not {
		return "x"
	}
	return "f"
}

const pageSize = 50

// A span of time to choose.
type span struct{ Value, Label string }

var spans = []span{{"24h", "24 hours"}, {"7d", "7 days"}, {"30d", "30 days"}, {"90d", "90 days"}, {"365d", "a year"}, {"", "all time"}}

// maxPages bounds the number of a page: no index has as many.
const maxPages = 1_000_000

// read reads a view from the address of a page.
func (s *server) read(v url.Values) (*view, error) {
	out := &view{Query: strings.TrimSpace(v.Get("q")), From: v.Get("from"), To: v.Get("to"), Since: v.Get("since"), Sort: v.Get("sort"), More: v.Get("more"), Page: 1}
	if out.From != "" || out.To != "" {
		out.Since = ""
	}
	if p := v.Get("page"); p != "" {
		n, err := strconv.Atoi(p)
		if err != nil || n < 1 || n > maxPages {
			return nil, refuse(http.StatusBadRequest, "page %q is not a number from 1 to %d", p, maxPages)
		}
		out.Page = n
	}
	for _, c := range v["c"] {
		if !slices.Contains(out.Columns, c) && slices.ContainsFunc(columns, func(k column) bool { return k.Field == c }) {
			out.Columns = append(out.Columns, c)
		}
	}
	for _, name := range []string{"f", "x"} {
		for _, text := range v[name] {
			p := pick{Not: name == "x"}
			p.Field, p.Value, _ = strings.Cut(text, ":")
			if s.fields[p.Field].Name == "" || s.fields[p.Field].Kind != query.Keyword {
				return nil, refuse(http.StatusBadRequest, "%q is not a facet", text)
			}
			if !slices.Contains(out.Picked, p) {
				out.Picked = append(out.Picked, p)
			}
		}
	}
	return out, s.resolve(out)
}

// resolve makes the tree and the order of a view.
func (s *server) resolve(v *view) (err error) {
	var asked query.Node
	if asked, v.lucene, err = query.Read(query.Named(v.Query, s.Saved), s.fields, s.Now()); err != nil {
		return err
	}
	where := query.Bool{Must: append([]query.Node{asked}, s.picked(v.Picked)...)}
	for _, p := range v.Picked {
		if p.Not {
			where.Not = append(where.Not, query.Term{Field: s.fields[p.Field], Value: p.Value})
		}
	}
	if t := v.timeRange(); t != "" {
		n, err := query.Parse("@timestamp:"+t, s.fields, s.Now())
		if err != nil {
			return refuse(http.StatusBadRequest, "the time range cannot be read: %v", err)
		}
		where.Must = append(where.Must, n)
	}
	v.where = where
	if name := strings.TrimPrefix(v.Sort, "-"); name != "" {
		f := s.fields[name]
		if f.Kind != query.Date && f.Kind != query.Number || f.Name == "" || f.Nested != "" {
			return refuse(http.StatusBadRequest, "changes cannot be sorted by %q: choose a date or a number", name)
		}
		v.sort = query.Sort{Field: f, Ascending: name == v.Sort}
	}
	return nil
}

// picked are the conditions for the values that are asked for: a record has one of those of each
// field.
func (s *server) picked(picks []pick) (out []query.Node) {
	for _, field := range pickedFields(picks) {
		var any query.Bool
		for _, p := range picks {
			if p.Field == field && !p.Not {
				any.Should = append(any.Should, query.Term{Field: s.fields[field], Value: p.Value})
			}
		}
		out = append(out, any)
	}
	return out
}

// pickedFields are the fields with values that are asked for, without duplicates.
func pickedFields(picks []pick) (out []string) {
	for _, p := range picks {
		if !p.Not && !slices.Contains(out, p.Field) {
			out = append(out, p.Field)
		}
	}
	return out
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

// Lucene is the whole view as one query, for use in Kibana.
func (v *view) Lucene() string {
	var parts []string
	if v.lucene != "" {
		parts = append(parts, "("+v.lucene+")")
	}
	for _, field := range pickedFields(v.Picked) {
		var any []string
		for _, p := range v.Picked {
			if p.Field == field && !p.Not {
				any = append(any, query.Quote(p.Value))
			}
		}
		if len(any) == 1 {
			parts = append(parts, field+":"+any[0])
		} else {
			parts = append(parts, field+":("+strings.Join(any, " OR ")+")")
		}
	}
	for _, p := range v.Picked {
		if p.Not {
			parts = append(parts, "NOT "+p.Field+":"+query.Quote(p.Value))
		}
	}
	if t := v.timeRange(); t != "" {
		parts = append(parts, "@timestamp:"+t)
	}
	if len(parts) > 0 && strings.HasPrefix(parts[0], "NOT ") {
		parts = append([]string{"*:*"}, parts...)
	}
	return strings.Join(parts, " AND ")
}

// anyOf searches for a value in any of several fields.
func anyOf(value string, fields []string) string {
	parts := make([]string, len(fields))
	for i, f := range fields {
		parts[i] = f + ":" + value
	}
	return strings.Join(parts, " OR ")
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
	set("since", v.Since)
	set("sort", v.Sort)
	set("more", v.More)
	for _, p := range v.Picked {
		out.Add(p.param(), p.String())
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

// here is the URL of the view on the search page.
func (v *view) here() string { return v.at("/changes") }

// with returns a copy that was changed; it begins at the first page.
func (v *view) with(f func(*view)) *view {
	c := *v
	c.Page = 1
	c.Picked = slices.Clone(v.Picked)
	f(&c)
	return &c
}

// without returns a copy without a pick.
func (v *view) without(p pick) *view {
	return v.with(func(v *view) { v.Picked = slices.DeleteFunc(v.Picked, func(o pick) bool { return o == p }) })
}

// fixed is the view with its relative time as dates: its address finds the same tomorrow.
func (v *view) fixed(now time.Time) *view {
	from, to, ok := v.asked(now)
	if v.Since == "" || !ok {
		return v
	}
	return v.with(func(v *view) { v.Since, v.From, v.To = "", from.Format(minutes), to.Format(minutes) })
}

const minutes = "2006-01-02T15:04Z"

// asked returns the range of time that is asked for; ok is false for all time.
func (v *view) asked(now time.Time) (from, to time.Time, ok bool) {
	to = now.UTC()
	if v.Since != "" {
		low, err := query.Moment("now-"+v.Since, now)
		return low.First, to, err == nil
	}
	if v.From == "" {
		return from, to, false
	}
	low, err := query.Moment(v.From, now)
	if v.To != "" {
		top, errTo := query.Moment(v.To, now)
		to, err = top.Last, errors.Join(err, errTo)
	}
	return low.First, to, err == nil && to.After(low.First)
}
