package platform

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/record"
)

func sha(n int) string { return strings.Repeat(fmt.Sprint(n), 40) }

// payload adds the members that every webhook of GitHub has.
func payload(members string) string {
	return `{"repository":{"full_name":"acme/payments","html_url":"https://github.com/acme/payments","default_branch":"main"},"sender":{"login":"ana","type":"User"},` + members + `}`
}

func pull(action, more string) string {
	return payload(`"action":"` + action + `","pull_request":{"number":7,"title":"Fix","html_url":"https://github.com/acme/payments/pull/7","user":{"login":"copilot-swe-agent[bot]","type":"Bot"},"head":{"sha":"` + sha(1) + `","ref":"copilot/fix"},"base":{"ref":"main"},"created_at":"2026-03-01T03:47:00Z","updated_at":"2026-03-01T04:00:00Z"` + more + `}`)
}

func review(action, state string) string {
	return strings.TrimSuffix(pull(action, ""), "}") + `,"review":{"state":"` + state + `","commit_id":"` + sha(1) + `","submitted_at":"2026-03-01T03:50:00Z","user":{"login":"bo","type":"User"}}}`
}

func at(hour, minute int) time.Time { return time.Date(2026, 3, 1, hour, minute, 0, 0, time.UTC) }

func TestGitHub(t *testing.T) {
	revision := record.Revision{Title: "Fix", URL: "https://github.com/acme/payments/pull/7", Author: "copilot-swe-agent[bot]", AuthorType: "bot", HeadSHA: sha(1), BaseRef: "main", Branch: "copilot/fix"}
	const repo, pr = record.Repository("github.com/acme/payments"), record.ChangeID("github.com/acme/payments/pull/7")
	push := func(ref, after, message string) string {
		return strings.Replace(payload(`"ref":"`+ref+`","before":"`+sha(1)+`","after":"`+after+`","compare":"https://c","commits":[{"id":"`+sha(2)+`","message":`+message+`,"author":{"name":"Bo B","email":"bo@x","username":"bo"},"added":["a.go"],"modified":["b.go"],"removed":["a.go"]}]`), `"default_branch"`, `"pushed_at":1772336820,"default_branch"`, 1)
	}
	for _, c := range []struct {
		name, event, body string
		want              Reading
	}{
		{"a pull request is opened", "pull_request.opened", pull("opened", ""), Reading{Repository: repo, Change: pr, Time: at(3, 47), Fact: &record.Opened{Revision: revision}}},
		{"a push moves its head", "pull_request.synchronize", pull("synchronize", ""), Reading{Repository: repo, Change: pr, Time: at(4, 0), Fact: &record.Updated{Revision: revision}}},
		{
			"it is merged", "pull_request.closed", pull("closed", `,"merged":true,"merge_commit_sha":"`+sha(9)+`","merged_at":"2026-03-01T03:58:00Z","merged_by":{"login":"ana","type":"User"}`),
			Reading{Repository: repo, Change: pr, Time: at(3, 58), Fact: &record.Merged{Revision: revision, MergeSHA: sha(9), MergedBy: "ana", MergedAt: at(3, 58)}},
		},
		{"it is closed without", "pull_request.closed", pull("closed", `,"merged":false,"merge_commit_sha":"`+sha(9)+`","closed_at":"2026-03-01T03:59:00Z"`), Reading{Repository: repo, Change: pr, Time: at(3, 59), Fact: &record.Closed{Revision: revision, ClosedBy: "ana"}}},
		{"an approval is of the commit that was reviewed", "pull_request_review.submitted", review("submitted", "approved"), Reading{Repository: repo, Change: pr, Time: at(3, 50), Fact: &record.Review{Reviewer: "bo", ReviewerType: "human", Verdict: "approved", CommitSHA: sha(1), SubmittedAt: at(3, 50)}}},
		{"one that is dismissed is lifted when it is", "pull_request_review.dismissed", review("dismissed", "dismissed"), Reading{Repository: repo, Change: pr, Time: at(4, 0), Fact: &record.Review{Reviewer: "bo", ReviewerType: "human", Verdict: "dismissed", CommitSHA: sha(1), SubmittedAt: at(4, 0)}}},
		{
			"a check run has ended", "check_run.completed", payload(`"action":"completed","check_run":{"id":11,"name":"unit","head_sha":"` + sha(1) + `","status":"completed","conclusion":"timed_out","html_url":"https://r","completed_at":"2026-03-01T03:49:00Z","app":{"slug":"ci"},"check_suite":{"id":3}}`),
			Reading{Repository: repo, Change: "", Time: at(3, 49), Fact: &record.Validation{Name: "unit", Provider: "ci", Workflow: "suite 3", RunID: "3", JobID: "11", CommitSHA: sha(1), URL: "https://r", Conclusion: "timed-out"}},
		},
		{"one that was only asked for proves nothing", "check_run.created", payload(`"action":"created","check_run":{"id":11,"name":"unit","head_sha":"` + sha(1) + `","status":"queued"}`), Reading{Repository: repo, Change: "", Time: time.Time{}, Fact: &record.Activity{Summary: "unit: not finished", CommitSHA: sha(1)}}},
		{
			"a workflow run has ended", "workflow_run.completed", payload(`"action":"completed","workflow_run":{"id":32,"run_attempt":2,"name":"CI","head_sha":"` + sha(1) + `","status":"completed","conclusion":"success","updated_at":"2026-03-01T03:49:00Z"}`),
			Reading{Repository: repo, Change: "", Time: at(3, 49), Fact: &record.Validation{Name: "CI", Provider: "github-actions", Workflow: "run 32", RunID: "32", JobID: "32", Attempt: 2, CommitSHA: sha(1), Conclusion: "success"}},
		},
		{"a deployment reaches production", "deployment_status.created", payload(`"action":"created","deployment":{"sha":"` + sha(9) + `"},"deployment_status":{"state":"success","environment":"production","creator":{"login":"argo"},"created_at":"2026-03-01T04:10:00Z"}`), Reading{Repository: repo, Change: "", Time: at(4, 10), Fact: &record.Deployment{Environment: "production", CommitSHA: sha(9), Outcome: "success", Deployer: "argo"}}},
		{"one that another has replaced reached nothing", "deployment_status.created", payload(`"action":"created","deployment":{"sha":"` + sha(9) + `"},"deployment_status":{"state":"inactive","environment":"production"}`), Reading{Repository: repo, Change: "", Time: time.Time{}, Fact: &record.Activity{Summary: "deployment to production: inactive", CommitSHA: sha(9)}}},
		{
			"a push to a branch is evidence, with the trailers of the whole message", "push", push("refs/heads/fix", sha(2), `"Fix (#7)\n\n* x\n\nAgent-Execution: run-1\n\n* y"`),
			Reading{Repository: repo, Change: "", Time: at(3, 47), Fact: &record.Pushed{Branch: "fix", Before: sha(1), After: sha(2), Pusher: "ana", PusherType: "human", URL: "https://c", Files: []string{"a.go", "b.go"}, Commits: []record.Commit{{SHA: sha(2), Author: "bo", Email: "bo@x", Subject: "Fix (#7)", Trailers: []record.Trailer{{Key: "Agent-Execution", Value: "run-1"}}}}}},
		},
		{
			"a push to the default branch is a change", "push", push("refs/heads/main", sha(2), `"Fix"`),
			Reading{Repository: repo, Change: record.ChangeID(string(repo) + "/commit/" + sha(2)), Time: at(3, 47), Fact: &record.Pushed{Branch: "main", Default: true, Before: sha(1), After: sha(2), Pusher: "ana", PusherType: "human", URL: "https://c", Files: []string{"a.go", "b.go"}, Commits: []record.Commit{{SHA: sha(2), Author: "bo", Email: "bo@x", Subject: "Fix"}}}},
		},
		{"a tag is no change", "push", push("refs/tags/v1", sha(2), `"x"`), Reading{Repository: repo, Change: "", Time: at(3, 47), Fact: &record.Activity{Summary: "push of refs/tags/v1"}}},
		{"neither is a branch that is deleted", "push", push("refs/heads/main", strings.Repeat("0", 40), `"x"`), Reading{Repository: repo, Change: "", Time: at(3, 47), Fact: &record.Activity{Summary: "push of refs/heads/main"}}},
		{
			"the commit of a merge queue stands for its pull request", "merge_group.checks_requested", payload(`"action":"checks_requested","merge_group":{"head_sha":"` + sha(8) + `","head_ref":"refs/heads/gh-readonly-queue/main/pr-7-` + sha(3) + `"}`),
			Reading{Repository: repo, Change: pr, Time: time.Time{}, Fact: &record.Activity{Summary: "merge queue: checks_requested", CommitSHA: sha(8)}},
		},
		{"what tells nothing is kept", "issues.opened", payload(`"action":"opened","issue":{}`), Reading{Repository: repo, Change: "", Time: time.Time{}, Fact: &record.Activity{Summary: "issues opened"}}},
		{"so is a comment", "pull_request_review_comment.created", strings.TrimSuffix(pull("created", ""), "}") + `,"comment":{}}`, Reading{Repository: repo, Change: pr, Time: time.Time{}, Fact: &record.Activity{Summary: "pull_request_review_comment created"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Read("com.github."+c.event, []byte(c.body), "")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			event, _, _ := strings.Cut(c.event, ".")
			if name, err := GitHubType(event, []byte(c.body)); err != nil || name != "com.github."+c.event {
				t.Errorf("it is taken for %s, %v", name, err)
			}
		})
	}
}

// TestTheBodySaysWhatItIs: the header that names the event is not signed.
func TestTheBodySaysWhatItIs(t *testing.T) {
	for _, c := range []struct{ header, body string }{
		{"pull_request_review", pull("submitted", "")}, // an approval made of a pull request
		{"pull_request", review("submitted", "approved")},
		{"push", payload(`"action":"opened"`)},
		{"", payload(`"action":"opened"`)},
		{"check_run", `[]`},
		{"push", `{`},
	} {
		if name, err := GitHubType(c.header, []byte(c.body)); !errors.Is(err, ErrUnreadable) {
			t.Errorf("%s over %.60s is taken for %s", c.header, c.body, name)
		}
	}
	if name, err := GitHubType("", []byte(review("submitted", "approved"))); name != "com.github.pull_request_review.submitted" {
		t.Errorf("without a header it is %q, %v", name, err)
	}
	if _, err := Read("com.github.pull_request_review.submitted", []byte(pull("submitted", "")), ""); !errors.Is(err, ErrUnreadable) {
		t.Errorf("a type that the data is not of: %v", err)
	}
	if _, err := GitLabType("Push Hook", []byte(`{"object_kind":"pipeline"}`)); !errors.Is(err, ErrUnreadable) {
		t.Errorf("a pipeline that is called a push: %v", err)
	}
}

func TestGitLab(t *testing.T) {
	const repo, mr = record.Repository("gitlab.com/g/p"), record.ChangeID("gitlab.com/g/p/merge_requests/12")
	project := `"project":{"web_url":"https://gitlab.com/g/p","path_with_namespace":"g/p","default_branch":"main"},"user":{"username":"ana"}`
	merge := func(action, more string) string {
		return `{"object_kind":"merge_request",` + project + `,"object_attributes":{"iid":12,"action":"` + action + `","title":"Fix","url":"https://u","source_branch":"fix","target_branch":"main","last_commit":{"id":"` + sha(1) + `"},"created_at":"2026-03-01 03:47:00 UTC","updated_at":"2026-03-01T05:00:00+01:00"` + more + `}}`
	}
	revision := record.Revision{Title: "Fix", URL: "https://u", HeadSHA: sha(1), BaseRef: "main", Branch: "fix"}
	opened := revision
	opened.Author, opened.AuthorType = "ana", "human"
	for _, c := range []struct {
		name, event, body string
		want              Reading
	}{
		{"a merge request is opened", "merge_request.open", merge("open", ""), Reading{Repository: repo, Change: mr, Time: at(3, 47), Fact: &record.Opened{Revision: opened}}},
		{"it is merged", "merge_request.merge", merge("merge", `,"merge_commit_sha":"`+sha(9)+`"`), Reading{Repository: repo, Change: mr, Time: at(4, 0), Fact: &record.Merged{Revision: revision, MergeSHA: sha(9), MergedBy: "ana"}}},
		{"fast-forward merges make no commit", "merge_request.merge", merge("merge", `,"merge_commit_sha":null`), Reading{Repository: repo, Change: mr, Time: at(4, 0), Fact: &record.Merged{Revision: revision, MergeSHA: sha(1), MergedBy: "ana"}}},
		{"an approval is of the last commit, and counts from when it comes", "merge_request.approval", merge("approval", ""), Reading{Repository: repo, Change: mr, Time: time.Time{}, Fact: &record.Review{Reviewer: "ana", ReviewerType: "human", Verdict: "approved", CommitSHA: sha(1), URL: "https://u"}}},
		{"it is taken back", "merge_request.unapproved", merge("unapproved", ""), Reading{Repository: repo, Change: mr, Time: time.Time{}, Fact: &record.Review{Reviewer: "ana", ReviewerType: "human", Verdict: "dismissed", CommitSHA: sha(1), URL: "https://u"}}},
		{"a job that may fail has failed", "job.failed", `{"object_kind":"build","sha":"` + sha(1) + `","build_id":5,"build_name":"lint","build_status":"failed","build_allow_failure":true,"build_finished_at":"2026-03-01 03:50:00 UTC","repository":{"homepage":"https://gitlab.com/g/p"}}`, Reading{Repository: repo, Change: "", Time: at(3, 50), Fact: &record.Validation{Name: "lint", Provider: "gitlab-ci", RunID: "5", JobID: "5", CommitSHA: sha(1), Conclusion: "neutral", URL: "https://gitlab.com/g/p/-/jobs/5"}}},
		{"a pipeline of a merge request has passed", "pipeline.success", `{"object_kind":"pipeline",` + project + `,"merge_request":{"iid":12},"object_attributes":{"id":31,"sha":"` + sha(1) + `","status":"success","finished_at":"2026-03-01 03:51:00 UTC"}}`, Reading{Repository: repo, Change: mr, Time: at(3, 51), Fact: &record.Validation{Name: "pipeline", Provider: "gitlab-ci", Workflow: "run 31", RunID: "31", JobID: "31", CommitSHA: sha(1), Conclusion: "success", URL: "https://gitlab.com/g/p/-/pipelines/31"}}},
		{"one that runs proves nothing", "pipeline.running", `{"object_kind":"pipeline",` + project + `,"object_attributes":{"id":31,"sha":"` + sha(1) + `","status":"running"}}`, Reading{Repository: repo, Change: "", Time: time.Time{}, Fact: &record.Activity{Summary: "pipeline: running", CommitSHA: sha(1)}}},
		{"a deployment is found by the commit in its address", "deployment.success", `{"object_kind":"deployment",` + project + `,"status":"success","environment":"production","status_changed_at":"2026-03-01 05:10:00 +0100","short_sha":"9999999","commit_url":"https://gitlab.com/g/p/-/commit/` + sha(9) + `"}`, Reading{Repository: repo, Change: "", Time: at(4, 10), Fact: &record.Deployment{Environment: "production", CommitSHA: sha(9), Outcome: "success", Deployer: "ana"}}},
		{"a note on a merge request is a comment", "note.create", `{"object_kind":"note",` + project + `,"merge_request":{"iid":12,"last_commit":{"id":"` + sha(1) + `"}},"object_attributes":{"noteable_type":"MergeRequest","action":"create","created_at":"2026-03-01 03:52:00 UTC","url":"https://n"}}`, Reading{Repository: repo, Change: mr, Time: at(3, 52), Fact: &record.Review{Reviewer: "ana", ReviewerType: "human", Verdict: "commented", CommitSHA: sha(1), URL: "https://n"}}},
		{"a push by an access token is one by a bot", "push", `{"object_kind":"push",` + project + `,"ref":"refs/heads/main","before":"` + sha(1) + `","after":"` + sha(2) + `","user_username":"project_7_bot_ab12","commits":[{"id":"` + sha(2) + `","message":"Fix\n","author":{"name":"Bo","email":"bo@x"},"added":["a.go"]}]}`, Reading{Repository: repo, Change: record.ChangeID(string(repo) + "/commit/" + sha(2)), Time: time.Time{}, Fact: &record.Pushed{Branch: "main", Default: true, Before: sha(1), After: sha(2), Pusher: "project_7_bot_ab12", PusherType: "bot", URL: "https://gitlab.com/g/p/-/compare/" + sha(1) + "..." + sha(2), Files: []string{"a.go"}, Commits: []record.Commit{{SHA: sha(2), Author: "Bo", Email: "bo@x", Subject: "Fix"}}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Read("com.gitlab."+c.event, []byte(c.body), "")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if name, err := GitLabType("", []byte(c.body)); err != nil || name != "com.gitlab."+c.event {
				t.Errorf("it is taken for %s, %v", name, err)
			}
		})
	}
}

func TestCDEvents(t *testing.T) {
	const repo, pr = record.Repository("github.com/acme/payments"), record.ChangeID("github.com/acme/payments/pull/7")
	event := func(typ, id, content, custom string) string {
		return `{"context":{"version":"0.4.1","id":"1","source":"/ci","type":"dev.cdevents.` + typ + `.0.3.0","timestamp":"2026-03-01T03:47:00Z"},"subject":{"id":"` + id + `","source":"https://ci.acme.example","content":{` + content + `}},"customData":` + custom + `}`
	}
	where := `"repository":{"id":"acme/payments","source":"https://github.com"}`
	for _, c := range []struct {
		name, body string
		hint       record.Repository
		want       Reading
	}{
		{"a change by its number, in the repository that the event names", event("change.merged", "7", where, `{"merge_sha":"`+sha(9)+`"}`), "", Reading{Repository: repo, Change: pr, Time: at(3, 47), Fact: &record.Merged{MergeSHA: sha(9)}}},
		{"a change by its id", event("change.created", string(pr), `"description":"Fix"`, `{}`), "", Reading{Repository: repo, Change: pr, Time: at(3, 47), Fact: &record.Opened{Revision: record.Revision{Title: "Fix"}}}},
		{"in the repository that the envelope names", event("change.abandoned", "#7", ``, `"text"`), repo, Reading{Repository: repo, Change: pr, Time: at(3, 47), Fact: &record.Closed{}}},
		{"a run, of the commit that customData names", event("pipelinerun.finished", "r1", `"pipelineName":"build","outcome":"cancel","uri":"https://ci/r1"`, `{"commit":"`+sha(1)+`","repository":"https://github.com/acme/payments"}`), "", Reading{Repository: repo, Change: "", Time: at(3, 47), Fact: &record.Validation{Name: "build", Provider: "ci.acme.example", RunID: "r1", CommitSHA: sha(1), URL: "https://ci/r1", Conclusion: "cancelled"}}},
		{"a run of nothing proves nothing", event("pipelinerun.finished", "r1", `"outcome":"success"`, `{}`), repo, Reading{Repository: repo, Change: "", Time: at(3, 47), Fact: &record.Activity{Summary: "pipelinerun finished: r1"}}},
		{"a test case counts as one", event("testcaserun.finished", "t1", `"outcome":"failure","testCase":{"id":"c","name":"TestPay"},"environment":{"id":"e"}`, `{"change":"`+string(pr)+`"}`), "", Reading{Repository: repo, Change: pr, Time: at(3, 47), Fact: &record.Validation{Name: "TestPay", Provider: "ci.acme.example", RunID: "t1", Conclusion: "failure", Failed: 1}}},
		{"what is built from a change is noted with it", event("artifact.packaged", "pkg:oci/pay@sha256:ab", `"change":{"id":"7","source":"x"}`, `null`), repo, Reading{Repository: repo, Change: pr, Time: at(3, 47), Fact: &record.Activity{Summary: "artifact packaged: pkg:oci/pay@sha256:ab", Artifact: "pkg:oci/pay@sha256:ab"}}},
		{"and found by it where it is deployed", event("service.deployed", "pay", `"environment":{"id":"production"},"artifactId":"pkg:oci/pay@sha256:ab"`, `{}`), repo, Reading{Repository: repo, Change: "", Time: at(3, 47), Fact: &record.Deployment{Environment: "production", Outcome: "success", Artifact: "pkg:oci/pay@sha256:ab"}}},
		{"an approval of the 0.6 draft is leave", event("approval.closed", "a1", `"decision":"approved","status":"approved","responder":"https://github.com/bo","approvalDetailsUrl":"https://desk/1","resourceTargetUrl":"https://github.com/acme/payments/pull/7"`, `{}`), "", Reading{Repository: repo, Change: pr, Time: at(3, 47), Fact: &record.Approval{Approver: "bo", Verdict: "granted", Reference: "https://desk/1"}}},
		{"a refusal takes it back", event("approval.closed", "a1", `"decision":"rejected","status":"rejected","responder":"https://github.com/bo","resourceTargetUrl":"https://github.com/acme/payments/pull/7"`, `{}`), "", Reading{Repository: repo, Change: pr, Time: at(3, 47), Fact: &record.Approval{Approver: "bo", Verdict: "refused"}}},
		{"a ticket may be what an agent is asked", event("ticket.created", "T-1", `"summary":"Fix the login","creator":"ana","uri":"https://t/1"`, `{}`), repo, Reading{Repository: repo, Change: "", Time: at(3, 47), Fact: &record.Request{Kind: "ticket", ID: "T-1", URL: "https://t/1", Title: "Fix the login", Author: "ana", State: "open"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Read("dev.cdevents.x", []byte(c.body), c.hint)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	if _, err := Read("dev.cdevents.change.merged.0.2.0", []byte(event("change.merged", "mine", where, `{}`)), ""); !errors.Is(err, ErrNotAChange) {
		t.Errorf("a change without a number: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("com.github.pull_request.opened", pull("opened", ""))
	f.Add("com.github.pull_request_review.submitted", review("submitted", "approved"))
	f.Add("com.github.push", payload(`"ref":"refs/heads/main","after":"`+sha(2)+`","commits":[{}]`))
	f.Add("com.gitlab.push", `{"object_kind":"push","project":{"web_url":"https://gitlab.com/g/p"},"ref":"refs/heads/a","after":"`+sha(2)+`"}`)
	f.Add("com.github.issues.assigned", payload(`"action":"assigned","issue":{"number":1},"assignee":{"login":"b"}`))
	f.Add("com.gitlab.issue.open", `{"object_kind":"issue","project":{"web_url":"https://gitlab.com/g/p"},"object_attributes":{"iid":1,"action":"open"},"changes":{"assignees":{}}}`)
	f.Add("com.atlassian.jira.issue_created", `{"webhookEvent":"jira:issue_created","issue":{"key":"P-1","fields":{"creator":null}}}`)
	f.Add("com.github.workflow_job.completed", payload(`"action":"completed","workflow_job":{"name":"a","run_id":1}`))
	f.Add("dev.cdevents.change.merged.0.2.0", `{"context":{"type":"dev.cdevents.change.merged.0.2.0"},"subject":{"id":"1","content":{}}}`)
	f.Fuzz(func(t *testing.T, eventType, data string) {
		r, err := Read(eventType, []byte(data), "github.com/acme/payments")
		if err == nil && r.Fact == nil {
			t.Errorf("%s %q tells nothing, and is no error", eventType, data)
		}
		_, _ = GitHubType("push", []byte(data))
		_, _ = GitLabType("Push Hook", []byte(data))
		_, _, _ = JiraType([]byte(data))
	})
}
