package producer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

var agent = record.Agent{ID: "agent-bot-3000"}

func decision(id string) event.Event {
	e := Decide("acme/payments#4829", agent).
		OnScan("sha256:"+strings.Repeat("a", 64), "GHSA-35jh-r3h4-6jhm").
		Chose("upgrade", "lodash 4.17.21", "smallest change").
		Rejected("override", "pin it", "leaves the old copy").
		Because("it is reachable").
		Event()
	e.SetID(id)
	return e
}

// A pretend transport, because a broker cannot be made to fail in this exact way: it fails on
// request, once after accepting the event and once without.
type pretend struct {
	mu     sync.Mutex
	down   bool
	lie    bool // accepts the event and says that it did not
	refuse string
	other  string // an event that belongs to another sender
	got    []string
	events []event.Event
}

func (p *pretend) Send(ctx context.Context, events []event.Event) []error {
	p.mu.Lock()
	defer p.mu.Unlock()
	errs := make([]error, len(events))
	for i, e := range events {
		switch {
		case e.ID() == p.refuse:
			errs[i] = fmt.Errorf("%w: refused", ErrPermanent)
		case e.ID() == p.other && !p.down:
			errs[i] = fmt.Errorf("%w: not yours", ErrRefused)
		case p.down:
			errs[i] = errors.New("down")
		default:
			p.got = append(p.got, e.ID())
			p.events = append(p.events, e)
			if p.lie {
				errs[i] = errors.New("timed out, and was taken")
			}
		}
	}
	return errs
}

func (*pretend) Close() error { return nil }

func (p *pretend) set(f func(*pretend)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

func (p *pretend) ids() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

func open(t *testing.T, tr Transport, o Options) *Producer {
	t.Helper()
	o.Source = "/test"
	p, err := New(tr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = p.Close(ctx)
	})
	return p
}

