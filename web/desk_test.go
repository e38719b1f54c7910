package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/gate/desk"
	"github.com/changetrail/changetrail/gate/pending"
	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
)

// A deskDouble is a stand-in for the gate behind the pages: it keeps in memory what people decide.
// The rules about who may decide are those of the real one, and are tested there.
type deskDouble struct {
	waiting  desk.Waiting
	grants   []approvals.Standing
	verdicts []desk.Verdict
	orders   []gate.Override
	refusals []approvals.Refusal
	revoked  []approvals.Revocation
	err      error // of every answer
	refuses  error // of what people decide
	asked    int   // how often what waits was asked for
}

func (d *deskDouble) Waiting(context.Context) (*desk.Waiting, error) {
	d.asked++
	out := desk.Waiting{Changes: slices.Clone(d.waiting.Changes), Requests: slices.Clone(d.waiting.Requests)}
	return &out, d.err
}

func (d *deskDouble) Grants(context.Context) ([]approvals.Standing, error) { return d.grants, d.err }

func (d *deskDouble) Decide(_ context.Context, v desk.Verdict) (gate.Decision, error) {
	if err := errors.Join(d.err, d.refuses); err != nil {
		return gate.Decision{}, err
	}
	at := slices.IndexFunc(d.waiting.Changes, func(c pending.Item) bool { return c.Change == v.Change })
	if at < 0 || d.waiting.Changes[at].Decision.Head != v.Commit {
		return gate.Decision{}, problem.New(http.StatusConflict, "Nothing was decided: the newest commit is another one.")
	}
	d.verdicts = append(d.verdicts, v)
	answer := d.waiting.Changes[at].Decision
	if v.Approve {
		answer.Allowed, answer.Missing = true, nil
		d.waiting.Changes = slices.Delete(d.waiting.Changes, at, at+1)
	}
	return answer, nil
}

func (d *deskDouble) Override(_ context.Context, o gate.Override) (gate.Decision, error) {
	if err := errors.Join(d.err, d.refuses); err != nil {
		return gate.Decision{}, err
	}
	at := slices.IndexFunc(d.waiting.Changes, func(c pending.Item) bool { return c.Change == o.Change })
	if at < 0 || d.waiting.Changes[at].Decision.Head != o.Commit {
		return gate.Decision{}, problem.New(http.StatusConflict, "the order cannot be given now: the newest commit is another one.")
	}
	d.orders = append(d.orders, o)
	answer := d.waiting.Changes[at].Decision
	answer.Allowed, answer.Missing, answer.Reasons = true, nil, []string{o.Person + " ordered that this commit may be merged: " + o.Reason + "."}
	d.waiting.Changes = slices.Delete(d.waiting.Changes, at, at+1)
	return answer, nil
}

func (d *deskDouble) Grant(_ context.Context, g approvals.Grant) (approvals.Standing, error) {
	s := approvals.Standing{Grant: g, Status: approvals.InForce}
	if err := errors.Join(d.err, d.refuses); err != nil {
		return s, err
	}
	d.grants = append(d.grants, s)
	d.waiting.Requests = slices.DeleteFunc(d.waiting.Requests, func(q desk.Request) bool { return q.ID == g.Request })
	return s, nil
}

func (d *deskDouble) Refuse(_ context.Context, r approvals.Refusal) error {
	if err := errors.Join(d.err, d.refuses); err != nil {
		return err
	}
	d.refusals = append(d.refusals, r)
	d.waiting.Requests = slices.DeleteFunc(d.waiting.Requests, func(q desk.Request) bool { return q.ID == r.Request })
	return nil
}

func (d *deskDouble) Revoke(_ context.Context, r approvals.Revocation) (approvals.Standing, error) {
	if err := errors.Join(d.err, d.refuses); err != nil {
		return approvals.Standing{}, err
	}
	d.revoked = append(d.revoked, r)
	return approvals.Standing{}, nil
}

var discarded = slog.New(slog.DiscardHandler)

const headSHA = "1111111111111111111111111111111111111111"

// waitingChange is a change of an agent that lacks a review and an approval.
func waitingChange(id, class string, since time.Time) pending.Item {
	return pending.Item{
		Change: record.ChangeID(id), Title: "Fix the login of " + class + " services", URL: "https://github.com/acme/payments/pull/1", Agent: "patch-pilot", Services: []string{"payments"}, Class: class, Since: since,
		Answers: record.Answers{Trigger: record.Proven, Alternatives: record.Partial, Authorized: record.Pending, Reviewed: record.Pending},
		Decision: gate.Decision{
			Change: record.ChangeID(id), Head: headSHA, Reasons: []string{"The policy requires an approval (rule payments), which has not been given yet."},
			Missing: []gate.Missing{{What: "approval", Service: "payments", Rule: "payments", By: []string{"@acme/payments-leads"}, People: []string{"mira.s", "jo.k"}}, {What: "review"}},
		},
	}
}

