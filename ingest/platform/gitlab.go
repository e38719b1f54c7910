package platform

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
)

// gitlabEvent is the part of a webhook that is read
// (https://docs.gitlab.com/user/project/integrations/webhook_events/).
type gitlabEvent struct {
	Kind       string           `json:"object_kind"`
	Name       string           `json:"event_name"`
	User       gitlabUser       `json:"user"`
	Project    gitlabProject    `json:"project"`
	Repository gitlabRepository `json:"repository"`
	Attributes gitlabAttributes `json:"object_attributes"`
	Merge      *gitlabMerge     `json:"merge_request"`
	Issue      *gitlabIssue     `json:"issue"`
	Changes    jsontext.Value   `json:"changes"`

	// push
	Ref      string         `json:"ref"`
	Before   string         `json:"before"`
	After    string         `json:"after"`
	Username string         `json:"user_username"`
	Commits  []gitlabCommit `json:"commits"`
	Total    int            `json:"total_commits_count"`

	gitlabJob

	// deployment
	Status      string     `json:"status"`
	Changed     gitlabTime `json:"status_changed_at"`
	Environment any        `json:"environment"` // a name; for a job an object
	CommitURL   string     `json:"commit_url"`
	JobURL      string     `json:"deployable_url"`
}

type gitlabUser struct {
	ID       int64  `json:"id"`
	Username string `json:"username"`
}

// botName matches the accounts that GitLab creates for access tokens.
var botName = regexp.MustCompile(`^(project|group)_\d+_bot(_|\d|$)`)

func (u gitlabUser) kind() string {
	switch {
	case u.Username == "":
		return ""
	case botName.MatchString(u.Username) || strings.HasPrefix(u.Username, "service_account_"):
		return "bot"
	}
	return "human"
}

type gitlabProject struct {
	ID            int64  `json:"id"`
	URL           string `json:"web_url"`
	Path          string `json:"path_with_namespace"`
	DefaultBranch string `json:"default_branch"`
}

type gitlabRepository struct {
	Homepage string `json:"homepage"`
}

type gitlabAttributes struct {
	ID           int64        `json:"id"`
	IID          int          `json:"iid"`
	Action       string       `json:"action"`
	State        string       `json:"state"`
	Status       string       `json:"status"`
	Title        string       `json:"title"`
	URL          string       `json:"url"`
	SourceBranch string       `json:"source_branch"`
	TargetBranch string       `json:"target_branch"`
	LastCommit   gitlabCommit `json:"last_commit"`
	MergeSHA     string       `json:"merge_commit_sha"`
	SquashSHA    string       `json:"squash_commit_sha"`
	CreatedAt    gitlabTime   `json:"created_at"`
	UpdatedAt    gitlabTime   `json:"updated_at"`
	FinishedAt   gitlabTime   `json:"finished_at"`
	SHA          string       `json:"sha"`
	Source       any          `json:"source"` // for a pipeline a name; for a merge request a project
	Name         string       `json:"name"`
	NoteableType string       `json:"noteable_type"`
	AuthorID     int64        `json:"author_id"`
	Type         string       `json:"type"` // of a work item
	Note         string       `json:"note"`
	System       bool         `json:"system"`
	SystemAction string       `json:"system_action"`
}

type gitlabCommit struct {
	ID      string `json:"id"`
	Message string `json:"message"`
	Author  struct {
		Name  string `json:"name"`
		Email string `json:"email"`
	} `json:"author"`
	Added    []string `json:"added"`
	Modified []string `json:"modified"`
	Removed  []string `json:"removed"`
}

// gitlabTime is a time in any of the three forms that GitLab writes.
type gitlabTime struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler. Anything that is not a time becomes the zero time.
func (t *gitlabTime) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	for _, form := range []string{time.RFC3339Nano, "2006-01-02 15:04:05 MST", "2006-01-02 15:04:05 -0700"} {
		if at, err := time.Parse(form, text); err == nil {
			t.Time = at.UTC()
			return nil
		}
	}
	return nil
}

// gitlabUsed are the events that are read. Of all others, whose members have other forms, only the
// event and the project are read.
var gitlabUsed = []string{"merge_request", "pipeline", "job", "note", "issue", "work_item", "incident", "push", "deployment", "vulnerability"}

// decodeGitLab decodes a body, completely if the event is used.
func decodeGitLab(data []byte) (*gitlabEvent, error) {
	var other struct {
		Kind       string         `json:"object_kind"`
		Name       string         `json:"event_name"`
		Project    jsontext.Value `json:"project"`
		Repository jsontext.Value `json:"repository"`
	}
	if err := decode(data, &other); err != nil {
		return nil, err
	}
	g := &gitlabEvent{Kind: other.Kind, Name: other.Name}
	if slices.Contains(gitlabUsed, g.kind()) {
		return g, decode(data, g)
	}
	_ = decode(other.Project, &g.Project) // in another form it is ignored
	_ = decode(other.Repository, &g.Repository)
	return g, nil
}

// kind returns the event that the body states; builds are called jobs, as the hook is. Hooks of a
// group or of the whole host state only event_name.
func (g *gitlabEvent) kind() string {
	if g.Kind == "build" {
		return "job"
	}
	return cmp.Or(g.Kind, g.Name)
}

