package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/gate/desk"
	"github.com/changetrail/changetrail/gate/pending"
	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/stream"
)

// A counter is a desk without a policy: it writes into a book what it is told.
type counter struct{ book *approvals.Book }

func (c counter) Waiting(ctx context.Context) (*desk.Waiting, error) {
	out := &desk.Waiting{Changes: []pending.Item{{Change: "github.com/acme/shop/pull/7", Emergency: &gate.Emergency{Accounts: []string{"dan"}, ReviewSeconds: 5400}}, {Change: "github.com/acme/other/pull/8"}}}
	for _, r := range c.book.Requests(time.Now()) {
		out.Requests = append(out.Requests, desk.Request{Request: r})
	}
	return out, c.book.CatchUp(ctx)
}

func (c counter) Decide(_ context.Context, v desk.Verdict) (gate.Decision, error) {
	return gate.Decision{Change: v.Change, Allowed: v.Approve, Head: v.Commit, Reasons: []string{v.Person + ": " + v.Reason}}, nil
}

func (c counter) Grants(ctx context.Context) ([]approvals.Standing, error) {
	err := c.book.CatchUp(ctx)
	return c.book.Grants(time.Now()), err
}

func (c counter) Grant(ctx context.Context, g approvals.Grant) (approvals.Standing, error) {
	s, err := c.book.Grant(ctx, g)
	if errors.Is(err, approvals.ErrTaken) {
		err = problem.New(http.StatusConflict, "%v", err)
	}
	return s, err
}

func (c counter) Revoke(ctx context.Context, r approvals.Revocation) (approvals.Standing, error) {
	return c.book.Revoke(ctx, r)
}

func (c counter) Refuse(ctx context.Context, r approvals.Refusal) error { return c.book.Refuse(ctx, r) }

// who are the senders that the site of approvals knows.
const who = `
  - {name: pages, sha256: %s, platform: changetrail-web, may: [approvals]}
  - {name: bens, sha256: %s, person: ben}
  - {name: cleos, sha256: %s, person: cleo, repositories: [github.com/acme/shop]}
  - {name: pilot, sha256: %s, agent: pilot}
  - {name: ci, sha256: %s, platform: ci, may: [tests]}
  - {name: all, sha256: %s, platform: github}
`

