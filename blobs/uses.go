package blobs

import (
	"context"
	"io"
)

// The parts of a store that callers use, one interface for each use. A [Store] implements all of
// them.

// A Getter returns the file with a digest. The error wraps [ErrNotFound] or [ErrCorrupt] if trying
// again is useless.
type Getter interface {
	Get(ctx context.Context, digest string) ([]byte, error)
}

// A Putter keeps content, and returns its digest.
type Putter interface {
	Put(ctx context.Context, content []byte) (digest string, err error)
}

// A Receiver keeps content that it reads from a stream, and returns its digest and size.
type Receiver interface {
	PutFrom(ctx context.Context, content io.Reader) (digest string, size int64, err error)
}
