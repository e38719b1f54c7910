package gitfolder

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/internal/files/filestest"
	"github.com/changetrail/changetrail/internal/gittest"
)

// TestRefsAreThoseOfGit holds the branches, loose and packed, against git for-each-ref.
func TestRefsAreThoseOfGit(t *testing.T) {
	server, clone := t.TempDir(), filepath.Join(t.TempDir(), "clone")
	gittest.Run(t, server, "init", "-q", "-b", "main")
	gittest.Run(t, server, "commit", "-q", "--allow-empty", "-m", "one")
	gittest.Run(t, server, "branch", "release/1.x")
	gittest.Run(t, server, "tag", "v1")
	gittest.Run(t, server, "clone", "-q", server, clone)
	gittest.Run(t, clone, "commit", "-q", "--allow-empty", "-m", "two")
	gittest.Run(t, clone, "branch", "fix/deep/er")
	for _, pack := range []bool{false, true} {
		if pack {
			gittest.Run(t, clone, "pack-refs", "--all")
			gittest.Run(t, clone, "commit", "-q", "--allow-empty", "-m", "newer than its pack")
		}
		g, ok := OfWorkTree(clone)
		if !ok {
			t.Fatal("not a work tree")
		}
		want := make(map[string]string)
		for line := range strings.Lines(gittest.Run(t, clone, "for-each-ref", "--format=%(refname) %(objectname) %(symref)", "refs/heads", "refs/remotes")) {
			if words := strings.Fields(line); len(words) == 2 { // no symbolic one
				want[words[0]] = words[1]
			}
		}
		got, complete := g.Refs()
		if diff := cmp.Diff(want, got); diff != "" || !complete {
			t.Errorf("packed %v, complete %v: %s", pack, complete, diff)
		}
		if g.DefaultOf("origin") != "main" || g.DefaultOf("other") != "" {
			t.Errorf("default %q", g.DefaultOf("origin"))
		}
		if err := g.CheckObjects(); err != nil {
			t.Errorf("%v", err)
		}
		g.Close()
	}
	if _, ok := Bare(clone); ok {
		t.Error("a work tree is no bare repository")
	}
	g, ok := Bare(filepath.Join(server, ".git"))
	if !ok {
		t.Fatal("a git folder is like a bare repository")
	}
	defer g.Close()
	if branch, head := g.Head(); branch != "main" || head != gittest.Run(t, server, "rev-parse", "HEAD") {
		t.Errorf("%s %s", branch, head)
	}
}

// TestWhenItWasFetched: the time of the newest fetch, or of the clone before the first one. A repository
// without a remote is not fetched.
func TestWhenItWasFetched(t *testing.T) {
	server, clone := t.TempDir(), filepath.Join(t.TempDir(), "clone")
	gittest.Run(t, server, "init", "-q", "-b", "main")
	gittest.Run(t, server, "commit", "-q", "--allow-empty", "-m", "one")
	gittest.Run(t, server, "clone", "-q", server, clone)
	gittest.Run(t, clone, "remote", "set-url", "origin", "https://github.com/acme/shop.git")
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	touch := func(name string, at time.Time) {
		if err := os.Chtimes(filepath.Join(clone, ".git", filepath.FromSlash(name)), at, at); err != nil {
			t.Fatal(err)
		}
	}
	touch("refs/remotes/origin/HEAD", at)
	gittest.Run(t, clone, "checkout", "-q", "-b", "work") // changes HEAD
	check := func(dir string, want time.Time) {
		t.Helper()
		g, ok := OfWorkTree(dir)
		if !ok {
			t.Fatal("not a work tree")
		}
		defer g.Close()
		if got := g.FetchedAt(); !got.Equal(want) {
			t.Errorf("fetched at %s, want %s", got, want)
		}
	}
	check(clone, at)
	filestest.Write(t, filepath.Join(clone, ".git", "FETCH_HEAD"), "", 0o600)
	touch("FETCH_HEAD", at.Add(time.Hour))
	check(clone, at.Add(time.Hour))
	check(server, time.Time{})
}
