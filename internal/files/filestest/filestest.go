// Package filestest helps to test what reads files that others wrote, such as a repository that
// tries to delay a hook.
package filestest

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Write writes a file, and its folder.
func Write(t *testing.T, file, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil { // the process may have a mask
		t.Fatal(err)
	}
}

// Soon fails where f takes longer than a hook may.
func Soon(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("it waits")
	}
}
