package reconciletest

import (
	"crypto/sha1" //nolint:gosec // ids of commits
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/changetrail/changetrail/audit/reconcile"
	"github.com/changetrail/changetrail/record"
)

// IDs are the ids of the commits of a history, by their marks.
type IDs map[int]string

// FakeIDs returns ids that are not those of git.
func (w *World) FakeIDs() IDs {
	ids := make(IDs)
	for _, n := range w.nodes {
		sum := sha1.Sum(fmt.Appendf(nil, "%d %d", w.Seed, n.mark)) //nolint:gosec // ids of commits
		ids[n.mark] = hex.EncodeToString(sum[:])
	}
	return ids
}

// Stream writes the history for git fast-import.
func (w *World) Stream(out io.Writer) error {
	s := &stream{Writer: out}
	for _, n := range w.nodes {
		if n.outside {
			continue
		}
		s.write("commit refs/import/work\nmark :%d\nauthor %s <%s> %d +0000\ncommitter %s <%s> %d +0000\ndata %d\n%s\n", n.mark, n.author.name, n.author.mail, n.wrote.Unix(), n.by.name, n.by.mail, n.at.Unix(), len(n.message), n.message)
		for i, p := range n.parents {
			s.write("%s :%d\n", []string{"from", "merge"}[min(i, 1)], p)
		}
		if len(n.parents) == 0 {
			s.write("deleteall\nM 160000 %040x vendor/sub\n", 7)
		}
		s.write("M 100644 inline f%d\ndata %d\n%d\n", n.mark%97, len(fmt.Sprint(n.mark)), n.mark)
		if n.kept {
			s.write("reset refs/kept/%d\nfrom :%d\n", n.mark, n.mark)
		}
		if n.mark%50 == 0 {
			s.write("reset refs/tags/light-%d\nfrom :%d\ntag v%d\nfrom :%d\ntagger a <a@x> %d +0000\ndata 1\nt\n", n.mark, n.mark, n.mark, n.mark, n.at.Unix())
		}
		s.write("reset refs/import/work\n")
	}
	s.write("reset refs/heads/%s\nfrom :%d\n", Branch, w.main)
	if w.side != 0 {
		s.write("reset refs/heads/release/1.x\nfrom :%d\n", w.side)
	}
	s.write("done\n")
	return s.err
}

type stream struct {
	io.Writer
	err error
}

func (s *stream) write(format string, args ...any) {
	if s.err == nil {
		_, s.err = fmt.Fprintf(s.Writer, format, args...)
	}
}

// History returns the history as it is read from a clone.
func (w *World) History(ids IDs) *reconcile.History {
	h := &reconcile.History{Repository: w.Repository(), Branch: Branch, Tip: ids[w.main], Commits: make(map[string]*reconcile.Commit), Branches: []string{"release/1.x"}, Deployments: w.Deployments(ids), DeploymentsRead: true}
	for _, n := range w.nodes {
		if n.outside {
			continue
		}
		c := &reconcile.Commit{
			ID: ids[n.mark], Author: n.author.name, AuthorMail: n.author.mail, AuthoredAt: n.wrote, Committer: n.by.name, CommitterMail: n.by.mail, CommittedAt: n.at,
			Message: reconcile.ReadMessage(n.message),
		}
		for _, p := range n.parents {
			c.Parents = append(c.Parents, ids[p])
		}
		h.Commits[c.ID] = c
	}
	return h
}

// Deployments returns those that happened.
func (w *World) Deployments(ids IDs) (out []reconcile.Deployment) {
	for _, d := range w.deploys {
		if d.real {
			out = append(out, reconcile.Deployment{Repository: w.Repository(), Environment: "production", Commit: ids[d.commit], At: d.at, Outcome: "success"})
		}
	}
	return out
}

// event returns an event that the code host reports.
func (w *World) event(id record.ChangeID, at time.Time, fact record.Fact) record.Event {
	return record.Event{Sender: "platform:github", Source: "github", ID: fmt.Sprintf("%s %T %d %p", id, fact, at.UnixNano(), fact), Type: record.TypeOf(fact), Repository: w.Repository(), Change: id, Time: at, Arrived: at, Witness: record.Observed, Fact: fact}
}

// Records returns the records of a pipeline that saw what it was told, and the pushes that it saw.
func (w *World) Records(ids IDs) (records []*record.Record, pushes []reconcile.Push) {
	for _, about := range w.told(ids) {
		pushes = append(pushes, about.pushes...)
		done := make(map[record.ChangeID]bool)
		for _, e := range about.events {
			if e.Change != "" && !done[e.Change] {
				done[e.Change] = true
				records = append(records, record.Fold(e.Change, record.Gather(e.Change, about.events)))
			}
		}
	}
	return records, pushes
}

// Events returns what a pipeline was told.
func (w *World) Events(ids IDs) (out []record.Event) {
	for _, about := range w.told(ids) {
		out = append(out, about.events...)
	}
	return out
}

