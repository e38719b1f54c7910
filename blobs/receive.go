package blobs

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/changetrail/changetrail/internal/digests"
)

// ErrTooLarge reports content of more than [MaxSize] bytes.
var ErrTooLarge = errors.New("the file is larger than a blob may be")

// PutFrom keeps the whole content of in, and returns its digest and size. It does not hold the
// content in memory: it collects it in a file in a separate folder, which gets its name once it is
// complete and on disk. If in fails, nothing is kept, and the error is that of in.
func (s *Store) PutFrom(ctx context.Context, in io.Reader) (digest string, size int64, err error) {
	f, err := s.newFile()
	if err != nil {
		return "", 0, fmt.Errorf("blobs: %s: %w", s.where, err)
	}
	defer discard(f)
	sum := sha256.New()
	if size, err = io.Copy(io.MultiWriter(f, sum), io.LimitReader(in, MaxSize+1)); err != nil {
		return "", 0, err
	}
	if size > MaxSize {
		return "", 0, fmt.Errorf("blobs: %w (%d MiB)", ErrTooLarge, MaxSize>>20)
	}
	digest = digests.Sum(sum)
	if err := s.once(ctx, digest, func(key string) error { return s.keep(ctx, key, f, size) }); err != nil {
		return "", 0, err
	}
	return digest, size, nil
}

// newFile creates a file for content that is being received. If the store is a folder, it is inside
// the store, so that it can be moved.
func (s *Store) newFile() (*os.File, error) {
	if s.folder != nil {
		return s.folder.newFile()
	}
	return os.CreateTemp("", "changetrail-blob-*")
}

// keep moves a received file into a folder, or writes it to a bucket.
func (s *Store) keep(ctx context.Context, key string, f *os.File, size int64) error {
	if s.folder != nil {
		return s.folder.move(f, key)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return s.bucket.Write(ctx, key, f, size)
}
