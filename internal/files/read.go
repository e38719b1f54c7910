package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Reasons why a file is not read.
var (
	ErrNotRegular = errors.New("it is not a regular file")
	ErrLink       = errors.New("it is a symbolic link")
	ErrTooLarge   = errors.New("it is too large")
)

// Folder opens a folder. Names in it cannot lead outside, not even through links. It does not block
// if the name is that of a pipe.
func Folder(name string) (*os.Root, error) {
	if volume := filepath.VolumeName(name); strings.HasPrefix(volume, `\\`) {
		return nil, fmt.Errorf("%s: folders on other machines are not opened", name)
	}
	// The dot makes the system refuse anything but a folder before it opens it.
	return os.OpenRoot(name + string(filepath.Separator) + ".")
}

// Read returns a regular file of at most limit bytes. The file must not be a link; its folder is
// the caller's choice.
func Read(name string, limit int64) ([]byte, error) {
	f, err := Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return upTo(f, limit)
}

// Open opens a regular file for reading. It must not be a link.
func Open(name string) (*os.File, error) {
	before, err := os.Lstat(name)
	if err != nil {
		return nil, err
	}
	return checked(name, before, func() (*os.File, error) { return os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) })
}

// ReadIn returns a regular file of at most limit bytes in a folder. It follows links that stay in
// the folder.
func ReadIn(folder *os.Root, name string, limit int64) ([]byte, error) {
	f, err := OpenIn(folder, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return upTo(f, limit)
}

// OpenIn opens a regular file in a folder for reading. It follows links that stay in the folder.
func OpenIn(folder *os.Root, name string) (*os.File, error) {
	before, err := folder.Stat(name)
	if err != nil {
		return nil, err
	}
	return checked(name, before, func() (*os.File, error) { return folder.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) })
}

// checked opens a file that was seen to be regular, and returns it if it is still the same one. So
// a device is never opened, and a file that replaced it in the meantime is not read.
func checked(name string, before fs.FileInfo, open func() (*os.File, error)) (*os.File, error) {
	if err := Regular(name, before); err != nil {
		return nil, err
	}
	f, err := open()
	if err != nil {
		return nil, err
	}
	now, err := f.Stat()
	if err == nil && !os.SameFile(before, now) {
		err = &fs.PathError{Op: "open", Path: name, Err: errors.New("another file replaced it")}
	}
	if err == nil {
		err = Regular(name, now)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Regular says what is wrong with a file that is not regular.
func Regular(name string, info fs.FileInfo) error {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return &fs.PathError{Op: "open", Path: name, Err: ErrLink}
	case !info.Mode().IsRegular():
		return &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("%w (%s)", ErrNotRegular, info.Mode().Type())}
	}
	return nil
}

// upTo reads a file to its end, which must come within limit bytes.
func upTo(f *os.File, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		return nil, &fs.PathError{Op: "read", Path: f.Name(), Err: fmt.Errorf("%w: at most %d bytes are read", ErrTooLarge, limit)}
	}
	return text, err
}
