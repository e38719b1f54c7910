package gate_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

// A pipeline has a broker, an enricher and two gates, each with a view of its own.
type pipeline struct {
	conf   enricher.Config
	writer *stream.Writer
	gates  []*gate.Gate
	rules  enricher.Rules
}

// answers keeps what gates record, by id. Two facts with one id would be one event that was altered.
type answers struct {
	mu   sync.Mutex
	said map[string]record.Fact
}

func (a *answers) Record(_ context.Context, _ record.ChangeID, f record.Fact, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.said == nil {
		a.said = make(map[string]record.Fact)
	}
	if before, known := a.said[id]; known && !reflect.DeepEqual(before, f) {
		return fmt.Errorf("%s is recorded twice: %+v and %+v", id, before, f)
	}
	a.said[id] = f
	return nil
}

func newPipeline(t *testing.T) *pipeline {
	t.Helper()
	topics := stream.Topics{Prefix: "t"}
	kafka, w := kafkatest.Pipeline(t, 2, topics)
	matrix, err := controls.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	pol := parse(t, strings.ReplaceAll(company, "acme/shop]", "acme/*]"))
	p := &pipeline{writer: w, rules: enricher.Always(pol, matrix), conf: enricher.Config{
		Kafka: kafka, Topics: topics, Namespace: "x", StateDir: t.TempDir(), Policy: pol, Controls: matrix, Log: slog.New(slog.DiscardHandler),
		Trust: []settings.Trust{{Source: "/people/**", As: record.Human, History: true}, {Source: "**", As: record.Observed, History: true}},
	}}
	run(t, func(ctx context.Context) error { return enricher.Run(ctx, p.conf) })
	recorded := new(answers)
	for range 2 {
		view, err := enricher.OpenView(t.Context(), kafka, topics, t.TempDir(), p.conf.Log)
		if err != nil {
			t.Fatal(err)
		}
		run(t, view.Run)
		p.gates = append(p.gates, &gate.Gate{View: view, Recorder: recorded, Now: time.Now})
	}
	return p
}

func run(t *testing.T, f func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A subject is a change about which events are sent while the gates are asked.
type subject struct {
	id     record.ChangeID
	events []record.Event // that were sent, or are about to be
	begun  atomic.Int64   // how many of them are about to be in the broker
	acked  atomic.Int64   // how many of them are certainly there
}

// next returns something that changes the answer, or does not.
func next(rnd *rand.Rand, id record.ChangeID, n int, at time.Time) (source string, f record.Fact) {
	commit := func(n int) string { return fmt.Sprintf("%040x", n) }
	switch n {
	case 0:
		return "/host", &record.Opened{Revision: record.Revision{Author: "fixer[bot]", AuthorType: "bot", HeadSHA: commit(1), Branch: "fix", Files: []string{"payments/auth/a.go"}}}
	case 1:
		return "/host", push("", commit(1), "fixer[bot]", []string{"payments/auth/a.go"})
	}
	head := commit(1 + n/16)
	switch n % 16 { // the agent pushes after each sixteenth event
	case 0:
		return "/host", push(commit(n/16), head, "fixer[bot]", []string{"payments/auth/a.go"})
	case 1:
		return "/host", &record.Updated{Revision: record.Revision{HeadSHA: head, Branch: "fix", Files: []string{"payments/auth/a.go"}}}
	}
	review := func(who, verdict string) *record.Review {
		return &record.Review{Reviewer: who, ReviewerType: "human", Verdict: verdict, CommitSHA: head, SubmittedAt: at, ReviewID: strconv.Itoa(n)}
	}
	switch rnd.IntN(10) {
	case 0:
		return "/host", review("dan", "changes-requested")
	case 1, 2:
		return "/host", review("dan", "approved")
	case 3, 4, 5:
		return "/host", review(pickOf(rnd, "ben", "cleo"), "approved")
	case 6:
		who := pickOf(rnd, "ben", "cleo")
		return "/people/" + who, &record.Approval{Approver: who, Verdict: "refused"}
	}
	who := pickOf(rnd, "ben", "cleo")
	return "/people/" + who, &record.Approval{Approver: who}
}

func pickOf(rnd *rand.Rand, from ...string) string { return from[rnd.IntN(len(from))] }

// message returns an event as it is in Kafka, and as the enricher reads it.
func (p *pipeline) message(t *testing.T, id record.ChangeID, n int, source string, f record.Fact, at time.Time) (*stream.Record, record.Event) {
	t.Helper()
	about := string(id)
	if _, ok := f.(*record.Pushed); ok {
		about = ""
	}
	e := producer.Event(about, f)
	e.SetSource(source)
	e.SetID(fmt.Sprint(id, n))
	e.SetTime(at)
	e.SetExtension("partitionkey", string(id.Repository()))
	e.SetExtension("arrivedat", at.Format(time.RFC3339))
	m, err := producer.Encode(t.Context(), e, producer.Binary)
	if err != nil {
		t.Fatal(err)
	}
	r := &stream.Record{Topic: p.conf.Topics.Events(), Key: m.Key, Value: m.Value, Timestamp: time.Now(), Partition: stream.NewPartitioner(2).Of(string(m.Key))}
	for _, x := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: x.Key, Value: x.Value})
	}
	read, err := enricher.DecodeBy(r, ingest.Reader{Trust: p.conf.Trust})
	if err != nil {
		t.Fatal(err)
	}
	return r, read
}