func waitingRequest(id, class string, at time.Time) desk.Request {
	return desk.Request{Class: class, Request: approvals.Request{
		ID: id, Agent: "patch-pilot", Repository: "github.com/acme/ledger", Services: []string{"ledger"}, Paths: []string{"src/**"}, Does: "push", Reason: "CVE-2026-1 in log4j", Run: "run-7", AskedBy: "bert", At: at,
	}}
}

func fullDesk() *deskDouble {
	return &deskDouble{
		waiting: desk.Waiting{
			Changes: []pending.Item{
				waitingChange("github.com/acme/payments/pull/1", "low", noon.Add(-90*time.Hour)), waitingChange("github.com/acme/payments/pull/2", "critical", noon.Add(-time.Hour)),
				waitingChange("github.com/acme/payments/pull/3", "", noon.Add(-2*time.Hour)), waitingChange("github.com/acme/payments/pull/4", "critical", noon.Add(-3*time.Hour)),
			},
			Requests: []desk.Request{waitingRequest("q1", "high", noon.Add(-10*time.Minute))},
		},
		grants: []approvals.Standing{
			{
				Status: approvals.Revoked, Grant: approvals.Grant{ID: "g1", Person: "mira.s", Agent: "patch-pilot", Repository: "github.com/acme/payments", Scope: []string{"payments"}, Until: noon.AddDate(0, 0, 3), Uses: 2, Reason: "the fixes of this week", At: noon.Add(-50 * time.Hour)},
				UsedBy: []record.ChangeID{"github.com/acme/payments/pull/9"}, Revocation: &approvals.Revocation{ID: "r", Grant: "g1", Person: "ada", Reason: "incident 7", At: noon},
			},
			{Status: approvals.InForce, Grant: approvals.Grant{ID: "g2", Person: "jo.k", Agent: "dependabot", Repository: "github.com/acme/web", Scope: []string{"web", "docs/**"}, Kinds: []string{"dependency-update"}, Until: noon.AddDate(0, 0, 30), Reason: "updates", At: noon.Add(-5 * time.Hour)}},
		},
	}
}

// A visitor uses the pages with a desk, behind a proxy that says who it is.
type visitor struct {
	t       *testing.T
	handler http.Handler
	desk    *deskDouble
	index   *fakeIndex
	name    string
	roles   []settings.Role
	token   string
}

// visit returns a visitor with roles; without a name, sign-in is not configured.
func visit(t *testing.T, desk *deskDouble, name string, roles ...settings.Role) *visitor {
	t.Helper()
	conf := access.Config{Log: slog.New(slog.DiscardHandler)}
	if name != "" {
		conf.Proxy = namesAt(t, "192.0.2.1")
	}
	v := &visitor{t: t, desk: desk, index: &fakeIndex{result: query.Result{Facets: map[string][]query.Count{}}}, name: name, roles: roles}
	c := Config{Access: access.New(conf), Index: v.index, Store: "the index", Log: conf.Log, Now: func() time.Time { return noon }}
	if desk != nil {
		c.Desk = desk
	}
	handler, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	v.handler = handler
	return v
}

func (v *visitor) do(r *http.Request) (int, string) {
	v.t.Helper()
	if v.name != "" {
		r.Header.Set("X-Forwarded-User", v.name)
		groups := make([]string, 0, len(v.roles))
		for _, role := range v.roles {
			groups = append(groups, string(role))
		}
		r.Header.Set("X-Forwarded-Groups", strings.Join(groups, ","))
	}
	w := httptest.NewRecorder()
	v.handler.ServeHTTP(w, r)
	page := w.Body.String()
	if m := formToken1.FindStringSubmatch(page); m != nil {
		v.token = m[1]
	}
	return w.Code, page
}

func (v *visitor) get(path string) (int, string) {
	v.t.Helper()
	return v.do(httptest.NewRequestWithContext(v.t.Context(), http.MethodGet, path, nil))
}

// post sends a form with the form token of the page that was shown last.
func (v *visitor) post(path string, form url.Values) (int, string) {
	v.t.Helper()
	form.Set(access.FormField, v.token)
	r := httptest.NewRequestWithContext(v.t.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.do(r)
}

// restricted returns the pages with a desk, and a token that may read one repository.
func restricted(t *testing.T, desk Desk, repository string) (pages http.Handler, token string) {
	t.Helper()
	token, digest := identity.NewToken()
	readers, err := identity.Parse([]byte("tokens:\n  - {name: mine, person: mira, repositories: [" + repository + "], sha256: " + digest + "}\n"))
	if err != nil {
		t.Fatal(err)
	}
	pages, err = New(Config{Access: access.New(access.Config{Credentials: readers, Log: discarded}), Index: &fakeIndex{}, Desk: desk, Store: "the index", Log: discarded, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	return pages, token
}
