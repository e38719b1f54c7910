package desk_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/gate/desk"
	"github.com/changetrail/changetrail/gate/pending"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

const (
	repository = record.Repository("github.com/acme/shop")
	change     = record.ChangeID("github.com/acme/shop/pull/7")
	commit1    = "1111111111111111111111111111111111111111"
	commit2    = "2222222222222222222222222222222222222222"
)

const company = `
services:
  - {name: payments, repositories: [github.com/acme/shop], paths: ["payments/**"], classification: critical, owner: owners}
  - {name: catalog, repositories: [github.com/acme/shop], paths: ["catalog/**"], classification: medium}
  - {name: web, repositories: [github.com/acme/web], classification: low}
agents: [{id: fixer, accounts: ["fixer[bot]"], services: [payments, catalog, web], delegates: [ana]}]
people:
  - {id: ana, accounts: [ana]}
  - {id: ben, accounts: [ben, ben-at-home]}
  - {id: cleo, accounts: [cleo]}
  - {id: dan, accounts: [dan]}
teams: [{id: owners, members: [ben, cleo]}]
rules:
  - {name: rights, when: 'change.paths.exists(p, glob(p, "**/iam/**"))', verdict: forbidden, reason: no agent changes access rights}
  - {name: authentication, when: 'change.paths.exists(p, glob(p, "**/auth/**"))', verdict: approval-required, reason: owners approve, by: [owners]}
  - {name: critical, when: service.classification == "critical", verdict: review-required, reason: owners review, by: [owners]}
default: review-required
`

// A world is a change as it was reported, judged by the real policy. It is a view, and records
// what the desk does as a gateway would: as what changetrail observed.
type world struct {
	t      *testing.T
	events []record.Event
	now    time.Time
	policy *policy.Policy
	away   error
	broken error // of the recorder
	items  []pending.Item
}

func newWorld(t *testing.T, text string) *world {
	t.Helper()
	p, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &world{items: []pending.Item{{Change: change, Class: "critical"}}, t: t, now: time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC), policy: p}
}

func (w *world) add(sender, witness string, f record.Fact) {
	w.now = w.now.Add(time.Minute)
	text, _ := json.Marshal(f)
	e := record.Event{
		Sender: sender, Source: "/" + sender, ID: fmt.Sprint(len(w.events)), Type: record.TypeOf(f), Repository: repository, Change: change, Time: w.now, Arrived: w.now, Witness: witness, Fact: f, Digest: digests.Of(text),
	}
	if _, ok := f.(*record.Pushed); ok {
		e.Change = ""
	}
	w.events = append(w.events, e)
}

func (w *world) host(f record.Fact) { w.add("platform:github", record.Observed, f) }

// opened reports that the agent opened the change.
func (w *world) opened(author string, files ...string) *world {
	w.host(&record.Opened{Revision: record.Revision{Author: author, HeadSHA: commit1, BaseRef: "main", Branch: "fix", Files: files}})
	w.host(&record.Pushed{Branch: "fix", After: commit1, Pusher: author, Commits: []record.Commit{{SHA: commit1, Author: author}}, Files: files})
	return w
}

func (w *world) pushed(files ...string) *world {
	w.host(&record.Pushed{Branch: "fix", Before: commit1, After: commit2, Pusher: "fixer[bot]", Commits: []record.Commit{{SHA: commit2, Author: "fixer[bot]"}}, Files: files})
	w.host(&record.Updated{Revision: record.Revision{HeadSHA: commit2, Branch: "fix", Files: files}})
	return w
}

func (w *world) askedBy(person string) *world {
	w.add("agent:fixer", record.Signed, &record.Decision{Agent: record.Agent{ID: "fixer", DelegatedBy: person}, Chosen: "a", Options: []record.Option{{ID: "a", Title: "A", Outcome: "chosen"}}})
	return w
}

func (w *world) Preview(_ context.Context, id record.ChangeID) (*enricher.Preview, error) {
	if w.away != nil {
		return nil, w.away
	}
	if id != change {
		return nil, fmt.Errorf("%s: %w", id, enricher.ErrUnknownChange)
	}
	matrix, err := controls.Parse(nil)
	if err != nil {
		return nil, err
	}
	return enricher.PreviewOf(change, record.Gather(change, w.events), enricher.Always(w.policy, matrix), w.now.Add(time.Minute)), nil
}

func (w *world) Merged(context.Context, record.ChangeID) (*enricher.Preview, error) { return nil, nil }

