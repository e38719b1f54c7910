package platform

import (
	"slices"

	"github.com/changetrail/changetrail/record"
)

// Limits on a push: the newest commits and the first paths are kept. The push says that it is
// partial if some were dropped.
const (
	maxCommits = 250
	maxFiles   = 3000
	maxPath    = 1024
)

// A push is a push that is being read.
type push struct {
	record.Pushed
	seen    map[string]bool
	foreign bool // commits were skipped, since another branch already had them
}

func newPush(branch, before, after string, isDefault bool) *push {
	return &push{Pushed: record.Pushed{Branch: branch, Before: before, After: after, Default: isDefault}, seen: make(map[string]bool)}
}

// add adds a new commit of the push and the paths that it changed. Pushes of GitHub or GitLab do
// not name the parents of a commit, and its message is a claim of its author, so they cannot show
// that it merges the base branch.
func (p *push) add(c record.Commit, message string, files ...[]string) {
	if c.SHA = commit(c.SHA); c.SHA != "" {
		c.Subject, c.Trailers = subject(message), record.Trailers(message)
		p.Commits = append(p.Commits, c)
	}
	listed := slices.ContainsFunc(files, func(list []string) bool { return list != nil })
	p.Partial = p.Partial || !listed
	paths := slices.Concat(files...)
	p.Partial = p.Partial || len(paths) >= maxFiles // the most that GitHub lists for a commit
	for _, f := range paths {
		switch {
		case f == "" || p.seen[f]:
		case len(f) > maxPath || len(p.Files) == maxFiles:
			p.Partial = true
		default:
			p.seen[f] = true
			p.Files = append(p.Files, f)
		}
	}
}

// put makes the push the fact of r; a push to the default branch is a change of its own.
func (p *push) put(r *Reading) {
	if n := len(p.Commits); n > maxCommits {
		p.Partial, p.Commits = true, p.Commits[n-maxCommits:]
	}
	p.NoFiles = len(p.Files) == 0 && !p.Partial
	if p.Default {
		r.Change = r.Repository.Change("/commit/" + p.After)
	}
	r.Fact = &p.Pushed
}
