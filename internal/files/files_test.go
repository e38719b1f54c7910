//go:build unix

package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestOnlyRegularFilesOfABoundedSizeAreRead(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{filepath.Join(dir, "plain"): "12345", filepath.Join(outside, "secret"): "x"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(
		syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600), os.Mkdir(filepath.Join(dir, "folder"), 0o700),
		os.Symlink("plain", filepath.Join(dir, "inside")), os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "out")),
		os.Symlink("../"+filepath.Base(outside), filepath.Join(dir, "up")), os.Symlink("pipe", filepath.Join(dir, "piped")), os.Symlink("loop", filepath.Join(dir, "loop")),
	); err != nil {
		t.Fatal(err)
	}
	folder, err := Folder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	for _, c := range []struct {
		name     string
		limit    int64
		in, free error // of ReadIn and Read; nil if the file is read
	}{
		{"plain", 5, nil, nil},
		{"plain", 4, ErrTooLarge, ErrTooLarge},
		{"inside", 5, nil, ErrLink},
		{"pipe", 5, ErrNotRegular, ErrNotRegular},
		{"piped", 5, ErrNotRegular, ErrLink},
		{"folder", 5, ErrNotRegular, ErrNotRegular},
		{"none", 5, fs.ErrNotExist, fs.ErrNotExist},
	} {
		for what, got := range map[string]func() ([]byte, error){
			"in": func() ([]byte, error) { return ReadIn(folder, c.name, c.limit) }, "free": func() ([]byte, error) { return Read(filepath.Join(dir, c.name), c.limit) },
		} {
			want := map[string]error{"in": c.in, "free": c.free}[what]
			if text, err := got(); !errors.Is(err, want) || want == nil && string(text) != "12345" {
				t.Errorf("%s %s: %q %v, want %v", c.name, what, text, err, want)
			}
		}
	}
	for _, name := range []string{"out", "up/secret", "../" + filepath.Base(outside) + "/secret", filepath.Join(outside, "secret"), "loop", ""} {
		if text, err := ReadIn(folder, name, 5); err == nil {
			t.Errorf("%s leads out of the folder: %q", name, text)
		}
	}
	for _, name := range []string{"pipe", "plain", "none"} {
		if _, err := Folder(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is taken for a folder", name)
		}
	}
	if _, err := Read("/dev/zero", 5); !errors.Is(err, ErrNotRegular) {
		t.Error(err)
	}
}

func TestReplaceLeavesALinkItsTarget(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "target"), []byte("old"), 0o600), os.Symlink("target", filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	folder, err := Folder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	if _, _, err := Current(folder, "link", 9); !errors.Is(err, ErrLink) {
		t.Error(err)
	}
	if err := Replace(folder, "link", []byte("new"), 0o640); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(filepath.Join(dir, "link"))
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "target")); err != nil || string(text) != "old" {
		t.Errorf("%s, %v", text, err)
	}
	if err := Replace(folder, "none/there", nil, 0o600); err == nil {
		t.Error("a file is written where there is no folder")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("something is left over: %v", entries)
	}
}

func TestPrivate(t *testing.T) {
	mode := func(name string) fs.FileMode {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	dir := t.TempDir()
	for _, was := range []fs.FileMode{0, 0o755, 0o750, 0o777, 0o700} {
		name := filepath.Join(dir, was.String())
		if was != 0 {
			if err := errors.Join(os.Mkdir(name, 0o700), os.Chmod(name, was)); err != nil {
				t.Fatal(err)
			}
		}
		if err := Private(name); err != nil || mode(name) != 0o700 {
			t.Errorf("%v became %v, %v", was, mode(name), err)
		}
	}
	for content, want := range map[string]fs.FileMode{"": 0o700, "ours": 0o700, "theirs": 0o755} {
		name := filepath.Join(dir, "of"+content)
		if err := errors.Join(os.Mkdir(name, 0o700), os.Chmod(name, 0o755), os.WriteFile(filepath.Join(name, "x"+content), nil, 0o644)); err != nil {
			t.Fatal(err)
		}
		others, err := PrivateIfOurs(name, func(name string) bool { return !strings.HasSuffix(name, "theirs") })
		if err != nil || mode(name) != want || others != (content == "theirs") {
			t.Errorf("%s: %v, %v, %v", content, mode(name), others, err)
		}
	}
}
