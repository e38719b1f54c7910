// Package cloud opens stores of blobs wherever they are: in a folder, in a bucket of
// S3 (s3://), of Google Cloud Storage (gs://) or of Azure (azblob://).
//
// The libraries of Google and Azure are larger than everything else together, so that only a build
// with -tags clouds contains them.
package cloud

import (
	"context"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/blobs/s3"
)

// Open opens the store at a URL or in a folder. It creates a missing folder.
func Open(ctx context.Context, where string) (*blobs.Store, error) {
	b, err := OpenBucket(ctx, where)
	if err != nil {
		return nil, err
	}
	return blobs.New(b, where), nil
}

// OpenBucket opens the bucket at a URL, or a folder as a bucket. It creates a missing folder.
func OpenBucket(ctx context.Context, where string) (blobs.Bucket, error) {
	switch blobs.Scheme(where) {
	case "s3":
		return s3.OpenBucket(where)
	case "gs":
		return other(ctx, where, "Google Cloud Storage")
	case "azblob":
		return other(ctx, where, "Azure Blob Storage")
	}
	return blobs.OpenBucket(where)
}
