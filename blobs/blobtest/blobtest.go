// Package blobtest contains the test that every store of blobs must pass.
package blobtest

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/internal/digests"
)

// Run tests an empty store.
func Run(t *testing.T, s *blobs.Store) {
	t.Helper()
	if got := all(t, s); len(got) != 0 {
		t.Fatalf("it has %v before anything was put", got)
	}
	if _, err := s.Get(t.Context(), digests.Of([]byte("never put"))); !errors.Is(err, blobs.ErrNotFound) {
		t.Errorf("what was never put: %v", err)
	}
	var want []string
	for _, content := range [][]byte{nil, []byte("a"), bytes.Repeat([]byte("0123456789"), 2_000_000)} {
		want = append(want, put(t, s, content), put(t, s, content)) // the second time it is there
	}
	small, err := s.Put(t.Context(), []byte("from memory"))
	if got, readErr := s.Get(t.Context(), small); err != nil || readErr != nil || string(got) != "from memory" {
		t.Errorf("from memory: %q %v %v", got, err, readErr)
	}
	want = append(want, small)
	want = append(want, many(t, s))
	slices.Sort(want)
	if got := all(t, s); !slices.Equal(got, slices.Compact(want)) {
		t.Errorf("it lists %v, want %v", got, want)
	}
	stop := errors.New("stop")
	if err := s.Each(t.Context(), func(string) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("an error of the caller becomes %v", err)
	}
}

func put(t *testing.T, s *blobs.Store, content []byte) string {
	t.Helper()
	digest, size, err := s.PutFrom(t.Context(), bytes.NewReader(content))
	if err != nil || digest != digests.Of(content) || size != int64(len(content)) {
		t.Fatalf("put %d bytes: %s %d %v", len(content), digest, size, err)
	}
	got, err := s.Get(t.Context(), digest)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes come back as %d: %v", len(content), len(got), err)
	}
	return digest
}

// many lets several goroutines write the same blob and different ones at a time.
func many(t *testing.T, s *blobs.Store) string {
	t.Helper()
	content := bytes.Repeat([]byte("x"), 1<<20)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			digest, err := s.Put(t.Context(), content)
			if i%2 == 0 {
				digest, _, err = s.PutFrom(t.Context(), bytes.NewReader(content))
			}
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := s.Get(t.Context(), digest); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	return digests.Of(content)
}

func all(t *testing.T, s *blobs.Store) (digests []string) {
	t.Helper()
	if err := s.Each(t.Context(), func(d string) error { digests = append(digests, d); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(digests)
	return digests
}
