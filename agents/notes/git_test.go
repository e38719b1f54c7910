package notes

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/gittest"
)

// TestLookReadsWhatGitSays holds what is read of git's files against git.
func TestLookReadsWhatGitSays(t *testing.T) {
	dir := t.TempDir()
	gittest.Run(t, dir, "init", "-q", "-b", "main")
	if g := Look(dir); g.Root != dir || g.Branch != "main" || g.Head != "" || g.Repository != "" {
		t.Errorf("a new one: %+v", g)
	}
	gittest.Run(t, dir, "remote", "add", "fork", "https://github.com/bo/shop.git")
	gittest.Run(t, dir, "commit", "-q", "--allow-empty", "-m", "one")
	sub := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	g := Look(sub)
	if g.Root != dir || g.Head != gittest.Run(t, dir, "rev-parse", "HEAD") || g.Repository != "github.com/bo/shop" || time.Since(g.HeadAt) > time.Minute {
		t.Errorf("with a commit: %+v", g)
	}
	gittest.Run(t, dir, "remote", "add", "origin", "git@github.com:acme/shop.git")
	gittest.Run(t, dir, "checkout", "-q", "-b", "fix/the-date")
	gittest.Run(t, dir, "pack-refs", "--all")
	gittest.Run(t, dir, "gc", "-q")
	if g = Look(dir); g.Repository != "github.com/acme/shop" || g.Branch != "fix/the-date" || g.Head != gittest.Run(t, dir, "rev-parse", "HEAD") || !g.HeadAt.IsZero() {
		t.Errorf("packed away: %+v", g)
	}
	tree := filepath.Join(t.TempDir(), "tree")
	gittest.Run(t, dir, "worktree", "add", "-q", "-b", "other", tree)
	gittest.Run(t, tree, "commit", "-q", "--allow-empty", "-m", "two")
	if g = Look(tree); g.Root != tree || g.Branch != "other" || g.Head != gittest.Run(t, tree, "rev-parse", "HEAD") || g.Repository != "github.com/acme/shop" {
		t.Errorf("a work tree: %+v", g)
	}
	gittest.Run(t, dir, "checkout", "-q", "--detach")
	if g = Look(dir); g.Branch != "" || g.Head != gittest.Run(t, dir, "rev-parse", "HEAD") {
		t.Errorf("without a branch: %+v", g)
	}
	if g = Look(os.TempDir()); g != (Git{}) {
		t.Errorf("outside: %+v", g)
	}
}
