package platform

import (
	"cmp"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// gitlabJob is what a webhook says of a job, and in part of its pipeline.
type gitlabJob struct {
	SHA           string     `json:"sha"`
	JobID         int64      `json:"build_id"`
	JobName       string     `json:"build_name"`
	JobStage      string     `json:"build_stage"`
	JobStatus     string     `json:"build_status"`
	JobFinished   gitlabTime `json:"build_finished_at"`
	AllowsFailure bool       `json:"build_allow_failure"`
	Retries       int64      `json:"retries_count"`
	PipelineID    int64      `json:"pipeline_id"`
	Parent        *struct {
		PipelineID int64 `json:"pipeline_id"`
	} `json:"source_pipeline"` // the pipeline that started this one
}

const gitlabCI = "gitlab-ci"

// pipeline reads the result of a pipeline. Pipelines of one commit are told apart by
// what started them, and by their name; one that another pipeline started by its id,
// since that may start several.
func (g *gitlabEvent) pipeline(r *Reading) (err error) {
	a := g.Attributes
	g.toTarget(r)
	r.Time = firstTime(a.FinishedAt.Time, a.CreatedAt.Time)
	source, _ := a.Source.(string)
	v := record.Validation{Name: "pipeline", Provider: gitlabCI, Workflow: strings.TrimSpace(source + " " + a.Name), RunID: number(a.ID), CommitSHA: a.SHA, URL: g.page("pipelines", a.ID)}
	if g.Parent != nil {
		v.Workflow = runOf(v.Workflow, a.ID)
	}
	r.Fact, err = validation("pipeline of GitLab", v, a.Status, true)
	return err
}

// toTarget makes what a fork tells about the merge request, and the project, that it is
// for. Where the event does not say where that is, it is about no merge request: that of
// the fork with the same number is another one.
func (g *gitlabEvent) toTarget(r *Reading) {
	if g.Merge == nil {
		return
	}
	m := g.Merge
	if m.Target == g.Project.ID || m.Target == m.Source && (m.Target != 0 || m.URL == "") {
		g.change(r, m.IID)
	} else if id, err := record.ParseChange(m.URL); err == nil {
		r.Repository, r.Change = id.Repository(), id
	}
}

// job reads the result of a job. A job that is run again has a new id, and stays in its
// pipeline.
func (g *gitlabEvent) job(r *Reading) (err error) {
	r.Time = g.JobFinished.Time
	status := g.JobStatus
	if status == "failed" && g.AllowsFailure {
		status = "neutral"
	}
	v := record.Validation{Name: g.JobName, Provider: gitlabCI, Workflow: g.JobStage, RunID: number(cmp.Or(g.PipelineID, g.JobID)), CommitSHA: g.SHA, URL: g.page("jobs", g.JobID)}
	if g.PipelineID != 0 {
		v.Workflow = strings.TrimSpace(g.JobStage + " of pipeline " + number(g.PipelineID))
		v.Attempt = max(0, g.Retries) + 1
	}
	if g.JobID == 0 {
		v.RunID = ""
	}
	r.Fact, err = validation("job of GitLab", v, status, true)
	return err
}
