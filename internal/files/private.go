package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Rights of what nobody but its owner is to read.
const (
	PrivateFolder fs.FileMode = 0o700
	PrivateFile   fs.FileMode = 0o600
)

// Private makes a folder that its owner alone can read, or takes from others the right to
// read one that is there.
func Private(dir string) error {
	if err := os.MkdirAll(dir, PrivateFolder); err != nil {
		return err
	}
	return Narrow(dir, 0o077)
}

// Narrow takes rights from a file or folder. What is not there needs none taken.
func Narrow(name string, rights fs.FileMode) error {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || info.Mode().Perm()&rights == 0 {
		return err
	}
	if err := os.Chmod(name, info.Mode().Perm()&^rights); err != nil {
		return fmt.Errorf("others can read %s, and that cannot be changed: %w", name, err)
	}
	return nil
}

// PrivateIfOurs makes a folder private that is new, empty, or holds nothing but what ours
// knows; others reports one that others can read and that is left so, since it holds more.
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
