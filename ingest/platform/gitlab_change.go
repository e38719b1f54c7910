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
	if a.Action == "open" || a.AuthorID != 0 && a.AuthorID == g.User.ID { // else the author stands there as a number alone
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

// state is what any event of a merge request tells of its state: GitLab does not send
// again what could not be delivered.
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

// merge is the commit that was merged.
func (a *gitlabAttributes) merge() string {
	return cmp.Or(commit(a.MergeSHA), commit(a.SquashSHA), commit(a.LastCommit.ID)) // the last: fast-forward
}

// approval reads an approval, or that one was taken back. GitLab does not say when
// that was, and updated_at may be older: what it says is the state of the merge request
// at that time.
func (g *gitlabEvent) approval(r *Reading) {
	a := g.Attributes
	r.Time = time.Time{}
	if a.System { // GitLab took back those of everybody, and names who pushed
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

// stateOf is the state of a merge request; one that is locked is being merged, and is
// neither open nor merged.
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

// push reads a push. GitLab lists the newest 20 commits and says how many there are;
// it does not say that a push was forced.
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
