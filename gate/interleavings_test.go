package gate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/record"
)

// A model is a broker, several gates and people, of whom one makes a step at a time, in an order that
// a seed decides. Between two steps of a gate anything can happen. The gates are the real ones; the
// two topics and the copies of them are lists.
type model struct {
	rnd     *rand.Rand
	rules   enricher.Rules
	now     time.Time
	events  []record.Event // the topic of events
	entries []entry        // the topic of approvals
	moments []moment       // after each step
	actors  []*actor
}

// An entry of the topic of approvals is one of these.
type entry struct {
	grant  *approvals.Grant
	revoke *approvals.Revocation
	use    *approvals.Use
	at     time.Time
}

// A moment is how long the topics were.
type moment struct {
	events, entries int
	at              time.Time
}

// An actor does its work in steps.
type actor struct {
	m       *model
	resume  chan struct{}
	yielded chan bool // whether it goes on
	read    int       // how far its copy of the topic of approvals is
}

// does adds an actor.
func (m *model) does(work func(a *actor)) {
	a := &actor{m: m, resume: make(chan struct{}), yielded: make(chan bool)}
	m.actors = append(m.actors, a)
	go func() {
		<-a.resume
		work(a)
		a.yielded <- false
	}()
}

// run lets the actors make their steps until all are done.
func (m *model) run() {
	for len(m.actors) > 0 {
		i := m.rnd.IntN(len(m.actors))
		a := m.actors[i]
		a.resume <- struct{}{}
		goesOn := <-a.yielded
		m.now = m.now.Add(time.Duration(1+m.rnd.IntN(2000)) * time.Millisecond)
		m.moments = append(m.moments, moment{len(m.events), len(m.entries), m.now})
		if !goesOn {
			m.actors = slices.Delete(m.actors, i, i+1)
		}
	}
}

// step ends a step of an actor, and begins its next one.
func (a *actor) step() {
	a.yielded <- true
	<-a.resume
}

// says puts a fact on the topic of events.
func (m *model) says(change record.ChangeID, sender, witness string, f record.Fact, at time.Time) {
	text, _ := json.Marshal(f)
	e := record.Event{
		Sender: sender, Source: "/" + sender, ID: fmt.Sprint(len(m.events)), Type: record.TypeOf(f), Repository: change.Repository(), Change: change,
		Time: at, Arrived: m.now, Witness: witness, Fact: f, Digest: digests.Of(text),
	}
	if _, ok := f.(*record.Pushed); ok {
		e.Change = ""
	}
	m.events = append(m.events, e)
}

func (m *model) preview(change record.ChangeID, events int) *enricher.Preview {
	return enricher.PreviewOf(change, record.Gather(change, slices.Clone(m.events[:events])), m.rules, m.now)
}

// Preview is a step, so that what it returns may be out of date when it returns.
func (a *actor) Preview(_ context.Context, change record.ChangeID) (*enricher.Preview, error) {
	a.step()
	p := a.m.preview(change, len(a.m.events))
	a.step()
	return p, nil
}

func (a *actor) Merged(context.Context, record.ChangeID) (*enricher.Preview, error) {
	return nil, enricher.ErrUnknownChange
}

func (a *actor) Changed() <-chan struct{} { return nil }

func (a *actor) Record(context.Context, record.ChangeID, record.Fact, string) error {
	a.step()
	return nil
}

func (a *actor) RecordAt(_ context.Context, change record.ChangeID, f record.Fact, at time.Time) error {
	a.step()
	a.m.says(change, "platform:gateway", record.Observed, f, at)
	a.step()
	return nil
}

func (a *actor) CatchUp(context.Context) error {
	a.step()
	end := len(a.m.entries)
	a.step()
	a.read = max(a.read, end)
	return nil
}

func (a *actor) Use(_ context.Context, u approvals.Use) (bool, error) {
	a.step()
	a.m.entries = append(a.m.entries, entry{use: &u, at: a.m.now})
	end := len(a.m.entries)
	a.step()
	a.read = max(a.read, end)
	users, _ := a.m.users(u.Grant, a.read)
	return slices.Contains(users, u.Change), nil
}

