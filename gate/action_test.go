package gate_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

func action(paths ...string) gate.Action {
	return gate.Action{Agent: "fixer", Repository: string(repository), Tool: "Edit", Does: "write", Paths: paths, Run: "run-1", AskedBy: "ana"}
}

// unsure is an action of which nobody knows which files it writes.
func unsure(paths ...string) gate.Action {
	a := action(paths...)
	a.Tool, a.More = "Bash", true
	return a
}

func grantBy(person string, scope ...string) approvals.Standing {
	return approvals.Standing{Status: approvals.InForce, Grant: approvals.Grant{ID: "by-" + person, Person: person, Agent: "fixer", Repository: repository, Scope: scope}}
}

func kinds(s approvals.Standing, kinds ...string) approvals.Standing { s.Kinds = kinds; return s }

func onlyFor(s approvals.Standing, c record.ChangeID) approvals.Standing { s.Change = c; return s }

func list(all ...approvals.Standing) []approvals.Standing { return all }

const askAlways = "mode: gate-everything\n" + company

// TestActionsOfAgents: each situation, as a sentence.
func TestActionsOfAgents(t *testing.T) {
	asked := func(by string, does func(*gate.Action)) gate.Action {
		a := action("payments/auth/login.go")
		if a.AskedBy = by; does != nil {
			does(&a)
		}
		return a
	}
	for sentence, c := range map[string]struct {
		policy  string
		action  gate.Action
		given   []approvals.Standing
		allowed bool
		asks    string // services for which people are asked
		words   string
	}{
		"a fixture may be written by an agent alone":                         {company, action("testdata/a.json"), nil, true, "", "fixtures do no harm"},
		"what is reviewed before the merge may be written before the review": {company, action("payments/round.go"), nil, true, "", "owners review critical services"},
		"where two people must approve, one is not enough":                   {"approvers: {critical: 2}\n" + company, action("payments/auth/login.go"), list(grantBy("cleo", "payments")), false, "payments", "an approval for payments by ben"},
		"and the same person twice is one":                                   {"approvers: {critical: 2}\n" + company, action("payments/auth/login.go"), list(grantBy("cleo", "payments"), grantBy("cleo-private", "payments")), false, "payments", ""},
		"and two are enough":                                                 {"approvers: {critical: 2}\n" + company, action("payments/auth/login.go"), list(grantBy("cleo", "payments"), grantBy("ben", "payments/**")), true, "", ""},
		"nobody may change access rights":                                    {company, action("payments/iam/role.tf"), list(grantBy("cleo", "payments")), false, "", "The policy forbids it (rule access rights): no agent changes access rights."},
		"an agent that the policy does not list may do nothing":              {company, gate.Action{Agent: "stranger", Repository: string(repository), Does: "write", Paths: []string{"testdata/a"}}, nil, false, "", "does not list the agent stranger"},
		"an agent may not leave its services":                                {company, gate.Action{Agent: "writer", Repository: string(repository), Does: "write", Paths: []string{"catalog/a"}}, nil, false, "", "may change only"},
		"authentication needs an approval before the work":                   {company, action("payments/auth/login.go"), nil, false, "payments", "an approval for payments by ben or cleo"},
		"which was given":                                                    {company, action("payments/auth/login.go"), list(grantBy("cleo", "payments")), true, "", "by-cleo"},
		"which was given under another account":                              {company, action("payments/auth/login.go"), list(grantBy("cleo-private", "payments")), true, "", ""},
		"which was given for the folder":                                     {company, action("payments/auth/login.go"), list(grantBy("ben", "payments/auth/**")), true, "", ""},
		"which was given for another folder":                                 {company, action("payments/auth/login.go"), list(grantBy("ben", "payments/round/**")), false, "payments", ""},
		"which was given by somebody outside the group":                      {company, action("payments/auth/login.go"), list(grantBy("dan", "payments")), false, "payments", ""},
		"which was given by whoever asked for the work":                      {company, asked("ben", nil), list(grantBy("ben", "payments")), false, "payments", "an approval for payments by cleo"},
		"which was given by the agent":                                       {company, action("payments/auth/login.go"), list(grantBy("fixer[bot]", "payments")), false, "payments", ""},
		"which was given for documentation alone":                            {company, action("payments/auth/login.go"), list(kinds(grantBy("cleo", "payments"), "documentation")), false, "payments", ""},
		"which was given for code":                                           {company, action("payments/auth/login.go"), list(kinds(grantBy("cleo", "payments"), "code", "test")), true, "", ""},
		"which was given for code, and it is unknown what is changed":        {company, unsure("payments/auth/login.go"), list(kinds(grantBy("cleo", "github.com/acme/shop"), "code")), false, "payments fixtures catalog", ""},
		"which was given for one change, and nobody knows if this is it":     {company, action("payments/auth/login.go"), list(onlyFor(grantBy("cleo", "payments"), change)), false, "payments", ""},
		"a command may write any file, also a forbidden one":                 {company, unsure(), nil, false, "payments fixtures catalog", "may be forbidden: no agent changes access rights"},
		"and needs an approval for all of them":                              {company, unsure(), list(grantBy("cleo", "payments", "catalog", "fixtures")), true, "", ""},
		"by the owners of what may need one":                                 {company, unsure(), list(grantBy("dan", "github.com/acme/shop")), false, "payments", ""},
		"an approval of files does not cover it":                             {company, unsure("testdata/a"), list(grantBy("cleo", "testdata/**")), false, "payments fixtures catalog", ""},
		"a command that surely writes a forbidden file is forbidden":         {company, unsure("payments/iam/role.tf"), list(grantBy("cleo", "github.com/acme/shop")), false, "", "The policy forbids it"},
		"work that somebody asked for who may not needs an approval":         {company, gate.Action{Agent: "fixer", Repository: string(repository), Does: "write", Paths: []string{"testdata/a"}, AskedBy: "dan"}, nil, false, "fixtures", `"dan" asked`},
		"a file in no service needs an approval that nobody can give":        {company, action("other/a"), list(grantBy("cleo", "github.com/acme/shop")), false, "", "Nobody can give this approval"},
		"a file outside of the repository is in no service":                  {company, action("/etc/passwd"), nil, false, "", "Nobody can give this approval"},
		"without a repository nobody can be asked":                           {askAlways, gate.Action{Agent: "fixer", Does: "write", Paths: []string{"testdata/a"}}, nil, false, "", "no git remote"},
		"in the mode gate-everything a fixture needs an approval":            {askAlways, action("testdata/a.json"), nil, false, "fixtures", "every action of an agent needs a person's approval in advance"},
		"by any person":                                                         {askAlways, action("testdata/a.json"), list(grantBy("dan", "fixtures")), true, "", ""},
		"but not by whoever asked for the work":                                 {askAlways, action("testdata/a.json"), list(grantBy("ana", "fixtures")), false, "fixtures", ""},
		"an approval of one service is none of another":                         {askAlways, action("testdata/a.json", "catalog/b"), list(grantBy("dan", "fixtures")), false, "catalog", ""},
		"two approvals cover two services":                                      {askAlways, action("testdata/a.json", "catalog/b"), list(grantBy("dan", "fixtures"), grantBy("ben", "catalog")), true, "", "It was approved before the work: "},
		"in this mode reading the clock by an unknown tool needs all approvals": {"mode: gate-everything\nservices: [{name: all, repositories: [github.com/acme/shop], classification: low}]\nagents: [{id: fixer, services: ['*']}]\n", unsure(), nil, false, "all", ""},
		"which one approval for the repository gives":                           {"mode: gate-everything\nservices: [{name: all, repositories: [github.com/acme/shop], classification: low}]\nagents: [{id: fixer, services: ['*']}]\n", unsure(), list(grantBy("dan", "github.com/acme/shop")), true, "", ""},
		"an approval of some files does not cover files that nobody knows":      {"mode: gate-everything\nservices: [{name: all, repositories: [github.com/acme/shop], classification: low}]\nagents: [{id: fixer, services: ['*']}]\n", unsure("a/b"), list(grantBy("dan", "a/**")), false, "all", ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			p, err := policy.Parse([]byte(c.policy))
			if err != nil {
				t.Fatal(err)
			}
			d := gate.DecideAction(p, c.action, c.given)
			text := strings.Join(d.Reasons, " ") + strings.Join(d.Missing, " ")
			if d.Allowed != c.allowed || !strings.Contains(text, c.words) || !slices.Equal(slices.Sorted(slices.Values(gate.AsksFor(d))), slices.Sorted(strings.FieldsSeq(c.asks))) {
				t.Errorf("allowed %v, asks for %q: %s", d.Allowed, gate.AsksFor(d), text)
			}
		})
	}
}

