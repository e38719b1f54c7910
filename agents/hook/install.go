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
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/files"
)

// Events are the hooks of each agent that are installed: for what is asked, done, refused and
// answered.
var events = map[string][]string{
	ClaudeCode: {"SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure", "PostToolBatch", "SubagentStart", "SubagentStop", "Stop", "SessionEnd"},
	Codex:      {"SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop"},
}

// matched are the hooks that are installed for certain tools only.
var matched = []string{"PreToolUse", "PostToolUse", "PostToolUseFailure"}

// maxSettings is the maximum size of a settings file and of a git hook, in bytes.
const maxSettings = 4 << 20

// Hooks are the hooks of an agent.
type Hooks struct {
	Kind  string
	Small bool // the agent calls changetrail-hook, which starts faster than changetrail
}

// Install adds the hooks to the settings file of the agent, name below base, and reports whether
// that changed anything. With remove it removes them. Everything else in the file stays the same,
// byte for byte, and so does the mode of the file; a new file gets mode.
func (h Hooks) Install(base *os.Root, name string, mode fs.FileMode, remove bool) (changed bool, err error) {
	if _, ok := events[h.Kind]; !ok {
		return false, fmt.Errorf("%q is none of %s, %s", h.Kind, ClaudeCode, Codex)
	}
	return edit(base, name, settingsEdit{mode, !remove, func(text []byte) ([]byte, error) { return h.set(text, remove) }})
}

// A settingsEdit is a change of a settings file.
type settingsEdit struct {
	mode   fs.FileMode // of a new file
	create bool        // a file that does not exist
	set    func(text []byte) ([]byte, error)
}

// edit changes a settings file, name below base, and reports whether that changed anything.
func edit(base *os.Root, name string, e settingsEdit) (changed bool, err error) {
	folder, err := files.Below(base, filepath.Dir(name), e.create)
	if !e.create && errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = folder.Close() }() // what was written is closed
	text, is, err := files.Current(folder, filepath.Base(name), maxSettings)
	if err != nil || !e.create && text == nil {
		return false, err
	}
	if text != nil {
		e.mode = is
	}
	before := text
	if len(bytes.TrimSpace(text)) == 0 {
		text = []byte("{}\n")
	}
	out, err := e.set(text)
	if err != nil {
		return false, fmt.Errorf("%s: %w; mend it first", filepath.Join(base.Name(), name), err)
	}
	if bytes.Equal(out, before) {
		return false, nil
	}
	return true, files.Replace(folder, filepath.Base(name), out, e.mode)
}

// set returns a settings file with the hooks, or without them.
func (h Hooks) set(text []byte, remove bool) ([]byte, error) {
	for _, name := range events[h.Kind] {
		var err error
		if remove {
			text, err = takeOut(text, name, func(command string) bool { return slices.Contains(h.commands(), command) })
		} else {
			text, err = h.putIn(text, name)
		}
		if err != nil {
			return nil, fmt.Errorf("hooks.%s: %w", name, err)
		}
	}
	return text, nil
}

// putIn adds our hook after the other hooks, unless it is there.
func (h Hooks) putIn(text []byte, name string) ([]byte, error) {
	p, err := placesOf(text, name)
	if err != nil {
		return nil, err
	}
	if out, err := h.present(text, p.list); err != nil || out != nil {
		return out, err
	}
	return p.add(text, name, map[string]any{"type": "command", "command": h.command(), "timeout": 10})
}

// places are where the hooks of one event are in a settings file.
type places struct {
	root, hooks, list container
	some, these       bool // there are hooks, and some of this event
}

func placesOf(text []byte, name string) (p places, err error) {
	if p.root, err = document(text); err != nil {
		return p, err
	}
	if p.hooks, p.some, err = p.root.member(text, "hooks", '{'); err != nil {
		return p, err
	}
	p.list, p.these, err = p.hooks.member(text, name, '[')
	return p, err
}

// add returns the text with one more hook of an event, after the others.
func (p places) add(text []byte, name string, hook map[string]any) ([]byte, error) {
	m := map[string]any{"hooks": []any{hook}}
	if slices.Contains(matched, name) {
		m["matcher"] = "*"
	}
	where, member, v := p.list, "", any(m)
	if !p.these {
		where, member, v = p.hooks, name, []any{m}
	}
	if !p.some {
		where, member, v = p.root, "hooks", map[string]any{name: []any{m}}
	}
	value, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	return where.with(text, member, value)
}

