package main

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

	"github.com/changetrail/changetrail/intake/hook"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/secrets"
)

func (a *app) hook() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hook",
		Short: "Hooks for Claude Code, Codex and git",
		Long: `What a coding agent does on a developer's machine, from its own hooks. They note
what happens in a file and say nothing; when the agent stops, it is sent. What goes
wrong stands in errors.log beside that file, since what a hook prints steers the
agent. Hooks of git write into a commit of an agent which run made it, and what was
seen, done and validated.

changetrail hook install sets them.`,
	}
	cmd.AddCommand(a.agentHook(hook.ClaudeCode, "Claude Code"), a.agentHook(hook.Codex, "Codex"), a.flushHooks(), a.commitHook("prepare-commit-msg"), a.commitHook("commit-msg"), a.installHooks())
	return cmd
}

// hookLog is the folder in which sessions are kept.
func (s *Settings) hookLog() hook.Log {
	dir := s.Hook.Dir
	if dir == "" {
		state := os.Getenv("XDG_STATE_HOME")
		if home, err := os.UserHomeDir(); state == "" && err == nil {
			state = filepath.Join(home, ".local", "state")
		}
		dir = filepath.Join(state, "changetrail", "hooks")
	}
	return hook.Log{Dir: dir}
}

func (a *app) agentHook(kind, name string) *cobra.Command {
	return &cobra.Command{
		Use:     kind,
		Short:   "Take a hook of " + name + " on standard input",
		Example: "  changetrail hook install " + kind,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.settings(cmd)
			if err != nil {
				s = defaults()
			}
			log := s.hookLog()
			if err := errors.Join(err, a.takeHook(cmd, &s, log, kind)); err != nil {
				log.Complain(time.Now(), err) // and nothing else: it is not the agent's fault
			}
			return nil
		},
	}
}

func (a *app) takeHook(cmd *cobra.Command, s *Settings, log hook.Log, kind string) error {
	input, err := io.ReadAll(cmd.InOrStdin())
	if err != nil {
		return err
	}
	if log.Redact, err = s.redactLog(); err != nil {
		return err
	}
	in, err := log.Append(cmd.Context(), kind, bytes.TrimSpace(input), time.Now())
	if err != nil {
		return err
	}
	switch in.Event {
	case "PreToolUse":
		return s.steer(cmd, in, kind)
	case "Stop", "SessionEnd":
		return a.flushBehind()
	}
	return nil
}

// redactLog takes secrets out of what hooks note; nil where everything is to be kept.
// Files and commands are needed to tell what was done, so that they are noted in the
// mode metadata-only, too, and left out when it is sent.
func (s *Settings) redactLog() (func(context.Context, []byte) ([]byte, error), error) {
	if s.Content == string(secrets.Full) {
		return nil, nil
	}
	key, err := s.redactionKey(signing.Keys{})
	if err != nil {
		return nil, err
	}
	r, err := secrets.New(secrets.Redacted, key)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, hook []byte) ([]byte, error) {
		out, _, err := r.JSON(ctx, hook, nil)
		return out, err
	}, nil
}

// steer tells the agent what the policy says, where the settings ask for that.
func (s *Settings) steer(cmd *cobra.Command, in *hook.Input, kind string) error {
	if !slices.Contains([]string{hook.Ask, hook.Deny}, s.Hook.Forbidden) && !slices.Contains([]string{hook.Ask, hook.Deny}, s.Hook.Approval) {
		return nil
	}
	p, err := readPolicy(s.Enricher.Policy)
	if err != nil {
		return err
	}
	agent := cmp.Or(s.Hook.Agent, kind)
	out := hook.Steering{Policy: p, Forbidden: s.Hook.Forbidden, Approval: s.Hook.Approval}.Steer(kind, in, hook.Look(in.Cwd), agent)
	if len(out) > 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "%s\n", out)
	}
	return nil
}

// flushBehind starts a process that sends what is noted, and does not wait for it.
func (a *app) flushBehind() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"hook", "flush"}
	if a.file != "" {
		args = append(args, "--config", a.file)
	}
	cmd := exec.Command(self, args...)
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release()
}

func (s *Settings) hookOptions(session *hook.Session) hook.Options {
	o := hook.Options{Agent: s.Hook.Agent, LogsURL: s.Hook.LogsURL, DelegatedBy: s.Hook.DelegatedBy}
	if o.DelegatedBy == "" && len(session.Lines) > 0 {
		cmd := exec.Command("git", "config", "user.email")
		cmd.Dir = session.Lines[0].Git.Root
		if out, err := cmd.Output(); err == nil { // else nobody is named
			o.DelegatedBy = strings.TrimSpace(string(out))
		}
	}
	return o
}

