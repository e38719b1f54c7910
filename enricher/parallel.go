package enricher

import (
	"errors"
	"runtime"
	"sync"

	"github.com/changetrail/changetrail/stream"
)

// chunk is the number of calls that a core does at a time.
const chunk = 32

// parallel calls f for 0 to n-1 on all cores, in chunks, and returns the first error. A panic of
// f becomes an error: nobody could recover it on its goroutine.
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
	claim := func() (int, int) {
		mu.Lock()
		defer mu.Unlock()
		from := next
		next = min(next+chunk, n)
		return from, next
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for from, to := claim(); from < to; from, to = claim() {
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

// ahead calls f for 0 to n-1 on all cores. It calls then for each of them, in order and on this
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

// behind calls first for 0 to n-1, in order and on this goroutine. It calls f for each of them on
// any core as soon as first has returned. It returns the first error.
func behind(n int, first, f func(int) error) error {
	const few = 8
	ready := make(chan [2]int, n/few+1) // from, to
	var mu sync.Mutex
	var failed error
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		failed = errors.Join(failed, err)
	}
	work := func() {
		for r := range ready {
			for i := r[0]; i < r[1]; i++ {
				if err := guarded(f, i); err != nil {
					fail(err)
				}
			}
		}
	}
	var helpers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), cap(ready)) - 1 {
		helpers.Go(work)
	}
	for from := 0; from < n; from += few {
		to := min(from+few, n)
		if err := inOrder(from, to, first); err != nil {
			fail(err)
			break
		}
		ready <- [2]int{from, to}
	}
	close(ready)
	work()
	helpers.Wait()
	return failed
}

// inOrder calls f for from to to-1 until one fails.
func inOrder(from, to int, f func(int) error) error {
	for i := from; i < to; i++ {
		if err := guarded(f, i); err != nil {
			return err
		}
	}
	return nil
}

// A work is a number of calls of f, in chunks.
type work struct {
	n int
	f func(int) error

	mu      sync.Mutex
	changed sync.Cond // of done and failed
	next    int       // the next chunk
	done    []bool    // by chunk
	failed  error
}

// some does the next chunk. It reports whether there was one.
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

// stop ends the work: no further chunk begins.
func (w *work) stop(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = len(w.done)
	w.failed = errors.Join(w.failed, err)
	w.changed.Broadcast()
}

// wait waits until a chunk is done, and does other chunks meanwhile.
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
