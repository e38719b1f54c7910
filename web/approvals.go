package web

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/internal/signin"
	"github.com/changetrail/changetrail/record"
)

// mostApprovals is how many approvals a page shows.
const mostApprovals = 200

// listApprovals is the page of approvals before work.
func (s *server) listApprovals(w http.ResponseWriter, r *http.Request) error {
	var f sent
	if q := r.URL.Query(); q.Get("do") != "" { // what was written before a session ended
		f.values = q
	}
	return s.showApprovals(w, r, http.StatusOK, f)
}

func (s *server) showApprovals(w http.ResponseWriter, r *http.Request, status int, f sent) error {
	ctx := r.Context()
	p := approvalsPage{Outcome: f.outcome, Token: access.Of(ctx).FormToken()}
	who, cannot := s.mayDecide(ctx)
	p.Cannot = cannot
	list, err := s.grantsFor(ctx)
	if err != nil {
		why := problem.Of(err, http.StatusBadGateway)
		s.Log.Error("the approvals are not known", "err", why.Detail)
		p.Away = why.Detail
		return s.render(w, r, max(status, http.StatusServiceUnavailable), p.page())
	}
	now := s.Now()
	slices.SortStableFunc(list, func(a, b approvals.Standing) int {
		over := func(s approvals.Standing) int {
			if s.Status == approvals.InForce {
				return 0
			}
			return 1
		}
		return cmp.Or(over(a)-over(b), b.At.Compare(a.At), strings.Compare(a.ID, b.ID))
	})
	p.Total = len(list)
	for _, a := range list[:min(len(list), mostApprovals)] {
		p.Rows = append(p.Rows, rowOf(a, who, f))
	}
	if cannot == "" {
		p.Form = newGrantForm(now, f)
	}
	s.Access.Note(r, "list", "approvals")
	return s.render(w, r, status, p.page())
}

// grantsFor returns the approvals in repositories that the reader may read.
func (s *server) grantsFor(ctx context.Context) ([]approvals.Standing, error) {
	if s.Desk == nil {
		return nil, errNoDesk
	}
	list, err := s.Desk.Grants(ctx)
	if err != nil {
		return nil, err
	}
	reader := access.Of(ctx)
	return slices.DeleteFunc(slices.Clone(list), func(a approvals.Standing) bool { return !reader.MayRead(string(a.Repository)) }), nil
}

func rowOf(a approvals.Standing, who signin.Person, f sent) approvalRow {
	row := approvalRow{
		ID: anchorOf("approval", a.ID), State: a.Status, Person: a.Person, Agent: a.Agent, Repository: string(a.Repository), Reason: a.Reason, Scope: a.Scope, Kinds: a.Kinds,
		Uses: fmt.Sprintf("%d of %d", len(a.UsedBy), a.Uses), Change: string(a.Change), Until: a.Until, At: a.At,
	}
	if a.Uses == 0 {
		row.Uses = fmt.Sprintf("%d, no limit", len(a.UsedBy))
	}
	for _, id := range a.UsedBy {
		row.Used = append(row.Used, string(id))
	}
	if r := a.Revocation; r != nil {
		row.Ended = fmt.Sprintf("revoked by %s at %s: %s", r.Person, second(r.At), r.Reason)
	}
	own := who.Has(settings.Approver) && who.ID == a.Person
	if (own || who.Has(settings.Administrator)) && row.State != approvals.Revoked && row.State != approvals.Expired {
		row.Form = &revokeForm{ID: rand.Text(), Of: a.ID}
		if f.values != nil && f.values.Get("of") == a.ID {
			row.Form.Reason = f.value("reason", "")
		}
	}
	return row
}

// newGrantForm is the form of a new approval, with what the reader wrote if it was refused.
func newGrantForm(now time.Time, f sent) *grantForm {
	again := sent{}
	if f.values.Get("do") == "grant" {
		again = f
	}
	return &grantForm{
		ID: rand.Text(), Open: again.values != nil, Agent: again.value("agent", ""), Repository: again.value("repository", ""), Reason: again.value("reason", ""),
		Fields: grantFields{Scope: again.value("scope", ""), Kinds: again.value("kinds", ""), Until: again.value("until", now.UTC().AddDate(0, 0, 7).Format(time.DateOnly)), Uses: again.value("uses", "1")},
	}
}

