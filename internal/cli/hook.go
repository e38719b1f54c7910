package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/agents/hook"
	"github.com/changetrail/changetrail/agents/notes"
	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/files"
	"github.com/changetrail/changetrail/internal/guarding"
	"github.com/changetrail/changetrail/internal/noting"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/producer"
)

func (a *app) hook() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hook",
		Short: "Hooks for Claude Code, Codex and git",
		Long: `Records what a coding agent does on a developer's machine, through the agent's own
hooks. The hooks record each step in a file and print nothing; when the agent stops, the
recorded steps are sent. Errors are written to errors.log beside that file, because an
agent reads what a hook prints. Git hooks add to the message of an agent's commit which
run made it, and what the agent saw, did and validated.

changetrail hook install installs them.`,
	}
	return group(cmd, a.agentHook(hook.ClaudeCode, "Claude Code"), a.agentHook(hook.Codex, "Codex"), a.flushHooks(), a.steerHook(), a.gateHook(), a.commitHook("prepare-commit-msg"), a.commitHook("commit-msg"), a.installHooks())
}

func (a *app) agentHook(kind, name string) *cobra.Command {
	return &cobra.Command{
		Use:   kind,
		Short: "Handle a hook of " + name + " on standard input",
		Long: `Handles a hook of ` + name + ` on standard input. changetrail-hook ` + kind + ` does the same
in a small program that starts faster.`,
		Example: "  changetrail hook install " + kind,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.settings(cmd)
			if err != nil {
				s = Settings{Config: config.Defaults()}
			}
			call := noting.Call{
				Kind: kind, Settings: &s.Config, Wrong: err, File: a.file, Program: os.Executable,
				In: cmd.InOrStdin(), Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr(),
				Steer: func(_ context.Context, in *notes.Input, _ []byte) ([]byte, error) { return s.steer(in, kind) },
			}
			call.Record(cmd.Context())
			return nil
		},
	}
}

// steerHook answers changetrail-hook, which cannot read policies.
func (a *app) steerHook() *cobra.Command {
	return &cobra.Command{
		Use:       "steer claude-code|codex",
		Short:     "Answer a tool call by the policy, for changetrail-hook",
		Example:   "  changetrail hook steer claude-code < call.json",
		Hidden:    true,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{hook.ClaudeCode, hook.Codex},
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.settings(cmd)
			if err != nil {
				return err
			}
			input, err := io.ReadAll(cmd.InOrStdin()) // changetrail-hook has bounded it
			if err != nil {
				return err
			}
			in, err := notes.ReadInput(input)
			if err != nil {
				return err
			}
			out, err := s.steer(in, args[0])
			if err == nil && len(out) > 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "%s\n", out)
			}
			return err
		},
	}
}

// steer returns what the policy says about a call, as text for the agent.
func (s *Settings) steer(in *notes.Input, kind string) ([]byte, error) {
	p, err := readPolicy(s.Enricher.Policy)
	if err != nil {
		return nil, err
	}
	agent := cmp.Or(s.Hook.Agent, kind) // never the agent that a work tree names: it would choose the rules
	return hook.Steering{Policy: p, Forbidden: s.Hook.Forbidden, Approval: s.Hook.Approval}.Steer(kind, in, notes.Look(in.Cwd), agent), nil
}

// hookOptions returns what is known about a session: what the settings said when it began, else
// what they say now.
func (s *Settings) hookOptions(ctx context.Context, log notes.Log, session *notes.Session) hook.Options {
	return hook.Options{
		Agent: cmp.Or(session.Begun.Agent, s.Hook.Agent), LogsURL: cmp.Or(session.Begun.LogsURL, s.Hook.LogsURL),
		DelegatedBy: cmp.Or(s.Hook.DelegatedBy, notes.Mail(ctx, log.Dir)),
	}
}

