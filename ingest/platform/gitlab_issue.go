package platform

import (
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
)

// gitlabIssue is the issue of a note.
type gitlabIssue struct {
	IID   int    `json:"iid"`
	Title string `json:"title"`
	State string `json:"state"`
}

// issue reads an issue, a task or an incident. The event has only the number of the author; the
// account is known if the author is the one who acts.
func (g *gitlabEvent) issue(r *Reading) {
	a := g.Attributes
	r.Time = firstTime(a.UpdatedAt.Time, a.CreatedAt.Time)
	if a.IID == 0 {
		return
	}
	f := &record.Request{
		Kind: "issue", ID: g.Project.Path + "#" + number(int64(a.IID)), URL: a.URL, Title: a.Title, State: openOr(a.State == "closed"),
		AuthorID: number(a.AuthorID), OpenedAt: a.CreatedAt.Time,
	}
	if strings.EqualFold(a.Type, "incident") || g.kind() == "incident" {
		f.Kind = "incident"
	}
	switch {
	case a.Action == "open":
		r.Time = firstTime(a.CreatedAt.Time, a.UpdatedAt.Time)
		f.Author, f.AuthorType = g.User.Username, g.User.kind()
	case g.assigned(), a.AuthorID != 0 && a.AuthorID == g.User.ID:
		f.Author, f.AuthorID, f.AuthorType = g.User.Username, number(g.User.ID), g.User.kind()
	}
	r.Fact = f
}

// assigned reports whether the event assigned the issue to somebody.
func (g *gitlabEvent) assigned() bool {
	var changes struct {
		Assignees jsontext.Value `json:"assignees"`
	}
	return json.Unmarshal(g.Changes, &changes) == nil && changes.Assignees != nil // in another form it is ignored
}

// askedInNote reads a note on an issue that asks somebody to do something.
func (g *gitlabEvent) askedInNote(r *Reading) {
	a := g.Attributes
	if g.Issue == nil || g.Issue.IID == 0 || !asksSomebody.MatchString(a.Note) {
		return
	}
	r.Fact = &record.Request{
		Kind: "request", ID: g.Project.Path + "#" + number(int64(g.Issue.IID)), URL: a.URL, Title: subject(a.Note),
		Author: g.User.Username, AuthorID: number(g.User.ID), AuthorType: g.User.kind(), OpenedAt: a.CreatedAt.Time,
	}
}