func (a *app) commitHook(name string) *cobra.Command {
	return &cobra.Command{
		Use:   name + " FILE [SOURCE [COMMIT]]",
		Short: "Write into the message of an agent's commit which run made it",
		Long: `Called by git. Where an agent commits, the message gets a paragraph that says what
was seen, done and validated, and the trailers Assisted-by, Agent-Execution,
Agent-Logs-Url and Agent-Log. The message of a person is left as it is.`,
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
			text, err := os.ReadFile(args[0])
			if err != nil || c.Names(string(text)) {
				return err // it is said already, as where both hooks are set
			}
			log := s.hookLog()
			if err := s.sumUp(cmd.Context(), log, &c); err != nil {
				log.Complain(time.Now(), err) // the trailers are better than nothing
			}
			return c.Write(args[0], os.Getenv("GIT_EDITOR") != ":") // so git tells its hooks that no editor opens
		},
	}
}

// sumUp says of a commit what the log of its run tells since the last one, and seals
// the log.
func (s *Settings) sumUp(ctx context.Context, log hook.Log, c *hook.Commit) error {
	if s.Hook.Agent != "" {
		c.Agent = s.Hook.Agent
	}
	if c.LogsURL == "" {
		c.LogsURL = strings.ReplaceAll(s.Hook.LogsURL, "{session}", c.Run)
	}
	session, err := log.Read(c.Run)
	if errors.Is(err, os.ErrNotExist) {
		return nil // the hooks of the agent are not set
	}
	if err != nil {
		return err
	}
	calls := hook.Convert(session, s.hookOptions(session))
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
	c.LogDigest, err = log.Seal(c.Run, len(session.Lines), content.Bytes())
	return err
}

func (a *app) installHooks() *cobra.Command {
	var user, remove bool
	cmd := &cobra.Command{
		Use:   "install [claude-code|codex|git]…",
		Short: "Set the hooks of agents and of git in this project",
		Long: `Sets the hooks in the project at hand: .claude/settings.json, .codex/hooks.json and
git's own; with --user in the settings of the person, for all projects. What is set
there already stays. Without names, all three are set. The program must be in the PATH
of the agent.`,
		Example:   "  changetrail hook install\n  changetrail hook install claude-code --user\n  changetrail hook install --remove",
		ValidArgs: []string{hook.ClaudeCode, hook.Codex, "git"},
		Args:      cobra.OnlyValidArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{hook.ClaudeCode, hook.Codex, "git"}
			}
			for _, what := range args {
				if err := installHook(cmd, what, user, remove); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&user, "user", false, "in the settings of the person, for all projects")
	cmd.Flags().BoolVar(&remove, "remove", false, "take them out again")
	return cmd
}

func installHook(cmd *cobra.Command, what string, user, remove bool) error {
	out := cmd.OutOrStdout()
	if what == "git" {
		folder, err := gitHookFolder(user)
		if err != nil {
			return err
		}
		self, err := os.Executable()
		if err != nil {
			return err
		}
		files, err := hook.InstallGit(folder, self, remove)
		if err != nil {
			return err
		}
		for _, f := range files {
			fmt.Fprintf(out, "%s %s\n", verb(remove), f)
		}
		if len(files) == 0 {
			fmt.Fprintf(out, "%s is as it should be\n", folder)
		}
		return nil
	}
	file := map[string]string{hook.ClaudeCode: filepath.Join(".claude", "settings.json"), hook.Codex: filepath.Join(".codex", "hooks.json")}[what]
	if user {
		home, err := os.UserHomeDir()
		if err != nil {
			return err
		}
		file = filepath.Join(home, file)
	}
	changed, err := hook.InstallAgent(what, file, "changetrail hook "+what, remove)
	switch {
	case err != nil:
		return err
	case changed:
		fmt.Fprintf(out, "%s %s\n", verb(remove), file)
		if what == hook.Codex && !remove {
			fmt.Fprintln(out, "Codex runs them once you trust them: type /hooks in it")
		}
	default:
		fmt.Fprintf(out, "%s is as it should be\n", file)
	}
	return nil
}

func verb(remove bool) string {
	if remove {
		return "took the hooks out of"
	}
	return "set the hooks in"
}

// gitHookFolder is where git looks for the hooks of this work tree, or of the
// person's.
func gitHookFolder(user bool) (string, error) {
	if user {
		out, err := exec.Command("git", "config", "--global", "core.hooksPath").Output()
		folder := strings.TrimSpace(string(out))
		if err != nil || folder == "" {
			return "", misuse{errors.New("git has no folder of hooks for all projects; git config --global core.hooksPath ~/.config/git/hooks sets one")}
		}
		return folder, nil
	}
	out, err := exec.Command("git", "rev-parse", "--git-path", "hooks").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("this is no work tree of git: %s", strings.TrimSpace(string(out)))
	}
	return strings.TrimSpace(string(out)), nil
}
