package pending_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/pending"
	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

const company = `
services:
  - {name: payments, repositories: [github.com/acme/*], paths: ["payments/**"], classification: critical, owner: owners}
  - {name: catalog, repositories: [github.com/acme/*], paths: ["catalog/**"], classification: medium}
  - {name: fixtures, repositories: [github.com/acme/*], paths: ["testdata/**"], classification: low}
agents:
  - {id: fixer, accounts: ["fixer[bot]"], services: [payments, catalog, fixtures]}
people:
  - {id: ben, accounts: [ben]}
  - {id: cleo, accounts: [cleo]}
teams:
  - {id: owners, members: [ben, cleo]}
rules:
  - {name: critical, when: service.classification == "critical", verdict: review-required, reason: owners review critical services, by: [owners]}
  - {name: fixtures, when: service.classification == "low", verdict: autonomous, reason: fixtures do no harm}
gate: {break_glass: {by: [owners], review_within: 1h}}
default: review-required
`

var github = identity.Principal{Name: "github", Platform: "github", Webhook: true}

// A site has a broker, an enricher, a view and a follower.
type site struct {
	conf   enricher.Config
	writer *stream.Writer
	rules  enricher.Rules
	began  time.Time
	sent   int
	facts  map[record.ChangeID][]record.Event // as sent, by change

	view     *enricher.View
	follower *pending.Follower
	heard    *ledger
	stop     func() // ends view and follower
	idle     func() // ends the enricher
}

// A ledger is a listener that keeps what it hears.
type ledger struct {
	mu   sync.Mutex
	open map[record.ChangeID]pending.Item
}

func (l *ledger) Opened(i pending.Item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[i.Change] = i
}

func (l *ledger) Ended(id record.ChangeID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, id)
}

