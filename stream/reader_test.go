package stream

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func reader(t *testing.T, w *world, group, instance string) *Reader {
	t.Helper()
	r, err := NewReader(ReaderConfig{Config: w.conf, Group: group, Instance: instance, Topics: []string{testIn}, Drain: func(context.Context, []Place) {}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// poll reads n messages.
func poll(t *testing.T, r *Reader, n int) (out []*Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for len(out) < n {
		b, err := r.Gather(ctx, n-len(out), 10*time.Millisecond)
		r.AllowRebalance()
		if err != nil || ctx.Err() != nil {
			t.Fatalf("%d of %d messages: %v", len(out), n, err)
		}
		for _, rec := range b.Records {
			if !IsMarker(rec) {
				out = append(out, rec)
			}
		}
	}
	return out
}

// TestWhatIsNotCommittedIsReadAgain, and nothing else.
func TestWhatIsNotCommittedIsReadAgain(t *testing.T) {
	w := newWorld(t, 1)
	w.send(0, fine, fine, fine, fine)
	r := reader(t, w, "g", "")
	got := poll(t, r, 3)
	same(t, "first", ids(got), []string{"0/0", "0/1", "0/2"})
	if err := r.Commit(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if err := r.Commit(t.Context(), got[1:2]); err != nil {
		t.Fatal(err)
	}
	r.Close()
	r = reader(t, w, "g", "")
	defer r.Close()
	same(t, "then", ids(poll(t, r, 2)), []string{"0/2", "0/3"})
}

// TestPollSaysHowMuchIsLeft, and an error of the broker is returned.
func TestPollSaysHowMuchIsLeft(t *testing.T) {
	w := newWorld(t, 1)
	w.send(0, fine, fine, fine, fine, fine)
	r := reader(t, w, "g", "one")
	defer r.Close()
	b, err := r.Poll(t.Context(), 2)
	r.AllowRebalance()
	if err != nil || len(b.Records) != 2 || b.Lag[testIn][0] != 3 {
		t.Errorf("%d messages, %v, %v", len(b.Records), b.Lag, err)
	}
	poll(t, r, 3)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if b, err := r.Gather(ctx, 2, time.Second); err != nil || len(b.Records) != 0 {
		t.Errorf("nothing is left: %d messages, %v", len(b.Records), err)
	}
	r.AllowRebalance()
	w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed, Count: -1, When: func(r kmsg.Request) bool { return len(r.(*kmsg.FetchRequest).Topics) > 0 }})
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	w.send(0, fine)
	if _, err := r.Poll(ctx, 2); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("a topic that may not be read: %v", err)
	}
}

// TestAReaderDrainsBeforeItGivesPartitionsUp: what it commits then is committed.
func TestAReaderDrainsBeforeItGivesPartitionsUp(t *testing.T) {
	w := newWorld(t, 1)
	w.send(0, fine, fine)
	var r *Reader
	var got []*Record
	var drained atomic.Int32
	r, err := NewReader(ReaderConfig{Config: w.conf, Group: "g", Topics: []string{testIn}, Drain: func(ctx context.Context, _ []Place) {
		if drained.Add(1) == 1 {
			if err := r.Commit(ctx, got[1:]); err != nil {
				t.Error(err)
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	got = poll(t, r, 2)
	r.Close()
	if drained.Load() == 0 {
		t.Error("Drain is not called")
	}
	w.send(0, fine)
	next := reader(t, w, "g", "")
	defer next.Close()
	same(t, "the next reader", ids(poll(t, next, 1)), []string{"0/2"})
}

// TestANoteOutlivesItsReader: the next reader of a partition gets what was committed for it, and
// reads on from there, although it has read further before.
func TestANoteOutlivesItsReader(t *testing.T) {
	w := newWorld(t, 2)
	w.send(0, fine, fine, fine)
	w.send(1, fine)
	gained := func() (*Reader, <-chan map[Place]Mark) {
		got := make(chan map[Place]Mark, 10)
		r, err := NewReader(ReaderConfig{Config: w.conf, Group: "g", Topics: []string{testIn}, Drain: func(context.Context, []Place) {}, Gained: func(m map[Place]Mark) { got <- m }})
		if err != nil {
			t.Fatal(err)
		}
		return r, got
	}
	r, first := gained()
	poll(t, r, 4)
	none := map[Place]Mark{{testIn, 0}: {Offset: -1}, {testIn, 1}: {Offset: -1}}
	if diff := cmp.Diff(none, <-first); diff != "" {
		t.Errorf("before anything is committed: %s", diff)
	}
	want := map[Place]Mark{{testIn, 0}: {1, "up to 3"}, {testIn, 1}: {Offset: 1}}
	if err := errors.Join(r.Mark(t.Context(), nil), r.Mark(t.Context(), map[Place]Mark{{testIn, 0}: {0, "up to 1"}}), r.Mark(t.Context(), want)); err != nil {
		t.Fatal(err)
	}
	r.Close()
	r, then := gained()
	defer r.Close()
	if diff := cmp.Diff(want, <-then); diff != "" {
		t.Errorf("afterwards: %s", diff)
	}
	same(t, "what is read", ids(poll(t, r, 2)), []string{"0/1", "0/2"})
	w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.IllegalGeneration, Count: 1})
	if err := r.Mark(t.Context(), want); !errors.Is(err, kerr.IllegalGeneration) {
		t.Errorf("who has lost the partition: %v", err)
	}
}

// TestFollow passes on what is committed from an offset on, and what comes later.
func TestFollow(t *testing.T) {
	w := newWorld(t, 1)
	w.send(0, fine, fine)
	abort(t, w, "aborted")
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	var got []string
	err := w.conf.Partition(testIn, 0).Follow(ctx, 1, func(r *Record) error {
		if got = append(got, string(r.Key)); len(got) == 1 {
			w.send(0, fine)
		} else {
			cancel(enough)
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Errorf("the context is done: %v", err)
	}
	same(t, "followed", got, []string{"0/1", "0/2"})
	failed := errors.New("the disk is full")
	if err := w.conf.Partition(testIn, 0).Follow(t.Context(), 0, func(*Record) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("what is passed on fails: %v", err)
	}
	w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: testIn, Err: kerr.TopicAuthorizationFailed, Count: -1})
	if err := w.conf.Partition(testIn, 0).Follow(t.Context(), 0, func(*Record) error { return nil }); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("a topic that may not be read: %v", err)
	}
}

// abort writes a message to testIn in a transaction that is aborted.
func abort(t *testing.T, w *world, id string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.conf.Brokers...), kgo.TransactionalID("aborts"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{testIn, testState} {
		if err := cl.ProduceSync(t.Context(), &Record{Topic: topic, Key: []byte(id), Value: []byte(fine)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if err := cl.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
}
