//go:build unix

package cli

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAWorkTreeHoldsNoCommandUp: changetrail.yaml may be anything but a file.
func TestAWorkTreeHoldsNoCommandUp(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "changetrail.yaml")
	for name, put := range map[string]func(file string) error{
		"a pipe":                func(file string) error { return syscall.Mkfifo(file, 0o600) },
		"a device":              func(file string) error { return os.Symlink("/dev/zero", file) },
		"a folder":              func(file string) error { return os.Mkdir(file, 0o700) },
		"a link that leads out": func(file string) error { return os.Symlink(outside, file) },
		"a file without an end": func(file string) error {
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				return err
			}
			return os.Truncate(file, 1<<40)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newLaptop(t, "")
			d.write(outside, "hook: {agent: theirs}")
			dir := d.tree("")
			if err := put(filepath.Join(dir, "changetrail.yaml")); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if said := d.hook(dir, "s", "PostToolUse"); !strings.Contains(said, "changetrail.yaml of this folder is ignored") || time.Since(began) > 5*time.Second {
				t.Errorf("after %s it says %s", time.Since(began), said)
			}
			note, err := os.ReadFile(filepath.Join(d.home, ".local", "state", "changetrail", "hooks", "s.begun"))
			if err != nil || strings.Contains(string(note), "theirs") {
				t.Errorf("%s %v", note, err)
			}
		})
	}
}
