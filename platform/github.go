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

// githubEvent is what is read of a webhook
// (https://docs.github.com/en/webhooks/webhook-events-and-payloads).
type githubEvent struct {
	Action     string           `json:"action"`
	Repository githubRepository `json:"repository"`
	Sender     githubAccount    `json:"sender"`

	PullRequest      *githubPull       `json:"pull_request"`
	Review           *githubReview     `json:"review"`
	Comment          jsontext.Value    `json:"comment"`
	Thread           jsontext.Value    `json:"thread"`
	CheckRun         *githubCheck      `json:"check_run"`
	CheckSuite       *githubCheck      `json:"check_suite"`
	WorkflowRun      *githubRun        `json:"workflow_run"`
	WorkflowJob      jsontext.Value    `json:"workflow_job"`
	MergeGroup       *githubMergeGroup `json:"merge_group"`
	Deployment       *githubDeployment `json:"deployment"`
	DeploymentStatus *githubStatus     `json:"deployment_status"`
	Alert            *githubAlert      `json:"alert"`
	CommitOID        string            `json:"commit_oid"` // of code_scanning_alert

	// push
	Ref     string         `json:"ref"`
	Before  string         `json:"before"`
	After   string         `json:"after"`
	Forced  bool           `json:"forced"`
	Compare string         `json:"compare"`
	Commits []githubCommit `json:"commits"`
	Pusher  struct {
		Name string `json:"name"`
	} `json:"pusher"`

	// status
	SHA       string         `json:"sha"`
	State     string         `json:"state"`
	Context   string         `json:"context"`
	TargetURL string         `json:"target_url"`
	UpdatedAt jsontext.Value `json:"updated_at"`

	Zen string `json:"zen"` // ping
}

type githubRepository struct {
	FullName      string         `json:"full_name"`
	URL           string         `json:"html_url"`
	DefaultBranch string         `json:"default_branch"`
	PushedAt      jsontext.Value `json:"pushed_at"` // in pushes Unix seconds, elsewhere a text
}

type githubAccount struct {
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
	Head           struct {
		SHA string `json:"sha"`
		Ref string `json:"ref"`
	} `json:"head"`
	Base struct {
		Ref string `json:"ref"`
	} `json:"base"`
}

type githubReview struct {
	State       string        `json:"state"`
	CommitID    string        `json:"commit_id"`
	SubmittedAt time.Time     `json:"submitted_at"`
	UpdatedAt   time.Time     `json:"updated_at"`
	User        githubAccount `json:"user"`
	URL         string        `json:"html_url"`
}

// githubCheck is a check run or a check suite.
type githubCheck struct {
	Name        string    `json:"name"`
	HeadSHA     string    `json:"head_sha"`
	Status      string    `json:"status"`
	Conclusion  string    `json:"conclusion"`
	URL         string    `json:"html_url"`
	CompletedAt time.Time `json:"completed_at"`
	UpdatedAt   time.Time `json:"updated_at"`
	App         struct {
		Slug string `json:"slug"`
		Name string `json:"name"`
	} `json:"app"`
}

