//go:build clouds

package cloud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // azblob://
	_ "gocloud.dev/blob/gcsblob"   // gs://
	"gocloud.dev/gcerrors"

	"github.com/changetrail/changetrail/blobs"
)

// other opens a bucket of Google or Azure. The credentials are those of each cloud's own
// environment.
func other(ctx context.Context, where, cloud string) (blobs.Bucket, error) {
	b, err := blob.OpenBucket(ctx, where)
	if err != nil {
		return nil, fmt.Errorf("blobs: %s: %s: %w", where, cloud, err)
	}
	return &bucket{b}, nil
}

// A bucket is a [blobs.Bucket] of gocloud.dev.
type bucket struct{ *blob.Bucket }

// Has implements [blobs.Bucket].
func (b *bucket) Has(ctx context.Context, key string) (bool, error) { return b.Exists(ctx, key) }

// Write implements [blobs.Bucket].
func (b *bucket) Write(ctx context.Context, key string, content io.ReadSeeker, _ int64) error {
	return b.Upload(ctx, key, content, &blob.WriterOptions{ContentType: "application/octet-stream", Metadata: map[string]string{"sha256": path.Base(key)}})
}

// Create implements [blobs.Bucket].
func (b *bucket) Create(ctx context.Context, key string, content io.ReadSeeker, _ int64) (bool, error) {
	err := b.Upload(ctx, key, content, &blob.WriterOptions{ContentType: "application/octet-stream", IfNotExist: true})
	switch gcerrors.Code(err) {
	case gcerrors.FailedPrecondition, gcerrors.AlreadyExists:
		return false, nil
	}
	return err == nil, err
}

// Open implements [blobs.Bucket]. The libraries return the same error for a missing file and a
// missing bucket, so that Open checks the bucket.
func (b *bucket) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	r, err := b.NewReader(ctx, key, nil)
	if err == nil {
		return r, nil
	}
	if gcerrors.Code(err) != gcerrors.NotFound {
		return nil, err
	}
	there, ask := b.IsAccessible(ctx)
	if ask != nil {
		return nil, errors.Join(err, ask)
	}
	if !there {
		return nil, fmt.Errorf("%w; the bucket does not exist", err)
	}
	return nil, fs.ErrNotExist
}

// Each implements [blobs.Bucket].
func (b *bucket) Each(ctx context.Context, prefix string, f func(key string) error) error {
	list := b.List(&blob.ListOptions{Prefix: prefix})
	for {
		o, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f(o.Key); err != nil {
			return err
		}
	}
}
