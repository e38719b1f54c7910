package reconciletest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/internal/gittest"
)

// Import makes a bare repository of a history with git, and returns the ids that git gave to its commits.
func (w *World) Import(t testing.TB) (dir string, ids IDs) {
	t.Helper()
	dir = t.TempDir()
	gittest.Run(t, dir, "init", "-q", "--bare", "-b", Branch)
	var stream bytes.Buffer
	if err := w.Stream(&stream); err != nil {
		t.Fatal(err)
	}
	marks := filepath.Join(t.TempDir(), "marks")
	cmd := exec.Command("git", "-C", dir, "fast-import", "--quiet", "--force", "--done", "--export-marks="+marks) //nolint:gosec // a test chooses the arguments
	cmd.Stdin = &stream
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git fast-import: %v: %s", err, out)
	}
	text, err := os.ReadFile(marks)
	if err != nil {
		t.Fatal(err)
	}
	ids = w.FakeIDs() // of the commits that are not in the clone
	for line := range strings.Lines(string(text)) {
		mark, sha, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, ":")), " ")
		n, err := strconv.Atoi(mark)
		if err != nil {
			t.Fatal(err)
		}
		ids[n] = sha
	}
	return dir, ids
}
