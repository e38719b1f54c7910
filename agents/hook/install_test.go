package hook

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/internal/files"
	"github.com/changetrail/changetrail/internal/files/filestest"
)

// root opens a folder.
func root(t *testing.T, dir string) *os.Root {
	t.Helper()
	r, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestInstallingGoesThroughNoLink: the repository is somebody else's, who may have put
// links where changetrail writes.
func TestInstallingGoesThroughNoLink(t *testing.T) {
	for name, links := range map[string]map[string]string{
		"the file":              {".claude/settings.json": "victim"},
		"the file, inside":      {".claude/settings.json": "inside.json"},
		"the file, dangling":    {".claude/settings.json": "made"},
		"the folder":            {".claude": "."},
		"the folder, inside":    {".claude": "sub"},
		"a hook of git":         {".git/hooks/commit-msg": "victim"},
		"one that is dangling":  {".git/hooks/prepare-commit-msg": "made"},
		"the folder of hooks":   {".git/hooks": "."},
		"what was used as name": {".claude/settings.json.changetrail": "victim"},
	} {
		t.Run(name, func(t *testing.T) {
			outside, dir := t.TempDir(), t.TempDir()
			filestest.Write(t, filepath.Join(outside, "victim"), "alias ls=ls\n", 0o600)
			filestest.Write(t, filepath.Join(dir, "inside.json"), "{}", 0o600)
			filestest.Write(t, filepath.Join(dir, "sub", "x"), "", 0o600)
			for at, to := range links {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, at)), 0o700); err != nil {
					t.Fatal(err)
				}
				target := filepath.Join(outside, to)
				if to == "inside.json" || to == "sub" {
					target = filepath.Join(dir, to)
				}
				if err := os.Symlink(target, filepath.Join(dir, at)); err != nil {
					t.Fatal(err)
				}
			}
			var refused error
			for _, remove := range []bool{false, true} {
				_, err1 := Hooks{Kind: ClaudeCode}.Install(root(t, dir), filepath.Join(".claude", "settings.json"), 0o644, remove)
				_, err2 := InstallGit(root(t, dir), filepath.Join(".git", "hooks"), "/bin/true", remove)
				refused = errors.Join(refused, err1, err2)
			}
			if name == "what was used as name" {
				if refused != nil {
					t.Error(refused)
				}
			} else if !errors.Is(refused, files.ErrLink) || !strings.Contains(refused.Error(), "symbolic link") {
				t.Errorf("it says %v", refused)
			}
			entries, err := os.ReadDir(outside)
			if err != nil || len(entries) != 1 || read(t, filepath.Join(outside, "victim")) != "alias ls=ls\n" || read(t, filepath.Join(dir, "inside.json")) != "{}" {
				t.Errorf("something was written elsewhere: %v", entries)
			}
			for at := range links {
				if info, err := os.Lstat(filepath.Join(dir, at)); err != nil || info.Mode()&os.ModeSymlink == 0 {
					t.Errorf("%s is no link any more", at)
				}
			}
		})
	}
}

func TestWhatIsInstalledKeepsItsModeAndLeavesNothingElse(t *testing.T) {
	for _, mode := range []os.FileMode{0o600, 0o640, 0o644, 0o664} {
		dir := t.TempDir()
		file := filepath.Join(dir, ".codex", "hooks.json")
		filestest.Write(t, file, "{}", mode)
		for _, remove := range []bool{false, true} {
			if changed, err := (Hooks{Kind: Codex}).Install(root(t, dir), filepath.Join(".codex", "hooks.json"), 0o644, remove); err != nil || !changed {
				t.Fatal(changed, err)
			}
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != mode {
				t.Errorf("%v became %v, %v", mode, info.Mode().Perm(), err)
			}
		}
		if entries, err := os.ReadDir(filepath.Dir(file)); err != nil || len(entries) != 1 {
			t.Errorf("more is left than the file: %v, %v", entries, err)
		}
	}
	dir := t.TempDir() // a new one
	if _, err := (Hooks{Kind: Codex}).Install(root(t, dir), "hooks.json", 0o600, false); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "hooks.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.Mkdir(filepath.Join(dir, "settings.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := (Hooks{Kind: Codex}).Install(root(t, dir), "settings.json", 0o600, false); err == nil {
		t.Error("a folder is taken for settings")
	}
}

