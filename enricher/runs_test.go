package enricher

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// A mill runs an enricher over the partitions of a topic of events until nothing is left. The
// enricher itself writes to that topic too.
type mill struct {
	t       *testing.T
	rnd     *rand.Rand
	store   *store
	e       *Enricher
	queue   [millPartitions][]*stream.Record
	offset  int64
	events  []record.Event // all events with a repository, as the enricher read them
	letters []*stream.Record
	log     [millPartitions][]*stream.Record   // all messages that were read
	records map[record.ChangeID]*record.Record // the newest revisions
	state   []*stream.Record                   // the changelog
	at      time.Time
	lossy   bool // the state of a transaction may be kept and its output lost, as with the embedded broker
}

const millPartitions = 3

var millKey = signing.Of([]byte("0123456789abcdef0123456789abcdef"))

func newMill(t *testing.T, s *store, seed uint64, lossy bool) *mill {
	m := &mill{t: t, lossy: lossy, rnd: rand.New(rand.NewPCG(seed, 3)), store: s, at: time.Date(2026, 11, 12, 4, 0, 0, 0, time.UTC)}
	m.restart()
	return m
}

func (m *mill) restart() {
	e, err := newEnricher(Config{
		Topics: stream.Topics{Prefix: "b"}, Namespace: "default", Policy: new(policy.Policy), Controls: new(controls.Matrix), Keys: millKey,
		EvidenceAge: 180 * 24 * time.Hour, Resend: m.lossy, Log: slog.New(slog.DiscardHandler),
	}, m.store, millPartitions)
	if err != nil {
		m.t.Fatal(err)
	}
	for p := range int32(millPartitions) {
		e.owned[p] = true
	}
	e.now = func() time.Time { return m.at }
	m.e = e
}

// put sends an event as a client does.
func (m *mill) put(source, id, key string, fact record.Fact, attributes ...func(*schemas.Envelope)) {
	m.t.Helper()
	data, err := json.Marshal(fact)
	if err != nil {
		m.t.Fatal(err)
	}
	env := schemas.Envelope{SpecVersion: "1.0", ID: id, Source: source, Type: record.TypeOf(fact), Time: m.at.Add(-time.Minute), Data: data, PartitionKey: key}
	for _, set := range attributes {
		set(&env)
	}
	r := (&pendingRuns{keys: millKey, partitions: stream.NewPartitioner(millPartitions), topics: stream.Topics{Prefix: "b"}}).send(env, env.AuthID != "", key, "")
	r.Headers = slices.DeleteFunc(r.Headers, func(h kgo.RecordHeader) bool { return h.Key == stream.HeaderRerouted })
	m.push(r)
}

func (m *mill) push(r *stream.Record) {
	m.offset++
	r.Offset, r.Timestamp = m.offset, m.at
	m.queue[r.Partition] = append(m.queue[r.Partition], r)
}

// run processes all messages, in transactions of random size, some of which abort, with a new
// process now and then.
func (m *mill) run() {
	m.t.Helper()
	for {
		var batch []*stream.Record
		p := m.rnd.IntN(millPartitions)
		for i := range millPartitions {
			if q := m.queue[(p+i)%millPartitions]; len(q) > 0 {
				p = (p + i) % millPartitions
				batch = q[:1+m.rnd.IntN(min(len(q), 6))]
				break
			}
		}
		if batch == nil {
			return
		}
		if m.step(batch) {
			m.queue[p] = m.queue[p][len(batch):]
		}
		if m.rnd.IntN(6) == 0 {
			m.restart()
		}
	}
}

func (m *mill) step(batch []*stream.Record) bool {
	m.t.Helper()
	out, err := m.e.Apply(m.t.Context(), batch)
	if err != nil {
		m.t.Fatal(err)
	}
	if m.rnd.IntN(5) == 0 {
		m.e.Aborted()
		return false
	}
	m.state = append(m.state, changelog(m.t, out)...)
	if err := m.e.Committed(nil); err != nil {
		m.t.Fatal(err)
	}
	if m.lossy && m.rnd.IntN(5) == 0 {
		m.restart()
		return false
	}
	for _, r := range batch {
		m.log[r.Partition] = append(m.log[r.Partition], r)
		d, err := decode(m.t.Context(), r, ingest.Reader{Keys: millKey}, nil)
		if err != nil || d.refusal != nil {
			m.t.Fatal(err, d.refusal)
		}
		if d.event.Repository != "" {
			m.events = append(m.events, d.event)
		}
	}
	for _, r := range out {
		switch r.Topic {
		case "b.events":
			m.push(r)
		case "b.dlq":
			m.letters = append(m.letters, r)
		case "b.records":
			m.keepRecord(r)
		}
	}
	return true
}

