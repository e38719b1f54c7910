package platform

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
)

// githubEvent is the part of a webhook that is read
// (https://docs.github.com/en/webhooks/webhook-events-and-payloads).
type githubEvent struct {
	Action     string           `json:"action"`
	Repository githubRepository `json:"repository"`
	Sender     githubAccount    `json:"sender"`

	PullRequest      *githubPull       `json:"pull_request"`
	Review           *githubReview     `json:"review"`
	Comment          *githubComment    `json:"comment"`
	Issue            *githubIssue      `json:"issue"`
	Thread           jsontext.Value    `json:"thread"`
	CheckRun         *githubCheck      `json:"check_run"`
	CheckSuite       *githubCheck      `json:"check_suite"`
	WorkflowRun      *githubRun        `json:"workflow_run"`
	WorkflowJob      *githubJob        `json:"workflow_job"`
	Workflow         jsontext.Value    `json:"workflow"` // a path in some events
	MergeGroup       *githubMergeGroup `json:"merge_group"`
	Deployment       *githubDeployment `json:"deployment"`
	DeploymentStatus *githubStatus     `json:"deployment_status"`
	Alert            *githubAlert      `json:"alert"`
	CommitOID        string            `json:"commit_oid"` // of code_scanning_alert

	// push
	Ref     string         `json:"ref"`
	Before  string         `json:"before"`
	After   string         `json:"after"`
	BaseRef string         `json:"base_ref"` // the branch that a new one was made from, if it has the same head
	Forced  bool           `json:"forced"`
	Size    int            `json:"size"` // number of commits, which may be more than are listed
	Compare string         `json:"compare"`
	Commits []githubCommit `json:"commits"`
	Pusher  struct {
		Name string `json:"name"`
	} `json:"pusher"`

	// status
	StatusID  jsontext.Value `json:"id"`
	SHA       string         `json:"sha"`
	State     string         `json:"state"`
	Context   string         `json:"context"`
	TargetURL string         `json:"target_url"`
	UpdatedAt jsontext.Value `json:"updated_at"`

	Changes jsontext.Value `json:"changes"` // of repository: the former values

	Zen string `json:"zen"` // ping
}

type githubRepository struct {
	ID            int64          `json:"id"`
	FullName      string         `json:"full_name"`
	URL           string         `json:"html_url"`
	DefaultBranch string         `json:"default_branch"`
	PushedAt      jsontext.Value `json:"pushed_at"` // in pushes Unix seconds, elsewhere a text
	UpdatedAt     jsontext.Value `json:"updated_at"`
}

type githubMergeGroup struct {
	HeadSHA string `json:"head_sha"`
	HeadRef string `json:"head_ref"`
}

type githubDeployment struct {
	SHA         string        `json:"sha"`
	Ref         string        `json:"ref"`
	Environment string        `json:"environment"`
	Creator     githubAccount `json:"creator"`
	CreatedAt   time.Time     `json:"created_at"`
}

type githubStatus struct {
	State       string        `json:"state"`
	Environment string        `json:"environment"`
	Creator     githubAccount `json:"creator"`
	CreatedAt   time.Time     `json:"created_at"`
	LogURL      string        `json:"log_url"`
	TargetURL   string        `json:"target_url"`
}

