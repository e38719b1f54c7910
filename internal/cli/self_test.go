package cli

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
)

func TestPrintedCommandsAreTypedAsThisOneWas(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "changetrail")
	if err := os.WriteFile(program, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	const module = "github.com/changetrail/changetrail"
	built := func(version string) *debug.BuildInfo {
		return &debug.BuildInfo{Path: module + "/cmd/changetrail", Main: debug.Module{Path: module, Version: version}}
	}
	found := func(path string) func(string) (string, error) {
		return func(string) (string, error) { return path, nil }
	}
	files := func(names ...string) func(string) bool {
		return func(name string) bool {
			for _, n := range names {
				if filepath.ToSlash(name) == n {
					return true
				}
			}
			return false
		}
	}
	const run = "/tmp/go-build123/b001/exe/changetrail"
	for name, c := range map[string]struct {
		start start
		want  string
	}{
		"go run in the root":       {start{run, run, built("(devel)"), found(program), files("cmd/changetrail/main.go", "go.mod")}, "go run ./cmd/changetrail"},
		"go run elsewhere in it":   {start{run, run, built("(devel)"), found(program), files()}, "go run " + module + "/cmd/changetrail"},
		"go run of a version":      {start{run, run, built("v0.3.0"), found(program), files()}, "go run " + module + "/cmd/changetrail@v0.3.0"},
		"go run of an edited tree": {start{run, run, built("v0.3.1-0.20261130+dirty"), found(program), files()}, "go run " + module + "/cmd/changetrail"},
		"in the PATH":              {start{"changetrail", program, built("v0.3.0"), found(program), files()}, "changetrail"},
		"by its path, in the PATH": {start{program, program, built("v0.3.0"), found(program), files()}, "changetrail"},
		"not in the PATH":          {start{"./changetrail", program, nil, found("/usr/bin/other"), files()}, "./changetrail"},
		"in a folder with a blank": {start{"./my tools/changetrail", program, nil, found("/nowhere"), files()}, "'./my tools/changetrail'"},
	} {
		if got := c.start.command(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if got := commandLine("ct", "query", "a:b AND c", "it's", "$x", ""); got != `ct query 'a:b AND c' 'it'\''s' '$x' ''` {
		t.Error(got)
	}
}
