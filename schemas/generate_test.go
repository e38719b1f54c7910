package schemas_test

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/schemas"
)

var update = flag.Bool("update", false, "write the generated files")

// TestGenerated keeps the Go types, the JSON Schemas and the index mappings in agreement: each file
// must be what the types generate, and there must be no other file.
func TestGenerated(t *testing.T) {
	want, err := schemas.Generate()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		for path, content := range want {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for path, content := range want {
		got, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("%v: run go test ./schemas -run TestGenerated -update", err)
			continue
		}
		if diff := cmp.Diff(string(content), string(got)); diff != "" {
			t.Errorf("%s differs from the types (-types +file); run go test ./schemas -run TestGenerated -update\n%s", path, diff)
		}
	}
	for _, dir := range []string{"events", "documents", "index"} {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".json") && want[filepath.ToSlash(path)] == nil {
				t.Errorf("%s is made from no type: delete it", path)
			}
			return err
		})
	}
}
