package enricher_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/internal/workload"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

const someServices = `
services: [{name: payments, repositories: ["*/*/*"], classification: critical, data_classes: [cardholder], owner: team}]
agents: [{id: "*", services: ["*"]}]
teams: [{id: team, members: [bob]}]
`

// A history is what an enricher made of events in a Kafka of its own.
type history struct {
	conf   enricher.Config
	events []record.Event
	total  int
}

// newHistory has an enricher read so many changes.
func newHistory(t *testing.T, changes int) *history {
	t.Helper()
	topics := stream.Topics{Prefix: "t"}
	kafka, w := kafkatest.Pipeline(t, 2, topics)
	pol, err := policy.Parse([]byte(someServices))
	if err != nil {
		t.Fatal(err)
	}
	matrix, err := controls.Parse([]byte("controls: [{tag: pci-dss-6.3.2}]"))
	if err != nil {
		t.Fatal(err)
	}
	h := &history{conf: enricher.Config{
		Kafka: kafka, Topics: topics, Namespace: "x", StateDir: t.TempDir(), Policy: pol, Controls: matrix, Log: slog.New(slog.DiscardHandler),
		Trust: []settings.Trust{{Source: "/agents/**", As: record.Signed, History: true}, {Source: "**", As: record.Observed, History: true}},
	}}
	recs, events := messagesOf(t, h.conf, stream.NewPartitioner(2), changes)
	h.events = events
	h.total = changes
	if err := w.Append(t.Context(), recs...); err != nil {
		t.Fatal(err)
	}
	h.enrich(t, int64(len(recs)))
	return h
}

// messagesOf returns the events of some changes as messages in their home partitions, and as the
// enricher reads them.
func messagesOf(t *testing.T, conf enricher.Config, home *stream.Partitioner, changes int) (recs []*stream.Record, events []record.Event) {
	t.Helper()
	g := workload.New(3, 3, time.Now().Add(-48*time.Hour))
	for range changes {
		for _, e := range g.Change() {
			e.SetExtension("arrivedat", e.Time().UTC().Format(time.RFC3339)) // so that the record does not depend on when this runs
			m, err := producer.Encode(t.Context(), e, producer.Binary)
			if err != nil {
				t.Fatal(err)
			}
			r := &stream.Record{Topic: conf.Topics.Events(), Partition: home.Of(string(m.Key)), Key: m.Key, Value: m.Value, Timestamp: time.Now()}
			for _, x := range m.Headers {
				r.Headers = append(r.Headers, kgo.RecordHeader{Key: x.Key, Value: x.Value})
			}
			decoded, err := enricher.DecodeBy(r, ingest.Reader{Trust: conf.Trust})
			if err != nil {
				t.Fatal(err)
			}
			events, recs = append(events, decoded), append(recs, r)
		}
	}
	return recs, events
}

