package budget

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"
)

func TestWhatIsReadIsAllocatedAsItArrives(t *testing.T) {
	for _, size := range []int{0, 1, first - 1, first, first + 1, 1 << 20} {
		text := bytes.Repeat([]byte("x"), size)
		for name, in := range map[string]io.Reader{"at once": bytes.NewReader(text), "in halves": iotest.HalfReader(bytes.NewReader(text)), "with its end": iotest.DataErrReader(bytes.NewReader(text))} {
			s := New(8<<20, 0).Share(t.Context())
			got, err := s.ReadAll(in, int64(size))
			if err != nil || !bytes.Equal(got, text) {
				t.Fatalf("%d bytes, %s: %d, %v", size, name, len(got), err)
			}
			if cap(got) > max(first, 2*size+1) || s.Held() < int64(size) {
				t.Errorf("%d bytes, %s: %d are allocated, %d counted", size, name, cap(got), s.Held())
			}
		}
		var tooLarge *TooLargeError
		if _, err := New(8<<20, 0).Share(t.Context()).ReadAll(bytes.NewReader(append(text, 'x')), int64(size)); !errors.As(err, &tooLarge) || tooLarge.Limit != int64(size) {
			t.Errorf("one byte more than %d: %v", size, err)
		}
	}
}

func TestSharesNeverExceedTheBudget(t *testing.T) {
	const size = 1000
	b := New(size, time.Second)
	var held, most atomic.Int64
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			s := b.Share(t.Context())
			defer s.Release()
			for n := range int64(20) {
				before := s.Held()
				if err := s.Grow(n * int64(i%7)); err != nil && !errors.Is(err, ErrFull) {
					t.Error(err)
				}
				now := held.Add(s.Held() - before)
				for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
				}
				held.Add(-s.Held())
				s.Release()
			}
		})
	}
	all.Wait()
	if most.Load() > size {
		t.Errorf("%d bytes were held of %d", most.Load(), size)
	}
	whole := b.Share(t.Context())
	if err := whole.Grow(alone * size); err != nil || whole.Held() != size {
		t.Errorf("one that needs more than the whole, once all is free: %d, %v", whole.Held(), err)
	}
	if err := b.Share(t.Context()).Grow(alone*size + 1); !errors.As(err, new(*TooLargeError)) {
		t.Errorf("one that needs far more: %v", err)
	}
	began := time.Now()
	if err := New(1, time.Hour).Share(t.Context()).Grow(0); err != nil || time.Since(began) > time.Minute {
		t.Error(err)
	}
}

// TestWhoeverHasTheWholeBudgetWaitsForNobody: a request that has the whole budget does not wait for those that
// wait for its end.
func TestWhoeverHasTheWholeBudgetWaitsForNobody(t *testing.T) {
	b := New(100, 20*time.Millisecond)
	all := b.Share(t.Context())
	if err := all.Grow(100); err != nil {
		t.Fatal(err)
	}
	waits := make(chan error)
	go func() {
		long, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		waits <- b.free.Acquire(long, 1)
	}()
	for b.free.TryAcquire(0) { // until it waits
		time.Sleep(time.Millisecond)
	}
	if err := all.Grow(300); err != nil {
		t.Errorf("who has all is told: %v", err)
	}
	all.Release()
	if err := <-waits; err != nil {
		t.Errorf("who waited gets nothing: %v", err)
	}
}

// TestBeyondIsCalledOnce: as soon as more than the limit is reserved; the caller that reserves it
// gets the error.
func TestBeyondIsCalledOnce(t *testing.T) {
	calls := 0
	full := errors.New("not now")
	call := func() error { calls++; return full }
	share := New(1000, time.Second).Share(t.Context())
	if err := share.Beyond(100, call); err != nil || calls != 0 {
		t.Errorf("%v, %d calls", err, calls)
	}
	for i, step := range []struct {
		n     int64
		want  error
		calls int
	}{{50, nil, 0}, {50, nil, 0}, {1, full, 1}, {100, nil, 1}} {
		if err := share.Grow(step.n); !errors.Is(err, step.want) || calls != step.calls {
			t.Errorf("step %d: %v, %d calls", i, err, calls)
		}
	}
	if err := share.Beyond(100, call); !errors.Is(err, full) || calls != 2 {
		t.Errorf("held already: %v, %d calls", err, calls)
	}
	if err := (*Share)(nil).Beyond(0, call); err != nil || calls != 2 {
		t.Errorf("of no budget: %v, %d calls", err, calls)
	}
}