func (a *actor) Grants(now time.Time) (out []approvals.Standing) {
	for _, e := range a.m.entries[:a.read] {
		if e.grant != nil {
			users, revoked := a.m.users(e.grant.ID, a.read)
			out = append(out, approvals.Standing{Grant: *e.grant, Status: approvals.InForce, UsedBy: users, Revocation: revoked})
		}
	}
	return out
}

func (a *actor) Usable(change record.ChangeID, now time.Time) []approvals.Standing {
	return slices.DeleteFunc(a.Grants(now), func(s approvals.Standing) bool {
		return s.Revocation != nil || now.After(s.Until) || s.Uses > 0 && len(s.UsedBy) >= s.Uses && !slices.Contains(s.UsedBy, change)
	})
}

func (a *actor) UsedBy(change record.ChangeID, now time.Time) []approvals.Standing {
	return slices.DeleteFunc(a.Grants(now), func(s approvals.Standing) bool { return !slices.Contains(s.UsedBy, change) })
}

// users returns the changes that use a grant, and its revocation, by the first entries of the topic.
func (m *model) users(grant string, entries int) (out []record.ChangeID, revoked *approvals.Revocation) {
	var g *approvals.Grant
	for _, e := range m.entries[:entries] {
		switch {
		case e.grant != nil && e.grant.ID == grant:
			g = e.grant
		case g == nil || revoked != nil:
		case e.revoke != nil && e.revoke.Grant == grant:
			r := *e.revoke
			r.At = e.at
			revoked = &r
		case e.use != nil && e.use.Grant == grant && !e.at.After(g.Until) && (g.Uses == 0 || len(out) < g.Uses) && !slices.Contains(out, e.use.Change):
			out = append(out, e.use.Change)
		}
	}
	return out, revoked
}

// allows reports whether the order of evidence lets a change be merged at a moment: an owner approved
// before the work for what the change now contains; the approval was not revoked, has not ended, and
// the change is among those that use it first; it is on the topic of events; and somebody reviewed the
// newest commit. It is written without the code that the gate uses.
func (m *model) allows(change record.ChangeID, at moment) bool {
	head, files, reviewed := "", map[string]bool{}, ""
	granted := make(map[string]bool) // references
	for _, e := range m.events[:at.events] {
		switch f := e.Fact.(type) {
		case *record.Pushed:
			if e.Source == "/"+host+string(change) {
				head = f.After
				for _, file := range f.Files {
					files[file] = true
				}
			}
		case *record.Review:
			if e.Change == change {
				reviewed = f.CommitSHA
			}
		case *record.Approval:
			if e.Change == change {
				granted[f.Reference] = f.Verdict != "refused"
			}
		}
	}
	return head == reviewed && slices.ContainsFunc(m.entries[:at.entries], func(e entry) bool {
		if e.grant == nil || at.at.After(e.grant.Until) || !granted[approvals.Reference(e.grant.ID)] {
			return false
		}
		users, revoked := m.users(e.grant.ID, at.entries)
		if revoked != nil || !slices.Contains(users, change) {
			return false
		}
		for file := range files {
			if e.grant.Scope[0] != "payments" && e.grant.Scope[0] != file {
				return false
			}
		}
		return true
	})
}

// opens is a change of the agent that dan reviewed.
func (m *model) opens(change record.ChangeID) {
	m.pushes(change, 1, "payments/auth/a.go")
	m.reviews(change, 1)
}

func (m *model) pushes(change record.ChangeID, n int, file string) {
	commit := func(n int) string { return fmt.Sprintf("%02x%038x", change[len(change)-1], n) }
	before, head, branch := "", commit(n), "fix"+string(change[len(change)-1])
	if n > 1 {
		before = commit(n - 1)
	}
	p := push(before, head, "fixer[bot]", []string{file})
	p.Branch = branch
	r := record.Revision{Author: "fixer[bot]", AuthorType: "bot", HeadSHA: head, BaseRef: "main", Branch: branch}
	m.says(change, host+string(change), record.Observed, p, m.now)
	if n == 1 {
		m.says(change, host, record.Observed, &record.Opened{Revision: r}, m.now)
		return
	}
	m.says(change, host, record.Observed, &record.Updated{Revision: r}, m.now)
}

