package imports

import (
	"flag"
	"fmt"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/internal/generated"
)

var update = flag.Bool("update", false, "write the table of packages")

// TestThePackagesOfContributing compares the table in CONTRIBUTING.md with the layers and the
// comments of the packages.
func TestThePackagesOfContributing(t *testing.T) {
	file := generated.File{Path: filepath.Join("..", "..", "CONTRIBUTING.md"), Part: "packages", Command: "go test ./internal/imports -update"}
	file.Check(t, []byte(table(t)), *update)
}

// table returns the layers from the bottom up, each package with the first sentence of its comment.
func table(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprint(&b, "| package | what it does |\n|---|---|\n")
	for i, f := range layers {
		fmt.Fprintf(&b, "| **%d. %s** | |\n", i+1, f.name)
		for _, pkg := range slices.Sorted(slices.Values(f.packages)) {
			if !slices.Contains(planned, pkg) {
				fmt.Fprintf(&b, "| `%s` | %s |\n", pkg, synopsis(t, pkg))
			}
		}
	}
	return b.String()
}

// synopsis returns the first sentence of a package comment, without the package's name and without
// the part after a colon.
func synopsis(t *testing.T, pkg string) string {
	t.Helper()
	folder := filepath.Join("..", "..", filepath.FromSlash(pkg))
	names, err := fs.Glob(os.DirFS(folder), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(folder, name), nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if f.Doc == nil || strings.HasSuffix(name, "_test.go") {
			continue
		}
		said := new(doc.Package).Synopsis(f.Doc.Text())
		_, said, ok := strings.Cut(said, filepath.Base(folder)+" ")
		if !ok {
			t.Errorf("the comment of %s does not begin with its name", pkg)
		}
		said, _, _ = strings.Cut(strings.TrimSuffix(said, "."), ": ")
		return strings.ReplaceAll(said, "|", `\|`)
	}
	t.Errorf("%s has no comment", pkg)
	return ""
}
