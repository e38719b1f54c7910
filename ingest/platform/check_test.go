package platform

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/record"
)

// checkRead reads the result of a check.
func checkRead(t *testing.T, eventType, body string) *record.Validation {
	t.Helper()
	f, ok := read(t, eventType, body).Fact.(*record.Validation)
	if !ok {
		t.Fatalf("%s has no result", body)
	}
	return f
}

// identity distinguishes a check from others.
func identity(v *record.Validation) [4]string {
	return [4]string{v.Provider, v.Workflow, v.RunID, v.Name}
}

func checkRun(id, suite int, app, conclusion string) string {
	return payload(fmt.Sprintf(`"action":"completed","check_run":{"id":%d,"name":"build","head_sha":%q,"status":"completed","conclusion":%q,"completed_at":"2026-03-01T03:49:00Z","app":{"slug":%q},"check_suite":{"id":%d}}`, id, sha(1), conclusion, app, suite))
}

func checkSuite(id int, conclusion string) string {
	return payload(fmt.Sprintf(`"action":"completed","check_suite":{"id":%d,"head_sha":%q,"status":"completed","conclusion":%q,"app":{"slug":"github-actions"},"updated_at":"2026-03-01T03:49:00Z"}`, id, sha(1), conclusion))
}

func workflowJob(run, attempt int, workflow, conclusion string) string {
	return payload(fmt.Sprintf(`"action":"completed","workflow_job":{"id":%d,"run_id":%d,"run_attempt":%d,"workflow_name":%s,"name":"build","head_sha":%q,"status":"completed","conclusion":%q,"completed_at":"2026-03-01T03:49:00Z"}`, run*100+attempt, run, attempt, workflow, sha(1), conclusion))
}

// TestChecksOfOneName: application, workflow or suite, and job are the identity of a
// check; another attempt at it is the same check.
func TestChecksOfOneName(t *testing.T) {
	const run, suite, job = "com.github.check_run.completed", "com.github.check_suite.completed", "com.github.workflow_job.completed"
	for _, c := range []struct {
		name, event, one, other string
		same                    bool
	}{
		{"jobs of two suites", run, checkRun(11, 1, "github-actions", "failure"), checkRun(12, 2, "github-actions", "success"), false},
		{"checks of two applications", run, checkRun(11, 1, "github-actions", "failure"), checkRun(12, 1, "jenkins", "success"), false},
		{"a job that is run again", run, checkRun(11, 1, "github-actions", "failure"), checkRun(12, 1, "github-actions", "success"), true},
		{"two suites of one application", suite, checkSuite(101, "failure"), checkSuite(102, "success"), false},
		{"a suite that is run again", suite, checkSuite(101, "failure"), checkSuite(101, "success"), true},
		{"jobs of two workflows", job, workflowJob(1, 1, `"CI"`, "failure"), workflowJob(2, 1, `"Release"`, "success"), false},
		{"jobs of two runs of workflows without name", job, workflowJob(1, 1, `null`, "failure"), workflowJob(2, 1, `null`, "success"), false},
		{"the second attempt at a run", job, workflowJob(1, 1, `"CI"`, "failure"), workflowJob(1, 2, `"CI"`, "success"), true},
	} {
		one, other := checkRead(t, c.event, c.one), checkRead(t, c.event, c.other)
		if (identity(one) == identity(other)) != c.same {
			t.Errorf("%s: %q and %q", c.name, identity(one), identity(other))
		}
		if one.Conclusion != "failure" || other.Conclusion != "success" || one.RunID == "" {
			t.Errorf("%s: %+v and %+v", c.name, one, other)
		}
	}
	if v := checkRead(t, job, workflowJob(940463255, 2, `"CI"`, "success")); v.RunID != "940463255" || v.Attempt != 2 || v.Workflow != "CI run 940463255" || v.Provider != "github-actions" {
		t.Errorf("a job is %+v", v)
	}
}

// TestAWorkflowRunWithoutName gets the name of its workflow.
func TestAWorkflowRunWithoutName(t *testing.T) {
	body := payload(`"action":"completed","workflow":{"id":9,"name":"CI","path":".github/workflows/ci.yml"},"workflow_run":{"id":32,"name":null,"path":".github/workflows/ci.yml","run_attempt":1,"head_sha":"` + sha(1) + `","status":"completed","conclusion":"failure","updated_at":"2026-03-01T03:49:00Z"}`)
	if v := checkRead(t, "com.github.workflow_run.completed", body); v.Name != "CI" || v.RunID != "32" || v.Attempt != 1 || v.Conclusion != "failure" {
		t.Errorf("it is %+v", v)
	}
}

// TestARunNeedsAnID: a check that cannot be distinguished from others is refused.
func TestARunNeedsAnID(t *testing.T) {
	const gitlabProject = `"project":{"web_url":"https://gitlab.com/g/p"}`
	for event, body := range map[string]string{
		"com.github.check_run.completed":    payload(`"action":"completed","check_run":{"name":"build","status":"completed","conclusion":"success"}`),
		"com.github.check_run.created":      payload(`"action":"created","check_run":{"id":4,"status":"queued"}`),
		"com.github.check_suite.completed":  payload(`"action":"completed","check_suite":{"status":"completed","conclusion":"success"}`),
		"com.github.workflow_run.completed": payload(`"action":"completed","workflow_run":{"name":"CI","status":"completed","conclusion":"success"}`),
		"com.github.workflow_job.completed": payload(`"action":"completed","workflow_job":{"run_id":5,"status":"completed","conclusion":"success"}`),
		"com.gitlab.pipeline.success":       `{"object_kind":"pipeline",` + gitlabProject + `,"object_attributes":{"status":"success"}}`,
		"com.gitlab.job.success":            `{"object_kind":"build",` + gitlabProject + `,"build_name":"unit","build_status":"success","pipeline_id":3}`,
		"com.gitlab.build.success":          `{"object_kind":"build",` + gitlabProject + `,"build_id":5,"build_status":"success"}`,
	} {
		if r, err := Read(event, []byte(body), ""); !errors.Is(err, ErrUnreadable) {
			t.Errorf("%s is read as %+v", body, r.Fact)
		}
	}
}

