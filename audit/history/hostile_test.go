//go:build unix

package history

import (
	"bytes"
	"compress/zlib"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/changetrail/changetrail/audit/reconcile"
	"github.com/changetrail/changetrail/internal/files/filestest"
	"github.com/changetrail/changetrail/internal/gittest"
	"github.com/changetrail/changetrail/record"
)

const hostile = record.Repository("github.com/acme/hostile")

// three makes a repository with three commits in files of their own.
func three(t *testing.T, options ...string) (dir string, commits []string) {
	t.Helper()
	dir = t.TempDir()
	gittest.Run(t, dir, append([]string{"init", "-q", "-b", "main"}, options...)...)
	for i := range 3 {
		gittest.Run(t, dir, "commit", "-q", "--allow-empty", "-m", fmt.Sprintf("commit %d", i))
		commits = append(commits, gittest.Run(t, dir, "rev-parse", "HEAD"))
	}
	return dir, commits
}

func read(t *testing.T, dir string, named ...string) (*reconcile.History, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return Clone{Folder: dir, Repository: hostile, Named: named}.Read(ctx)
}

func object(dir, sha string) string { return filepath.Join(dir, ".git", "objects", sha[:2], sha[2:]) }

// TestAHostileCloneRunsNothing: no configuration, hook, attribute or remote of a clone has an effect.
func TestAHostileCloneRunsNothing(t *testing.T) {
	dir, commits := three(t)
	ran := filepath.Join(t.TempDir(), "ran")
	script := filepath.Join(dir, "script")
	filestest.Write(t, script, "#!/bin/sh\necho \"$0 $*\" >> "+ran+"\n", 0o700)
	for _, hook := range []string{"post-checkout", "reference-transaction", "fsmonitor-watchman"} {
		filestest.Write(t, filepath.Join(dir, ".git", "hooks", hook), "#!/bin/sh\necho hook >> "+ran+"\n", 0o700)
	}
	for _, set := range [][2]string{
		{"core.fsmonitor", script},
		{"core.sshCommand", script},
		{"core.gitProxy", script},
		{"core.pager", script},
		{"core.editor", script},
		{"core.askPass", script},
		{"gpg.program", script},
		{"log.showSignature", "true"},
		{"diff.external", script},
		{"credential.helper", script},
		{"core.alternateRefsCommand", script},
		{"alias.cat-file", "!" + script},
		{"extensions.partialClone", "origin"},
		{"core.repositoryformatversion", "1"},
		{"remote.origin.promisor", "true"},
		{"remote.origin.url", "ext::" + script},
		{"protocol.ext.allow", "always"},
		{"uploadpack.packObjectsHook", script},
	} {
		gittest.Run(t, dir, "config", set[0], set[1])
	}
	// A missing commit makes git fetch it in a partial clone.
	if err := os.Remove(object(dir, commits[0])); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_DIR", filepath.Join(dir, ".git"))
	t.Setenv("GIT_CONFIG_PARAMETERS", "'core.fsmonitor="+script+"'")
	h, err := read(t, dir, commits[0], strings.Repeat("c", 40), "--help", "HEAD^{/x}")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(ran); err == nil {
		t.Errorf("code of the clone ran: %s", text)
	}
	if h.Tip != commits[2] || len(h.Commits) != 2 {
		t.Errorf("%d commits, tip %s", len(h.Commits), h.Tip)
	}
	_ = exec.Command("git", "-C", dir, "cat-file", "-e", commits[0]).Run() //nolint:gosec // it may fail, and must run the script
	if _, err := os.Stat(ran); err != nil {
		t.Errorf("git itself runs nothing, so that this test shows nothing: %v", err)
	}
}

// TestWhatHidesCommitsIsIgnored: replaced objects and grafts change what git shows, not what the
// commits say.
func TestWhatHidesCommitsIsIgnored(t *testing.T) {
	dir, commits := three(t)
	gittest.Run(t, dir, "replace", "--graft", commits[2], commits[0])
	if n := gittest.Run(t, dir, "rev-list", "--count", "main"); n != "2" {
		t.Fatalf("git shows %s commits", n)
	}
	filestest.Write(t, filepath.Join(dir, ".git", "info", "grafts"), commits[2]+" "+commits[0]+"\n", 0o600)
	if h, err := read(t, dir); err != nil || len(h.Commits) != 3 || h.Commits[commits[1]] == nil {
		t.Errorf("%+v, %v", h, err)
	}
}

// TestACutHistoryIsNotWhole: a shallow clone and a clone that lacks objects have commits whose parents
// are unknown, and nothing older is said to be missing from the records' side.
func TestACutHistoryIsNotWhole(t *testing.T) {
	dir, commits := three(t)
	shallow := filepath.Join(t.TempDir(), "shallow")
	gittest.Run(t, dir, "clone", "-q", "--depth", "1", "file://"+dir, shallow)
	broken, _ := three(t)
	if err := os.Remove(object(broken, gittest.Run(t, broken, "rev-parse", "main~2"))); err != nil {
		t.Fatal(err)
	}
	var old record.Record
	old.Trail.Change = record.Change{ID: hostile.Change("/pull/1"), Repository: hostile, State: "merged", BaseRef: "main", MergeSHA: strings.Repeat("d", 40), MergedAt: time.Now().Add(-time.Hour)}
	for name, dir := range map[string]string{"shallow": shallow, "broken": broken} {
		h, err := read(t, dir)
		if err != nil {
			t.Fatal(err)
		}
		r := reconcile.Compare(reconcile.Question{From: time.Now().AddDate(0, 0, -1), To: time.Now().Add(time.Hour), History: h, Records: []*record.Record{&old}})
		if text := fmt.Sprint(r.Unchecked); r.Complete() || !strings.Contains(text, "cut") || !strings.Contains(text, string(old.Trail.Change.ID)) || r.Counts[reconcile.Ghost] > 0 {
			t.Errorf("%s: %v, %v", name, r.Unchecked, r.Counts)
		}
	}
	if h, err := read(t, dir); err != nil || len(h.Commits) != len(commits) {
		t.Errorf("the whole one: %v", err)
	}
}

