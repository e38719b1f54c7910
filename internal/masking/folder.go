package masking

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/internal/archive"
	"github.com/changetrail/changetrail/internal/embedded"
	"github.com/changetrail/changetrail/internal/files"
	"github.com/changetrail/changetrail/internal/standalone"
	"github.com/changetrail/changetrail/sinks/local"
	"github.com/changetrail/changetrail/stream"
)

// Names in a data folder while secrets in it are being masked.
const (
	next     = "masked"       // the copies that replace the data
	complete = "complete"     // in next, once it holds all
	lockFile = "masking.lock" // of whoever makes it, or puts it into place
)

// ErrAtWork reports a folder in which another process is masking secrets.
var ErrAtWork = errors.New("another changetrail masks secrets in this folder")

// A Folder is a data folder of the embedded mode, whose events and files are masked.
type Folder struct {
	Dir       string
	Topics    stream.Topics
	Retention time.Duration

	lock   *flock.Flock
	broker *embedded.Broker
	blobs  *blobs.Store
	crash  crash // for tests
}

// A crash is called before each step, for tests. If it fails, the work ends there.
type crash func(step string) error

func (c crash) at(step string) error {
	if c == nil {
		return nil
	}
	return c(step)
}

// Open locks the folder until Close.
func (f *Folder) Open(ctx context.Context) (from archive.Source, err error) {
	if f.lock, err = locked(f.Dir); err != nil {
		return from, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if err = settle(f.Dir, nil); err != nil {
		return from, err
	}
	if f.broker, err = embedded.Start(filepath.Join(f.Dir, "broker"), nil); err != nil {
		return from, err
	}
	if f.blobs, err = blobs.Open(standalone.BlobDir(f.Dir)); err != nil {
		return from, err
	}
	return archive.Source{Kafka: standalone.Broker(f.Dir), Topic: f.Topics.Events(), Partitions: standalone.Partitions, Blobs: f.blobs}, nil
}

// Close unlocks the folder.
func (f *Folder) Close() error {
	var err error
	if f.blobs != nil {
		err = f.blobs.Close()
	}
	if f.broker != nil {
		f.broker.Close()
	}
	f.blobs, f.broker = nil, nil
	return errors.Join(err, f.lock.Unlock())
}

// Replace replaces all events and files with their copies. Records, the search index and dead
// letters are made from them again at the next start. Until the copies are complete, the data is
// not touched; after that, the next start finishes an interrupted replacement.
func (f *Folder) Replace(ctx context.Context, to archive.Target, from archive.Source) error {
	if err := f.copies(ctx, to, from); err != nil {
		return errors.Join(err, os.RemoveAll(filepath.Join(f.Dir, next)))
	}
	err := f.blobs.Close()
	f.broker.Close()
	f.blobs, f.broker = nil, nil
	return errors.Join(err, settle(f.Dir, f.crash))
}

// copies writes the copies into next, and marks them as complete.
func (f *Folder) copies(ctx context.Context, to archive.Target, from archive.Source) error {
	dir := filepath.Join(f.Dir, next)
	if err := errors.Join(os.RemoveAll(dir), files.Private(dir)); err != nil {
		return err
	}
	// The topic of policies is copied unchanged: the broker's time of each policy says since when
	// it is in force.
	broker := filepath.Join(dir, "broker")
	if err := copyFolder(filepath.Join(f.Dir, "broker"), broker); err != nil {
		return err
	}
	store, err := blobs.Open(standalone.BlobDir(dir))
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }() // a folder
	b, err := embedded.Start(broker, nil)
	if err != nil {
		return err
	}
	stop := sync.OnceFunc(b.Close)
	defer stop()
	to.Kafka, to.Topic, to.Partitions, to.Blobs = standalone.Broker(dir), f.Topics.Events(), standalone.Partitions, store
	if err := f.fresh(ctx, to.Kafka); err != nil {
		return err
	}
	if err := f.crash.at("emptied"); err != nil {
		return err
	}
	if err := pass(ctx, to, from); err != nil {
		return err
	}
	if err := f.crash.at("copied"); err != nil {
		return err
	}
	stop()
	return written(filepath.Join(dir, complete))
}

