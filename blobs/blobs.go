package blobs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path"
	"strings"

	"github.com/changetrail/changetrail/internal/digests"
)

// MaxSize is the largest blob that is read, in bytes.
const MaxSize = 64 << 20

// Errors that callers distinguish. Any other error comes from reaching the store and may be
// temporary.
var (
	// ErrNotFound reports a digest that has no blob.
	ErrNotFound = errors.New("no such blob")
	// ErrCorrupt reports content that does not match its digest.
	ErrCorrupt = errors.New("blob does not match its digest")
	// ErrDigest reports a name that is not a digest.
	ErrDigest = errors.New("not a digest of the form sha256:hex")
)

// A Bucket keeps files under names with slashes. It is safe for concurrent use.
type Bucket interface {
	// Has reports whether there is a file.
	Has(ctx context.Context, key string) (bool, error)
	// Write keeps a file of size bytes, whole or not at all. The content can seek, so that a bucket
	// may read it twice.
	Write(ctx context.Context, key string, content io.ReadSeeker, size int64) error
	// Create is Write, unless there already is a file with that name: then it changes nothing and
	// returns false. Of several writers at the same time one succeeds.
	Create(ctx context.Context, key string, content io.ReadSeeker, size int64) (bool, error)
	// Open reads a file. The error is [fs.ErrNotExist] only if the bucket is sure that there is no
	// such file.
	Open(ctx context.Context, key string) (io.ReadCloser, error)
	// Each calls f with every name that begins with prefix, until f fails.
	Each(ctx context.Context, prefix string, f func(key string) error) error
	Close() error
}

// A Store is a place for blobs. It is safe for concurrent use.
type Store struct {
	bucket Bucket
	where  string
	folder *folder // the bucket, if it is a folder
}

// New returns the store in a bucket. Messages call it where.
func New(bucket Bucket, where string) *Store {
	s := &Store{bucket: bucket, where: where}
	if f, is := bucket.(*folder); is {
		s.folder, s.where = f, f.String()
	}
	return s
}

// Scheme returns the scheme of a URL; it is empty for a folder.
func Scheme(where string) string {
	u, err := url.Parse(where)
	if err != nil || len(u.Scheme) < 2 || u.Scheme == "file" { // one letter is a drive
		return ""
	}
	return u.Scheme
}

// Open opens the store in a folder or at a file URL. It creates a missing folder.
func Open(where string) (*Store, error) {
	b, err := OpenBucket(where)
	if err != nil {
		return nil, err
	}
	return New(b, where), nil
}

// OpenBucket opens a folder or a file URL as a bucket. It creates a missing folder.
func OpenBucket(where string) (Bucket, error) {
	if s := Scheme(where); s != "" {
		return nil, fmt.Errorf("blobs: unknown scheme %s://; give a folder or a URL, for example s3://bucket", s)
	}
	return openFolder(where)
}

// Close closes the store.
func (s *Store) Close() error { return s.bucket.Close() }

// String is the URL of the store.
func (s *Store) String() string { return s.where }

// Put keeps content and returns its digest, sha256:hex. It does not write content that is already
// kept.
func (s *Store) Put(ctx context.Context, content []byte) (string, error) {
	digest := digests.Of(content)
	err := s.once(ctx, digest, func(key string) error {
		return s.bucket.Write(ctx, key, bytes.NewReader(content), int64(len(content)))
	})
	if err != nil {
		return "", err
	}
	return digest, nil
}

// once calls write with the key of a digest, unless the bucket has that file.
func (s *Store) once(ctx context.Context, digest string, write func(key string) error) error {
	key, err := keyOf(digest)
	if err != nil {
		return err
	}
	if there, err := s.bucket.Has(ctx, key); err == nil && there {
		return nil
	}
	if err := write(key); err != nil {
		return fmt.Errorf("blobs: %s: writing %s: %w", s.where, digest, err)
	}
	return nil
}

// Get returns the content with a digest.
func (s *Store) Get(ctx context.Context, digest string) ([]byte, error) {
	key, err := keyOf(digest)
	if err != nil {
		return nil, err
	}
	r, err := s.bucket.Open(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("blobs: %s: %s: %w", s.where, digest, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("blobs: %s: reading %s: %w", s.where, digest, err)
	}
	defer func() { _ = r.Close() }() // it was only read
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(r, MaxSize+1)); err != nil {
		return nil, fmt.Errorf("blobs: %s: reading %s: %w", s.where, digest, err)
	}
	if b.Len() > MaxSize || digests.Of(b.Bytes()) != digest {
		return nil, fmt.Errorf("blobs: %s: %s: %w; it was changed or cut short after it was written", s.where, digest, ErrCorrupt)
	}
	return b.Bytes(), nil
}

// Each calls f with the digest of every blob.
func (s *Store) Each(ctx context.Context, f func(digest string) error) error {
	var stop error
	err := s.bucket.Each(ctx, "sha256/", func(key string) error {
		digest := "sha256:" + path.Base(key)
		if _, err := keyOf(digest); err != nil {
			return nil // not one of ours
		}
		stop = f(digest)
		return stop
	})
	if err != nil && stop == nil {
		return fmt.Errorf("blobs: %s: listing: %w", s.where, err)
	}
	return stop
}

// keyOf spreads blobs over folders by the first byte of their digest.
func keyOf(digest string) (string, error) {
	if !digests.Is(digest) {
		return "", fmt.Errorf("blobs: %q: %w", digest, ErrDigest)
	}
	sum := strings.TrimPrefix(digest, "sha256:")
	return "sha256/" + sum[:2] + "/" + sum, nil
}
