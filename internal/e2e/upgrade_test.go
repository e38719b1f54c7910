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

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/internal/signing"
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
	eventually(t, 90*time.Second, func() error { // a member that left while others joined stays for 30 s
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
	p.append(t, p.topics.Events(), f.Unread)
	eventually(t, time.Minute, func() error { return said.has("stop those of the former version") })
	if n := len(p.scan(t, p.topics.State(), nil)); n != before {
		t.Errorf("%d entries were written while a member of the former version was there", n-before)
	}
	leave()
	eventually(t, time.Minute, func() error { return said.has("the state of a former version was upgraded") })
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
	conf.Keys, conf.Trust = signing.Of([]byte(formerKey)), nil
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
func (p *pipeline) publishUnread(t *testing.T, f leftBehind) {
	events := slices.Clone(f.Unread)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range len(f.Read) / 2 {
		events = append(events, f.Read[rnd.IntN(len(f.Read))])
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
