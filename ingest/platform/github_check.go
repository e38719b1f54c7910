package platform

import (
	"cmp"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/record"
)

// githubCheck is a check run or a check suite.
type githubCheck struct {
	ID          int64     `json:"id"`
	Name        string    `json:"name"`
	HeadSHA     string    `json:"head_sha"`
	Status      string    `json:"status"`
	Conclusion  string    `json:"conclusion"`
	URL         string    `json:"html_url"`
	StartedAt   time.Time `json:"started_at"`
	CompletedAt time.Time `json:"completed_at"`
	UpdatedAt   time.Time `json:"updated_at"`
	App         struct {
		Slug string `json:"slug"`
		Name string `json:"name"`
	} `json:"app"`
	Suite struct {
		ID int64 `json:"id"`
	} `json:"check_suite"`
}

// app returns the application that made the check, since another one may have checks of the same
// name.
func (c *githubCheck) app() string { return cmp.Or(c.App.Slug, c.App.Name) }

// githubRun is a run of a workflow.
type githubRun struct {
	ID         int64     `json:"id"`
	Name       string    `json:"name"` // null for some
	Path       string    `json:"path"`
	WorkflowID int64     `json:"workflow_id"`
	Attempt    int64     `json:"run_attempt"`
	HeadSHA    string    `json:"head_sha"`
	Status     string    `json:"status"`
	Conclusion string    `json:"conclusion"`
	URL        string    `json:"html_url"`
	UpdatedAt  time.Time `json:"updated_at"`
}

// githubJob is a job of a run of a workflow.
type githubJob struct {
	ID          int64     `json:"id"`
	RunID       int64     `json:"run_id"`
	Attempt     int64     `json:"run_attempt"`
	Name        string    `json:"name"`
	Workflow    string    `json:"workflow_name"` // null for some
	HeadSHA     string    `json:"head_sha"`
	Status      string    `json:"status"`
	Conclusion  string    `json:"conclusion"`
	URL         string    `json:"html_url"`
	StartedAt   time.Time `json:"started_at"`
	CompletedAt time.Time `json:"completed_at"`
}

const actions = "github-actions"

// runOf distinguishes runs of one workflow: a run does not undo the result of another run on the
// same commit. Another attempt of the same run does, and keeps its number.
func runOf(workflow string, id int64) string {
	return strings.TrimSpace(workflow + " run " + number(id))
}

// check reads the result of a check. A check without an id is an error, since it could be confused
// with another.
func (g *githubEvent) check(event string, r *Reading) (err error) {
	switch event {
	case "check_run":
		c := g.CheckRun
		v := record.Validation{
			Name: c.Name, Provider: c.app(), Workflow: "suite " + number(c.Suite.ID), RunID: number(cmp.Or(c.Suite.ID, c.ID)), JobID: number(c.ID), StartedAt: c.StartedAt,
			CommitSHA: c.HeadSHA, URL: c.URL,
		}
		r.Time = firstTime(c.CompletedAt, c.UpdatedAt)
		if c.Suite.ID == 0 {
			v.Workflow = ""
		}
		r.Fact, err = validation("check_run of GitHub", v, c.Conclusion, c.Status == "completed")
	case "check_suite":
		c := g.CheckSuite
		v := record.Validation{Name: strings.TrimSpace("suite " + c.app()), Provider: c.app(), Workflow: "suite " + number(c.ID), RunID: number(c.ID), JobID: number(c.ID), CommitSHA: c.HeadSHA, URL: c.URL}
		r.Time = c.UpdatedAt
		r.Fact, err = validation("check_suite of GitHub", v, c.Conclusion, c.Status == "completed")
	case "workflow_run":
		w := g.WorkflowRun
		name := cmp.Or(w.Name, g.workflowName(), w.Path, "workflow "+number(w.WorkflowID))
		v := record.Validation{Name: name, Provider: actions, Workflow: runOf("", w.ID), RunID: number(w.ID), JobID: number(w.ID), Attempt: max(0, w.Attempt), CommitSHA: w.HeadSHA, URL: w.URL}
		r.Time = w.UpdatedAt
		r.Fact, err = validation("workflow_run of GitHub", v, w.Conclusion, w.Status == "completed")
	case "workflow_job":
		j := g.WorkflowJob
		v := record.Validation{Name: j.Name, Provider: actions, Workflow: runOf(j.Workflow, j.RunID), RunID: number(j.RunID), JobID: number(j.ID), Attempt: max(0, j.Attempt), CommitSHA: j.HeadSHA, URL: j.URL}
		r.Time = firstTime(j.CompletedAt, j.StartedAt)
		r.Fact, err = validation("workflow_job of GitHub", v, j.Conclusion, j.Status == "completed")
	case "status": // account and context are its identity: a later status replaces an earlier one
		r.Time = textTime(g.UpdatedAt)
		v := record.Validation{Name: g.Context, Provider: g.Sender.Login, RunID: g.Context, CommitSHA: g.SHA, URL: g.TargetURL}
		r.Fact, err = validation("status of GitHub", v, g.State, g.State != "pending")
	}
	return err
}

// workflowName returns the name of the workflow, if the event states it outside the run.
func (g *githubEvent) workflowName() string {
	var w struct {
		Name string `json:"name"`
	}
	_ = json.Unmarshal(g.Workflow, &w) // in another form it is ignored
	return w.Name
}

// validation returns the result v of a check, or a note that there is none yet. what describes the
// check in an error. An unknown verdict is no pass.
func validation(what string, v record.Validation, conclusion string, done bool) (record.Fact, error) {
	switch {
	case v.Name == "":
		return nil, unreadable("a %s without name: it cannot be distinguished from others", what)
	case v.RunID == "":
		return nil, unreadable("a %s without id: it cannot be distinguished from others", what)
	}
	v.CommitSHA = commit(v.CommitSHA)
	if !done || conclusion == "" {
		n := noted("%s: %s", v.Name, cmp.Or(conclusion, "not finished"))
		n.CommitSHA = v.CommitSHA
		return n, nil
	}
	known, ok := conclusions[strings.ToLower(conclusion)]
	if !ok {
		known = "error"
	}
	v.Conclusion = known
	return &v, nil
}
