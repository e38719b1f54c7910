package gate_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

// A publisher puts what gates record on the stream of a pipeline.
type publisher struct {
	*pipeline
	to *stream.Writer
}

func (p publisher) RecordAt(ctx context.Context, change record.ChangeID, f record.Fact, at time.Time) error {
	e := producer.Event(string(change), f)
	e.SetSource("/gate")
	e.SetID(at.Format(time.RFC3339Nano) + string(change))
	e.SetTime(at.UTC())
	e.SetExtension("partitionkey", string(change.Repository()))
	m, err := producer.Encode(ctx, e, producer.Binary)
	if err != nil {
		return err
	}
	r := &stream.Record{Topic: p.conf.Topics.Events(), Key: m.Key, Value: m.Value, Timestamp: time.Now(), Partition: stream.NewPartitioner(2).Of(string(m.Key))}
	for _, x := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: x.Key, Value: x.Value})
	}
	return p.to.Append(ctx, r)
}

// withApprovals gives each gate of a pipeline a book of its own, and returns the books.
func (p *pipeline) withApprovals(t *testing.T) []*approvals.Book {
	t.Helper()
	var books []*approvals.Book
	for _, g := range p.gates {
		b, err := approvals.Open(p.conf.Kafka, p.conf.Topics, signing.Of([]byte("the key of the gateways")), p.conf.Log)
		if err != nil {
			t.Fatal(err)
		}
		run(t, b.Run)
		books = append(books, b)
		g.Approvals = &approvals.Applier{Book: b, Recorder: publisher{p, p.writer}, Now: time.Now}
	}
	return books
}

