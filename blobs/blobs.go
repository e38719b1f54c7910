package blobs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob" // file://
	"gocloud.dev/gcerrors"

	"github.com/changetrail/changetrail/internal/files"
)

// MaxSize is the largest blob that is read, in bytes.
const MaxSize = 64 << 20

// Errors that a caller tells apart. Any other error is one of reaching the
// store, and may pass.
var (
	// ErrNotFound reports a digest under which nothing is kept.
	ErrNotFound = errors.New("no such blob")
	// ErrCorrupt reports content that is not what its digest says.
	ErrCorrupt = errors.New("blob does not match its digest")
	// ErrDigest reports a name that is no digest.
	ErrDigest = errors.New("not a digest of the form sha256:hex")
)

// A Store is a place for blobs. It is safe for concurrent use.
type Store struct {
	bucket *blob.Bucket
	where  string
	dir    string // where it is a folder that was named as one
}

// Open opens the store at a URL, or in a folder, which is made where it is not
// there.
func Open(ctx context.Context, where string) (*Store, error) {
	u, err := url.Parse(where)
	dir := ""
	if err != nil || len(u.Scheme) < 2 { // a path, or one with a drive letter
		if dir, where, err = folder(where); err != nil {
			return nil, fmt.Errorf("blobs: %w", err)
		}
	}
	bucket, err := blob.OpenBucket(ctx, where)
	if err != nil {
		return nil, fmt.Errorf("blobs: %s: %w", where, err)
	}
	s := &Store{bucket: bucket, where: where, dir: dir}
	if dir != "" {
		s.sweep(time.Now())
	}
	return s, nil
}

// folder makes a folder, and returns its path and its URL.
func folder(path string) (dir, where string, err error) {
	if path == "" {
		return "", "", errors.New("where to keep them is empty; give a folder or a URL, as s3://bucket")
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", "", err
	}
	if err := os.MkdirAll(path, files.PrivateFolder); err != nil {
		return "", "", err
	}
	if err := files.Narrow(path, 0o007); err != nil { // a group may share a folder of several services
		return "", "", err
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: "no_tmp_dir=true&metadata=skip"}
	return path, u.String(), nil
}

// Close closes the store.
func (s *Store) Close() error { return s.bucket.Close() }

// String is the URL of the store.
func (s *Store) String() string { return s.where }

// Put keeps content and returns its digest, sha256:hex. Content that is kept
// already is not written again.
func (s *Store) Put(ctx context.Context, content []byte) (string, error) {
	digest := Digest(content)
	key, err := keyOf(digest)
	if err != nil {
		return "", err
	}
	if there, err := s.bucket.Exists(ctx, key); err == nil && there {
		return digest, nil
	}
	if err := s.bucket.WriteAll(ctx, key, content, optionsOf(key)); err != nil {
		return "", fmt.Errorf("blobs: %s: writing %s: %w", s.where, digest, err)
	}
	return digest, nil
}

// Get returns what is kept under a digest.
func (s *Store) Get(ctx context.Context, digest string) ([]byte, error) {
	key, err := keyOf(digest)
	if err != nil {
		return nil, err
	}
	r, err := s.bucket.NewReader(ctx, key, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
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
	if b.Len() > MaxSize || Digest(b.Bytes()) != digest {
		return nil, fmt.Errorf("blobs: %s: %s: %w; it was changed or cut short after it was written", s.where, digest, ErrCorrupt)
	}
	return b.Bytes(), nil
}

// Each hands the digest of every blob to f.
func (s *Store) Each(ctx context.Context, f func(digest string) error) error {
	list := s.bucket.List(&blob.ListOptions{Prefix: "sha256/"})
	for {
		o, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("blobs: %s: listing: %w", s.where, err)
		}
		digest := "sha256:" + path.Base(o.Key)
		if _, err := keyOf(digest); err != nil {
			continue // not one of ours
		}
		if err := f(digest); err != nil {
			return err
		}
	}
}

// Digest returns the digest of content, sha256:hex.
func Digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// keyOf spreads blobs over folders by the first byte of their digest.
func keyOf(digest string) (string, error) {
	sum, ok := strings.CutPrefix(digest, "sha256:")
	if b, err := hex.DecodeString(sum); !ok || err != nil || len(b) != sha256.Size || strings.ToLower(sum) != sum {
		return "", fmt.Errorf("blobs: %q: %w", digest, ErrDigest)
	}
	return "sha256/" + sum[:2] + "/" + sum, nil
}
