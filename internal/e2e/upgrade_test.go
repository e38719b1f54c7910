//go:build servers

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// TestUpgradeInPlaceUnderLoad starts two enrichers at once on what a former version left,
// while events come, new ones and repeats. The one that upgrades the state is stopped
// halfway, once, and started again. At the end all must be as if one version had read all
// events.
func TestUpgradeInPlaceUnderLoad(t *testing.T) {
	f := readFormer(t)
	p := f.load(t, "upgrade")
	began := time.Now()
	stops := &stopOnce{topic: p.topics.State()}
	for range 2 {
		p.upgrader(t, stops)
	}
	var published sync.WaitGroup
	published.Go(func() { p.publishUnread(t, f) })
	eventually(t, 40*time.Second, func() error {
		if !stops.done() {
			return fmt.Errorf("no enricher began to upgrade")
		}
		return nil
	})
	published.Wait()
	p.caughtUp(t)
	o := newOutcome(t, p, f, began)
	o.documents(t)
	o.revisions(t)
	o.folds(t)
	o.letters(t)
	p.holdsNoFormer(t)
	p.members(t, 2)
}

// TestUpgradeWaitsForTheFormerVersion: while others are members of the group, whatever
// their version, nothing is upgraded; it is as soon as they have left.
func TestUpgradeWaitsForTheFormerVersion(t *testing.T) {
	f := readFormer(t)
	p := f.load(t, "upgradewaits")
	before := len(p.scan(t, p.topics.State(), nil))
	leave := p.member(t)
	said := &logged{t: t}
	conf := p.upgradeConfig(t, t.TempDir(), said)
	background(t, func(ctx context.Context) error { return enricher.Run(ctx, conf) })
	p.append(t, p.topics.Events(), f.unread)
	eventually(t, 30*time.Second, func() error { return said.has("stop those of the former version") })
	if n := len(p.scan(t, p.topics.State(), nil)); n != before {
		t.Errorf("%d entries were written while a member of the former version was there", n-before)
	}
	leave()
	eventually(t, 30*time.Second, func() error { return said.has("the state of a former version was upgraded") })
	p.caughtUp(t)
	p.holdsNoFormer(t)
}

// upgrader runs an enricher until the test ends; when stops ends it, it is started again.
func (p *pipeline) upgrader(t *testing.T, stops *stopOnce) {
	conf := p.upgradeConfig(t, t.TempDir(), testLog{t})
	background(t, func(ctx context.Context) error {
		for ctx.Err() == nil {
			once, cancel := context.WithCancel(ctx)
			conf.Kafka.Hooks = []kgo.Hook{stops.hook(cancel)}
			err := enricher.Run(once, conf)
			cancel()
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (p *pipeline) upgradeConfig(t *testing.T, dir string, log io.Writer) enricher.Config {
	conf := p.enricherConfig(t, dir, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelInfo})))
	conf.StampKey = []byte(formerStampKey)
	conf.TraceHold = 100 * 365 * 24 * time.Hour // the spans of the former version are of another day
	return conf
}

// A stopOnce stops the enricher that writes the third batch to the changelog: halfway
// through the upgrade, with a transaction open.
type stopOnce struct {
	topic   string
	mu      sync.Mutex
	batches int
}

func (s *stopOnce) hook(cancel func()) kgo.Hook { return stopHook{s, cancel} }

func (s *stopOnce) done() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.batches >= 3
}

type stopHook struct {
	once   *stopOnce
	cancel func()
}

// OnProduceBatchWritten implements [kgo.HookProduceBatchWritten].
func (h stopHook) OnProduceBatchWritten(_ kgo.BrokerMetadata, topic string, _ int32, _ kgo.ProduceBatchMetrics) {
	if topic != h.once.topic {
		return
	}
	h.once.mu.Lock()
	defer h.once.mu.Unlock()
	if h.once.batches++; h.once.batches == 3 {
		h.cancel()
	}
}

// publishUnread publishes the events that the former version had not read, and then some
// of those that it had.
func (p *pipeline) publishUnread(t *testing.T, f *former) {
	events := slices.Clone(f.unread)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range len(f.read) / 2 {
		events = append(events, f.read[rnd.IntN(len(f.read))])
	}
	for some := range slices.Chunk(events, 50) {
		p.append(t, p.topics.Events(), some)
		time.Sleep(100 * time.Millisecond)
	}
}

