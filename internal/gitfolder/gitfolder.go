// Package gitfolder reads the files of Git in a folder that somebody else may have written, without
// running git. It reads only regular files of a bounded size and follows no link out of the folder;
// what cannot be read or has another format is left out.
//
// Hooks of agents use it at each call of a tool: it imports the standard library, internal/address and
// internal/files.
package gitfolder

import (
	"bufio"
	"compress/zlib"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/changetrail/changetrail/internal/address"
	"github.com/changetrail/changetrail/internal/files"
)

// How much is read of a file of git, in bytes: of packed-refs, which has a line for each tag, and of
// any other.
const (
	maxPacked = 32 << 20
	maxGit    = 1 << 20
)

// A Folder is the git folder of a work tree, and the one that it shares with other work trees. Of a
// bare repository both are the same.
type Folder struct{ private, common *os.Root }

// Close closes the folder.
func (g Folder) Close() { _, _ = g.private.Close(), g.common.Close() }

// Bare opens a bare repository. It returns false if dir is none.
func Bare(dir string) (g Folder, ok bool) {
	for _, name := range []string{"objects", "refs"} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err != nil || !info.IsDir() {
			return g, false
		}
	}
	if g.private, ok = opened(dir); !ok {
		return g, false
	}
	if g.common, ok = opened(dir); !ok {
		_ = g.private.Close() // nothing was written
		return g, false
	}
	return g, true
}

func opened(dir string) (*os.Root, bool) {
	root, err := files.Folder(dir)
	return root, err == nil
}

// OfWorkTree opens the git folders of a work tree. It returns false if dir is not the top of one.
func OfWorkTree(dir string) (g Folder, ok bool) {
	path := filepath.Join(dir, ".git")
	info, err := os.Lstat(path)
	if err != nil {
		return g, false
	}
	if info.Mode().IsRegular() { // of a work tree or a submodule: "gitdir: PATH"
		text, err := files.Read(path, maxGit)
		pointed, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "gitdir: ")
		if err != nil || !ok {
			return g, false
		}
		path = from(dir, pointed)
	} else if !info.IsDir() {
		return g, false
	}
	if g.private, err = files.Folder(path); err != nil {
		return g, false
	}
	shared := "."
	if pointed := strings.TrimSpace(string(g.read(g.private, "commondir"))); pointed != "" {
		shared = pointed
	}
	if g.common, err = files.Folder(from(path, shared)); err != nil {
		_ = g.private.Close() // nothing was written
		return g, false
	}
	return g, true
}

func from(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// read returns a file of git, or nil if it cannot be read.
func (Folder) read(folder *os.Root, name string) []byte {
	text, err := files.ReadIn(folder, filepath.FromSlash(name), maxGit)
	if err != nil {
		return nil
	}
	return text
}

// commitIn returns the full commit id in a file of git, or "" if the file has any other content,
// which is not shown to anybody.
func commitIn(text []byte) string {
	if s := strings.TrimSpace(string(text)); (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == "" {
		return s
	}
	return ""
}

// Head returns the branch and the commit that are checked out. The branch is empty if none is, and the
// commit if it cannot be read.
func (g Folder) Head() (branch, commit string) {
	text := g.read(g.private, "HEAD")
	ref, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "ref: ")
	if !ok {
		return "", commitIn(text) // no branch
	}
	if !strings.HasPrefix(ref, "refs/") || !filepath.IsLocal(filepath.FromSlash(ref)) || strings.ContainsFunc(ref, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return "", "" // git never writes this
	}
	branch = strings.TrimPrefix(ref, "refs/heads/")
	if commit = commitIn(g.read(g.common, ref)); commit != "" {
		return branch, commit
	}
	return branch, g.packed(func(name string) bool { return name == ref })[ref]
}

// packed returns the commits of some refs in the file that lists several.
func (g Folder) packed(wanted func(name string) bool) map[string]string {
	out := make(map[string]string)
	f, err := files.OpenIn(g.common, "packed-refs")
	if err != nil {
		return out
	}
	defer f.Close()
	for lines := bufio.NewScanner(io.LimitReader(f, maxPacked)); lines.Scan(); {
		if sha, name, ok := strings.Cut(lines.Text(), " "); ok && wanted(name) && commitIn([]byte(sha)) != "" {
			out[name] = sha
		}
	}
	return out
}

// CommittedAt reads the time of a commit that has a file of its own.
func (g Folder) CommittedAt(sha string) time.Time {
	if sha == "" {
		return time.Time{}
	}
	f, err := files.OpenIn(g.common, filepath.Join("objects", sha[:2], sha[2:]))
	if err != nil {
		return time.Time{}
	}
	defer f.Close()
	z, err := zlib.NewReader(f)
	if err != nil {
		return time.Time{}
	}
	text, _ := io.ReadAll(io.LimitReader(z, 64<<10)) // the part that can be read is enough
	return committedAt(string(text))
}

// committedAt reads the line of a commit object that states when it was committed, as in
// "committer NAME <MAIL> 1772336820 +0100".
func committedAt(text string) time.Time {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if n := len(words); n < 3 || words[0] != "committer" || !strings.HasSuffix(line, "\n") {
			continue
		} else if seconds, err := strconv.ParseInt(words[n-2], 10, 64); err == nil && seconds >= 0 {
			return time.Unix(seconds, 0).UTC()
		}
		break
	}
	return time.Time{}
}

// Remote returns the repository of the remote origin, or of the only remote.
func (g Folder) Remote() string {
	config := g.read(g.common, "config")
	name, only, n := "", "", 0
	for line := range strings.Lines(string(config)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			name = ""
			if section, ok := strings.CutPrefix(line, `[remote "`); ok {
				name = strings.TrimSuffix(section, `"]`)
			}
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		if name == "" || strings.TrimSpace(key) != "url" {
			continue
		}
		repo := address.OfRemote(strings.TrimSpace(value))
		if name == "origin" {
			return repo
		}
		only = repo
		n++
	}
	if n > 1 {
		return ""
	}
	return only
}
