package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/problem"
)

// A crew follows each order of dan, and refuses the others in one way.
type crew struct{ refusal error }

func (c crew) Override(_ context.Context, o gate.Override) (gate.Decision, error) {
	if o.Person != "dan" {
		return gate.Decision{}, fmt.Errorf("%w: it is %s", c.refusal, o.Person)
	}
	return gate.Decision{Change: o.Change, Allowed: true, Head: o.Commit, Rule: "break-glass", Reasons: []string{o.Person + ": " + o.Reason}}, nil
}

// TestWhoMayOrder: a person, and a platform that may speak for people. An agent never may, whatever it says.
func TestWhoMayOrder(t *testing.T) {
	tokens := make(map[string]string)
	var digests []any
	for _, name := range []string{"pages", "dan", "cleo", "agent", "ci", "github"} {
		token, digest := identity.NewToken()
		tokens[name] = token
		digests = append(digests, digest)
	}
	credentials, err := identity.Parse(fmt.Appendf(nil, "tokens:"+strings.ReplaceAll(who, "person: ben", "person: dan"), digests...))
	if err != nil {
		t.Fatal(err)
	}
	serve := func(refusal error) string {
		g, err := gateway.New(gateway.Config{Credentials: credentials, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		s := httptest.NewServer(Overrides(g, crew{refusal}, next))
		t.Cleanup(s.Close)
		return s.URL
	}
	url := serve(gate.ErrMayNot)
	const path, order = "/v1/changes/github.com/acme/shop/pull/7/break-glass", `{"commit":"ABCDEF1","reason":"payments are down"}`
	named := strings.Replace(order, "{", `{"person":"dan",`, 1)
	for _, c := range []struct {
		says, method, path, by, body string
		status                       int
		words                        string
	}{
		{"a person", "POST", path, "dan", order, 200, `"head":"abcdef1"`},
		{"a person, by the short name of the change", "POST", "/v1/changes/acme/shop%237/break-glass", "dan", order, 200, `"change":"github.com/acme/shop/pull/7"`},
		{"a person who may not", "POST", path, "cleo", order, 403, "it is cleo"},
		{"a person in another's name", "POST", path, "cleo", named, 403, "decides for nobody else"},
		{"a person about a repository that their credential does not cover", "POST", strings.Replace(path, "shop", "other", 1), "cleo", order, 403, "may not decide about"},
		{"the pages for a person", "POST", path, "pages", named, 200, "dan: payments are down"},
		{"the pages for nobody", "POST", path, "pages", order, 422, "person is missing"},
		{"an agent", "POST", path, "agent", order, 403, "people approve what agents do"},
		{"an agent in the name of a person", "POST", path, "agent", named, 403, "people approve what agents do"},
		{"a platform for tests", "POST", path, "ci", named, 403, "must list approvals"},
		{"a platform that lists nothing", "POST", path, "github", named, 403, "must list approvals"},
		{"nobody", "POST", path, "", named, 401, "no credential"},
		{"without a commit", "POST", path, "dan", `{"reason":"x"}`, 400, "not a commit id"},
		{"a commit that is none", "POST", path, "dan", `{"commit":"main","reason":"x"}`, 400, "not a commit id"},
		{"a field that does not exist", "POST", path, "dan", `{"sha":"abcdef1"}`, 400, "cannot be read"},
		{"no change", "POST", "/v1/changes/PAY-12/break-glass", "dan", order, 400, "not a change"},
		{"another method", "GET", path, "dan", "", 405, "accepts POST"},
		{"another path", "GET", "/v1/changes/github.com/acme/shop/pull/7", "dan", "", 418, ""},
	} {
		if status, body := send(t, c.method, url+c.path, tokens[c.by], c.body); status != c.status || !strings.Contains(body, c.words) {
			t.Errorf("%s: %d %s, want %d %q", c.says, status, body, c.status, c.words)
		}
	}
	c := &Client{URL: url, Token: tokens["pages"], HTTP: http.DefaultClient}
	given := gate.Override{Change: "github.com/acme/shop/pull/7", Person: "dan", Commit: "abcdef1", Reason: "payments are down"}
	if d, err := c.Override(t.Context(), given); err != nil || !d.Allowed || d.Head != given.Commit || d.Reasons[0] != "dan: payments are down" {
		t.Errorf("a client of the pages: %+v %v", d, err)
	}
	given.Person = "cleo"
	if _, err := c.Override(t.Context(), given); problem.Of(err, 0).Status != http.StatusForbidden || !strings.Contains(err.Error(), "it is cleo") {
		t.Errorf("a client of the pages for somebody who may not: %v", err)
	}
	for refusal, want := range map[error]int{gate.ErrNotNow: 409, gate.ErrNoReason: 422, enricher.ErrUnknownChange: 404, gate.ErrUnknown: 503} {
		if status, body := send(t, "POST", serve(refusal)+path, tokens["cleo"], order); status != want {
			t.Errorf("%v: %d %s, want %d", refusal, status, body, want)
		}
	}
}
