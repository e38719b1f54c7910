package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/changetrail/changetrail/internal/capture"
)

const (
	testIn, testOut, testState, testDLQ = "in", "out", "state", "dlq"
	testLimit                           = 4000 // bytes that the broker accepts for a message of testOut
)

// What a test message asks of the fake processor.
const (
	fine        = "fine"
	tooLarge    = "too large for the broker"
	wayTooLarge = "too large for the client"
	panics      = "panics"
	bad         = "bad"
)

var poisons = []string{tooLarge, wayTooLarge, panics, bad}

// A fake is a Processor whose state is the ids of the messages that it applied. It does what each
// message asks for.
type fake struct {
	t         *testing.T
	mu        sync.Mutex
	store     map[string]int32 // ids, and their partition
	positions map[int32]int64
	pending   []string
	commits   []commit
	most      int    // records that it has memory for; no limit if 0
	idle      func() // before Apply of an empty batch
	apply     func() // before Apply of another
	refuse    func() // before Refuse
}

type commit struct {
	ids  []string
	next map[int32]int64
}

func newFake(t *testing.T) *fake {
	return &fake{t: t, store: make(map[string]int32), positions: make(map[int32]int64)}
}

func (f *fake) Position(p int32, _ string) (int64, error) { return f.positions[p], nil }

func (f *fake) Restore(p int32, recs []*Record, next int64) error {
	for _, r := range recs {
		f.store[string(r.Key)] = p
	}
	f.positions[p] = next
	return nil
}

func (f *fake) Apply(_ context.Context, batch []*Record) ([]*Record, error) {
	if len(batch) == 0 && f.idle != nil {
		f.idle()
	}
	if len(batch) > 0 && f.apply != nil {
		f.apply()
	}
	if f.most > 0 && len(batch) > f.most {
		return nil, ErrTooMuch
	}
	var out []*Record
	for _, r := range batch {
		id, kind := string(r.Key), string(r.Value)
		if _, twice := f.store[id]; twice {
			f.t.Errorf("%s is applied, and was committed before", id)
		}
		f.pending = append(f.pending, id)
		value := []byte(kind)
		switch kind {
		case panics:
			panic("no idea what to do with " + id)
		case bad:
			return nil, fmt.Errorf("apply: %w", &BadRecord{Reason: "cannot be folded"})
		case tooLarge:
			value = noise(2 * testLimit)
		case wayTooLarge:
			value = make([]byte, maxOutput)
		}
		out = append(out,
			&Record{Topic: testOut, Partition: r.Partition, Key: r.Key, Value: value},
			&Record{Topic: testState, Partition: r.Partition, Key: r.Key, Value: []byte("applied")})
	}
	return out, nil
}

func (f *fake) Refuse(_ context.Context, r *Record, reason string) ([]*Record, error) {
	if f.refuse != nil {
		f.refuse()
	}
	return []*Record{DeadLetter(testDLQ, r, Refusal{Stage: "test", Reason: "cannot-be-processed", Detail: reason, At: time.Now()})}, nil
}

func (f *fake) Committed(next map[int32]int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range f.pending {
		f.store[id] = 0
	}
	for p, n := range next {
		f.positions[p] = n
	}
	f.commits = append(f.commits, commit{f.pending, next})
	f.pending = nil
	return nil
}

func (f *fake) Aborted() { f.pending = nil }

func (f *fake) Release([]int32) {}

// noise does not compress.
func noise(n int) []byte {
	out := make([]byte, n)
	x := uint64(n)
	for i := range out {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		out[i] = byte(x)
	}
	return out
}

// A world is a broker with the topics of the tests, and the transforms that run on it.
type world struct {
	t          *testing.T
	cluster    *kfake.Cluster
	conf       Config
	cut        *cutter
	partitions int32
	log        *lines
	sent       map[int32][]*Record
}

func newWorld(t *testing.T, partitions int32) *world {
	t.Helper()
	w := &world{t: t, cut: &cutter{}, partitions: partitions, log: &lines{}, sent: make(map[int32][]*Record)}
	var err error
	if w.cluster, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.ListenFn(w.cut.listen)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.cluster.Close)
	w.cut.deny = func() { w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.UnknownServerError}) }
	w.conf = Config{Brokers: w.cluster.ListenAddrs()}
	a, err := NewAdmin(w.conf)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	limit := func(n string) map[string]string { return map[string]string{"max.message.bytes": n} }
	specs := []TopicSpec{
		{testIn, partitions, nil},
		{testOut, partitions, limit(fmt.Sprint(testLimit))},
		{testState, partitions, limit(fmt.Sprint(maxOutput))},
		{testDLQ, partitions, limit(fmt.Sprint(maxOutput))},
	}
	if _, err := a.Ensure(t.Context(), specs, 1, false); err != nil {
		t.Fatal(err)
	}
	return w
}