// TestAStatusIsItsContext: a later status of the same account replaces an earlier one; another
// account has its own checks.
func TestAStatusIsItsContext(t *testing.T) {
	body := func(id int, who, state string) string {
		return strings.Replace(payload(fmt.Sprintf(`"id":%d,"sha":%q,"context":"ci/build","state":%q,"updated_at":"2026-03-01T03:49:00Z"`, id, sha(1), state)), `"login":"ana"`, `"login":"`+who+`"`, 1)
	}
	one, other := checkRead(t, "com.github.status", body(1, "ci[bot]", "failure")), checkRead(t, "com.github.status", body(2, "ci[bot]", "success"))
	if identity(one) != identity(other) || one.Name != "ci/build" {
		t.Errorf("%+v and %+v", one, other)
	}
	if another := checkRead(t, "com.github.status", body(3, "pilot[bot]", "success")); identity(one) == identity(another) {
		t.Errorf("%+v and %+v", one, another)
	}
}

func pipeline(id int, attributes, more string) string {
	return fmt.Sprintf(`{"object_kind":"pipeline","project":{"id":7,"web_url":"https://gitlab.example/acme/pay"},"object_attributes":{"id":%d,"sha":%q,"status":"failed",%s}%s}`, id, sha(1), attributes, more)
}

func TestPipelinesOfOneCommit(t *testing.T) {
	const parent = `,"source_pipeline":{"pipeline_id":30,"job_id":3401}`
	for _, c := range []struct {
		name, one, other string
		same             bool
	}{
		{"of a push and of a merge request", pipeline(31, `"source":"push"`, ""), pipeline(32, `"source":"merge_request_event"`, ""), false},
		{"of two names", pipeline(31, `"source":"push","name":"Nightly"`, ""), pipeline(32, `"source":"push","name":"Build"`, ""), false},
		{"of two branches with one head", pipeline(31, `"source":"push"`, ""), pipeline(32, `"source":"push"`, ""), false},
		{"one that was retried", pipeline(31, `"source":"push"`, ""), pipeline(31, `"source":"push"`, ""), true},
		{"two children of one", pipeline(31, `"source":"parent_pipeline"`, parent), pipeline(32, `"source":"parent_pipeline"`, parent), false},
	} {
		one, other := checkRead(t, "com.gitlab.pipeline.failed", c.one), checkRead(t, "com.gitlab.pipeline.failed", c.other)
		if (identity(one) == identity(other)) != c.same || one.RunID != "31" {
			t.Errorf("%s: %+v and %+v", c.name, one, other)
		}
	}
}

// TestPipelineOfAFork: it runs in the fork, and belongs to the merge request of the target project.
func TestPipelineOfAFork(t *testing.T) {
	fork := func(url string) string {
		return pipeline(1, `"source":"merge_request_event"`, `,"merge_request":{"iid":35,"source_project_id":7,"target_project_id":9`+url+`}`)
	}
	for url, want := range map[string]Reading{
		"": {Repository: "gitlab.example/acme/pay"},
		`,"url":"https://gitlab.example/platform/pay/-/merge_requests/35"`: {Repository: "gitlab.example/platform/pay", Change: "gitlab.example/platform/pay/merge_requests/35"},
	} {
		if r := read(t, "com.gitlab.pipeline.failed", fork(url)); r.Repository != want.Repository || r.Change != want.Change {
			t.Errorf("with %s it is about %s and %s", url, r.Repository, r.Change)
		}
	}
}

// TestJobsOfGitLab distinguishes jobs by pipeline and stage; a retry is the same job.
func TestJobsOfGitLab(t *testing.T) {
	job := func(id, pipeline int, stage string, retries int) *record.Validation {
		return checkRead(t, "com.gitlab.job.success", fmt.Sprintf(`{"object_kind":"build","sha":%q,"build_id":%d,"build_name":"unit","build_stage":%q,"build_status":"success","retries_count":%d,"pipeline_id":%d,"project":{"web_url":"https://gitlab.example/acme/pay"}}`, sha(1), id, stage, retries, pipeline))
	}
	first, retried := job(5, 31, "test", 0), job(6, 31, "test", 1)
	if identity(first) != identity(retried) || first.Attempt != 1 || retried.Attempt != 2 || first.RunID != "31" {
		t.Errorf("a retry: %+v and %+v", first, retried)
	}
	if identity(first) == identity(job(7, 32, "test", 0)) || identity(first) == identity(job(8, 31, "deploy", 0)) {
		t.Error("jobs of two pipelines, or of two stages, are one check")
	}
}

// TestAnAlertOfAPullRequest is about that change.
func TestAnAlertOfAPullRequest(t *testing.T) {
	body := payload(`"action":"created","ref":"refs/pull/12/merge","commit_oid":"` + sha(4) + `","alert":{"number":4,"rule":{"id":"js/xss"},"tool":{"name":"CodeQL"},"updated_at":"2026-03-01T03:49:00Z"}`)
	if r := read(t, "com.github.code_scanning_alert.created", body); r.Change != "github.com/acme/payments/pull/12" {
		t.Errorf("it is about %q", r.Change)
	}
}
