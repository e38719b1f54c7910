//go:build bench

package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// built builds a program as a release does, and returns its path.
func built(t *testing.T, dir, pkg string) string {
	t.Helper()
	program := filepath.Join(dir, "program-"+filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return program
}

// TestHookBesideItsFloor measures how long an agent waits for a hook: from the start of
// the program to its end, with 4 KB of input, in a work tree.
func TestHookBesideItsFloor(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("git", "init", "-q", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	input := fmt.Sprintf(`{"session_id":"s-1","hook_event_name":"PostToolUse","cwd":%q,"tool_name":"Write","tool_use_id":"t1","tool_input":{"file_path":"a.go","content":%q},"tool_response":{"type":"create"}}`, dir, strings.Repeat("package a\n", 400))
	floor, hook := built(t, t.TempDir(), "./testdata/appender"), built(t, t.TempDir(), "github.com/changetrail/changetrail/cmd/changetrail-hook")
	start := [2]func() *exec.Cmd{
		func() *exec.Cmd {
			cmd := exec.Command(floor)
			cmd.Env = append(os.Environ(), "TO="+filepath.Join(dir, "floor.jsonl"))
			return cmd
		},
		func() *exec.Cmd {
			cmd := exec.Command(hook, "claude-code")
			cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+dir)
			return cmd
		},
	}
	const runs = 200
	var took [2][]time.Duration
	for range runs {
		for i, command := range start {
			cmd := command()
			cmd.Dir, cmd.Stdin = dir, strings.NewReader(input)
			began := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Fatalf("%v: %v: it prints %q", cmd, err, out)
			}
			took[i] = append(took[i], time.Since(began))
		}
	}
	fmt.Printf("\nhook: %d runs of changetrail-hook claude-code beside a program that appends its input to a file\n", runs)
	for i, name := range []string{"floor", "hook"} {
		slices.Sort(took[i])
		fmt.Printf("  %-6s p50 %s, p99 %s\n", name, took[i][runs/2].Round(100*time.Microsecond), took[i][runs*99/100].Round(100*time.Microsecond))
	}
	fmt.Printf("  ratio  %.1f of the floor (goal: 1.4)\n", float64(took[1][runs/2])/float64(took[0][runs/2]))
}