// fixed is a policy that never changes.
type fixed struct {
	p   *policy.Policy
	err error
}

func (f fixed) InForce(context.Context) (*policy.Policy, error, error) { return f.p, nil, f.err }

// guard returns a gate for actions, with a book of its own on a broker.
func guard(t *testing.T, text string) (*gate.Actions, *approvals.Book) {
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
	p, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &gate.Actions{Policies: fixed{p: p}, Approvals: book, Inbox: "https://trail.example/inbox", Now: time.Now}, book
}

// TestPeopleAreAskedOnce: for the same agent, repository, run and services, until they answer.
func TestPeopleAreAskedOnce(t *testing.T) {
	g, book := guard(t, askAlways)
	var wg sync.WaitGroup
	for range 8 { // at the same time
		wg.Go(func() {
			if a, err := g.Ask(t.Context(), action("testdata/a"), 0); err != nil || a.Allowed || a.Request == "" || a.Inbox != g.Inbox {
				t.Errorf("%+v %v", a, err)
			}
		})
	}
	wg.Wait()
	first, err := g.Ask(t.Context(), action("testdata/b"), 0)
	if open := book.Requests(time.Now()); err != nil || len(open) != 1 || open[0].ID != first.Request || open[0].Services[0] != "fixtures" || open[0].Run != "run-1" || open[0].AskedBy != "ana" {
		t.Fatalf("%+v %v", open, err)
	}
	other := action("testdata/a")
	other.Run = "run-2"
	if a, err := g.Ask(t.Context(), other, 0); err != nil || a.Request == first.Request {
		t.Errorf("another run: %+v %v", a, err)
	}
	narrow := approvals.Grant{ID: "g1", Person: "dan", Agent: "fixer", Repository: repository, Scope: []string{"testdata/b"}, Until: time.Now().Add(time.Hour), Reason: "only this", Request: first.Request}
	if _, err := book.Grant(t.Context(), narrow); err != nil {
		t.Fatal(err)
	}
	if a, err := g.Ask(t.Context(), action("testdata/b"), 0); err != nil || !a.Allowed || a.Approvals[0] != "g1" {
		t.Errorf("approved: %+v %v", a, err)
	}
	again, err := g.Ask(t.Context(), action("testdata/a"), 0)
	if err != nil || again.Allowed || again.Request == "" || again.Request == first.Request {
		t.Fatalf("what the approval does not cover is asked again: %+v %v", again, err)
	}
	if err := book.Refuse(t.Context(), approvals.Refusal{ID: "r1", Request: again.Request, Person: "ben", Reason: "not today"}); err != nil {
		t.Fatal(err)
	}
	if a, err := g.Ask(t.Context(), action("testdata/a"), time.Minute); err != nil || !a.Refused || !strings.Contains(strings.Join(a.Reasons, " "), "ben refused the request "+again.Request+": not today") {
		t.Errorf("a refusal ends the wait: %+v %v", a, err)
	}
}