// fresh empties the topics that are made again.
func (f *Folder) fresh(ctx context.Context, kafka stream.Config) error {
	admin, err := stream.NewAdmin(kafka)
	if err != nil {
		return err
	}
	defer admin.Close()
	if err := admin.Clear(ctx, f.Topics.All()...); err != nil {
		return err
	}
	_, err = admin.Ensure(ctx, f.Topics.Specs(standalone.Partitions, f.Retention), 1, false)
	return err
}

// pass copies events and files from one place to the other.
func pass(ctx context.Context, to archive.Target, from archive.Source) error {
	r, w := io.Pipe()
	exported := make(chan error, 1)
	go func() {
		_, err := archive.Export(ctx, w, from, func(archive.Counts) {})
		exported <- errors.Join(err, w.CloseWithError(err))
	}()
	_, err := archive.Import(ctx, r, to, func(archive.Counts) {})
	return errors.Join(err, r.CloseWithError(errors.New("the copy cannot be written")), <-exported)
}

// Settle finishes an interrupted masking of a data folder: complete copies replace the data, others
// are removed. It must be called before anything else is opened there.
func Settle(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, lockFile)); errors.Is(err, fs.ErrNotExist) {
		return nil // no masking was ever started here
	}
	lock, err := locked(dir)
	if err != nil {
		return err
	}
	return errors.Join(settle(dir, nil), lock.Unlock())
}

func locked(dir string) (*flock.Flock, error) {
	lock := flock.New(filepath.Join(dir, lockFile), flock.SetPermissions(files.PrivateFile))
	ok, err := lock.TryLock()
	if err == nil && !ok {
		err = fmt.Errorf("%s: %w; wait for it", dir, ErrAtWork)
	}
	return lock, err
}

// settle does the work of Settle. Each step can be repeated.
func settle(dir string, c crash) error {
	from := filepath.Join(dir, next)
	if _, err := os.Stat(filepath.Join(from, complete)); errors.Is(err, fs.ErrNotExist) {
		return os.RemoveAll(from)
	} else if err != nil {
		return err
	}
	if err := removeMade(dir); err != nil {
		return err
	}
	for _, part := range []string{"broker", "blobs"} {
		if err := c.at("before " + part); err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(from, part)); errors.Is(err, fs.ErrNotExist) {
			continue // already moved
		}
		if err := os.RemoveAll(filepath.Join(dir, part)); err != nil {
			return err
		}
		if err := c.at("without " + part); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(from, part), filepath.Join(dir, part)); err != nil {
			return err
		}
	}
	if err := c.at("in place"); err != nil {
		return err
	}
	return os.RemoveAll(from)
}

// removeMade removes everything that is made again from events.
func removeMade(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == "state" || strings.HasPrefix(e.Name(), local.FileName) {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyFolder copies the regular files of a folder, not sockets and the like.
func copyFolder(from, to string) error {
	root, err := os.OpenRoot(from)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // it was only read
	return fs.WalkDir(root.FS(), ".", func(rest string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rest), files.PrivateFolder)
		case !d.Type().IsRegular() || rest == "lock":
			return nil
		}
		in, err := root.Open(rest)
		if err != nil {
			return err
		}
		defer func() { _ = in.Close() }() // it was only read
		out, err := os.OpenFile(filepath.Join(to, rest), os.O_WRONLY|os.O_CREATE|os.O_EXCL, files.PrivateFile)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, in)
		return errors.Join(err, out.Sync(), out.Close())
	})
}

// written syncs a file to disk, so that it survives a loss of power.
func written(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, files.PrivateFile)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return files.SyncFolder(filepath.Dir(name))
}