// approvalsSite serves a book, and returns the tokens of its senders by name.
func approvalsSite(t *testing.T) (url string, tokens map[string]string, book *approvals.Book) {
	t.Helper()
	topics := stream.Topics{Prefix: "t"}
	kafka, _ := kafkatest.Pipeline(t, 1, topics)
	book, err := approvals.Open(kafka, topics, signing.Of([]byte("the key of the gateways")), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- book.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	tokens = make(map[string]string)
	var digests []any
	for _, name := range []string{"pages", "ben", "cleo", "agent", "ci", "github"} {
		token, digest := identity.NewToken()
		tokens[name] = token
		digests = append(digests, digest)
	}
	credentials, err := identity.Parse(fmt.Appendf(nil, "tokens:"+who, digests...))
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(gateway.Config{Credentials: credentials, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	s := httptest.NewServer(Decisions(g, counter{book}, next))
	t.Cleanup(s.Close)
	return s.URL, tokens, book
}

// TestWhoMayApprove: people for themselves, and a platform that may state approvals for the person whom
// it names. No agent may, whatever it says it is; nor may a platform that need not be asked.
func TestWhoMayApprove(t *testing.T) {
	url, tokens, book := approvalsSite(t)
	grant := func(id, person, repository string) string {
		return fmt.Sprintf(`{"id":%q,"person":%q,"agent":"fixer","repository":%q,"scope":["payments"],"until":%q,"uses":1,"reason":"the fix"}`, id, person, repository, time.Now().Add(time.Hour).Format(time.RFC3339))
	}
	const shop, other = "github.com/acme/shop", "github.com/acme/other"
	for _, c := range []struct {
		says, method, path, by, body string
		status                       int
		words                        string
	}{
		{"a person", "POST", "/v1/approvals", "ben", grant("g1", "", shop), 201, `"person":"ben"`},
		{"a person, again", "POST", "/v1/approvals", "ben", strings.Replace(grant("g1", "", shop), `"uses":1`, `"uses":2`, 1), 409, "taken by another"},
		{"a person in their own name", "POST", "/v1/approvals", "ben", grant("g2", "Ben", shop), 201, `"person":"ben"`},
		{"a person in another's name", "POST", "/v1/approvals", "ben", grant("x", "cleo", shop), 403, "decides for nobody else"},
		{"a person about another repository", "POST", "/v1/approvals", "cleo", grant("x", "", other), 403, "may not decide about github.com/acme/other"},
		{"a person about no repository", "POST", "/v1/approvals", "cleo", grant("x", "", ""), 422, "repository"},
		{"the pages for a person", "POST", "/v1/approvals", "pages", grant("g3", "dan", other), 201, `"person":"dan"`},
		{"the pages for nobody", "POST", "/v1/approvals", "pages", grant("x", "", shop), 422, "person is missing"},
		{"an agent", "POST", "/v1/approvals", "agent", grant("x", "ben", shop), 403, "people approve what agents do"},
		{"a person decides", "POST", "/v1/changes/acme/shop%237/decide", "ben", `{"verdict":"approve","commit":"abcdef1"}`, 200, `"allowed":true`},
		{"the pages refuse for a person", "POST", "/v1/changes/github.com/acme/shop/pull/7/decide", "pages", `{"verdict":"refuse","commit":"abcdef1","reason":"no","person":"dan"}`, 200, `dan: no`},
		{"an agent decides", "POST", "/v1/changes/github.com/acme/shop/pull/7/decide", "agent", `{"verdict":"approve","commit":"abcdef1"}`, 403, "people approve what agents do"},
		{"a person decides elsewhere", "POST", "/v1/changes/github.com/acme/other/pull/7/decide", "cleo", `{"verdict":"approve","commit":"abcdef1"}`, 403, "may not decide about github.com/acme/other"},
		{"a verdict that is none", "POST", "/v1/changes/github.com/acme/shop/pull/7/decide", "ben", `{"verdict":"aprove","commit":"abcdef1"}`, 422, "did you mean approve"},
		{"a decision about no change", "POST", "/v1/changes/PAY-12/decide", "ben", `{"verdict":"approve"}`, 400, "not a change"},
		{"a person reads what waits", "GET", "/v1/waiting", "ben", "", 200, "acme/other/pull/8"},
		{"an agent reads what waits", "GET", "/v1/waiting", "agent", "", 403, "people approve what agents do"},
		{"an agent that reads", "GET", "/v1/approvals", "agent", "", 403, "people approve what agents do"},
		{"an agent that revokes", "POST", "/v1/approvals/g1/revoke", "agent", `{"reason":"x"}`, 403, "people approve what agents do"},
		{"an agent that refuses", "POST", "/v1/requests/q1/refuse", "agent", `{"reason":"x"}`, 403, "people approve what agents do"},
		{"a platform for tests", "POST", "/v1/approvals", "ci", grant("x", "ben", shop), 403, "must list approvals"},
		{"a platform that lists nothing", "POST", "/v1/approvals", "github", grant("x", "ben", shop), 403, "must list approvals"},
		{"nobody", "POST", "/v1/approvals", "", grant("x", "ben", shop), 401, "no credential"},
		{"a field that does not exist", "POST", "/v1/approvals", "ben", `{"agents":"fixer"}`, 400, "cannot be read"},
		{"no JSON", "POST", "/v1/approvals", "ben", `agent=fixer`, 400, "cannot be read"},
		{"a long body", "POST", "/v1/approvals", "ben", `{"reason":"` + strings.Repeat("x", maxApproval) + `"}`, 413, "65536 bytes"},
		{"another's approval", "POST", "/v1/approvals/g1/revoke", "cleo", `{"reason":"x"}`, 403, "ben gave the approval g1"},
		{"an approval of another repository", "POST", "/v1/approvals/g3/revoke", "cleo", `{"reason":"x"}`, 403, "dan gave"},
		{"no approval", "POST", "/v1/approvals/g9/revoke", "ben", `{"reason":"x"}`, 404, "no approval g9"},
		{"their own approval", "POST", "/v1/approvals/g1/revoke", "ben", `{"id":"r1","reason":"a mistake"}`, 200, `"status":"revoked"`},
		{"the pages, for an administrator", "POST", "/v1/approvals/g3/revoke", "pages", `{"person":"root","reason":"a mistake"}`, 200, `"person":"root"`},
		{"a person reads", "GET", "/v1/approvals", "ben", "", 200, `"g3"`},
		{"another method", "DELETE", "/v1/approvals", "ben", "", 418, ""},
		{"another path", "GET", "/v1/other", "", "", 418, ""},
	} {
		status, text := send(t, c.method, url+c.path, tokens[c.by], c.body)
		if status != c.status || !strings.Contains(text, c.words) {
			t.Errorf("%s: %d %s", c.says, status, text)
		}
	}
	var ids []string
	for _, g := range book.Grants(time.Now()) {
		ids = append(ids, g.ID)
	}
	if slices.Sort(ids); !slices.Equal(ids, []string{"g1", "g2", "g3"}) {
		t.Errorf("the book has %v", ids)
	}
	for _, path := range []string{"/v1/approvals", "/v1/waiting"} {
		if _, text := send(t, "GET", url+path, tokens["cleo"], ""); strings.Contains(text, "acme/other") || !strings.Contains(text, "acme/shop") {
			t.Errorf("who may speak about one repository reads %s", text)
		}
	}
}

// TestTheClientOfThePages says what the gateway says, also when it refuses, and that nobody knows when
// it is away.
func TestTheClientOfThePages(t *testing.T) {
	url, tokens, book := approvalsSite(t)
	var d Desk = &Client{URL: url + "/", Token: tokens["pages"], HTTP: http.DefaultClient}
	g := approvals.Grant{ID: "g/1", Person: "ben", Agent: "fixer", Repository: "github.com/acme/shop", Scope: []string{"payments"}, Until: time.Now().Add(time.Hour).UTC(), Reason: "the fix"}
	s, err := d.Grant(t.Context(), g)
	if err != nil || s.Status != approvals.InForce || s.ID != "g/1" || s.At.IsZero() {
		t.Errorf("%+v %v", s, err)
	}
	if all, err := d.Grants(t.Context()); err != nil || len(all) != 1 || all[0].Person != "ben" {
		t.Errorf("%+v %v", all, err)
	}
	if s, err := d.Revoke(t.Context(), approvals.Revocation{ID: "r1", Grant: "g/1", Person: "cleo", Reason: "no"}); err != nil || s.Revocation.Person != "cleo" {
		t.Errorf("%+v %v", s, err)
	}
	if err := book.Ask(t.Context(), approvals.Request{ID: "q1", Agent: "fixer", Repository: "github.com/acme/shop"}); err != nil {
		t.Fatal(err)
	}
	if all, err := d.Waiting(t.Context()); err != nil || len(all.Changes) != 2 || len(all.Requests) != 1 || all.Requests[0].ID != "q1" || !all.Changes[0].Emergency.MayGive("Dan") || all.Changes[0].Emergency.ReviewWithin() != 90*time.Minute {
		t.Errorf("%+v %v", all, err)
	}
	for approves, want := range map[bool]string{true: "ben: fine", false: "ben: fine"} {
		if got, err := d.Decide(t.Context(), desk.Verdict{Person: "ben", Change: "github.com/acme/shop/pull/7", Commit: "abcdef1", Approve: approves, Reason: "fine"}); err != nil || got.Allowed != approves || got.Reasons[0] != want {
			t.Errorf("%+v %v", got, err)
		}
	}
	if err := d.Refuse(t.Context(), approvals.Refusal{ID: "n1", Request: "q1", Person: "ben", Reason: "no"}); err != nil || len(book.Requests(time.Now())) != 0 {
		t.Errorf("%v %v", book.Requests(time.Now()), err)
	}
	g.Reason = "another"
	for name, c := range map[string]struct {
		desk   Desk
		status int
		words  string
	}{
		"a conflict":         {d, 409, "taken by another"},
		"with another token": {&Client{URL: url, Token: "ct_x", HTTP: http.DefaultClient}, 401, "the token is unknown"},
		"away":               {&Client{URL: "http://127.0.0.1:1", Token: tokens["pages"], HTTP: http.DefaultClient}, 503, "cannot be asked"},
		"no gateway":         {&Client{URL: url + "/elsewhere", Token: tokens["pages"], HTTP: http.DefaultClient}, 502, "418"},
	} {
		_, err := c.desk.Grant(t.Context(), g)
		if p := problem.Of(err, 0); p.Status != c.status || !strings.Contains(p.Detail, c.words) {
			t.Errorf("%s: %d %v", name, p.Status, err)
		}
	}
}
