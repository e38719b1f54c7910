package guarding

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/agents"
	"github.com/changetrail/changetrail/agents/notes"
	"github.com/changetrail/changetrail/gate/ask"
	"github.com/changetrail/changetrail/internal/budget"
	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/printable"
)

// A Call is one call of the hook.
type Call struct {
	Kind string        // of the agent
	File string        // the configuration file; the person's own if it is empty
	Wait time.Duration // for an approval that is missing

	Environ  []string
	In       io.Reader
	Out, Err io.Writer
}

// Blocked is the exit code by which Claude Code and Codex do not run a tool. Any other one but 0
// would let it run.
const Blocked = 2

// Run answers on standard output, in the form that Claude Code and Codex read: nothing if the tool
// may run, so that the agent's own permissions still apply. It returns an exit code.
func (c *Call) Run(ctx context.Context) int {
	reason, err := c.reason(ctx)
	if err != nil {
		reason = fmt.Sprintf("the gate did not allow this call, so the tool does not run: %v. Tell the person for whom you work", err)
	}
	if reason == "" {
		return 0
	}
	reason = "changetrail: " + printable.Beginning([]byte(printable.OneLine(reason)), maxReason)
	out, err := json.Marshal(map[string]any{"hookSpecificOutput": map[string]string{
		"hookEventName": before, "permissionDecision": "deny", "permissionDecisionReason": reason,
	}}, json.Deterministic(true))
	if err == nil {
		_, err = fmt.Fprintf(c.Out, "%s\n", out)
	}
	if err != nil {
		fmt.Fprintln(c.Err, reason)
		return Blocked
	}
	return 0
}

// before is the only event about which the hook answers.
const before = "PreToolUse"

const (
	maxInput  = 64 << 20 // bytes of a call
	maxReason = 4096     // bytes of a reason
	maxPaths  = 1000
	maxPath   = 1024 // bytes
)

// patience is how long the gate may take besides waiting.
const patience = 20 * time.Second

// reason returns why a tool may not run, or "" if it may.
func (c *Call) reason(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Wait+patience)
	defer cancel()
	input, err := budget.ReadAll(c.In, maxInput, func(int64) error { return nil })
	if err != nil {
		return "", fmt.Errorf("the call cannot be read: %w", err)
	}
	in, err := notes.ReadInput(bytes.TrimSpace(input))
	if err != nil {
		return "", err
	}
	if in.Event != before {
		return "", nil
	}
	git := notes.Look(in.Cwd)
	use := agents.Use{Tool: in.Tool, Input: in.Input, AtRoot: git.Root != "" && filepath.Clean(in.Cwd) == git.Root}
	if agents.EffectOf(use).Does == agents.Reads {
		return "", nil
	}
	conf, token, err := c.settings()
	if err != nil {
		return "", err
	}
	use.Harmless = conf.Hook.Harmless
	effect := agents.EffectOf(use)
	if effect.Does == agents.Reads {
		return "", nil
	}
	answer, err := ask.Client{Gateway: conf.Producer.Gateway, Token: token}.Ask(ctx, c.action(ctx, in, git, effect, conf), c.Wait)
	if err != nil || answer.Allowed {
		return "", err
	}
	return denial(answer), nil
}

// settings returns the person's settings. They come from a file alone: a project can set variables
// in the environment of its agent.
func (c *Call) settings() (conf config.Config, token string, err error) {
	environ := slices.DeleteFunc(slices.Clone(c.Environ), func(e string) bool { return strings.HasPrefix(e, "CHANGETRAIL_") })
	conf, err = config.Source{File: c.File, Environ: environ}.Load()
	if err == nil {
		err = errors.Join(conf.Validate(), conf.CheckSecrets())
	}
	if err == nil && conf.Producer.Gateway == "" {
		err = errors.New("configuration: producer.gateway is not set; set it in your own configuration file, the only one that this hook reads")
	}
	if err != nil {
		return conf, "", err
	}
	token, err = conf.Secret("producer.token")
	return conf, token, err
}

// action returns what the gate is asked.
func (c *Call) action(ctx context.Context, in *notes.Input, git notes.Git, effect agents.Effect, conf config.Config) ask.Action {
	a := ask.Action{
		Agent: conf.Hook.Agent, Product: c.Kind, Repository: git.Repository, Tool: in.Tool, Does: effect.Does, More: effect.More, Run: in.Session,
		AskedBy: cmp.Or(conf.Hook.DelegatedBy, notes.Mail(ctx, os.TempDir())),
	}
	for _, name := range effect.Files {
		for _, path := range places(name, in.Cwd, git.Root) {
			switch {
			case slices.Contains(a.Paths, path):
			case len(a.Paths) == maxPaths, len(path) > maxPath:
				a.More = true
			default:
				a.Paths = append(a.Paths, path)
			}
		}
	}
	return a
}

// places returns where a file is: relative to the work tree at root if it is in it. A name that leads
// through a link has two places.
func places(name, cwd, root string) []string {
	if !filepath.IsAbs(name) {
		name = filepath.Join(cwd, name)
	}
	out := []string{within(root, filepath.Clean(name))}
	if real := within(resolved(root), resolved(name)); real != out[0] {
		out = append(out, real)
	}
	return out
}

func within(root, path string) string {
	if rel, err := filepath.Rel(root, path); root != "" && err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		path = rel
	}
	return filepath.ToSlash(path)
}

// resolved follows the links in a path, as far as it exists.
func resolved(path string) string {
	rest := ""
	for at := filepath.Clean(path); ; at = filepath.Dir(at) {
		if real, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(real, rest)
		}
		if at == filepath.Dir(at) {
			return filepath.Clean(path)
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}

// denial says to an agent why a tool may not run, and what to do.
func denial(a ask.Answer) string {
	var b strings.Builder
	b.WriteString(strings.Join(a.Reasons, " "))
	if a.Warning != "" {
		b.WriteString(" " + a.Warning)
	}
	switch {
	case a.Refused:
		b.WriteString(" Do not try it again.")
	case a.Request == "":
		b.WriteString(" Do not do it. Tell the person for whom you work.")
	default:
		for _, m := range a.Missing {
			b.WriteString(" Missing: " + m + ".")
		}
		fmt.Fprintf(&b, " People find the request %s in the inbox (%s). Stop, and ask for the approval. Try again once it is given.", a.Request, cmp.Or(a.Inbox, "/inbox of the pages of changetrail"))
	}
	return b.String()
}
