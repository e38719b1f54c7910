package imports

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/changetrail/changetrail/"

func TestImportsPointInwards(t *testing.T) {
	root := filepath.Join("..", "..")
	layerOf := make(map[string]int)
	for i, f := range layers {
		for _, pkg := range f.packages {
			layerOf[pkg] = i
		}
	}
	seen := make(map[string]bool)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(rel)
		seen[pkg] = true
		if _, ok := layerOf[pkg]; !ok {
			t.Errorf("package %s has no layer: say in rules_test.go where it belongs", pkg)
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			check(t, layerOf, pkg, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range layerOf {
		if seen[pkg] == slices.Contains(planned, pkg) {
			t.Errorf("package %s: it is written %v, and planned %v", pkg, seen[pkg], !seen[pkg])
		}
	}
}

func check(t *testing.T, layerOf map[string]int, pkg, name string) {
	t.Helper()
	if dep, ok := strings.CutPrefix(name, module); ok {
		if f, ok := layerOf[dep]; ok && f >= layerOf[pkg] {
			t.Errorf("%s (%s) imports %s (%s)", pkg, layers[layerOf[pkg]].name, dep, layers[f].name)
		}
		return
	}
	first, _, _ := strings.Cut(name, "/")
	if pkg == "record" && strings.Contains(first, ".") {
		t.Errorf("record imports %s; only the standard library is allowed", name)
	}
	for lib, who := range owners {
		if strings.HasPrefix(name, lib) && !slices.Contains(who, pkg) {
			t.Errorf("%s imports %s, which belongs to %v", pkg, name, who)
		}
	}
}
