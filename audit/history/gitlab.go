package history

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/audit/reconcile"
	"github.com/changetrail/changetrail/record"
)

// A gitlabItem is a merge request, a commit or a deployment in the REST API of GitLab
// (docs.gitlab.com/api, version 4). Which one it is shows by its members.
type gitlabItem struct {
	ID     jsontext.Value `json:"id"` // a number, or the id of a commit
	IID    int64          `json:"iid"`
	WebURL string         `json:"web_url"`
	Title  string         `json:"title"`
	State  string         `json:"state"`

	// Of a merge request.
	Target    string     `json:"target_branch"`
	Source    string     `json:"source_branch"`
	MergeSHA  string     `json:"merge_commit_sha"`
	SquashSHA string     `json:"squash_commit_sha"`
	SHA       string     `json:"sha"`
	MergedAt  *time.Time `json:"merged_at"`
	Author    *struct {
		Username string `json:"username"`
		Bot      bool   `json:"bot"`
	} `json:"author"`

	// Of a commit.
	Parents       []string  `json:"parent_ids"`
	Message       string    `json:"message"`
	AuthorName    string    `json:"author_name"`
	AuthorMail    string    `json:"author_email"`
	AuthoredAt    time.Time `json:"authored_date"`
	CommitterName string    `json:"committer_name"`
	CommitterMail string    `json:"committer_email"`
	CommittedAt   time.Time `json:"committed_date"`

	// Of a deployment.
	Status      string    `json:"status"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
	Environment *struct {
		Name string `json:"name"`
	} `json:"environment"`
	User *struct {
		Username string `json:"username"`
	} `json:"user"`
}

// gitlab adds one object of an export.
func (x *export) gitlab(v jsontext.Value) (what string, err error) {
	var g gitlabItem
	if err := json.Unmarshal(v, &g, loosely); err != nil {
		return "", err
	}
	switch {
	case g.Target != "" && g.Source != "":
		return "merge requests", x.gitlabMerge(&g)
	case g.AuthorName != "" && g.Message != "" && g.ID.Kind() == '"':
		return "commits", x.gitlabCommit(&g)
	case g.Environment != nil && g.Status != "":
		x.gitlabDeployment(&g)
		return "deployments", nil
	case g.Message != "":
		x.gap("the export contains an error of GitLab: %.200s", g.Message)
		return "errors", nil
	}
	return "", nil
}

func (x *export) gitlabMerge(g *gitlabItem) error {
	x.h.RequestsRead = true
	id, err := record.ParseChange(g.WebURL)
	if err != nil {
		return err
	}
	x.repos[id.Repository()]++
	q := reconcile.Request{ID: id, State: g.State, HeadSHA: g.SHA, Base: g.Target, Branch: g.Source, Title: g.Title}
	if g.State == "opened" {
		q.State = "open"
	}
	if g.Author != nil {
		q.Author, q.Bot = g.Author.Username, g.Author.Bot
	}
	if g.State == "merged" {
		q.SquashSHA = strings.ToLower(g.SquashSHA)
		q.MergeSHA = cmp.Or(g.MergeSHA, g.SquashSHA, g.SHA) // the last: fast-forward
		if g.MergedAt != nil {
			q.MergedAt = *g.MergedAt
		}
	}
	x.h.Requests = append(x.h.Requests, q)
	return nil
}

func (x *export) gitlabCommit(g *gitlabItem) error {
	if id, err := record.ParseChange(g.WebURL); err == nil {
		x.repos[id.Repository()]++
	}
	sha, err := strconv.Unquote(string(g.ID))
	if err != nil {
		return err
	}
	return x.add(&reconcile.Commit{
		ID: sha, Parents: g.Parents, Author: g.AuthorName, AuthorMail: g.AuthorMail, AuthoredAt: g.AuthoredAt,
		Committer: g.CommitterName, CommitterMail: g.CommitterMail, CommittedAt: g.CommittedAt, Message: reconcile.ReadMessage(g.Message),
	})
}

func (x *export) gitlabDeployment(g *gitlabItem) {
	x.h.DeploymentsRead = true
	d := &reconcile.Deployment{Environment: g.Environment.Name, Commit: strings.ToLower(g.SHA), At: g.UpdatedAt}
	if d.At.IsZero() {
		d.At = g.CreatedAt
	}
	if g.User != nil {
		d.Deployer = g.User.Username
	}
	switch g.Status {
	case "success":
		d.Outcome = "success"
	case "failed", "canceled", "skipped", "blocked", "created":
		d.Outcome = "failure" // it did not reach the environment
	}
	x.deploys[string(g.ID)] = d
}
