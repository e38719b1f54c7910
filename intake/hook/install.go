package hook

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Events are the hooks of each agent that are worth a call: what is asked, done,
// refused and answered.
var events = map[string][]string{
	ClaudeCode: {"SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure", "PostToolBatch", "SubagentStart", "SubagentStop", "Stop", "SessionEnd"},
	Codex:      {"SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop"},
}

// matched are the hooks that are set for some tools each.
var matched = []string{"PreToolUse", "PostToolUse", "PostToolUseFailure"}

// InstallAgent sets the hooks of an agent in its settings file, beside whatever is
// set there, and reports whether that changed anything. With remove it takes them
// out again.
func InstallAgent(kind, file, command string, remove bool) (changed bool, err error) {
	names, ok := events[kind]
	if !ok {
		return false, fmt.Errorf("%q is none of %s, %s", kind, ClaudeCode, Codex)
	}
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	settings := make(map[string]jsontext.Value)
	if len(strings.TrimSpace(string(text))) > 0 {
		if err := json.Unmarshal(text, &settings); err != nil {
			return false, fmt.Errorf("%s is no JSON; mend it first: %w", file, err)
		}
	}
	hooks := make(map[string]jsontext.Value)
	if v, ok := settings["hooks"]; ok {
		if err := json.Unmarshal(v, &hooks); err != nil {
			return false, fmt.Errorf("%s: hooks: %w", file, err)
		}
	}
	for _, name := range names {
		if err := set(hooks, name, command, remove); err != nil {
			return false, fmt.Errorf("%s: hooks.%s: %w", file, name, err)
		}
	}
	if settings["hooks"], err = json.Marshal(hooks, json.Deterministic(true)); err != nil {
		return false, err
	}
	if len(hooks) == 0 {
		delete(settings, "hooks")
	}
	out, err := json.Marshal(settings, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return false, err
	}
	if out = append(out, '\n'); string(out) == string(text) || remove && text == nil {
		return false, nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return false, err
	}
	part := file + ".changetrail"
	return true, errors.Join(os.WriteFile(part, out, 0o644), os.Rename(part, file))
}

// A matcher is one entry of a hook.
type matcher struct {
	Matcher string           `json:"matcher,omitempty"`
	Hooks   []jsontext.Value `json:"hooks"`
}

func set(hooks map[string]jsontext.Value, name, command string, remove bool) error {
	var list []matcher
	if v, ok := hooks[name]; ok {
		if err := json.Unmarshal(v, &list); err != nil {
			return err
		}
	}
	list = slices.DeleteFunc(list, func(m matcher) bool { return len(m.Hooks) == 1 && ours(m.Hooks[0]) })
	if !remove {
		entry, err := json.Marshal(map[string]any{"type": "command", "command": command, "timeout": 10}, json.Deterministic(true))
		if err != nil {
			return err
		}
		m := matcher{Hooks: []jsontext.Value{entry}}
		if slices.Contains(matched, name) {
			m.Matcher = "*"
		}
		list = append(list, m)
	}
	if len(list) == 0 {
		delete(hooks, name)
		return nil
	}
	v, err := json.Marshal(list)
	hooks[name] = v
	return err
}

// ours reports whether a hook is one of changetrail's.
func ours(v jsontext.Value) bool {
	var h struct {
		Command string `json:"command"`
	}
	return json.Unmarshal(v, &h) == nil && strings.Contains(h.Command, "changetrail") && strings.Contains(h.Command, " hook ")
}

// gitHooks are those of git.
var gitHooks = []string{"prepare-commit-msg", "commit-msg"}

// mark stands in hooks of git that changetrail has written.
const mark = "# changetrail: what an agent commits says so"

// gitHook is a hook of git. What changetrail cannot do must not keep anybody from
// committing.
const gitHook = `#!/bin/sh
%s
[ ! -x "$0.before-changetrail" ] || "$0.before-changetrail" "$@" || exit $?
program=$(command -v changetrail) || program='%s'
[ -x "$program" ] || { echo "changetrail is not found, so the commit does not say which run made it; put it into the PATH" >&2; exit 0; }
"$program" hook %s "$@" || :
`

// InstallGit sets the hooks of git in its folder of hooks. One that is there
// already is kept under another name, and called first. self is this program, for
// shells in whose PATH changetrail is not, as those that some agents start. It returns
// the files that it wrote or, with remove, took away.
func InstallGit(folder, self string, remove bool) (files []string, err error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	for _, name := range gitHooks {
		file := filepath.Join(folder, name)
		former := file + ".before-changetrail"
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return files, err
		}
		mine := strings.Contains(string(text), mark)
		if remove {
			if !mine {
				continue
			}
			if err := os.Remove(file); err != nil {
				return files, err
			}
			if err := os.Rename(former, file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return files, err
			}
			files = append(files, file)
			continue
		}
		if err == nil && !mine && text != nil {
			if err := os.Rename(file, former); err != nil {
				return files, err
			}
		}
		script := fmt.Sprintf(gitHook, mark, strings.ReplaceAll(self, "'", `'\''`), name)
		if string(text) == script {
			continue
		}
		if err := os.WriteFile(file, []byte(script), 0o755); err != nil {
			return files, err
		}
		files = append(files, file)
	}
	return files, nil
}
