package notes

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/agents/product"
)

func TestALogOutlivesItsWriter(t *testing.T) {
	l := Log{Dir: t.TempDir()}
	if _, err := l.Append(t.Context(), product.ClaudeCode, []byte("{\n \"session_id\": \"../../x\",\n \"hook_event_name\": \"Stop\"\n}"), night); err != nil {
		t.Fatal(err)
	}
	names, err := l.Sessions()
	if err != nil || len(names) != 1 || strings.Contains(names[0], "/") {
		t.Fatalf("%v, %v", names, err)
	}
	file := filepath.Join(l.Dir, names[0]+".jsonl")
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, `{"at":"2026-`) // killed while it wrote
	f.Close()
	s, err := l.Read(names[0])
	if err != nil || len(s.Lines) != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v, %v", info.Mode(), err)
	}
	if err := l.Done(names[0], 1, false); err != nil {
		t.Fatal(err)
	}
	if s, err = l.Read(names[0]); err != nil || s.Sent != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if err := l.Done(names[0], 1, true); err != nil {
		t.Fatal(err)
	}
	if names, err = l.Sessions(); err != nil || len(names) != 0 {
		t.Errorf("%v, %v", names, err)
	}
	for _, bad := range []string{"", "x", "[]", `{"session_id":"s"}`, `{"hook_event_name":"Stop"}`} {
		if _, err := l.Append(t.Context(), product.ClaudeCode, []byte(bad), night); err == nil {
			t.Errorf("%q is taken for a hook", bad)
		}
	}
}

// One line that cannot be read, and one hook that is larger than a log keeps, hold nothing
// behind them up.
func TestOneBadLineDelaysNothing(t *testing.T) {
	l := Log{Dir: t.TempDir()}
	add := func(id, result string) {
		t.Helper()
		text := `{"session_id":"s","hook_event_name":"PostToolUse","tool_name":"Bash","tool_use_id":"` + id + `","tool_input":{"command":"ls"},"tool_response":"` + result + `"}`
		if _, err := l.Append(t.Context(), product.ClaudeCode, []byte(text), night); err != nil {
			t.Fatal(err)
		}
	}
	add("a", "")
	for _, bad := range []string{"\x00\x00\x00\n", "{\"at\":\n", `{"at":"2026-01-01T00:00:00Z","kind":"codex","hook":{"session_id":7}}` + "\n"} {
		f, err := os.OpenFile(filepath.Join(l.Dir, "s.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(bad); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	add("b", strings.Repeat("y", maxHook))
	s, err := l.Read("s")
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Lines) != 5 || len(s.Broken) != 3 {
		t.Errorf("%d lines, %d of them broken", len(s.Lines), len(s.Broken))
	}
	for i, id := range map[int]string{0: "a", 4: "b"} {
		if in, err := ReadInput(s.Lines[i].Hook); err != nil || in.CallID != id {
			t.Errorf("line %d: %+v, %v", i, in, err)
		}
	}
	if info, err := os.Stat(filepath.Join(l.Dir, "s.jsonl")); err != nil || info.Size() > 1<<20 {
		t.Errorf("the log has %v bytes", info)
	}
}

func TestARefusedUploadDelaysNoOther(t *testing.T) {
	l := Log{Dir: t.TempDir()}
	for _, content := range []string{"a", "bad", "c"} {
		if _, err := l.Seal("s", 1, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	var taken []string
	hand := func(in io.Reader, _ Begun) (bool, error) {
		content, err := io.ReadAll(in)
		if err != nil {
			return false, err
		}
		if string(content) == "bad" {
			return false, fmt.Errorf("not taken")
		}
		taken = append(taken, string(content))
		return true, nil
	}
	for range 2 {
		if err := l.Sealed(hand); err == nil || !strings.Contains(err.Error(), "not taken") {
			t.Errorf("nothing is said of the one that stays: %v", err)
		}
	}
	slices.Sort(taken)
	if diff := cmp.Diff([]string{"a", "c"}, taken); diff != "" {
		t.Error(diff)
	}
}
