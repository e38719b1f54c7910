package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/agents/hook"
	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/files"
	"github.com/changetrail/changetrail/internal/guarding"
	"github.com/changetrail/changetrail/internal/noting"
)

func (a *app) gateHook() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "gate claude-code|codex",
		Short: "Ask the gate before a tool of an agent runs",
		Long: `Handles the hook PreToolUse of an agent on standard input. A tool that only reads runs
at once. About any other the gate is asked (producer.gateway). If the policy requires an
approval that nobody has given, or if the gate cannot be asked, the tool does not run,
and the agent reads why and what to ask for. With --wait the hook waits for the approval.

It reads the person's own configuration file alone, and no environment variables. If it
fails, its exit code is 2, at which agents do not run the tool. changetrail-hook-gate
does the same in a small program that starts faster.`,
		Example:   "  changetrail hook install --gate\n  changetrail hook gate claude-code --wait 10m < call.json",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{hook.ClaudeCode, hook.Codex},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := guarding.CheckWait(wait); err != nil {
				return usageError{err}
			}
			c := guarding.Call{Kind: args[0], File: a.file, Wait: wait, Environ: a.environ, In: cmd.InOrStdin(), Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr()}
			if code := c.Run(cmd.Context()); code != 0 {
				return errors.New("the answer cannot be written, so the tool must not run")
			}
			return nil
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", 0, "how long to wait for an approval that is missing")
	return cmd
}

// installGate installs the hook that asks the gate in the person's settings of an agent.
func (a *app) installGate(cmd *cobra.Command, kind string, wait time.Duration, remove bool) error {
	home, err := os.UserHomeDir()
	if err != nil {
		return err
	}
	g := hook.Gate{Kind: kind, Wait: wait}
	if !remove {
		if g.Config, err = a.configOfGate(); err != nil {
			return err
		}
		if g.Program, err = gateProgram(); err != nil {
			return err
		}
	}
	root, err := os.OpenRoot(home)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // nothing is left to write
	changed, err := g.Install(root, settingsFiles[kind], files.PrivateFile, remove)
	if err != nil {
		return err
	}
	reportInstall(cmd.OutOrStdout(), kind, installed{place: filepath.Join(home, settingsFiles[kind]), changed: changed, remove: remove})
	return nil
}

// configOfGate returns the file from which the hook reads its settings, by its absolute path.
func (a *app) configOfGate() (string, error) {
	environ := slices.DeleteFunc(slices.Clone(a.environ), func(e string) bool {
		return strings.HasPrefix(e, "CHANGETRAIL_") && !strings.HasPrefix(e, "CHANGETRAIL_CONFIG=")
	})
	c, err := config.Source{File: a.file, Environ: environ}.Load()
	switch {
	case err != nil:
		return "", err
	case c.File() == "":
		return "", usageError{errors.New("hook install --gate: you have no configuration file. This hook reads a file alone and no environment variables; write one (docs/gateway.md) with producer.gateway, and name it with --config if it is not in its usual place")}
	case c.Producer.Gateway == "":
		return "", usageError{fmt.Errorf("hook install --gate: producer.gateway is not set in %s, the only file that this hook reads", c.File())}
	}
	return filepath.Abs(c.File())
}

// gateProgram returns how the hook is started: as the small program beside this one, or else as this
// one.
func gateProgram() ([]string, error) {
	if small, err := noting.Sibling(guarding.Small); err == nil {
		return []string{small}, nil
	} else if !errors.Is(err, exec.ErrNotFound) && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	self, err := os.Executable()
	return []string{self, "hook", "gate"}, err
}
