package noting

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
	"time"

	"github.com/changetrail/changetrail/agents/notes"
	"github.com/changetrail/changetrail/internal/budget"
	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/secrets"
	"github.com/changetrail/changetrail/internal/settings"
)

// A Call is one call of a hook.
type Call struct {
	Kind     string // of the agent
	Settings *config.Config
	Wrong    error  // why Settings are only the defaults; nil if they are not
	File     string // the configuration file that was named

	// Program returns the path of changetrail, which sends what was noted.
	Program func() (string, error)
	// Steer returns the message to the agent about a call before it is made.
	Steer func(ctx context.Context, in *notes.Input, input []byte) ([]byte, error)

	In       io.Reader
	Out, Err io.Writer
}

// Record notes a call. Errors go only to the errors.log of the folder: they are not the agent's
// fault.
func (c *Call) Record(ctx context.Context) {
	log, nowhere := Log(c.Settings)
	if nowhere != nil {
		fmt.Fprintln(c.Err, "changetrail:", errors.Join(c.Wrong, nowhere))
		return
	}
	if err := errors.Join(c.Wrong, c.record(ctx, log)); err != nil {
		log.Complain(time.Now(), err)
	}
}

// maxInput bounds the input for one tool call, in bytes. Long values in it are noted by their
// digest.
const maxInput = 256 << 20

func (c *Call) record(ctx context.Context, log notes.Log) error {
	input, err := budget.ReadAll(c.In, maxInput, func(int64) error { return nil })
	if err != nil {
		return fmt.Errorf("a hook is not noted: %w", err)
	}
	if log.Redact, err = redaction(c.Settings); err != nil {
		return err
	}
	input = bytes.TrimSpace(input)
	in, err := log.Append(ctx, c.Kind, input, time.Now())
	if err != nil {
		return err
	}
	switch in.Event {
	case "PreToolUse":
		return c.steer(ctx, in, input)
	case "Stop", "SessionEnd":
		return c.flush()
	}
	return nil
}

// steer tells the agent what the policy says, if the settings ask for that.
func (c *Call) steer(ctx context.Context, in *notes.Input, input []byte) error {
	if !steps(c.Settings.Hook.Forbidden) && !steps(c.Settings.Hook.Approval) {
		return nil
	}
	out, err := c.Steer(ctx, in, input)
	if err == nil && len(out) > 0 {
		_, err = fmt.Fprintf(c.Out, "%s\n", out)
	}
	return err
}

func steps(setting string) bool { return setting == settings.Ask || setting == settings.Deny }

// Ask is Steer in another process, changetrail hook steer.
func (c *Call) Ask(ctx context.Context, _ *notes.Input, input []byte) ([]byte, error) {
	program, err := c.Program()
	if err != nil {
		return nil, fmt.Errorf("the policy is not asked: %w", err)
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, program, c.arguments("steer", c.Kind)...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("the policy is not asked: %w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	return bytes.TrimSpace(out), nil
}

// flush starts a process that sends the notes, and does not wait for it.
func (c *Call) flush() error {
	program, err := c.Program()
	if err != nil {
		return fmt.Errorf("what is noted is not sent: %w", err)
	}
	cmd := exec.Command(program, c.arguments("flush")...)
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release()
}

func (c *Call) arguments(command ...string) []string {
	args := append([]string{"hook"}, command...)
	if c.File != "" {
		args = append(args, "--config", c.File)
	}
	return args
}

// Log is the folder in which sessions are kept. A relative path would be inside the current work
// tree.
func Log(c *config.Config) (notes.Log, error) {
	dir := c.Hook.Dir
	if dir == "" {
		state := os.Getenv("XDG_STATE_HOME")
		if home, err := os.UserHomeDir(); !filepath.IsAbs(state) && err == nil {
			state = filepath.Join(home, ".local", "state")
		}
		dir = filepath.Join(state, "changetrail", "hooks")
	}
	if !filepath.IsAbs(dir) {
		return notes.Log{}, fmt.Errorf("configuration: hook.dir %q is not an absolute path; hooks run in every project, so give an absolute one", dir)
	}
	return notes.Log{Dir: dir, Begun: Begun(c)}, nil
}

// Begun returns where new sessions are kept, and what the work tree says about its agent if the
// user says nothing.
func Begun(c *config.Config) notes.Begun {
	b := notes.Begun{Agent: cmp.Or(c.Hook.Agent, c.Tree().Agent), LogsURL: cmp.Or(c.Hook.LogsURL, c.Tree().LogsURL)}
	switch {
	case c.Producer.Gateway != "":
		b.Gateway = c.Producer.Gateway
	case c.IsSet("kafka.brokers"):
		b.Brokers, b.Prefix, b.Blobs = c.Kafka.Brokers, c.Kafka.Prefix, c.Blobs
	}
	return b
}

// redaction returns what removes secrets from notes; nil if everything is kept. Files and commands
// are needed to derive what was done, so they are noted in the mode metadata-only, too, and removed
// before sending.
func redaction(c *config.Config) (func(context.Context, []byte) ([]byte, error), error) {
	if c.Content == string(secrets.Full) {
		return nil, nil
	}
	key, err := c.Secret("redaction_key")
	if err != nil {
		return nil, err
	}
	r, err := secrets.New(secrets.Redacted, []byte(key))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, hook []byte) ([]byte, error) {
		out, _, err := r.JSON(ctx, hook, nil)
		return out, err
	}, nil
}
