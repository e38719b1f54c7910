package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Permissions of files and folders that only their owner may read.
const (
	PrivateFolder fs.FileMode = 0o700
	PrivateFile   fs.FileMode = 0o600
)

// Private creates a folder that only its owner can read, or makes an existing one private.
func Private(dir string) error {
	if err := os.MkdirAll(dir, PrivateFolder); err != nil {
		return err
	}
	return Narrow(dir, 0o077)
}

// Narrow removes permissions from a file or folder. It ignores a missing one.
func Narrow(name string, rights fs.FileMode) error {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || info.Mode().Perm()&rights == 0 {
		return err
	}
	if err := os.Chmod(name, info.Mode().Perm()&^rights); err != nil {
		return fmt.Errorf("other users can read %s, and its permissions cannot be changed: %w", name, err)
	}
	return nil
}

// PrivateIfOurs makes a folder private if it is new, empty, or contains only files that ours
// accepts. others reports that other users can read the folder, and that it was not changed because
// it contains more.
func PrivateIfOurs(dir string, ours func(name string) bool) (others bool, err error) {
	if err := os.MkdirAll(dir, PrivateFolder); err != nil {
		return false, err
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return false, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if !ours(e.Name()) {
			return true, nil
		}
	}
	return false, Narrow(dir, 0o077)
}
