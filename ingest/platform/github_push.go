package platform

import (
	"cmp"
	"strings"

	"github.com/changetrail/changetrail/record"
)

type githubCommit struct {
	ID       string `json:"id"`
	Message  string `json:"message"`
	Distinct *bool  `json:"distinct"` // false: another branch already had it
	Author   struct {
		Name     string `json:"name"`
		Email    string `json:"email"`
		Username string `json:"username"`
	} `json:"author"`
	Added    []string `json:"added"`
	Modified []string `json:"modified"`
	Removed  []string `json:"removed"`
}

// maxListed is the largest number of commits that GitHub lists in a push.
const maxListed = 2048

func (g *githubEvent) push(r *Reading) {
	branch, ok := strings.CutPrefix(g.Ref, "refs/heads/")
	after := commit(g.After)
	r.Time = textTime(g.Repository.PushedAt)
	if !ok || after == "" {
		r.Fact = noted("push of %s", g.Ref)
		return
	}
	p := newPush(branch, commit(g.Before), after, branch == g.Repository.DefaultBranch)
	p.Forced, p.URL = g.Forced, g.Compare
	p.Pusher, p.PusherType = cmp.Or(g.Sender.Login, g.Pusher.Name), g.Sender.kind()
	for _, c := range g.Commits {
		if c.Distinct != nil && !*c.Distinct && !p.Default {
			p.foreign = true
			continue
		}
		p.add(record.Commit{SHA: c.ID, Author: cmp.Or(c.Author.Username, c.Author.Name), Email: c.Author.Email}, c.Message, c.Added, c.Modified, c.Removed)
	}
	p.Partial = p.Partial || len(g.Commits) >= maxListed || g.Size > len(g.Commits) || g.startsElsewhere(p)
	p.put(r)
}

// startsElsewhere reports whether a branch that this push created begins with commits of a branch
// other than the default one. The new branch contains them, but the push does not say what they
// changed.
func (g *githubEvent) startsElsewhere(p *push) bool {
	base := strings.TrimPrefix(g.BaseRef, "refs/heads/")
	return p.Before == "" && !p.Default && (p.foreign || base != "" && base != g.Repository.DefaultBranch)
}
