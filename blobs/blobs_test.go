package blobs_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/blobs/blobtest"
	"github.com/changetrail/changetrail/internal/digests"
)

func open(t *testing.T) (*blobs.Store, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "made", "by", "it")
	s, err := blobs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, dir
}

func TestFolder(t *testing.T) {
	b, err := blobs.OpenBucket(filepath.Join(t.TempDir(), "made", "by", "it"))
	if err != nil {
		t.Fatal(err)
	}
	blobtest.RunBucket(t, b)
}

// TestFolderOfOthers: a folder may contain foreign files, an interrupted write, and no write
// permission.
func TestFolderOfOthers(t *testing.T) {
	s, dir := open(t)
	digest, err := s.Put(t.Context(), []byte("ours"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README", ".incoming/123", "sha256/lost"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("theirs"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Each(t.Context(), func(d string) error {
		if d != digest {
			t.Errorf("it lists %s", d)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Each(ctx, func(string) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("a list that is cut: %v", err)
	}
	blocked := digests.Of([]byte("blocked"))
	if err := os.WriteFile(filepath.Join(dir, "sha256", blocked[7:9]), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), []byte("blocked")); err == nil {
		t.Error("a blob is put where it cannot be")
	}
	if _, err := s.Get(t.Context(), blocked); err == nil || errors.Is(err, blobs.ErrNotFound) {
		t.Errorf("a blob that cannot be looked for: %v", err)
	}
}

func TestURLsOfFolders(t *testing.T) {
	dir := filepath.ToSlash(t.TempDir())
	for where, want := range map[string]string{
		dir + "/a b":                   "file://" + dir + "/a%20b",
		"file://" + dir + "/c":         "file://" + dir + "/c",
		"file://localhost" + dir + "/": "file://" + dir,
	} {
		s, err := blobs.Open(where)
		if err != nil || s.String() != want {
			t.Errorf("%s: %v %v, want %s", where, s, err, want)
			continue
		}
		if again, err := blobs.Open(s.String()); err != nil || again.String() != want {
			t.Errorf("%s is opened again as %v %v", want, again, err)
		}
	}
	for _, where := range []string{"", "ftp://host/blobs", "gs://bucket", "file://host/blobs", "file://" + dir + "?create_dir=true"} {
		if _, err := blobs.Open(where); err == nil {
			t.Errorf("%q is opened", where)
		}
	}
}

func TestAChangedFileIsNotReturned(t *testing.T) {
	s, dir := open(t)
	digest, err := s.Put(t.Context(), []byte("12 findings"))
	if err != nil {
		t.Fatal(err)
	}
	sum := strings.TrimPrefix(digest, "sha256:")
	if err := os.WriteFile(filepath.Join(dir, "sha256", sum[:2], sum), []byte("0 findings!"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), digest); !errors.Is(err, blobs.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}

func TestNamesThatAreNone(t *testing.T) {
	s, _ := open(t)
	for _, name := range []string{"", "sha256:", "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:" + strings.Repeat("../", 21) + "a", strings.ToUpper(digests.Of(nil))} {
		if _, err := s.Get(t.Context(), name); !errors.Is(err, blobs.ErrDigest) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
