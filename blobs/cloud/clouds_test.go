//go:build clouds

package cloud

import (
	"errors"
	"testing"

	"gocloud.dev/blob/memblob"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/blobs/blobtest"
	"github.com/changetrail/changetrail/internal/digests"
)

func TestBucket(t *testing.T) {
	blobtest.RunBucket(t, &bucket{memblob.OpenBucket(nil)})
}

// TestABucketThatCannotBeReached: an unreachable bucket is not an empty one.
func TestABucketThatCannotBeReached(t *testing.T) {
	b := memblob.OpenBucket(nil)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	s := blobs.New(&bucket{b}, "mem://")
	if _, err := s.Get(t.Context(), digests.Of(nil)); err == nil || errors.Is(err, blobs.ErrNotFound) {
		t.Errorf("a closed bucket: %v", err)
	}
	if err := s.Each(t.Context(), func(string) error { return nil }); err == nil {
		t.Error("a closed bucket is listed")
	}
}

func TestCredentialsAreAskedFor(t *testing.T) {
	t.Setenv("AZURE_STORAGE_ACCOUNT", "")
	if _, err := Open(t.Context(), "azblob://files"); err == nil {
		t.Error("a container of nobody is opened")
	}
}
