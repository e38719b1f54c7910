//go:build unix

package hook

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/changetrail/changetrail/internal/files/filestest"
)

// TestATranscriptCannotDelayAHook: its path comes from the agent.
func TestATranscriptCannotDelayAHook(t *testing.T) {
	file := filepath.Join(t.TempDir(), "t")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	filestest.Soon(t, func() {
		for _, name := range []string{file, "/dev/zero", "/dev/tty"} {
			if m := modelIn(name); m != "" {
				t.Error(m)
			}
		}
	})
}