func (a *app) commitHook(name string) *cobra.Command {
	return &cobra.Command{
		Use:   name + " FILE [SOURCE [COMMIT]]",
		Short: "Write into the message of an agent's commit which run made it",
		Long: `Called by git. If an agent commits, the message gets a paragraph that says what was
seen, done and validated, and the trailers Assisted-by, Agent-Execution, Agent-Logs-Url
and Agent-Log. The message of a person is not changed.`,
		Example: "  changetrail hook install git",
		Args:    cobra.RangeArgs(1, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, ok := hook.RunIn(os.Getenv)
			if !ok {
				return nil
			}
			s, err := a.settings(cmd)
			if err != nil {
				return err
			}
			text, err := hook.ReadMessage(args[0])
			if err != nil || c.Names(string(text)) {
				return err // the message has it already, for example if both hooks are set
			}
			log, err := noting.Log(&s.Config)
			if err != nil {
				return err
			}
			if err := s.sumUp(cmd.Context(), log, &c); err != nil {
				log.Complain(time.Now(), err) // the trailers are better than nothing
			}
			return c.Write(args[0], os.Getenv("GIT_EDITOR") != ":") // git sets ":" if no editor opens
		},
	}
}

// sumUp adds to a commit what the log of its run recorded since the last commit, and seals the
// log.
func (s *Settings) sumUp(ctx context.Context, log notes.Log, c *hook.Commit) error {
	c.Agent = cmp.Or(log.Begun.Agent, c.Agent)
	c.LogsURL = cmp.Or(c.LogsURL, strings.ReplaceAll(log.Begun.LogsURL, "{session}", c.Run))
	session, err := log.Read(notes.Name(c.Run))
	if errors.Is(err, os.ErrNotExist) {
		return nil // the agent's hooks are not installed
	}
	if err != nil {
		return err
	}
	calls := hook.Convert(session, s.hookOptions(ctx, log, session))
	redactor, err := s.redactor(signing.Keys{})
	if err != nil {
		return err
	}
	from := 0
	if n := len(session.Seals); n > 0 {
		from = session.Seals[n-1].Lines
	}
	var content bytes.Buffer
	var fresh []event.Event
	for _, call := range calls {
		if err := producer.Redact(ctx, &call.Event, redactor); err != nil {
			return err
		}
		line, err := call.Event.MarshalJSON()
		if err != nil {
			return err
		}
		content.Write(append(line, '\n'))
		if call.Line >= from {
			fresh = append(fresh, call.Event)
		}
	}
	c.Sum(fresh)
	c.LogDigest, err = log.Seal(session.ID, len(session.Lines), content.Bytes())
	return err
}

func (a *app) installHooks() *cobra.Command {
	var user, remove, gate bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "install [claude-code|codex|git]…",
		Short: "Install the hooks of agents and of git in this project",
		Long: `Installs the hooks in the current project: in .claude/settings.json, in
.codex/hooks.json and in git's hooks; with --user in the user's settings, for all
projects. Other hooks there are not changed. Nothing is written through a symbolic link.
Without names, all three are installed. The program must be in the PATH of the agent. If
changetrail-hook is in the folder of this program and in the PATH, agents call it
instead, because it starts faster.

With --gate it installs, in the user's settings alone, the hook that asks the gate before
a tool runs that writes, pushes, deploys or spends (docs/gate.md). The hook waits up to
--wait for an approval that is missing.`,
		Example:   "  changetrail hook install\n  changetrail hook install claude-code --user\n  changetrail hook install --gate --wait 10m\n  changetrail hook install --remove",
		ValidArgs: []string{hook.ClaudeCode, hook.Codex, "git"},
		Args:      cobra.OnlyValidArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case !gate && wait != 0:
				return usageError{errors.New("--wait is for --gate")}
			case gate && slices.Contains(args, "git"):
				return usageError{errors.New("--gate is for claude-code and codex: git has no hook before a tool runs")}
			}
			if err := guarding.CheckWait(wait); err != nil {
				return usageError{err}
			}
			if len(args) == 0 {
				args = []string{hook.ClaudeCode, hook.Codex, "git"}
			}
			for _, what := range args {
				var err error
				switch {
				case !gate:
					err = installHook(cmd, what, user, remove)
				case what != "git":
					err = a.installGate(cmd, what, wait, remove)
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&user, "user", false, "install in the user's settings, for all projects")
	cmd.Flags().BoolVar(&remove, "remove", false, "remove the hooks")
	cmd.Flags().BoolVar(&gate, "gate", false, "install the hook that asks the gate, in the user's settings")
	cmd.Flags().DurationVar(&wait, "wait", 0, "with --gate: how long the hook waits for an approval")
	return cmd
}

