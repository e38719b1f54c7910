package lake

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/gzip"

	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// A memory is a bucket that fails in every way a bucket can: a write that fails may have been done.
// It ends the sink at the writes that ends chooses, as if the process were killed there.
type memory struct {
	mu      sync.Mutex
	rnd     *rand.Rand // nil: nothing fails
	ends    func()
	files   map[string][]byte
	refused int // files that were there already
	listed  int
}

func newMemory() *memory { return &memory{files: make(map[string][]byte), ends: func() {}} }

func (m *memory) Create(ctx context.Context, key string, content io.ReadSeeker, size int64) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	fault := 9
	if m.rnd != nil {
		fault = m.rnd.IntN(10)
	}
	switch fault {
	case 0:
		return false, errors.New("refused the connection")
	case 1:
		m.ends()
		return false, errors.New("killed before it was written")
	}
	text, err := io.ReadAll(content)
	if err != nil || int64(len(text)) != size {
		return false, fmt.Errorf("%d bytes of %d: %w", len(text), size, err)
	}
	_, there := m.files[key]
	if there {
		m.refused++
	} else {
		m.files[key] = text
	}
	switch fault {
	case 2:
		return false, errors.New("the answer is lost")
	case 3:
		m.ends()
		return false, errors.New("killed after it was written")
	}
	return !there, nil
}

func (m *memory) Each(_ context.Context, _ string, f func(string) error) error {
	m.mu.Lock()
	m.listed++
	keys := slices.Collect(maps.Keys(m.files))
	m.mu.Unlock()
	for _, key := range keys {
		if err := f(key); err != nil {
			return err
		}
	}
	return nil
}

func (*memory) Has(context.Context, string) (bool, error) { panic("a sink may only create") }
func (*memory) Write(context.Context, string, io.ReadSeeker, int64) error {
	panic("a sink may only create")
}

func (*memory) Open(context.Context, string) (io.ReadCloser, error) { panic("a sink may only create") }
func (*memory) Close() error                                        { return nil }

// copies returns how often each document is in the files, by its message.
func (m *memory) copies(t *testing.T) map[string]int {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make(map[string]int)
	for key, content := range m.files {
		z, err := gzip.NewReader(bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		last := time.Time{}
		lines := bufio.NewScanner(z)
		for lines.Scan() {
			var d struct {
				Timestamp time.Time `json:"@timestamp"`
				Message   string    `json:"message"`
			}
			if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
				t.Fatal(err)
			}
			if day := "/day=" + d.Timestamp.UTC().Format("2006-01-02") + "/"; !strings.Contains(key, day) {
				t.Errorf("%s has a document of %s", key, d.Timestamp)
			}
			if d.Timestamp.Before(last) {
				t.Errorf("%s is not in the order of time", key)
			}
			last = d.Timestamp
			out[strings.SplitN(key, "/", 2)[0]+" "+d.Message]++
		}
		if lines.Err() != nil {
			t.Fatal(lines.Err())
		}
	}
	return out
}

var topics = stream.Topics{Prefix: "lake"}

// document makes the body of a document.
func document(dataset, message string, at time.Time) []byte {
	return fmt.Appendf(nil, `{"@timestamp":%q,"event":{"dataset":%q},"message":%q}`, at.Format(time.RFC3339Nano), dataset, message)
}

// messages makes n messages of each topic, spread over partitions and three days, and returns what
// the files must have: each document once.
func messages(from, n int, partitions int32) (recs []*stream.Record, want map[string]int) {
	want = make(map[string]int)
	day := time.Date(2026, 11, 12, 23, 0, 0, 0, time.UTC)
	for i := from; i < from+n; i++ {
		at := day.Add(time.Duration(i*7919%72) * time.Hour)
		e := &stream.Record{Topic: topics.Enriched(), Partition: int32(i) % partitions, Value: document(schemas.EventDataset, fmt.Sprint("event ", i), at)}
		stream.AddHeader(e, stream.HeaderIndex, []byte(schemas.EventIndex("default")))
		stream.AddHeader(e, stream.HeaderID, fmt.Append(nil, i))
		r := &stream.Record{Topic: topics.Records(), Partition: int32(i) % partitions, Value: document(schemas.RecordDataset, fmt.Sprint("record ", i), at)}
		stream.AddHeader(r, stream.HeaderIndex, []byte(schemas.RecordIndex("default", at)))
		stream.AddHeader(r, stream.HeaderID, fmt.Append(nil, i))
		stream.AddHeader(r, stream.HeaderVersion, []byte("1"))
		stream.AddHeader(r, stream.HeaderFinding, append([]byte("f\n"), document("changetrail.finding", fmt.Sprint("finding ", i), at)...))
		recs = append(recs, e, r)
		for _, d := range []string{"events event ", "records record ", "findings finding "} {
			want[d+fmt.Sprint(i)] = 1
		}
	}
	return recs, want
}

