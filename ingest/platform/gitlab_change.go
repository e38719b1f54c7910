package platform

import (
	"cmp"
	"strings"
	"time"

	"github.com/changetrail/changetrail/record"
)

// gitlabMerge is the merge request that a pipeline or a note belongs to.
type gitlabMerge struct {
	IID    int          `json:"iid"`
	URL    string       `json:"url"`
	Source int64        `json:"source_project_id"`
	Target int64        `json:"target_project_id"`
	State  string       `json:"state"`
	Commit gitlabCommit `json:"last_commit"`
}

func (g *gitlabEvent) mergeRequest(r *Reading) {
	a := g.Attributes
	revision := record.Revision{Title: a.Title, URL: a.URL, HeadSHA: commit(a.LastCommit.ID), BaseRef: a.TargetBranch, Branch: a.SourceBranch, AuthorID: number(a.AuthorID)}
	if a.Action == "open" || a.AuthorID != 0 && a.AuthorID == g.User.ID { // otherwise the event has only the number of the author
		revision.Author, revision.AuthorType = g.User.Username, g.User.kind()
	}
	r.Time = firstTime(a.UpdatedAt.Time, a.CreatedAt.Time)
	switch a.Action {
	case "open":
		r.Time = firstTime(a.CreatedAt.Time, a.UpdatedAt.Time)
		r.Fact = &record.Opened{Revision: revision}
	case "reopen":
		r.Fact = &record.Opened{Revision: revision}
	case "close":
		r.Fact = &record.Closed{Revision: revision, ClosedBy: g.User.Username}
	case "merge":
		r.Fact = &record.Merged{Revision: revision, MergeSHA: a.merge(), MergedBy: g.User.Username}
	case "approval", "approved", "unapproval", "unapproved":
		g.approval(r)
	default:
		r.Fact = a.state(revision)
	}
}

// state returns what any event of a merge request says about its state: GitLab does not resend an
// event that could not be delivered.
func (a *gitlabAttributes) state(revision record.Revision) record.Fact {
	switch a.State {
	case "merged":
		return &record.Merged{Revision: revision, MergeSHA: a.merge(), Earlier: true}
	case "closed":
		return &record.Closed{Revision: revision}
	}
	revision.State = openState(a.State)
	return &record.Updated{Revision: revision}
}

// merge returns the commit that was merged.
func (a *gitlabAttributes) merge() string {
	return cmp.Or(commit(a.MergeSHA), commit(a.SquashSHA), commit(a.LastCommit.ID)) // the last: fast-forward
}

// approval reads an approval, or the withdrawal of one. GitLab does not state its time, and
// updated_at may be older: that is the time of the state of the merge request.
func (g *gitlabEvent) approval(r *Reading) {
	a := g.Attributes
	r.Time = time.Time{}
	if a.System { // GitLab withdrew all approvals, and names who pushed
		r.Fact = noted("approvals were reset: %s", a.SystemAction)
		return
	}
	f := &record.Review{
		Reviewer: g.User.Username, ReviewerID: number(g.User.ID), ReviewerType: g.User.kind(),
		Verdict: "approved", CommitSHA: commit(a.LastCommit.ID), URL: a.URL, ChangeState: stateOf(a.State),
	}
	if strings.HasPrefix(a.Action, "un") {
		f.Verdict = "dismissed"
	}
	if f.Reviewer != "" {
		r.Fact = f
	}
}

// stateOf returns the state of a merge request. One that is locked is being merged, and is neither
// open nor merged.
func stateOf(state string) string {
	return map[string]string{"opened": "open", "merged": "merged", "closed": "closed"}[state]
}

func (g *gitlabEvent) note(r *Reading) {
	a := g.Attributes
	r.Time = a.CreatedAt.Time
	g.askedInNote(r)
	if a.NoteableType != "MergeRequest" || g.Merge == nil || g.User.Username == "" {
		return
	}
	g.change(r, g.Merge.IID)
	if r.Change != "" {
		r.Fact = &record.Review{
			Reviewer: g.User.Username, ReviewerID: number(g.User.ID), ReviewerType: g.User.kind(),
			Verdict: "commented", CommitSHA: commit(g.Merge.Commit.ID), URL: a.URL, ReviewID: number(a.ID), ChangeState: stateOf(g.Merge.State),
		}
	}
}

// push reads a push. GitLab lists the newest 20 commits and states how many there are; it does not
// say whether a push was forced.
func (g *gitlabEvent) push(r *Reading) {
	branch, ok := strings.CutPrefix(g.Ref, "refs/heads/")
	after := commit(g.After)
	if !ok || after == "" {
		r.Fact = noted("push of %s", g.Ref)
		return
	}
	p := newPush(branch, commit(g.Before), after, branch == g.Project.DefaultBranch)
	who := gitlabUser{Username: g.Username}
	p.Pusher, p.PusherType = who.Username, who.kind()
	if p.Before != "" && g.Project.URL != "" {
		p.URL = g.Project.URL + "/-/compare/" + p.Before + "..." + after
	}
	for _, c := range g.Commits {
		p.add(record.Commit{SHA: c.ID, Author: c.Author.Name, Email: c.Author.Email}, c.Message, c.Added, c.Modified, c.Removed)
	}
	p.Partial = p.Partial || g.Total > len(g.Commits)
	p.put(r)
}
