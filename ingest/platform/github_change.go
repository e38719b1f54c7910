package platform

import (
	"strconv"
	"strings"
	"time"

	"github.com/changetrail/changetrail/record"
)

// githubAccount is an account of GitHub. Its login may change, its id does not.
type githubAccount struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
	Type  string `json:"type"`
}

func (a githubAccount) kind() string {
	switch {
	case a.Type == "Bot" || strings.HasSuffix(a.Login, "[bot]"):
		return "bot"
	case a.Type == "User":
		return "human"
	}
	return ""
}

// number formats an id of a platform; it is "" for 0.
func number(id int64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatInt(id, 10)
}

type githubPull struct {
	Number         int           `json:"number"`
	URL            string        `json:"html_url"`
	Title          string        `json:"title"`
	State          string        `json:"state"`
	User           githubAccount `json:"user"`
	Merged         bool          `json:"merged"`
	MergeCommitSHA string        `json:"merge_commit_sha"`
	MergedAt       time.Time     `json:"merged_at"`
	ClosedAt       time.Time     `json:"closed_at"`
	CreatedAt      time.Time     `json:"created_at"`
	UpdatedAt      time.Time     `json:"updated_at"`
	MergedBy       githubAccount `json:"merged_by"`
	Additions      int64         `json:"additions"`
	Deletions      int64         `json:"deletions"`
	ChangedFiles   int64         `json:"changed_files"`
	Head           struct {
		SHA string `json:"sha"`
		Ref string `json:"ref"`
	} `json:"head"`
	Base struct {
		Ref string `json:"ref"`
	} `json:"base"`
}

// revision returns what GitHub says about the change. Its title is a claim of its author: nothing
// else is read from it.
func (p *githubPull) revision() record.Revision {
	return record.Revision{
		Title: p.Title, URL: p.URL, Author: p.User.Login, AuthorID: number(p.User.ID), AuthorType: p.User.kind(),
		HeadSHA: commit(p.Head.SHA), BaseRef: p.Base.Ref, Branch: p.Head.Ref,
		Additions: p.Additions, Deletions: p.Deletions, FilesTotal: p.ChangedFiles,
	}
}

// pull reads a change. GitHub does not resend an event that could not be delivered, so each event
// of a change also reports its state: open, closed or merged.
func (g *githubEvent) pull(r *Reading) {
	p := g.PullRequest
	revision := p.revision()
	r.Time = firstTime(p.UpdatedAt, p.CreatedAt)
	switch {
	case p.Merged || !p.MergedAt.IsZero():
		if g.Action == "closed" {
			r.Time = firstTime(p.MergedAt, p.UpdatedAt)
		}
		r.Fact = &record.Merged{Revision: revision, MergeSHA: commit(p.MergeCommitSHA), MergedBy: p.MergedBy.Login, MergedAt: p.MergedAt}
	case g.Action == "opened":
		r.Time = firstTime(p.CreatedAt, p.UpdatedAt)
		r.Fact = &record.Opened{Revision: revision}
	case g.Action == "reopened":
		r.Fact = &record.Opened{Revision: revision}
	case g.Action == "closed":
		r.Time = firstTime(p.ClosedAt, p.UpdatedAt)
		r.Fact = &record.Closed{Revision: revision, ClosedBy: g.Sender.Login}
	case p.State == "closed":
		r.Fact = &record.Closed{Revision: revision, ClosedAt: p.ClosedAt}
	default:
		revision.State = openState(p.State)
		r.Fact = &record.Updated{Revision: revision}
	}
}

// openState returns the state in a revision of a change that is neither merged nor closed.
func openState(state string) string {
	if state == "open" || state == "opened" {
		return "open"
	}
	return ""
}

type githubReview struct {
	ID          int64         `json:"id"`
	State       string        `json:"state"`
	CommitID    string        `json:"commit_id"`
	SubmittedAt time.Time     `json:"submitted_at"`
	UpdatedAt   time.Time     `json:"updated_at"`
	User        githubAccount `json:"user"`
	URL         string        `json:"html_url"`
}

// review reads a review. A dismissal is a later verdict of its own, which names the one that it
// withdraws.
func (g *githubEvent) review(r *Reading) {
	v := g.Review
	f := &record.Review{
		Reviewer: v.User.Login, ReviewerID: number(v.User.ID), ReviewerType: v.User.kind(),
		ReviewID: number(v.ID), CommitSHA: commit(v.CommitID), URL: v.URL, SubmittedAt: v.SubmittedAt,
	}
	switch state := strings.ToLower(v.State); {
	case g.Action == "dismissed" || state == "dismissed":
		f.Verdict, f.SubmittedAt = "dismissed", firstTime(v.UpdatedAt, g.PullRequest.UpdatedAt, v.SubmittedAt)
	case state == "approved":
		f.Verdict = "approved"
	case state == "changes_requested":
		f.Verdict = "changes-requested"
	default:
		f.Verdict = "commented"
	}
	r.Time = f.SubmittedAt
	if f.Reviewer == "" { // the account was deleted
		r.Fact = noted("review by nobody: %s", f.Verdict)
		return
	}
	r.Fact = f
}