// changeApprovals answers a form of the page of approvals.
func (s *server) changeApprovals(w http.ResponseWriter, r *http.Request) error {
	if s.Desk == nil {
		return refuse(http.StatusServiceUnavailable, "%v", errNoDesk)
	}
	if err := r.ParseForm(); err != nil {
		return refuse(http.StatusBadRequest, "the form cannot be read: %v", err)
	}
	do := s.give
	if r.PostForm.Get("do") == "revoke" {
		do = s.revoke
	}
	said, err := do(r.Context(), r.PostForm)
	if err == nil {
		return s.showApprovals(w, r, http.StatusOK, sent{outcome: said})
	}
	why := problem.Of(err, http.StatusConflict)
	f := sent{outcome: outcome{Failed: true, Text: why.Detail}, values: r.PostForm}
	f.field = fieldOf(err)
	return s.showApprovals(w, r, why.Status, f)
}

// give gives the approval of a form.
func (s *server) give(ctx context.Context, form url.Values) (outcome, error) {
	who, cannot := s.mayDecide(ctx)
	if cannot != "" {
		return outcome{}, refuse(http.StatusForbidden, "%s", cannot)
	}
	g, err := s.grantOf(form)
	if err != nil {
		return outcome{}, err
	}
	g.Person, g.Agent = who.ID, strings.TrimSpace(form.Get("agent"))
	if g.Agent == "" {
		return outcome{}, wrong("agent", "Name the agent, by its id in the policy.")
	}
	repository, err := record.ParseRepository(strings.TrimSpace(form.Get("repository")))
	if err != nil {
		return outcome{}, wrong("repository", "%v", err)
	}
	g.Repository = repository
	if err := s.mayDecideAbout(ctx, repository); err != nil {
		return outcome{}, err
	}
	standing, err := s.Desk.Grant(ctx, g)
	return granted(standing), err
}

// granted says what a person approved.
func granted(g approvals.Standing) outcome {
	return outcome{Text: fmt.Sprintf("You approved work of %s in %s until %s.", g.Agent, g.Repository, second(g.Until)), Link: "/approvals#" + anchorOf("approval", g.ID), Label: "To the approval"}
}

// grantOf reads the limits of an approval and its reason from a form.
func (s *server) grantOf(form url.Values) (approvals.Grant, error) {
	g := approvals.Grant{ID: form.Get("id"), Reason: strings.TrimSpace(form.Get("reason")), Scope: separated(form.Get("scope")), Kinds: separated(form.Get("kinds"))}
	day, err := time.Parse(time.DateOnly, strings.TrimSpace(form.Get("until")))
	if err != nil {
		return g, wrong("until", "Until when? Write a day, such as %s.", s.Now().UTC().AddDate(0, 0, 7).Format(time.DateOnly))
	}
	g.Until = day.AddDate(0, 0, 1) // the day is included
	if g.Uses, err = strconv.Atoi(strings.TrimSpace(form.Get("uses"))); err != nil || g.Uses < 0 {
		return g, wrong("uses", "For how many changes? Write a number; 0 means no limit.")
	}
	switch {
	case g.Reason == "":
		return g, wrong("reason", "Give a reason. Auditors read it.")
	case len(g.Reason) > maxReason:
		return g, wrong("reason", "The reason is longer than %d characters.", maxReason)
	}
	return g, nil
}

// separated splits a list with commas or line ends between its entries.
func separated(text string) []string {
	var out []string
	for _, part := range strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == '\n' }) {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// revoke revokes an approval: the reader's own, or as an administrator anybody's.
func (s *server) revoke(ctx context.Context, form url.Values) (outcome, error) {
	who, _ := signin.Of(ctx)
	list, err := s.grantsFor(ctx)
	if err != nil {
		return outcome{}, err
	}
	at := slices.IndexFunc(list, func(a approvals.Standing) bool { return a.ID == form.Get("of") })
	if at < 0 {
		return outcome{}, refuse(http.StatusNotFound, "There is no such approval.")
	}
	a := list[at]
	own := who.Has(settings.Approver) && who.ID == a.Person
	reason := strings.TrimSpace(form.Get("reason"))
	switch {
	case !own && !who.Has(settings.Administrator):
		return outcome{}, refuse(http.StatusForbidden, "You cannot revoke this approval: %s gave it. The person who gave it and people with the role %s can.", a.Person, settings.Administrator)
	case reason == "":
		return outcome{}, wrong("reason", "To revoke, give a reason.")
	case len(reason) > maxReason:
		return outcome{}, wrong("reason", "The reason is longer than %d characters.", maxReason)
	}
	_, err = s.Desk.Revoke(ctx, approvals.Revocation{ID: form.Get("id"), Grant: a.ID, Person: who.ID, Reason: reason})
	return outcome{Text: fmt.Sprintf("You revoked the approval of %s for %s in %s.", a.Person, a.Agent, a.Repository)}, err
}
