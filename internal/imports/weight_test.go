package imports

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Bounds of what everybody who clones and builds has to download.
const (
	maxFile     = 1 << 20 // bytes of a file in the repository
	maxPackages = 828     // of the binary that are not ours, with those of the standard library
	maxOfHook   = 160     // of changetrail-hook, which an agent waits for at each tool call
	maxOfGate   = 300     // of changetrail-hook-gate, which has net/http
)

// TestNoLargeFileIsTracked: a clone contains source code, neither built files nor dumps.
func TestNoLargeFileIsTracked(t *testing.T) {
	root := filepath.Join("..", "..")
	names := tracked(t, root)
	if len(names) < 500 {
		t.Fatalf("%d files are tracked", len(names))
	}
	for _, name := range names {
		info, err := os.Lstat(filepath.Join(root, name))
		if err != nil {
			continue // its removal is not committed yet
		}
		if info.Size() > maxFile {
			t.Errorf("%s has %d bytes; leave it out, make it smaller, or let the test fetch it", name, info.Size())
		}
	}
}

// tracked lists the files that git tracks. In the source archive of a release, which has no history,
// these are all files.
func tracked(t *testing.T, root string) (names []string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, ".git")); err == nil {
		out, err := exec.Command("git", "-C", root, "ls-files", "-z").Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// packagesOf lists the packages that a command is linked from.
func packagesOf(t *testing.T, command string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-C", filepath.Join("..", ".."), "-deps", command).Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	t.Logf("%s: %d packages", command, len(packages))
	return packages
}

// TestTheBinaryStaysLight: a library that brings along many packages fails this test.
func TestTheBinaryStaysLight(t *testing.T) {
	packages := slices.DeleteFunc(packagesOf(t, "./cmd/changetrail"), func(p string) bool { return strings.HasPrefix(p, module) })
	if len(packages) > maxPackages {
		t.Errorf("%d packages that are not ours are linked, of at most %d: see docs/dependencies.md for what was left out, and why", len(packages), maxPackages)
	}
	for _, p := range packages {
		for _, not := range []string{"github.com/elastic/go-elasticsearch/v8/typedapi", "gocloud.dev", "github.com/aws/", "cloud.google.com", "github.com/Azure/"} {
			if strings.HasPrefix(p, not) {
				t.Errorf("%s is linked", p)
			}
		}
	}
}

// TestTheHooksStayLight: each package of these programs is loaded and initialised at each
// call of a tool.
func TestTheHooksStayLight(t *testing.T) {
	heavy := []string{"html/template", "github.com/spf13/cobra", "github.com/cloudevents/", "cel.dev/", "github.com/changetrail/changetrail/gateway", "github.com/changetrail/changetrail/policy", "github.com/changetrail/changetrail/producer"}
	for command, c := range map[string]struct {
		most int
		not  []string
	}{
		"./cmd/changetrail-hook":      {maxOfHook, append([]string{"crypto/tls", "net/http"}, heavy...)},
		"./cmd/changetrail-hook-gate": {maxOfGate, heavy},
	} {
		packages := packagesOf(t, command)
		if len(packages) > c.most {
			t.Errorf("%s: %d packages are linked, of at most %d", command, len(packages), c.most)
		}
		for _, p := range packages {
			if slices.ContainsFunc(c.not, func(not string) bool { return strings.HasPrefix(p, not) }) {
				t.Errorf("%s: %s is linked", command, p)
			}
		}
	}
}
