package blobs

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func open(t *testing.T) (*Store, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "made", "by", "it")
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, dir
}

func TestWhatIsPutIsGot(t *testing.T) {
	s, _ := open(t)
	for _, content := range [][]byte{nil, []byte("a"), bytes.Repeat([]byte("0123456789"), 300_000)} {
		digest, err := s.Put(t.Context(), content)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := s.Put(t.Context(), content); err != nil || again != digest {
			t.Errorf("put again: %s, %v", again, err)
		}
		got, err := s.Get(t.Context(), digest)
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes come back as %d: %v", len(content), len(got), err)
		}
	}
}

func TestWhatWasChangedIsNotGot(t *testing.T) {
	s, dir := open(t)
	digest, err := s.Put(t.Context(), []byte("12 findings"))
	if err != nil {
		t.Fatal(err)
	}
	sum := strings.TrimPrefix(digest, "sha256:")
	if err := os.WriteFile(filepath.Join(dir, "sha256", sum[:2], sum), []byte("0 findings!"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), digest); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}

func TestNamesThatAreNone(t *testing.T) {
	s, _ := open(t)
	if _, err := s.Get(t.Context(), Digest([]byte("never put"))); !errors.Is(err, ErrNotFound) {
		t.Errorf("what was never put: %v", err)
	}
	for _, name := range []string{"", "sha256:", "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:" + strings.Repeat("../", 21) + "a", strings.ToUpper(Digest(nil))} {
		if _, err := s.Get(t.Context(), name); !errors.Is(err, ErrDigest) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, where := range []string{"", "ftp://host/blobs"} {
		if _, err := Open(context.Background(), where); err == nil {
			t.Errorf("%q is opened", where)
		}
	}
}

// TestManyWriteOneBlob: writers of the same content do not disturb each other
// or whoever reads.
func TestManyWriteOneBlob(t *testing.T) {
	s, _ := open(t)
	content := bytes.Repeat([]byte("x"), 1<<20)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			digest, err := s.Put(t.Context(), content)
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
}
