package enricher_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

// A viewed pipeline has an enricher and a view of its state.
type viewed struct {
	conf   enricher.Config
	view   *enricher.View
	writer *stream.Writer
	sent   []record.Event
	rules  enricher.Rules
}

func newViewed(t *testing.T) *viewed {
	t.Helper()
	topics := stream.Topics{Prefix: "t"}
	kafka, w := kafkatest.Pipeline(t, 3, topics)
	pol, err := policy.Parse([]byte(someServices))
	if err != nil {
		t.Fatal(err)
	}
	matrix, err := controls.Parse([]byte("controls: [{tag: pci-dss-6.3.2}]"))
	if err != nil {
		t.Fatal(err)
	}
	v := &viewed{writer: w, rules: enricher.Always(pol, matrix), conf: enricher.Config{
		Kafka: kafka, Topics: topics, Namespace: "x", StateDir: t.TempDir(), Policy: pol, Controls: matrix, Log: slog.New(slog.DiscardHandler),
		Trust: []settings.Trust{{Source: "/agents/**", As: record.Signed, History: true}, {Source: "**", As: record.Observed, History: true}},
	}}
	v.open(t, t.TempDir())
	return v
}

// open opens the view in a folder. It ends with the test.
func (v *viewed) open(t *testing.T, dir string) (stop func()) {
	t.Helper()
	view, err := enricher.OpenView(t.Context(), v.conf.Kafka, v.conf.Topics, dir, v.conf.Log)
	if err != nil {
		t.Fatal(err)
	}
	v.view = view
	return background(t, view.Run)
}

// background runs f until stop is called or the test ends.
func background(t *testing.T, f func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) { // it may be stopped while it starts
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func (v *viewed) enrich(t *testing.T) (stop func()) {
	t.Helper()
	return background(t, func(ctx context.Context) error { return enricher.Run(ctx, v.conf) })
}

// send writes an event to a partition; a negative one means its home.
func (v *viewed) send(t *testing.T, partition int32, r *stream.Record, e record.Event) {
	t.Helper()
	if partition >= 0 {
		r.Partition = partition
	}
	if err := v.writer.Append(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	v.sent = append(v.sent, e)
}

// sendFact sends a fact as a platform.
func (v *viewed) sendFact(t *testing.T, id record.ChangeID, f record.Fact) {
	t.Helper()
	e := producer.Event(string(id), f)
	e.SetSource("/platform")
	e.SetTime(time.Now())
	e.SetExtension("arrivedat", time.Now().UTC().Format(time.RFC3339))
	m, err := producer.Encode(t.Context(), e, producer.Binary)
	if err != nil {
		t.Fatal(err)
	}
	r := &stream.Record{Topic: v.conf.Topics.Events(), Key: m.Key, Value: m.Value, Timestamp: time.Now()}
	for _, x := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: x.Key, Value: x.Value})
	}
	decoded, err := enricher.DecodeBy(r, ingest.Reader{Trust: v.conf.Trust})
	if err != nil {
		t.Fatal(err)
	}
	v.send(t, -1, r, decoded)
}

// check compares what the view says about a change with the fold of everything that was sent.
func (v *viewed) check(t *testing.T, id record.ChangeID) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	p, err := v.view.Preview(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	of := slices.DeleteFunc(slices.Clone(v.sent), func(e record.Event) bool { return e.Repository != id.Repository() })
	want := enricher.FoldBy(id, of, v.rules)
	if got, want := enricher.Digest(p.Now), enricher.Digest(want); got != want {
		t.Fatalf("%s after %d events: the view has %d of them", id, len(v.sent), p.Now.Trail.Events)
	}
	if !strings.HasPrefix(p.Position, "t.events/") {
		t.Errorf("position %q", p.Position)
	}
}

// TestAViewKnowsEverythingThatTheBrokerAccepted sends events, some of them to another partition than
// their own, and asks the view at once after each.
func TestAViewKnowsEverythingThatTheBrokerAccepted(t *testing.T) {
	v := newViewed(t)
	v.enrich(t)
	rnd := rand.New(rand.NewPCG(5, 6))
	recs, events := messagesOf(t, v.conf, stream.NewPartitioner(3), 12)
	known := make(map[record.ChangeID]bool)
	for i, r := range recs {
		partition := int32(-1)
		if rnd.IntN(4) == 0 {
			partition = rnd.Int32N(3)
		}
		v.send(t, partition, r, events[i])
		if c := events[i].Change; c != "" {
			known[c] = true
		}
		if events[i].Change != "" && rnd.IntN(3) == 0 {
			v.check(t, events[i].Change)
		}
	}
	for id := range known {
		v.check(t, id)
	}
}

