//go:build servers

package e2e

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
)

// gateRecorder records the answers of a gate as a gateway does, without a signature.
type gateRecorder struct{ p *producer.Producer }

func (r gateRecorder) Record(ctx context.Context, change record.ChangeID, f record.Fact, id string) error {
	e := producer.Event(string(change), f)
	e.SetSource("/changetrail/gate")
	e.SetID(id)
	e.SetTime(time.Now())
	return r.p.Publish(ctx, e)
}

// TestTheGateOverKafka asks the gate about a change that changes, stops Kafka, and starts it again:
// the gate counts what was accepted a moment ago, and says nothing while it cannot know.
func TestTheGateOverKafka(t *testing.T) {
	p := newPipeline(t, "gate")
	log := slog.New(slog.DiscardHandler)
	background(t, func(ctx context.Context) error { return enricher.Run(ctx, p.enricherConfig(t, t.TempDir(), log)) })
	view, err := enricher.OpenView(t.Context(), p.kafka, p.topics, t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	background(t, view.Run)
	out, err := producer.New(producer.Kafka(producer.KafkaConfig{Brokers: p.kafka.Brokers, Topic: p.topics.Events()}), producer.Options{SendTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close(context.Background()) })
	g := &gate.Gate{View: view, Recorder: gateRecorder{out}, Now: time.Now}
	const id = "github.com/acme/payments/pull/7"
	n := 0
	send := func(source string, f record.Fact) {
		t.Helper()
		e := producer.Event(id, f)
		n++
		e.SetSource(source)
		e.SetID(time.Now().Format(time.RFC3339Nano))
		e.SetTime(time.Now())
		if err := out.Publish(t.Context(), []event.Event{e}...); err != nil {
			t.Fatal(err)
		}
	}
	const head, moved = "1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222"
	ask := func() gate.Decision {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for { // after a restart of Kafka everything connects again
			d, err := g.Ask(ctx, gate.Question{Change: id})
			if err == nil {
				return d
			}
			if !errors.Is(err, gate.ErrUnknown) || ctx.Err() != nil {
				t.Fatal(err)
			}
		}
	}
	opened := &record.Opened{Revision: record.Revision{Author: "mira.s", AuthorType: "human", HeadSHA: head}}
	send("https://github.com/acme/payments", opened)
	if d := ask(); !d.Allowed || d.Head != head {
		t.Errorf("a person's change: %+v", d)
	}
	send("https://github.com/acme/payments", &record.Updated{Revision: record.Revision{HeadSHA: moved}})
	if d := ask(); d.Head != moved {
		t.Errorf("the head is %s after it moved", d.Head)
	}

	// Whoever waits is told when the answer differs.
	var wait sync.WaitGroup
	wait.Go(func() {
		last := ""
		for _, q := range []gate.Question{{Change: id, Commit: head}, {Change: id, Commit: head, Wait: 30 * time.Second}} {
			q.Last = last
			d, err := g.Ask(t.Context(), q)
			if err != nil {
				t.Error(err)
			}
			last = d.Digest()
			if q.Wait > 0 && d.Head != head {
				t.Errorf("after waiting: %+v", d)
			}
		}
	})
	time.Sleep(time.Second)
	send("https://github.com/acme/payments", &record.Updated{Revision: record.Revision{HeadSHA: head}})
	wait.Wait()

	broker.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if d, err := g.Ask(ctx, gate.Question{Change: id}); !errors.Is(err, gate.ErrUnknown) || d.Allowed {
		t.Errorf("without Kafka the gate says %+v, %v", d, err)
	}
	restart(t, broker.Start)
	send("https://github.com/acme/payments", &record.Closed{})
	if d := ask(); d.Allowed {
		t.Errorf("a closed change: %+v", d)
	}
}
