package web

import (
	"context"
	"slices"

	"github.com/changetrail/changetrail/internal/say"
	"github.com/changetrail/changetrail/query"
)

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
	{"changetrail.change.kind", "Kind"},
	{"changetrail.change.claimed", "Only claimed"},
}

const (
	facetSize = 12  // values of a facet
	moreSize  = 500 // of the facet whose values are all shown
)

func facetFields() (out []string) {
	for _, f := range facets {
		out = append(out, f.Field)
	}
	return out
}

// A facetList is one facet with its values as links.
type facetList struct {
	Label  string
	Values []facetValue
	Open   bool
	More   string // address of all values, where there may be more
}

type facetValue struct {
	Value, Link, Means string
	N                  int
	Picked             bool
}

// countFacets counts the values of each facet. A facet in which a value was picked is counted as
// if none was, so that another value can be picked, too.
func (s *server) countFacets(ctx context.Context, v *view, res *query.Result) error {
	again := pickedFields(v.Picked)
	if v.More != "" && !slices.Contains(again, v.More) && slices.ContainsFunc(facets, func(f struct{ Field, Label string }) bool { return f.Field == v.More }) {
		again = append(again, v.More)
	}
	for _, field := range again {
		other := v.with(func(v *view) {
			v.Picked = slices.DeleteFunc(v.Picked, func(p pick) bool { return p.Field == field && !p.Not })
		})
		if err := s.resolve(other); err != nil {
			return err
		}
		size := facetSize
		if v.More == field {
			size = moreSize
		}
		counted, err := s.Index.Search(ctx, query.Request{Where: other.where, Facets: []string{field}, FacetSize: size})
		if err != nil {
			return err
		}
		res.Facets[field] = counted.Facets[field]
	}
	return nil
}

func facetLists(v *view, res *query.Result) []facetList {
	var out []facetList
	for i, f := range facets {
		l := facetList{Label: f.Label, Open: i < 3 || v.More == f.Field}
		for _, c := range res.Facets[f.Field] {
			p := pick{f.Field, c.Value, false}
			value := facetValue{Value: c.Value, N: c.N, Picked: slices.Contains(v.Picked, p)}
			if f.Field == "changetrail.gaps" {
				value.Means = say.GapOf(nil, c.Value).Means
			}
			if value.Picked {
				value.Link = v.without(p).here()
			} else {
				value.Link = v.with(func(v *view) { v.Picked = append(v.Picked, p) }).here()
			}
			l.Values = append(l.Values, value)
			l.Open = l.Open || value.Picked
		}
		if len(l.Values) >= facetSize && v.More != f.Field {
			l.More = v.with(func(v *view) { v.More = f.Field }).here()
		}
		if len(l.Values) > 0 {
			out = append(out, l)
		}
	}
	return out
}

// A chip is one filter of the search, and how to invert and remove it.
type chip struct {
	Label, Value string
	Not          bool
	Turn, Remove string // addresses; Turn is empty where a filter has no opposite
}

// chips are all filters of a view, so that no filter is hidden.
func chips(v *view) []chip {
	var out []chip
	if v.Query != "" {
		out = append(out, chip{Label: "search", Value: v.Query, Remove: v.with(func(v *view) { v.Query = "" }).here()})
	}
	for _, p := range v.Picked {
		turned := v.with(func(v *view) { v.Picked[slices.Index(v.Picked, p)].Not = !p.Not })
		out = append(out, chip{labelOf(p.Field), p.Value, p.Not, turned.here(), v.without(p).here()})
	}
	if label := v.span(); label != "" {
		out = append(out, chip{Label: "time", Value: label, Remove: v.with(func(v *view) { v.Since, v.From, v.To = "", "", "" }).here()})
	}
	return out
}

// span describes the chosen time range; empty for all time.
func (v *view) span() string {
	switch {
	case v.From != "" && v.To != "":
		return v.From + " to " + v.To
	case v.From != "":
		return "from " + v.From
	case v.To != "":
		return "until " + v.To
	}
	for _, s := range spans {
		if v.Since != "" && s.Value == v.Since {
			return "last " + s.Label
		}
	}
	if v.Since != "" {
		return "last " + v.Since
	}
	return ""
}

func labelOf(field string) string {
	for _, f := range facets {
		if f.Field == field {
			return f.Label
		}
	}
	for _, c := range columns {
		if c.Field == field {
			return c.Label
		}
	}
	return field
}