func (m *model) reviews(change record.ChangeID, n int) {
	m.says(change, host, record.Observed, &record.Review{Reviewer: "dan", ReviewerType: "human", Verdict: "approved", CommitSHA: fmt.Sprintf("%02x%038x", change[len(change)-1], n), SubmittedAt: m.now, ReviewID: fmt.Sprint(n)}, m.now)
}

// An outcome is what became of one order of steps.
type outcome struct{ allowed, merged, contested int }

// TestNoOrderOfStepsAllowsWhatTheEvidenceForbids lets two gates answer about two changes while people
// approve for one change or two, for a file or a service, for some seconds or an hour; revoke; push and
// review; and merge what was allowed. In each of 2,000 orders of their steps (CHANGETRAIL_RACES: so
// many times 1,000), a gate allows only what the evidence allowed at a moment between the question and
// the answer; no more changes than an approval is for are allowed by it; and once the revocations are
// in the records, no record says that a merge was authorized by an approval that was revoked before it,
// or that the change did not use before it.
func TestNoOrderOfStepsAllowsWhatTheEvidenceForbids(t *testing.T) {
	orders := 2000
	if s := os.Getenv("CHANGETRAIL_RACES"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("CHANGETRAIL_RACES: %v", err)
		}
		orders = 1000 * n
	}
	matrix, err := controls.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	rules := enricher.Always(parse(t, company), matrix)
	var sum outcome
	for seed := range uint64(orders) {
		o := interleave(t, rules, seed)
		sum.allowed, sum.merged, sum.contested = sum.allowed+o.allowed, sum.merged+o.merged, sum.contested+o.contested
	}
	t.Logf("%+v", sum)
	if sum.allowed < orders/10 || sum.merged < orders/20 || sum.contested < orders/200 {
		t.Errorf("this test tells little: %+v in %d orders", sum, orders)
	}
}

func interleave(t *testing.T, rules enricher.Rules, seed uint64) (o outcome) {
	rnd := rand.New(rand.NewPCG(seed, 19))
	m := &model{rnd: rnd, rules: rules, now: morning}
	changes := []record.ChangeID{repository.Change("/pull/1"), repository.Change("/pull/2")}
	for _, c := range changes {
		m.opens(c)
	}
	m.now = m.now.Add(time.Minute)
	m.people(changes)
	allowed := make(map[string]map[record.ChangeID]bool) // by grant
	for range 2 {
		m.does(func(a *actor) {
			g := &gate.Gate{View: a, Recorder: a, Approvals: &approvals.Applier{Book: a, Recorder: a, Now: func() time.Time { return m.now }}, Now: func() time.Time { return m.now }}
			for range 3 {
				change := changes[rnd.IntN(2)]
				from := max(len(m.moments)-1, 0)
				d, err := g.Ask(context.Background(), gate.Question{Change: change})
				if err != nil {
					t.Errorf("seed %d: %v", seed, err)
					return
				}
				if !d.Allowed {
					continue
				}
				o.allowed++
				during := append(slices.Clone(m.moments[from:]), moment{len(m.events), len(m.entries), m.now})
				if !slices.ContainsFunc(during, func(at moment) bool { return m.allows(change, at) }) {
					t.Errorf("seed %d: %s is allowed (%v), and the evidence allowed it at no moment since the question:\n%s", seed, change, d.Reasons, m)
				}
				for _, s := range a.UsedBy(change, m.now) {
					if allowed[s.ID] == nil {
						allowed[s.ID] = make(map[record.ChangeID]bool)
					}
					if allowed[s.ID][change] = true; s.Uses > 0 && len(allowed[s.ID]) > s.Uses {
						t.Errorf("seed %d: %s allowed %v", seed, s.ID, allowed[s.ID])
					}
				}
				if rnd.IntN(2) == 0 {
					for range rnd.IntN(3) {
						a.step()
					}
					m.merges(change, d.Head)
					o.merged++
				}
			}
		})
	}
	m.run()
	m.settle(t, changes)
	for _, c := range changes {
		p := m.preview(c, len(m.events))
		merged := p.Now.Judged.MergedAt
		if merged.IsZero() || p.Now.Trail.Answers.Authorized != record.Proven {
			if !merged.IsZero() {
				o.contested++
			}
			continue
		}
		if !slices.ContainsFunc(m.entries, func(e entry) bool {
			if e.grant == nil || e.grant.Until.Before(merged) {
				return false
			}
			users, revoked := m.users(e.grant.ID, len(m.entries))
			used := slices.IndexFunc(m.entries, func(u entry) bool { return u.use != nil && *u.use == approvals.Use{Grant: e.grant.ID, Change: c} })
			if used < 0 || !m.entries[used].at.Before(merged) {
				return false // the change used it after the merge
			}
			return slices.Contains(users, c) && (revoked == nil || !revoked.At.Before(merged))
		}) {
			t.Errorf("seed %d: the record of %s, merged at %s, says authorized: %s\n%s", seed, c, merged, p.Now.Trail.Reasons.Authorized, m)
		}
	}
	return o
}

