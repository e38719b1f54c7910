package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/say"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
)

const (
	mostGiven   = 2000 // changes whose approvals are counted
	mostListed  = 200  // approvals in the list
	rubberStamp = 10 * time.Second
)

// withApprovals finds the changes by agents that people approved.
const withApprovals = byAgents + " AND (_exists_:changetrail.review.approvers OR _exists_:changetrail.approvals.approver)"

// A given is one approval by a person.
type given struct {
	Person, What string
	Of           string // the change, or the repository of an approval before work
	Link         string
	At           time.Time
	Waited       time.Duration // from the question to the answer
	Asked        bool          // that is known
	Quick        bool
}

// gaveIn returns the approvals in a record, as witnesses who can know them reported them. Those that
// a grant gave are in the book of approvals already.
func gaveIn(r *record.Record) (out []given) {
	c := r.Trail.Change
	add := func(person, what string, at time.Time) {
		g := given{Person: person, What: what, Of: string(c.ID), Link: changePath(string(c.ID)), At: at.UTC()}
		if g.Asked = !c.OpenedAt.IsZero() && !at.Before(c.OpenedAt); g.Asked {
			g.Waited = at.Sub(c.OpenedAt)
		}
		out = append(out, g)
	}
	if v := r.Trail.Review; v != nil {
		for _, v := range v.Verdicts {
			if v.Verdict == "approved" && (v.ReviewerType == "" || v.ReviewerType == "human") && (v.Tier == record.Observed || v.Tier == record.Human) {
				add(v.Reviewer, "review", v.SubmittedAt)
			}
		}
	}
	for _, a := range r.Trail.Approvals {
		if _, applied := grantIn(a.Reference); !applied && a.Verdict != "refused" && (a.Tier == record.Observed || a.Tier == record.Human) {
			add(a.Approver, "approval", a.GrantedAt)
		}
	}
	return out
}

// grantIn returns the grant that an approval in a record refers to.
func grantIn(reference string) (id string, ok bool) { return strings.CutPrefix(reference, "approval ") }

// grantsGiven returns the approvals before work as given approvals.
func grantsGiven(list []approvals.Standing) (out []given) {
	for _, s := range list {
		g := given{Person: s.Person, What: "approval before work", Of: string(s.Repository), Link: "/approvals#" + anchorOf("approval", s.ID), At: s.At}
		if g.Asked = !s.Asked.IsZero(); g.Asked {
			g.Waited = s.At.Sub(s.Asked)
		}
		out = append(out, g)
	}
	return out
}

// decisions makes one of what a person gave for a change at one time, such as a review and an approval,
// and marks those that were given within ten seconds of the question, or of the same person's decision
// before. all is sorted, the oldest first.
func decisions(all []given) (out []given) {
	before := make(map[string]int) // the last decision of a person
	for _, g := range all {
		at, ok := before[g.Person]
		soon := ok && g.At.Sub(out[at].At) <= rubberStamp
		if soon && out[at].Of == g.Of {
			if what := &out[at].What; !strings.Contains(*what, g.What) {
				*what += " and " + g.What
			}
			continue
		}
		g.Quick = g.Asked && g.Waited <= rubberStamp || soon
		before[g.Person] = len(out)
		out = append(out, g)
	}
	return out
}

// givenQuestion is what the page of given approvals shows.
type givenQuestion struct {
	view     *view // its time
	from, to time.Time
	by       string // only those by this person
	quick    bool   // only rubber stamps
}

// link is the address of the page with another selection.
func (q givenQuestion) link(by string, quick bool, change func(*view)) string {
	v := q.view.with(func(v *view) {
		if change != nil {
			change(v)
		}
	})
	values := url.Values{}
	for _, name := range []string{"since", "from", "to"} {
		if value := v.values().Get(name); value != "" {
			values.Set(name, value)
		}
	}
	if by != "" {
		values.Set("by", by)
	}
	if quick {
		values.Set("quick", "1")
	}
	return "/inbox/given?" + values.Encode()
}

// given is the page of approvals that were given: how many, by whom, and how fast.
func (s *server) given(w http.ResponseWriter, r *http.Request) error {
	asked := r.URL.Query()
	if asked.Get("from") == "" && asked.Get("to") == "" {
		asked.Set("since", cmp.Or(asked.Get("since"), "30d"))
	}
	v, err := s.read(url.Values{"since": asked["since"], "from": asked["from"], "to": asked["to"]})
	if err != nil {
		return err
	}
	q := givenQuestion{view: v, by: asked.Get("by"), quick: asked.Get("quick") != ""}
	var known bool
	if q.from, q.to, known = v.asked(s.Now()); !known {
		return refuse(http.StatusBadRequest, "choose a time that has a beginning and an end")
	}
	p := givenPage{Span: v.Since, Only: access.Of(r.Context()).Only()}
	all, err := s.allGiven(r.Context(), q, &p)
	if err != nil {
		return err
	}
	p.fill(all, q)
	s.Access.Note(r, "list", "given approvals")
	return s.render(w, r, http.StatusOK, p.page())
}