// TestWhatOthersWroteStays: hooks that look like ours, layouts, numbers, orders. What is
// set and taken out again leaves the file as it was.
func TestWhatOthersWroteStays(t *testing.T) {
	for _, text := range []string{
		`{"hooks":{"Stop":[{"hooks":[{"type":"command","command":"/opt/changetrail-guard --x hook y"}]}]},"model":"opus"}`,
		"{\n\t\"z\": 1.50,\n\t\"a\": \"\\u00e9\",\n\t\"hooks\": {\n\t\t\"PreToolUse\": [\n\t\t\t{ \"matcher\": \"Bash\", \"hooks\": [ { \"type\": \"command\", \"command\": \"changetrail-lint hook claude-code\" } ] }\n\t\t]\n\t}\n}",
		"{\r\n  \"big\": 12345678901234567890,\r\n  \"hooks\": {\"Stop\": [{\"hooks\": [{\"type\": \"command\", \"command\": \"echo changetrail hook claude-code\"}, {\"type\":\"command\",\"command\":\"changetrail hook codex\"}]}]}\r\n}\r\n",
		`{"x":{"hooks":{"Stop":[]}}}`,
		"  {\"permissions\": {\"allow\": [\"Bash(changetrail hook claude-code)\"]}}\n\n",
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "settings.json")
		filestest.Write(t, file, text, 0o600)
		install := func(remove bool) bool {
			t.Helper()
			changed, err := Hooks{Kind: ClaudeCode}.Install(root(t, dir), "settings.json", 0o644, remove)
			if err != nil {
				t.Fatal(err, text)
			}
			return changed
		}
		if install(true) {
			t.Errorf("something of another's was taken out of %s: %s", text, read(t, file))
		}
		install(false)
		set := read(t, file)
		if strings.Count(set, `hook claude-code", "timeout"`)+strings.Count(set, `hook claude-code","timeout"`)+strings.Count(set, "hook claude-code\",\n") < 10 || install(false) {
			t.Errorf("set: %s", set)
		}
		if !keeps(text, set) {
			t.Errorf("%s\nbecame\n%s", text, set)
		}
		install(true)
		if got := read(t, file); got != text {
			t.Errorf("%s\nbecame\n%s", text, got)
		}
	}
}

// keeps reports whether all bytes of one text stand in another in their order.
func keeps(text, in string) bool {
	for _, b := range []byte(text) {
		i := strings.IndexByte(in, b)
		if i < 0 {
			return false
		}
		in = in[i+1:]
	}
	return true
}

// TestSettingHooksChangesNothingElse: whatever the settings contain, setting hooks adds
// ours to what a reader of JSON sees, setting them again changes nothing, and taking them
// out gives what there was.
func TestSettingHooksChangesNothingElse(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		text := randomSettings(rnd)
		before := parsed(t, text)
		hooks, other := Hooks{Kind: ClaudeCode, Small: i%2 == 0}, Hooks{Kind: ClaudeCode, Small: i%2 == 1}
		set, err := hooks.set(text, false)
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		moved, err := other.set(set, false)
		if want := strings.ReplaceAll(string(set), hooks.command(), other.command()); err != nil || string(moved) != want {
			t.Fatalf("set with the other program: %v\n%s\n%s", err, set, moved)
		}
		if again, err := hooks.set(set, false); err != nil || !bytes.Equal(again, set) {
			t.Fatalf("set again: %v\n%s\n%s", err, set, again)
		}
		after := parsed(t, set)
		for _, name := range events[ClaudeCode] {
			list, _ := after["hooks"].(map[string]any)[name].([]any)
			was, _ := before["hooks"].(map[string]any)
			old, _ := was[name].([]any)
			if len(list) != len(old)+1 {
				t.Fatalf("%s has %d matchers, had %d:\n%s", name, len(list), len(old), set)
			}
			if diff := cmp.Diff(append([]any{}, old...), append([]any{}, list[:len(old)]...)); diff != "" {
				t.Fatal(diff)
			}
		}
		out, err := other.set(set, true)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(withoutEmpty(before), withoutEmpty(parsed(t, out))); diff != "" {
			t.Fatalf("%s\n%s\n%s", diff, text, out)
		}
	}
}