// TestAWaitEndsWithTheApproval, without polling.
func TestAWaitEndsWithTheApproval(t *testing.T) {
	g, book := guard(t, askAlways)
	first, err := g.Ask(t.Context(), action("testdata/a"), 0)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	allowed := make(chan bool, 1)
	go func() {
		a, err := g.Ask(t.Context(), action("testdata/a"), time.Minute)
		allowed <- err == nil && a.Allowed
	}()
	if _, err := book.Grant(t.Context(), approvals.Grant{ID: "g1", Person: "dan", Agent: "fixer", Repository: repository, Scope: []string{"fixtures"}, Until: time.Now().Add(time.Hour), Reason: "go", Request: first.Request}); err != nil {
		t.Fatal(err)
	}
	if !<-allowed || time.Since(began) > 30*time.Second {
		t.Errorf("after %s", time.Since(began))
	}
	if _, err := book.Revoke(t.Context(), approvals.Revocation{ID: "v1", Grant: "g1", Person: "dan", Reason: "no"}); err != nil {
		t.Fatal(err)
	}
	if a, err := g.Ask(t.Context(), action("testdata/a"), 0); err != nil || a.Allowed || a.Request == "" || a.Request == first.Request {
		t.Errorf("after the revocation: %+v %v", a, err)
	}
}

// TestTheGateCannotTell: it never allows what it does not know.
func TestTheGateCannotTell(t *testing.T) {
	g, _ := guard(t, askAlways)
	away := errors.New("the broker is away")
	none, err := policy.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx   context.Context
		g     gate.Actions
		words string
	}{
		"the policies cannot be read":  {t.Context(), gate.Actions{Policies: fixed{err: away}, Approvals: g.Approvals, Now: time.Now}, "the broker is away"},
		"there is no policy":           {t.Context(), gate.Actions{Policies: fixed{p: none}, Approvals: g.Approvals, Now: time.Now}, "no policy is in force"},
		"the approvals cannot be read": {over, *g, "which approvals were given"},
	} {
		if a, err := c.g.Ask(c.ctx, action("testdata/a"), 0); !errors.Is(err, gate.ErrUnknown) || a.Allowed || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %+v %v", name, a, err)
		}
	}
	alone := gate.Actions{Policies: g.Policies, Now: time.Now}
	if a, err := alone.Ask(t.Context(), action("testdata/a"), time.Minute); err != nil || a.Allowed || a.Request != "" || !strings.Contains(strings.Join(a.Reasons, " "), "Nobody can give an approval here") {
		t.Errorf("without approvals: %+v %v", a, err)
	}
}
