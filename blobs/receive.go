package blobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gocloud.dev/blob"

	"github.com/changetrail/changetrail/internal/files"
)

// ErrTooLarge reports content of more than [MaxSize] bytes.
var ErrTooLarge = errors.New("the file is larger than blobs may be")

// incoming is the folder of files that are being received, within a store that is a folder.
const incoming = ".incoming"

// abandoned is how old a file is there whose writer died.
const abandoned = 24 * time.Hour

// PutFrom keeps what in holds, to its end, and returns its digest and size. It takes no
// memory for it: content gathers in a file beside the others, which has its name once it is
// complete and on the disk. Where in fails nothing is kept, and the error is that of in.
func (s *Store) PutFrom(ctx context.Context, in io.Reader) (digest string, size int64, err error) {
	f, err := s.newFile()
	if err != nil {
		return "", 0, fmt.Errorf("blobs: %s: %w", s.where, err)
	}
	defer func() {
		_ = f.Close()           // it is closed where that matters
		_ = os.Remove(f.Name()) // it has another name where it is kept
	}()
	sum := sha256.New()
	if size, err = io.Copy(io.MultiWriter(f, sum), io.LimitReader(in, MaxSize+1)); err != nil {
		return "", 0, err
	}
	if size > MaxSize {
		return "", 0, fmt.Errorf("blobs: %w (%d MiB)", ErrTooLarge, MaxSize>>20)
	}
	digest = "sha256:" + hex.EncodeToString(sum.Sum(nil))
	key, err := keyOf(digest)
	if err != nil {
		return "", 0, err
	}
	if there, err := s.bucket.Exists(ctx, key); err == nil && there {
		return digest, size, nil
	}
	keep := s.upload
	if s.dir != "" {
		keep = s.move
	}
	if err := keep(ctx, f, key); err != nil {
		return "", 0, fmt.Errorf("blobs: %s: writing %s: %w", s.where, digest, err)
	}
	return digest, size, nil
}

// newFile makes a file for content that is being received: in the store where that is a
// folder, so that it can be moved.
func (s *Store) newFile() (*os.File, error) {
	if s.dir == "" {
		return os.CreateTemp("", "changetrail-blob-*")
	}
	dir := filepath.Join(s.dir, incoming)
	if err := os.MkdirAll(dir, files.PrivateFolder); err != nil {
		return nil, err
	}
	return os.CreateTemp(dir, "*") // mode 0600
}

// move gives a received file its name, once it is on the disk.
func (s *Store) move(_ context.Context, f *os.File, key string) error {
	name := filepath.Join(s.dir, filepath.FromSlash(key))
	rights := os.FileMode(files.PrivateFolder)
	if info, err := os.Stat(s.dir); err == nil {
		rights = info.Mode().Perm() // several services may share a folder
	}
	if err := errors.Join(f.Sync(), f.Close(), os.MkdirAll(filepath.Dir(name), rights)); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	_ = folder.Sync() // some systems cannot
	return folder.Close()
}

// upload writes a received file to a bucket.
func (s *Store) upload(ctx context.Context, f *os.File, key string) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return s.bucket.Upload(ctx, key, f, optionsOf(key))
}

// optionsOf are those under which a blob is written.
func optionsOf(key string) *blob.WriterOptions {
	return &blob.WriterOptions{ContentType: "application/octet-stream", Metadata: map[string]string{"sha256": key[strings.LastIndexByte(key, '/')+1:]}}
}

// sweep removes received files whose writers died.
func (s *Store) sweep(now time.Time) {
	entries, err := os.ReadDir(filepath.Join(s.dir, incoming))
	if err != nil {
		return // there is no such folder yet
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > abandoned {
			_ = os.Remove(filepath.Join(s.dir, incoming, e.Name())) // the next start tries again
		}
	}
}
