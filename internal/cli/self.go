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
	build      *debug.BuildInfo // nil where it is not known
	lookPath   func(name string) (string, error)
	exists     func(name string) bool
}

func thisStart() start {
	executable, _ := os.Executable() // where it is not known the typed name is left
	build, _ := debug.ReadBuildInfo()
	return start{os.Args[0], executable, build, exec.LookPath, func(name string) bool { _, err := os.Stat(name); return err == nil }}
}

// command is how to type the program again, in the folder in which it was typed.
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

// goRun is for a program that go run built, which is gone when it ends.
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

// quoted is an argument as a shell reads it.
func quoted(arg string) string {
	if arg != "" && strings.Trim(arg, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+=,") == "" {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}

// commandLine is a command with its arguments, to be typed.
func commandLine(program string, args ...string) string {
	for _, arg := range args {
		program = fmt.Sprintf("%s %s", program, quoted(arg))
	}
	return program
}