// send writes messages of these kinds to a partition.
func (w *world) send(p int32, kinds ...string) {
	w.t.Helper()
	writer, err := NewWriter(w.conf)
	if err != nil {
		w.t.Fatal(err)
	}
	defer writer.Close()
	var recs []*Record
	for _, kind := range kinds {
		id := fmt.Sprintf("%d/%d", p, len(w.sent[p]))
		r := &Record{Topic: testIn, Partition: p, Key: []byte(id), Value: []byte(kind)}
		recs, w.sent[p] = append(recs, r), append(w.sent[p], r)
	}
	if len(recs) > 0 {
		if err := writer.Append(w.t.Context(), recs...); err != nil {
			w.t.Fatal(err)
		}
	}
}

// start runs a Transform with f until the function that it returns is called.
func (w *world) start(f *fake, change func(*Transform)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	tr := &Transform{Config: w.conf, Group: "g", Instance: "i", In: testIn, State: testState, Processor: f, Log: slog.New(slog.NewTextHandler(w.log, nil))}
	if change != nil {
		change(tr)
	}
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("the transform ended: %v", err)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

// wait waits until the group has read all messages that were sent.
func (w *world) wait() {
	w.t.Helper()
	a, err := NewAdmin(w.conf)
	if err != nil {
		w.t.Fatal(err)
	}
	defer a.Close()
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(10 * time.Millisecond) {
		at, err := a.Committed(w.t.Context(), "g", testIn)
		if err != nil {
			continue
		}
		behind := false
		for p, recs := range w.sent {
			behind = behind || at[p] < int64(len(recs))
		}
		if !behind {
			return
		}
	}
	w.t.Fatalf("after a minute not all is read; the log says:\n%s", w.log)
}

// read returns what is committed in a partition.
func (w *world) read(topic string, p int32) (out []*Record) {
	w.t.Helper()
	if _, err := w.conf.Partition(topic, p).Scan(w.t.Context(), -1, func(recs []*Record) error {
		out = append(out, recs...)
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	return out
}

// check compares the topics with the messages that were sent: each good message is processed once
// and in order, and each poison becomes one dead letter.
func (w *world) check() {
	w.t.Helper()
	for p := range w.partitions {
		var good, poison []string
		for _, r := range w.sent[p] {
			if string(r.Value) == fine {
				good = append(good, string(r.Key))
			} else {
				poison = append(poison, string(r.Key))
			}
		}
		same(w.t, fmt.Sprintf("out/%d", p), ids(w.read(testOut, p)), good)
		same(w.t, fmt.Sprintf("state/%d", p), ids(w.read(testState, p)), good)
		letters := w.read(testDLQ, p)
		same(w.t, fmt.Sprintf("dlq/%d", p), ids(letters), poison)
		for _, l := range letters {
			w.checkLetter(l)
		}
	}
}

func (w *world) checkLetter(l *Record) {
	w.t.Helper()
	if got := string(Header(l, HeaderReason)); got != "cannot-be-processed" {
		w.t.Errorf("dead letter %s: reason %q", l.Key, got)
	}
	want := map[string]string{tooLarge: "MESSAGE_TOO_LARGE", wayTooLarge: "at most 4193280", panics: "no idea what to do with " + string(l.Key), bad: "cannot be folded"}[string(l.Value)]
	if got := string(Header(l, HeaderDetail)); !strings.Contains(got, want) {
		w.t.Errorf("dead letter %s, which is %s: detail %q", l.Key, l.Value, got)
	}
}

// checkPositions compares the positions that f received after each commit with the changelog.
func (w *world) checkPositions(f *fake) {
	w.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	offsets := make(map[string]int64)
	for p := range w.partitions {
		for _, r := range w.read(testState, p) {
			offsets[string(r.Key)] = r.Offset
		}
	}
	for _, c := range f.commits {
		want := make(map[int32]int64)
		for _, id := range c.ids {
			var p int32
			_, _ = fmt.Sscanf(id, "%d/", &p)
			want[p] = max(want[p], offsets[id]+1)
		}
		if len(want)+len(c.next) > 0 && fmt.Sprint(want) != fmt.Sprint(c.next) {
			w.t.Errorf("after %v: got the positions %v, the changelog says %v", c.ids, c.next, want)
		}
	}
}

func ids(recs []*Record) (out []string) {
	for _, r := range recs {
		out = append(out, string(r.Key))
	}
	return out
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s\n got %v\nwant %v", what, got, want)
	}
}

// lines is a log.
type lines struct{ capture.Output }

func (l *lines) count(level string) int { return strings.Count(l.String(), "level="+level) }

// broken is a fake whose disk is full.
type broken struct{ *fake }

func (*broken) Apply(context.Context, []*Record) ([]*Record, error) {
	return nil, errors.New("the disk is full")
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
