package hook

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/files"
)

// Events are the hooks of each agent that are worth a call: what is asked, done,
// refused and answered.
var events = map[string][]string{
	ClaudeCode: {"SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure", "PostToolBatch", "SubagentStart", "SubagentStop", "Stop", "SessionEnd"},
	Codex:      {"SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop"},
}

// matched are the hooks that are set for some tools each.
var matched = []string{"PreToolUse", "PostToolUse", "PostToolUseFailure"}

// maxSettings bounds a settings file and a hook of git, in bytes.
const maxSettings = 4 << 20

// InstallAgent sets the hooks of an agent in its settings file, name below base, and
// reports whether that changed anything. With remove it takes them out again. All that
// others have written stays as it is, byte for byte, and so does the mode of the file; a
// new one gets mode.
func InstallAgent(kind string, base *os.Root, name string, mode fs.FileMode, remove bool) (changed bool, err error) {
	names, ok := events[kind]
	if !ok {
		return false, fmt.Errorf("%q is none of %s, %s", kind, ClaudeCode, Codex)
	}
	folder, err := files.Below(base, filepath.Dir(name), !remove)
	if remove && errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = folder.Close() }() // what was written is closed
	text, is, err := files.Current(folder, filepath.Base(name), maxSettings)
	if err != nil || remove && text == nil {
		return false, err
	}
	if text != nil {
		mode = is
	}
	out, err := setHooks(text, kind, names, remove)
	if err != nil {
		return false, fmt.Errorf("%s: %w; mend it first", filepath.Join(base.Name(), name), err)
	}
	if bytes.Equal(out, text) {
		return false, nil
	}
	return true, files.Replace(folder, filepath.Base(name), out, mode)
}

// setHooks returns a settings file with the hooks of an agent, or without them.
func setHooks(text []byte, kind string, names []string, remove bool) ([]byte, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		text = []byte("{}\n")
	}
	for _, name := range names {
		var err error
		if remove {
			text, err = takeOut(text, kind, name)
		} else {
			text, err = putIn(text, kind, name)
		}
		if err != nil {
			return nil, fmt.Errorf("hooks.%s: %w", name, err)
		}
	}
	return text, nil
}

// putIn adds a hook of ours behind those of others, unless one is there.
func putIn(text []byte, kind, name string) ([]byte, error) {
	root, err := document(text)
	if err != nil {
		return nil, err
	}
	m := map[string]any{"hooks": []any{map[string]any{"type": "command", "command": hookCommand(kind), "timeout": 10}}}
	if slices.Contains(matched, name) {
		m["matcher"] = "*"
	}
	hooks, some, err := root.member(text, "hooks", '{')
	if err != nil {
		return nil, err
	}
	list, these, err := hooks.member(text, name, '[')
	if err != nil {
		return nil, err
	}
	if there, err := theirs(text, list, kind); err != nil || there {
		return text, err
	}
	where, member, v := list, "", any(m)
	if !these {
		where, member, v = hooks, name, []any{m}
	}
	if !some {
		where, member, v = root, "hooks", map[string]any{name: []any{m}}
	}
	value, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	return where.with(text, member, value)
}

// theirs reports whether a list of matchers has a command that begins as ours does.
func theirs(text []byte, list container, kind string) (bool, error) {
	for _, m := range list.items {
		entries, err := commandsOf(text, m)
		if err != nil {
			return false, err
		}
		for _, e := range entries.items {
			if said := commandOf(text, e); said == hookCommand(kind) || strings.HasPrefix(said, hookCommand(kind)+" ") {
				return true, nil
			}
		}
	}
	return false, nil
}

// takeOut takes the hooks of ours out, and what is empty without them.
func takeOut(text []byte, kind, name string) ([]byte, error) {
	for {
		out, err := takeOneOut(text, kind, name)
		if err != nil || out == nil {
			return text, err
		}
		text = out
	}
}