func installHook(cmd *cobra.Command, what string, user, remove bool) error {
	base, name, err := placeOf(cmd.Context(), what, user)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(base)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // nothing is left to write
	if what == "git" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		written, err := hook.InstallGit(root, name, self, remove)
		for _, f := range written {
			reportInstall(cmd.OutOrStdout(), what, installed{f, true, remove})
		}
		if err == nil && len(written) == 0 {
			reportInstall(cmd.OutOrStdout(), what, installed{filepath.Join(base, name), false, remove})
		}
		return err
	}
	mode := os.FileMode(0o644) // it is part of the project
	if user {
		mode = files.PrivateFile
	}
	changed, err := hook.Hooks{Kind: what, Small: noting.SmallInPath()}.Install(root, name, mode, remove)
	if err != nil {
		return err
	}
	reportInstall(cmd.OutOrStdout(), what, installed{filepath.Join(base, name), changed, remove})
	return nil
}

// installed is what became of the hooks in one place.
type installed struct {
	place           string
	changed, remove bool
}

func reportInstall(out io.Writer, what string, i installed) {
	if !i.changed {
		fmt.Fprintf(out, "%s needs no change\n", i.place)
		return
	}
	fmt.Fprintf(out, "%s %s\n", verb(i.remove), i.place)
	if what == hook.Codex && !i.remove {
		fmt.Fprintln(out, "Codex runs them once you trust them: type /hooks in it")
	}
}

// settingsFiles are the files in which agents find their hooks, in a project or a person's folder.
var settingsFiles = map[string]string{hook.ClaudeCode: filepath.Join(".claude", "settings.json"), hook.Codex: filepath.Join(".codex", "hooks.json")}

// placeOf returns where hooks are installed: the folder of the project or the person, and the
// name of a file or folder in it.
func placeOf(ctx context.Context, what string, user bool) (base, name string, err error) {
	if what == "git" {
		return gitHookFolder(ctx, user)
	}
	base, name = ".", map[string]string{hook.ClaudeCode: filepath.Join(".claude", "settings.json"), hook.Codex: filepath.Join(".codex", "hooks.json")}[what]
	if user {
		base, err = os.UserHomeDir()
	}
	return base, name, err
}

func verb(remove bool) string {
	if remove {
		return "removed the hooks from"
	}
	return "installed the hooks in"
}

// gitHookFolder returns where git looks for the hooks of this work tree or of the person.
func gitHookFolder(ctx context.Context, user bool) (base, name string, err error) {
	if user {
		folder, err := gitOutput(ctx, "", "config", "--global", "--type=path", "core.hooksPath")
		if err != nil || !filepath.IsAbs(folder) {
			return "", "", usageError{errors.New("git has no hooks folder for all projects; set one with git config --global core.hooksPath ~/.config/git/hooks")}
		}
		return filepath.Dir(folder), filepath.Base(folder), os.MkdirAll(filepath.Dir(folder), files.PrivateFolder)
	}
	top, err := gitOutput(ctx, "", "rev-parse", "--show-toplevel")
	if err != nil {
		return "", "", fmt.Errorf("this folder is not in a git work tree: %w", err)
	}
	common, err1 := gitOutput(ctx, top, "rev-parse", "--git-common-dir")
	folder, err2 := gitOutput(ctx, top, "rev-parse", "--git-path", "hooks")
	if err := errors.Join(err1, err2); err != nil {
		return "", "", err
	}
	for _, base := range []string{inside(top, common), top} {
		if name, err := filepath.Rel(base, inside(top, folder)); err == nil && filepath.IsLocal(name) {
			return base, name, nil
		}
	}
	return "", "", usageError{fmt.Errorf("git looks for the hooks of this repository in %s (core.hooksPath), which is outside the repository, so nothing is written there; if that is your folder for all projects, use --user", folder)}
}

func inside(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func gitOutput(ctx context.Context, dir string, args ...string) (string, error) {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Stderr = dir, &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, bytes.TrimSpace(said.Bytes()))
	}
	return strings.TrimSpace(string(out)), nil
}