func (w *world) Changed() <-chan struct{} { return nil }

func (w *world) InForce(context.Context) (*policy.Policy, error, error) {
	return w.policy, nil, w.away
}

func (w *world) Record(_ context.Context, _ record.ChangeID, f record.Fact, _ string) error {
	if w.broken != nil {
		return w.broken
	}
	if _, gates := f.(*record.GateDecision); !gates {
		w.add("platform:gateway", record.Observed, f)
	}
	return nil
}

func (w *world) List() ([]pending.Item, error) {
	return w.items, w.away
}

func (w *world) desk(book desk.Book) *desk.Desk {
	now := func() time.Time { return w.now }
	return &desk.Desk{View: w, Gate: &gate.Gate{View: w, Recorder: w, Now: now}, Recorder: w, Book: book, Open: w, Now: now}
}

// given are the reviews and approvals that were recorded.
func (w *world) given() (out []string) {
	for _, e := range w.events {
		if e.Sender != "platform:gateway" {
			continue
		}
		switch f := e.Fact.(type) {
		case *record.Review:
			out = append(out, fmt.Sprintf("%s: %s of %.1s", f.Reviewer, f.Verdict, f.CommitSHA))
		case *record.Approval:
			out = append(out, fmt.Sprintf("%s: %s %v", f.Approver, f.Verdict, f.Scope))
		}
	}
	return out
}

// TestWhatAPersonApprovesIsRecordedAndCounts: what is missing and the person can give, for the commit
// that they saw; and the gate judges it as any other review or approval.
func TestWhatAPersonApprovesIsRecordedAndCounts(t *testing.T) {
	everything := strings.Replace(company, "services:\n", "mode: gate-everything\nservices:\n", 1)
	two := strings.Replace(company, "rules:\n", "approvers: {critical: 2}\nrules:\n", 1)
	for _, c := range []struct {
		name   string
		policy string
		files  []string
		people []string // who approve, in order
		allows bool
		given  []string
	}{
		{"a review by anybody", company, []string{"catalog/a.go"}, []string{"dan"}, true, []string{"dan: approved of 1"}},
		{"a review by an owner", company, []string{"payments/a.go"}, []string{"ben-at-home"}, true, []string{"ben-at-home: approved of 1"}},
		{"an approval and a review", company, []string{"payments/auth/a.go"}, []string{"cleo"}, true, []string{"cleo: granted [payments]", "cleo: approved of 1"}},
		{"two services", company, []string{"payments/a.go", "catalog/a.go"}, []string{"ben"}, true, []string{"ben: approved of 1"}},
		{"everything needs a person", everything, []string{"catalog/a.go"}, []string{"dan"}, true, []string{"dan: granted [catalog]", "dan: approved of 1"}},
		{"twice by one person", company, []string{"catalog/a.go"}, []string{"dan", "dan"}, true, []string{"dan: approved of 1"}},
		{"the first of two people", two, []string{"payments/auth/a.go"}, []string{"cleo"}, false, []string{"cleo: granted [payments]", "cleo: approved of 1"}},
		{"two people", two, []string{"payments/auth/a.go"}, []string{"cleo", "ben"}, true, []string{"cleo: granted [payments]", "cleo: approved of 1", "ben: granted [payments]"}},
	} {
		w := newWorld(t, c.policy).opened("fixer[bot]", c.files...)
		var d gate.Decision
		var err error
		for _, who := range c.people {
			if d, err = w.desk(nil).Decide(t.Context(), desk.Verdict{Person: who, Change: change, Commit: commit1, Approve: true}); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
		}
		if got := w.given(); d.Allowed != c.allows || !slices.Equal(got, c.given) {
			t.Errorf("%s: allowed %v, %q: %v", c.name, d.Allowed, got, d.Reasons)
		}
	}
}