// merges merges a commit of a change, unless it was merged before.
func (m *model) merges(change record.ChangeID, head string) {
	merged := func(e record.Event) bool { return e.Change == change && e.Type == record.TypeChangeMerged }
	if !slices.ContainsFunc(m.events, merged) {
		m.says(change, host, record.Observed, &record.Merged{Revision: record.Revision{HeadSHA: head}, MergeSHA: strings.Repeat("e", 39) + string(change[len(change)-1]), MergedBy: "dan", MergedAt: m.now}, m.now)
	}
}

// people are those who approve, revoke, push and review, and who merge without a question to the gate.
func (m *model) people(changes []record.ChangeID) {
	for i, person := range []string{"ben", "cleo"} {
		g := &approvals.Grant{ID: "g" + person, Person: person, Agent: "fixer", Repository: repository, Scope: []string{"payments"}, Uses: 1 + m.rnd.IntN(2), Reason: "x", Until: m.now.Add(time.Hour)}
		if m.rnd.IntN(3) == 0 {
			g.Scope = []string{"payments/auth/a.go"}
		}
		if m.rnd.IntN(3) == 0 {
			g.Until = m.now.Add(time.Duration(10+m.rnd.IntN(40)) * time.Second)
		}
		if i > 0 && m.rnd.IntN(3) > 0 {
			continue // mostly one person approves
		}
		m.does(func(a *actor) {
			a.step()
			g.At = m.now
			m.entries = append(m.entries, entry{grant: g, at: m.now})
			for range m.rnd.IntN(20) {
				a.step()
			}
			if m.rnd.IntN(2) == 0 {
				m.entries = append(m.entries, entry{revoke: &approvals.Revocation{ID: "r", Grant: g.ID, Person: person, Reason: "x"}, at: m.now})
			}
		})
	}
	if m.rnd.IntN(4) == 0 {
		m.does(func(a *actor) {
			for range 5 + m.rnd.IntN(30) {
				a.step()
			}
			c := changes[m.rnd.IntN(2)]
			m.merges(c, m.preview(c, len(m.events)).Now.Trail.Change.HeadSHA)
		})
	}
	m.does(func(a *actor) {
		n := map[record.ChangeID]int{}
		for range m.rnd.IntN(3) {
			for range m.rnd.IntN(12) {
				a.step()
			}
			c := changes[m.rnd.IntN(2)]
			n[c]++
			m.pushes(c, 1+n[c], pickOf(m.rnd, "payments/auth/a.go", "payments/auth/b.go"))
			if a.step(); m.rnd.IntN(3) > 0 {
				m.reviews(c, 1+n[c])
			}
		}
	})
}

// settle brings all revocations into the records, as a gateway does in the background.
func (m *model) settle(t *testing.T, changes []record.ChangeID) {
	t.Helper()
	for _, c := range changes {
		m.does(func(a *actor) {
			apply := approvals.Applier{Book: a, Recorder: a, Now: func() time.Time { return m.now }}
			a.read = len(m.entries)
			if _, err := apply.Apply(context.Background(), m.preview(c, len(m.events))); err != nil {
				t.Error(err)
			}
		})
	}
	m.run()
}

// String lists both topics.
func (m *model) String() string {
	var b strings.Builder
	for _, e := range m.events {
		text, _ := json.Marshal(e.Fact)
		fmt.Fprintln(&b, e.Time.Format("05.000"), e.Change, e.Type, string(text))
	}
	for _, e := range m.entries {
		text, _ := json.Marshal([]any{e.grant, e.revoke, e.use})
		fmt.Fprintln(&b, e.at.Format("05.000"), string(text))
	}
	return b.String()
}