func config(kafka stream.Config, b *memory) Config {
	return Config{
		Kafka: kafka, Topics: topics, Namespace: "default", Bucket: b, Where: "memory", Format: Lines{},
		FileAge: 50 * time.Millisecond, Grace: time.Nanosecond, Log: slog.New(slog.DiscardHandler),
	}
}

// until runs a sink until done, at most a minute.
func until(t *testing.T, c Config, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, c) }()
	for !done() && ctx.Err() == nil {
		select {
		case err := <-ended:
			t.Fatalf("the sink ended: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	if ctx.Err() != nil {
		t.Error("it takes too long")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// same compares what the files have with what they must have.
func same(t *testing.T, want, got map[string]int) {
	t.Helper()
	missing, twice := 0, 0
	for d := range want {
		switch n := got[d]; {
		case n == 0:
			missing++
		case n > 1:
			twice++
		}
	}
	if missing+twice > 0 || len(got) != len(want) {
		t.Errorf("%d of %d documents are missing, %d are there more than once, %d are there in all", missing, len(want), twice, len(got))
	}
}

// TestEachDocumentOnceWhateverHappens ends a sink at random writes, done or not done, and starts
// another that cuts batches differently, while messages arrive.
func TestEachDocumentOnceWhateverHappens(t *testing.T) {
	const partitions, rounds, each = 3, 40, 60
	kafka, writer := kafkatest.Pipeline(t, partitions, topics)
	b := newMemory()
	b.rnd = rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	want := make(map[string]int)
	ends := 0
	for round := range rounds {
		recs, more := messages(round*each, each, partitions)
		maps.Copy(want, more)
		c := config(kafka, b)
		c.FileBytes, c.FileAge = 500+b.rnd.IntN(8000), time.Duration(1+b.rnd.IntN(100))*time.Millisecond
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		b.mu.Lock()
		b.ends = func() { ends++; cancel() }
		b.mu.Unlock()
		var running sync.WaitGroup
		running.Go(func() {
			if err := Run(ctx, c); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		if err := writer.Append(t.Context(), recs...); err != nil {
			t.Fatal(err)
		}
		running.Wait()
		cancel()
	}
	b.mu.Lock()
	b.rnd = nil
	b.mu.Unlock()
	until(t, config(kafka, b), func() bool { return len(b.copies(t)) == len(want) })
	t.Logf("%d sinks ended while they wrote; %d files, %d of them were there when they were written again", ends, len(b.files), b.refused)
	same(t, want, b.copies(t))
	if ends < 5 || b.refused == 0 {
		t.Errorf("%d sinks ended at a write, and %d files were written again; the test shows nothing", ends, b.refused)
	}
	contiguous(t, b)
}

// contiguous checks that the batches of a partition do not overlap.
func contiguous(t *testing.T, b *memory) {
	t.Helper()
	spans := make(map[stream.Place][]span)
	for key := range b.files {
		s, ok := parseName(key)
		if !ok || path.Base(key) != s.name("jsonl.gz") {
			t.Errorf("%s is no name of a file: %+v", key, s)
		}
		spans[s.Place] = append(spans[s.Place], s)
	}
	for place, of := range spans {
		slices.SortFunc(of, func(a, b span) int { return int(a.first - b.first) })
		for i, s := range of[1:] {
			if before := of[i]; s != before && s.first < before.next {
				t.Errorf("%s: %d-%d overlaps %d-%d", place, s.first, s.next, before.first, before.next)
			}
		}
	}
}

// TestALostOffsetIsFoundInTheNames of the files, the last batch of which may be incomplete.
func TestALostOffsetIsFoundInTheNames(t *testing.T) {
	kafka, writer := kafkatest.Pipeline(t, 2, topics)
	recs, want := messages(0, 50, 2)
	if err := writer.Append(t.Context(), recs...); err != nil {
		t.Fatal(err)
	}
	b := newMemory()
	until(t, config(kafka, b), func() bool { return len(b.copies(t)) == len(want) })
	admin, err := stream.NewAdmin(kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.Clear(t.Context()); err != nil { // all groups
		t.Fatal(err)
	}
	newest := make(map[stream.Place]string)
	for key := range b.files {
		if s, _ := parseName(key); path.Base(key) > path.Base(newest[s.Place]) {
			newest[s.Place] = key
		}
	}
	for _, key := range newest { // as if the sink was killed before it wrote the last file
		delete(b.files, key)
	}
	more, wantMore := messages(50, 50, 2)
	if err := writer.Append(t.Context(), more...); err != nil {
		t.Fatal(err)
	}
	maps.Copy(want, wantMore)
	b.listed = 0
	until(t, config(kafka, b), func() bool { return len(b.copies(t)) == len(want) })
	same(t, want, b.copies(t))
	if b.listed == 0 {
		t.Error("the files were not listed")
	}
}

// TestWhatCannotBeStoredGoesToTheDeadLetters with its reason, and the rest is stored.
func TestWhatCannotBeStoredGoesToTheDeadLetters(t *testing.T) {
	kafka, writer := kafkatest.Pipeline(t, 1, topics)
	keys := signing.Of([]byte("a key"))
	recs, want := messages(0, 6, 1)
	recs[0].Value = []byte(`{"@timestamp":`)
	delete(want, "events event 0")
	recs[2].Value = []byte(`{"@timestamp":"2026-11-12T03:47:03Z","event":{"dataset":"nginx"}}`)
	delete(want, "events event 1")
	recs[4].Value = []byte(`{"event":{"dataset":"changetrail.event"}}`)
	delete(want, "events event 2")
	for _, r := range recs[:10] {
		stream.SignDocument(keys, r)
	}
	delete(want, "events event 5") // nobody signed it
	delete(want, "records record 5")
	delete(want, "findings finding 5")
	if err := writer.Append(t.Context(), recs...); err != nil {
		t.Fatal(err)
	}
	b := newMemory()
	c := config(kafka, b)
	c.Keys = keys
	letters := make(map[string]string)
	until(t, c, func() bool {
		if len(b.copies(t)) < len(want) {
			return false
		}
		if _, err := kafka.Partition(topics.DLQ(), 0).Scan(t.Context(), -1, func(recs []*stream.Record) error {
			for _, r := range recs {
				letters[string(stream.LastHeader(r, stream.HeaderTopic))+string(stream.LastHeader(r, stream.HeaderOffset))] = string(stream.LastHeader(r, stream.HeaderDetail))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return len(letters) >= 5
	})
	same(t, want, b.copies(t))
	for at, reason := range map[string]string{
		topics.Enriched() + "0": "not JSON", topics.Enriched() + "1": "nginx", topics.Enriched() + "2": "@timestamp", topics.Enriched() + "5": "signed", topics.Records() + "5": "signed",
	} {
		if !strings.Contains(letters[at], reason) {
			t.Errorf("the letter of %s says %q, not %q", at, letters[at], reason)
		}
	}
}

// TestSinksShareThePartitions: partitions move while batches are written.
func TestSinksShareThePartitions(t *testing.T) {
	const partitions = 4
	kafka, writer := kafkatest.Pipeline(t, partitions, topics)
	b := newMemory()
	want := make(map[string]int)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for i := range 3 {
		c := config(kafka, b)
		c.FileBytes, c.Grace = 2000+1000*i, time.Second
		lives, end := context.WithCancel(ctx)
		running.Go(func() {
			if err := Run(lives, c); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		recs, more := messages(i*400, 400, partitions)
		maps.Copy(want, more)
		if err := writer.Append(t.Context(), recs...); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
		if i == 1 {
			end()
		}
		defer end()
	}
	until(t, config(kafka, b), func() bool { return len(b.copies(t)) == len(want) })
	cancel()
	running.Wait()
	same(t, want, b.copies(t))
	contiguous(t, b)
}
