package stream

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func transactions(t *testing.T, w *world) *TransactionWriter {
	t.Helper()
	tw, err := NewTransactionWriter(t.Context(), w.conf, "writer")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tw.Close)
	return tw
}

// three are messages for two partitions.
func three(id string) (out []*Record) {
	for i := range int32(3) {
		out = append(out, &Record{Topic: testIn, Partition: i % 2, Key: fmt.Appendf(nil, "%s%d", id, i), Value: []byte(fine)})
	}
	return out
}

// TestATransactionIsWrittenWholeOrNotAtAll, whatever becomes of its end and of its answer.
func TestATransactionIsWrittenWholeOrNotAtAll(t *testing.T) {
	for _, kind := range []fault{none, lost, done, denied, unsure} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2)
			w.cut.set(kind)
			err := transactions(t, w).Append(t.Context(), three("a"))
			if errors.Is(err, ErrTakenOver) {
				t.Errorf("nobody takes over: %v", err)
			}
			if err := transactions(t, w).Append(t.Context(), three("b")); err != nil {
				t.Fatalf("the next writer: %v", err)
			}
			got := strings.Join(append(ids(w.read(testIn, 0)), ids(w.read(testIn, 1))...), " ")
			if want := "a0 a2 b0 b2 a1 b1"; got != want && (err == nil || got != "b0 b2 b1") {
				t.Errorf("Append returns %v, and written is %s", err, got)
			}
		})
	}
}

// TestATransactionWhoseMessageIsRefused writes none of its messages, and the writer goes on.
func TestATransactionWhoseMessageIsRefused(t *testing.T) {
	w := newWorld(t, 2)
	tw := transactions(t, w)
	w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: testIn, Partitions: []int32{1}, Err: kerr.MessageTooLarge})
	if err := tw.Append(t.Context(), three("a")); !errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, ErrTakenOver) {
		t.Errorf("%v", err)
	}
	if err := tw.Append(t.Context(), three("b")); err != nil {
		t.Fatal(err)
	}
	same(t, "in/0", ids(w.read(testIn, 0)), []string{"b0", "b2"})
	same(t, "in/1", ids(w.read(testIn, 1)), []string{"b1"})
}

// TestAWriterThatIsTakenOver writes nothing more.
func TestAWriterThatIsTakenOver(t *testing.T) {
	w := newWorld(t, 2)
	first := transactions(t, w)
	if err := first.Append(t.Context(), three("a")); err != nil {
		t.Fatal(err)
	}
	second := transactions(t, w)
	if err := first.Append(t.Context(), three("b")); !errors.Is(err, ErrTakenOver) {
		t.Errorf("the first one: %v", err)
	}
	if err := second.Append(t.Context(), three("c")); err != nil {
		t.Fatal(err)
	}
	same(t, "in/0", ids(w.read(testIn, 0)), []string{"a0", "a2", "c0", "c2"})
}

// TestWhatIsAbortedAtTheEnd keeps neither a scan nor a restore from ending, and is not in it.
func TestWhatIsAbortedAtTheEnd(t *testing.T) {
	w := newWorld(t, 1)
	w.send(0, fine, fine, fine)
	abort(t, w, "aborted")
	began := time.Now()
	same(t, "in/0", ids(w.read(testIn, 0)), []string{"0/0", "0/1", "0/2"})
	var got []string
	if start, err := w.conf.Partition(testIn, 0).ScanFrom(t.Context(), 1, 2, func(recs []*Record) error {
		got = append(got, ids(recs)...)
		return nil
	}); err != nil || start != 0 {
		t.Errorf("a part: from %d, %v", start, err)
	}
	same(t, "a part", got, []string{"0/1"})
	f := newFake(t)
	stop := w.start(f, nil)
	w.wait()
	stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, there := f.store["aborted"]; there || len(f.store) != 3 {
		t.Errorf("the store has %v", f.store)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestAScanThatFails says why.
func TestAScanThatFails(t *testing.T) {
	w := newWorld(t, 1)
	w.send(0, fine)
	full := errors.New("the disk is full")
	if _, err := w.conf.Partition(testIn, 0).Scan(t.Context(), -1, func([]*Record) error { return full }); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
	nothing := func([]*Record) error { return nil }
	if _, err := w.conf.Partition(testIn, 7).Scan(t.Context(), -1, nothing); err == nil || !strings.Contains(err.Error(), "no partition 7") {
		t.Errorf("a partition that there is not: %v", err)
	}
	w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: testIn, Err: kerr.TopicAuthorizationFailed, Count: -1})
	if _, err := w.conf.Partition(testIn, 0).Scan(t.Context(), -1, nothing); err == nil || !strings.Contains(err.Error(), "kafka.sasl.user") {
		t.Errorf("a topic that may not be read: %v", err)
	}
}

// TestAppendThatFails is an error that names the topic.
func TestAppendThatFails(t *testing.T) {
	w := newWorld(t, 1)
	writer, err := NewWriter(w.conf)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: testIn, Err: kerr.MessageTooLarge})
	if err := writer.Append(t.Context(), three("a")[:1]...); !errors.Is(err, kerr.MessageTooLarge) || !strings.Contains(err.Error(), testIn) {
		t.Errorf("%v", err)
	}
	if err := writer.Append(t.Context(), three("b")[:1]...); err != nil {
		t.Error(err)
	}
	same(t, "in/0", ids(w.read(testIn, 0)), []string{"b0"})
}
