package reconcile

import (
	"slices"
	"strings"
	"time"
)

// A graph is the commits of a branch in the order in which they reached it. The chain leads along
// first parents from the oldest commit to the tip: each of its commits is a landing. A landing
// brings itself and what it merges.
type graph struct {
	commits map[string]*Commit
	chain   []string
	onChain map[string]int
	// landing is the index in chain of the landing that brought a commit; a commit that is not in it
	// is not in the branch.
	landing map[string]int
	brought [][]string // the commits of each landing
	cut     []string   // commits of the branch with a parent that was not read
	short   []string   // sorted ids, for abbreviated ones
}

func newGraph(h *History) *graph {
	g := &graph{commits: h.Commits, onChain: make(map[string]int), landing: make(map[string]int)}
	for at := h.Tip; g.commits[at] != nil; {
		if _, twice := g.onChain[at]; twice { // no hash allows this; a list of a code host may contain it
			break
		}
		g.onChain[at] = 0
		g.chain = append(g.chain, at)
		if len(g.commits[at].Parents) == 0 {
			break
		}
		at = g.commits[at].Parents[0]
	}
	slices.Reverse(g.chain)
	g.brought = make([][]string, len(g.chain))
	for i, sha := range g.chain {
		g.onChain[sha] = i
		g.land(sha, i)
	}
	for sha := range g.commits {
		g.short = append(g.short, sha)
	}
	slices.Sort(g.short)
	slices.Sort(g.cut)
	return g
}

// land adds a commit of the chain and all of its ancestors that no earlier landing brought.
func (g *graph) land(sha string, i int) {
	for todo := []string{sha}; len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		c := g.commits[at]
		if _, there := g.landing[at]; there || c == nil {
			continue
		}
		g.landing[at] = i
		g.brought[i] = append(g.brought[i], at)
		if slices.ContainsFunc(c.Parents, func(p string) bool { return g.commits[p] == nil }) {
			g.cut = append(g.cut, at)
		}
		todo = append(todo, c.Parents...)
	}
}

// in reports whether the branch contains a commit.
func (g *graph) in(sha string) bool {
	_, ok := g.landing[sha]
	return ok
}

// find returns the full id of a commit that was read. An abbreviation that several commits have
// finds none.
func (g *graph) find(sha string) string {
	sha = strings.ToLower(sha)
	if g.commits[sha] != nil || sha == "" {
		return sha
	}
	i, _ := slices.BinarySearch(g.short, sha)
	if i < len(g.short) && strings.HasPrefix(g.short[i], sha) && (i+1 == len(g.short) || !strings.HasPrefix(g.short[i+1], sha)) {
		return g.short[i]
	}
	return sha
}

// merged returns the commits that a merge commit of the branch merged, with itself: those that its
// other parents lead to and its first parent does not. Commits of earlier landings are not among
// them.
func (g *graph) merged(sha string) []string {
	i, parents := g.landing[sha], g.commits[sha].Parents
	if at, ok := g.onChain[sha]; ok {
		return g.brought[at]
	}
	before := g.within(i, parents[:1], nil)
	side := g.within(i, parents[1:], before)
	out := []string{sha}
	for c := range side {
		out = append(out, c)
	}
	return out
}

// mergesOf returns the merge commits of the branch by the heads that they merge: landings before others.
func (g *graph) mergesOf() map[string]string {
	out := make(map[string]string)
	for _, landed := range []bool{true, false} {
		for _, brought := range g.brought {
			for _, sha := range brought {
				parents := g.commits[sha].Parents
				if _, on := g.onChain[sha]; on != landed || len(parents) < 2 {
					continue
				}
				for _, p := range parents[1:] {
					if out[p] == "" {
						out[p] = sha
					}
				}
			}
		}
	}
	return out
}

// within returns the ancestors of commits that one landing brought, except some.
func (g *graph) within(landing int, from []string, except map[string]bool) map[string]bool {
	out := make(map[string]bool)
	for todo := slices.Clone(from); len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if l, ok := g.landing[at]; !ok || l != landing || out[at] || except[at] {
			continue
		}
		out[at] = true
		todo = append(todo, g.commits[at].Parents...)
	}
	return out
}

// A window is a range of the chain: from the first landing to before the end.
type window struct{ start, end int }

// window returns the landings in a time. Landings are in order, so the time of one limits that of
// the others: a landing whose commit states an older time than one before it is not older. known
// returns when a code host saw a landing; other commits state their own time, which is not believed
// if it is later than the reading.
func (g *graph) window(q Question, readAt time.Time, known func(sha string) (time.Time, bool)) window {
	from, to := q.From, q.To
	var last time.Time
	w := window{start: len(g.chain), end: 0}
	surelyBefore, surelyAfter := 0, len(g.chain)
	for i, sha := range g.chain {
		t, sure := known(sha)
		if !sure {
			if t = g.commits[sha].CommittedAt; !readAt.IsZero() && t.After(readAt) {
				t = last
			}
		}
		last = t
		if !t.Before(from) && w.start == len(g.chain) {
			w.start = i
		}
		if t.Before(to) {
			w.end = i + 1
		}
		if sure && t.Before(from) {
			surelyBefore = i + 1
		}
		if sure && !t.Before(to) && surelyAfter == len(g.chain) {
			surelyAfter = i
		}
	}
	w.start, w.end = max(w.start, surelyBefore), min(w.end, surelyAfter)
	return w
}

func (w window) has(landing int) bool { return landing >= w.start && landing < w.end }
