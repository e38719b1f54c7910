package platform

import (
	"cmp"
	"slices"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// gitlabJob is the part of a webhook that describes a job, and in part its pipeline.
type gitlabJob struct {
	SHA           string     `json:"sha"`
	JobID         int64      `json:"build_id"`
	JobName       string     `json:"build_name"`
	JobStage      string     `json:"build_stage"`
	JobStatus     string     `json:"build_status"`
	JobCreated    gitlabTime `json:"build_created_at"`
	JobStarted    gitlabTime `json:"build_started_at"`
	JobFinished   gitlabTime `json:"build_finished_at"`
	AllowsFailure bool       `json:"build_allow_failure"`
	Retries       *int64     `json:"retries_count"`
	PipelineID    int64      `json:"pipeline_id"`
}

const gitlabCI = "gitlab-ci"

// goesOn are the states of a pipeline or a job without a result.
var goesOn = []string{
	"created", "waiting_for_resource", "preparing", "waiting_for_callback", "pending", "running", "canceling", "scheduled",
}

// pipeline reads the result of a pipeline. Pipelines of one commit are distinguished by their ids,
// since two branches may have the same head. A pipeline that is retried keeps its id.
func (g *gitlabEvent) pipeline(r *Reading) (err error) {
	a := g.Attributes
	g.toTarget(r)
	r.Time = firstTime(a.FinishedAt.Time, a.CreatedAt.Time)
	source, _ := a.Source.(string)
	v := record.Validation{
		Name: "pipeline", Provider: gitlabCI, Workflow: runOf(strings.TrimSpace(source+" "+a.Name), a.ID), RunID: number(a.ID), JobID: number(a.ID),
		CommitSHA: a.SHA, URL: g.page("pipelines", a.ID),
	}
	r.Fact, err = validation("pipeline of GitLab", v, a.Status, !slices.Contains(goesOn, a.Status))
	return err
}

// toTarget moves the event of a fork to the merge request and the project that it targets. If the
// event does not name the target, it has no merge request: the one with the same number in the fork
// is another one.
func (g *gitlabEvent) toTarget(r *Reading) {
	if g.Merge == nil {
		return
	}
	m := g.Merge
	if m.Target == g.Project.ID || m.Target == m.Source && (m.Target != 0 || m.URL == "") {
		g.change(r, m.IID)
	} else if id, err := record.ParseChange(m.URL); err == nil {
		r.Repository, r.Change = id.Repository(), id
		r.ID = record.RepositoryID(r.Repository, number(m.Target))
	}
}

// job reads the result of a job. A job that is retried has a new id, and stays in its pipeline,
// which has no two jobs with the same name.
func (g *gitlabEvent) job(r *Reading) (err error) {
	r.Time = firstTime(g.JobFinished.Time, g.JobStarted.Time, g.JobCreated.Time)
	v := record.Validation{
		Name: g.JobName, Provider: gitlabCI, Workflow: g.JobStage, RunID: number(cmp.Or(g.PipelineID, g.JobID)), JobID: number(g.JobID),
		CommitSHA: g.SHA, URL: g.page("jobs", g.JobID),
	}
	if g.PipelineID != 0 {
		v.Workflow = strings.TrimSpace(g.JobStage + " of pipeline " + number(g.PipelineID))
	}
	if g.Retries != nil {
		v.Attempt = max(0, *g.Retries) + 1
	}
	if g.JobID == 0 {
		v.RunID = ""
	}
	r.Fact, err = validation("job of GitLab", v, g.jobStatus(), !slices.Contains(goesOn, g.JobStatus))
	return err
}

// jobStatus returns the status of a job. A job that is allowed to fail neither fails nor stops its
// pipeline.
func (g *gitlabEvent) jobStatus() string {
	switch {
	case g.JobStatus == "failed" && g.AllowsFailure:
		return "neutral"
	case g.JobStatus == "manual" && g.AllowsFailure:
		return "skipped"
	}
	return g.JobStatus
}
