package generated

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheck: a file that differs is an error without update, and is written with it. What lies
// around a part stays.
func TestCheck(t *testing.T) {
	const around = "before\n<!-- rows: written by make rows -->\n%<!-- end of rows -->\nafter\n"
	with := func(rows string) string { return strings.Replace(around, "%", rows, 1) }
	for name, c := range map[string]struct {
		part, before, want string
		update             bool
		after, err         string
	}{
		"the same part":           {part: "rows", before: with("a\n"), want: "a\n", after: with("a\n")},
		"another part":            {part: "rows", before: with("a\n"), want: "b\n", after: with("a\n"), err: "make rows writes it"},
		"another part, to write":  {part: "rows", before: with("a\n"), want: "b\n", update: true, after: with("b\n")},
		"no end of the part":      {part: "rows", before: "<!-- rows: written by make rows -->\n", want: "b\n", update: true, after: "<!-- rows: written by make rows -->\n", err: "no place"},
		"a part in no file":       {part: "rows", want: "b\n", update: true, err: "no such file"},
		"the same file":           {before: "a", want: "a", after: "a"},
		"another file":            {before: "a", want: "b", after: "a", err: "make rows writes it"},
		"another file, to write":  {before: "a", want: "b", update: true, after: "b"},
		"a new file, to write":    {want: "b", update: true, after: "b"},
		"a new file, not written": {want: "b", err: "make rows writes it"},
	} {
		f := File{Path: filepath.Join(t.TempDir(), "doc.md"), Part: c.part, Command: "make rows"}
		if c.before != "" {
			if err := os.WriteFile(f.Path, []byte(c.before), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := f.check([]byte(c.want), c.update)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v", name, err)
		}
		if got, _ := os.ReadFile(f.Path); string(got) != c.after {
			t.Errorf("%s: the file is %q", name, got)
		}
	}
}
