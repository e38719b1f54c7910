package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
)

// A start is how this program was started.
type start struct {
	arg0       string // as it was typed
	executable string
	build      *debug.BuildInfo // nil if it is not known
	lookPath   func(name string) (string, error)
	exists     func(name string) bool
}

func thisStart() start {
	executable, _ := os.Executable() // if it is not known, the typed name is used
	build, _ := debug.ReadBuildInfo()
	return start{os.Args[0], executable, build, exec.LookPath, func(name string) bool { _, err := os.Stat(name); return err == nil }}
}

// command returns how to call the program again from the same folder.
func (s start) command() string {
	if strings.Contains(filepath.ToSlash(s.executable), "/go-build") {
		return s.goRun()
	}
	name := filepath.Base(s.arg0)
	if found, err := s.lookPath(name); err == nil && same(found, s.executable) {
		return quoted(name)
	}
	return quoted(s.arg0)
}

// goRun is command for a program that go run built: its file is deleted when it ends.
func (s start) goRun() string {
	const folder = "cmd/changetrail"
	switch {
	case s.exists(filepath.Join(folder, "main.go")):
		return "go run ./" + folder
	case s.build != nil && strings.HasPrefix(s.build.Main.Version, "v") && !strings.Contains(s.build.Main.Version, "+dirty") && !s.exists("go.mod"):
		return "go run " + s.build.Path + "@" + s.build.Main.Version
	case s.build != nil && strings.Contains(s.build.Path, "/"):
		return "go run " + s.build.Path
	}
	return "go run ./" + folder
}

func same(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// quoted quotes an argument for a shell.
func quoted(arg string) string {
	if arg != "" && strings.Trim(arg, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+=,") == "" {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}

// commandLine returns a command with its arguments, quoted for a shell.
func commandLine(program string, args ...string) string {
	for _, arg := range args {
		program = fmt.Sprintf("%s %s", program, quoted(arg))
	}
	return program
}