func (m *mill) keepRecord(r *stream.Record) {
	m.t.Helper()
	doc := new(record.Record)
	if err := json.Unmarshal(r.Value, doc); err != nil {
		m.t.Fatal(err)
	}
	if m.records == nil {
		m.records = make(map[record.ChangeID]*record.Record)
	}
	if last := m.records[record.ChangeID(r.Key)]; last == nil || doc.Trail.Revision >= last.Trail.Revision {
		m.records[record.ChangeID(r.Key)] = doc
	}
}

// idle does what an enricher does when no event has come for a while.
func (m *mill) idle(after time.Duration) {
	m.t.Helper()
	m.at = m.at.Add(after)
	for !m.step(nil) {
		clear(m.e.swept)
	}
	m.run()
}

func (m *mill) record(id record.ChangeID) *record.Record {
	m.t.Helper()
	return fold(id, factsOf(m.t, m.e.state, m.e.partitions.Of(string(id.Repository())), id), *m.e.rules.Load(), time.Now())
}

func openTestStore(t *testing.T) *store {
	t.Helper()
	s, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.close() })
	return s
}

const (
	millRepo   = "github.com/acme/shop"
	millChange = record.ChangeID("github.com/acme/shop/pull/7")
	millTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
)

func spanID(n int) string { return fmt.Sprintf("%016x", n+1) }

// someTrace returns a run of an agent that calls tools n times, in parts as an exporter sends
// them: a span that ends first comes first.
func (m *mill) someTrace(n int, change func(*record.Span)) [][]record.Span {
	var all []record.Span
	for i := range n {
		s := record.Span{ID: spanID(i), Parent: spanID(100), Kind: record.SpanTool, Tool: "edit", Files: []string{fmt.Sprintf("f%d.go", i)}, Outcome: "success", EndedAt: m.at.Add(time.Duration(i-600) * time.Second)}
		change(&s)
		all = append(all, s)
	}
	all = append(all,
		record.Span{ID: spanID(100), Parent: spanID(101), Kind: record.SpanStep, EndedAt: m.at},
		record.Span{ID: spanID(101), Parent: spanID(102), Kind: record.SpanAgent, AgentName: "coder", Run: "session-42", EndedAt: m.at},
		record.Span{ID: spanID(102), Kind: record.SpanAgent, EndedAt: m.at},
	)
	var parts [][]record.Span
	for len(all) > 0 {
		k := 1 + m.rnd.IntN(len(all))
		parts, all = append(parts, all[:k]), all[k:]
	}
	return parts
}

func decision(run string) *record.Decision {
	return &record.Decision{Agent: record.Agent{ID: "coder", Run: run}, Options: []record.Option{{ID: "a", Outcome: "chosen"}}}
}

func subject(id record.ChangeID) func(*schemas.Envelope) {
	return func(e *schemas.Envelope) { e.Subject = string(id) }
}

