package gitfolder

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/changetrail/changetrail/internal/files"
)

// Refs returns the commits of all branches and remote branches, by their full names, such as
// refs/remotes/origin/main. complete is false if there are too many files, or a file that is not one
// of Git's.
func (g Folder) Refs() (refs map[string]string, complete bool) {
	tops := []string{"refs/heads", "refs/remotes"}
	complete = true
	refs = g.packed(func(name string) bool {
		return strings.HasPrefix(name, tops[0]+"/") || strings.HasPrefix(name, tops[1]+"/")
	})
	left := maxRefs
	for _, top := range tops {
		err := fs.WalkDir(g.common.FS(), top, func(name string, d fs.DirEntry, err error) error {
			if left--; left < 0 {
				complete = false
				return fs.SkipAll
			}
			if err != nil || d.IsDir() {
				return err
			}
			if sha := commitIn(g.read(g.common, name)); sha != "" {
				refs[name] = sha
			}
			return nil
		})
		if err != nil && !os.IsNotExist(err) {
			complete = false
		}
	}
	return refs, complete
}

// maxRefs is how many files of refs are read.
const maxRefs = 200_000

// DefaultOf returns the default branch of a remote, as the clone knows it, or "".
func (g Folder) DefaultOf(remote string) string {
	prefix := "ref: refs/remotes/" + remote + "/"
	branch, ok := strings.CutPrefix(strings.TrimSpace(string(g.read(g.common, "refs/remotes/"+remote+"/HEAD"))), prefix)
	if !ok || strings.ContainsFunc(branch, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return ""
	}
	return branch
}

// Objects returns the path of the folder of the objects.
func (g Folder) Objects() string { return filepath.Join(g.common.Name(), "objects") }

// CheckObjects says what in the folder of the objects is neither a folder nor a regular file: git
// would open it.
func (g Folder) CheckObjects() error {
	return fs.WalkDir(g.common.FS(), "objects", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if os.IsNotExist(err) { // git replaced a file meanwhile
			return nil
		}
		if err != nil {
			return err
		}
		return files.Regular(filepath.Join(g.common.Name(), name), info)
	})
}

// FetchedAt returns when Git last fetched from a remote; zero if the repository has none, or that
// cannot be seen. A copy of the files has other times.
func (g Folder) FetchedAt() time.Time {
	if g.Remote() == "" {
		return time.Time{}
	}
	for _, name := range []string{"FETCH_HEAD", "refs/remotes/origin/HEAD", "packed-refs", "HEAD"} {
		if info, err := g.common.Stat(name); err == nil {
			return info.ModTime()
		}
	}
	return time.Time{}
}