// enrich runs an enricher until it has read so many events.
func (h *history) enrich(t *testing.T, events int64) {
	t.Helper()
	a, err := stream.NewAdmin(h.conf.Kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- enricher.Run(ctx, h.conf) }()
	for began, read := time.Now(), int64(0); read < events; time.Sleep(20 * time.Millisecond) {
		at, err := a.Committed(t.Context(), enricher.Group(h.conf.Topics), h.conf.Topics.Events())
		if read = 0; err == nil {
			for _, n := range at {
				read += n
			}
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("%d of %d events are read", read, events)
		}
	}
	if _, err := enricher.Rebuild(t.Context(), h.conf, false, func(_, _ int32) {}); err == nil || !strings.Contains(err.Error(), "stop them first") {
		t.Errorf("rebuilding while an enricher runs: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// rebuild makes all records again, with a store that is empty as on another machine.
func (h *history) rebuild(t *testing.T, dryRun bool) enricher.Rebuilt {
	t.Helper()
	conf := h.conf
	conf.StateDir = t.TempDir()
	var turns []string
	done, err := enricher.Rebuild(t.Context(), conf, dryRun, func(n, of int32) { turns = append(turns, fmt.Sprint(n, " of ", of)) })
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(turns, []string{"1 of 2", "2 of 2"}) {
		t.Errorf("progress: %v", turns)
	}
	return done
}

// A revision is one of a record.
type revision struct {
	Digest string
	Number int64
}

// records are the newest revisions in the topic of records.
func (h *history) records(t *testing.T) map[record.ChangeID]revision {
	t.Helper()
	out := make(map[record.ChangeID]revision)
	for p := range int32(2) {
		if _, err := h.conf.Kafka.Partition(h.conf.Topics.Records(), p).Scan(t.Context(), -1, func(recs []*stream.Record) error {
			for _, m := range recs {
				var r record.Record
				if err := json.Unmarshal(m.Value, &r); err != nil {
					return err
				}
				id := record.ChangeID(m.Key)
				if r.Trail.Revision <= out[id].Number {
					t.Errorf("%s: revision %d follows %d", id, r.Trail.Revision, out[id].Number)
				}
				out[id] = revision{r.Trail.EvidenceDigest, r.Trail.Revision}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// check compares the records with those that all events give under the policy of now.
func (h *history) check(t *testing.T, what string) {
	t.Helper()
	got, want := make(map[record.ChangeID]string), make(map[record.ChangeID]string)
	for id, r := range h.records(t) {
		got[id] = r.Digest
	}
	for _, e := range h.events {
		if e.Change == "" {
			continue
		}
		var of []record.Event
		for _, other := range h.events {
			if other.Repository == e.Change.Repository() {
				of = append(of, other)
			}
		}
		if want[e.Change] == "" {
			want[e.Change] = enricher.Digest(enricher.Fold(e.Change, of, h.conf.Policy, h.conf.Controls))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) != h.total {
		t.Errorf("%s: %d records (-of all events +sent):\n%s", what, len(got), diff)
	}
}

// TestRebuild: rebuilding under the same policy changes nothing, and under another one it
// gives what that one would have given, also when Kafka has deleted some of the events.
func TestRebuild(t *testing.T) {
	h := newHistory(t, 12)
	h.check(t, "after the enricher")
	was := h.records(t)
	if done := h.rebuild(t, false); done.Records != 12 || len(done.Changed) != 0 || done.Events != int64(len(h.events)) || done.Refused != 0 {
		t.Errorf("the same policy: %+v", done)
	}
	strict, err := policy.Parse([]byte("mode: gate-everything\nsince: 2000-01-01T00:00:00Z\n" + someServices))
	if err != nil {
		t.Fatal(err)
	}
	h.conf.Policy = strict
	if dry := h.rebuild(t, true); len(dry.Changed) != 12 || len(dry.Changed[0].What) == 0 {
		t.Errorf("a dry run: %+v", dry)
	}
	if diff := cmp.Diff(was, h.records(t)); diff != "" {
		t.Errorf("a dry run wrote records:\n%s", diff)
	}
	truncate(t, h)
	if done := h.rebuild(t, false); len(done.Changed) != 12 || done.Events >= int64(len(h.events)) {
		t.Errorf("another policy: %d records changed, %d of %d events", len(done.Changed), done.Events, len(h.events))
	}
	h.check(t, "under another policy")
	for id, r := range h.records(t) {
		if r.Number != was[id].Number+1 {
			t.Errorf("%s has revision %d after %d", id, r.Number, was[id].Number)
		}
	}
	if done := h.rebuild(t, false); len(done.Changed) != 0 {
		t.Errorf("again: %d records changed", len(done.Changed))
	}
}

// TestARebuildThatIsStopped is finished by the next: as if it had not been stopped.
func TestARebuildThatIsStopped(t *testing.T) {
	h := newHistory(t, 6)
	strict, err := policy.Parse([]byte("mode: gate-everything\nsince: 2000-01-01T00:00:00Z\n" + someServices))
	if err != nil {
		t.Fatal(err)
	}
	h.conf.Policy = strict
	ctx, cancel := context.WithCancel(t.Context())
	done, err := enricher.Rebuild(ctx, h.conf, false, func(_, _ int32) { cancel() })
	if err == nil || !strings.Contains(err.Error(), "partition 1") {
		t.Errorf("it is stopped after the first partition: %v", err)
	}
	if rest := h.rebuild(t, false); len(done.Changed)+len(rest.Changed) != 6 {
		t.Errorf("%d records changed at first, and then %d", len(done.Changed), len(rest.Changed))
	}
	h.check(t, "after both")
}

// truncate deletes the first third of each partition of the events.
func truncate(t *testing.T, h *history) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(h.conf.Kafka.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	ends, err := adm.ListEndOffsets(t.Context(), h.conf.Topics.Events())
	if err != nil {
		t.Fatal(err)
	}
	before := make(kadm.Offsets)
	ends.Each(func(o kadm.ListedOffset) { before.AddOffset(o.Topic, o.Partition, o.Offset/3, -1) })
	if _, err := adm.DeleteRecords(t.Context(), before); err != nil {
		t.Fatal(err)
	}
}
