package gateway

import (
	"context"
	"net/http"
	"runtime"
	"time"

	"github.com/changetrail/changetrail/internal/problem"
)

// largeRequest is the memory above which a request is large: reading it takes so long that many of
// them would leave no CPU to others.
const largeRequest = 1 << 20

// newTurns returns the turns of the large requests of one sender, which use half of the CPUs.
func newTurns() chan struct{} { return make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)) }

// A turn is the turn of one request among the large ones of its sender. It begins once the body has
// arrived, so that a slow body keeps nobody waiting, and ends before the wait for the broker.
type turn struct {
	turns    chan struct{}
	wait     time.Duration
	acquired bool
}

// waitForTurnBeyond makes a request wait for its turn once it needs more than n bytes.
func waitForTurnBeyond(ctx context.Context, n int64) error {
	return shareOf(ctx).Beyond(n, func() error { return turnOf(ctx).acquire(ctx) })
}

func (t *turn) acquire(ctx context.Context) error {
	if t == nil || t.acquired {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, t.wait)
	defer cancel()
	select {
	case t.turns <- struct{}{}:
		t.acquired = true
		return nil
	case <-ctx.Done():
		return problem.New(http.StatusTooManyRequests, "large requests of this sender are at work; send them one after the other").Later(time.Second)
	}
}

func (t *turn) release() {
	if t != nil && t.acquired {
		<-t.turns
		t.acquired = false
	}
}