// present returns the text if a list of matchers has a command that begins like one of ours, and
// nil if it has none. In the returned text, a command that calls the other of our two programs calls
// the right one; a command with flags is unchanged.
func (h Hooks) present(text []byte, list container) ([]byte, error) {
	for _, m := range list.items {
		entries, err := commandsOf(text, m)
		if err != nil {
			return nil, err
		}
		for _, e := range entries.items {
			said := commandOf(text, e)
			for _, ours := range h.commands() {
				if said == ours {
					return renamed(text, e, h.command())
				}
				if strings.HasPrefix(said, ours+" ") {
					return text, nil
				}
			}
		}
	}
	return nil, nil
}

// renamed returns the text with another command in an entry.
func renamed(text []byte, entry item, command string) ([]byte, error) {
	object, err := containerAt(text, entry.value, entry.end, '{')
	if err != nil {
		return nil, err
	}
	at := object.items[object.index("command")]
	quoted, err := jsontext.AppendQuote(nil, command)
	return slices.Concat(text[:at.value], quoted, text[at.end:]), err
}

// takeOut removes our hooks of an event, and what is empty without them.
func takeOut(text []byte, name string, ours func(command string) bool) ([]byte, error) {
	for {
		out, err := takeOneOut(text, name, ours)
		if err != nil || out == nil {
			return text, err
		}
		text = out
	}
}

// takeOneOut removes one of our hooks. It returns nil if there is none.
func takeOneOut(text []byte, name string, ours func(command string) bool) ([]byte, error) {
	p, err := placesOf(text, name)
	if err != nil {
		return nil, err
	}
	for i, m := range p.list.items {
		entries, err := commandsOf(text, m)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(entries.items, func(e item) bool { return ours(commandOf(text, e)) })
		switch {
		case at < 0:
			continue
		case len(entries.items) > 1:
			return entries.without(text, at), nil
		case len(p.list.items) > 1:
			return p.list.without(text, i), nil
		case len(p.hooks.items) > 1:
			return p.hooks.without(text, p.hooks.index(name)), nil
		}
		return p.root.without(text, p.root.index("hooks")), nil
	}
	return nil, nil
}

// commandsOf returns the commands of a matcher.
func commandsOf(text []byte, m item) (container, error) {
	object, err := containerAt(text, m.value, m.end, '{')
	if err != nil {
		return container{}, err
	}
	list, _, err := object.member(text, "hooks", '[')
	return list, err
}

// command is how the agent calls changetrail: by name, since everybody who works on a project
// shares its settings.
func (h Hooks) command() string {
	if h.Small {
		return "changetrail-hook " + h.Kind
	}
	return "changetrail hook " + h.Kind
}

// commands are the ways in which an agent may call changetrail.
func (h Hooks) commands() []string {
	return []string{Hooks{Kind: h.Kind}.command(), Hooks{Kind: h.Kind, Small: true}.command()}
}

func commandOf(text []byte, entry item) string {
	var h struct {
		Command string `json:"command"`
	}
	_ = json.Unmarshal(text[entry.value:entry.end], &h) // in any other form it is not ours
	return h.Command
}

// gitHooks are the hooks of git that are installed.
var gitHooks = []string{"prepare-commit-msg", "commit-msg"}

// mark is in each git hook that changetrail wrote.
const mark = "# changetrail: what an agent commits says so"

// gitHook is the text of a git hook. A failure of changetrail must not prevent a commit.
const gitHook = `#!/bin/sh
%s
[ ! -x "$0.before-changetrail" ] || "$0.before-changetrail" "$@" || exit $?
program=$(command -v changetrail) || program='%s'
[ -x "$program" ] || { echo "changetrail is not found, so the commit does not say which run made it; put it into the PATH" >&2; exit 0; }
"$program" hook %s "$@" || :
`

// InstallGit installs the git hooks in the folder of hooks, name below base. An existing hook is
// renamed, and called first. self is the path of this program, for shells without changetrail in
// their PATH, such as those that some agents start. It returns the files that it wrote or, with
// remove, removed.
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

// former is the name of an existing hook while ours is installed.
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

// programLine is the line of a git hook that contains the path of this program.
var programLine = regexp.MustCompile(`(?m)^program=\$\(command -v changetrail\) \|\| program='.*'$`)

// isGitScript reports whether a git hook is as changetrail wrote it, with any path of the program.
func isGitScript(name string, text []byte) bool {
	plain := func(s string) string { return programLine.ReplaceAllLiteralString(s, "program=") }
	return plain(string(text)) == plain(gitScript(name, ""))
}
