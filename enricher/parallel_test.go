package enricher

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/changetrail/changetrail/stream"
)

func TestAheadKeepsTheOrder(t *testing.T) {
	for _, n := range []int{0, 1, chunk, 10*chunk + 7} {
		read, taken := make([]int, n), []int(nil)
		err := ahead(n, func(i int) error { read[i] = i + 1; return nil }, func(i int) error { taken = append(taken, read[i]); return nil })
		if err != nil || len(taken) != n || !slices.IsSorted(taken) {
			t.Errorf("%d: %v %v", n, err, taken)
		}
	}
}

func TestAheadStopsAtAnError(t *testing.T) {
	const n, at = 20 * chunk, 5*chunk + 3
	broken := errors.New("broken")
	var running atomic.Int32
	reads := func(i int) error {
		running.Add(1)
		defer running.Add(-1)
		if i == at {
			return broken
		}
		return nil
	}
	taken := 0
	take := func(int) error { taken++; return nil }
	if err := ahead(n, reads, take); !errors.Is(err, broken) || taken > at {
		t.Errorf("%v after %d", err, taken)
	}
	if err := ahead(n, func(int) error { running.Add(1); defer running.Add(-1); return nil }, reads); !errors.Is(err, broken) {
		t.Error(err)
	}
	if n := running.Load(); n != 0 {
		t.Errorf("%d calls go on", n)
	}
	var bad *stream.BadRecord
	if err := ahead(n, func(i int) error { panic("bug") }, take); !errors.As(err, &bad) {
		t.Error(err)
	}
}

func TestBehindComesAfterEach(t *testing.T) {
	for _, n := range []int{0, 1, 7, 100} {
		found, folded := make([]bool, n), make([]bool, n)
		err := behind(n, func(i int) error { found[i] = true; return nil }, func(i int) error { folded[i] = found[i]; return nil })
		if err != nil || slices.Contains(folded, false) {
			t.Errorf("%d: %v %v", n, err, folded)
		}
	}
	broken := errors.New("broken")
	fails := func(i int) error {
		if i == 50 {
			return broken
		}
		return nil
	}
	passes := func(int) error { return nil }
	if err := behind(100, fails, passes); !errors.Is(err, broken) {
		t.Error(err)
	}
	if err := behind(100, passes, fails); !errors.Is(err, broken) {
		t.Error(err)
	}
}
