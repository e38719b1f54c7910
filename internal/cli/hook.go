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
	"github.com/changetrail/changetrail/internal/noting"
	"github.com/changetrail/changetrail/internal/printable"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/producer"
)

func (a *app) hook() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hook",
		Short: "Hooks for Claude Code, Codex and git",
		Long: `What a coding agent does on a developer's machine, from its own hooks. They note
what happens in a file and say nothing; when the agent stops, it is sent. What goes
wrong is written to errors.log beside that file, since what a hook prints steers the
agent. Hooks of git write into a commit of an agent which run made it, and what was
seen, done and validated.

changetrail hook install sets them.`,
	}
	return group(cmd, a.agentHook(hook.ClaudeCode, "Claude Code"), a.agentHook(hook.Codex, "Codex"), a.flushHooks(), a.steerHook(), a.commitHook("prepare-commit-msg"), a.commitHook("commit-msg"), a.installHooks())
}

func (a *app) agentHook(kind, name string) *cobra.Command {
	return &cobra.Command{
		Use:   kind,
		Short: "Take a hook of " + name + " on standard input",
		Long: `Takes a hook of ` + name + ` on standard input. changetrail-hook ` + kind + ` does the same
in a small program, which takes less of the agent's time.`,
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
			call.Take(cmd.Context())
			return nil
		},
	}
}

// steerHook is what changetrail-hook asks: it knows no policy.
func (a *app) steerHook() *cobra.Command {
	return &cobra.Command{
		Use:       "steer claude-code|codex",
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

// steer returns what the policy says of a call, in words for its agent.
func (s *Settings) steer(in *notes.Input, kind string) ([]byte, error) {
	p, err := readPolicy(s.Enricher.Policy)
	if err != nil {
		return nil, err
	}
	agent := cmp.Or(s.Hook.Agent, kind) // never what a work tree says: it would choose the rules
	return hook.Steering{Policy: p, Forbidden: s.Hook.Forbidden, Approval: s.Hook.Approval}.Steer(kind, in, notes.Look(in.Cwd), agent), nil
}

// hookOptions are what is said of a session: what was said when it began, else what the
// person says now.
func (s *Settings) hookOptions(ctx context.Context, log notes.Log, session *notes.Session) hook.Options {
	return hook.Options{
		Agent: cmp.Or(session.Begun.Agent, s.Hook.Agent), LogsURL: cmp.Or(session.Begun.LogsURL, s.Hook.LogsURL),
		DelegatedBy: cmp.Or(s.Hook.DelegatedBy, mailOf(ctx, log.Dir)),
	}
}

// mailOf is the address of the person at this machine, as they told git for all projects;
// what one project says of them is the word of who wrote it. dir is a folder outside of
// any project.
func mailOf(ctx context.Context, dir string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", "config", "--global", "--includes", "user.email")
	cmd.Dir = dir
	cmd.Env = slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "GIT_DIR=") || strings.HasPrefix(e, "GIT_WORK_TREE=") || strings.HasPrefix(e, "GIT_COMMON_DIR=")
	})
	out, err := cmd.Output()
	if err != nil {
		return "" // nobody is named
	}
	return printable.Line(string(out))
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
			text, err := hook.ReadMessage(args[0])
			if err != nil || c.Names(string(text)) {
				return err // it is said already, as where both hooks are set
			}
			log, err := noting.Log(&s.Config)
			if err != nil {
				return err
			}
			if err := s.sumUp(cmd.Context(), log, &c); err != nil {
				log.Complain(time.Now(), err) // the trailers are better than nothing
			}
			return c.Write(args[0], os.Getenv("GIT_EDITOR") != ":") // so git tells its hooks that no editor opens
		},
	}
}

// sumUp says of a commit what the log of its run tells since the last one, and seals
// the log.
func (s *Settings) sumUp(ctx context.Context, log notes.Log, c *hook.Commit) error {
	c.Agent = cmp.Or(log.Begun.Agent, c.Agent)
	c.LogsURL = cmp.Or(c.LogsURL, strings.ReplaceAll(log.Begun.LogsURL, "{session}", c.Run))
	session, err := log.Read(notes.Name(c.Run))
	if errors.Is(err, os.ErrNotExist) {
		return nil // the hooks of the agent are not set
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
	var user, remove bool
	cmd := &cobra.Command{
		Use:   "install [claude-code|codex|git]…",
		Short: "Set the hooks of agents and of git in this project",
		Long: `Sets the hooks in the project at hand: .claude/settings.json, .codex/hooks.json and
git's own; with --user in the settings of the person, for all projects. What is set
there already stays as it is written. Nothing is written through a symbolic link.
Without names, all three are set. The program must be in the PATH of the agent. Where
changetrail-hook lies beside this program and is in the PATH, agents call that: it starts
in less time.`,
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
	base, name, err := placeOf(cmd.Context(), what, user)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(base)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // it was read or is written already
	var written []string
	if what == "git" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		if written, err = hook.InstallGit(root, name, self, remove); err != nil {
			return err
		}
	} else {
		mode := os.FileMode(0o644) // it is part of the project
		if user {
			mode = files.PrivateFile
		}
		changed, err := hook.Hooks{Kind: what, Small: noting.SmallInPath()}.Install(root, name, mode, remove)
		if err != nil {
			return err
		}
		if changed {
			written = []string{filepath.Join(base, name)}
		}
	}
	for _, f := range written {
		fmt.Fprintf(out, "%s %s\n", verb(remove), f)
	}
	if len(written) == 0 {
		fmt.Fprintf(out, "%s is as it should be\n", filepath.Join(base, name))
	} else if what == hook.Codex && !remove {
		fmt.Fprintln(out, "Codex runs them once you trust them: type /hooks in it")
	}
	return nil
}

// placeOf is where hooks are set: a folder that is the project's or the person's, and the
// name of a file or a folder below it.
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
		return "took the hooks out of"
	}
	return "set the hooks in"
}

// gitHookFolder is where git looks for the hooks of this work tree, or of the person's.
func gitHookFolder(ctx context.Context, user bool) (base, name string, err error) {
	if user {
		folder, err := gitSays(ctx, "", "config", "--global", "--type=path", "core.hooksPath")
		if err != nil || !filepath.IsAbs(folder) {
			return "", "", misuse{errors.New("git has no folder of hooks for all projects; git config --global core.hooksPath ~/.config/git/hooks sets one")}
		}
		return filepath.Dir(folder), filepath.Base(folder), os.MkdirAll(filepath.Dir(folder), files.PrivateFolder)
	}
	top, err := gitSays(ctx, "", "rev-parse", "--show-toplevel")
	if err != nil {
		return "", "", fmt.Errorf("this is no work tree of git: %w", err)
	}
	common, err1 := gitSays(ctx, top, "rev-parse", "--git-common-dir")
	folder, err2 := gitSays(ctx, top, "rev-parse", "--git-path", "hooks")
	if err := errors.Join(err1, err2); err != nil {
		return "", "", err
	}
	for _, base := range []string{inside(top, common), top} {
		if name, err := filepath.Rel(base, inside(top, folder)); err == nil && filepath.IsLocal(name) {
			return base, name, nil
		}
	}
	return "", "", misuse{fmt.Errorf("git looks for the hooks of this repository in %s, which lies outside of it (core.hooksPath), and nothing is written there for the sake of one repository; if it is yours, for all projects, use --user", folder)}
}

func inside(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func gitSays(ctx context.Context, dir string, args ...string) (string, error) {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Stderr = dir, &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, bytes.TrimSpace(said.Bytes()))
	}
	return strings.TrimSpace(string(out)), nil
}
