package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/audit/reconcile"
	"github.com/changetrail/changetrail/internal/gitfolder"
	"github.com/changetrail/changetrail/record"
)

// A Clone is where the history of a branch is read from.
type Clone struct {
	Folder     string
	Branch     string            // empty for the default branch
	Repository record.Repository // empty for that of the remote
	// Named are commits that are read even if the branch does not contain them.
	Named []string
	// FetchedAt is when the clone was fetched; zero for what its files show.
	FetchedAt time.Time
}

// Read reads the history of the branch. Only the objects of the clone are given to git, in an empty
// repository of our own: its configuration, hooks, attributes, replaced objects and remotes have no
// effect. Each commit is checked against its id.
func (c Clone) Read(ctx context.Context) (*reconcile.History, error) {
	folder, ok := gitfolder.OfWorkTree(c.Folder)
	if !ok {
		if folder, ok = gitfolder.Bare(c.Folder); !ok {
			return nil, fmt.Errorf("%s is not a clone; name the folder that contains .git, or a bare repository", c.Folder)
		}
	}
	defer folder.Close()
	h := &reconcile.History{Repository: c.Repository, ReadAt: c.FetchedAt}
	if h.ReadAt.IsZero() {
		h.ReadAt = folder.FetchedAt()
	}
	if h.Repository == "" {
		if h.Repository = record.Repository(folder.Remote()); h.Repository == "" {
			return nil, fmt.Errorf("the clone in %s has no remote that names its repository; name it with --repository, such as github.com/acme/payments", c.Folder)
		}
	}
	ref, err := c.tip(folder, h)
	if err != nil {
		return nil, err
	}
	if err := folder.CheckObjects(); err != nil {
		return nil, fmt.Errorf("%s is not read, because git would open what is no regular file: %w", c.Folder, err)
	}
	reader, err := newReader(ctx, folder, h.Tip)
	if err != nil {
		return nil, err
	}
	defer reader.close()
	named, err := reader.existing(c.Named)
	if err != nil {
		return nil, err
	}
	if h.Commits, err = reader.walk(append([]string{h.Tip}, named...)); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Folder, err)
	}
	if h.Commits[h.Tip] == nil {
		return nil, fmt.Errorf("%s names %s as the newest commit of %s, and does not have it", c.Folder, h.Tip, h.Branch)
	}
	h.Sources = []string{fmt.Sprintf("the clone in %s, %s at %s", c.Folder, ref, h.Tip[:12])}
	return h, nil
}

// tip finds the newest commit of the branch: what was fetched from the remote origin, or else the
// branch of the clone itself.
func (c Clone) tip(folder gitfolder.Folder, h *reconcile.History) (ref string, err error) {
	refs, complete := folder.Refs()
	if !complete {
		h.Gaps = append(h.Gaps, "the clone has refs that cannot be read, so that a former name of the branch may be unknown")
	}
	head, _ := folder.Head()
	h.Branch = cmp.Or(c.Branch, folder.DefaultOf("origin"), head)
	remote, local := "refs/remotes/origin/"+h.Branch, "refs/heads/"+h.Branch
	ref = remote
	if h.Tip = refs[remote]; h.Tip == "" {
		ref, h.Tip = local, refs[local]
	}
	if h.Tip == "" {
		var names []string
		for name := range maps.Keys(refs) {
			names = append(names, branchOf(name))
		}
		slices.Sort(names)
		names = slices.Compact(names)
		if len(names) == 0 {
			return "", fmt.Errorf("%s has no branches that can be read; a repository that keeps its refs in tables (reftable) must be cloned with git clone --ref-format=files", c.Folder)
		}
		return "", fmt.Errorf("%s has no branch %q; name one with --branch: %s", c.Folder, h.Branch, strings.Join(names[:min(len(names), 10)], ", "))
	}
	h.Branches = []string{}
	for name := range maps.Keys(refs) {
		if b := branchOf(name); b != h.Branch && b != "HEAD" {
			h.Branches = append(h.Branches, b)
		}
	}
	slices.Sort(h.Branches)
	h.Branches = slices.Compact(h.Branches)
	return ref, nil
}

// branchOf returns the name of a branch of the clone or of a remote.
func branchOf(ref string) string {
	if name, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
		return name
	}
	_, name, _ := strings.Cut(strings.TrimPrefix(ref, "refs/remotes/"), "/")
	return name
}

// emptyRepository makes a repository that has the objects of another one and nothing else of it.
func emptyRepository(tip string) (dir string, err error) {
	dir, err = os.MkdirTemp("", "changetrail-git-")
	if err != nil {
		return "", err
	}
	config := "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
	if len(tip) == 64 {
		config = "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = sha256\n"
	}
	err = errors.Join(
		os.Mkdir(filepath.Join(dir, "objects"), 0o700), os.Mkdir(filepath.Join(dir, "refs"), 0o700),
		os.WriteFile(filepath.Join(dir, "HEAD"), []byte("ref: refs/heads/none\n"), 0o600), os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600),
	)
	if err != nil {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return dir, err
}

// RepositoryOf returns the repository of a clone, by its remote, or "".
func RepositoryOf(dir string) record.Repository {
	folder, ok := gitfolder.OfWorkTree(dir)
	if !ok {
		if folder, ok = gitfolder.Bare(dir); !ok {
			return ""
		}
	}
	defer folder.Close()
	return record.Repository(folder.Remote())
}
