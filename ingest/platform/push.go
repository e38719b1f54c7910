package platform

import (
	"slices"

	"github.com/changetrail/changetrail/record"
)

// Bounds of a push: of more commits the newest are kept, of more paths the first. What
// is left out, the push says is missing.
const (
	maxCommits = 250
	maxFiles   = 3000
	maxPath    = 1024
)

// A push is one that is being read.
type push struct {
	record.Pushed
	seen    map[string]bool
	foreign bool // commits were left out, since another branch had them before
}

func newPush(branch, before, after string, isDefault bool) *push {
	return &push{Pushed: record.Pushed{Branch: branch, Before: before, After: after, Default: isDefault}, seen: make(map[string]bool)}
}

// add takes in a commit of the push's own and the paths that it changed. The parents
// of a commit are in no push of GitHub or GitLab, and its message is its author's claim:
// that it merges the base branch is not to be known from it.
func (p *push) add(c record.Commit, message string, files ...[]string) {
	if c.SHA = commit(c.SHA); c.SHA != "" {
		c.Subject, c.Trailers = subject(message), record.Trailers(message)
		p.Commits = append(p.Commits, c)
	}
	listed := slices.ContainsFunc(files, func(list []string) bool { return list != nil })
	p.Partial = p.Partial || !listed
	paths := slices.Concat(files...)
	p.Partial = p.Partial || len(paths) >= maxFiles // as many as GitHub lists of a commit
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

// put makes the push the fact of r; one to the default branch is a change of its own.
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
