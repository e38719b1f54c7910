package sinks

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/changetrail/changetrail/stream"
)

// A busyEngine notes when it is asked, and answers as the test says.
type busyEngine struct {
	asked  []time.Time
	answer func(try int, docs []Document) ([]Outcome, error)
}

func (*busyEngine) Name() string                        { return "busy" }
func (*busyEngine) Ready(context.Context, string) error { return nil }

func (b *busyEngine) Put(_ context.Context, docs []Document) ([]Outcome, error) {
	b.asked = append(b.asked, time.Now())
	return b.answer(len(b.asked), docs)
}

func testWorker(t *testing.T, e Engine) *worker {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	waiting := newWaits(log, e.Name())
	m, err := newMetrics(nil, e.Name(), waiting)
	if err != nil {
		t.Fatal(err)
	}
	return &worker{Config: Config{Engine: e, Log: log}.withDefaults(), metrics: m, waits: waiting, tracer: newTracer(nil, e.Name()), now: time.Now}
}

func batchOf(ids ...string) *batch {
	b := &batch{done: make(chan error, 1)}
	for _, id := range ids {
		b.items = append(b.items, item{doc: Document{Index: "i", ID: id, Body: []byte("{}")}, record: new(stream.Record)})
	}
	return b
}

// TestPausesGrowUntilTheEngineTakesSomething, up to half a minute, give or take a half.
func TestPausesGrowUntilTheEngineTakesSomething(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const inVain, then = 12, 3
		e := &busyEngine{answer: func(try int, docs []Document) ([]Outcome, error) {
			switch out := make([]Outcome, len(docs)); {
			case try <= inVain:
				return nil, errors.New("no answer")
			case try <= inVain+then: // one of two is stored
				if len(docs) > 1 {
					out[0].Kind = Done
				} else {
					out[0].Kind = Retry
				}
				out[len(docs)-1].Kind = Retry
				return out, nil
			default:
				return out, nil
			}
		}}
		if err := testWorker(t, e).deliver(t.Context(), batchOf("a", "b")); err != nil {
			t.Fatal(err)
		}
		if len(e.asked) != inVain+then+1 {
			t.Fatalf("the engine was asked %d times", len(e.asked))
		}
		pause := firstPause
		for i, at := range e.asked[1:] {
			if i == inVain { // the try before stored something
				pause = firstPause
			}
			if took := at.Sub(e.asked[i]); took < pause/2 || took > 3*pause/2 {
				t.Errorf("pause %d is %s, want %s and at most a half more or less", i+1, took, pause)
			}
			pause = min(2*pause, longPause)
		}
	})
}

// TestAWorkerThatStopsWaitsForNoPause.
func TestAWorkerThatStopsWaitsForNoPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &busyEngine{answer: func(int, []Document) ([]Outcome, error) { return nil, errors.New("no answer") }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began := time.Now()
		if err := testWorker(t, e).deliver(ctx, batchOf("a")); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Hour {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		if n := len(e.asked); n < 80 || n > 300 {
			t.Errorf("the engine was asked %d times in an hour", n)
		}
	})
}

// TestDrainWaits for what is under way, though not for ever.
func TestDrainWaits(t *testing.T) {
	for name, c := range map[string]struct{ work, patience, want time.Duration }{
		"nothing is under way":             {0, time.Hour, 0},
		"a batch":                          {7 * time.Second, time.Hour, 7 * time.Second},
		"a batch that is not taken":        {time.Hour, time.Hour, 30 * time.Second},
		"a group that waits for less time": {time.Hour, 3 * time.Second, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := testWorker(t, &busyEngine{})
				if c.work > 0 {
					w.underway.Add(1)
					time.AfterFunc(c.work, w.underway.Done)
				}
				ctx, cancel := context.WithTimeout(t.Context(), c.patience)
				defer cancel()
				began := time.Now()
				if w.drain(ctx, nil); time.Since(began) != c.want {
					t.Errorf("it waits %s, want %s", time.Since(began), c.want)
				}
				time.Sleep(2 * time.Hour) // all ends
			})
		})
	}
}
