package hook

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// A Gate is the hook of an agent that asks the gate before a tool runs.
type Gate struct {
	Kind    string
	Program []string // the program and its first arguments, by absolute paths
	Config  string   // the person's configuration file, by its absolute path
	Wait    time.Duration
}

// beforeTool is the event at which the gate is asked.
const beforeTool = "PreToolUse"

// gateMark ends the command of each hook that asks the gate.
const gateMark = " # changetrail: asks the gate"

// slack is how long the hook may take besides waiting, in seconds. The hook itself gives up sooner:
// agents run a tool if its hook does not answer in time.
const slack = 30

// Install adds the hook to a settings file of the person, as [Hooks.Install] does. A former one is
// replaced.
func (g Gate) Install(base *os.Root, name string, mode fs.FileMode, remove bool) (changed bool, err error) {
	return edit(base, name, settingsEdit{mode, !remove, func(text []byte) ([]byte, error) { return g.set(text, remove) }})
}

func (g Gate) set(text []byte, remove bool) ([]byte, error) {
	command := g.command()
	ours := func(c string) bool { return strings.HasSuffix(c, gateMark) && (remove || c != command) }
	text, err := takeOut(text, beforeTool, ours)
	if err != nil || remove {
		return text, err
	}
	if len(text) == 0 {
		text = []byte("{}\n")
	}
	p, err := placesOf(text, beforeTool)
	if err != nil {
		return nil, err
	}
	for _, m := range p.list.items {
		entries, err := commandsOf(text, m)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(entries.items, func(e item) bool { return commandOf(text, e) == command }) {
			return text, nil
		}
	}
	hook := map[string]any{"type": "command", "command": command, "timeout": int(g.Wait.Seconds()) + slack}
	if g.Kind == ClaudeCode {
		hook["onFailure"] = "block" // from Claude Code 2.1.295 on, also if the hook does not answer in time
	}
	return p.add(text, beforeTool, hook)
}

// command is what the agent runs. Both agents run a tool if its hook fails with another exit code
// than 2, for example because the program is not there any more. So any failure becomes that code.
func (g Gate) command() string {
	words := append(slices.Clone(g.Program), g.Kind, "--config", g.Config)
	for i, w := range words {
		words[i] = quoted(w)
	}
	if g.Wait > 0 {
		words = append(words, "--wait", g.Wait.String())
	}
	return strings.Join(words, " ") + " || sh -c 'echo changetrail: the gate could not be asked, so the tool does not run >&2; exit 2'" + gateMark
}

// quoted quotes a word for a shell, if that is needed.
func quoted(w string) string {
	if w != "" && strings.Trim(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") == "" {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}
