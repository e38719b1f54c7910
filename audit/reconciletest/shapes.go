package reconciletest

import (
	"fmt"
	"slices"
	"time"
)

// merge is the merge of a pull request with a merge commit.
func (w *World) merge(c *change) {
	c.shape = "merge"
	w.request(c)
	w.branchOf(c, 5)
	if w.chance(0.2) && w.main != c.head { // the branch takes up the newest state of production
		up := w.commit([]int{c.head, w.main}, c.author, "Merge branch '"+Branch+"' into feature")
		c.branch = append(c.branch, up)
		w.growFrom(c, up, 1)
	}
	w.land(c, w.main)
}

// land merges the branch of a change into the production branch.
func (w *World) land(c *change, onto int) {
	message := fmt.Sprintf("Merge pull request #%d from acme/feature-%d\n\n%s", c.number, c.number, c.title)
	if w.GitLab {
		message = fmt.Sprintf("Merge branch 'feature-%d' into '%s'\n\n%s\n\nSee merge request acme/payments!%d", c.number, Branch, c.title, c.number)
	}
	c.merge = w.commit([]int{onto, c.head}, people[0], message)
	w.nodes[c.merge-1].by = github
	c.landed = append(slices.Clone(c.branch), c.merge)
	c.pushed = slices.Clone(c.landed)
}

func (w *World) squash(c *change) {
	c.shape = "squash"
	w.request(c)
	w.branchOf(c, 4)
	w.away(c)
	c.merge = w.commit([]int{w.main}, c.author, fmt.Sprintf("%s (#%d)\n\n* what it does", c.title, c.number))
	w.nodes[c.merge-1].by = github
	c.landed, c.pushed = []int{c.merge}, []int{c.merge}
}

func (w *World) rebase(c *change) {
	c.shape = "rebase"
	w.request(c)
	w.branchOf(c, 4)
	w.away(c)
	w.replay(c, w.main)
	c.pushed = slices.Clone(c.landed)
}

// replay copies the commits of a branch onto a commit.
func (w *World) replay(c *change, onto int) {
	at := w.tick(time.Minute, time.Hour)
	for _, mark := range c.branch {
		of := w.nodes[mark-1]
		n := &node{mark: len(w.nodes) + 1, parents: []int{onto}, author: of.author, wrote: of.wrote, by: people[1], at: at, message: of.message}
		w.nodes = append(w.nodes, n)
		onto = n.mark
		c.landed = append(c.landed, onto)
	}
	c.merge = onto
}

// smuggle is a rebase merge that somebody made and pushed by hand, with a commit of their own below
// it that is in no pull request.
func (w *World) smuggle(c *change) {
	hidden := w.commit([]int{w.main}, people[1], fmt.Sprintf("One more thing %d", len(w.nodes)))
	h := &change{shape: "hidden", head: hidden, merge: hidden, landed: []int{hidden}, base: c.base, at: w.now, author: people[1], fate: "dark"}
	w.changes = append(w.changes, h)
	c.shape = "rebase"
	w.request(c)
	w.growFrom(c, w.main, 1+w.rnd.IntN(3))
	w.away(c)
	w.replay(c, hidden)
	c.pushed = append([]int{hidden}, c.landed...)
}

func (w *World) fastForward(c *change) {
	c.shape = "fast-forward"
	w.request(c)
	w.growFrom(c, w.main, 1+w.rnd.IntN(3))
	c.merge = c.head
	c.landed, c.pushed = slices.Clone(c.branch), slices.Clone(c.branch)
}

func (w *World) direct(c *change) {
	c.shape, c.title = "direct", "Mend it"
	w.growFrom(c, w.main, 1+w.rnd.IntN(4))
	w.directly(c)
}

// directly makes what a person committed on the production branch a push.
func (w *World) directly(c *change) {
	c.merge, c.landed, c.pushed = c.head, slices.Clone(c.branch), slices.Clone(c.branch)
}

func (w *World) revert(c *change) {
	of := w.changes[w.rnd.IntN(len(w.changes))]
	c.shape, c.title = "direct", "revert"
	mark := w.commit([]int{w.main}, c.author, fmt.Sprintf("Revert \"%s\"\n\nThis reverts commit %040x.", of.title, of.merge))
	c.branch, c.head = []int{mark}, mark
	w.directly(c)
}

