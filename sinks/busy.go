package sinks

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A BusyError reports that the receiver is busy and asks for a pause. Nothing is sent to it before
// the pause is over.
type BusyError struct {
	After time.Duration // that the receiver asks for; 0 if it does not say
	Err   error
}

func (b *BusyError) Error() string { return b.Err.Error() }

// Unwrap returns the reason.
func (b *BusyError) Unwrap() error { return b.Err }

// RetryAfter returns the pause that a Retry-After header asks for (RFC 9110, section 10.2.3):
// seconds or a date. It is 0 if the header is empty or cannot be read.
func RetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if n, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.Duration(min(max(n, 0), int64(longestRest/time.Second)+1)) * time.Second // no overflow
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// longestRest bounds the pause that a receiver can ask for: a wrong header must not stop a sink
// for a day.
const longestRest = 5 * time.Minute

// A rest is a time in which nothing is sent, by any of a worker's requests.
type rest struct {
	mu    sync.Mutex
	until time.Time
}

// extend lets the rest last for d from now, and up to a tenth more, so that several sinks do not
// come back at the same moment.
func (r *rest) extend(d time.Duration, now time.Time) {
	d = min(d, longestRest)
	if d <= 0 {
		return
	}
	until := now.Add(d + rand.N(d/10+1))
	r.mu.Lock()
	defer r.mu.Unlock()
	if until.After(r.until) {
		r.until = until
	}
}

// wait returns when the rest is over or ctx is done.
func (r *rest) wait(ctx context.Context, now time.Time) {
	r.mu.Lock()
	left := r.until.Sub(now)
	r.mu.Unlock()
	if left <= 0 {
		return
	}
	select {
	case <-time.After(left):
	case <-ctx.Done():
	}
}