// TestAViewFindsTheChangeOfACommit asks for the commit that each merge made.
func TestAViewFindsTheChangeOfACommit(t *testing.T) {
	v := newViewed(t)
	v.enrich(t)
	recs, events := messagesOf(t, v.conf, stream.NewPartitioner(3), 6)
	for i, r := range recs {
		v.send(t, -1, r, events[i])
	}
	asked := 0
	for _, e := range v.sent {
		m, ok := e.Fact.(*record.Merged)
		if !ok || m.MergeSHA == "" {
			continue
		}
		asked++
		p, err := v.view.Merged(t.Context(), e.Repository.Change("/commit/"+m.MergeSHA))
		if err != nil || p.Now.Trail.Change.ID != e.Change || p.Now.Trail.Change.State != "merged" || !strings.HasPrefix(p.Position, "t.events/") {
			t.Fatalf("%s: %v %+v", e.Change, err, p)
		}
		of := slices.DeleteFunc(slices.Clone(v.sent), func(o record.Event) bool { return o.Repository != e.Repository })
		if enricher.Digest(p.Now) != enricher.Digest(enricher.FoldBy(e.Change, of, v.rules)) {
			t.Errorf("%s: the record differs from the fold", e.Change)
		}
	}
	if asked == 0 {
		t.Fatal("no change was merged")
	}
	at := slices.IndexFunc(v.sent, func(e record.Event) bool { m, ok := e.Fact.(*record.Merged); return ok && m.MergeSHA != "" })
	one := v.sent[at]
	v.sendFact(t, one.Repository.Change("/pull/99999"), one.Fact)
	if _, err := v.view.Merged(t.Context(), one.Repository.Change("/commit/"+one.Fact.(*record.Merged).MergeSHA)); err == nil || !strings.Contains(err.Error(), "two changes were merged as this commit") {
		t.Errorf("two changes with one commit: %v", err)
	}
	if _, err := v.view.Merged(t.Context(), v.sent[0].Repository.Change("/commit/"+strings.Repeat("e", 40))); !errors.Is(err, enricher.ErrUnknownChange) {
		t.Errorf("an unknown commit: %v", err)
	}
}

// TestAViewGoesOnWhereItEnded: the view is closed and opened again in its folder, and in an empty
// one.
func TestAViewGoesOnWhereItEnded(t *testing.T) {
	v := newViewed(t)
	v.enrich(t)
	recs, events := messagesOf(t, v.conf, stream.NewPartitioner(3), 6)
	for i, r := range recs[:len(recs)/2] {
		v.send(t, -1, r, events[i])
	}
	dir := t.TempDir()
	stop := v.open(t, dir)
	v.check(t, firstChange(v.sent))
	stop()
	for i := len(recs) / 2; i < len(recs); i++ {
		v.send(t, -1, recs[i], events[i])
	}
	for _, dir := range []string{dir, t.TempDir()} {
		stop := v.open(t, dir)
		for _, e := range v.sent {
			if e.Change != "" {
				v.check(t, e.Change)
				break
			}
		}
		v.check(t, lastChange(v.sent))
		stop()
	}
}

func firstChange(events []record.Event) record.ChangeID {
	return events[slices.IndexFunc(events, func(e record.Event) bool { return e.Change != "" })].Change
}

func lastChange(events []record.Event) (id record.ChangeID) {
	for _, e := range events {
		if e.Change != "" {
			id = e.Change
		}
	}
	return id
}

// TestAViewDoesNotAnswerBehindTheEnricher: while no enricher reads, an event that was accepted is
// unknown, and so is the answer. It never is what was known before.
func TestAViewDoesNotAnswerBehindTheEnricher(t *testing.T) {
	v := newViewed(t)
	stop := v.enrich(t)
	recs, events := messagesOf(t, v.conf, stream.NewPartitioner(3), 3)
	for i, r := range recs[:20] {
		v.send(t, -1, r, events[i])
	}
	id := firstChange(v.sent)
	v.check(t, id)
	stop()
	v.check(t, id) // nothing new was accepted
	v.send(t, -1, recs[20], events[20])
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if p, err := v.view.Preview(ctx, id); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the view says %v, %v", p, err)
	}
	changed := v.view.Changed()
	v.enrich(t)
	select {
	case <-changed:
	case <-time.After(20 * time.Second):
		t.Fatal("nobody is told that more is known")
	}
	v.check(t, id)
	if _, err := v.view.Preview(t.Context(), "github.com/acme/nothing/pull/1"); !errors.Is(err, enricher.ErrUnknownChange) {
		t.Errorf("a change that nobody reported: %v", err)
	}
}
