package reconciletest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/changetrail/changetrail/audit/reconcile"
)

// Expected returns what a comparison with a clone must find: a line for each dark commit, and one for
// each other finding.
func (w *World) Expected(ids IDs) []string { return w.expected(ids, false) }

// ExpectedOfHost returns what a comparison with an export of the code host must find. The host also
// knows changes that a forced push removed.
func (w *World) ExpectedOfHost(ids IDs) []string { return w.expected(ids, true) }

func (w *World) expected(ids IDs, host bool) (out []string) {
	inside, stacked := w.inside(), w.stackedOn()
	for _, c := range w.changes {
		id := w.requestID(c.number)
		switch {
		case c.shape == "stacked" || c.shape == "release":
		case c.dropped && !host && c.relaid == 0 && !w.nodes[c.merge-1].kept:
			out = append(out, "ghost "+string(id))
		case c.dropped && (host || c.relaid == 0 || w.nodes[c.merge-1].kept):
			out = append(out, "rewritten-history "+string(id)+" "+ids[c.relaid])
		case c.dropped:
			out = append(out, "wrong-head "+string(id)+" "+ids[c.relaid])
		case c.fate == "dark" || c.fate == "open":
			for _, m := range c.landed {
				if inside[m] && !stacked[m] {
					out = append(out, "dark "+ids[m])
				}
			}
		case c.fate == "wrong-head":
			out = append(out, "wrong-head "+string(id)+" "+ids[c.head])
		case c.fate == "wrong-merge":
			out = append(out, "wrong-head "+string(id)+" "+ids[c.merge])
		}
	}
	for _, g := range w.ghosts {
		out = append(out, "ghost "+string(g.id))
	}
	for _, d := range w.deploys {
		switch {
		case d.real && !d.recorded:
			out = append(out, fmt.Sprintf("dark deployment %s %s", ids[d.commit], d.at))
		case !d.real:
			out = append(out, fmt.Sprintf("ghost deployment %s %s", ids[d.commit], d.at))
		}
	}
	slices.Sort(out)
	return out
}

// stackedOn returns the commits that came with a recorded request into the branch of another one.
func (w *World) stackedOn() map[int]bool {
	out := make(map[int]bool)
	for _, c := range w.changes {
		if c.shape == "stacked" {
			for _, mark := range append(slices.Clone(c.branch), c.merge) {
				out[mark] = true
			}
		}
	}
	return out
}

// inside returns the commits that the production branch contains.
func (w *World) inside() map[int]bool {
	out := make(map[int]bool)
	for todo := []int{w.main}; len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !out[at] {
			out[at] = true
			todo = append(todo, w.nodes[at-1].parents...)
		}
	}
	return out
}

// Found returns what a report has, in the form of [World.Expected].
func Found(r *reconcile.Report) (out []string) {
	for _, f := range r.Findings {
		switch {
		case f.What == "deployment":
			out = append(out, fmt.Sprintf("%s deployment %s %s", f.Kind, f.Commit, f.At))
		case f.Kind == reconcile.Dark:
			for _, sha := range f.Commits {
				out = append(out, "dark "+sha)
			}
		case f.Kind == reconcile.Ghost:
			out = append(out, "ghost "+string(f.Change))
		default:
			out = append(out, f.Kind+" "+string(f.Change)+" "+f.Found)
		}
	}
	slices.Sort(out)
	return out
}

// Deployed reports whether deployments are among the findings of a report.
func Deployed(line string) bool { return strings.Contains(line, " deployment ") }

// About says what a history knows of a commit, for the message of a test that fails.
func (w *World) About(ids IDs, sha string) string {
	for _, n := range w.nodes {
		if ids[n.mark] != sha {
			continue
		}
		out := fmt.Sprintf("%s: commit %d, parents %v, outside %v, %q", sha, n.mark, n.parents, n.outside, n.message)
		for _, c := range w.changes {
			if slices.Contains(c.landed, n.mark) || c.merge == n.mark || slices.Contains(c.branch, n.mark) {
				out += fmt.Sprintf("\n  %s %d %s, landed %v, branch %v, merge %d, head %d, no push %v, dropped %v, relaid %d", c.shape, c.number, c.fate, c.landed, c.branch, c.merge, c.head, c.noPush, c.dropped, c.relaid)
			}
		}
		return out
	}
	return sha + ": no commit"
}
