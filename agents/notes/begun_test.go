package notes

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/agents/product"
	"github.com/changetrail/changetrail/internal/files/filestest"
)

var night = time.Date(2026, 3, 1, 3, 47, 0, 0, time.UTC)

func noted(t *testing.T, l Log, session, event string) {
	t.Helper()
	if _, err := l.Append(t.Context(), product.ClaudeCode, []byte(`{"session_id":"`+session+`","hook_event_name":"`+event+`"}`), night); err != nil {
		t.Fatal(err)
	}
}

// TestASessionGoesWhereItBegan: what the settings say later, or in another project, moves
// no session that has begun.
func TestASessionGoesWhereItBegan(t *testing.T) {
	dir := t.TempDir()
	first := Begun{Gateway: "https://a.example", Agent: "patch-pilot", LogsURL: "https://logs/{session}"}
	noted(t, Log{Dir: dir, Begun: first}, "s", "SessionStart")
	later := Log{Dir: dir, Begun: Begun{Gateway: "https://evil.example", Agent: "other"}}
	noted(t, later, "s", "Stop")
	noted(t, later, "s2", "SessionStart")
	if s, err := later.Read("s"); err != nil || len(s.Lines) != 2 || cmp.Diff(first, s.Begun) != "" {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := later.Read("s2"); err != nil || cmp.Diff(later.Begun, s.Begun) != "" {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := later.Seal("s", 2, []byte("content")); err != nil {
		t.Fatal(err)
	}
	if err := later.Done("s", 2, true); err != nil {
		t.Fatal(err)
	}
	taken := 0
	if err := later.Sealed(func(in io.Reader, to Begun) (bool, error) {
		content, err := io.ReadAll(in)
		if err != nil {
			return false, err
		}
		taken++
		if diff := cmp.Diff(first, to); diff != "" || string(content) != "content" {
			t.Errorf("%s %s", content, diff)
		}
		return true, nil
	}); err != nil || taken != 1 {
		t.Error(taken, err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}

	// A session of a former version says nothing, and one whose note is damaged goes nowhere.
	if err := os.Remove(filepath.Join(dir, "s2.begun")); err != nil {
		t.Fatal(err)
	}
	if s, err := later.Read("s2"); err != nil || s.Begun.Somewhere() {
		t.Errorf("%+v, %v", s, err)
	}
	filestest.Write(t, filepath.Join(dir, "s2.begun"), "{", 0o600)
	if _, err := later.Read("s2"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a session whose destination cannot be read is read: %v", err)
	}
}

// TestSessionsHaveFilesOfTheirOwn: whatever they are called, also where capitals and small
// letters are the same.
func TestSessionsHaveFilesOfTheirOwn(t *testing.T) {
	long := strings.Repeat("a", 150)
	sessions := []string{"a/b", "a_b", "a.b", "A_b", "a_B", "../a", "..", ".", "_", "/", "a\\b", "a\x00b", "ä", "ö", long, long + "a", Name("a/b"), "3f1c2d4e-0000-4000-8000-000000000000"}
	names := make(map[string]string)
	for _, s := range sessions {
		name := Name(s)
		if other, taken := names[strings.ToLower(name)]; taken {
			t.Errorf("%q and %q are both %s", s, other, name)
		}
		names[strings.ToLower(name)] = s
		if filepath.Base(name) != name || strings.HasPrefix(name, ".") || len(name) > 150 {
			t.Errorf("%q is %q", s, name)
		}
	}
	if Name("3f1c2d4e-0000-4000-8000-000000000000") != "3f1c2d4e-0000-4000-8000-000000000000" {
		t.Error("a plain name is changed")
	}
	l := Log{Dir: t.TempDir()}
	noted(t, l, "a/b", "Stop")
	noted(t, l, "a_b", "Stop")
	found, err := l.Sessions()
	if err != nil || len(found) != 2 {
		t.Fatalf("%v, %v", found, err)
	}
	for _, name := range found {
		if s, err := l.Read(name); err != nil || len(s.Lines) != 1 || !slices.Contains([]string{Name("a/b"), "a_b"}, name) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}
