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

// Below opens the folder of a name below a folder, which it makes where it is not there
// and create is set. No part of the name may be a link: whoever made the link would say
// where is written. The folder that is returned is closed by the caller.
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
		return nil, fmt.Errorf("%s is no folder", full)
	}
	return folder.OpenRoot(part)
}

func linked(name string) error {
	return fmt.Errorf("%s: %w, and nothing is written through one: put a file or a folder in its place, or change by hand what it leads to", name, ErrLink)
}

// Current returns a regular file of at most limit bytes that is to be replaced, and its
// mode; nil where there is none. It may not be a link.
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
		text = []byte{} // it is there
	}
	return text, info.Mode().Perm(), err
}

// Replace writes a file, all of it or nothing: a new one with a random name takes the
// place of what is there, a link itself and not what it leads to.
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