// TestWhatIsToldOfARunFindsItsChange sends the parts of a trace, an action and a decision in
// random orders. Only the name of the run connects them.
func TestWhatIsToldOfARunFindsItsChange(t *testing.T) {
	for name, c := range map[string]struct {
		run   string
		trace string // of the decision
		span  func(*record.Span)
		lossy bool
	}{
		"by the session":                      {run: "session-42"},
		"by the trace":                        {run: "another", trace: millTrace},
		"by the trace as the name of the run": {run: millTrace},
		"by the session, over a broker that loses what was not synced": {run: "session-42", lossy: true},
		"by its repository, and then the session":                      {run: "session-42", span: func(s *record.Span) { s.Repository = millRepo }},
	} {
		t.Run(name, func(t *testing.T) {
			s := openTestStore(t)
			for seed := range uint64(40) {
				m := newMill(t, s, seed, c.lossy)
				if c.span == nil {
					c.span = func(*record.Span) {}
				}
				var puts []func()
				for i, part := range m.someTrace(7, c.span) {
					put := func() {
						m.put("/otlp", fmt.Sprint(i), record.RunKey(millTrace), &record.Spans{Trace: millTrace, Spans: part})
					}
					puts = append(puts, put)
					if m.rnd.IntN(3) == 0 {
						puts = append(puts, put) // an exporter that got no answer sends again
					}
				}
				puts = append(puts,
					func() {
						m.put("/coder", "d", millRepo, decision(c.run), subject(millChange), func(e *schemas.Envelope) {
							if c.trace != "" {
								e.TraceParent = "00-" + c.trace + "-00f067aa0ba902b7-01"
							}
						})
					},
					func() {
						m.put("/host", "o", millRepo, &record.Opened{Revision: record.Revision{HeadSHA: "abcdef0"}}, subject(millChange))
					},
					func() {
						m.put("/coder", "alone", record.RunKey(c.run), &record.Action{Agent: record.Agent{ID: "coder", Run: c.run}, Tool: "note", Outcome: "success"})
					},
				)
				m.rnd.Shuffle(len(puts), func(i, j int) { puts[i], puts[j] = puts[j], puts[i] })
				for _, put := range puts {
					put()
					if m.rnd.IntN(2) == 0 {
						m.run()
					}
				}
				m.run()
				got, want := m.record(millChange), Fold(millChange, m.events, m.e.conf.Policy, m.e.conf.Controls)
				if Digest(got) != Digest(want) {
					t.Fatalf("seed %d (-set +incremental):\n%s", seed, cmp.Diff(want, got))
				}
				if a := got.Trail.Actions; a.Count != 8 || !slices.Equal(a.Agents, []string{"coder"}) || len(a.Files) != 7 {
					t.Fatalf("seed %d: actions: %+v", seed, a)
				}
				if len(m.letters) > 0 {
					t.Fatalf("seed %d: dead letter: %s", seed, stream.Header(m.letters[0], stream.HeaderDetail))
				}
				if err := s.db.DeleteRange([]byte(ownKey(0, "")), []byte(ownKey(millPartitions, "")), pebble.NoSync); err != nil {
					t.Fatal(err)
				}
				if err := s.written(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestASpanIsWorthWhatTheCredentialThatBroughtItIs(t *testing.T) {
	m := newMill(t, openTestStore(t), 1, false)
	m.put("/coder", "d", millRepo, decision("session-42"), subject(millChange))
	for i, part := range m.someTrace(3, func(s *record.Span) { s.AgentID = "patch-pilot" }) {
		m.put("/otlp", fmt.Sprint(i), record.RunKey(millTrace), &record.Spans{Trace: millTrace, Spans: part}, func(e *schemas.Envelope) {
			e.AuthType, e.AuthID = schemas.AuthService, "patch-pilot"
		})
	}
	m.run()
	if a := m.record(millChange).Trail.Actions; a.Count != 3 || a.Signed != 3 || !slices.Equal(a.Agents, []string{"patch-pilot"}) {
		t.Errorf("%+v", a)
	}
}

func TestATraceOfAnAgentThatDiedIsToldAfterAWhile(t *testing.T) {
	m := newMill(t, openTestStore(t), 1, false)
	m.put("/coder", "d", millRepo, decision("session-42"), subject(millChange))
	m.put("/otlp", "1", record.RunKey(millTrace), &record.Spans{Trace: millTrace, Spans: []record.Span{{ID: spanID(1), Parent: spanID(9), Kind: record.SpanTool, Tool: "edit", Run: "session-42", Service: "shop-coder", EndedAt: m.at}}})
	m.run()
	m.idle(9 * time.Minute)
	if a := m.record(millChange).Trail.Actions; a != nil {
		t.Errorf("after 9 minutes: %+v", a)
	}
	m.idle(2 * time.Minute)
	if a := m.record(millChange).Trail.Actions; a == nil || a.Count != 1 || !slices.Equal(a.Agents, []string{"shop-coder"}) {
		t.Errorf("after 11 minutes: %+v", a)
	}
}

func TestWhatNoRepositoryEverNamesBecomesADeadLetter(t *testing.T) {
	m := newMill(t, openTestStore(t), 1, false)
	m.put("/coder", "1", "", &record.Action{Agent: record.Agent{ID: "coder", Run: "session-1"}, Tool: "edit"})
	m.put("/coder", "2", "", &record.Action{Agent: record.Agent{ID: "coder", Run: "session-2"}, Tool: "edit"})
	m.put("/coder", "d", millRepo, decision("session-2"), subject(millChange))
	m.run()
	m.idle(179 * 24 * time.Hour)
	if len(m.letters) != 0 {
		t.Fatalf("%d dead letters within half a year", len(m.letters))
	}
	m.idle(2 * 24 * time.Hour)
	if len(m.letters) != 1 {
		t.Fatalf("%d dead letters, want one", len(m.letters))
	}
	l := m.letters[0]
	if got := string(stream.Header(l, stream.HeaderReason)); got != string(schemas.RunUnknown) || string(stream.Header(l, "ce_id")) != "1" {
		t.Errorf("dead letter: %s of %s", got, stream.Header(l, "ce_id"))
	}
	if left := entriesOf(t, m.store, classWaiting); left != 0 {
		t.Errorf("%d events are pending", left)
	}
}

func entriesOf(t *testing.T, s *store, class byte) (n int) {
	t.Helper()
	for p := range int32(millPartitions) {
		for x, err := range s.each(prefixOf(p, kindFact), prefixOf(p, kindFact+1)) {
			if err != nil {
				t.Fatal(err)
			}
			if x.value[0] == class {
				n++
			}
		}
	}
	return n
}
