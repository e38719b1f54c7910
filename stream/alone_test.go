package stream_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/stream"
)

// TestOneOfThreeProcessesWorks: never two at a time, and another one goes on when it ends.
func TestOneOfThreeProcessesWorks(t *testing.T) {
	c := kafkatest.Cluster(t, 1, "t.policies")
	conf := stream.Config{Brokers: c.ListenAddrs()}
	var working, begun atomic.Int32
	who := make(chan int, 10)
	var stops []context.CancelFunc
	ended := make(chan error, 3)
	for i := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		stops = append(stops, cancel)
		go func() {
			ended <- stream.Alone(ctx, conf, "t-status", "t.policies", func(ctx context.Context, turn stream.Turn) {
				if working.Add(1) > 1 {
					t.Error("two processes work at the same time")
				}
				if err := turn.Still(ctx); err != nil {
					t.Errorf("it is not the turn of the process that works: %v", err)
				}
				begun.Add(1)
				who <- i
				<-ctx.Done()
				if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
					t.Errorf("the turn ended because of %v", cause)
				}
				time.Sleep(20 * time.Millisecond) // the next one waits for that
				working.Add(-1)
			})
		}()
	}
	stopped := make(map[int]bool)
	for len(stopped) < 3 {
		select {
		case i := <-who:
			if stopped[i] {
				t.Fatalf("process %d works after it was stopped", i)
			}
			stopped[i] = true
			stops[i]()
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("nobody works; %d turns have begun", begun.Load())
		}
	}
}

// TestATurnEndsWhenTheBrokerIsAway: another process may have begun then.
func TestATurnEndsWhenTheBrokerIsAway(t *testing.T) {
	c := kafkatest.Cluster(t, 1, "t.policies")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	began, cause := make(chan stream.Turn, 1), make(chan error, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- stream.Alone(ctx, stream.Config{Brokers: c.ListenAddrs()}, "t-status", "t.policies", func(ctx context.Context, turn stream.Turn) {
			began <- turn
			<-ctx.Done()
			cause <- context.Cause(ctx)
		})
	}()
	turn := <-began
	c.Close()
	limit, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	if turn.Still(limit) == nil {
		t.Error("it is said to be this process's turn, without a broker")
	}
	select {
	case err := <-cause:
		if !errors.Is(err, stream.ErrLost) {
			t.Errorf("the turn ended because of %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the turn did not end before the session")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