func waitFor(t *testing.T, f func() bool) {
	t.Helper()
	for range 500 {
		if f() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("it does not happen")
}

func TestWithoutASpoolAFailureIsAnError(t *testing.T) {
	p := open(t, &pretend{down: true}, Options{})
	if err := p.Publish(t.Context(), decision("1")); err == nil || errors.Is(err, ErrPermanent) {
		t.Errorf("err = %v", err)
	}
}

func TestTheSpoolKeepsOrderAcrossAnOutage(t *testing.T) {
	tr := &pretend{}
	p := open(t, tr, Options{Spool: t.TempDir()})
	var want []string
	publish := func(from, to int) {
		for i := from; i < to; i++ {
			id := fmt.Sprint(i)
			want = append(want, id)
			if err := p.Publish(t.Context(), decision(id)); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(0, 5)
	tr.set(func(p *pretend) { p.down = true })
	publish(5, 15)
	tr.set(func(p *pretend) { p.down = false })
	publish(15, 20)
	waitFor(t, func() bool { return len(tr.ids()) == 20 && p.Spooled() == 0 })
	if !slices.Equal(tr.ids(), want) {
		t.Errorf("they came as %v", tr.ids())
	}
}

func TestAnEventAcceptedThoughSendFailedIsSentAgainWithTheSameID(t *testing.T) {
	tr := &pretend{lie: true}
	p := open(t, tr, Options{Spool: t.TempDir()})
	if err := p.Publish(t.Context(), decision("1")); err != nil {
		t.Fatal(err)
	}
	tr.set(func(p *pretend) { p.lie = false })
	waitFor(t, func() bool { return p.Spooled() == 0 })
	for _, id := range tr.ids() {
		if id != "1" {
			t.Errorf("it came as %s", id)
		}
	}
}

func TestAnEventThatCanNeverBeSentDoesNotBlockTheOthers(t *testing.T) {
	tr := &pretend{down: true}
	dir := t.TempDir()
	p := open(t, tr, Options{Spool: dir})
	for _, id := range []string{"a", "poison", "b"} {
		if err := p.Publish(t.Context(), decision(id)); err != nil {
			t.Fatal(err)
		}
	}
	tr.set(func(p *pretend) { p.down, p.refuse = false, "poison" })
	waitFor(t, func() bool { return p.Spooled() == 0 })
	if !slices.Equal(tr.ids(), []string{"a", "b"}) {
		t.Errorf("they came as %v", tr.ids())
	}
	if left, _ := os.ReadDir(filepath.Join(dir, rejected)); len(left) != 1 {
		t.Errorf("%d events are put aside, want 1", len(left))
	}
}

// An event of another sender stays until somebody acts, and nothing waits for it.
func TestAnEventRefusedFromThisSenderDoesNotBlockTheOthers(t *testing.T) {
	tr := &pretend{down: true}
	dir := t.TempDir()
	p, err := New(tr, Options{Source: "/test", Spool: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "foreign", "b"} {
		if err := p.Publish(t.Context(), decision(id)); err != nil {
			t.Fatal(err)
		}
	}
	tr.set(func(p *pretend) { p.down, p.other = false, "foreign" })
	waitFor(t, func() bool { return p.Spooled() == 1 })
	if spooled, err := p.Deliver(t.Context(), decision("c")); err != nil || spooled != 0 {
		t.Errorf("what comes later waits behind it: %d %v", spooled, err)
	}
	if err := p.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "1 events stay in the spool") {
		t.Errorf("closing says %v", err)
	}
	if !slices.Equal(tr.ids(), []string{"a", "b", "c"}) {
		t.Errorf("they came as %v", tr.ids())
	}
	tr.set(func(p *pretend) { p.other = "" })
	next := open(t, tr, Options{Spool: dir})
	waitFor(t, func() bool { return next.Spooled() == 0 })
	if !slices.Contains(tr.ids(), "foreign") {
		t.Error("it was lost")
	}
}

func TestAFullSpoolRefusesAndKeepsWhatItHas(t *testing.T) {
	p := open(t, &pretend{down: true}, Options{Spool: t.TempDir(), MaxSpool: 3000})
	var refused error
	accepted := 0
	for i := range 10 {
		if err := p.Publish(t.Context(), decision(fmt.Sprint(i))); err != nil {
			refused = err
		} else {
			accepted++
		}
	}
	if refused == nil || !strings.Contains(refused.Error(), "full") || accepted == 0 || p.Spooled() != accepted {
		t.Errorf("%d accepted, %d kept, %v", accepted, p.Spooled(), refused)
	}
}

func TestPublishNeverTakesLongerThanItsContext(t *testing.T) {
	// A broker that accepts connections and never answers.
	silent := httptest.NewUnstartedServer(nil)
	defer silent.Close()
	for _, o := range []Options{{}, {Spool: t.TempDir()}, {Spool: t.TempDir(), SpoolFirst: true}} {
		p := open(t, Kafka(KafkaConfig{Brokers: []string{silent.Listener.Addr().String()}}), o)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		began := time.Now()
		err := p.Publish(ctx, decision("1"))
		cancel()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%+v: it took %s", o, took)
		}
		if (err == nil) != (o.Spool != "") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// TestTheSpoolOutlivesACrash kills a process that publishes into a spool while
// no broker is there, and lets the next one send.
func TestTheSpoolOutlivesACrash(t *testing.T) {
	if dir := os.Getenv("SPOOL_CHILD"); dir != "" {
		p, err := New(&pretend{down: true}, Options{Source: "/child", Spool: dir})
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; ; i++ {
			if err := p.Publish(context.Background(), decision(fmt.Sprintf("%06d", i))); err != nil {
				t.Fatal(err)
			}
			fmt.Printf("accepted %06d\n", i)
		}
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=TestTheSpoolOutlivesACrash")
	cmd.Env = append(os.Environ(), "SPOOL_CHILD="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(700*time.Millisecond, func() { _ = cmd.Process.Kill() })
	text, _ := io.ReadAll(out)
	_ = cmd.Wait()
	var accepted []string
	for line := range strings.Lines(string(text)) {
		if id, ok := strings.CutPrefix(line, "accepted "); ok && strings.HasSuffix(line, "\n") {
			accepted = append(accepted, strings.TrimSpace(id))
		}
	}
	if len(accepted) == 0 {
		t.Fatalf("the child accepted nothing: %s", text)
	}
	tr := &pretend{}
	p := open(t, tr, Options{Spool: dir})
	waitFor(t, func() bool { return p.Spooled() == 0 })
	got := tr.ids()
	if !slices.IsSorted(got) || len(got) < len(accepted) || !slices.Equal(got[:len(accepted)], accepted) {
		t.Errorf("%d accepted, %d sent", len(accepted), len(got))
	}
	t.Logf("killed after %d events were accepted; all were sent later, in order, once", len(accepted))
}

func TestKafkaInBothModes(t *testing.T) {
	cluster := kafkatest.Cluster(t, 3, DefaultTopic)
	for _, mode := range []Mode{Binary, Structured} {
		p := open(t, Kafka(KafkaConfig{Brokers: cluster.ListenAddrs(), Mode: mode}), Options{})
		if err := p.Publish(t.Context(), decision(fmt.Sprint("m", mode))); err != nil {
			t.Fatal(err)
		}
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics(DefaultTopic))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	seen := map[string]bool{}
	for len(seen) < 2 {
		cl.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) {
			m := schemas.Message{Value: r.Value, Time: r.Timestamp}
			for _, h := range r.Headers {
				m.Headers = append(m.Headers, schemas.Header{Key: h.Key, Value: h.Value})
			}
			env, err := schemas.Open(m)
			if err != nil {
				t.Error(err)
			}
			seen[env.ID] = true
			if string(r.Key) != "github.com/acme/payments" || env.Subject != "github.com/acme/payments/pull/4829" || env.Source != "/test" {
				t.Errorf("key %s, %+v", r.Key, env)
			}
			if _, err := schemas.Decode(env, r.Key, r.Timestamp); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestHTTP(t *testing.T) {
	status, bodies := http.StatusAccepted, []string{}
	var types []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(b))
		types = append(types, r.Header.Get("Content-Type")+" "+r.Header.Get("ce-type")+" "+r.Header.Get("Authorization"))
		w.WriteHeader(status)
	}))
	defer server.Close()
	structured := open(t, HTTP(HTTPConfig{URL: server.URL, Mode: Structured, Token: "s3cret"}), Options{})
	if err := structured.Publish(t.Context(), decision("1"), decision("2")); err != nil {
		t.Fatal(err)
	}
	binary := open(t, HTTP(HTTPConfig{URL: server.URL + "/"}), Options{})
	if err := binary.Publish(t.Context(), decision("3")); err != nil {
		t.Fatal(err)
	}
	if types[0] != "application/cloudevents-batch+json  Bearer s3cret" || types[1] != "application/json "+record.TypeDecisionRecorded+" " {
		t.Errorf("%q", types)
	}
	for code, permanent := range map[int]bool{400: true, 413: true, 422: true, 401: false, 403: false, 429: false, 500: false, 503: false} {
		status = code
		if err := binary.Publish(t.Context(), decision("4")); err == nil || errors.Is(err, ErrPermanent) != permanent {
			t.Errorf("HTTP %d: %v", code, err)
		}
	}
}

func TestPublishRefusesWhatThePipelineWouldRefuse(t *testing.T) {
	tr := &pretend{}
	p := open(t, tr, Options{})
	large := decision("large")
	large.DataEncoded = fmt.Appendf(nil, `{"agent":{"id":"a"},"rationale":%q}`, strings.Repeat("x", 5<<20))
	for name, e := range map[string]event.Event{
		"no such change": Event("somewhere", &record.Review{Reviewer: "a", Verdict: "approved"}),
		"no change":      Event("", &record.Review{Reviewer: "a", Verdict: "approved"}),
		"no reviewer":    Event("acme/payments#1", &record.Review{Verdict: "approved"}),
		"5 MB":           large,
	} {
		if err := p.Publish(t.Context(), decision("good"), e); !errors.Is(err, ErrPermanent) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(tr.ids()) != 0 {
		t.Errorf("of a publish with a bad event %v was sent", tr.ids())
	}
}

func TestAnotherSystemsEventPassesWithAPartitionKey(t *testing.T) {
	tr := &pretend{}
	p := open(t, tr, Options{})
	e := event.New()
	e.SetID("x")
	e.SetType("com.github.pull_request.opened")
	if err := p.Publish(t.Context(), e); err == nil {
		t.Error("without a partition key it is accepted")
	}
	e.SetExtension("partitionkey", "github.com/acme/payments")
	if err := p.Publish(t.Context(), e); err != nil {
		t.Error(err)
	}
}