// TestNothingIsRecordedThatAPersonCannotGive: and the error says why.
func TestNothingIsRecordedThatAPersonCannotGive(t *testing.T) {
	two := strings.Replace(company, "rules:\n", "approvers: {critical: 2}\nrules:\n", 1)
	verdict := func(who string) desk.Verdict {
		return desk.Verdict{Person: who, Change: change, Commit: commit1, Approve: true, Reason: "why"}
	}
	for _, c := range []struct {
		name   string
		world  func(*world)
		who    string
		commit string
		status int
		says   string
	}{
		{"who asked for the work", func(w *world) { w.opened("fixer[bot]", "catalog/a.go").askedBy("ana") }, "ana", commit1, 403, "ana took part in this change or asked for it"},
		{"the author", func(w *world) {
			w.opened("fixer[bot]", "catalog/a.go").host(&record.Pushed{Branch: "fix", Before: commit1, After: commit1, Pusher: "dan", Commits: []record.Commit{{SHA: commit1, Author: "dan"}}})
		}, "dan", commit1, 403, "took part"},
		{"no owner", func(w *world) { w.opened("fixer[bot]", "payments/a.go") }, "dan", commit1, 403, "dan cannot give what is missing: a review for payments by ben or cleo (owners)"},
		{"nobody whom the policy knows", func(w *world) { w.opened("fixer[bot]", "catalog/a.go") }, "stranger", commit1, 403, "the policy does not list the account stranger"},
		{"the agent", func(w *world) { w.opened("fixer[bot]", "catalog/a.go") }, "fixer[bot]", commit1, 403, "only people decide"},
		{"another commit", func(w *world) { w.opened("fixer[bot]", "catalog/a.go").pushed("catalog/a.go") }, "dan", commit1, 409, "has a newer commit, 2222222222, than the one that you saw (1111111111)"},
		{"no commit", func(w *world) { w.opened("fixer[bot]", "catalog/a.go") }, "dan", "", 409, "newer commit"},
		{"a change of a person", func(w *world) { w.opened("ana", "catalog/a.go") }, "dan", commit1, 409, "no agent made"},
		{"merged", func(w *world) {
			w.opened("fixer[bot]", "catalog/a.go").host(&record.Merged{Revision: record.Revision{HeadSHA: commit1}, MergedBy: "dan"})
		}, "cleo", commit1, 409, "not open any more"},
		{"forbidden", func(w *world) { w.opened("fixer[bot]", "payments/iam/a.go") }, "ben", commit1, 403, "the policy forbids this change"},
		{"only CI is missing", func(w *world) {
			w.opened("fixer[bot]", "catalog/a.go").host(&record.Review{Reviewer: "cleo", ReviewerType: "human", Verdict: "approved", CommitSHA: commit1})
			w.add("platform:ci", record.Observed, &record.Validation{Name: "unit", CommitSHA: commit1, Conclusion: "failure"})
		}, "dan", commit1, 409, "nothing that a person can give is missing. The CI job unit failed"},
		{"the view away", func(w *world) { w.away = errors.New("the enrichers are behind") }, "dan", commit1, 503, "the enrichers are behind"},
		{"nothing can be recorded", func(w *world) { w.opened("fixer[bot]", "catalog/a.go").broken = errors.New("the broker is away") }, "dan", commit1, 503, "the broker is away"},
		{"the same person again", func(w *world) {
			*w = *newWorld(w.t, two).opened("fixer[bot]", "payments/auth/a.go")
			w.add("person:cleo", record.Human, &record.Approval{Approver: "cleo"})
			w.host(&record.Review{Reviewer: "cleo", ReviewerType: "human", Verdict: "approved", CommitSHA: commit1})
		}, "cleo", commit1, 403, "an approval by somebody besides cleo"},
	} {
		w := newWorld(t, company)
		c.world(w)
		v := verdict(c.who)
		v.Commit = c.commit
		_, err := w.desk(nil).Decide(t.Context(), v)
		var p *problem.Problem
		if !errors.As(err, &p) || p.Status != c.status || !strings.Contains(p.Detail, c.says) || len(w.given()) > 0 {
			t.Errorf("%s: %v; recorded: %q", c.name, err, w.given())
		}
	}
	if _, err := newWorld(t, company).desk(nil).Decide(t.Context(), desk.Verdict{Person: "dan", Change: "github.com/acme/shop/pull/8", Commit: commit1}); problem.Of(err, 0).Status != http.StatusNotFound {
		t.Errorf("an unknown change: %v", err)
	}
}

