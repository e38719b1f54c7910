//go:build unix

package notes

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/changetrail/changetrail/internal/files/filestest"
)

// TestARepositoryCannotDelayAHook: whoever made the repository put pipes, devices, links
// and files without an end where git has its own.
func TestARepositoryCannotDelayAHook(t *testing.T) {
	const commit = "0123456789012345678901234567890123456789"
	secret := filepath.Join(t.TempDir(), "secret")
	filestest.Write(t, secret, "ref: hunter2\n[remote \"origin\"]\nurl = https://github.com/secret/secret\n", 0o600)
	plain := map[string]string{".git/HEAD": "ref: refs/heads/main\n", ".git/refs/heads/main": commit + "\n", ".git/config": "[remote \"origin\"]\n\turl = https://github.com/acme/shop.git\n"}
	pipe := func(t *testing.T, file string) {
		if err := syscall.Mkfifo(file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to string) func(*testing.T, string) {
		return func(t *testing.T, file string) {
			if err := os.Symlink(to, file); err != nil {
				t.Fatal(err)
			}
		}
	}
	text := func(s string) func(*testing.T, string) {
		return func(t *testing.T, file string) { filestest.Write(t, file, s, 0o600) }
	}
	huge := func(t *testing.T, file string) {
		filestest.Write(t, file, "", 0o600)
		if err := os.Truncate(file, 1<<40); err != nil {
			t.Skip(err) // the file system has no such files
		}
	}
	for name, c := range map[string]struct {
		file string
		put  func(*testing.T, string)
		want Git
	}{
		"HEAD is a pipe":               {".git/HEAD", pipe, Git{Repository: "github.com/acme/shop"}},
		"HEAD has no end":              {".git/HEAD", link("/dev/zero"), Git{Repository: "github.com/acme/shop"}},
		"HEAD is huge":                 {".git/HEAD", huge, Git{Repository: "github.com/acme/shop"}},
		"HEAD leads to a secret":       {".git/HEAD", link(secret), Git{Repository: "github.com/acme/shop"}},
		"HEAD holds something else":    {".git/HEAD", text("password hunter2"), Git{Repository: "github.com/acme/shop"}},
		"HEAD names a file elsewhere":  {".git/HEAD", text("ref: refs/../../../" + secret), Git{Repository: "github.com/acme/shop"}},
		"HEAD names a file of git":     {".git/HEAD", text("ref: config"), Git{Repository: "github.com/acme/shop"}},
		"HEAD has terminal codes":      {".git/HEAD", text("ref: refs/heads/a\x1b[2J"), Git{Repository: "github.com/acme/shop"}},
		"a branch is a pipe":           {".git/refs/heads/main", pipe, Git{Repository: "github.com/acme/shop", Branch: "main"}},
		"a branch leads to a secret":   {".git/refs/heads/main", link(secret), Git{Repository: "github.com/acme/shop", Branch: "main"}},
		"a branch is no commit":        {".git/refs/heads/main", text("hunter2"), Git{Repository: "github.com/acme/shop", Branch: "main"}},
		"config is a pipe":             {".git/config", pipe, Git{Branch: "main", Head: commit}},
		"config has no end":            {".git/config", link("/dev/zero"), Git{Branch: "main", Head: commit}},
		"config is huge":               {".git/config", huge, Git{Branch: "main", Head: commit}},
		"config leads elsewhere":       {".git/config", link(secret), Git{Branch: "main", Head: commit}},
		"config is a folder":           {".git/config/x", text(""), Git{Branch: "main", Head: commit}},
		"the shared folder is a pipe":  {".git/commondir", pipe, Git{Repository: "github.com/acme/shop", Branch: "main", Head: commit}},
		"a commit is a pipe":           {".git/objects/01/" + commit[2:], pipe, Git{Repository: "github.com/acme/shop", Branch: "main", Head: commit}},
		"what is packed is a pipe":     {".git/packed-refs", pipe, Git{Repository: "github.com/acme/shop", Branch: "main", Head: commit}},
		"nothing of it is as it seems": {"other", pipe, Git{Repository: "github.com/acme/shop", Branch: "main", Head: commit}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range plain {
				if !strings.HasPrefix(c.file, file) {
					filestest.Write(t, filepath.Join(dir, file), content, 0o600)
				}
			}
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, c.file)), 0o700); err != nil {
				t.Fatal(err)
			}
			c.put(t, filepath.Join(dir, c.file))
			c.want.Root = dir
			filestest.Soon(t, func() {
				if got := Look(dir); got != c.want {
					t.Errorf("%+v, want %+v", got, c.want)
				}
			})
		})
	}
	for name, put := range map[string]func(*testing.T, string){
		".git is a pipe": pipe, ".git has no end": link("/dev/zero"), ".git is huge": huge, ".git leads to a secret": link(secret),
		".git names a pipe":      func(t *testing.T, file string) { pipe(t, file+"x"); text("gitdir: "+file+"x")(t, file) },
		".git names a device":    text("gitdir: /dev/zero"),
		".git names a secret":    text("gitdir: " + secret),
		".git leads to a folder": link("/etc"),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, filepath.Join(dir, ".git"))
			filestest.Soon(t, func() {
				if got := Look(dir); got != (Git{}) {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}