// TestWhatIsNoCloneIsRefused: each thing that cannot be read is an error that says why, and nothing waits
// for a file without an end.
func TestWhatIsNoCloneIsRefused(t *testing.T) {
	alter := func(sha func([]string) string, text string) func(string, []string) error {
		return func(dir string, commits []string) error {
			var b bytes.Buffer
			z := zlib.NewWriter(&b)
			fmt.Fprintf(z, "commit %d\x00%s", len(text), text)
			if err := z.Close(); err != nil {
				return err
			}
			name := object(dir, sha(commits))
			if err := os.Remove(name); err != nil {
				return err
			}
			return os.WriteFile(name, b.Bytes(), 0o600)
		}
	}
	newest := func(commits []string) string { return commits[2] }
	for name, x := range map[string]struct {
		harm func(dir string, commits []string) error
		want string
	}{
		"an altered commit": {alter(newest, "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor a <a@x> 1 +0000\ncommitter a <a@x> 1 +0000\n\nother"), "was altered"},
		"a pipe": {func(dir string, _ []string) error {
			return syscall.Mkfifo(filepath.Join(dir, ".git/objects/pack/pack-1.idx"), 0o600)
		}, "not a regular file"},
		"a link": {func(dir string, _ []string) error {
			return os.Symlink("/dev/zero", filepath.Join(dir, ".git/objects/pack/pack-1.idx"))
		}, "link"},
		"no objects":         {func(dir string, _ []string) error { return os.RemoveAll(filepath.Join(dir, ".git/objects")) }, "objects"},
		"the tip is missing": {func(dir string, commits []string) error { return os.Remove(object(dir, commits[2])) }, "does not have it"},
		"no branch":          {func(dir string, _ []string) error { return os.RemoveAll(filepath.Join(dir, ".git/refs/heads/main")) }, "no branches"},
		"no Git":             {func(dir string, _ []string) error { return os.RemoveAll(filepath.Join(dir, ".git")) }, "not a clone"},
		"garbage":            {func(dir string, commits []string) error { return os.WriteFile(object(dir, commits[2])+"x", nil, 0o600) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir, commits := three(t)
			if err := x.harm(dir, commits); err != nil {
				t.Fatal(err)
			}
			_, err := read(t, dir)
			if (err == nil) != (x.want == "") || err != nil && !strings.Contains(err.Error(), x.want) {
				t.Errorf("%v", err)
			}
		})
	}
	dir, _ := three(t)
	for want, c := range map[string]Clone{
		"name it with --repository": {Folder: dir},
		`no branch "prod"`:          {Folder: dir, Repository: hostile, Branch: "prod"},
	} {
		if _, err := c.Read(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Clone{Folder: dir, Repository: hostile}).Read(ctx); err == nil {
		t.Error("a command that was stopped read a clone")
	}
}

// TestClonesOfAllForms reads the same history of a work tree, a linked work tree, a bare repository, packs
// and SHA-256.
func TestClonesOfAllForms(t *testing.T) {
	dir, commits := three(t)
	tree, bare := filepath.Join(t.TempDir(), "tree"), filepath.Join(t.TempDir(), "bare")
	gittest.Run(t, dir, "worktree", "add", "-q", "--detach", tree)
	gittest.Run(t, dir, "clone", "-q", "--mirror", dir, bare)
	for _, form := range []string{dir, tree, bare} {
		h, err := Clone{Folder: form, Repository: hostile, Branch: "main", Named: []string{commits[0][:10], "0000000"}}.Read(t.Context())
		if err != nil || h.Tip != commits[2] || len(h.Commits) != 3 {
			t.Errorf("%s: %+v, %v", form, h, err)
		}
	}
	gittest.Run(t, dir, "gc", "-q")
	if h, err := read(t, dir); err != nil || len(h.Commits) != 3 || h.Commits[commits[1]].Subject != "commit 1" || h.Commits[commits[1]].AuthorMail != "a@x" || time.Since(h.Commits[commits[1]].CommittedAt) > time.Hour {
		t.Errorf("packed: %v", err)
	}
	dir, commits = three(t, "--object-format=sha256")
	if h, err := read(t, dir); err != nil || len(h.Tip) != 64 || len(h.Commits) != 3 || h.Tip != commits[2] {
		t.Errorf("SHA-256: %+v, %v", h, err)
	}
	clone := filepath.Join(t.TempDir(), "clone")
	gittest.Run(t, dir, "clone", "-q", dir, clone)
	gittest.Run(t, clone, "commit", "-q", "--allow-empty", "-m", "not pushed")
	if h, err := read(t, clone); err != nil || h.Tip != commits[2] || h.Branch != "main" {
		t.Errorf("what was not pushed counts: %+v, %v", h, err)
	}
}
