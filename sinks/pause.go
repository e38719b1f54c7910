package sinks

import (
	"context"
	"math/rand/v2"
	"time"
)

// Pauses between tries.
const (
	firstPause = 100 * time.Millisecond
	longPause  = 30 * time.Second
)

// Pauses are the pauses between tries: each is twice as long as the one before, up to half a minute.
type Pauses struct{ last time.Duration }

// Next returns the next pause.
func (p *Pauses) Next() time.Duration {
	p.last = min(max(2*p.last, firstPause), longPause)
	return p.last
}

// Pause waits for a pause, give or take a half, so that several sinks do not come back at the same
// moment. Its error is that of ctx.
func Pause(ctx context.Context, pause time.Duration) error {
	select {
	case <-time.After(pause/2 + rand.N(pause)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