// takeOneOut takes one hook of ours out; nil where there is none.
func takeOneOut(text []byte, kind, name string) ([]byte, error) {
	root, err := document(text)
	if err != nil {
		return nil, err
	}
	hooks, _, err := root.member(text, "hooks", '{')
	if err != nil {
		return nil, err
	}
	list, _, err := hooks.member(text, name, '[')
	if err != nil {
		return nil, err
	}
	for i, m := range list.items {
		entries, err := commandsOf(text, m)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(entries.items, func(e item) bool { return commandOf(text, e) == hookCommand(kind) })
		switch {
		case at < 0:
			continue
		case len(entries.items) > 1:
			return entries.without(text, at), nil
		case len(list.items) > 1:
			return list.without(text, i), nil
		case len(hooks.items) > 1:
			return hooks.without(text, hooks.index(name)), nil
		}
		return root.without(text, root.index("hooks")), nil
	}
	return nil, nil
}

// commandsOf are the commands of a matcher.
func commandsOf(text []byte, m item) (container, error) {
	object, err := containerAt(text, m.value, m.end, '{')
	if err != nil {
		return container{}, err
	}
	list, _, err := object.member(text, "hooks", '[')
	return list, err
}

// hookCommand is how an agent calls this program.
func hookCommand(kind string) string { return "changetrail hook " + kind }

func commandOf(text []byte, entry item) string {
	var h struct {
		Command string `json:"command"`
	}
	_ = json.Unmarshal(text[entry.value:entry.end], &h) // of another form, it is not ours
	return h.Command
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

// InstallGit sets the hooks of git in its folder of hooks, name below base. One that is
// there already is kept under another name, and called first. self is this program, for
// shells in whose PATH changetrail is not, as those that some agents start. It returns
// the files that it wrote or, with remove, took away.
func InstallGit(base *os.Root, name, self string, remove bool) (written []string, err error) {
	folder, err := files.Below(base, name, !remove)
	if remove && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = folder.Close() }() // what was written is closed
	for _, hook := range gitHooks {
		change := setGitHook
		if remove {
			change = removeGitHook
		}
		changed, err := change(folder, hook, self)
		if err != nil {
			return written, err
		}
		if changed {
			written = append(written, filepath.Join(base.Name(), name, hook))
		}
	}
	return written, nil
}

// former is what a hook of somebody else is called while ours is set.
func former(name string) string { return name + ".before-changetrail" }

func setGitHook(folder *os.Root, name, self string) (changed bool, err error) {
	text, _, err := files.Current(folder, name, maxSettings)
	if err != nil {
		return false, err
	}
	script := gitScript(name, self)
	switch {
	case string(text) == script:
		return false, nil
	case text != nil && !isGitScript(name, text):
		if bytes.Contains(text, []byte(mark)) {
			return false, fmt.Errorf("%s was set by changetrail and changed by hand; move what was added into %s, and delete it", filepath.Join(folder.Name(), name), former(name))
		}
		if _, err := folder.Lstat(former(name)); !errors.Is(err, fs.ErrNotExist) {
			return false, errors.Join(err, fmt.Errorf("%s: there is a %s already, which would be lost; put both into one", filepath.Join(folder.Name(), name), former(name)))
		}
		if err := folder.Rename(name, former(name)); err != nil {
			return false, err
		}
	}
	return true, files.Replace(folder, name, []byte(script), 0o755)
}

func removeGitHook(folder *os.Root, name, _ string) (changed bool, err error) {
	text, _, err := files.Current(folder, name, maxSettings)
	if err != nil || !bytes.Contains(text, []byte(mark)) {
		return false, err
	}
	if !isGitScript(name, text) {
		return false, fmt.Errorf("%s was set by changetrail and changed by hand; take out by hand what is changetrail's", filepath.Join(folder.Name(), name))
	}
	if err := folder.Rename(former(name), name); errors.Is(err, fs.ErrNotExist) {
		return true, folder.Remove(name)
	} else if err != nil {
		return false, err
	}
	return true, nil
}

func gitScript(name, self string) string {
	return fmt.Sprintf(gitHook, mark, strings.ReplaceAll(self, "'", `'\''`), name)
}

// programLine is the line of a hook of git that says where this program is.
var programLine = regexp.MustCompile(`(?m)^program=\$\(command -v changetrail\) \|\| program='.*'$`)

// isGitScript reports whether a hook of git is as changetrail wrote it, wherever the
// program was.
func isGitScript(name string, text []byte) bool {
	plain := func(s string) string { return programLine.ReplaceAllLiteralString(s, "program=") }
	return plain(string(text)) == plain(gitScript(name, ""))
}
