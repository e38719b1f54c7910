package noting

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/changetrail/changetrail/agents/product"
	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/printable"
)

// Names of the programs, without the suffix that some systems want.
const (
	Large = "changetrail"
	Small = "changetrail-hook"
)

// Sibling returns the path of a program in the folder of the running one.
func Sibling(name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(self); err == nil {
		self = real
	}
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return exec.LookPath(filepath.Join(filepath.Dir(self), name))
}

// SmallInPath reports whether changetrail-hook is in the folder of the running program, and is also
// found in the PATH.
func SmallInPath() bool {
	beside, err1 := Sibling(Small)
	named, err2 := exec.LookPath(Small)
	if errors.Join(err1, err2) != nil {
		return false
	}
	one, err1 := os.Stat(beside)
	other, err2 := os.Stat(named)
	return errors.Join(err1, err2) == nil && os.SameFile(one, other)
}

// Changetrail returns the path of changetrail: next to this program, or in the PATH.
func Changetrail() (string, error) {
	if path, err := Sibling(Large); err == nil {
		return path, nil
	}
	path, err := exec.LookPath(Large)
	if err != nil {
		return "", errors.New("changetrail is neither next to changetrail-hook nor in the PATH; put it there")
	}
	return path, nil
}

// A Process is the environment of changetrail-hook.
type Process struct {
	Environ  []string
	In       io.Reader
	Out, Err io.Writer
	// Program returns the path of changetrail.
	Program func() (string, error)
}

// Run is changetrail-hook: it handles an agent's hook itself, and passes all other commands and
// flags to changetrail hook. It returns an exit code.
func (p Process) Run(ctx context.Context, args []string) int {
	kind, file, ok := parse(args)
	if !ok {
		return p.instead(ctx, args)
	}
	out, errOut := printable.NewWriter(p.Out), printable.NewWriter(p.Err)
	defer func() { _ = errors.Join(out.Flush(), errOut.Flush()) }() // nobody could receive this error
	c, err := config.Source{File: file, Environ: p.Environ, Folder: "."}.Load()
	for _, warning := range c.Warnings() {
		fmt.Fprintln(errOut, warning)
	}
	if err == nil {
		err = errors.Join(c.Validate(), c.CheckSecrets())
	}
	if err != nil {
		c = config.Defaults()
	}
	call := Call{Kind: kind, Settings: &c, Wrong: err, File: file, Program: p.Program, In: p.In, Out: out, Err: errOut}
	call.Steer = call.Ask
	call.Record(ctx)
	return 0
}

// parse reads KIND and --config FILE, in any order; ok is false if there is anything else.
func parse(args []string) (kind, file string, ok bool) {
	if i := slices.Index(args, "--config"); i >= 0 && i+1 < len(args) {
		file = args[i+1]
		args = slices.Concat(args[:i], args[i+2:])
	}
	if len(args) != 1 || args[0] != product.ClaudeCode && args[0] != product.Codex {
		return "", "", false
	}
	return args[0], file, true
}

// instead runs changetrail hook for what this program does not do.
func (p Process) instead(ctx context.Context, args []string) int {
	program, err := p.Program()
	if err == nil {
		cmd := exec.CommandContext(ctx, program, append([]string{"hook"}, args...)...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = p.In, p.Out, p.Err, p.Environ
		err = cmd.Run()
	}
	var exited *exec.ExitError
	switch {
	case errors.As(err, &exited) && exited.ExitCode() >= 0:
		return exited.ExitCode()
	case err != nil:
		fmt.Fprintln(p.Err, "changetrail-hook:", err)
		return 1
	}
	return 0
}
