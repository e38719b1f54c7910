package history

import (
	"cmp"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/audit/reconcile"
	"github.com/changetrail/changetrail/record"
)

// A githubItem is a pull request, a commit, a deployment or the state of a deployment in the REST API
// of GitHub (docs.github.com/rest, version 2022-11-28). Which one it is shows by its members.
type githubItem struct {
	ID        int64     `json:"id"`
	URL       string    `json:"url"`
	HTMLURL   string    `json:"html_url"`
	State     string    `json:"state"`
	CreatedAt time.Time `json:"created_at"`

	// Of a pull request.
	Number   int64        `json:"number"`
	Title    string       `json:"title"`
	User     *githubUser  `json:"user"`
	MergedAt *time.Time   `json:"merged_at"`
	MergeSHA string       `json:"merge_commit_sha"`
	Head     *githubPoint `json:"head"`
	Base     *githubPoint `json:"base"`

	// Of a commit.
	SHA    string `json:"sha"`
	Commit *struct {
		Message   string       `json:"message"`
		Author    githubPerson `json:"author"`
		Committer githubPerson `json:"committer"`
	} `json:"commit"`
	Author  *githubUser `json:"author"`
	Parents []struct {
		SHA string `json:"sha"`
	} `json:"parents"`

	// Of a deployment.
	Environment string      `json:"environment"`
	StatusesURL string      `json:"statuses_url"`
	Creator     *githubUser `json:"creator"`

	DeploymentURL string `json:"deployment_url"` // of the state of one

	Message       string `json:"message"` // of an error
	Documentation string `json:"documentation_url"`
}

type githubUser struct {
	Login string `json:"login"`
	Type  string `json:"type"`
}

func (u *githubUser) login() string {
	if u == nil {
		return ""
	}
	return u.Login
}

func (u *githubUser) bot() bool { return u != nil && u.Type == "Bot" }

type githubPoint struct {
	Ref  string `json:"ref"`
	SHA  string `json:"sha"`
	Repo *struct {
		Default string `json:"default_branch"`
	} `json:"repo"`
}

type githubPerson struct {
	Name  string    `json:"name"`
	Email string    `json:"email"`
	Date  time.Time `json:"date"`
}

// github adds one object of an export.
func (x *export) github(v jsontext.Value) (what string, err error) {
	var g githubItem
	if err := json.Unmarshal(v, &g, loosely); err != nil {
		return "", err
	}
	switch {
	case g.Base != nil && g.Head != nil:
		return "pull requests", x.githubPull(&g)
	case g.Commit != nil && g.SHA != "":
		return "commits", x.githubCommit(&g)
	case g.DeploymentURL != "" && g.State != "":
		x.state(g.DeploymentURL, githubOutcome(g.State), g.CreatedAt)
		return "states of a deployment", nil
	case g.StatusesURL != "" && g.SHA != "" && g.Environment != "":
		x.h.DeploymentsRead = true
		x.deploys[g.URL] = &reconcile.Deployment{Environment: g.Environment, Commit: strings.ToLower(g.SHA), At: g.CreatedAt, Deployer: g.Creator.login()}
		return "deployments", nil
	case g.Message != "" && g.Documentation != "":
		x.gap("the export contains an error of GitHub: %.200s", g.Message)
		return "errors", nil
	}
	return "", nil
}

// githubOutcome returns the outcome of a deployment. One that another replaced was a success before
// (inactive).
func githubOutcome(state string) string {
	switch state {
	case "success", "inactive":
		return "success"
	case "failure", "error":
		return "failure"
	}
	return ""
}

// state records a state of a deployment; the newest one counts, and once a deployment succeeded it
// had an effect.
func (x *export) state(of, outcome string, at time.Time) {
	old, ok := x.states[of]
	if !ok || outcome == "success" || old.outcome != "success" && !at.Before(old.at) {
		x.states[of] = state{outcome, at}
	}
}

func (x *export) githubPull(g *githubItem) error {
	x.h.RequestsRead = true
	id, err := record.ParseChange(g.HTMLURL)
	if err != nil {
		return err
	}
	x.repos[id.Repository()]++
	if g.Base.Repo != nil {
		x.main = cmp.Or(x.main, g.Base.Repo.Default)
	}
	q := reconcile.Request{
		ID: id, State: g.State, HeadSHA: g.Head.SHA, Base: g.Base.Ref, Branch: g.Head.Ref, Author: g.User.login(), Bot: g.User.bot(), Title: g.Title,
	}
	if g.MergedAt != nil {
		q.State, q.MergedAt, q.MergeSHA = "merged", *g.MergedAt, g.MergeSHA
	}
	x.h.Requests = append(x.h.Requests, q)
	return nil
}

func (x *export) githubCommit(g *githubItem) error {
	if id, err := record.ParseChange(g.HTMLURL); err == nil {
		x.repos[id.Repository()]++
	}
	c := &reconcile.Commit{
		ID: g.SHA, Author: g.Commit.Author.Name, AuthorMail: g.Commit.Author.Email, AuthoredAt: g.Commit.Author.Date,
		Committer: g.Commit.Committer.Name, CommitterMail: g.Commit.Committer.Email, CommittedAt: g.Commit.Committer.Date,
		Account: g.Author.login(), Bot: g.Author.bot(), Message: reconcile.ReadMessage(g.Commit.Message),
	}
	for _, p := range g.Parents {
		c.Parents = append(c.Parents, p.SHA)
	}
	return x.add(c)
}
