//go:build unix

package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/internal/noting"
)

// what a hook leaves behind: what it printed, and its files without their times.
type leftBehind struct {
	Code     int
	Out, Err string
	Files    map[string]string
}

const stop = `{"session_id":"s","hook_event_name":"Stop"}`

// TestBothProgramsTakeAHookAlike: changetrail-hook notes, prints and complains as
// changetrail hook does.
func TestBothProgramsTakeAHookAlike(t *testing.T) {
	call := `{"session_id":"s","hook_event_name":"PreToolUse","cwd":"/w","tool_name":"Write","tool_use_id":"t","tool_input":{"file_path":"/w/iam/a.tf","content":"password=hunter2trustno1"}}`
	policy := "agents: [{id: claude-code, services: ['*']}]\nrules: [{name: iam, when: 'change.paths.exists(p, p.contains(\"iam/\"))', verdict: forbidden, reason: no agent grants rights}]\ndefault: autonomous\n"
	for name, c := range map[string]struct {
		input, settings string
		args            []string
		environ         []string
	}{
		"a call of a tool":           {input: call},
		"of Codex":                   {input: call, args: []string{"codex"}},
		"with a gateway":             {input: call, settings: "producer: {gateway: https://changetrail.acme.example}\nhook: {agent: bot, logs_url: 'https://logs/{session}'}\n"},
		"with the key of markers":    {input: call, environ: []string{"CHANGETRAIL_REDACTION_KEY=0123456789abcdef0123456789abcdef"}},
		"everything is kept":         {input: call, environ: []string{"CHANGETRAIL_CONTENT=full"}},
		"no hook":                    {input: "x"},
		"nothing":                    {input: ""},
		"settings that are wrong":    {input: call, settings: "content: loud\n"},
		"settings that are no YAML":  {input: call, settings: "{"},
		"a key that there is not":    {input: call, environ: []string{"CHANGETRAIL_CONTENTS=full"}},
		"a key by its former name":   {input: call, settings: "stamp_key: 0123456789abcdef0123456789abcdef\n"},
		"a token without an address": {input: call, settings: "producer: {gateway: https://a.example}\n", environ: []string{"CHANGETRAIL_PRODUCER_TOKEN=x"}},
		"a folder that is relative":  {input: call, environ: []string{"CHANGETRAIL_HOOK_DIR=here"}},
		"the policy is not there":    {input: call, settings: "enricher: {policy: none.yaml}\nhook: {forbidden: off}\n"},
		"a file by flag":             {input: call, args: []string{"claude-code", "--config", "settings.yaml"}, settings: "content: full\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.args == nil {
				c.args = []string{"claude-code"}
			}
			home := t.TempDir()
			t.Setenv("HOME", home)
			t.Setenv("XDG_STATE_HOME", "")
			t.Chdir(home)
			environ := append([]string{"HOME=" + home, "CHANGETRAIL_CONFIG=" + filepath.Join(home, "settings.yaml")}, c.environ...)
			for file, text := range map[string]string{"settings.yaml": c.settings, "policy.yaml": policy} {
				if err := os.WriteFile(filepath.Join(home, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			keyed := slices.ContainsFunc(c.environ, func(e string) bool { return strings.HasPrefix(e, "CHANGETRAIL_REDACTION_KEY=") })
			var large, small leftBehind
			var out, errOut bytes.Buffer
			large.Code = Run(t.Context(), append([]string{"hook"}, c.args...), strings.NewReader(c.input), &out, &errOut, environ)
			large.Out, large.Err, large.Files = out.String(), errOut.String(), taken(t, home, keyed)
			out.Reset()
			errOut.Reset()
			p := noting.Process{Environ: environ, In: strings.NewReader(c.input), Out: &out, Err: &errOut, Program: func() (string, error) { return "/nowhere", nil }}
			small.Code = p.Run(t.Context(), c.args)
			small.Out, small.Err, small.Files = out.String(), errOut.String(), taken(t, home, keyed)
			if diff := cmp.Diff(large, small); diff != "" {
				t.Error(diff)
			}
			if len(large.Files) == 0 && large.Err == "" {
				t.Error("nothing is left behind")
			}
		})
	}
}

// taken returns the files of the folder of hooks without what differs from run to run, and
// deletes them.
func taken(t *testing.T, home string, keyed bool) map[string]string {
	t.Helper()
	dir := filepath.Join(home, ".local", "state", "changetrail", "hooks")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	out := make(map[string]string)
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = undated(t, e.Name(), string(text), keyed)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	return out
}

var digestOfMarker = regexp.MustCompile(`:[0-9a-f]{16}\]`)

// undated is the text of a file without the times at which it was written, and without
// the digests of markers, unless they are under the same key.
func undated(t *testing.T, name, text string, keyed bool) string {
	t.Helper()
	switch filepath.Ext(name) {
	case ".log":
		_, text, _ = strings.Cut(text, " ")
	case ".jsonl":
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		delete(line, "at")
		b, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		text = string(b)
		if !keyed {
			text = digestOfMarker.ReplaceAllString(text, "]")
		}
	}
	return text
}

// TestTheSmallProgramAsksTheLargeOne: what is sent, what the policy says, and other commands
// are the large program's.
func TestTheSmallProgramAsksTheLargeOne(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_STATE_HOME", "")
	t.Chdir(home)
	said := filepath.Join(home, "said")
	program := filepath.Join(home, "changetrail")
	script := "#!/bin/sh\ncat >>" + said + "\nprintf '%s.' \"$@\" >>" + said + "\n[ \"$2\" = flush ] || echo answer\nexit ${CODE:-0}\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	call := `{"session_id":"s","hook_event_name":"PreToolUse","cwd":"/w","tool_name":"Read"}`
	for name, c := range map[string]struct {
		args         []string
		input        string
		environ      []string
		out, started string
		code         int
	}{
		"a call, where nothing steers":  {[]string{"claude-code"}, call, nil, "", "", 0},
		"a call, where a policy steers": {[]string{"claude-code"}, call, []string{"CHANGETRAIL_HOOK_FORBIDDEN=deny"}, "answer\n", call + "hook.steer.claude-code.", 0},
		"the end of a session":          {[]string{"codex", "--config", "c.yaml"}, stop, nil, "", "hook.flush.--config.c.yaml.", 0},
		"another command":               {[]string{"install", "git"}, "", []string{"CODE=2"}, "answer\n", "hook.install.git.", 2},
		"no command":                    {nil, "", nil, "answer\n", "hook.", 0},
		"a flag":                        {[]string{"claude-code", "--prefix", "x"}, call, nil, "answer\n", call + "hook.claude-code.--prefix.x.", 0},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(home, "c.yaml"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(said, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			var out, errOut bytes.Buffer
			p := noting.Process{
				Environ: append([]string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}, c.environ...), In: strings.NewReader(c.input), Out: &out, Err: &errOut,
				Program: func() (string, error) { return program, nil },
			}
			if code := p.Run(t.Context(), c.args); code != c.code || out.String() != c.out || errOut.Len() > 0 {
				t.Errorf("%d, %q, %q", code, out.String(), errOut.String())
			}
			var started []byte // by nobody who waits for it
			for range 100 {
				var err error
				if started, err = os.ReadFile(said); err != nil || string(started) == c.started {
					break
				}
				time.Sleep(20 * time.Millisecond)
			}
			if string(started) != c.started {
				t.Errorf("it started %q, want %q", started, c.started)
			}
			if text, err := os.ReadFile(filepath.Join(home, ".local", "state", "changetrail", "hooks", "errors.log")); err == nil {
				t.Errorf("it complains: %s", text)
			}
		})
	}
}
