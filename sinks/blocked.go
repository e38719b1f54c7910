package sinks

import (
	"log/slog"
	"sync"
	"time"
)

// A fault is a reason that keeps documents out of an index until somebody acts.
type fault struct{ cause, index string }

// waits tracks the documents that wait for somebody to act. Each fault is logged once when it
// begins and once when it ends: a document may be put again every 30 seconds for days.
type waits struct {
	mu      sync.Mutex
	waiting map[fault]map[*batch]int       // documents of each batch
	taken   map[string]time.Time           // when an index last accepted a document
	began   func(f fault, reason string)   // logged once
	over    func(f fault, d time.Duration) // likewise
	since   map[fault]time.Time
}

func newWaits(log *slog.Logger, engine string) *waits {
	return &waits{
		waiting: make(map[fault]map[*batch]int), taken: make(map[string]time.Time), since: make(map[fault]time.Time),
		began: func(f fault, reason string) {
			log.Error("the engine does not accept documents and does not say what is wrong with them; they wait and are put again", "engine", engine, "index", f.index, "cause", f.cause, "reason", reason)
		},
		over: func(f fault, d time.Duration) {
			log.Info("the engine accepts documents again", "engine", engine, "index", f.index, "cause", f.cause, "waited", d)
		},
	}
}

// note records which items of a batch wait for somebody to act.
func (w *waits) note(b *batch, items []item, now time.Time) {
	counts, reasons := make(map[fault]int), make(map[fault]string)
	for _, it := range items {
		if it.fault != (fault{}) {
			counts[it.fault]++
			reasons[it.fault] = it.reason
		}
	}
	w.set(b, counts, reasons, now)
}

// set records which documents of a batch wait, and why.
func (w *waits) set(b *batch, counts map[fault]int, reasons map[fault]string, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for f, n := range counts {
		if w.waiting[f] == nil {
			w.waiting[f] = make(map[*batch]int)
			w.since[f] = now
			w.began(f, reasons[f])
		}
		w.waiting[f][b] = n
	}
	for f, of := range w.waiting {
		if counts[f] > 0 {
			continue
		}
		if delete(of, b); len(of) == 0 {
			w.over(f, now.Sub(w.since[f]))
			delete(w.waiting, f)
			delete(w.since, f)
		}
	}
}

// documents returns how many documents wait for each cause.
func (w *waits) documents() map[string]int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make(map[string]int64)
	for f, of := range w.waiting {
		for _, n := range of {
			out[f.cause] += int64(n)
		}
	}
	return out
}

// took records the time at which an index accepted a document.
func (w *waits) took(index string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken[index] = at
}

// tookSince reports whether an index accepted a document at time t or later.
func (w *waits) tookSince(index string, t time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, ok := w.taken[index]
	return ok && !at.Before(t)
}
