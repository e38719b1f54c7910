package reconcile

import (
	"fmt"
	"slices"
	"strings"
)

// pair finds records whose merge commit is not in the branch, and the commits that took its place:
// those whose message names the change, and copies of the commits that were there before.
func (c *comparison) pair() {
	for _, brought := range c.g.brought {
		for _, sha := range brought {
			c.pairByNumber(sha)
		}
	}
	copied := c.uncoveredByContent()
	for _, r := range c.records {
		if r.at != "" || r.state != "merged" || r.settled || !c.mayBeToBranch(r) || c.g.commits[c.g.find(r.merge)] == nil || c.g.in(c.g.find(r.merge)) {
			continue
		}
		found := ""
		for _, old := range c.formerly(r) {
			for _, sha := range copied[contentOf(old)] {
				c.paired[sha] = true
				if old.ID == c.g.find(r.merge) {
					found = sha
				}
			}
		}
		if found != "" {
			c.misplaced(r, found, short(found)+" is a copy of it")
		}
	}
}

// pairByNumber finds the record of the change that the message of an unexplained commit names.
func (c *comparison) pairByNumber(sha string) {
	commit := c.g.commits[sha]
	r := c.byNumber(commit.Number)
	if r == nil || r.at != "" || r.state != "merged" || r.merge == "" || r.settled || !c.mayBeToBranch(r) || c.covered[sha] != nil || c.paired[sha] {
		return
	}
	c.paired[sha] = true
	if len(commit.Parents) > 1 {
		for _, s := range c.g.merged(sha) {
			c.paired[s] = c.covered[s] == nil
		}
	}
	c.misplaced(r, sha, "the message of "+short(sha)+" names the change")
}

// contentOf is what copies of a commit have in common.
func contentOf(commit *Commit) string {
	return commit.AuthorMail + "\x00" + commit.AuthoredAt.UTC().String() + "\x00" + commit.Subject
}

func (c *comparison) uncoveredByContent() map[string][]string {
	out := make(map[string][]string)
	for _, brought := range c.g.brought {
		for _, sha := range brought {
			if c.covered[sha] == nil && !c.paired[sha] {
				content := contentOf(c.g.commits[sha])
				out[content] = append(out[content], sha)
			}
		}
	}
	return out
}

// formerly returns the commits of a change whose merge commit is no longer in the branch: the merge,
// what it merged, and what is below it by the rules for the branch.
func (c *comparison) formerly(r *recorded) []*Commit {
	merge := c.g.commits[c.g.find(r.merge)]
	out := []*Commit{merge}
	if len(merge.Parents) > 1 {
		before := c.outside(merge.Parents[:1], nil)
		for _, commit := range c.outside(merge.Parents[1:], before) {
			out = append(out, commit)
		}
		return out
	}
	return append(out, c.below(r, merge, func(sha string) bool { return !c.g.in(sha) && !c.named[sha] })...)
}

// outside returns the ancestors of commits that are not in the branch, except some.
func (c *comparison) outside(from []string, except map[string]*Commit) map[string]*Commit {
	out := make(map[string]*Commit)
	for todo := slices.Clone(from); len(todo) > 0; {
		at := c.g.commits[todo[len(todo)-1]]
		todo = todo[:len(todo)-1]
		if at == nil || c.g.in(at.ID) || out[at.ID] != nil || except[at.ID] != nil {
			continue
		}
		out[at.ID] = at
		todo = append(todo, at.Parents...)
	}
	return out
}

// misplaced reports that the history has another merge commit for a record.
func (c *comparison) misplaced(r *recorded, found, because string) {
	r.settled = true
	old := c.g.find(r.merge)
	f := c.about(r, WrongHead)
	f.Commit, f.Found = found, found
	f.Reason = fmt.Sprintf("%s is recorded as merged with %s, which %s does not contain; %s", r.id, short(r.merge), c.History.Branch, because)
	switch {
	case c.g.in(old):
		f.Reason = fmt.Sprintf("%s is recorded as merged with %s, which is a commit of another change; %s", r.id, short(r.merge), because)
	case c.g.commits[old] != nil:
		f.Kind = Rewritten
		f.Reason = fmt.Sprintf("%s was merged with %s, which still exists but is no longer in %s; %s", r.id, short(r.merge), c.History.Branch, because)
	case c.confirmed(r):
		f.Kind = Rewritten
		f.Reason = fmt.Sprintf("%s was merged with %s, as the code host confirms, and %s no longer contains it; %s", r.id, short(r.merge), c.History.Branch, because)
	}
	if c.inTime(r.mergedAt) || c.g.in(found) && c.window.has(c.g.landing[found]) {
		c.find(f)
	}
}

// confirmed reports whether the code host lists a change as merged with the recorded commit.
func (c *comparison) confirmed(r *recorded) bool {
	q := c.listed[string(r.id)]
	return q != nil && q.State == "merged" && q.MergeSHA != "" && !differ(q.MergeSHA, r.merge)
}

// about returns a finding about a record.
func (c *comparison) about(r *recorded, kind string) Finding {
	f := Finding{Kind: kind, What: ofChange, Change: r.id, At: r.mergedAt, Title: r.title, Agent: r.agent, Recorded: r.merge}
	if r.agent != "" {
		f.AgentBy = []string{"record"}
	}
	return f
}

// heads compares recorded heads with what was merged.
func (c *comparison) heads() {
	for _, r := range c.records {
		if r.at == "" || r.direct() || r.request != nil || !c.window.has(c.g.landing[r.at]) && !c.inTime(r.mergedAt) {
			continue
		}
		if r.moved {
			c.misplaced(r, r.at, short(r.at)+" merges its head")
			continue
		}
		parents := c.g.commits[r.at].Parents
		head := c.g.find(r.head)
		if len(parents) < 2 || r.head == "" || head == r.at || slices.Contains(parents[1:], head) || c.squashed(r, head) {
			continue
		}
		f := c.about(r, WrongHead)
		f.Commit, f.Recorded, f.Found = r.at, r.head, strings.Join(parents[1:], " ")
		f.Reason = fmt.Sprintf("%s is recorded with the head %s, and %s merged %s", r.id, short(r.head), short(r.at), short(parents[1]))
		if n := len(c.g.within(c.g.landing[r.at], parents[1:], c.g.within(c.g.landing[r.at], []string{head}, nil))); c.g.in(head) && n > 0 {
			f.Reason += fmt.Sprintf(", which has %d more commits", n)
		}
		c.find(f)
	}
}

// squashed reports whether a merge commit of GitLab merges one commit that GitLab made of all commits
// of the request: the host says so, or the subject of the commit is the title of the request.
func (c *comparison) squashed(r *recorded, head string) bool {
	merged := c.g.merged(r.at)
	if r.kind != "merge_requests" || len(merged) != 2 || c.g.in(head) {
		return false
	}
	made := c.g.commits[c.g.commits[r.at].Parents[1]]
	q := c.listed[string(r.id)]
	return made != nil && (made.Subject == r.title && r.title != "" || q != nil && q.SquashSHA == made.ID)
}