// A story is what is told about one change, or about one that never was.
type story struct {
	events []record.Event
	pushes []reconcile.Push
}

func (w *World) told(ids IDs) (out []story) {
	deployed := make(map[int][]deploy)
	for _, d := range w.deploys {
		if d.recorded {
			deployed[d.commit] = append(deployed[d.commit], d)
		}
	}
	for _, c := range w.changes {
		events, pushes := w.eventsOf(c, ids)
		for _, d := range deployed[c.merge] {
			events = append(events, w.event("", d.at, &record.Deployment{Environment: "production", CommitSHA: ids[d.commit], Outcome: "success", Repository: string(w.Repository())}))
		}
		out = append(out, story{events, pushes})
	}
	for _, g := range w.ghosts {
		if !strings.Contains(string(g.id), "/commit/") {
			merged := &record.Merged{Revision: record.Revision{Title: "A ghost", HeadSHA: g.head, BaseRef: Branch}, MergeSHA: g.sha, MergedAt: g.at}
			out = append(out, story{events: []record.Event{w.event(g.id, g.at, merged)}})
			continue
		}
		pushed := &record.Pushed{Branch: Branch, Default: true, Before: g.head, After: g.sha, Commits: []record.Commit{{SHA: g.sha, Author: "Ana"}}}
		out = append(out, story{[]record.Event{w.event(g.id, g.at, pushed)}, []reconcile.Push{{Change: g.id, Before: g.head, After: g.sha, Commits: []string{g.sha}}}})
	}
	return out
}

// eventsOf returns what the code host reports about a change, and its pushes.
func (w *World) eventsOf(c *change, ids IDs) (events []record.Event, pushes []reconcile.Push) {
	if c.fate == "dark" {
		return nil, nil
	}
	id := w.requestID(c.number)
	before := ids[c.before]
	push := reconcile.Push{Change: w.pushID(ids[c.merge]), Before: before, After: ids[c.merge], Commits: named(c.pushed, ids)}
	pushed := w.event(push.Change, c.at, &record.Pushed{Branch: c.base, Default: true, Before: before, After: ids[c.merge], Pusher: c.author.name, Commits: w.commitsOf(c.pushed, ids)})
	if c.number == 0 {
		return []record.Event{pushed}, []reconcile.Push{push}
	}
	revision := record.Revision{Title: c.title, Author: c.author.name, HeadSHA: ids[c.head], BaseRef: c.base, Branch: fmt.Sprintf("feature-%d", c.number)}
	events = append(events, w.event(id, c.at.Add(-time.Hour), &record.Opened{Revision: revision}))
	if !c.noPush {
		p, e := w.branchPushes(c, ids)
		pushes, events = append(pushes, p...), append(events, e...)
	}
	if c.fate == "open" {
		return events, pushes
	}
	merge := ids[c.merge]
	wrong := c.wrongSHA
	if c.wrongAt != 0 {
		wrong = ids[c.wrongAt]
	}
	switch c.fate {
	case "wrong-head":
		revision.HeadSHA = wrong
	case "wrong-merge":
		merge = wrong
	}
	events = append(events, w.event(id, c.at, &record.Merged{Revision: revision, MergeSHA: merge, MergedBy: "Ana", MergedAt: c.at}))
	if c.shape != "stacked" && c.shape != "release" && c.fate != "wrong-merge" {
		events, pushes = append(events, pushed), append(pushes, push)
	}
	return events, pushes
}

// branchPushes returns the pushes to the branch of a change: two if it has several commits.
func (w *World) branchPushes(c *change, ids IDs) (pushes []reconcile.Push, events []record.Event) {
	parts := [][]int{c.branch}
	if n := len(c.branch); n > 2 {
		parts = [][]int{c.branch[:n/2], c.branch[n/2:]}
	}
	before := ""
	for i, part := range parts {
		after := ids[part[len(part)-1]]
		pushes = append(pushes, reconcile.Push{Before: before, After: after, Commits: named(part, ids)})
		events = append(events, w.event("", c.at.Add(-time.Duration(50-i)*time.Minute), &record.Pushed{Branch: "feature", Before: before, After: after, Pusher: c.author.name, Commits: w.commitsOf(part, ids), Repository: string(w.Repository())}))
		before = after
	}
	return pushes, events
}

func named(marks []int, ids IDs) (out []string) {
	for _, m := range marks {
		out = append(out, ids[m])
	}
	return out
}

func (w *World) commitsOf(marks []int, ids IDs) (out []record.Commit) {
	for _, m := range marks {
		n := w.nodes[m-1]
		subject, _, _ := strings.Cut(n.message, "\n")
		out = append(out, record.Commit{SHA: ids[m], Author: n.author.name, Email: n.author.mail, Subject: subject, Trailers: record.Trailers(n.message)})
	}
	return out
}
