package hook

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// TestTheGateIsInstalledBesideOtherHooks: what was there stays byte for byte, a former hook of the
// gate is replaced, and removing it restores the file.
func TestTheGateIsInstalledBesideOtherHooks(t *testing.T) {
	const settings = "settings.json"
	for name, before := range map[string]string{
		"no file":              "",
		"an empty object":      "{}\n",
		"other settings":       "{\n  \"model\": \"opus\",\n  \"hooks\": {\n    \"Stop\": [{\"hooks\": [{\"type\": \"command\", \"command\": \"say done\"}]}]\n  }\n}\n",
		"other hooks of tools": "{\"hooks\": {\"PreToolUse\": [{\"matcher\": \"Bash\", \"hooks\": [{\"type\": \"command\", \"command\": \"check\"}]}]}}",
		"the hooks that note":  "{\"hooks\":{\"PreToolUse\":[{\"matcher\":\"*\",\"hooks\":[{\"type\":\"command\",\"command\":\"changetrail-hook claude-code\",\"timeout\":10}]}]}}",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			base, file := root(t, dir), filepath.Join(dir, settings)
			if before != "" {
				if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			install := func(g Gate, remove, changes bool) {
				t.Helper()
				if changed, err := g.Install(base, settings, 0o600, remove); err != nil || changed != changes {
					t.Fatalf("%v %v", changed, err)
				}
			}
			g := Gate{Kind: ClaudeCode, Program: []string{"/opt/it's here/changetrail-hook-gate"}, Config: "/home/mira/changetrail.yaml"}
			install(g, false, true)
			install(g, false, false)
			longer := g
			longer.Wait = 10 * time.Minute
			install(longer, false, true)
			var read struct {
				Hooks map[string][]struct {
					Matcher string
					Hooks   []struct {
						Command   string
						Timeout   int
						OnFailure string `json:"onFailure"`
					}
				}
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, &read, json.MatchCaseInsensitiveNames(true)); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			all := read.Hooks["PreToolUse"]
			if ours := all[len(all)-1]; strings.Count(string(text), "hook-gate") != 1 || ours.Matcher != "*" || ours.Hooks[0].Timeout != 630 || ours.Hooks[0].OnFailure != "block" || !strings.Contains(ours.Hooks[0].Command, " --wait 10m0s ") {
				t.Errorf("%s", text)
			}
			install(g, true, true)
			install(g, true, false)
			if text, err = os.ReadFile(file); err != nil || name != "no file" && name != "an empty object" && string(text) != before {
				t.Errorf("%v: %q, before %q", err, text, before)
			}
		})
	}
}

// TestTheCommandBlocksIfTheProgramFails: in each shell that an agent may use.
func TestTheCommandBlocksIfTheProgramFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "it's here")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "hook")
	for script, code := range map[string]int{"exit 0": 0, "exit 1": 2, "kill -9 $$": 2, "exit 2": 2, "": 2} {
		_ = os.Remove(program) // it may not be there
		if script != "" {
			if err := os.WriteFile(program, []byte("#!/bin/sh\n[ \"$*\" = 'codex --config /a b/c.yaml' ] || exit 0\n"+script+"\n"), 0o700); err != nil { //nolint:gosec // it is a program
				t.Fatal(err)
			}
		}
		for _, shell := range []string{"sh", "bash", "zsh", "fish"} {
			path, err := exec.LookPath(shell)
			if err != nil {
				continue // not every machine has each of them, but sh
			}
			cmd := exec.Command(path, "-c", Gate{Kind: Codex, Program: []string{program}, Config: "/a b/c.yaml"}.command())
			var said strings.Builder
			cmd.Stderr = &said
			if _ = cmd.Run(); cmd.ProcessState.ExitCode() != code || (code == 2) != strings.Contains(said.String(), "could not be asked") {
				t.Errorf("%s, %q: exit code %d: %s", shell, script, cmd.ProcessState.ExitCode(), said.String())
			}
		}
	}
}
