//go:build unix

package hook

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestATranscriptCannotDelayAHook: its path comes from the agent.
func TestATranscriptCannotDelayAHook(t *testing.T) {
	file := filepath.Join(t.TempDir(), "t")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	soon(t, func() {
		for _, name := range []string{file, "/dev/zero", "/dev/tty"} {
			if m := modelIn(name); m != "" {
				t.Error(m)
			}
		}
	})
}

// soon fails where f takes longer than a hook may.
func soon(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("it waits")
	}
}
