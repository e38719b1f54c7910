package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// ghosts finds the records of merges that are in no history.
func (c *comparison) ghosts() {
	since := c.visibleSince()
	for _, r := range c.records {
		if r.state == "merged" && r.at == "" && !r.settled && c.inTime(r.mergedAt) && slices.Contains(c.maybe, r.base) {
			c.leave(fmt.Sprintf("recorded as merged into %s, which may be a former name of %s; if it is, say so with --former", r.base, c.History.Branch), string(r.id))
		}
		if r.at != "" || r.listed && c.History.Tip == "" || r.settled || r.request != nil || !c.expected(r) {
			continue
		}
		sha := c.g.find(r.merge)
		f := c.about(r, Ghost)
		switch {
		case !c.History.ReadAt.IsZero() && r.mergedAt.After(c.History.ReadAt):
			c.leave("recorded as merged after the history was read, at "+c.History.ReadAt.UTC().Format(time.RFC3339)+"; fetch again", string(r.id))
			continue
		case c.History.Tip == "" && r.direct():
			c.leave("direct pushes cannot be compared without a list of commits", string(r.id))
			continue
		case c.History.Tip == "" && len(c.History.Gaps) > 0:
			c.leave("recorded as merged, and not in the list of the code host, which is incomplete", string(r.id))
			continue
		case c.History.Tip == "":
			f.Reason = fmt.Sprintf("%s is recorded as merged, and the code host does not list it", r.id)
		case r.merge == "":
			c.leave("recorded as merged without the commit; the branch does not contain the head, so that a squash or rebase cannot be found", string(r.id))
			continue
		case c.g.in(sha):
			f.Kind = WrongHead
			f.Reason = fmt.Sprintf("%s is recorded as merged with %s, which is a commit of %s; no commit of %s names %s", r.id, short(r.merge), c.ownerOf(sha), c.History.Branch, r.id)
		case c.g.commits[sha] != nil:
			f.Kind = Rewritten
			f.Reason = fmt.Sprintf("%s was merged with %s, which still exists but is no longer in %s", r.id, short(r.merge), c.History.Branch)
		case c.confirmed(r) && r.mergedAt.After(c.g.commits[c.History.Tip].CommittedAt):
			c.leave(fmt.Sprintf("merged, as the code host confirms, after the newest commit of the list, %s; the list of commits lacks its first page, or a forced push removed the merge", short(c.History.Tip)), string(r.id))
			continue
		case c.confirmed(r) && len(c.g.cut) == 0:
			f.Kind = Rewritten
			f.Reason = fmt.Sprintf("%s was merged with %s, as the code host confirms, and %s no longer contains it", r.id, short(r.merge), c.History.Branch)
		case len(c.g.cut) > 0 && !r.mergedAt.After(since):
			c.leave("recorded as merged, and not in the part of the history that is there", string(r.id))
			continue
		default:
			f.Reason = fmt.Sprintf("%s is recorded as merged with %s, and neither %s nor the rest of the history contains that commit", r.id, short(r.merge), c.History.Branch)
		}
		c.find(f)
	}
}

// ownerOf says to which change a commit of the branch belongs.
func (c *comparison) ownerOf(sha string) string {
	if r := c.covered[sha]; r != nil {
		return string(r.id)
	}
	return "another change"
}

// visibleSince returns the time since which every merge is in the history, even if older commits are
// cut off: when the oldest recorded merge of the chain was merged.
func (c *comparison) visibleSince() time.Time {
	for _, sha := range c.g.chain {
		if r := c.at[sha]; r != nil && r.observed && !r.mergedAt.IsZero() {
			return r.mergedAt
		}
	}
	return c.To
}

// requests compares what the code host lists with the records.
func (c *comparison) requests() {
	dark := make(map[*Request]*recorded)
	for _, r := range c.records {
		if r.request != nil {
			dark[r.request] = r
		}
	}
	for i := range c.History.Requests {
		q := &c.History.Requests[i]
		r := c.byName[string(q.ID)]
		here := q.Base == "" || containsFold(c.bases, q.Base)
		switch {
		case q.State != "merged":
			c.notMerged(q, r)
		case here && c.inTime(q.MergedAt):
			c.report.Requests++
			fallthrough
		default:
			if w := dark[q]; w != nil && here && c.inTime(q.MergedAt) {
				c.darkRequest(q, w, r)
			} else if w == nil {
				c.sameRequest(q, r)
			}
		}
	}
}

func containsFold(list []string, s string) bool {
	for _, item := range list {
		if strings.EqualFold(item, s) {
			return true
		}
	}
	return false
}

// notMerged reports a record of a merge that the code host denies.
func (c *comparison) notMerged(q *Request, r *recorded) {
	if r == nil || r.state != "merged" || r.settled || !c.expected(r) {
		return
	}
	r.settled = true
	f := c.about(r, Ghost)
	f.Reason = fmt.Sprintf("%s is recorded as merged, and the code host lists it as %s", r.id, q.State)
	c.find(f)
}

// darkRequest reports a merged request without a record of the merge.
func (c *comparison) darkRequest(q *Request, w, r *recorded) {
	f := Finding{
		Kind: Dark, What: ofChange, Change: q.ID, Commit: strings.ToLower(q.MergeSHA), How: "a merged request, by the list of the code host",
		At: q.MergedAt, Title: q.Title, Author: q.Author,
	}
	var commits []string
	if w.at != "" {
		for _, sha := range c.g.brought[c.g.landing[w.at]] {
			if c.covered[sha] == w {
				commits = append(commits, sha)
			}
		}
		for i := c.g.landing[w.at] - 1; i >= 0 && c.covered[c.g.chain[i]] == w; i-- {
			commits = append(commits, c.g.chain[i])
		}
	}
	f.Commits = commits
	f.Agent, f.AgentBy = c.agentOfRequest(q, commits)
	f.Reason = fmt.Sprintf("the code host lists %s as merged, and it has no record", q.ID)
	if r != nil {
		f.Reason = fmt.Sprintf("the code host lists %s as merged, and its record says that it is %s", q.ID, recordedAs(r))
	}
	c.find(f)
}

// sameRequest compares the commits of a merged request with those of its record.
func (c *comparison) sameRequest(q *Request, r *recorded) {
	if r == nil {
		return
	}
	r.listed = true
	if r.settled || !c.inTime(q.MergedAt) && !c.inTime(r.mergedAt) {
		return
	}
	f := c.about(r, WrongHead)
	f.Commit = strings.ToLower(q.MergeSHA)
	switch {
	case differ(q.MergeSHA, r.merge):
		f.Found = strings.ToLower(q.MergeSHA)
		f.Reason = fmt.Sprintf("%s is recorded as merged with %s, and the code host says %s", r.id, short(r.merge), short(f.Found))
	case differ(q.HeadSHA, r.head):
		f.Recorded, f.Found = r.head, strings.ToLower(q.HeadSHA)
		f.Reason = fmt.Sprintf("%s is recorded with the head %s, and the code host says %s", r.id, short(r.head), short(f.Found))
	default:
		return
	}
	r.settled = true
	c.find(f)
}

// differ reports whether two commits are known to differ: one may be abbreviated or not stated.
func differ(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	return a != "" && b != "" && !strings.HasPrefix(a, b) && !strings.HasPrefix(b, a)
}
