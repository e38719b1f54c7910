package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A follower collects what a tail applies: the ids of messages, a list for each call.
type follower struct {
	mu    sync.Mutex
	at    map[int32]int64
	calls []string
}

func (f *follower) tail(w *world) *Tail {
	if f.at == nil {
		f.at = make(map[int32]int64)
	}
	return &Tail{
		Config: w.conf, Topic: testState,
		Position: func(p int32, _ string) (int64, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.at[p], nil
		},
		Apply: func(p int32, recs []*Record, next int64) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.at[p] = next
			if len(recs) > 0 {
				f.calls = append(f.calls, fmt.Sprintf("%d: %s", p, strings.Join(ids(recs), " ")))
			}
			return nil
		},
	}
}

func follow(t *testing.T, tail *Tail) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tail.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestATailAppliesWholeTransactions writes transactions that commit or abort, some of them before the
// tail starts and some while it is stopped. It applies each committed one in one call for each
// partition, in order, and nothing of the others.
func TestATailAppliesWholeTransactions(t *testing.T) {
	w := newWorld(t, 2)
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.conf.Brokers...), kgo.TransactionalID("writer"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	rnd := rand.New(rand.NewPCG(1, 2))
	want := make(map[int32][]string)
	n := 0
	write := func(commit bool) {
		t.Helper()
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		wrote := make(map[int32][]string)
		for range 1 + rnd.IntN(6) {
			n++
			r := &Record{Topic: testState, Partition: rnd.Int32N(2), Key: fmt.Appendf(nil, "m%d", n), Value: []byte(fine)}
			if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil { // a request each, so that a part of a transaction can be read
				t.Fatal(err)
			}
			wrote[r.Partition] = append(wrote[r.Partition], string(r.Key))
		}
		if err := cl.EndTransaction(t.Context(), kgo.TransactionEndTry(commit)); err != nil {
			t.Fatal(err)
		}
		for p, keys := range wrote {
			if commit {
				want[p] = append(want[p], fmt.Sprintf("%d: %s", p, strings.Join(keys, " ")))
			}
		}
	}
	admin, err := NewAdmin(w.conf)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	f := new(follower)
	tail := f.tail(w)
	caughtUp := func() {
		t.Helper()
		ends, err := admin.Ends(t.Context(), testState)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for p, end := range ends[testState] {
			if err := tail.Wait(ctx, p, end); err != nil {
				t.Fatal(err)
			}
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		got := make(map[int32][]string)
		for _, c := range f.calls {
			p := int32(c[0] - '0')
			got[p] = append(got[p], c)
		}
		// What was there before the tail began may come in one call: it is committed as a whole.
		for p := range int32(2) {
			g, x := flat(got[p]), flat(want[p])
			if g != x {
				t.Fatalf("partition %d: applied\n%s\nwant\n%s", p, g, x)
			}
		}
	}
	for range 5 {
		write(rnd.IntN(3) > 0)
	}
	stop := follow(t, tail)
	caughtUp()
	for range 30 {
		write(rnd.IntN(3) > 0)
		caughtUp()
		f.mu.Lock()
		last := f.calls[len(f.calls)-1]
		f.mu.Unlock()
		if p := int32(last[0] - '0'); last != want[p][len(want[p])-1] {
			t.Fatalf("applied %q, which is not the whole transaction %q", last, want[p][len(want[p])-1])
		}
	}
	stop()
	if err := tail.Wait(t.Context(), 0, 1<<40); !errors.Is(err, context.Canceled) {
		t.Errorf("a stopped tail waits: %v", err)
	}
	write(true)
	tail = f.tail(w) // it goes on where the other one ended
	stop = follow(t, tail)
	caughtUp()
	stop()
}

// flat joins calls without their boundaries.
func flat(calls []string) string {
	var out []string
	for _, c := range calls {
		out = append(out, c[3:])
	}
	return strings.Join(out, " ")
}

// TestATailShowsNothingOfAnOpenTransaction waits for its end, and says so when it has no time.
func TestATailShowsNothingOfAnOpenTransaction(t *testing.T) {
	w := newWorld(t, 1)
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.conf.Brokers...), kgo.TransactionalID("writer"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	f := new(follower)
	tail := f.tail(w)
	defer follow(t, tail)()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := cl.ProduceSync(t.Context(), &Record{Topic: testState, Key: []byte("a"), Value: []byte(fine)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := tail.Wait(short, 0, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("an open transaction is waited for: %v", err)
	}
	f.mu.Lock()
	if len(f.calls) > 0 {
		t.Errorf("applied %v", f.calls)
	}
	f.mu.Unlock()
	if err := cl.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	long, cancel2 := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel2()
	if err := tail.Wait(long, 0, 1); err != nil {
		t.Fatal(err)
	}
}