// kind detects the event from its content, since the header that names it is not signed. It is ""
// for events that are not distinguished here.
func (g *githubEvent) kind() string {
	switch {
	case g.Review != nil:
		return "pull_request_review"
	case g.Thread != nil && g.PullRequest != nil:
		return "pull_request_review_thread"
	case g.Comment != nil && g.PullRequest != nil:
		return "pull_request_review_comment"
	case g.Issue != nil && g.Comment != nil:
		return "issue_comment"
	case g.Issue != nil:
		return "issues"
	case g.DeploymentStatus != nil: // may name the check or the workflow that deployed
		return "deployment_status"
	case g.CheckRun != nil:
		return "check_run"
	case g.CheckSuite != nil:
		return "check_suite"
	case g.WorkflowJob != nil:
		return "workflow_job"
	case g.Deployment != nil && g.Action == "created":
		return "deployment"
	case g.WorkflowRun != nil && g.Deployment == nil:
		return "workflow_run"
	case g.PullRequest != nil:
		return "pull_request"
	case g.MergeGroup != nil:
		return "merge_group"
	case g.Alert != nil && g.Alert.Advisory != nil:
		return "dependabot_alert"
	case g.Alert != nil && g.Alert.Rule != nil:
		return "code_scanning_alert"
	case g.Alert != nil && g.Alert.SecretType != "":
		return "secret_scanning_alert"
	case g.Ref != "" && g.After != "" && g.Commits != nil:
		return "push"
	case g.SHA != "" && g.Context != "":
		return "status"
	case g.Zen != "":
		return "ping"
	}
	return ""
}

// githubKinds are the events that kind detects.
var githubKinds = map[string]bool{
	"pull_request_review": true, "pull_request_review_thread": true, "pull_request_review_comment": true, "check_run": true, "check_suite": true,
	"workflow_job": true, "workflow_run": true, "deployment": true, "deployment_status": true, "pull_request": true, "merge_group": true,
	"dependabot_alert": true, "code_scanning_alert": true, "secret_scanning_alert": true, "push": true, "status": true, "ping": true, "issues": true, "issue_comment": true,
}

// GitHubType returns the type of the event in a webhook's body: by its content or, for events that
// are not detected by that, by the header X-GitHub-Event. It is an error if header and body
// disagree.
func GitHubType(header string, body []byte) (string, error) {
	g, err := decodeGitHub(header, body)
	if err != nil {
		return "", err
	}
	kind := g.kind()
	switch {
	case kind == "" && githubKinds[header], kind != "" && header != "" && kind != header && githubKinds[header]:
		return "", unreadable("the header X-GitHub-Event says %s, but the body is that of %s", header, orUnknown(kind))
	case header == "" && kind == "":
		return "", unreadable("the event is unknown; send the header X-GitHub-Event")
	case header != "" && !githubKinds[header]:
		kind = header
	}
	if g.Action == "" {
		return github + kind, nil
	}
	return github + kind + "." + g.Action, nil
}

func orUnknown(kind string) string {
	if kind == "" {
		return "another event"
	}
	return kind
}

// decodeGitHub decodes a body. Of an unused event, whose members may have other forms, it decodes
// only the action and the repository.
func decodeGitHub(event string, data []byte) (*githubEvent, error) {
	g := new(githubEvent)
	if event == "" || githubKinds[event] {
		return g, decode(data, g)
	}
	var other struct {
		Action     jsontext.Value `json:"action"`
		Repository jsontext.Value `json:"repository"`
		Changes    jsontext.Value `json:"changes"`
	}
	if err := decode(data, &other); err != nil {
		return nil, err
	}
	g.Changes = other.Changes
	_ = decode(other.Action, &g.Action) // in another form it is ignored
	_ = decode(other.Repository, &g.Repository)
	return g, nil
}

func readGitHub(event string, data []byte) (Reading, error) {
	g, err := decodeGitHub(event, data)
	if err != nil {
		return Reading{}, err
	}
	if kind := g.kind(); githubKinds[event] && kind != event {
		return Reading{}, unreadable("the type says %s, but the data is that of %s", event, orUnknown(kind))
	}
	r := Reading{Repository: repositoryAt(g.Repository.URL)}
	if r.Repository == "" && g.Repository.FullName != "" {
		r.Repository = repositoryAt("github.com/" + g.Repository.FullName)
	}
	switch {
	case r.Repository != "":
	case githubKinds[event]:
		return r, unreadable("a %s of GitHub without repository", event)
	default:
		return r, fmt.Errorf("%w: a %s of GitHub", ErrNoRepository, event)
	}
	r.ID, r.Former = record.RepositoryID(r.Repository, number(g.Repository.ID)), g.former(event, r.Repository)
	if event == "pull_request_review" && g.PullRequest == nil {
		return r, unreadable("a %s of GitHub without pull_request", event)
	}
	if p := g.PullRequest; p != nil && p.Number > 0 {
		r.Change = record.ChangeID(fmt.Sprintf("%s/pull/%d", r.Repository, p.Number))
	}
	return r, g.read(event, data, &r)
}

