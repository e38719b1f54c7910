// Package reconciletest makes random histories of a repository for tests, with the records that a
// pipeline has of them and the differences that are between the two.
//
// A history is a stream of git fast-import, so that git makes the commits; or its commits as values,
// with ids that are not those of git. The records are made from events by package record, as the
// pipeline makes them.
//
// It imports audit/reconcile, record and internal/gittest.
package reconciletest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/changetrail/changetrail/record"
)

// Start is when every history begins.
var Start = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// Branch is the production branch. Its name was master during the first quarter of a history.
const Branch = "main"

// A Options says what a history has.
type Options struct {
	Seed    uint64
	Commits int // at least
	// Dark is the share of changes that have no record, and Ghosts how many records have no change.
	Dark   float64
	Ghosts int
	// GitLab is the code host; else it is GitHub.
	GitLab bool
	// Foxtrots are pushes of merges whose first parent is a person's own branch.
	Foxtrots bool
}

// A node is a commit.
type node struct {
	mark    int
	parents []int
	author  who
	wrote   time.Time
	by      who // the committer
	at      time.Time
	message string
	kept    bool // it is in the clone although no branch has it
	outside bool // it is not in the clone
}

type who struct{ name, mail string }

var (
	people = []who{{"Ana", "ana@acme.example"}, {"Bo", "bo@acme.example"}, {"Mira S", "123+mira@users.noreply.github.com"}}
	agents = []who{{"claude[bot]", "209825114+claude[bot]@users.noreply.github.com"}, {"agent-bot-3000", "agent-bot-3000@acme.example"}}
	github = who{"GitHub", "noreply@github.com"}
)

// A change is how commits reached the branch.
type change struct {
	shape   string
	number  int   // 0 for a direct push
	head    int   // newest commit of its branch
	merge   int   // the commit that the branch had afterwards, or the merge
	branch  []int // commits of its branch, oldest first
	pushed  []int // commits that the push to production brought
	landed  []int // commits of the branch that it explains
	before  int   // the commit that the branch had before
	title   string
	base    string
	at      time.Time
	author  who
	agent   bool
	noPush  bool // no push to its branch was seen
	dropped bool // a forced push removed it
	relaid  int  // the commit in its place, after that

	fate     string // recorded, dark, open, wrong-head, wrong-merge
	wrongSHA string // what is recorded instead
	wrongAt  int    // or this commit
}

// A World is a history.
type World struct {
	Options
	rnd     *rand.Rand
	nodes   []*node // by mark - 1
	changes []*change
	main    int
	mains   []int // former tips
	number  int
	now     time.Time
	side    int // tip of a release branch
	deploys []deploy
	ghosts  []ghost
	live    int // commits of the branch, about
}

// A deploy is a deployment of a commit.
type deploy struct {
	commit   int
	at       time.Time
	recorded bool
	real     bool
}

// A ghost is a record of a merge that never was.
type ghost struct {
	id   record.ChangeID
	sha  string
	head string
	at   time.Time
}

// Make makes a history.
func Make(o Options) *World {
	w := &World{Options: o, rnd: rand.New(rand.NewPCG(o.Seed, 1)), now: Start, number: 100}
	w.main = w.commit(nil, people[0], "Initial commit")
	w.changes = append(w.changes, &change{shape: "direct", merge: w.main, head: w.main, pushed: []int{w.main}, landed: []int{w.main}, base: "master", at: w.now, author: people[0], fate: "recorded"})
	for w.live = 1; w.live < o.Commits; {
		w.step()
	}
	w.last()
	for i := range o.Ghosts {
		w.ghost(i)
	}
	return w
}

// Repository returns the name of the repository.
func (w *World) Repository() record.Repository {
	if w.GitLab {
		return "gitlab.com/acme/payments"
	}
	return "github.com/acme/payments"
}

// requestID returns the id of a pull request or merge request.
func (w *World) requestID(number int) record.ChangeID {
	if w.GitLab {
		return w.Repository().Change(fmt.Sprintf("/merge_requests/%d", number))
	}
	return w.Repository().Change(fmt.Sprintf("/pull/%d", number))
}

// pushID returns the id of a push to the production branch.
func (w *World) pushID(sha string) record.ChangeID { return w.Repository().Change("/commit/" + sha) }

func (w *World) chance(p float64) bool { return w.rnd.Float64() < p }

func (w *World) sha() string {
	return fmt.Sprintf("%016x%016x%08x", w.rnd.Uint64(), w.rnd.Uint64(), w.rnd.Uint32())
}

func (w *World) tick(least, most time.Duration) time.Time {
	w.now = w.now.Add(least + time.Duration(w.rnd.Int64N(int64(most-least)))).Truncate(time.Second)
	return w.now
}

// commit adds a commit that its author made now.
func (w *World) commit(parents []int, author who, message string) int {
	at := w.tick(time.Second, 5*time.Minute)
	n := &node{mark: len(w.nodes) + 1, parents: parents, author: author, wrote: at, by: author, at: at, message: message}
	w.nodes = append(w.nodes, n)
	return n.mark
}