func (g *gitlabEvent) action() string {
	switch g.kind() {
	case "merge_request", "note", "issue", "work_item", "incident":
		return g.Attributes.Action
	case "pipeline":
		return g.Attributes.Status
	case "job":
		return g.JobStatus
	case "deployment":
		return g.Status
	case "vulnerability":
		return g.Attributes.State
	}
	return ""
}

// gitlabHeaders are the events by their names in the header X-Gitlab-Event.
var gitlabHeaders = map[string]string{
	"Merge Request Hook": "merge_request", "Pipeline Hook": "pipeline", "Job Hook": "job", "Note Hook": "note", "Confidential Note Hook": "note",
	"Push Hook": "push", "Tag Push Hook": "tag_push", "Deployment Hook": "deployment", "Vulnerability Hook": "vulnerability",
}

// GitLabType returns the type of the event in a webhook's body. It is an error if the header
// X-Gitlab-Event and the body disagree.
func GitLabType(header string, body []byte) (string, error) {
	g, err := decodeGitLab(body)
	if err != nil {
		return "", err
	}
	kind := g.kind()
	if kind == "" {
		return "", unreadable("the GitLab event is unknown: the body has neither object_kind nor event_name")
	}
	if want, ok := gitlabHeaders[header]; ok && want != kind {
		return "", unreadable("the header X-Gitlab-Event says %s, but the body is that of %s", header, kind)
	}
	if a := g.action(); a != "" {
		return gitlab + kind + "." + a, nil
	}
	return gitlab + kind, nil
}

// ofProjects are the events that occur only in projects.
var ofProjects = []string{"merge_request", "pipeline", "job", "push", "tag_push", "deployment", "vulnerability"}

func readGitLab(event string, data []byte) (Reading, error) {
	g, err := decodeGitLab(data)
	if err != nil {
		return Reading{}, err
	}
	if event == "build" {
		event = "job"
	}
	if kind := g.kind(); kind != event {
		return Reading{}, unreadable("the type says %s, but the data is that of %s", event, orUnknown(kind))
	}
	var r Reading
	for _, address := range []string{g.Project.URL, g.Repository.Homepage, vulnerable(g.Attributes.URL)} {
		if r.Repository == "" {
			r.Repository = repositoryAt(address)
		}
	}
	switch {
	case r.Repository != "":
	case slices.Contains(ofProjects, event):
		return r, unreadable("a %s of GitLab without project.web_url", event)
	default:
		return r, fmt.Errorf("%w: a %s of GitLab", ErrNoRepository, event)
	}
	if r.Repository == repositoryAt(g.Project.URL) {
		r.ID = record.RepositoryID(r.Repository, number(g.Project.ID))
	}
	r.Fact = noted("%s", strings.TrimSuffix(event+" "+g.action(), " "))
	switch event {
	case "merge_request":
		g.change(&r, g.Attributes.IID)
		g.mergeRequest(&r)
	case "pipeline":
		return r, g.pipeline(&r)
	case "job":
		return r, g.job(&r)
	case "note":
		g.note(&r)
	case "issue", "work_item", "incident":
		g.issue(&r)
	case "push":
		g.push(&r)
	case "deployment":
		g.deployed(&r)
	case "vulnerability":
		a := g.Attributes
		r.Time = firstTime(a.UpdatedAt.Time, a.CreatedAt.Time)
		r.Fact = &record.Scan{Alert: true, Tool: record.Tool{Name: "GitLab"}, ScanID: fmt.Sprintf("vulnerability/%d", a.ID), URL: a.URL, Report: record.Report{Encoding: "json", Content: data}}
	}
	return r, nil
}

// vulnerable returns the address of the project from the address of one of its vulnerabilities,
// whose event does not name the project otherwise.
func vulnerable(address string) string {
	project, _, ok := strings.Cut(address, "/-/security/")
	if !ok {
		return ""
	}
	return project
}

func (g *gitlabEvent) change(r *Reading, iid int) {
	if iid > 0 {
		r.Change = record.ChangeID(fmt.Sprintf("%s/merge_requests/%d", r.Repository, iid))
	}
}

// page returns the address of a page of the project.
func (g *gitlabEvent) page(kind string, id int64) string {
	base := g.Project.URL
	if base == "" {
		base = g.Repository.Homepage
	}
	if u, err := url.Parse(base); base == "" || err != nil || u.Host == "" || id == 0 {
		return ""
	}
	return base + "/-/" + kind + "/" + strconv.FormatInt(id, 10)
}

func (g *gitlabEvent) deployed(r *Reading) {
	r.Time = g.Changed.Time
	environment, _ := g.Environment.(string)
	sha := commit(g.CommitURL[strings.LastIndexByte(g.CommitURL, '/')+1:]) // short_sha is too short to identify a commit
	outcome := map[string]string{"success": "success", "failed": "failure", "canceled": "cancelled"}[g.Status]
	if outcome == "" || environment == "" {
		n := noted("deployment to %s: %s", environment, g.Status)
		n.CommitSHA = sha
		r.Fact = n
		return
	}
	r.Fact = &record.Deployment{Environment: environment, CommitSHA: sha, Outcome: outcome, Deployer: g.User.Username, URL: g.JobURL}
}
