package sinks

import (
	"context"
	"errors"
	"log/slog"
	"sync"
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

// TestPausesGrowUntilTheEngineAcceptsSomething, up to half a minute, give or take a half.
func TestPausesGrowUntilTheEngineAcceptsSomething(t *testing.T) {
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

// TestAReceiverThatAsksForAPauseGetsIt: no request of the worker comes before the time that it named,
// whichever batch the request belongs to; and a pause that nobody can mean is cut.
func TestAReceiverThatAsksForAPauseGetsIt(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{90 * time.Second: 90 * time.Second, 24 * time.Hour: longestRest, 0: 0} {
		t.Run(asked.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &slowEngine{took: time.Millisecond, busy: &BusyError{After: asked, Err: errors.New("HTTP 429")}}
				w := testWorker(t, e)
				w.MaxDocs = 1
				var both sync.WaitGroup
				for i := range 2 {
					both.Go(func() {
						time.Sleep(time.Duration(i) * e.took / 2) // so that no two answers come at the same moment
						if err := w.deliver(t.Context(), batchOf("a", "b", "c")); err != nil {
							t.Error(err)
						}
					})
				}
				both.Wait()
				if len(e.asked) != 7 {
					t.Fatalf("%d requests, want 6 and the one that was refused", len(e.asked))
				}
				refused := e.asked[1].Add(e.took)
				for _, at := range e.asked[2:] {
					if after := at.Sub(refused); after > 0 && (after < want || after > want+want/10+2*firstPause) {
						t.Errorf("a request came %s after the receiver asked for %s", after, asked)
					}
				}
			})
		})
	}
}

// A slowEngine notes when it is asked, and is busy at the second request.
type slowEngine struct {
	took  time.Duration // for a request
	busy  error
	mu    sync.Mutex
	asked []time.Time
}

func (*slowEngine) Name() string                        { return "slow" }
func (*slowEngine) Ready(context.Context, string) error { return nil }

func (s *slowEngine) Put(_ context.Context, docs []Document) ([]Outcome, error) {
	s.mu.Lock()
	s.asked = append(s.asked, time.Now())
	second := len(s.asked) == 2
	s.mu.Unlock()
	time.Sleep(s.took)
	if second {
		return nil, s.busy
	}
	return make([]Outcome, len(docs)), nil
}

// TestAWorkerThatStopsWaitsForNoPauseOfTheReceiver.
func TestAWorkerThatStopsWaitsForNoPauseOfTheReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &busyEngine{answer: func(int, []Document) ([]Outcome, error) {
			return nil, &BusyError{After: time.Hour, Err: errors.New("HTTP 503")}
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		if err := testWorker(t, e).deliver(ctx, batchOf("a")); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 10*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		if len(e.asked) > 2 { // the second one, whose context is done, fails at once
			t.Errorf("the receiver was asked %d times", len(e.asked))
		}
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 12, 3, 47, 3, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "-5": 0, "120": 2 * time.Minute, " 7 ": 7 * time.Second, "1.5": 0, "soon": 0,
		"Thu, 12 Nov 2026 03:48:03 GMT": time.Minute, "Thu, 12 Nov 2026 03:40:03 GMT": 0,
		"9223372036854775807": longestRest + time.Second, "99999999999999999999": 0,
	} {
		if got := RetryAfter(value, now); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
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
