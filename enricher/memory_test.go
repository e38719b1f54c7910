package enricher

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/evidence"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// scanOf returns an event with a report that is much larger once unpacked.
func scanOf(t *testing.T, i, size int) *stream.Record {
	t.Helper()
	file := append([]byte(`{"results":[],"errors":[],"paths":{"scanned":["a.py"]},"version":"1.0"`), bytes.Repeat([]byte(" "), size)...)
	report, err := evidence.Pack(append(file, '}'), "")
	if err != nil {
		t.Fatal(err)
	}
	return &stream.Record{Timestamp: time.Now(), Value: fmt.Appendf(nil, `{"specversion":"1.0","id":"%d","source":"/ci","type":"`+record.TypeScanCompleted+`","subject":"acme/payments#1","data":{"tool":{"name":"semgrep"},"report":{"encoding":%q,"content":%s}}}`, i, report.Encoding, report.Content)}
}

// A busy store measures how many bytes are being put at a time.
type busy struct {
	*blobs.Store
	now, most atomic.Int64
}

func (b *busy) Put(ctx context.Context, content []byte) (string, error) {
	n := b.now.Add(int64(len(content)))
	defer b.now.Add(-int64(len(content)))
	for m := b.most.Load(); n > m && !b.most.CompareAndSwap(m, n); m = b.most.Load() {
	}
	time.Sleep(5 * time.Millisecond) // so that concurrent calls overlap
	return b.Store.Put(ctx, content)
}

// TestWhatIsUnpackedAtATimeIsBounded checks that, however many cores read reports, they use no
// more memory than allowed, no report is refused for lack of memory, and none waits for ever for
// the rest of what it needs.
func TestWhatIsUnpackedAtATimeIsBounded(t *testing.T) {
	store, err := blobs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	const size = 1 << 20
	for _, c := range []struct {
		memory, most int64 // most: bytes that are unpacked at a time
	}{{1 << 30, 8 * (size + 100)}, {6 << 20, 3 * (size + 100)}, {1 << 20, size + 100}} {
		m, b := newMemory(c.memory), &busy{Store: store}
		var wg sync.WaitGroup
		for i := range 8 {
			r := scanOf(t, i, size)
			wg.Go(func() {
				d := decodedEvent{record: r}
				if err := m.decode(t.Context(), &d, source{store: b}, 8); err != nil || d.refusal != nil {
					t.Errorf("with %d bytes: %v %v", c.memory, err, d.refusal)
				}
			})
		}
		wg.Wait()
		if most := b.most.Load(); most > c.most || most < size {
			t.Errorf("with %d bytes of memory, %d were unpacked at a time, want at most %d", c.memory, most, c.most)
		}
		if share := m.work.Share(t.Context()); share.Grow(c.memory) != nil {
			t.Errorf("with %d bytes: memory is not given back", c.memory)
		}
	}
}

// TestABatchIsNoMoreThanThereIsMemoryFor bounds a batch once it is read. One event alone is
// always accepted.
func TestABatchIsNoMoreThanThereIsMemoryFor(t *testing.T) {
	store, err := blobs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	m := newMemory(4000)
	read := func(n int) (at int, err error) {
		m.begin()
		for i := range n {
			d := decodedEvent{record: scanOf(t, i, 10)}
			if err := m.decode(t.Context(), &d, source{store: store}, n); err != nil || d.refusal != nil {
				return i, errors.Join(err, d.refusal)
			}
		}
		return n, nil
	}
	if at, err := read(20); !errors.Is(err, stream.ErrTooMuch) || at < 1 || at > 8 {
		t.Errorf("%d of 20 are read: %v", at, err)
	}
	if _, err := read(1); err != nil {
		t.Errorf("one alone: %v", err)
	}
	m = newMemory(10)
	if _, err := read(1); err != nil && !errors.As(err, new(*schemas.Refusal)) {
		t.Errorf("one alone, larger than the memory: %v", err)
	}
}

// TestDataThatWereFetchedAreLetGo checks that fetched data are dropped once they are read.
func TestDataThatWereFetchedAreLetGo(t *testing.T) {
	store, err := blobs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	data := append([]byte(`{"tool":{"name":"semgrep"},"report":{"digest":"sha256:`+fmt.Sprintf("%064d", 1)+`"}`), bytes.Repeat([]byte(" "), 1<<20)...)
	ref, err := store.Put(t.Context(), append(data, '}'))
	if err != nil {
		t.Fatal(err)
	}
	d := decodedEvent{record: &stream.Record{Timestamp: time.Now(), Value: []byte(`{"specversion":"1.0","id":"1","source":"/ci","type":"` + record.TypeScanCompleted + `","subject":"acme/payments#1","dataref":"` + ref + `"}`)}}
	if err := newMemory(0).decode(t.Context(), &d, source{store: store}, 1); err != nil || d.refusal != nil {
		t.Fatalf("%v %v", err, d.refusal)
	}
	if len(d.env.Data) > 0 || d.event.Fact.(*record.Scan).Tool.Name != "semgrep" {
		t.Errorf("%d bytes are kept of %+v", len(d.env.Data), d.event.Fact)
	}
}
