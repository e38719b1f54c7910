package blobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/changetrail/changetrail/internal/files"
)

// A folder is a [Bucket] in a file system.
type folder struct{ root string }

// openFolder opens a path or a file URL. It creates a missing folder.
func openFolder(where string) (*folder, error) {
	path := where
	if u, err := url.Parse(where); err == nil && u.Scheme == "file" {
		if u.RawQuery != "" || u.Host != "" && u.Host != "localhost" {
			return nil, fmt.Errorf("blobs: %s: a file URL has only a path, for example file:///var/lib/changetrail/blobs", where)
		}
		path = filepath.FromSlash(u.Path)
	}
	if path == "" {
		return nil, errors.New("blobs: no place to keep them is given; give a folder or a URL, for example s3://bucket")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("blobs: %w", err)
	}
	if err := os.MkdirAll(path, files.PrivateFolder); err != nil {
		return nil, fmt.Errorf("blobs: %w", err)
	}
	if err := files.Narrow(path, 0o007); err != nil { // a group may share a folder of several services
		return nil, fmt.Errorf("blobs: %w", err)
	}
	f := &folder{path}
	f.sweep(time.Now())
	return f, nil
}

// String is the URL of the folder.
func (f *folder) String() string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(f.root)}).String()
}

func (f *folder) path(key string) string { return filepath.Join(f.root, filepath.FromSlash(key)) }

// Has implements [Bucket].
func (f *folder) Has(_ context.Context, key string) (bool, error) {
	_, err := os.Stat(f.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Write implements [Bucket].
func (f *folder) Write(_ context.Context, key string, content io.ReadSeeker, _ int64) error {
	file, err := f.receive(content)
	if err != nil {
		return err
	}
	defer discard(file)
	return f.move(file, key)
}

// Create implements [Bucket].
func (f *folder) Create(_ context.Context, key string, content io.ReadSeeker, _ int64) (bool, error) {
	file, err := f.receive(content)
	if err != nil {
		return false, err
	}
	defer discard(file)
	err = f.name(file, key, os.Link)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

// receive writes content to a new file that has no name of its own yet.
func (f *folder) receive(content io.Reader) (*os.File, error) {
	file, err := f.newFile()
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(file, content); err != nil {
		discard(file)
		return nil, err
	}
	return file, nil
}

// incoming is the subfolder for files that are being received.
const incoming = ".incoming"

// newFile makes a file for content that is being received.
func (f *folder) newFile() (*os.File, error) {
	dir := filepath.Join(f.root, incoming)
	if err := os.MkdirAll(dir, files.PrivateFolder); err != nil {
		return nil, err
	}
	return os.CreateTemp(dir, "*")
}

// discard removes a received file unless it was moved to another name.
func discard(file *os.File) {
	_ = file.Close() // an error matters only before a move, which closes it itself
	_ = os.Remove(file.Name())
}

// move gives a received file its name, and replaces another file of that name.
func (f *folder) move(file *os.File, key string) error { return f.name(file, key, os.Rename) }

// name gives a received file its name once it is synced to disk. Whoever may read the store may
// read the file: several services may share a folder.
func (f *folder) name(file *os.File, key string, as func(from, to string) error) error {
	rights := files.PrivateFolder
	if info, err := os.Stat(f.root); err == nil {
		rights = info.Mode().Perm()
	}
	name := f.path(key)
	if err := errors.Join(file.Chmod(rights&0o666), file.Sync(), file.Close(), os.MkdirAll(filepath.Dir(name), rights)); err != nil {
		return err
	}
	if err := as(file.Name(), name); err != nil {
		return err
	}
	return files.SyncFolder(filepath.Dir(name))
}

// abandoned is the age at which the writer of an incoming file must have died.
const abandoned = 24 * time.Hour

// sweep removes received files whose writers died.
func (f *folder) sweep(now time.Time) {
	dir := filepath.Join(f.root, incoming)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // the folder does not exist yet
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > abandoned {
			_ = os.Remove(filepath.Join(dir, e.Name())) // the next start tries again
		}
	}
}

// Open implements [Bucket].
func (f *folder) Open(_ context.Context, key string) (io.ReadCloser, error) {
	return os.Open(f.path(key))
}

// Each implements [Bucket].
func (f *folder) Each(ctx context.Context, prefix string, g func(key string) error) error {
	err := filepath.WalkDir(f.path(prefix), func(path string, d fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil || d.IsDir() {
			return err
		}
		key, err := filepath.Rel(f.root, path)
		if err != nil {
			return err
		}
		return g(filepath.ToSlash(key))
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was ever written
	}
	return err
}

// Close implements [Bucket].
func (*folder) Close() error { return nil }
