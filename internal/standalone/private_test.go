package standalone_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/standalone"
)

// TestAFolderThatOthersCanReadIsKeptFromThem: a folder that a former version or a person created.
func TestAFolderThatOthersCanReadIsKeptFromThem(t *testing.T) {
	for _, more := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "data")
		for name, mode := range map[string]fs.FileMode{"": 0o755, "broker": 0o755, "state": 0o777, "blobs": 0o755, "state/facts": 0o755} {
			if err := errors.Join(os.MkdirAll(filepath.Join(dir, name), 0o700), os.Chmod(filepath.Join(dir, name), mode)); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"index.sqlite", "gateway.key"} {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if more {
			if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		var log bytes.Buffer
		i, err := standalone.Start(t.Context(), standalone.Config{
			Dir: dir, Listen: "127.0.0.1:0", Topics: topics, Namespace: "default", Retention: 24 * time.Hour,
			Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) < 7 { // with the files that SQLite puts next to its own
			t.Errorf("%v, %v", entries, err)
		}
		for _, e := range entries {
			if info, err := e.Info(); err != nil || info.Mode().Perm()&0o077 != 0 && e.Name() != "thesis.txt" {
				t.Errorf("%s can be read by others: %v, %v", e.Name(), info.Mode(), err)
			}
		}
		info, err := os.Stat(dir)
		if err != nil || (info.Mode().Perm() == 0o700) == more {
			t.Errorf("more in it: %v, mode %v, %v", more, info.Mode(), err)
		}
		if err := i.Close(); err != nil {
			t.Error(err)
		}
		if said := strings.Contains(log.String(), "run chmod 700 on it"); said != more {
			t.Errorf("it says %s", log.String())
		}
	}
}
