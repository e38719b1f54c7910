package platform

import (
	"regexp"
	"time"

	"github.com/changetrail/changetrail/record"
)

type githubIssue struct {
	Number    int           `json:"number"`
	URL       string        `json:"html_url"`
	Title     string        `json:"title"`
	State     string        `json:"state"`
	User      githubAccount `json:"user"`
	CreatedAt time.Time     `json:"created_at"`
	UpdatedAt time.Time     `json:"updated_at"`
	ClosedAt  time.Time     `json:"closed_at"`
	Pull      *struct {
		URL      string    `json:"html_url"`
		MergedAt time.Time `json:"merged_at"`
	} `json:"pull_request"` // of a comment on a pull request
}

type githubComment struct {
	Body      string        `json:"body"`
	User      githubAccount `json:"user"`
	CreatedAt time.Time     `json:"created_at"`
	UpdatedAt time.Time     `json:"updated_at"`
}

// issue reads an issue. Both its author and whoever assigns it ask for the work.
func (g *githubEvent) issue(r *Reading) {
	i := g.Issue
	r.Time = firstTime(i.UpdatedAt, i.CreatedAt)
	if i.Number == 0 {
		return
	}
	who := i.User
	switch g.Action {
	case "opened":
		r.Time = firstTime(i.CreatedAt, i.UpdatedAt)
	case "assigned":
		who = g.Sender
	}
	f := i.request("issue", g.Repository, who)
	f.OpenedAt = i.CreatedAt
	r.Fact = f
}

// asksSomebody matches the start of a comment that asks somebody to do something.
var asksSomebody = regexp.MustCompile(`^\s*@[A-Za-z0-9]`)

// comment reads a comment on an issue or a pull request. A comment that asks somebody to do
// something is a request. Any other may show that the pull request is merged or closed.
func (g *githubEvent) comment(r *Reading) {
	c, i := g.Comment, g.Issue
	r.Time = firstTime(c.UpdatedAt, c.CreatedAt)
	if i.Number == 0 {
		return
	}
	if !asksSomebody.MatchString(c.Body) || g.Action == "deleted" {
		i.ended(r)
		return
	}
	f := i.request("request", g.Repository, c.User)
	f.Title, f.State, f.OpenedAt = subject(c.Body), "", c.CreatedAt
	r.Fact = f
}

// ended reads that a pull request, which is also an issue, is no longer open.
func (i *githubIssue) ended(r *Reading) {
	if i.Pull == nil || i.State != "closed" {
		return
	}
	revision := record.Revision{Title: i.Title, URL: i.Pull.URL, Author: i.User.Login, AuthorID: number(i.User.ID), AuthorType: i.User.kind()}
	r.Time = firstTime(i.UpdatedAt, r.Time)
	r.Change = r.Repository.Change("/pull/" + number(int64(i.Number)))
	if i.Pull.MergedAt.IsZero() {
		r.Fact = &record.Closed{Revision: revision, ClosedAt: i.ClosedAt}
		return
	}
	r.Fact = &record.Merged{Revision: revision, MergedAt: i.Pull.MergedAt}
}

func (i *githubIssue) request(kind string, repo githubRepository, who githubAccount) *record.Request {
	return &record.Request{
		Kind: kind, ID: repo.FullName + "#" + number(int64(i.Number)), URL: i.URL, Title: i.Title, State: openOr(i.State == "closed"),
		Author: who.Login, AuthorID: number(who.ID), AuthorType: who.kind(),
	}
}

// openOr returns the state of a request.
func openOr(closed bool) string {
	if closed {
		return "closed"
	}
	return "open"
}
