package web

import (
	"context"
	"sync"
	"time"

	"github.com/changetrail/changetrail/gate/desk"
	"github.com/changetrail/changetrail/internal/access"
)

const (
	countLasts = 5 * time.Second        // the number on each page may be so old
	countTime  = 300 * time.Millisecond // to ask for it
)

// waits remembers for a moment what waits for a person, so that the number on each page costs little.
type waits struct {
	mu   sync.Mutex
	at   time.Time
	last *desk.Waiting // nil if it was not known
}

// keep remembers what waits.
func (c *waits) keep(at time.Time, last *desk.Waiting) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.last = at, last
}

// recently returns what waited a moment ago; nil if it is not known.
func (s *server) recently(ctx context.Context) *desk.Waiting {
	if s.Desk == nil {
		return nil
	}
	s.waits.mu.Lock()
	last, fresh := s.waits.last, s.Now().Sub(s.waits.at) < countLasts
	if !fresh {
		s.waits.at = s.Now() // others do not ask meanwhile
	}
	s.waits.mu.Unlock()
	if fresh {
		return last
	}
	ctx, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	last, err := s.Desk.Waiting(ctx)
	if err != nil {
		last = nil
	}
	s.waits.keep(s.Now(), last)
	return last
}

// readBy returns the part of what waits that is in the repositories that a reader may read.
func readBy(w *desk.Waiting, reader access.Reader) *desk.Waiting {
	out := new(desk.Waiting)
	for _, c := range w.Changes {
		if reader.MayRead(string(c.Change.Repository())) {
			out.Changes = append(out.Changes, c)
		}
	}
	for _, q := range w.Requests {
		if reader.MayRead(string(q.Repository)) {
			out.Requests = append(out.Requests, q)
		}
	}
	return out
}