// TestNoAnswerIsOlderThanItsQuestion sends reviews, objections, approvals, withdrawals and pushes
// about some changes, while two gates are asked about them all the time. Each answer must be the one
// of some moment between its question and itself: of all events that the broker had accepted before
// the question, and perhaps of some that came while the gate thought. CHANGETRAIL_RACES says how many
// times 160 questions are asked.
func TestNoAnswerIsOlderThanItsQuestion(t *testing.T) {
	rounds := 1
	if s := os.Getenv("CHANGETRAIL_RACES"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatalf("CHANGETRAIL_RACES: %v", err)
		}
	}
	for i := range uint64(rounds) {
		t.Run(strconv.FormatUint(i, 10), func(t *testing.T) { race(t, i, 160) })
	}
}

// race asks so many questions while events are sent.
func race(t *testing.T, seed uint64, questions int) {
	p := newPipeline(t)
	began := time.Now().UTC().Add(-24 * time.Hour).Truncate(time.Second)
	var subjects []*subject
	for i := range 4 {
		subjects = append(subjects, &subject{id: record.Repository(fmt.Sprintf("github.com/acme/shop%d", i)).Change("/pull/7")})
	}
	for i, s := range subjects { // all of them exist before the first question
		for n := range 2 {
			p.send(t, s, rand.New(rand.NewPCG(uint64(i), seed<<2)), n, began)
		}
	}
	var over atomic.Bool
	var wait sync.WaitGroup
	for i, s := range subjects {
		wait.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), seed<<2|1))
			for n := 2; !over.Load() && n < 300; n++ {
				p.send(t, s, rnd, n, began)
				time.Sleep(time.Duration(10+rnd.IntN(30)) * time.Millisecond)
			}
		})
	}
	var mu sync.Mutex
	var asked []question
	var askers sync.WaitGroup
	for i := range 8 {
		askers.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), seed<<2|2))
			for range questions / 8 {
				s := subjects[rnd.IntN(len(subjects))]
				q := question{s: s, from: s.acked.Load()}
				var err error
				q.d, err = p.gates[rnd.IntN(2)].Ask(t.Context(), gate.Question{Change: s.id})
				if q.to = s.begun.Load(); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				asked = append(asked, q)
				mu.Unlock()
			}
		})
	}
	askers.Wait()
	over.Store(true)
	wait.Wait()
	allowed := 0
	for _, q := range asked {
		if q.d.Allowed {
			allowed++
		}
		if !q.possible(p.rules) {
			t.Fatalf("%s: the answer %v (%v) is that of no moment between event %d and event %d", q.s.id, q.d.Allowed, q.d.Reasons, q.from, q.to)
		}
	}
	t.Logf("%d questions, %d allowed", len(asked), allowed)
	if allowed < len(asked)/50 {
		t.Error("this test tells little: nearly nothing was allowed")
	}
}

func (p *pipeline) send(t *testing.T, s *subject, rnd *rand.Rand, n int, began time.Time) {
	at := began.Add(time.Duration(n) * time.Second)
	source, f := next(rnd, s.id, n, at)
	r, e := p.message(t, s.id, n, source, f, at)
	if n >= len(s.events) {
		s.events = append(slices.Clip(s.events), e) // whoever reads begun sees it
	}
	s.begun.Add(1)
	if err := p.writer.Append(t.Context(), r); err != nil {
		t.Error(err)
	}
	s.acked.Add(1)
}

// A question has how many events the broker surely had before it, and at most before its answer.
type question struct {
	s        *subject
	from, to int64
	d        gate.Decision
}

func (q question) possible(rules enricher.Rules) bool {
	for n := q.from; n <= q.to; n++ {
		facts := record.Gather(q.s.id, q.s.events[:n])
		if d := gate.Decide(enricher.PreviewOf(q.s.id, facts, rules, q.d.At), "", q.d.At); d.Digest() == q.d.Digest() {
			return true
		}
	}
	return false
}
