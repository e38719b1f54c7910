//go:build servers

package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/internal/workload"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
)

// TestRecordsAreMadeAgain: rebuilding under the same policy changes nothing,
// under another one it gives what that one would have given, and the enricher
// goes on from there. Events that Kafka has deleted are not forgotten.
func TestRecordsAreMadeAgain(t *testing.T) {
	p := newPipeline(t, "rebuild")
	log := slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	background(t, func(ctx context.Context) error {
		return sinks.Run(ctx, sinks.Config{Kafka: p.kafka, Topics: p.topics, Namespace: p.namespace, Engine: p.engines[schemas.OpenSearch], Log: log})
	})
	g := workload.New(3, 5, time.Now().Add(-48*time.Hour))
	prod := newProducer(t, producer.Kafka(producer.KafkaConfig{Brokers: p.kafka.Brokers, Topic: p.topics.Events()}))
	const changes = 60
	events := g.Change()
	for range changes - 1 {
		events = append(events, g.Change()...)
	}
	if err := prod.Publish(t.Context(), arrivedAtOnce(events)...); err != nil {
		t.Fatal(err)
	}
	conf := p.enricherConfig(t, t.TempDir(), log)
	index := "changetrail-record-" + p.namespace + "-*"
	stands := func(want map[record.ChangeID]string, events int) {
		t.Helper()
		eventually(t, time.Minute, func() error {
			return settled(t, schemas.OpenSearch, schemas.EventIndex(p.namespace), events, index, want)
		})
	}
	want, ids, _ := expected(t, events)
	stop := background(t, func(ctx context.Context) error { return enricher.Run(ctx, conf) })
	stands(want, len(ids))
	if _, err := enricher.Rebuild(t.Context(), conf, false, func(_, _ int32) {}); err == nil || !strings.Contains(err.Error(), "stop them first") {
		t.Errorf("while an enricher runs: %v", err)
	}
	stop()

	again := func(c enricher.Config, dryRun bool) (done enricher.Rebuilt) {
		t.Helper()
		c.StateDir = t.TempDir()
		eventually(t, time.Minute, func() (err error) { // a member leaves when its session ends
			done, err = enricher.Rebuild(t.Context(), c, dryRun, func(_, _ int32) {})
			return err
		})
		return done
	}
	if done := again(conf, false); done.Records != changes || len(done.Changed) != 0 || done.Events != int64(len(events)) {
		t.Errorf("the same policy: %+v", done)
	}

	// Without since it would decide about what is open, and what is merged from now on.
	strict, err := policy.Parse([]byte("mode: gate-everything\nsince: 2000-01-01T00:00:00Z\n" + string(readFile(t, "policy.yaml"))))
	if err != nil {
		t.Fatal(err)
	}
	conf.Policy = strict
	dry := again(conf, true)
	if len(dry.Changed) != changes {
		t.Errorf("%d of %d records would change", len(dry.Changed), changes)
	}
	stands(want, len(ids)) // nothing was written
	// Some events are deleted, as by age. Their records are made again all the same.
	truncate(t, p)
	done := again(conf, false)
	t.Logf("%d events read again after some were deleted; %d of %d records changed, as %s: %s", done.Events, len(done.Changed), done.Records, done.Changed[0].Change, strings.Join(done.Changed[0].What, "; "))
	if done.Events >= int64(len(events)) || len(done.Changed) != changes {
		t.Errorf("the strict policy: %d events, %d changed", done.Events, len(done.Changed))
	}
	want = expectedUnder(t, events, strict)
	stands(want, len(ids))
	if done := again(conf, false); len(done.Changed) != 0 {
		t.Errorf("again under the strict policy: %d changed", len(done.Changed))
	}

	// The enricher goes on, from its old folder, where rebuilding left off.
	background(t, func(ctx context.Context) error { return enricher.Run(ctx, conf) })
	more := producer.Event(string(firstChange(want)), &record.Review{Reviewer: "late.reader", Verdict: "commented"})
	more.SetSource("/host")
	more.SetID("late")
	more.SetTime(time.Now().UTC())
	if err := prod.Publish(t.Context(), more); err != nil {
		t.Fatal(err)
	}
	want = expectedUnder(t, append(events, more), strict)
	stands(want, len(ids)+1)
}

func firstChange(records map[record.ChangeID]string) record.ChangeID {
	var first record.ChangeID
	for id := range records {
		if first == "" || id < first {
			first = id
		}
	}
	return first
}

// background runs f until the test ends, or the function returned is called.
func background(t *testing.T, f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := f(ctx); err != nil {
			t.Errorf("in the background: %v", err)
		}
	})
	stop = func() {
		cancel()
		wg.Wait()
	}
	t.Cleanup(stop)
	return stop
}

// truncate deletes the first third of each partition of the events.
func truncate(t *testing.T, p *pipeline) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(p.kafka.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	ends, err := adm.ListEndOffsets(t.Context(), p.topics.Events())
	if err != nil {
		t.Fatal(err)
	}
	before := make(kadm.Offsets)
	ends.Each(func(o kadm.ListedOffset) { before.AddOffset(o.Topic, o.Partition, o.Offset/3, -1) })
	if _, err := adm.DeleteRecords(t.Context(), before); err != nil {
		t.Fatal(fmt.Errorf("delete records: %w", err))
	}
}