// TestOrders: the desk passes an order on, and says what the gate refuses as a problem. Nothing is recorded
// then.
func TestOrders(t *testing.T) {
	glass := strings.Replace(company, "rules:\n", "gate: {break_glass: {by: [dan, ana, fixer], review_within: 24h}}\nrules:\n", 1)
	for _, c := range []struct {
		name   string
		world  *world
		order  gate.Override
		status int // 0: followed
		says   string
	}{
		{"allowed", newWorld(t, glass).opened("fixer[bot]", "payments/a.go"), gate.Override{Person: "dan", Reason: "<script>alert(1)</script>"}, 0, "dan ordered that this commit may be merged: <script>alert(1)</script>."},
		{"not by the policy", newWorld(t, glass).opened("fixer[bot]", "payments/a.go"), gate.Override{Person: "cleo", Reason: "why"}, 403, "the policy lets dan, ana, fixer do it, not cleo"},
		{"no section in the policy", newWorld(t, company).opened("fixer[bot]", "payments/a.go"), gate.Override{Person: "dan", Reason: "why"}, 403, "the policy lets nobody do it (gate.break_glass)"},
		{"the head moved", newWorld(t, glass).opened("fixer[bot]", "payments/a.go").pushed("payments/a.go"), gate.Override{Person: "dan", Reason: "why"}, 409, "You asked about commit 111111111, but the newest commit"},
		{"the maker is an agent, and orders", newWorld(t, glass).opened("fixer[bot]", "payments/a.go"), gate.Override{Person: "fixer[bot]", Reason: "why"}, 403, "not fixer[bot]"},
		{"who asked for the work", newWorld(t, glass).opened("fixer[bot]", "payments/a.go").askedBy("ana"), gate.Override{Person: "ana", Reason: "why"}, 403, "ana took part in the change or asked for it"},
		{"no reason", newWorld(t, glass).opened("fixer[bot]", "payments/a.go"), gate.Override{Person: "dan", Reason: " \n"}, 422, "give a reason"},
		{"no such change", newWorld(t, glass), gate.Override{Change: "github.com/acme/shop/pull/8", Person: "dan", Reason: "why"}, 404, "pull/8"},
	} {
		o := c.order
		o.Change, o.Commit = cmp.Or(o.Change, change), commit1
		before := len(c.world.events)
		d, err := c.world.desk(nil).Override(t.Context(), o)
		if c.status == 0 {
			if err != nil || !d.Allowed || d.Reasons[0] != c.says || len(c.world.events) != before+1 {
				t.Errorf("%s: %+v %v", c.name, d, err)
			}
			continue
		}
		if p := problem.Of(err, 0); err == nil || p.Status != c.status || !strings.Contains(p.Detail, c.says) || len(c.world.events) != before {
			t.Errorf("%s: %v, %d recorded", c.name, err, len(c.world.events)-before)
		}
	}
	w := newWorld(t, glass).opened("fixer[bot]", "payments/a.go")
	w.broken = errors.New("the broker is away")
	if _, err := w.desk(nil).Override(t.Context(), gate.Override{Change: change, Person: "dan", Commit: commit1, Reason: "why"}); problem.Of(err, 0).Status != http.StatusServiceUnavailable || !strings.Contains(err.Error(), "Do not merge.") {
		t.Errorf("nothing can be recorded: %v", err)
	}
}

// TestARefusalStopsTheMerge: also one that somebody else approved, until the person who refused approves.
func TestARefusalStopsTheMerge(t *testing.T) {
	w := newWorld(t, company).opened("fixer[bot]", "payments/auth/a.go")
	d := w.desk(nil)
	decide := func(who string, approve bool, reason string) (gate.Decision, error) {
		return d.Decide(t.Context(), desk.Verdict{Person: who, Change: change, Commit: commit1, Approve: approve, Reason: reason})
	}
	if _, err := decide("ben", false, " "); err == nil || len(w.given()) > 0 {
		t.Errorf("a refusal without a reason: %v", err)
	}
	if got, err := decide("ben", true, ""); err != nil || !got.Allowed {
		t.Fatalf("%+v %v", got, err)
	}
	if got, err := decide("ben", false, "it breaks the login"); err != nil || got.Allowed || !slices.Equal(w.given()[2:], []string{"ben: refused []", "ben: changes-requested of 1"}) {
		t.Errorf("after a refusal: %+v %v %q", got, err, w.given())
	}
	if got, err := decide("cleo", true, ""); err != nil || got.Allowed {
		t.Errorf("with the approval of another: %+v %v", got, err)
	}
	if got, err := decide("ben", true, ""); err != nil || !got.Allowed {
		t.Errorf("after the person changed their mind: %+v %v", got, err)
	}
}

var topics = stream.Topics{Prefix: "t"}

