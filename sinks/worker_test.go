package sinks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/stream"
)

// A memory is an engine that fails in every way an engine can: each fault
// comes once as "failed" and once as "failed, and was done".
type memory struct {
	mu     sync.Mutex
	rnd    *rand.Rand
	calm   bool
	bodies map[string]string
	vers   map[string]int64
	puts   int
	max    int // documents that a request may have
}

func (*memory) Name() string                        { return "memory" }
func (*memory) Ready(context.Context, string) error { return nil }

func (m *memory) Put(_ context.Context, docs []Document) ([]Outcome, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.puts++
	if len(docs) > m.max {
		return nil, ErrTooLarge
	}
	fault := m.rnd.IntN(10)
	if m.calm {
		fault = 9
	}
	switch fault {
	case 0:
		return nil, errors.New("refused the connection")
	case 3:
		return nil, &BlockedError{"HTTP 401", "who are you?"}
	case 4:
		if len(docs) > 1 {
			return nil, ErrWhole
		}
	}
	out := make([]Outcome, len(docs))
	for i, d := range docs {
		if string(d.Body) == `"poison"` {
			out[i] = Outcome{Refused, "mapper_parsing_exception", "mapper_parsing_exception: it does not fit"}
			continue
		}
		if string(d.Body) == `"odd"` {
			out[i] = Outcome{Unclear, "illegal_argument_exception", "illegal_argument_exception: of a kind that nobody knows"}
			continue
		}
		if fault == 5 {
			out[i] = Outcome{Blocked, "index_closed_exception", "index_closed_exception: closed"}
			continue
		}
		if fault == 1 && i%3 == 0 {
			out[i] = Outcome{Retry, "es_rejected_execution_exception", "es_rejected_execution_exception: busy"}
			if m.rnd.IntN(2) == 0 {
				continue // busy, and not done
			}
		}
		key := d.Index + "/" + d.ID
		if old, ok := m.vers[key]; ok && (d.Version == 0 || d.Version <= old) {
			if out[i].Kind == Done {
				out[i].Kind = Stale
			}
			continue
		}
		m.vers[key], m.bodies[key] = d.Version, string(d.Body)
	}
	if fault == 2 {
		return nil, errors.New("timed out, and was done")
	}
	return out, nil
}

// TestNothingIsLostWhateverTheEngineDoes runs workers that stop and start
// again over an engine that fails in every way.
func TestNothingIsLostWhateverTheEngineDoes(t *testing.T) {
	const n = 3000
	topics := stream.Topics{Prefix: "t"}
	conf, w := kafkatest.Pipeline(t, 3, topics)
	var recs []*stream.Record
	add := func(topic, id, body string, version int) {
		r := &stream.Record{Topic: topic, Partition: int32(len(recs) % 3), Value: []byte(body), Headers: []kgo.RecordHeader{
			{Key: stream.HeaderIndex, Value: []byte("i")}, {Key: stream.HeaderID, Value: []byte(id)},
		}}
		if version > 0 {
			r.Partition = 0
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: stream.HeaderVersion, Value: []byte(strconv.Itoa(version))})
		}
		recs = append(recs, r)
	}
	for i := range n {
		add(topics.Enriched(), fmt.Sprint("e", i), fmt.Sprintf(`"%d"`, i), 0)
		add(topics.Records(), fmt.Sprint("r", i%100), fmt.Sprintf(`"%d"`, i/100+1), i/100+1)
		if i%500 == 0 {
			add(topics.Enriched(), fmt.Sprint("p", i), `"poison"`, 0)
			add(topics.Enriched(), fmt.Sprint("o", i), `"odd"`, 0)
		}
	}
	recs = append(recs, &stream.Record{Topic: topics.Enriched(), Value: []byte("{}")}) // nobody knows where it belongs
	if err := w.Append(t.Context(), recs...); err != nil {
		t.Fatal(err)
	}
	m := &memory{rnd: rand.New(rand.NewPCG(1, 1)), bodies: map[string]string{}, vers: map[string]int64{}, max: 60}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for life := 0; ; life++ {
			ctx, cancel := context.WithCancel(context.Background())
			if life < 5 { // the last one may finish
				ctx, cancel = context.WithTimeout(ctx, 1500*time.Millisecond)
			}
			c := Config{Kafka: conf, Topics: topics, Namespace: "x", Engine: m, Instance: "one", MaxDocs: 100, InFlight: 3, Log: slog.New(slog.DiscardHandler)}
			go func() {
				select {
				case <-stop:
					cancel()
				case <-ctx.Done():
				}
			}()
			if err := Run(ctx, c); err != nil {
				t.Errorf("run: %v", err)
			}
			cancel()
			select {
			case <-stop:
				return
			default:
			}
			m.mu.Lock()
			m.calm = life > 3
			m.mu.Unlock()
		}
	})
	deadline := time.Now().Add(60 * time.Second)
	for {
		m.mu.Lock()
		events, current := 0, 0
		for key := range m.bodies {
			if key[2] == 'e' {
				events++
			}
		}
		for i := range 100 {
			if m.vers[fmt.Sprint("i/r", i)] == n/100 {
				current++
			}
		}
		m.mu.Unlock()
		if events == n && current == 100 {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("%d of %d events, %d of 100 records in their last revision", events, n, current)
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	letters := readAll(t, conf, topics.DLQ(), 13)
	close(stop)
	wg.Wait()
	distinct := map[string]bool{}
	for _, r := range letters {
		distinct[string(stream.Header(r, stream.HeaderID))] = true
	}
	if len(distinct) != 13 {
		t.Errorf("%d different dead letters, want 6 that are refused, 6 that alone are not taken, and one without an index", len(distinct))
	}
	t.Logf("%d requests", m.puts)
}

func readAll(t *testing.T, conf stream.Config, topic string, atLeast int) []*stream.Record {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(conf.Brokers...), kgo.ConsumeTopics(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	var out []*stream.Record
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for len(out) < atLeast && ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *stream.Record) { out = append(out, r) })
	}
	return out
}