type githubRun struct {
	Name       string    `json:"name"`
	HeadSHA    string    `json:"head_sha"`
	Status     string    `json:"status"`
	Conclusion string    `json:"conclusion"`
	URL        string    `json:"html_url"`
	UpdatedAt  time.Time `json:"updated_at"`
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

type githubAlert struct {
	Number    int            `json:"number"`
	State     string         `json:"state"`
	URL       string         `json:"html_url"`
	CreatedAt time.Time      `json:"created_at"`
	UpdatedAt time.Time      `json:"updated_at"`
	Advisory  jsontext.Value `json:"security_advisory"` // Dependabot
	Rule      jsontext.Value `json:"rule"`              // code scanning
	Tool      struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"tool"`
	SecretType string `json:"secret_type"` // secret scanning
	Instance   struct {
		CommitSHA string `json:"commit_sha"`
	} `json:"most_recent_instance"`
}

type githubCommit struct {
	ID      string `json:"id"`
	Message string `json:"message"`
	Author  struct {
		Name     string `json:"name"`
		Email    string `json:"email"`
		Username string `json:"username"`
	} `json:"author"`
	Added    []string `json:"added"`
	Modified []string `json:"modified"`
	Removed  []string `json:"removed"`
}

// kind tells the event from what it holds: the header that names it is not signed.
// It is empty for events that are not told apart here.
func (g *githubEvent) kind() string {
	switch {
	case g.Review != nil:
		return "pull_request_review"
	case g.Thread != nil && g.PullRequest != nil:
		return "pull_request_review_thread"
	case g.Comment != nil && g.PullRequest != nil:
		return "pull_request_review_comment"
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

// githubKinds are the events that kind tells.
var githubKinds = map[string]bool{
	"pull_request_review": true, "pull_request_review_thread": true, "pull_request_review_comment": true, "check_run": true, "check_suite": true,
	"workflow_job": true, "workflow_run": true, "deployment": true, "deployment_status": true, "pull_request": true, "merge_group": true,
	"dependabot_alert": true, "code_scanning_alert": true, "secret_scanning_alert": true, "push": true, "status": true, "ping": true,
}

// GitHubType returns the type of the event in a webhook's body: by what it holds
// and, for events that are not told apart by that, by the header X-GitHub-Event.
// A header that says something else than the body is an error.
func GitHubType(header string, body []byte) (string, error) {
	var g githubEvent
	if err := decode(body, &g); err != nil {
		return "", err
	}
	kind := g.kind()
	switch {
	case kind == "" && githubKinds[header], kind != "" && header != "" && kind != header && githubKinds[header]:
		return "", unreadable("the header X-GitHub-Event says %s, and the body is that of %s", header, orUnknown(kind))
	case header == "" && kind == "":
		return "", unreadable("neither the header X-GitHub-Event nor the body says which event this is")
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

func readGitHub(event string, data []byte) (Reading, error) {
	var g githubEvent
	if err := decode(data, &g); err != nil {
		return Reading{}, err
	}
	if kind := g.kind(); githubKinds[event] && kind != event {
		return Reading{}, unreadable("the type says %s, and the data is that of %s", event, orUnknown(kind))
	}
	r := Reading{Repository: repositoryAt(g.Repository.URL)}
	if r.Repository == "" && g.Repository.FullName != "" {
		r.Repository = repositoryAt("github.com/" + g.Repository.FullName)
	}
	if r.Repository == "" {
		return r, unreadable("a %s of GitHub without repository", event)
	}
	if p := g.PullRequest; p != nil && p.Number > 0 {
		r.Change = record.ChangeID(fmt.Sprintf("%s/pull/%d", r.Repository, p.Number))
	}
	g.read(event, data, &r)
	return r, nil
}

func (g *githubEvent) read(event string, data []byte, r *Reading) {
	r.Fact = noted("%s", strings.TrimSuffix(event+" "+g.Action, " "))
	switch event {
	case "pull_request":
		g.pull(r)
	case "pull_request_review":
		g.review(r)
	case "check_run":
		c := g.CheckRun
		r.Time = firstTime(c.CompletedAt, c.UpdatedAt)
		r.Fact = validation(c.Name, c.App.Slug, c.HeadSHA, c.URL, c.Conclusion, c.Status == "completed")
	case "check_suite":
		c := g.CheckSuite
		r.Time = c.UpdatedAt
		r.Fact = validation("suite "+c.App.Slug, c.App.Slug, c.HeadSHA, c.URL, c.Conclusion, c.Status == "completed")
	case "workflow_run":
		w := g.WorkflowRun
		r.Time = w.UpdatedAt
		r.Fact = validation(w.Name, "github-actions", w.HeadSHA, w.URL, w.Conclusion, w.Status == "completed")
	case "status":
		r.Time = textTime(g.UpdatedAt)
		r.Fact = validation(g.Context, "", g.SHA, g.TargetURL, g.State, g.State != "pending")
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
	case "code_scanning_alert", "dependabot_alert", "secret_scanning_alert":
		g.alert(event, data, r)
	}
}

// firstTime returns the first of times that is known.
func firstTime(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// textTime reads a time that is written as text, or as Unix seconds.
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

func (g *githubEvent) pull(r *Reading) {
	p := g.PullRequest
	revision := record.Revision{
		Title: brief(p.Title, 512), URL: p.URL, Author: p.User.Login, AuthorType: p.User.kind(), HeadSHA: commit(p.Head.SHA), BaseRef: p.Base.Ref, Branch: p.Head.Ref,
		Additions: p.Additions, Deletions: p.Deletions,
	}
	if revision.AuthorType == "bot" {
		revision.Dependencies = bumped(p.Title)
	}
	r.Time = firstTime(p.UpdatedAt, p.CreatedAt)
	switch {
	case g.Action == "opened":
		r.Time = firstTime(p.CreatedAt, p.UpdatedAt)
		r.Fact = &record.Opened{Revision: revision}
	case g.Action == "reopened":
		r.Fact = &record.Opened{Revision: revision}
	case g.Action == "closed" && p.Merged:
		r.Time = firstTime(p.MergedAt, p.UpdatedAt)
		r.Fact = &record.Merged{Revision: revision, MergeSHA: commit(p.MergeCommitSHA), MergedBy: p.MergedBy.Login, MergedAt: p.MergedAt}
	case g.Action == "closed":
		r.Time = firstTime(p.ClosedAt, p.UpdatedAt)
		r.Fact = &record.Closed{Revision: revision, ClosedBy: g.Sender.Login}
	default:
		r.Fact = &record.Updated{Revision: revision}
	}
}

// bump is how Dependabot titles its changes, with whatever prefix it was given.
var bump = regexp.MustCompile(`(?i)\bbump (\S+) from v?(\d\S*) to v?(\d\S*)`)

func bumped(title string) []record.DependencyUpdate {
	m := bump.FindStringSubmatch(title)
	if m == nil {
		return nil
	}
	return []record.DependencyUpdate{{Name: m[1], From: m[2], To: m[3]}}
}

// review reads a review. Dismissing it is a verdict of its own, later than the one
// that it lifts.
func (g *githubEvent) review(r *Reading) {
	v := g.Review
	f := &record.Review{Reviewer: v.User.Login, ReviewerType: v.User.kind(), CommitSHA: commit(v.CommitID), URL: v.URL, SubmittedAt: v.SubmittedAt}
	r.Time = v.SubmittedAt
	switch state := strings.ToLower(v.State); {
	case g.Action == "dismissed" || state == "dismissed":
		f.Verdict, f.SubmittedAt = "dismissed", firstTime(v.UpdatedAt, g.PullRequest.UpdatedAt, v.SubmittedAt)
		r.Time = f.SubmittedAt
	case state == "approved":
		f.Verdict = "approved"
	case state == "changes_requested":
		f.Verdict = "changes-requested"
	default:
		f.Verdict = "commented"
	}
	if f.Reviewer == "" { // the account was deleted
		r.Fact = noted("review by nobody: %s", f.Verdict)
		return
	}
	r.Fact = f
}

// validation is the result of a check, or a note that there is none yet.
func validation(name, provider, sha, url, conclusion string, done bool) record.Fact {
	known, ok := conclusions[strings.ToLower(conclusion)]
	if !done || !ok || name == "" {
		n := noted("%s: %s", name, conclusion)
		n.CommitSHA = commit(sha)
		return n
	}
	return &record.Validation{Name: brief(name, 256), Provider: provider, CommitSHA: commit(sha), URL: url, Conclusion: known}
}

func (g *githubEvent) push(r *Reading) {
	branch, ok := strings.CutPrefix(g.Ref, "refs/heads/")
	after := commit(g.After)
	r.Time = textTime(g.Repository.PushedAt)
	if !ok || after == "" {
		r.Fact = noted("push of %s", g.Ref)
		return
	}
	f := &record.Pushed{
		Branch: branch, Default: branch == g.Repository.DefaultBranch, Before: commit(g.Before), After: after, Forced: g.Forced,
		Pusher: g.Sender.Login, PusherType: g.Sender.kind(), URL: g.Compare,
	}
	if f.Pusher == "" {
		f.Pusher = g.Pusher.Name
	}
	seen := make(map[string]bool)
	for _, c := range g.Commits[max(0, len(g.Commits)-maxCommits):] {
		author := c.Author.Username
		if author == "" {
			author = c.Author.Name
		}
		if sha := commit(c.ID); sha != "" {
			f.Commits = append(f.Commits, record.Commit{SHA: sha, Author: brief(author, 256), Email: brief(c.Author.Email, 256), Subject: subject(c.Message), Trailers: record.Trailers(c.Message)})
		}
		f.Files = addFiles(seen, f.Files, c.Added, c.Modified, c.Removed)
	}
	if f.Default {
		r.Change = record.ChangeID(string(r.Repository) + "/commit/" + after)
	}
	r.Fact = f
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
	if f.Outcome == "" || f.Environment == "" { // it is on its way, or another has taken its place
		n := noted("deployment to %s: %s", f.Environment, s.State)
		n.CommitSHA = f.CommitSHA
		r.Fact = n
		return
	}
	r.Fact = f
}

// inQueue is the branch of a merge queue: its checks run on a commit that is in no
// pull request.
var inQueue = regexp.MustCompile(`^refs/heads/gh-readonly-queue/.+/pr-(\d+)-[0-9a-f]{40}$`)

func (g *githubEvent) queued(r *Reading) {
	n := noted("merge queue: %s", g.Action)
	n.CommitSHA = commit(g.MergeGroup.HeadSHA)
	if m := inQueue.FindStringSubmatch(g.MergeGroup.HeadRef); m != nil {
		r.Change = record.ChangeID(string(r.Repository) + "/pull/" + m[1])
	}
	r.Fact = n
}

// alert makes the alert a scanner's report, the whole body: package evidence reads
// it. One that is fixed or dismissed is a report in which nothing is found.
func (g *githubEvent) alert(event string, data []byte, r *Reading) {
	a := g.Alert
	r.Time = firstTime(a.UpdatedAt, a.CreatedAt)
	f := &record.Scan{
		Tool: record.Tool{Name: a.Tool.Name, Version: brief(a.Tool.Version, 128)}, ScanID: strings.TrimSuffix(event, "_alert") + "/" + strconv.Itoa(a.Number), URL: a.URL,
		CommitSHA: commit(g.CommitOID), Report: record.Report{Encoding: "json", Content: data},
	}
	switch event {
	case "dependabot_alert":
		f.Tool.Name = "Dependabot"
	case "secret_scanning_alert":
		f.Tool.Name = "GitHub secret scanning"
	default:
		if f.CommitSHA == "" {
			f.CommitSHA = commit(a.Instance.CommitSHA)
		}
	}
	r.Fact = f
}
