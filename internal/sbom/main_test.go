package main

import (
	"bytes"
	"encoding/json"
	"os"
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/evidence"
)

func listed(t *testing.T, version string) (list, []byte) {
	t.Helper()
	l := listOf(&debug.BuildInfo{
		GoVersion: "go1.26.8", Main: debug.Module{Path: "github.com/acme/x", Version: "v1.0.0"},
		Deps: []*debug.Module{
			{Path: "github.com/acme/a", Version: version, Sum: "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
			{Path: "github.com/acme/b", Version: "v1.0.0", Replace: &debug.Module{Path: "github.com/fork/b", Version: "v1.0.1"}},
		},
		Settings: []debug.BuildSetting{{Key: "GOOS", Value: "linux"}},
	})
	text, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	return l, text
}

func TestList(t *testing.T) {
	l, text := listed(t, "v2.0.0")
	want := []component{
		{"library", "std", "go1.26.8", "pkg:golang/std@1.26.8", nil},
		{"library", "github.com/acme/a", "v2.0.0", "pkg:golang/github.com/acme/a@v2.0.0", []hash{{"SHA-256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}},
		{"library", "github.com/fork/b", "v1.0.1", "pkg:golang/github.com/fork/b@v1.0.1", nil},
	}
	if diff := cmp.Diff(want, l.Components); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, other := listed(t, "v2.0.1")
	if changes, err := evidence.Delta(text, other); err != nil || len(changes) != 1 {
		t.Errorf("changetrail's own reader of SBOMs sees %+v: %v", changes, err)
	}
}

func TestBinary(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, again bytes.Buffer
	if err := run([]string{self}, &out); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{self}, &again); err != nil || !bytes.Equal(out.Bytes(), again.Bytes()) {
		t.Errorf("a second list differs: %v", err)
	}
	for _, args := range [][]string{nil, {"main.go"}, {self, self}} {
		if err := run(args, &out); err == nil {
			t.Errorf("%v is taken for a binary", args)
		}
	}
}