// opens is a change of the agent that dan reviewed, and that needs an approval before the work.
func (p *pipeline) opens(t *testing.T, change record.ChangeID) *subject {
	t.Helper()
	s := &subject{id: change}
	at := time.Now().UTC().Add(-time.Hour)
	for n := range 2 {
		p.send(t, s, nil, n, at)
	}
	r, _ := p.message(t, s.id, 2, "/host", &record.Review{Reviewer: "dan", ReviewerType: "human", Verdict: "approved", CommitSHA: fmt.Sprintf("%040x", 1), SubmittedAt: at}, at)
	if err := p.writer.Append(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return s
}

func (p *pipeline) ask(t *testing.T, by int, s *subject) gate.Decision {
	t.Helper()
	d, err := p.gates[by].Ask(t.Context(), gate.Question{Change: s.id})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func granted(id, person string, uses int, scope ...string) approvals.Grant {
	return approvals.Grant{
		ID: id, Person: person, Agent: "fixer", Repository: "github.com/acme/shop0", Scope: scope, Uses: uses,
		Until: time.Now().Add(time.Hour), Reason: "the fix of the rounding",
	}
}

// TestAnApprovalBeforeTheWork: a person approves before there is a change. The first change that it
// covers uses it up; a revocation at one gate ends what another gate allowed; a new approval allows
// it again.
func TestAnApprovalBeforeTheWork(t *testing.T) {
	p := newPipeline(t)
	books := p.withApprovals(t)
	give := func(g approvals.Grant) {
		t.Helper()
		if _, err := books[0].Grant(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	give(granted("g0", "cleo", 0, "catalog")) // of another service
	give(granted("g1", "ben", 1, "payments"))
	first, second := p.opens(t, "github.com/acme/shop0/pull/7"), p.opens(t, "github.com/acme/shop0/pull/8")
	if d := p.ask(t, 1, first); !d.Allowed || d.Authorized != record.Proven {
		t.Fatalf("the change that the approval covers: %v", d.Reasons)
	}
	if d := p.ask(t, 0, second); d.Allowed || len(d.Missing) == 0 {
		t.Errorf("another change, after the only use: %v", d.Reasons)
	}
	if d := p.ask(t, 0, p.opens(t, "github.com/acme/shop1/pull/7")); d.Allowed {
		t.Errorf("a change in another repository: %v", d.Reasons)
	}
	if _, err := books[0].Revoke(t.Context(), approvals.Revocation{ID: "r1", Grant: "g1", Person: "cleo", Reason: "the plan was wrong"}); err != nil {
		t.Fatal(err)
	}
	if d := p.ask(t, 1, first); d.Allowed {
		t.Errorf("after the revocation: %v", d.Reasons)
	}
	give(granted("g2", "ben", 0, "payments/**"))
	for i, s := range []*subject{first, second} {
		if d := p.ask(t, i, s); !d.Allowed {
			t.Errorf("after a new approval: %v", d.Reasons)
		}
	}
	for _, b := range books {
		for _, s := range b.Grants(time.Now()) {
			if want := map[string]int{"g0": 0, "g1": 1, "g2": 2}[s.ID]; len(s.UsedBy) != want {
				t.Errorf("%s is used by %v", s.ID, s.UsedBy)
			}
		}
	}
}

// TestAWaitEndsWithAnApproval: a question that waits is answered when a person approves.
func TestAWaitEndsWithAnApproval(t *testing.T) {
	p := newPipeline(t)
	books := p.withApprovals(t)
	s := p.opens(t, "github.com/acme/shop0/pull/7")
	before := p.ask(t, 0, s)
	if before.Allowed || !strings.Contains(strings.Join(before.Reasons, " "), "approval of a person") {
		t.Fatalf("%v", before.Reasons)
	}
	go func() {
		time.Sleep(100 * time.Millisecond)
		_, _ = books[1].Grant(context.WithoutCancel(t.Context()), granted("g", "cleo", 1, "payments"))
	}()
	d, err := p.gates[0].Ask(t.Context(), gate.Question{Change: s.id, Wait: 20 * time.Second, Last: before.Digest()})
	if err != nil || !d.Allowed {
		t.Errorf("%v %v", d.Reasons, err)
	}
}

// TestTwoGatesAndTheLastUse asks two gates about several changes at the same time, which all lack an
// approval that only two of them may use: exactly two are allowed. Then the approval is revoked while
// a question about one of them waits at the other gate, and none is allowed.
func TestTwoGatesAndTheLastUse(t *testing.T) {
	p := newPipeline(t)
	books := p.withApprovals(t)
	var subjects []*subject
	for n := range 5 {
		subjects = append(subjects, p.opens(t, record.Repository("github.com/acme/shop0").Change(fmt.Sprintf("/pull/%d", n+1))))
	}
	if _, err := books[0].Grant(t.Context(), granted("g", "ben", 2, "payments")); err != nil {
		t.Fatal(err)
	}
	round := func() (allowed []record.ChangeID) {
		var mu sync.Mutex
		var wait sync.WaitGroup
		for i := range 4 * len(subjects) {
			wait.Go(func() {
				s := subjects[i%len(subjects)]
				if d := p.ask(t, i%2, s); d.Allowed {
					mu.Lock()
					defer mu.Unlock()
					if !slices.Contains(allowed, s.id) {
						allowed = append(allowed, s.id)
					}
				}
			})
		}
		wait.Wait()
		slices.Sort(allowed)
		return allowed
	}
	first := round()
	for range 2 {
		if again := round(); len(first) != 2 || !slices.Equal(first, again) {
			t.Fatalf("allowed: %v, then %v", first, again)
		}
	}
	var denied *subject
	for _, s := range subjects {
		if !slices.Contains(first, s.id) {
			denied = s
		}
	}
	before := p.ask(t, 1, denied)
	waited := make(chan gate.Decision, 1)
	go func() {
		d, err := p.gates[1].Ask(context.WithoutCancel(t.Context()), gate.Question{Change: denied.id, Wait: time.Second, Last: before.Digest()})
		if err != nil {
			t.Error(err)
		}
		waited <- d
	}()
	if _, err := books[0].Revoke(t.Context(), approvals.Revocation{ID: "r", Grant: "g", Person: "cleo", Reason: "the plan was wrong"}); err != nil {
		t.Fatal(err)
	}
	if d := <-waited; d.Allowed {
		t.Errorf("%s is allowed while the approval is revoked: %v", d.Change, d.Reasons)
	}
	if none := round(); len(none) != 0 {
		t.Errorf("after the revocation: %v", none)
	}
}