// step makes the next change.
func (w *World) step() {
	shapes := []func(*change){w.merge, w.merge, w.squash, w.squash, w.rebase, w.fastForward, w.direct, w.direct, w.revert, w.pick, w.stacked, w.octopus, w.smuggle}
	if w.Foxtrots {
		shapes = append(shapes, w.foxtrot)
	}
	switch {
	case w.chance(0.01) && len(w.changes) > 10:
		w.force()
		return
	case w.chance(0.05):
		w.release()
		return
	}
	c := &change{author: people[w.rnd.IntN(len(people))], base: Branch, fate: "recorded"}
	if w.live < w.Commits/4 {
		c.base = "master"
	}
	if w.chance(0.4) {
		c.author, c.agent = agents[w.rnd.IntN(len(agents))], true
	}
	before := len(w.changes)
	c.before = w.main
	shapes[w.rnd.IntN(len(shapes))](c)
	w.now = w.tick(10*time.Minute, 5*time.Hour)
	c.at = w.nodes[c.merge-1].at
	w.changes = append(w.changes, c)
	for _, c := range w.changes[before:] {
		w.live += len(c.landed)
	}
	w.mains = append(w.mains, w.main)
	w.main = c.merge
	w.fates(c)
	if w.chance(0.2) {
		w.deploys = append(w.deploys, deploy{c.merge, w.tick(time.Minute, time.Hour), c.fate == "recorded" && !w.chance(0.1), true})
	}
}

// last adds a recorded push, so that a forced push is not the last that happened.
func (w *World) last() {
	c := &change{author: people[0], base: Branch, fate: "recorded", before: w.main}
	w.direct(c)
	c.at = w.now
	w.changes, w.main = append(w.changes, c), c.merge
}

// fates decides what is recorded of a change.
func (w *World) fates(c *change) {
	switch {
	case w.chance(w.Dark):
		c.fate = "dark"
		if c.number > 0 && w.chance(0.3) {
			c.fate = "open"
		}
	case c.shape == "merge" && w.chance(0.04):
		c.fate, c.wrongSHA = "wrong-head", w.sha()
		if len(c.branch) > 1 && w.chance(0.7) {
			c.wrongSHA, c.wrongAt = "", c.branch[len(c.branch)-2]
		}
	case (c.shape == "merge" || c.shape == "squash") && w.chance(0.04):
		c.fate, c.wrongSHA = "wrong-merge", w.sha()
	}
}

func (w *World) ghost(i int) {
	at := Start.Add(time.Duration(w.rnd.Int64N(int64(w.now.Sub(Start)))))
	g := ghost{sha: w.sha(), head: w.sha(), at: at.Truncate(time.Second)}
	g.id = w.requestID(900_000 + i)
	if w.chance(0.3) {
		g.id = w.pushID(g.sha)
	}
	w.ghosts = append(w.ghosts, g)
	if w.chance(0.3) {
		c := w.changes[w.rnd.IntN(len(w.changes))]
		if c.fate == "recorded" && !c.dropped {
			w.deploys = append(w.deploys, deploy{c.merge, c.at.Add(40*24*time.Hour + time.Duration(i)*time.Minute), true, false})
		}
	}
}

// branchOf makes a branch with commits of a change, from one of the newest commits of the production
// branch.
func (w *World) branchOf(c *change, most int) int {
	from := w.main
	if n := len(w.mains); n > 0 && w.chance(0.5) {
		from = w.mains[n-1-w.rnd.IntN(min(n, 4))]
		if !w.alive(from) {
			from = w.main
		}
	}
	return w.growFrom(c, from, 1+w.rnd.IntN(most))
}

// alive reports whether the production branch still has a commit.
func (w *World) alive(mark int) bool {
	return !slices.ContainsFunc(w.changes, func(c *change) bool { return c.dropped && slices.Contains(c.landed, mark) })
}

func (w *World) growFrom(c *change, at, n int) int {
	for range n {
		message := fmt.Sprintf("%s step %d", c.title, len(w.nodes))
		if c.agent && w.chance(0.5) {
			message += "\n\nWhy it is done.\n\nCo-authored-by: Claude <noreply@anthropic.com>"
		}
		at = w.commit([]int{at}, c.author, message)
		c.branch = append(c.branch, at)
	}
	c.head = at
	return at
}

// request gives a change a number and a title.
func (w *World) request(c *change) {
	w.number += 1 + w.rnd.IntN(3)
	c.number, c.title = w.number, fmt.Sprintf("Change the %d. thing", w.number)
}

// away takes the commits of a branch out of the clone: the code host deleted the branch after the
// merge. Some clones keep them.
func (w *World) away(c *change) {
	kept := w.chance(0.4)
	for _, mark := range c.branch {
		w.nodes[mark-1].kept, w.nodes[mark-1].outside = kept, !kept
	}
	c.noPush = kept && w.chance(0.5)
}
