package reconcile

import (
	"slices"
	"strings"
	"time"
)

// cover finds which commits each record explains.
func (c *comparison) cover() {
	for _, r := range c.records {
		if r.at == "" {
			continue
		}
		c.explain(r, r.at)
		if parents := c.g.commits[r.at].Parents; len(parents) > 1 && !r.direct() {
			for _, sha := range c.g.merged(r.at) {
				c.explain(r, sha)
			}
		}
	}
	c.coverPushes()
	for _, r := range c.records {
		if r.at != "" && len(c.g.commits[r.at].Parents) == 1 && !r.direct() {
			c.coverBelow(r)
		}
	}
}

// explain says that a record explains a commit, unless it is the merge of another one.
func (c *comparison) explain(r *recorded, sha string) {
	if other := c.at[sha]; other != nil && other != r {
		return
	}
	if c.covered[sha] == nil {
		c.covered[sha] = r
	}
}

// coverPushes explains the commits that a recorded push brought. A push that the merge of a pull
// request made explains nothing by itself.
func (c *comparison) coverPushes() {
	for _, p := range c.Pushes {
		r := c.byName[string(p.Change)]
		if r == nil || r.at == "" || !r.direct() {
			continue
		}
		for _, sha := range c.broughtBy(p) {
			if c.g.in(sha) && c.g.landing[sha] <= c.g.landing[r.at] {
				c.explain(r, sha)
			}
		}
	}
	for _, r := range c.records {
		if r.at != "" && r.direct() && c.Pushes == nil && len(c.g.commits[r.at].Parents) > 1 && !c.swallows(r.at) {
			for _, sha := range c.g.merged(r.at) {
				c.explain(r, sha)
			}
		}
	}
}

// swallows reports whether a merge commit merges other recorded changes: whoever made it merged the
// production branch into a branch of their own, and pushed that.
func (c *comparison) swallows(sha string) bool {
	return slices.ContainsFunc(c.g.merged(sha), func(s string) bool { return s != sha && c.at[s] != nil })
}

// coverBelow explains the commits below the merge of a record without a merge commit: a rebase merge
// copies each commit of a pull request, and a fast-forward keeps each.
func (c *comparison) coverBelow(r *recorded) {
	for _, commit := range c.below(r, c.g.commits[r.at], func(sha string) bool { return c.g.in(sha) && c.at[sha] == nil }) {
		c.explain(r, commit.ID)
	}
}

// below returns the commits below the merge of a record that belong to its change, as long as each of
// them may.
func (c *comparison) below(r *recorded, merge *Commit, may func(sha string) bool) (out []*Commit) {
	belongs := c.belowOf(r, merge)
	seen := map[string]bool{merge.ID: true} // a list of a code host may contain a circle
	for last := merge; len(last.Parents) == 1; {
		next := c.g.commits[last.Parents[0]]
		if next == nil || seen[next.ID] || len(next.Parents) > 1 || !may(next.ID) || !belongs(next, last) {
			break
		}
		seen[next.ID] = true
		out = append(out, next)
		last = next
	}
	return out
}

// belowOf returns a function that reports whether a commit belongs to a change, given the one above it, which
// does. It knows the commits of the change from the clone; else from the pushes to its branch; else
// it believes the push that brought the merge, for commits that look as if one rebase made them.
func (c *comparison) belowOf(r *recorded, merge *Commit) func(next, last *Commit) bool {
	own := c.ownCommits(r)
	take := func(next *Commit) bool {
		i := slices.IndexFunc(own, func(o *Commit) bool { return copies(o, next) })
		if i >= 0 {
			own = slices.Delete(own, i, i+1)
		}
		return i >= 0
	}
	if own != nil {
		take(merge)
		return func(next, _ *Commit) bool { return take(next) }
	}
	landed := c.pushes.landed[merge.ID]
	pushed, complete := c.pushedTo(r)
	left := len(pushed) - 1
	return func(next, last *Commit) bool {
		left--
		switch {
		case pushed[next.ID]: // a fast-forward
			return true
		case complete:
			return landed[next.ID] && left >= 0
		}
		return landed[next.ID] && together(next, last)
	}
}

// ownCommits returns the commits of the branch of a change; nil if its head was not read, or is in
// the production branch.
func (c *comparison) ownCommits(r *recorded) (out []*Commit) {
	seen := make(map[string]bool)
	for todo := []string{c.g.find(r.head)}; len(todo) > 0; {
		at := c.g.commits[todo[len(todo)-1]]
		todo = todo[:len(todo)-1]
		if at == nil || seen[at.ID] || c.g.in(at.ID) {
			continue
		}
		seen[at.ID] = true
		if len(at.Parents) < 2 {
			out = append(out, at)
		}
		todo = append(todo, at.Parents...)
	}
	return out
}

// copies reports whether a commit is a copy of another, or itself: a rebase keeps the author, the time at
// which it was written and the message.
func copies(of, commit *Commit) bool {
	return of.ID == commit.ID || of.AuthorMail == commit.AuthorMail && of.AuthoredAt.Equal(commit.AuthoredAt) && of.Subject == commit.Subject
}

// pushedTo returns the commits that pushes brought to the branch of a change, from its head back,
// and whether these are all.
func (c *comparison) pushedTo(r *recorded) (commits map[string]bool, complete bool) {
	commits = make(map[string]bool)
	seen := make(map[string]bool)
	for at := r.head; at != ""; {
		p, ok := c.pushes.byAfter[at]
		if !ok || seen[at] { // the branch was there before the first push that was seen
			return commits, c.g.in(c.g.find(at))
		}
		seen[at] = true // a branch may be reset to an earlier commit
		for _, sha := range p.Commits {
			commits[c.g.find(sha)] = true
		}
		at = strings.ToLower(p.Before)
	}
	return commits, r.head != ""
}

// An index of pushes finds them by their newest commits.
type index struct {
	landed  map[string]map[string]bool // commits that a push to the production branch brought
	byAfter map[string]Push            // pushes to other branches
}

func (c *comparison) indexPushes() {
	c.pushes = index{make(map[string]map[string]bool), make(map[string]Push)}
	for _, p := range c.Pushes {
		if p.Change == "" {
			c.pushes.byAfter[strings.ToLower(p.After)] = p
			continue
		}
		_, _, tip := p.Change.Split()
		tip = c.g.find(tip)
		if c.pushes.landed[tip] == nil {
			c.pushes.landed[tip] = make(map[string]bool)
		}
		for _, sha := range c.broughtBy(p) {
			c.pushes.landed[tip][sha] = true
		}
	}
}

// broughtBy returns the commits that a push to the production branch brought: those that it lists, and
// all between its ends, because code hosts list only the newest ones of many.
func (c *comparison) broughtBy(p Push) (out []string) {
	for _, sha := range p.Commits {
		out = append(out, c.g.find(sha))
	}
	before, there := c.g.onChain[c.g.find(p.Before)]
	after, landed := c.g.onChain[c.g.find(p.After)]
	if there && landed {
		for i := before + 1; i <= after; i++ {
			out = append(out, c.g.brought[i]...)
		}
	}
	return out
}

// maxApart is the time between two copies that one rebase made.
const maxApart = time.Minute

// together reports whether two commits look as if one rebase made them.
func together(a, b *Commit) bool {
	return a.Committer == b.Committer && a.CommitterMail == b.CommitterMail && b.CommittedAt.Sub(a.CommittedAt).Abs() <= maxApart
}