func parsed(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// withoutEmpty leaves out lists and objects of hooks that hold nothing: they go with ours.
func withoutEmpty(v map[string]any) map[string]any {
	hooks, _ := v["hooks"].(map[string]any)
	for name, list := range hooks {
		if l, ok := list.([]any); ok && len(l) == 0 {
			delete(hooks, name)
		}
	}
	if len(hooks) == 0 {
		delete(v, "hooks")
	}
	return v
}

func randomSettings(rnd *rand.Rand) []byte {
	space := func() string { return []string{"", " ", "\n", "\n  ", "\t", "\r\n"}[rnd.IntN(6)] }
	var b strings.Builder
	b.WriteString(space() + "{" + space())
	first := true
	member := func(text string) {
		if !first {
			b.WriteString(space() + "," + space())
		}
		first = false
		b.WriteString(text)
	}
	for i := range rnd.IntN(3) {
		member(fmt.Sprintf(`"m%d"%s:%s[1,%s{"hooks":{}}]`, i, space(), space(), space()))
	}
	if rnd.IntN(3) > 0 {
		var hooks []string
		for _, name := range events[ClaudeCode] {
			if rnd.IntN(2) == 0 {
				continue
			}
			var list []string
			for range rnd.IntN(3) {
				list = append(list, fmt.Sprintf(`{"matcher":"Bash",%s"hooks":[%s{"type":"command","command":"changetrail hooks %d"}%s]}`, space(), space(), rnd.IntN(9), space()))
			}
			hooks = append(hooks, fmt.Sprintf(`%q%s:[%s%s]`, name, space(), space(), strings.Join(list, space()+","+space())))
		}
		member(`"hooks":{` + space() + strings.Join(hooks, ","+space()) + space() + "}")
	}
	b.WriteString(space() + "}" + space())
	return []byte(b.String())
}

// TestAHookThatWasChangedByHandStays: so does one that stands where another's is put aside.
func TestAHookThatWasChangedByHandStays(t *testing.T) {
	dir := t.TempDir()
	hook := filepath.Join(dir, "commit-msg")
	if _, err := InstallGit(root(t, dir), ".", "/a b/it's/changetrail", false); err != nil {
		t.Fatal(err)
	}
	if files, err := InstallGit(root(t, dir), ".", "/elsewhere/changetrail", false); err != nil || len(files) != 2 {
		t.Errorf("the program has moved: %v, %v", files, err)
	}
	changed := read(t, hook) + "grep -q JIRA \"$1\"\n"
	filestest.Write(t, hook, changed, 0o755)
	for _, remove := range []bool{false, true} {
		if _, err := InstallGit(root(t, dir), ".", "/bin/true", remove); err == nil || read(t, hook) != changed {
			t.Errorf("remove %v: %v, %s", remove, err, read(t, hook))
		}
	}
	filestest.Write(t, hook, "#!/bin/sh\n", 0o755)
	filestest.Write(t, hook+".before-changetrail", "#!/bin/sh\nfalse\n", 0o755)
	if _, err := InstallGit(root(t, dir), ".", "/bin/true", false); err == nil || read(t, hook+".before-changetrail") != "#!/bin/sh\nfalse\n" {
		t.Errorf("what was put aside before is lost: %v", err)
	}
}

// FuzzSetHooks: settings that can be read keep what they say, and those that cannot are
// refused.
func FuzzSetHooks(f *testing.F) {
	f.Add([]byte(`{"hooks":{"Stop":[{"hooks":[{"command":"changetrail hook claude-code"},{"command":"x"}]}]},"a":[1,{}]}`))
	f.Add([]byte("{ }"))
	f.Add([]byte(`{"hooks": {}, "hooks": 1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := Hooks{Kind: ClaudeCode}.set(text, false)
		if err != nil {
			return
		}
		var v map[string]any
		if err := json.Unmarshal(set, &v); err != nil {
			t.Fatalf("%v: %q", err, set)
		}
		if again, err := (Hooks{Kind: ClaudeCode}).set(set, false); err != nil || !bytes.Equal(again, set) {
			t.Fatalf("set again: %v: %q", err, again)
		}
		out, err := Hooks{Kind: ClaudeCode}.set(set, true)
		if err != nil || bytes.Contains(out, []byte(`"changetrail hook claude-code"`)) && !bytes.Contains(text, []byte("changetrail hook claude-code")) {
			t.Fatalf("%v: %q", err, out)
		}
		if err := json.Unmarshal(out, &v); err != nil {
			t.Fatalf("%v: %q", err, out)
		}
	})
}
