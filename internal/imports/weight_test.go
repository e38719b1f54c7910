package imports

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Bounds of what whoever clones and builds has to carry.
const (
	maxFile     = 1 << 20 // bytes of a file in the repository
	maxPackages = 900     // of the binary, with those of the standard library
)

// TestNoLargeFileIsTracked: a clone has source, and neither built files nor dumps.
func TestNoLargeFileIsTracked(t *testing.T) {
	root := filepath.Join("..", "..")
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		t.Skip("this is no clone of the repository")
	}
	out, err := exec.Command("git", "-C", root, "ls-files", "-z").Output()
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if len(names) < 500 {
		t.Fatalf("git tracks %d files", len(names))
	}
	for _, name := range names {
		info, err := os.Lstat(filepath.Join(root, name))
		if err != nil {
			continue // it was removed and that is not committed
		}
		if info.Size() > maxFile {
			t.Errorf("%s has %d bytes; leave it out, make it smaller, or let the test fetch it", name, info.Size())
		}
	}
}

// TestTheBinaryStaysLight: a library that brings along a tree of packages is seen here.
func TestTheBinaryStaysLight(t *testing.T) {
	out, err := exec.Command("go", "list", "-C", filepath.Join("..", ".."), "-deps", "./cmd/changetrail").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	t.Logf("%d packages", len(packages))
	if len(packages) > maxPackages {
		t.Errorf("%d packages are linked, of at most %d: see docs/dependencies.md for what was left out, and why", len(packages), maxPackages)
	}
	for _, p := range packages {
		for _, not := range []string{"github.com/elastic/go-elasticsearch/v8/typedapi", "gocloud.dev", "github.com/aws/", "cloud.google.com", "github.com/Azure/"} {
			if strings.HasPrefix(p, not) {
				t.Errorf("%s is linked", p)
			}
		}
	}
}
