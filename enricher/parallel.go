package enricher

import (
	"errors"
	"runtime"
	"sync"

	"github.com/changetrail/changetrail/stream"
)

// chunk is how many calls a core takes at once.
const chunk = 32

// parallel calls f for 0 to n-1 on all cores, in chunks, and returns the first
// error. A panic of f is one: on a goroutine of its own nobody could recover it.
func parallel(n int, f func(int) error) error {
	workers := min(runtime.GOMAXPROCS(0), (n+chunk-1)/chunk)
	if workers <= 1 {
		for i := range n {
			if err := guarded(f, i); err != nil {
				return err
			}
		}
		return nil
	}
	var mu sync.Mutex
	var first error
	next := 0
	take := func() (int, int) {
		mu.Lock()
		defer mu.Unlock()
		from := next
		next = min(next+chunk, n)
		return from, next
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for from, to := take(); from < to; from, to = take() {
				for i := from; i < to; i++ {
					if err := guarded(f, i); err != nil {
						mu.Lock()
						first = errors.Join(first, err)
						mu.Unlock()
						return
					}
				}
			}
		})
	}
	wg.Wait()
	return first
}

func guarded(f func(int) error, i int) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = stream.Panicked(p)
		}
	}()
	return f(i)
}

// ahead calls f for 0 to n-1 on all cores, and then for each of them, in order and on this
// goroutine, as soon as f has returned. It returns the first error.
func ahead(n int, f, then func(int) error) error {
	w := &work{n: n, f: f, done: make([]bool, (n+chunk-1)/chunk)}
	w.changed.L = &w.mu
	var helpers sync.WaitGroup
	defer helpers.Wait()
	defer w.stop(nil)
	for range min(runtime.GOMAXPROCS(0), len(w.done)) - 1 {
		helpers.Go(func() {
			for w.some() {
			}
		})
	}
	for c := range w.done {
		if err := w.wait(c); err != nil {
			return err
		}
		for i := c * chunk; i < min((c+1)*chunk, n); i++ {
			if err := then(i); err != nil {
				return err
			}
		}
	}
	return nil
}

// A work is n calls of f, in chunks.
type work struct {
	n int
	f func(int) error

	mu      sync.Mutex
	changed sync.Cond // of done and failed
	next    int       // chunk to be taken
	done    []bool    // by chunk
	failed  error
}

// some does a chunk that nobody has taken yet. It reports whether there was one.
func (w *work) some() bool {
	w.mu.Lock()
	c := w.next
	if c == len(w.done) {
		w.mu.Unlock()
		return false
	}
	w.next++
	w.mu.Unlock()
	for i := c * chunk; i < min((c+1)*chunk, w.n); i++ {
		if err := guarded(w.f, i); err != nil {
			w.stop(err)
			return false
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done[c] = true
	w.changed.Broadcast()
	return true
}

// stop lets no chunk be taken any more.
func (w *work) stop(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = len(w.done)
	w.failed = errors.Join(w.failed, err)
	w.changed.Broadcast()
}

// wait returns when a chunk is done, and helps until then.
func (w *work) wait(c int) error {
	for {
		w.mu.Lock()
		done, err := w.done[c], w.failed
		w.mu.Unlock()
		if done || err != nil {
			return err
		}
		if w.some() {
			continue
		}
		w.mu.Lock()
		for !w.done[c] && w.failed == nil {
			w.changed.Wait()
		}
		w.mu.Unlock()
	}
}
