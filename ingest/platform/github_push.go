package platform

import (
	"cmp"
	"strings"

	"github.com/changetrail/changetrail/record"
)

type githubCommit struct {
	ID       string `json:"id"`
	Message  string `json:"message"`
	Distinct *bool  `json:"distinct"` // false: another branch had it before
	Author   struct {
		Name     string `json:"name"`
		Email    string `json:"email"`
		Username string `json:"username"`
	} `json:"author"`
	Added    []string `json:"added"`
	Modified []string `json:"modified"`
	Removed  []string `json:"removed"`
}

// maxListed is the most commits that GitHub lists of a push.
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

// startsElsewhere reports whether a branch that was made by this push begins with
// commits of a branch that is not the default one. They are part of what the new branch
// holds, and the push does not say what they changed.
func (g *githubEvent) startsElsewhere(p *push) bool {
	base := strings.TrimPrefix(g.BaseRef, "refs/heads/")
	return p.Before == "" && !p.Default && (p.foreign || base != "" && base != g.Repository.DefaultBranch)
}