func TestTheNewestOfSeveralRevisionsIsStored(t *testing.T) {
	rec := func(offset int64, id string, version int) *stream.Record {
		return &stream.Record{Topic: "t", Offset: offset, Headers: []kgo.RecordHeader{
			{Key: stream.HeaderIndex, Value: []byte("i")}, {Key: stream.HeaderID, Value: []byte(id)}, {Key: stream.HeaderVersion, Value: []byte(strconv.Itoa(version))},
		}}
	}
	b := newBatch([]*stream.Record{rec(1, "a", 1), rec(2, "b", 4), rec(3, "a", 3), rec(4, "a", 2)}, "findings", signing.Keys{})
	if len(b.items) != 2 || b.items[0].doc.Version != 3 || b.items[1].doc.Version != 4 {
		t.Errorf("%+v", b.items)
	}
	if len(b.last) != 1 || b.last[0].Offset != 4 {
		t.Errorf("the offset committed is %+v, want that of the last record read", b.last)
	}
}

// TestWhatNoEnricherSigned: with a key, a sink accepts only messages that an enricher signed and
// nobody changed. Any other message is refused, and displaces nothing, however high its revision.
func TestWhatNoEnricherSigned(t *testing.T) {
	keys, others := signing.Of([]byte("the key of the enrichers")), signing.Of([]byte("the key of somebody else"))
	message := func(offset int64, version string, by signing.Keys, change func(*stream.Record)) *stream.Record {
		r := &stream.Record{Topic: "t", Offset: offset, Key: []byte("github.com/acme/p/pull/1"), Value: []byte(`{"answers":"partial"}`), Headers: []kgo.RecordHeader{
			{Key: stream.HeaderIndex, Value: []byte("records")},
			{Key: stream.HeaderID, Value: []byte("one")},
			{Key: stream.HeaderVersion, Value: []byte(version)},
			{Key: stream.HeaderFinding, Value: []byte("f1\n{}")},
		}}
		stream.SignDocument(by, r)
		if change != nil {
			change(r)
		}
		return r
	}
	header := func(key, value string) func(*stream.Record) {
		return func(r *stream.Record) {
			for i := range r.Headers {
				if r.Headers[i].Key == key {
					r.Headers[i].Value = []byte(value)
				}
			}
		}
	}
	good := message(1, "3", keys, nil)
	forged := []*stream.Record{
		message(2, "1000000000000", signing.Keys{}, nil),
		message(3, "1000000000000", others, nil),
		message(4, "4", keys, header(stream.HeaderVersion, "1000000000000")),
		message(5, "4", keys, header(stream.HeaderID, "two")),
		message(6, "4", keys, header(stream.HeaderIndex, "events")),
		message(7, "4", keys, header(stream.HeaderFinding, "f1\n{\"state\":\"closed\"}")),
		message(8, "4", keys, func(r *stream.Record) { r.Value = []byte(`{"answers":"proven"}`) }),
		message(9, "4", keys, func(r *stream.Record) { r.Key = []byte("github.com/acme/p/pull/2") }),
		message(10, "4", keys, func(r *stream.Record) { stream.AddHeader(r, stream.HeaderFinding, []byte("f2\n{}")) }),
		message(11, "4", keys, func(r *stream.Record) { r.Headers = r.Headers[:len(r.Headers)-1] }),
	}
	b := newBatch(append([]*stream.Record{good}, forged...), "findings", keys)
	var taken, refused int
	for _, it := range b.items {
		switch {
		case it.refuse != "":
			refused++
		case it.doc.Version == 3:
			taken++
		default:
			t.Errorf("taken: %+v", it.doc)
		}
	}
	if taken != 2 || refused != len(forged) {
		t.Errorf("%d documents are taken and %d messages refused, want 2 and %d", taken, refused, len(forged))
	}
	if b := newBatch([]*stream.Record{message(1, "1", signing.Keys{}, nil)}, "findings", signing.Keys{}); b.items[0].refuse != "" {
		t.Errorf("without keys a sink refuses: %s", b.items[0].refuse)
	}
}

