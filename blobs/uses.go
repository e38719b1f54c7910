package blobs

import (
	"context"
	"io"
)

// What others need of a store, each by its use. A [Store] is all of them.

// A Getter returns the file that has a digest. The error wraps [ErrNotFound] or
// [ErrCorrupt] where trying again is of no use.
type Getter interface {
	Get(ctx context.Context, digest string) ([]byte, error)
}

// A Putter keeps content, and returns its digest.
type Putter interface {
	Put(ctx context.Context, content []byte) (digest string, err error)
}

// A Receiver keeps content as it comes, and returns its digest and size.
type Receiver interface {
	PutFrom(ctx context.Context, content io.Reader) (digest string, size int64, err error)
}
