package pending_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/gate/pending"
	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/internal/workload"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

// BenchmarkStart measures how long a follower needs to find the open changes among 20,000, of which
// one in ten is open, in a view that is up to date.
func BenchmarkStart(b *testing.B) {
	const changes = 20_000
	s := newSiteWith(b, `
services: [{name: services, repositories: [github.com/acme/**], classification: high}]
agents: [{id: bots, accounts: ["agent-bot-0[bot]", "agent-bot-1[bot]", "agent-bot-2[bot]", "agent-bot-3[bot]", "agent-bot-4[bot]", "agent-bot-5[bot]", "agent-bot-6[bot]"], services: [services]}]
default: review-required
`)
	generate(b, s, changes)
	for began := time.Now(); ; { // rounds are bounded
		err := s.view.CaughtUp(b.Context())
		if err == nil {
			break
		}
		if time.Since(began) > 10*time.Minute {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		f := pending.New(s.view, s.conf.Log)
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error, 1)
		go func() { done <- f.Run(ctx) }()
		for began := time.Now(); ; time.Sleep(time.Millisecond) {
			if items, err := f.List(); err == nil {
				if len(items) < changes/40 {
					b.Fatalf("only %d of %d changes wait for a person: %+v", len(items), changes, s.heard.open)
				}
				break
			}
			if time.Since(began) > time.Minute {
				b.Fatal("the changes are not read after a minute")
			}
		}
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/changes, "us/change")
}

// generate sends the events of changes of agents: nine in ten are merged.
func generate(b *testing.B, s *site, changes int) {
	b.Helper()
	g := workload.New(1, 40, s.began)
	home := stream.NewPartitioner(3)
	batch := make([]*stream.Record, 0, 4096)
	flush := func() {
		if err := s.writer.Append(b.Context(), batch...); err != nil {
			b.Fatal(err)
		}
		batch = batch[:0]
	}
	for n := range changes {
		for _, e := range g.Change() {
			if e.Type() == record.TypeChangeMerged && n%10 == 0 {
				break
			}
			gateway.Sign(&e, s.conf.Keys, github, time.Now())
			m, err := producer.Encode(b.Context(), e, producer.Binary)
			if err != nil {
				b.Fatal(err)
			}
			r := &stream.Record{Topic: s.conf.Topics.Events(), Key: m.Key, Value: m.Value, Timestamp: time.Now(), Partition: home.Of(string(m.Key))}
			for _, x := range m.Headers {
				r.Headers = append(r.Headers, kgo.RecordHeader{Key: x.Key, Value: x.Value})
			}
			if batch = append(batch, r); len(batch) == cap(batch) {
				flush()
			}
		}
	}
	flush()
}
