package access

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/query"
)

// repositories is an index with one record of each repository.
type repositories []string

// holds reports whether a tree matches the record of a repository.
func holds(n query.Node, repository string) bool {
	is := func(n query.Node) bool { return holds(n, repository) }
	switch n := n.(type) {
	case query.All:
		return true
	case query.Term:
		return n.Value == repository
	case query.Wildcard:
		return n.Pattern.Match(repository)
	case query.Bool:
		if slices.ContainsFunc(n.Not, is) {
			return false
		}
		if len(n.Must) > 0 {
			return !slices.ContainsFunc(n.Must, func(n query.Node) bool { return !is(n) })
		}
		return slices.ContainsFunc(n.Should, is) || len(n.Should) == 0 && len(n.Not) > 0
	}
	return false
}

func (x repositories) Search(_ context.Context, q query.Request) (*query.Result, error) {
	res := &query.Result{Facets: make(map[string][]query.Count)}
	for _, r := range x {
		if holds(q.Where, r) {
			res.Total++
			for _, f := range q.Facets {
				res.Facets[f] = append(res.Facets[f], query.Count{Value: r, N: 1}, query.Count{Value: "another value of " + r, N: 1})
			}
		}
	}
	return res, nil
}

func (x repositories) All(_ context.Context, where query.Node, f func(query.Hit) error) error {
	for _, r := range x {
		if holds(where, r) {
			if err := f(query.Hit{ID: r}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x repositories) Values(context.Context, string, string, int) ([]string, error) {
	return x, nil
}

var someRepositories = repositories{
	"github.com/acme/pay", "github.com/acme/payments", "github.com/acme/p", "github.com/acme-two/pay", "github.com/beta/pay", "gitlab.com/acme/pay",
	"gitlab.com/acme/team/pay", "gitlab.com/acme/team/deep/pay", "gitlab.com/acme", "github.com/acme/pay*", "github.com/acme/**", "xgithub.com/acme/pay", "github.com/acme/pay/x",
}

func narrow(t *testing.T) Finder {
	t.Helper()
	fields, err := query.RecordFields()
	if err != nil {
		t.Fatal(err)
	}
	return Narrow(someRepositories, fields)
}

func (r Reader) in(ctx context.Context) context.Context {
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	return r.With(req).Context()
}

// TestReadersFindWhatTheyMayRead compares each search with the right to read single changes, for
// patterns of every form.
func TestReadersFindWhatTheyMayRead(t *testing.T) {
	finder, rng, found := narrow(t), rand.New(rand.NewPCG(1, 2)), 0
	parts := []string{"github.com", "gitlab.com", "acme", "ACME", "*", "**", "?", "a*", "*y", "pay", "Payments", "team", `pay\*`, "p?y", "", "acme-two"}
	for range 3000 {
		reader := Reader{Principal: identity.Principal{Agent: "a", Name: "a"}}
		for range 1 + rng.IntN(3) {
			var p []string
			for range 1 + rng.IntN(4) {
				p = append(p, parts[rng.IntN(len(parts))])
			}
			reader.Repositories = append(reader.Repositories, strings.Join(p, "/"))
		}
		ctx := reader.in(t.Context())
		var got, want []string
		if err := finder.All(ctx, query.All{}, func(h query.Hit) error { got = append(got, h.ID); return nil }); err != nil {
			t.Fatal(err)
		}
		for _, r := range someRepositories {
			if reader.MayRead(r) {
				want = append(want, r)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q finds %q, may read %q", reader.Repositories, got, want)
		}
		res, err := finder.Search(ctx, query.Request{Where: query.Bool{Not: []query.Node{query.Term{Value: "none"}}}})
		if err != nil || res.Total != len(want) {
			t.Fatalf("%q counts %d, want %d: %v", reader.Repositories, res.Total, len(want), err)
		}
		values, err := finder.Values(ctx, "changetrail.change.repository", "git", 100)
		slices.Sort(want)
		if err != nil || !slices.Equal(values, slices.DeleteFunc(want, func(r string) bool { return !strings.HasPrefix(r, "git") })) {
			t.Fatalf("%q completes %q, want %q: %v", reader.Repositories, values, want, err)
		}
		if found += len(got); len(got) > 0 && len(reader.Only()) == 0 {
			t.Fatal("it is not said that there may be more")
		}
	}
	if found < 300 {
		t.Errorf("%d were found in all, which is too few to say anything", found)
	}
}

// TestWhoMayReadNothingFindsNothing: neither does a reader whose patterns a search cannot express.
func TestWhoMayReadNothingFindsNothing(t *testing.T) {
	finder := narrow(t)
	for name, r := range map[string]Reader{
		"nobody":                 {},
		"an agent":               {Principal: identity.Principal{Agent: "a"}},
		"a pattern with a class": {Principal: identity.Principal{Person: "p", Repositories: []string{"github.com/[a-c]cme/pay"}}},
		"a pattern with a NUL":   {Principal: identity.Principal{Person: "p", Repositories: []string{"github.com/\x00cme/pay"}}},
		"one of two":             {Principal: identity.Principal{Person: "p", Repositories: []string{"github.com/acme/pay", "github.com/[^x]cme/**"}}},
	} {
		ctx := r.in(t.Context())
		_, err1 := finder.Search(ctx, query.Request{Where: query.All{}})
		err2 := finder.All(ctx, query.All{}, func(h query.Hit) error { t.Errorf("%s finds %s", name, h.ID); return nil })
		_, err3 := finder.Values(ctx, "changetrail.change.repository", "git", 10)
		for _, err := range []error{err1, err2, err3} {
			if p := new(problem.Problem); !errors.As(err, &p) || p.Status != http.StatusForbidden {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if _, err := finder.Search(t.Context(), query.Request{Where: query.All{}}); err == nil {
		t.Error("where it is not known who reads, something is found")
	}
	for _, r := range []Reader{{anybody: true}, {Principal: identity.Principal{Person: "p"}}} {
		res, err := finder.Search(r.in(t.Context()), query.Request{Where: query.All{}})
		if err != nil || res.Total != len(someRepositories) || r.Only() != nil {
			t.Errorf("%+v finds %+v, %v", r, res, err)
		}
	}
}
