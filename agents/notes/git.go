package notes

import (
	"path/filepath"
	"time"

	"github.com/changetrail/changetrail/internal/gitfolder"
)

// Git is the state of a git work tree.
type Git struct {
	Root       string `json:"root,omitempty"`       // of the work tree
	Repository string `json:"repository,omitempty"` // of the remote origin, or of the only remote
	Branch     string `json:"branch,omitempty"`
	Head       string `json:"head,omitempty"` // commit
	// When it was committed, by its own statement. Unknown if the commit is in a pack; a commit that
	// was just made is not.
	HeadAt time.Time `json:"head_at,omitzero"`
}

// Look reads the state of the work tree that contains a folder, from git's own files: to start git
// would take most of a hook's time. The author of the repository may have written these files, so
// only regular files of a bounded size are read, no link is followed out of git's folder, and
// whatever cannot be read or has another format is left out.
func Look(folder string) Git {
	for dir := folder; dir != "" && filepath.IsAbs(dir); dir = filepath.Dir(dir) {
		if g, ok := gitfolder.OfWorkTree(dir); ok {
			defer g.Close()
			out := Git{Root: dir, Repository: g.Remote()}
			out.Branch, out.Head = g.Head()
			out.HeadAt = g.CommittedAt(out.Head)
			return out
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return Git{}
}