// allGiven returns the approvals of the time, the oldest first.
func (s *server) allGiven(ctx context.Context, q givenQuestion, p *givenPage) ([]given, error) {
	v := q.view.with(func(v *view) { v.Query = withApprovals })
	v.Since, v.To, v.From = "", "", q.from.Format(minutes) // an old change may be approved in the time: what happened last is no earlier
	if err := s.resolve(v); err != nil {
		return nil, err
	}
	res, err := s.Index.Search(ctx, query.Request{Where: v.where, Size: mostGiven})
	if err != nil {
		return nil, err
	}
	var all []given
	for _, h := range res.Hits {
		var r record.Record
		if err := json.Unmarshal(h.Doc, &r, jsontext.AllowInvalidUTF8(true)); err != nil {
			return nil, fmt.Errorf("the record %s cannot be read: %w", h.ID, err)
		}
		all = append(all, gaveIn(&r)...)
	}
	p.Read, p.Changes = len(res.Hits), res.Total
	list, err := s.grantsFor(ctx)
	if err != nil {
		p.Away = err.Error()
	}
	all = append(all, grantsGiven(list)...)
	all = slices.DeleteFunc(all, func(g given) bool { return g.At.Before(q.from) || g.At.After(q.to) })
	slices.SortStableFunc(all, func(a, b given) int { return a.At.Compare(b.At) })
	return decisions(all), nil
}

// fill counts, and selects what the list shows.
func (p *givenPage) fill(all []given, q givenQuestion) {
	days := max(1, q.to.Sub(q.from).Hours()/24)
	p.All = rowOfGiven("", all, days, q)
	by := make(map[string][]given)
	var normal, quick []query.Bucket
	for _, g := range all {
		by[g.Person] = append(by[g.Person], g)
		b := query.Bucket{Start: g.At, N: 1}
		if g.Quick {
			quick = append(quick, b)
		} else {
			normal = append(normal, b)
		}
	}
	for person, list := range by {
		p.People = append(p.People, rowOfGiven(person, list, days, q))
	}
	slices.SortFunc(p.People, func(a, b givenRow) int { return cmp.Or(b.N-a.N, strings.Compare(a.Person, b.Person)) })
	p.PeopleTotal = len(p.People)
	p.People = p.People[:min(len(p.People), mostListed)]
	p.Plot = chart{q.from, q.to, interval(q.to.Sub(q.from)), []series{
		{Class: "agents", Label: "later", Link: q.link("", false, nil), Buckets: normal}, {Class: "partial", Label: "within ten seconds", Link: q.link("", true, nil), Buckets: quick},
	}, func(from, to string) string {
		return q.link("", false, func(v *view) { v.Since, v.From, v.To = "", from, to })
	}, "approval"}.drawn()
	for _, g := range slices.Backward(all) {
		if (q.by == "" || g.Person == q.by) && (!q.quick || g.Quick) {
			p.Total++
			if len(p.List) < mostListed {
				p.List = append(p.List, g)
			}
		}
	}
	p.Shown = shownOf(q)
	if q.by != "" || q.quick {
		p.Unfiltered = q.link("", false, nil)
	}
}

// shownOf says what the list is narrowed to.
func shownOf(q givenQuestion) string {
	out := "Approvals"
	if q.by != "" {
		out += " by " + q.by
	}
	if q.quick {
		out += " within ten seconds"
	}
	return out
}

// rowOfGiven sums up approvals.
func rowOfGiven(person string, list []given, days float64, q givenQuestion) givenRow {
	out := givenRow{Person: person, N: len(list), ADay: fmt.Sprintf("%.1f", float64(len(list))/days), Link: q.link(person, false, nil), QuickLink: q.link(person, true, nil)}
	var waits []time.Duration
	for _, g := range list {
		if g.Asked {
			waits = append(waits, g.Waited)
		}
		if g.Quick {
			out.Quick++
		}
	}
	out.Half, out.Most = "unknown", "unknown"
	if n := len(waits); n > 0 {
		slices.Sort(waits)
		out.Half, out.Most = say.Span(waits[n/2]), say.Span(waits[n*9/10])
	}
	return out
}