func (w *World) pick(c *change) {
	of := w.changes[w.rnd.IntN(len(w.changes))]
	c.shape, c.title = "direct", "pick"
	mark := w.commit([]int{w.main}, of.author, fmt.Sprintf("%s copied\n\n(cherry picked from commit %040x)", of.title, of.merge))
	w.nodes[mark-1].by = people[2]
	c.branch, c.head = []int{mark}, mark
	w.directly(c)
}

// stacked is a pull request into the branch of another one.
func (w *World) stacked(c *change) {
	c.shape = "merge"
	w.request(c)
	w.branchOf(c, 3)
	top := &change{shape: "stacked", author: people[0], base: fmt.Sprintf("feature-%d", c.number), fate: "recorded"}
	w.request(top)
	w.growFrom(top, c.head, 1+w.rnd.IntN(2))
	top.merge = w.commit([]int{c.head, top.head}, people[0], fmt.Sprintf("Merge pull request #%d from acme/top", top.number))
	top.at = w.now
	top.pushed = append(slices.Clone(top.branch), top.merge)
	w.changes = append(w.changes, top)
	c.branch = append(append(c.branch, top.branch...), top.merge)
	c.head = top.merge
	w.land(c, w.main)
	top.landed = nil // the other one brings it
	c.shape = "stack"
}

// octopus is a local merge of several branches that is pushed.
func (w *World) octopus(c *change) {
	c.shape, c.title = "direct", "several"
	var heads []int
	for range 2 + w.rnd.IntN(2) {
		heads = append(heads, w.growFrom(c, w.main, 1))
	}
	mark := w.commit(append([]int{w.main}, heads...), c.author, "Merge branches of mine")
	c.branch, c.head = append(c.branch, mark), mark
	w.directly(c)
}

// foxtrot is a push of a merge whose first parent is the person's own branch.
func (w *World) foxtrot(c *change) {
	c.shape, c.title = "direct", "my own"
	from := w.main
	if n := len(w.mains); n > 3 && w.alive(w.mains[n-2]) {
		from = w.mains[n-2]
	}
	w.growFrom(c, from, 1+w.rnd.IntN(2))
	mark := w.commit([]int{c.head, w.main}, c.author, "Merge branch '"+Branch+"' of github.com:acme/payments")
	c.branch, c.head = append(c.branch, mark), mark
	w.directly(c)
}

// release is work on a release branch, with a copy of a change of the production branch.
func (w *World) release() {
	if w.side == 0 {
		w.side = w.main
	}
	c := &change{shape: "release", author: people[2], base: "release/1.x", fate: "recorded"}
	w.request(c)
	w.growFrom(c, w.side, 1)
	c.merge = w.commit([]int{w.side}, people[2], fmt.Sprintf("%s (#%d)", c.title, c.number))
	for _, mark := range c.branch {
		w.nodes[mark-1].outside = true
	}
	c.pushed, c.at = []int{c.merge}, w.now
	w.side = c.merge
	w.changes = append(w.changes, c)
}

// force removes the newest changes from the production branch. Some come back as other commits.
func (w *World) force() {
	var last *change
	for i := len(w.changes) - 1; i > 0 && last == nil; i-- {
		if c := w.changes[i]; len(c.landed) > 0 && !c.dropped {
			last = c
		}
	}
	if last == nil || last.merge != w.main || last.fate != "recorded" || last.shape != "merge" && last.shape != "squash" {
		return
	}
	onto := w.nodes[last.merge-1].parents[0]
	if slices.ContainsFunc(w.deploys, func(d deploy) bool { return d.commit == last.merge }) {
		return
	}
	last.dropped = true
	w.live -= len(last.landed)
	kept := w.chance(0.7)
	for _, mark := range last.landed {
		w.nodes[mark-1].kept, w.nodes[mark-1].outside = kept, !kept
	}
	w.main = onto
	if w.chance(0.5) {
		last.relaid = w.commit([]int{onto}, last.author, fmt.Sprintf("%s (#%d)", last.title, last.number))
		w.main = last.relaid
		w.live++
	}
	w.mains = append(w.mains, w.main)
}
