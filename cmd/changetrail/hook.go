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
	now := time.Now()
	in, err := log.Append(kind, bytes.TrimSpace(input), now)
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

func (a *app) flushHooks() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "flush",
		Short: "Send what hooks have noted",
		Long: `Sends what hooks have noted and is not sent yet, to the gateway (producer.gateway)
or to Kafka. It runs by itself when an agent stops; sending again what was sent is
harmless.`,
		Example: "  changetrail hook flush --gateway https://changetrail.acme.example",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.settings(cmd)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			log := s.hookLog()
			sent, kept, err := s.flush(ctx, log)
			if err != nil {
				log.Complain(time.Now(), err) // nobody reads what a process behind prints
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d events were sent", sent)
			if kept > 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "; %d sessions stay in %s: no git remote says which repository they are about", kept, log.Dir)
			}
			fmt.Fprintln(cmd.OutOrStdout())
			return nil
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long to try")
	a.producerFlags(cmd)
	return cmd
}

// flush sends what is noted of all sessions. kept is how many cannot be sent, since
// nothing says which repository they are about.
func (s *Settings) flush(ctx context.Context, log hook.Log) (sent, kept int, err error) {
	unlock, ok, err := log.Lock()
	if err != nil || !ok {
		return 0, 0, err // another one sends
	}
	defer unlock()
	names, err := log.Sessions()
	if err != nil {
		return 0, 0, err
	}
	transport, err := s.transport(producer.Structured)
	if err != nil {
		return 0, 0, err
	}
	redactor, err := s.redactor(signing.Keys{})
	if err != nil {
		return 0, 0, err
	}
	p, err := producer.New(transport, producer.Options{Source: s.Producer.Source, Redactor: redactor})
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = p.Close(ctx) }() // there is no spool
	var errs []error
	for _, name := range names {
		n, located, err := s.flushSession(ctx, p, log, name)
		sent += n
		if !located {
			kept++
		}
		errs = append(errs, err)
	}
	return sent, kept, errors.Join(append(errs, s.handInSeals(ctx, log))...)
}

func (s *Settings) flushSession(ctx context.Context, p *producer.Producer, log hook.Log, name string) (sent int, located bool, err error) {
	session, err := log.Read(name)
	if err != nil || len(session.Lines) == 0 {
		return 0, true, err
	}
	calls, err := hook.Convert(session, s.hookOptions(session))
	if err != nil {
		return 0, true, err
	}
	var events []event.Event
	for _, c := range calls {
		if _, known := c.Event.Extensions()["partitionkey"]; !known {
			return 0, false, nil // all of them, or none: one remote in the session is enough
		}
		if c.Line >= session.Sent {
			events = append(events, c.Event)
		}
	}
	for chunk := range slices.Chunk(events, 50) {
		if err := p.Publish(ctx, chunk...); err != nil {
			return sent, true, err
		}
		sent += len(chunk)
	}
	last := session.Lines[len(session.Lines)-1]
	over := bytes.Contains(last.Hook, []byte(`"SessionEnd"`)) || time.Since(last.At) > 30*24*time.Hour
	if len(session.Lines) == session.Sent && !over {
		return sent, true, nil
	}
	return sent, true, log.Done(name, len(session.Lines), over)
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

// handInSeals puts what commits state the digest of where it is found by that.
func (s *Settings) handInSeals(ctx context.Context, log hook.Log) error {
	var files producer.Blobs
	switch {
	case s.Producer.Gateway != "":
		token, err := secret("producer.token", s.Producer.Token, s.Producer.TokenFile)
		if err != nil {
			return err
		}
		files = producer.HTTPBlobs(producer.HTTPConfig{URL: s.Producer.Gateway, Token: token})
	case s.Blobs != "":
		store, err := s.blobStore(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = store.Close() }()
		files = store
	default:
		return nil // they stay where they are
	}
	return log.Sealed(func(content []byte) error {
		_, err := files.Put(ctx, content)
		return err
	})
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
			if err := s.sumUp(log, &c); err != nil {
				log.Complain(time.Now(), err) // the trailers are better than nothing
			}
			comment := "#"
			if name == "prepare-commit-msg" && len(args) > 1 && args[1] == "message" {
				comment = "" // no editor: a # is the author's
			}
			return c.Write(args[0], comment)
		},
	}
}

// sumUp says of a commit what the log of its run tells since the last one, and seals
// the log.
func (s *Settings) sumUp(log hook.Log, c *hook.Commit) error {
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
	calls, err := hook.Convert(session, s.hookOptions(session))
	if err != nil {
		return err
	}
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
		if err := producer.Redact(&call.Event, redactor); err != nil {
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