func (l *ledger) changes() []record.ChangeID {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []record.ChangeID
	for id := range l.open {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

func newSite(t testing.TB) *site { return newSiteWith(t, company) }

func newSiteWith(t testing.TB, policy string) *site {
	t.Helper()
	topics := stream.Topics{Prefix: "t"}
	kafka, w := kafkatest.Pipeline(t, 3, topics)
	s := &site{writer: w, began: time.Now().Add(-48 * time.Hour).Truncate(time.Second), facts: make(map[record.ChangeID][]record.Event)}
	s.conf = enricher.Config{
		Kafka: kafka, Topics: topics, Namespace: "x", Keys: signing.Of([]byte(strings.Repeat("k", 40))), Log: slog.New(slog.DiscardHandler),
	}
	s.enrich(t, policy)
	s.open(t, t.TempDir())
	return s
}

// enrich runs an enricher with a policy, instead of the one before.
func (s *site) enrich(t testing.TB, text string) {
	t.Helper()
	pol, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	matrix, err := controls.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.idle != nil {
		s.idle()
	}
	s.rules = enricher.Always(pol, matrix)
	s.conf.Policy, s.conf.Controls, s.conf.StateDir = pol, matrix, t.TempDir()
	conf := s.conf
	s.idle = background(t, func(ctx context.Context) error { return enricher.Run(ctx, conf) })
}

// open opens a view in a folder, with a follower.
func (s *site) open(t testing.TB, dir string) {
	t.Helper()
	if s.stop != nil {
		s.stop()
	}
	view, err := enricher.OpenView(t.Context(), s.conf.Kafka, s.conf.Topics, dir, s.conf.Log)
	if err != nil {
		t.Fatal(err)
	}
	s.heard = &ledger{open: make(map[record.ChangeID]pending.Item)}
	s.view, s.follower = view, pending.New(view, s.conf.Log)
	s.follower.Listen(s.heard)
	ends := background(t, view.Run)
	follower := background(t, s.follower.Run)
	s.stop = func() { follower(); ends() }
}

// background runs f until stop is called or the test ends.
func background(t testing.TB, f func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) { // it may be stopped while it starts
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// say sends a fact as the code host.
func (s *site) say(t *testing.T, id record.ChangeID, f record.Fact) {
	t.Helper()
	at := s.began.Add(time.Duration(s.sent) * time.Second)
	e := producer.Event(string(id), f)
	e.SetSource("/github")
	e.SetExtension("partitionkey", string(id.Repository()))
	s.send(t, e, at)
	e2 := record.Event{Sender: record.SenderPlatform + "github", Source: "/github", ID: e.ID(), Type: e.Type(), Repository: id.Repository(), Change: id, Time: at, Arrived: time.Now(), Witness: record.Observed, Fact: f}
	s.facts[id] = append(s.facts[id], e2)
}

// send signs an event for the code host and appends it.
func (s *site) send(t *testing.T, e event.Event, at time.Time) {
	t.Helper()
	s.sent++
	e.SetID(fmt.Sprint(s.sent))
	e.SetTime(at)
	gateway.Sign(&e, s.conf.Keys, github, time.Now())
	m, err := producer.Encode(t.Context(), e, producer.Binary)
	if err != nil {
		t.Fatal(err)
	}
	r := &stream.Record{Topic: s.conf.Topics.Events(), Key: m.Key, Value: m.Value, Timestamp: time.Now(), Partition: stream.NewPartitioner(3).Of(string(m.Key))}
	for _, x := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: x.Key, Value: x.Value})
	}
	if err := s.writer.Append(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func commit(n int) string { return fmt.Sprintf("%040x", n+1) }

// next says something about a change that is open, or closes it, or opens it again.
func (s *site) next(t *testing.T, rnd *rand.Rand, id record.ChangeID, n int) {
	t.Helper()
	author, kind := "fixer[bot]", "bot"
	if strings.HasSuffix(string(id), "3") {
		author, kind = "ben", "human"
	}
	file := []string{"payments/a.go", "catalog/a.go", "testdata/a.json"}[int(id[len(id)-1])%3]
	head := commit(n / 6)
	revision := record.Revision{Title: "change " + string(id), Author: author, AuthorType: kind, HeadSHA: head, Branch: "fix", Files: []string{file}}
	switch {
	case n == 0:
		s.say(t, id, &record.Opened{Revision: revision})
		return
	case n%6 == 0:
		s.say(t, id, &record.Updated{Revision: revision})
		return
	}
	review := func(verdict string) *record.Review {
		return &record.Review{Reviewer: []string{"ben", "cleo"}[rnd.IntN(2)], ReviewerType: "human", Verdict: verdict, CommitSHA: head, SubmittedAt: s.began.Add(time.Duration(s.sent) * time.Second), ReviewID: fmt.Sprint(n)}
	}
	switch rnd.IntN(8) {
	case 0:
		s.say(t, id, &record.Closed{Revision: revision})
	case 1, 2:
		revision.State = "open"
		s.say(t, id, &record.Updated{Revision: revision})
	case 3:
		s.say(t, id, review("dismissed"))
	case 4:
		s.say(t, id, review("changes-requested"))
	case 5:
		if n > 12 {
			s.say(t, id, &record.Merged{Revision: revision, MergeSHA: commit(99)})
		}
	default:
		s.say(t, id, review("approved"))
	}
}

// A line is what the test compares of an item.
type line struct {
	Change  record.ChangeID
	Allowed bool
	Missing int
	Head    string
	Class   string
	Agent   string
	Answers record.Answers
	Orders  *gate.Emergency
}

func lineOf(i pending.Item) line {
	return line{i.Change, i.Decision.Allowed, len(i.Decision.Missing), i.Decision.Head, i.Class, i.Agent, i.Answers, i.Emergency}
}

// wanted returns what waits and what is open, by a fold of everything that was sent.
func (s *site) wanted() (waits []line, open []record.ChangeID) {
	now := time.Now()
	for id, events := range s.facts {
		p := enricher.PreviewOf(id, record.Gather(id, events), s.rules, now)
		t := p.Now.Trail
		if t.Change.State != "open" {
			continue
		}
		open = append(open, id)
		d := gate.Decide(p, "", now)
		if t.Change.InitiatedBy == "agent" && !d.Allowed && len(d.Missing) > 0 {
			waits = append(waits, line{id, false, len(d.Missing), d.Head, t.Service.Classification, "fixer", *t.Answers, &gate.Emergency{Accounts: []string{"ben", "cleo"}, ReviewSeconds: 3600}})
		}
	}
	slices.SortFunc(waits, func(a, b line) int { return strings.Compare(string(a.Change), string(b.Change)) })
	slices.Sort(open)
	return waits, open
}

// check waits until the follower lists what is wanted.
func (s *site) check(t *testing.T, about string) {
	t.Helper()
	want, open := s.wanted()
	difference := ""
	for began := time.Now(); time.Since(began) < 20*time.Second; time.Sleep(10 * time.Millisecond) {
		items, err := s.follower.List()
		if err != nil {
			difference = err.Error()
			continue
		}
		if !slices.IsSortedFunc(items, func(a, b pending.Item) int {
			return slices.Index(policy.Classifications, a.Class) - slices.Index(policy.Classifications, b.Class)
		}) {
			t.Fatalf("%s: the order is %v", about, items)
		}
		var got []line
		for _, i := range items {
			got = append(got, lineOf(i))
		}
		slices.SortFunc(got, func(a, b line) int { return strings.Compare(string(a.Change), string(b.Change)) })
		if difference = cmp.Diff(want, got) + cmp.Diff(open, s.heard.changes()); difference == "" {
			return
		}
	}
	t.Fatalf("%s: %s", about, difference)
}

// TestTheListIsWhatTheGateWouldSayOfEachOpenChange lets code hosts report random things about twelve
// changes, and compares the list with what the gate decides from all events, after some of them; the
// view starts anew in its folder and in an empty one, and another policy comes into force.
func TestTheListIsWhatTheGateWouldSayOfEachOpenChange(t *testing.T) {
	s := newSite(t)
	rnd := rand.New(rand.NewPCG(7, 19))
	said := make(map[record.ChangeID]int)
	step := func() {
		id := record.Repository(fmt.Sprintf("github.com/acme/shop%d", rnd.IntN(3))).Change(fmt.Sprintf("/pull/%d", 1+rnd.IntN(4)))
		s.next(t, rnd, id, said[id])
		said[id]++
	}
	most := 0
	for i := range 160 {
		if step(); i%10 == 9 {
			s.check(t, fmt.Sprintf("after %d events", i+1))
			items, _ := s.follower.List()
			most = max(most, len(items))
		}
	}
	late := &ledger{open: make(map[record.ChangeID]pending.Item)}
	s.follower.Listen(late)
	if !slices.Equal(late.changes(), s.heard.changes()) {
		t.Errorf("who listens later hears of %v, not of %v", late.changes(), s.heard.changes())
	}
	if most < 3 {
		t.Fatalf("this test tells little: at most %d changes waited", most)
	}
	dir := t.TempDir()
	for range 2 {
		s.open(t, dir)
		s.check(t, "after a restart")
		s.stop()
		for range 10 {
			step()
		}
		s.open(t, dir)
		s.check(t, "after a restart that missed events")
	}
	s.enrich(t, strings.Replace(company, "default: review-required", "default: autonomous", 1))
	s.check(t, "after a change of the policy")
	if want, _ := s.wanted(); len(want) == most {
		t.Fatal("this test tells little: the policy decides as before")
	}
}

// TestAChangeOfARenamedRepositoryIsListedOnce: under the present name of its repository.
func TestAChangeOfARenamedRepositoryIsListedOnce(t *testing.T) {
	s := newSite(t)
	webhook := func(kind, name, more string) {
		t.Helper()
		e := event.New()
		e.SetType("com.github." + kind)
		e.SetSource("https://github.com/acme/" + name)
		e.SetExtension("partitionkey", "github.com/acme/"+name)
		at := s.began.Add(time.Duration(s.sent) * time.Minute)
		body := fmt.Sprintf(`{"repository":{"id":77,"full_name":"acme/%s","html_url":"https://github.com/acme/%[1]s","updated_at":%q},%s}`, name, at.Format(time.RFC3339), more)
		if err := e.SetData("application/json", []byte(body)); err != nil {
			t.Fatal(err)
		}
		s.send(t, e, at)
	}
	pull := func() string {
		at := s.began.Add(time.Duration(s.sent) * time.Minute).Format(time.RFC3339)
		return fmt.Sprintf(`"pull_request":{"number":7,"title":"t","state":"open","merged":false,"user":{"id":1,"login":"fixer[bot]","type":"Bot"},"created_at":%q,"updated_at":%q,"head":{"sha":%q,"ref":"b"},"base":{"ref":"main"}}`, at, at, commit(0))
	}
	listed := func(want record.ChangeID) {
		t.Helper()
		var got []record.ChangeID
		for began := time.Now(); time.Since(began) < 20*time.Second; time.Sleep(10 * time.Millisecond) {
			if items, err := s.follower.List(); err != nil || len(items) != 1 || items[0].Change != want {
				continue
			}
			if got = s.heard.changes(); slices.Equal(got, []record.ChangeID{want}) {
				return
			}
		}
		items, err := s.follower.List()
		t.Fatalf("listed are %v (%v), heard of was %v; want %s", items, err, got, want)
	}
	webhook("pull_request.opened", "old", `"action":"opened",`+pull())
	listed("github.com/acme/old/pull/7")
	webhook("repository.renamed", "new", `"action":"renamed","changes":{"repository":{"name":{"from":"old"}}}`)
	webhook("pull_request.synchronize", "new", `"action":"synchronize",`+pull())
	listed("github.com/acme/new/pull/7")
	items, _ := s.follower.List()
	if p, err := s.view.Preview(t.Context(), items[0].Change); err != nil || p.Now.Trail.Change.HeadSHA != commit(0) {
		t.Errorf("the gate does not find the change by the name in the list: %v %v", p, err)
	}
	s.open(t, t.TempDir())
	listed("github.com/acme/new/pull/7")
}
