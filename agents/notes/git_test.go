package notes

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@x", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@x")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestLookReadsWhatGitSays holds what is read of git's files against git.
func TestLookReadsWhatGitSays(t *testing.T) {
	dir := t.TempDir()
	git(t, dir, "init", "-q", "-b", "main")
	if g := Look(dir); g.Root != dir || g.Branch != "main" || g.Head != "" || g.Repository != "" {
		t.Errorf("a new one: %+v", g)
	}
	git(t, dir, "remote", "add", "fork", "https://github.com/bo/shop.git")
	git(t, dir, "commit", "-q", "--allow-empty", "-m", "one")
	sub := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	g := Look(sub)
	if g.Root != dir || g.Head != git(t, dir, "rev-parse", "HEAD") || g.Repository != "github.com/bo/shop" || time.Since(g.HeadAt) > time.Minute {
		t.Errorf("with a commit: %+v", g)
	}
	git(t, dir, "remote", "add", "origin", "git@github.com:acme/shop.git")
	git(t, dir, "checkout", "-q", "-b", "fix/the-date")
	git(t, dir, "pack-refs", "--all")
	git(t, dir, "gc", "-q")
	if g = Look(dir); g.Repository != "github.com/acme/shop" || g.Branch != "fix/the-date" || g.Head != git(t, dir, "rev-parse", "HEAD") || !g.HeadAt.IsZero() {
		t.Errorf("packed away: %+v", g)
	}
	tree := filepath.Join(t.TempDir(), "tree")
	git(t, dir, "worktree", "add", "-q", "-b", "other", tree)
	git(t, tree, "commit", "-q", "--allow-empty", "-m", "two")
	if g = Look(tree); g.Root != tree || g.Branch != "other" || g.Head != git(t, tree, "rev-parse", "HEAD") || g.Repository != "github.com/acme/shop" {
		t.Errorf("a work tree: %+v", g)
	}
	git(t, dir, "checkout", "-q", "--detach")
	if g = Look(dir); g.Branch != "" || g.Head != git(t, dir, "rev-parse", "HEAD") {
		t.Errorf("without a branch: %+v", g)
	}
	if g = Look(os.TempDir()); g != (Git{}) {
		t.Errorf("outside: %+v", g)
	}
}