func openBook(t *testing.T) *approvals.Book {
	t.Helper()
	kafka, _ := kafkatest.Pipeline(t, 1, topics)
	b, err := approvals.Open(kafka, topics, signing.Of([]byte("the key of the gateways")), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return b
}

// TestRequestsAreAnsweredOnce: by somebody who did not ask for the work, and what is given is checked
// against the policy in force.
func TestRequestsAreAnsweredOnce(t *testing.T) {
	w := newWorld(t, company)
	w.now = time.Now()
	book := openBook(t)
	d := w.desk(book)
	for i, q := range []approvals.Request{
		{ID: "q1", Services: []string{"payments"}, AskedBy: "ben-at-home"}, {ID: "q2", Paths: []string{"catalog/a.go"}}, {ID: "q3", Repository: "github.com/acme/web"}, {ID: "q4", Repository: "github.com/acme/unknown"},
	} {
		q.Agent, q.Does = "fixer", "push"
		if q.Repository == "" {
			q.Repository = repository
		}
		if err := book.Ask(t.Context(), q); err != nil {
			t.Fatal(i, err)
		}
	}
	waiting, err := d.Waiting(t.Context())
	if err != nil || len(waiting.Changes) != 1 || len(waiting.Requests) != 4 {
		t.Fatalf("%+v %v", waiting, err)
	}
	got := make(map[string]string)
	for _, q := range waiting.Requests {
		got[q.ID] = q.Class
	}
	if want := map[string]string{"q1": "critical", "q2": "medium", "q3": "low", "q4": ""}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the classes are %v", got)
	}
	grant := func(who, request string, change func(*approvals.Grant)) error {
		g := approvals.Grant{ID: "g-" + who + request, Person: who, Agent: "fixer", Repository: repository, Scope: []string{"payments"}, Until: w.now.Add(time.Hour), Uses: 1, Reason: "the fix", Request: request}
		if change != nil {
			change(&g)
		}
		_, err := d.Grant(t.Context(), g)
		return err
	}
	for name, c := range map[string]struct {
		err    error
		status int
		says   string
	}{
		"who asked":      {grant("ben", "q1", nil), 403, "ben asked fixer for this work"},
		"no reason":      {grant("cleo", "q1", func(g *approvals.Grant) { g.Reason = "" }), 422, "reason is missing"},
		"too long":       {grant("cleo", "q1", func(g *approvals.Grant) { g.Until = w.now.AddDate(0, 0, 91) }), 422, "at most 90 days"},
		"unknown agent":  {grant("cleo", "q1", func(g *approvals.Grant) { g.Agent = "fixr" }), 422, "agent"},
		"a stranger":     {grant("stranger", "q1", nil), 422, "the policy lists no person stranger"},
		"no request":     {grant("cleo", "q9", nil), 409, "does not wait any more"},
		"refuse nothing": {d.Refuse(t.Context(), approvals.Refusal{ID: "r", Request: "q9", Person: "cleo", Reason: "no"}), 409, "does not wait any more"},
		"refuse, silent": {d.Refuse(t.Context(), approvals.Refusal{ID: "r", Request: "q2", Person: "cleo"}), 422, "reason is missing"},
	} {
		if p := problem.Of(c.err, 0); c.err == nil || p.Status != c.status || !strings.Contains(p.Detail, c.says) {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	if err := errors.Join(grant("cleo", "q1", nil), grant("dan", "", nil), d.Refuse(t.Context(), approvals.Refusal{ID: "r1", Request: "q2", Person: "cleo", Reason: "not now"})); err != nil {
		t.Fatal(err)
	}
	if err := grant("dan", "q1", nil); problem.Of(err, 0).Status != http.StatusConflict {
		t.Errorf("a request that was answered: %v", err)
	}
	if waiting, err := d.Waiting(t.Context()); err != nil || len(waiting.Requests) != 2 {
		t.Errorf("%+v %v", waiting, err)
	}
	if _, err := d.Revoke(t.Context(), approvals.Revocation{ID: "v", Grant: "g-cleoq1", Person: "ben"}); problem.Of(err, 0).Status != http.StatusUnprocessableEntity {
		t.Errorf("a revocation without a reason: %v", err)
	}
	if s, err := d.Revoke(t.Context(), approvals.Revocation{ID: "v", Grant: "g-cleoq1", Person: "ben", Reason: "an incident"}); err != nil || s.Status != approvals.Revoked {
		t.Errorf("%+v %v", s, err)
	}
	if _, err := d.Revoke(t.Context(), approvals.Revocation{ID: "v", Grant: "none", Person: "ben", Reason: "an incident"}); problem.Of(err, 0).Status != http.StatusNotFound {
		t.Errorf("an unknown approval: %v", err)
	}
	if list, err := d.Grants(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("%+v %v", list, err)
	}
}

// TestWhatWaitsIsWholeOrNotKnown: an inbox that may lack something is an error, never an empty one.
func TestWhatWaitsIsWholeOrNotKnown(t *testing.T) {
	w := newWorld(t, company)
	d := w.desk(openBook(t))
	w.away = errors.New("not all changes are read")
	if got, err := d.Waiting(t.Context()); got != nil || problem.Of(err, 0).Status != http.StatusServiceUnavailable {
		t.Errorf("%+v %v", got, err)
	}
	w.away = nil
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := d.Waiting(ctx); got != nil || problem.Of(err, 0).Status != http.StatusServiceUnavailable {
		t.Errorf("the book cannot be asked: %+v %v", got, err)
	}
	if got, err := d.Grants(ctx); got != nil || problem.Of(err, 0).Status != http.StatusServiceUnavailable {
		t.Errorf("the book cannot be asked: %+v %v", got, err)
	}
}

// A bell rings when it is rung.
type bell chan struct{}

func (b bell) Changed() <-chan struct{} { return b }

// TestApprovalsReachOpenChangesByThemselves: nobody has to ask the gate for it, neither for a grant nor
// for its revocation; and the gate is not asked again while nothing is new.
func TestApprovalsReachOpenChangesByThemselves(t *testing.T) {
	w := newWorld(t, company).opened("fixer[bot]", "payments/auth/a.go")
	w.now = time.Now()
	book := openBook(t)
	d := w.desk(book)
	asker := &counting{Gate: d.Gate}
	d.Gate = asker
	w.items = []pending.Item{{Change: change, Agent: "Fixer"}, {Change: "github.com/acme/web/pull/1", Agent: "fixer"}, {Change: change, Agent: "another"}}
	rings := make(bell, 9)
	noted := new(notes)
	s := &desk.Sweep{Desk: d, Changes: rings, Books: book, Notes: noted, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	until := func(n int64) {
		t.Helper()
		for began := time.Now(); asker.n.Load() != n; time.Sleep(time.Millisecond) {
			if time.Since(began) > 10*time.Second {
				t.Fatalf("the gate was asked %d times, want %d", asker.n.Load(), n)
			}
		}
		for range 3 { // nothing is new
			rings <- struct{}{}
		}
		time.Sleep(20 * time.Millisecond)
		if got := asker.n.Load(); got != n {
			t.Fatalf("the gate was asked %d times, want %d", got, n)
		}
	}
	g := approvals.Grant{ID: "g1", Person: "cleo", Agent: "fixer", Repository: repository, Scope: []string{"payments"}, Until: time.Now().Add(time.Hour), Reason: "the fix"}
	if _, err := d.Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	until(1)
	if _, err := book.Use(t.Context(), approvals.Use{Grant: "g1", Change: change}); err != nil {
		t.Fatal(err)
	}
	until(1)
	if _, err := d.Revoke(t.Context(), approvals.Revocation{ID: "r", Grant: "g1", Person: "cleo", Reason: "an incident"}); err != nil {
		t.Fatal(err)
	}
	until(2)
	for began := time.Now(); noted.count() < 3 && time.Since(began) < 10*time.Second; time.Sleep(time.Millisecond) {
		continue
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	want := []string{"away", "cleo approved that the agent fixer works on payments until " + g.Until.UTC().Format(time.RFC3339) + " (approval g1): the fix", "cleo revoked the approval g1 that cleo gave to the agent fixer: an incident"}
	if !slices.Equal(noted.said, want) {
		t.Errorf("noted: %q", noted.said)
	}
}

// notes keeps what is noted, each once; the first time it fails.
type notes struct {
	mu   sync.Mutex
	said []string
}

func (n *notes) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.said)
}

func (n *notes) NoteAt(_ context.Context, of record.Repository, f record.Fact, at time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, ok := f.(*record.Activity)
	switch {
	case !ok, of != repository, at.IsZero():
		return fmt.Errorf("%s: %T at %s", of, f, at)
	case len(n.said) == 0:
		n.said = append(n.said, "away")
		return errors.New("the broker is away")
	}
	n.said = append(n.said, a.Summary)
	return nil
}

// A counting asker counts questions.
type counting struct {
	desk.Gate
	n atomic.Int64
}

func (c *counting) Ask(ctx context.Context, q gate.Question) (gate.Decision, error) {
	c.n.Add(1)
	return c.Gate.Ask(ctx, q)
}