func (g *githubEvent) read(event string, data []byte, r *Reading) error {
	r.Fact = noted("%s", strings.TrimSuffix(event+" "+g.Action, " "))
	switch event {
	case "pull_request":
		g.pull(r)
	case "pull_request_review_comment", "pull_request_review_thread":
		if p := g.PullRequest; p.State == "closed" {
			g.pull(r)
		}
	case "pull_request_review":
		g.review(r)
	case "issues":
		g.issue(r)
	case "issue_comment":
		g.comment(r)
	case "check_run", "check_suite", "workflow_run", "workflow_job", "status":
		return g.check(event, r)
	case "push":
		g.push(r)
	case "deployment":
		r.Time = g.Deployment.CreatedAt
		n := noted("deployment of %s to %s asked for by %s", g.Deployment.Ref, g.Deployment.Environment, g.Deployment.Creator.Login)
		n.CommitSHA = commit(g.Deployment.SHA)
		r.Fact = n
	case "deployment_status":
		g.deployed(r)
	case "merge_group":
		g.queued(r)
	case "repository":
		r.Time = textTime(g.Repository.UpdatedAt)
	case "code_scanning_alert", "dependabot_alert", "secret_scanning_alert":
		g.alert(event, data, r)
	}
	return nil
}

// firstTime returns the first of times that is set.
func firstTime(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// textTime parses a time that is a text or Unix seconds.
func textTime(v jsontext.Value) time.Time {
	text := strings.Trim(string(v), `"`)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(n, 0).UTC()
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return t
}

func (g *githubEvent) deployed(r *Reading) {
	s, d := g.DeploymentStatus, g.Deployment
	r.Time = s.CreatedAt
	if d == nil {
		return
	}
	f := &record.Deployment{Environment: s.Environment, CommitSHA: commit(d.SHA), Deployer: s.Creator.Login, URL: s.LogURL}
	if f.Environment == "" {
		f.Environment = d.Environment
	}
	if f.URL == "" {
		f.URL = s.TargetURL
	}
	switch s.State {
	case "success":
		f.Outcome = "success"
	case "failure", "error":
		f.Outcome = "failure"
	}
	if f.Outcome == "" || f.Environment == "" { // it is in progress, or another replaced it
		n := noted("deployment to %s: %s", f.Environment, s.State)
		n.CommitSHA = f.CommitSHA
		r.Fact = n
		return
	}
	r.Fact = f
}

// inQueue matches the branch of a merge queue. Its checks run on a commit that is in no pull
// request. The branch ends with the commit that the queue builds on, not with the head of the pull
// request.
var inQueue = regexp.MustCompile(`^refs/heads/gh-readonly-queue/.+/pr-(\d+)-[0-9a-f]{40}$`)

// QueuedPull returns the number of the pull request for which GitHub's merge queue made a branch, or
// "" if ref is no such branch.
func QueuedPull(ref string) string {
	if m := inQueue.FindStringSubmatch(ref); m != nil {
		return m[1]
	}
	return ""
}

func (g *githubEvent) queued(r *Reading) {
	n := noted("merge queue: %s", g.Action)
	n.CommitSHA = commit(g.MergeGroup.HeadSHA)
	if number := QueuedPull(g.MergeGroup.HeadRef); number != "" {
		r.Change = record.ChangeID(string(r.Repository) + "/pull/" + number)
	}
	r.Fact = n
}
