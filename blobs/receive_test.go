package blobs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/blobs/blobtest"
	"github.com/changetrail/changetrail/internal/digests"
)

// incoming is the folder of files that are being received.
const incoming = ".incoming"

// A memory is a bucket.
type memory struct {
	mu    sync.Mutex
	files map[string][]byte
}

func (m *memory) Has(_ context.Context, key string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.files[key]
	return ok, nil
}

func (m *memory) Write(_ context.Context, key string, content io.ReadSeeker, size int64) error {
	text, err := io.ReadAll(content)
	if err != nil || int64(len(text)) != size {
		return fmt.Errorf("%d bytes, %d were stated: %w", len(text), size, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[key] = text
	return nil
}

func (m *memory) Create(_ context.Context, key string, content io.ReadSeeker, _ int64) (bool, error) {
	text, err := io.ReadAll(content)
	if err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, there := m.files[key]; there {
		return false, nil
	}
	m.files[key] = text
	return true, nil
}

func (m *memory) Open(_ context.Context, key string) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	text, ok := m.files[key]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(text)), nil
}

func (m *memory) Each(_ context.Context, prefix string, f func(key string) error) error {
	m.mu.Lock()
	keys := slices.Collect(maps.Keys(m.files))
	m.mu.Unlock()
	for _, key := range keys {
		if strings.HasPrefix(key, prefix) {
			if err := f(key); err != nil {
				return err
			}
		}
	}
	return nil
}

func (*memory) Close() error { return nil }

func TestBucket(t *testing.T) {
	blobtest.RunBucket(t, &memory{files: make(map[string][]byte)})
}

func TestWhatIsReceivedIsKept(t *testing.T) {
	folder, dir := open(t)
	bucket := blobs.New(&memory{files: make(map[string][]byte)}, "memory")
	for _, s := range []*blobs.Store{folder, bucket} {
		for _, content := range [][]byte{[]byte("a"), bytes.Repeat([]byte("0123456789"), 300_000)} {
			for range 2 { // the second time it exists
				digest, size, err := s.PutFrom(t.Context(), iotest.HalfReader(bytes.NewReader(content)))
				if err != nil || digest != digests.Of(content) || size != int64(len(content)) {
					t.Fatalf("%s: %s %d %v", s, digest, size, err)
				}
			}
			if got, err := s.Get(t.Context(), digests.Of(content)); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s: %d bytes come back as %d: %v", s, len(content), len(got), err)
			}
		}
	}
	empty(t, dir)
}

// empty checks that a store contains no half-received file.
func empty(t *testing.T, dir string) {
	t.Helper()
	if left, _ := os.ReadDir(filepath.Join(dir, incoming)); len(left) > 0 {
		t.Errorf("%d files are left behind", len(left))
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestWhatIsCutOffIsNotKept: a sender that hangs up, one that never ends, a disk that is full. A
// failed upload can be sent again.
func TestWhatIsCutOffIsNotKept(t *testing.T) {
	s, dir := open(t)
	cut := errors.New("the sender hung up")
	if _, _, err := s.PutFrom(t.Context(), io.MultiReader(bytes.NewReader(make([]byte, 100_000)), iotest.ErrReader(cut))); !errors.Is(err, cut) {
		t.Errorf("cut off: %v", err)
	}
	if _, _, err := s.PutFrom(t.Context(), zeros{}); !errors.Is(err, blobs.ErrTooLarge) {
		t.Errorf("without an end: %v", err)
	}
	empty(t, dir)
	n := 0
	if err := s.Each(t.Context(), func(string) error { n++; return nil }); err != nil || n > 0 {
		t.Errorf("%d blobs are kept: %v", n, err)
	}
	if runtime.GOOS != "windows" && os.Geteuid() != 0 {
		if err := os.MkdirAll(filepath.Join(dir, "sha256"), 0o500); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.PutFrom(t.Context(), bytes.NewReader([]byte("x"))); err == nil {
			t.Error("it is kept where nothing can be written")
		}
		empty(t, dir)
		if err := os.Chmod(filepath.Join(dir, "sha256"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := s.PutFrom(t.Context(), bytes.NewReader([]byte("x"))); err != nil {
		t.Errorf("sent again: %v", err)
	}
}

// TestFilesOfDeadWritersAreRemoved: a file of a dead writer is not a blob, and is removed once nobody can
// still be writing it.
func TestFilesOfDeadWritersAreRemoved(t *testing.T) {
	s, dir := open(t)
	if _, _, err := s.PutFrom(t.Context(), bytes.NewReader([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	for name, age := range map[string]time.Duration{"old": 25 * time.Hour, "new": time.Hour} {
		file := filepath.Join(dir, incoming, name)
		if err := os.WriteFile(file, []byte("half of it"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Now(), time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	again, err := blobs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	left, err := os.ReadDir(filepath.Join(dir, incoming))
	if err != nil || len(left) != 1 || left[0].Name() != "new" {
		t.Errorf("left are %v: %v", left, err)
	}
	n := 0
	if err := again.Each(t.Context(), func(string) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("%d blobs: %v", n, err)
	}
}

// TestReceivingTakesNoMemory: the content is not held in memory.
func TestReceivingTakesNoMemory(t *testing.T) {
	s, _ := open(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, size, err := s.PutFrom(t.Context(), io.LimitReader(zeros{}, blobs.MaxSize)); err != nil || size != blobs.MaxSize {
		t.Fatal(size, err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 2<<20 {
		t.Errorf("64 MiB took %d bytes of memory", took)
	}
}

func TestManyReceiveOneBlob(t *testing.T) {
	s, dir := open(t)
	content := bytes.Repeat([]byte("x"), 1<<20)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			digest, _, err := s.PutFrom(t.Context(), bytes.NewReader(content))
			if err == nil {
				_, err = s.Get(t.Context(), digest)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	empty(t, dir)
}
