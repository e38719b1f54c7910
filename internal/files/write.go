package files

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Below opens the folder of a name below a folder. If create is set, it creates a missing one. No
// part of the name may be a link, because the link's owner would decide where is written. The
// caller closes the returned folder.
func Below(base *os.Root, name string, create bool) (*os.Root, error) {
	folder, err := base.OpenRoot(".")
	if err != nil || filepath.Clean(name) == "." {
		return folder, err
	}
	for part := range strings.SplitSeq(filepath.ToSlash(filepath.Clean(name)), "/") {
		next, err := step(folder, part, create)
		if err = errors.Join(err, folder.Close()); err != nil {
			return nil, err
		}
		folder = next
	}
	return folder, nil
}

func step(folder *os.Root, part string, create bool) (*os.Root, error) {
	full := filepath.Join(folder.Name(), part)
	info, err := folder.Lstat(part)
	if errors.Is(err, fs.ErrNotExist) && create {
		if err := folder.Mkdir(part, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		info, err = folder.Lstat(part)
	}
	switch {
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, linked(full)
	case !info.IsDir():
		return nil, fmt.Errorf("%s is not a folder", full)
	}
	return folder.OpenRoot(part)
}

func linked(name string) error {
	return fmt.Errorf("%s: %w, and changetrail does not write through links: replace it with a file or a folder, or edit its target by hand", name, ErrLink)
}

// Current returns a regular file of at most limit bytes that is to be replaced, and its mode; nil
// if there is none. It must not be a link.
func Current(folder *os.Root, name string, limit int64) ([]byte, fs.FileMode, error) {
	info, err := folder.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0, nil
	case err != nil:
		return nil, 0, err
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, 0, linked(filepath.Join(folder.Name(), name))
	}
	text, err := ReadIn(folder, name, limit)
	if text == nil && err == nil {
		text = []byte{} // an empty file is not nil
	}
	return text, info.Mode().Perm(), err
}

// Replace writes a file, whole or not at all: a new file with a random name replaces the old one. A
// link itself is replaced, not its target.
func Replace(folder *os.Root, name string, text []byte, mode fs.FileMode) error {
	part := "." + name + "." + rand.Text()
	f, err := folder.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode.Perm())
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(mode.Perm()), f.Sync(), f.Close()); err == nil {
		err = folder.Rename(part, name)
	}
	if err != nil {
		return errors.Join(err, folder.Remove(part))
	}
	return nil
}

// SyncFolder syncs a folder to disk, so that new names in it survive a loss of power. Some systems
// cannot sync folders; there it does nothing.
func SyncFolder(name string) error {
	folder, err := os.Open(name)
	if err != nil {
		return err
	}
	_ = folder.Sync() // some systems cannot
	return folder.Close()
}