// caughtUp waits until the enrichers have read all events, those of their own among them.
func (p *pipeline) caughtUp(t *testing.T) {
	t.Helper()
	adm, err := stream.NewAdmin(p.kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()
	eventually(t, time.Minute, func() error {
		lag, _, err := adm.Group(t.Context(), enricher.Group(p.topics))
		if n := lag[p.topics.Events()]; err == nil && n > 0 {
			err = fmt.Errorf("%d events are not read", n)
		}
		return err
	})
}

// members waits until so many enrichers are at work.
func (p *pipeline) members(t *testing.T, want int) {
	t.Helper()
	adm, err := stream.NewAdmin(p.kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()
	eventually(t, 30*time.Second, func() error {
		_, n, err := adm.Group(t.Context(), enricher.Group(p.topics))
		if err == nil && n != want {
			err = fmt.Errorf("%d enrichers are at work, not %d", n, want)
		}
		return err
	})
}

// member joins the group of the enrichers and does nothing.
func (p *pipeline) member(t *testing.T) (leave func()) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(p.kafka.Brokers...), kgo.ConsumerGroup(enricher.Group(p.topics)),
		kgo.ConsumeTopics(p.topics.Events()), kgo.DisableAutoCommit())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	p.members(t, 1)
	return cl.Close
}

// holdsNoFormer checks that no entry of the former version stands in the changelog.
func (p *pipeline) holdsNoFormer(t *testing.T) {
	t.Helper()
	last := make(map[string]*stream.Record)
	for _, r := range p.scan(t, p.topics.State(), nil) {
		last[fmt.Sprint(r.Partition, string(r.Key))] = r
	}
	kept := 0
	for _, r := range last {
		if len(r.Key) > 1 && r.Key[0] >= 'a' && r.Key[0] <= 'z' && r.Key[1] == '/' && r.Value != nil {
			t.Errorf("the changelog still holds %q", r.Key)
		}
		if r.Value != nil {
			kept++
		}
	}
	t.Logf("%d entries in the changelog", kept)
}

// logged is a log that remembers what was said.
type logged struct {
	t   *testing.T
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.t.Log(string(bytes.TrimSpace(b)))
	return l.all.Write(b)
}

func (l *logged) has(what string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.Contains(l.all.String(), what) {
		return nil
	}
	return fmt.Errorf("the log does not say: %s", what)
}

// An outcome is what lies in the topics at the end, beside what the events say that must
// lie there.
type outcome struct {
	p             *pipeline
	f             *former
	began         time.Time
	events        []*stream.Record // since the upgrade
	enriched      []*stream.Record
	records       []*stream.Record // since the upgrade
	dead          []*stream.Record
	asRead, asNow []record.Event // in their partitions
}

func newOutcome(t *testing.T, p *pipeline, f *former, began time.Time) *outcome {
	t.Helper()
	o := &outcome{p: p, f: f, began: began}
	o.events = p.scan(t, p.topics.Events(), perPartition(f.read))
	o.enriched = p.scan(t, p.topics.Enriched(), nil)
	o.records = p.scan(t, p.topics.Records(), perPartition(f.records))
	o.dead = p.scan(t, p.topics.DLQ(), nil)
	for _, r := range f.read { // the former version did not ask who may say what
		env, err := schemas.Open(stream.Message(r))
		if err != nil {
			continue
		}
		if e, err := (ingest.Reader{StampKey: []byte(formerStampKey)}).Read(t.Context(), env, r.Key, r.Timestamp); err == nil && joined(r, e.Event) {
			o.asRead = append(o.asRead, e.Event)
		}
	}
	for _, r := range o.events {
		if e, err := enricher.DecodeStamped(r, []byte(formerStampKey)); err == nil && joined(r, e) {
			o.asNow = append(o.asNow, e)
		}
	}
	t.Logf("%d events before, %d since; %d documents, %d revisions, %d dead letters", len(o.asRead), len(o.asNow), len(o.enriched), len(o.records), len(o.dead))
	return o
}

// joined reports whether an event lies where it is joined, and not on its way there.
func joined(r *stream.Record, e record.Event) bool {
	home := stream.NewPartitioner(formerPartitions).Of(string(e.Repository)) == r.Partition
	return e.Repository != "" && (home || stream.Header(r, stream.HeaderRerouted) != nil)
}

// account is the identity of an event among those of its repository or, where it names one,
// its change.
func account(e record.Event) string {
	return string(e.Repository) + " " + string(e.Change) + " " + e.Account()
}