// A closed engine accepts nothing, for an unclear reason, until it is opened.
type closedEngine struct {
	mu     sync.Mutex
	kind   Kind
	open   bool
	stored map[string]bool
	puts   int
}

func (*closedEngine) Name() string                        { return "closed" }
func (*closedEngine) Ready(context.Context, string) error { return nil }

func (c *closedEngine) Put(_ context.Context, docs []Document) ([]Outcome, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.puts++
	out := make([]Outcome, len(docs))
	for i, d := range docs {
		switch {
		case d.Index == "other":
		case !c.open:
			out[i] = Outcome{c.kind, "some_exception", "some_exception: of a release to come"}
		default:
			c.stored[d.ID] = true
		}
	}
	return out, nil
}

// TestABlockedIndexMakesNoDeadLetters: nobody can know all error reasons. If an index
// accepts none of several documents, while another index does, the index is at fault; and this is
// logged once.
func TestABlockedIndexMakesNoDeadLetters(t *testing.T) {
	for _, kind := range []Kind{Unclear, Blocked, Retry} {
		t.Run(kind.String(), func(t *testing.T) {
			topics := stream.Topics{Prefix: "t"}
			conf, w := kafkatest.Pipeline(t, 1, topics)
			var recs []*stream.Record
			for i := range 20 {
				index := "shut"
				if i%2 == 1 {
					index = "other"
				}
				recs = append(recs, &stream.Record{Topic: topics.Enriched(), Value: []byte("{}"), Headers: []kgo.RecordHeader{
					{Key: stream.HeaderIndex, Value: []byte(index)}, {Key: stream.HeaderID, Value: []byte(strconv.Itoa(i))},
				}})
			}
			if err := w.Append(t.Context(), recs...); err != nil {
				t.Fatal(err)
			}
			engine := &closedEngine{kind: kind, stored: map[string]bool{}}
			said := new(errorCount)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				done <- Run(ctx, Config{Kafka: conf, Topics: topics, Namespace: "x", Engine: engine, MaxDocs: 6, Log: slog.New(said)})
			}()
			until(t, func() bool { engine.mu.Lock(); defer engine.mu.Unlock(); return engine.puts > 2*triesBeforeBlame+2 })
			engine.mu.Lock()
			engine.open = true
			engine.mu.Unlock()
			until(t, func() bool { engine.mu.Lock(); defer engine.mu.Unlock(); return len(engine.stored) == 10 })
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			size, err := conf.Partition(topics.DLQ(), 0).Scan(t.Context(), -1, func(r []*stream.Record) error {
				t.Errorf("%d dead letters", len(r))
				return nil
			})
			if err != nil {
				t.Errorf("%d %v", size, err)
			}
			want := int64(1)
			if kind == Retry { // busy for less than minutes
				want = 0
			}
			if n := said.n.Load(); n != want {
				t.Errorf("it was logged %d times, want %d", n, want)
			}
		})
	}
}

func until(t *testing.T, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not happen")
		}
	}
}

// An errorCount counts the errors of a log.
type errorCount struct{ n atomic.Int64 }

func (*errorCount) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }
func (e *errorCount) WithAttrs([]slog.Attr) slog.Handler         { return e }
func (e *errorCount) WithGroup(string) slog.Handler              { return e }
func (e *errorCount) Handle(context.Context, slog.Record) error  { e.n.Add(1); return nil }

// An engine that stays busy for too long is reported, too: it is more than busy then.
func TestABusyEngineIsReportedAfterAWhile(t *testing.T) {
	it := item{}
	for range triesBeforeWarning - 1 {
		it.wait(fault{"circuit_breaking_exception", "i"}, "too large", false)
	}
	if it.fault != (fault{}) {
		t.Errorf("after %d tries: %v", it.tries, it.fault)
	}
	if it.wait(fault{"circuit_breaking_exception", "i"}, "too large", false); it.fault.cause == "" {
		t.Error("it is never logged")
	}
}

func TestAFaultBeginsAndEndsOnce(t *testing.T) {
	var said []string
	w := newWaits(slog.New(slog.DiscardHandler), "e")
	w.began = func(f fault, _ string) { said = append(said, "begins "+f.index) }
	w.over = func(f fault, _ time.Duration) { said = append(said, "ends "+f.index) }
	one, two := new(batch), new(batch)
	x, y := item{fault: fault{"c", "x"}}, item{fault: fault{"c", "y"}}
	now := time.Now()
	w.note(one, []item{x, x}, now)
	w.note(two, []item{x, y}, now)
	if n := w.documents()["c"]; n != 4 {
		t.Errorf("%d documents wait, want 4", n)
	}
	w.note(one, nil, now)
	w.note(two, []item{y}, now)
	w.note(two, nil, now)
	if diff := cmp.Diff([]string{"begins x", "begins y", "ends x", "ends y"}, said); diff != "" {
		t.Error(diff)
	}
}