// documents checks that each event that is new became a document once, and no other.
func (o *outcome) documents(t *testing.T) {
	t.Helper()
	want, known := make(map[string]int), make(map[string]bool)
	for i, e := range slices.Concat(o.asRead, o.asNow) {
		if !known[account(e)] && i >= len(o.asRead) {
			want[schemas.DocumentID(e)+" "+e.Digest]++
		}
		known[account(e)] = true
	}
	got := make(map[string]int)
	for _, r := range o.enriched {
		got[string(stream.Header(r, stream.HeaderID))+" "+readSent(t, r).Event.Digest]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
}

// revisions checks that each record goes on from the revision that was sent before, in the
// same index; records of new changes lie in that of this month.
func (o *outcome) revisions(t *testing.T) {
	t.Helper()
	revision, index := make(map[string]int64), make(map[string]string)
	for _, r := range slices.Concat(o.f.records, o.records) {
		id, now, at := string(r.Key), readSent(t, r).Revision, string(stream.Header(r, stream.HeaderIndex))
		if now <= revision[id] {
			t.Errorf("%s: revision %d after %d", id, now, revision[id])
		}
		if index[id] != "" && at != index[id] {
			t.Errorf("%s moved from %s to %s", id, index[id], at)
		}
		revision[id] = now
		if index[id] == "" && slices.Contains(o.records, r) {
			months := []string{schemas.RecordIndex("default", o.began), schemas.RecordIndex("default", time.Now())}
			if !slices.Contains(months, at) {
				t.Errorf("%s is new and lies in %s, not in one of %v", id, at, months)
			}
		}
		index[id] = at
	}
}

// folds checks that the last record of each change that was sent since is the fold of all
// its events, and that one was sent of each change that a new event names. Others stay as
// the former version made them.
func (o *outcome) folds(t *testing.T) {
	t.Helper()
	last := make(map[record.ChangeID]string)
	for _, r := range o.records {
		last[record.ChangeID(r.Key)] = readSent(t, r).Digest
	}
	byRepo := make(map[record.Repository][]record.Event)
	named, known := make(map[record.ChangeID]bool), make(map[string]bool)
	for i, e := range slices.Concat(o.asRead, o.asNow) {
		if i >= len(o.asRead) {
			if known[account(e)] {
				continue // a repeat, or one that is refused
			}
			named[e.Change] = e.Change != ""
		}
		known[account(e)] = true
		byRepo[e.Repository] = append(byRepo[e.Repository], e)
	}
	for id, yes := range named {
		if _, sent := last[id]; yes && !sent {
			last[id] = ""
		}
	}
	for id, digest := range last {
		want := enricher.Fold(id, byRepo[id.Repository()], o.f.policy, o.f.controls)
		if digest == "" && (want.Trail.Change.PartOf != "" || o.sentBefore(t, id) == enricher.Digest(want)) {
			continue // the commit of a merge, which nobody saw as a change; or nothing that is new
		}
		if fold := enricher.Digest(want); digest != fold {
			t.Errorf("%s: the last record is %q, the fold of its events %s", id, digest, fold)
		}
	}
	t.Logf("%d changes were touched", len(last))
}

// sentBefore returns the digest that the former version sent last of a change.
func (o *outcome) sentBefore(t *testing.T, id record.ChangeID) (digest string) {
	t.Helper()
	for _, r := range o.f.records {
		if string(r.Key) == string(id) {
			digest = readSent(t, r).Digest
		}
	}
	return digest
}

// letters checks that each event that is refused is a dead letter, once, for its reason, and
// that only others of one identity are beside them.
func (o *outcome) letters(t *testing.T) {
	t.Helper()
	want := make(map[string]string)
	for _, r := range o.events {
		_, err := enricher.DecodeStamped(r, []byte(formerStampKey))
		if refusal := schemas.AsRefusal(err); refusal != nil {
			want[fmt.Sprintf("%d/%d", r.Partition, r.Offset)] = string(refusal.Reason)
		}
	}
	conflicts := o.conflicts(t)
	got := make(map[string]string)
	for _, r := range o.dead {
		at := fmt.Sprintf("%s/%s", stream.Header(r, stream.HeaderPartition), stream.Header(r, stream.HeaderOffset))
		if got[at] != "" {
			t.Errorf("two dead letters of %s", at)
		}
		got[at] = string(stream.Header(r, stream.HeaderReason))
	}
	for at := range conflicts {
		want[at] = string(schemas.DuplicateID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
}

// conflicts returns where events lie whose identity is that of another one.
func (o *outcome) conflicts(t *testing.T) map[string]bool {
	t.Helper()
	first := make(map[string]string)
	for _, e := range o.asRead { // of which the former version kept the one with the smaller digest
		if digest, ok := first[account(e)]; !ok || e.Digest < digest {
			first[account(e)] = e.Digest
		}
	}
	out := make(map[string]bool)
	for _, r := range o.events {
		e, err := enricher.DecodeStamped(r, []byte(formerStampKey))
		if err != nil || !joined(r, e) {
			continue
		}
		if digest, ok := first[account(e)]; ok && digest != e.Digest {
			out[fmt.Sprintf("%d/%d", r.Partition, r.Offset)] = true
		} else {
			first[account(e)] = e.Digest
		}
	}
	return out
}
