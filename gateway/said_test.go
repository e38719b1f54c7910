package gateway

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/record"
)

// What platforms report about one change, acme/till#1, and of merge request 1, minutes after ten.

const (
	pullOne  = record.ChangeID("github.com/acme/till/pull/1")
	mergeOne = record.ChangeID("gitlab.com/acme/till/merge_requests/1")
)

func commitOf(n int) string { return strings.Repeat(fmt.Sprintf("%x", n), 40) }

func minute(n int) string { return fmt.Sprintf("2026-11-20T10:%02d:00Z", n) }

func hub(event, sender, body string) hook {
	return hook{"github", event, fmt.Sprintf(`{%s,"repository":{"id":42,"full_name":"acme/till","html_url":"https://github.com/acme/till","default_branch":"main"},"sender":{"login":%q,"type":"User"}}`, body, sender)}
}

// pullAt is the pull request in an event at a minute; more are its other members.
func pullAt(event, action string, at int, more string) hook {
	return hub(event, "cy", fmt.Sprintf(`"action":%q,"pull_request":{"number":1,"html_url":"https://github.com/acme/till/pull/1","title":"Tidy","user":{"login":"ada","type":"User"},"head":{"sha":%q,"ref":"till"},"base":{"ref":"main"},"created_at":%q,"updated_at":%q%s}`, action, commitOf(0xa), minute(0), minute(at), more))
}

func opened() hook { return pullAt("pull_request", "opened", 0, `,"state":"open","merged":false`) }

const mergedThen = `,"state":"closed","merged":true,"merged_at":"2026-11-20T10:30:00Z","closed_at":"2026-11-20T10:30:00Z","merge_commit_sha":"dddddddddddddddddddddddddddddddddddddddd","merged_by":{"login":"cy","type":"User"}`

func merged() hook { return pullAt("pull_request", "closed", 30, mergedThen) }

func checkAt(id, suite int, name, conclusion string, from, to int) hook {
	return hub("check_run", "ci", fmt.Sprintf(`"action":"completed","check_run":{"id":%d,"name":%q,"head_sha":%q,"status":"completed","conclusion":%q,"started_at":%q,"completed_at":%q,"app":{"slug":"ci"},"check_suite":{"id":%d}}`, id, name, commitOf(0xa), conclusion, minute(from), minute(to), suite))
}

func suiteAt(id int, conclusion string, at int) hook {
	return hub("check_suite", "ci", fmt.Sprintf(`"action":"completed","check_suite":{"id":%d,"head_sha":%q,"status":"completed","conclusion":%q,"app":{"slug":"ci"},"updated_at":%q}`, id, commitOf(0xa), conclusion, minute(at)))
}

func jobAt(id, run, attempt int, name, conclusion string, at int) hook {
	return hub("workflow_job", "ci", fmt.Sprintf(`"action":"completed","workflow_job":{"id":%d,"run_id":%d,"run_attempt":%d,"workflow_name":"CI","name":%q,"head_sha":%q,"status":"completed","conclusion":%q,"started_at":%q,"completed_at":%q}`, id, run, attempt, name, commitOf(0xa), conclusion, minute(at-1), minute(at)))
}

func runAt(id, attempt int, name, conclusion string, at int) hook {
	return hub("workflow_run", "ci", fmt.Sprintf(`"action":"completed","workflow":{"id":9,"name":"CI"},"workflow_run":{"id":%d,"run_attempt":%d,"name":%s,"head_sha":%q,"status":"completed","conclusion":%q,"updated_at":%q}`, id, attempt, name, commitOf(0xa), conclusion, minute(at)))
}

func statusAt(id int, sender, conclusion, sha string, at int) hook {
	return hub("status", sender, fmt.Sprintf(`"id":%d,"sha":%q,"context":"ci/build","state":%q,"updated_at":%q`, id, sha, conclusion, minute(at)))
}

func reviewAt(action string, id int, state string, submitted, at int, more string) hook {
	h := pullAt("pull_request_review", action, at, more)
	review := fmt.Sprintf(`{"review":{"id":%d,"state":%q,"commit_id":%q,"submitted_at":%q,"updated_at":%q,"user":{"login":"bea","type":"User"}},`, id, state, commitOf(0xa), minute(submitted), minute(at))
	h.body = review + h.body[1:]
	return h
}

func lab(kind string, body string) hook {
	return hook{"gitlab", "", fmt.Sprintf(`{"object_kind":%q,%s,"project":{"id":15,"web_url":"https://gitlab.com/acme/till","path_with_namespace":"acme/till","default_branch":"main"}}`, kind, body)}
}

func mergeAt(who int, action, state string, at int) hook {
	name := []string{"ada", "bea", "cy"}[who-1]
	return lab("merge_request", fmt.Sprintf(`"user":{"id":%d,"username":%q},"object_attributes":{"iid":1,"title":"Tidy","author_id":1,"action":%q,"state":%q,"source_branch":"till","target_branch":"main","created_at":"2026-11-20 10:00:00 UTC","updated_at":"2026-11-20 10:%02d:00 UTC","last_commit":{"id":%q},"merge_commit_sha":"dddddddddddddddddddddddddddddddddddddddd"}`, who, name, action, state, at, commitOf(0xa)))
}

func pipelineAt(id int, status string, at int, more string) hook {
	return lab("pipeline", fmt.Sprintf(`"object_attributes":{"id":%d,"sha":%q,"status":%q,"source":"push","created_at":"2026-11-20 10:00:00 UTC","finished_at":"2026-11-20 10:%02d:00 UTC"}%s`, id, commitOf(0xa), status, at, more))
}

func buildAt(id, pipeline, retries int, status string, mayFail bool, at int) hook {
	return lab("build", fmt.Sprintf(`"sha":%q,"build_id":%d,"build_name":"unit","build_stage":"test","build_status":%q,"build_allow_failure":%t,"build_created_at":"2026-11-20 10:00:00 UTC","build_finished_at":"2026-11-20 10:%02d:00 UTC","retries_count":%d,"pipeline_id":%d`, commitOf(0xa), id, status, mayFail, at, retries, pipeline))
}

// TestEachCheckCounts: only a later attempt of the same check replaces a result.
func TestEachCheckCounts(t *testing.T) {
	const failure, success = "failure", "success"
	child := `,"source_pipeline":{"pipeline_id":30}`
	for _, c := range []struct {
		name  string
		want  string
		hooks []hook
	}{
		{"two suites of one app", failure, []hook{suiteAt(101, failure, 1), suiteAt(102, success, 5)}},
		{"a suite that was run again", success, []hook{suiteAt(101, failure, 1), suiteAt(101, success, 5)}},
		{"check runs of two suites", failure, []hook{checkAt(11, 1, "build", failure, 0, 1), checkAt(12, 2, "build", success, 1, 2)}},
		{"a check that ran again", success, []hook{checkAt(11, 1, "build", failure, 0, 1), checkAt(12, 1, "build", success, 3, 4)}},
		{"told in another order", success, []hook{checkAt(12, 1, "build", success, 3, 4), checkAt(11, 1, "build", failure, 0, 1)}},
		{"a matrix of checks of one name", failure, []hook{checkAt(11, 1, "build", failure, 0, 3), checkAt(12, 1, "build", success, 1, 4)}},
		{"names that differ at their end alone", failure, []hook{checkAt(11, 1, strings.Repeat("b", 300)+"1", failure, 0, 1), checkAt(12, 1, strings.Repeat("b", 300)+"2", success, 2, 3)}},
		{"jobs of two runs", failure, []hook{jobAt(1, 5, 1, "build", failure, 1), jobAt(2, 6, 1, "build", success, 5)}},
		{"the second attempt at a run", success, []hook{jobAt(1, 5, 1, "build", failure, 1), jobAt(2, 5, 2, "build", success, 5)}},
		{"a matrix of jobs of one name", failure, []hook{jobAt(1, 5, 1, "build", failure, 1), jobAt(2, 5, 1, "build", success, 5)}},
		{"a matrix that was run again as a whole", success, []hook{jobAt(1, 5, 1, "build", failure, 1), jobAt(2, 5, 1, "build", success, 2), jobAt(3, 5, 2, "build", success, 5), jobAt(4, 5, 2, "build", success, 6)}},
		{"a matrix of which the job that passed was run again", failure, []hook{jobAt(1, 5, 1, "build", failure, 1), jobAt(2, 5, 1, "build", success, 2), jobAt(3, 5, 2, "build", success, 5)}},
		{"a job that was skipped at the second attempt", failure, []hook{jobAt(1, 5, 1, "build", failure, 1), jobAt(2, 5, 2, "build", "skipped", 5)}},
		{"two runs of one workflow", failure, []hook{runAt(5, 1, `"CI"`, failure, 1), runAt(6, 1, `"CI"`, success, 5)}},
		{"a run of which an earlier attempt is told late", success, []hook{runAt(5, 2, `"CI"`, success, 1), runAt(5, 1, `"CI"`, failure, 5)}},
		{"a run without name", failure, []hook{runAt(5, 1, `null`, failure, 1)}},
		{"the verdict of the whole beside its jobs", failure, []hook{jobAt(1, 5, 1, "build", success, 1), runAt(5, 1, `"CI"`, failure, 2)}},
		{"a run that did not start", "error", []hook{jobAt(1, 4, 1, "build", success, 1), runAt(5, 1, `"CI"`, "startup_failure", 2)}},
		{"a run that waits for a person", "error", []hook{runAt(5, 1, `"CI"`, "action_required", 2), suiteAt(101, success, 3)}},
		{"a run that took too long", "timed-out", []hook{runAt(5, 1, `"CI"`, "timed_out", 2), suiteAt(101, success, 3)}},
		{"a suite that nobody ran", "cancelled", []hook{suiteAt(101, "stale", 2), suiteAt(102, success, 3)}},
		{"a verdict that is not known here", "error", []hook{suiteAt(101, "superseded", 2), suiteAt(102, success, 3)}},
		{"neutral is no failure", success, []hook{suiteAt(101, "neutral", 2), suiteAt(102, success, 3)}},
		{"statuses of two apps", failure, []hook{statusAt(1, "ci[bot]", failure, commitOf(0xa), 1), statusAt(2, "pilot[bot]", success, commitOf(0xa), 2)}},
		{"statuses of one app", success, []hook{statusAt(1, "ci[bot]", failure, commitOf(0xa), 1), statusAt(2, "ci[bot]", success, commitOf(0xa), 2)}},
		{"the merge commit passed, the head had not", failure, []hook{merged(), statusAt(1, "ci[bot]", failure, commitOf(0xa), 1), statusAt(2, "ci[bot]", success, commitOf(0xd), 40)}},
	} {
		t.Run("GitHub, "+c.name, func(t *testing.T) {
			checkConclusion(t, c.want, recordOf(t, pullOne, append([]hook{opened()}, c.hooks...)...))
		})
	}
	for _, c := range []struct {
		name  string
		want  string
		hooks []hook
	}{
		{"pipelines of two branches with one head", failure, []hook{pipelineAt(31, "failed", 1, ""), pipelineAt(32, success, 5, "")}},
		{"a pipeline that was retried", success, []hook{pipelineAt(31, "failed", 1, ""), pipelineAt(31, success, 5, "")}},
		{"two children of a pipeline", failure, []hook{pipelineAt(31, "failed", 1, child), pipelineAt(32, success, 5, child)}},
		{"jobs of two pipelines", failure, []hook{buildAt(5, 31, 0, "failed", false, 1), buildAt(6, 32, 0, success, false, 5)}},
		{"a job that was retried", success, []hook{buildAt(5, 31, 0, "failed", false, 1), buildAt(6, 31, 1, success, false, 5)}},
		{"told in another order", success, []hook{buildAt(6, 31, 1, success, false, 5), buildAt(5, 31, 0, "failed", false, 7)}},
		{"the verdict of the whole beside its jobs", failure, []hook{buildAt(5, 31, 0, success, false, 1), pipelineAt(31, "failed", 2, "")}},
		{"a job that may fail", success, []hook{buildAt(5, 31, 0, "failed", true, 1), pipelineAt(31, success, 2, "")}},
		{"a pipeline that was canceled", "cancelled", []hook{buildAt(5, 31, 0, success, false, 1), pipelineAt(31, "canceled", 2, "")}},
		{"a pipeline that waits for a person", "waiting", []hook{buildAt(5, 31, 0, success, false, 1), pipelineAt(31, "manual", 2, "")}},
		{"a pipeline of which nothing ran", "skipped", []hook{pipelineAt(31, "skipped", 2, "")}},
	} {
		t.Run("GitLab, "+c.name, func(t *testing.T) {
			checkConclusion(t, c.want, recordOf(t, mergeOne, append([]hook{mergeAt(1, "open", "opened", 0)}, c.hooks...)...))
		})
	}
}

func checkConclusion(t *testing.T, want string, r *record.Record) {
	t.Helper()
	if v := r.Trail.Validation; v == nil || v.Conclusion != want || !v.Current {
		t.Errorf("%+v, want %s", v, want)
	}
}

// TestTheStateOfAChange is the newest that any event states: no host sends a lost event again.
func TestTheStateOfAChange(t *testing.T) {
	const closedThen = `,"state":"closed","merged":false,"closed_at":"2026-11-20T10:10:00Z"`
	onPull := func(pull string) hook {
		return hub("issue_comment", "bea", `"action":"created","issue":{"number":1,"html_url":"https://github.com/acme/till/pull/1","title":"Tidy","state":"closed","user":{"login":"ada","type":"User"},"updated_at":"2026-11-20T10:40:00Z","closed_at":"2026-11-20T10:10:00Z","pull_request":{"html_url":"https://github.com/acme/till/pull/1"`+pull+`}},"comment":{"body":"Thanks","user":{"login":"bea"},"created_at":"2026-11-20T10:40:00Z"}`)
	}
	for _, c := range []struct {
		name  string
		id    record.ChangeID
		want  string // state, and when
		hooks []hook
	}{
		{"merged, told by a label", pullOne, "merged 10:30 cy", []hook{opened(), pullAt("pull_request", "labeled", 45, mergedThen)}},
		{"merged, told by a comment on a line", pullOne, "merged 10:30 cy", []hook{opened(), pullAt("pull_request_review_comment", "created", 45, mergedThen+`},"comment":{"body":"x"`)}},
		{"merged, told by a comment", pullOne, "merged 10:30 ", []hook{opened(), onPull(`,"merged_at":"2026-11-20T10:30:00Z"`)}},
		{"closed, told by a comment", pullOne, "closed 10:10 ", []hook{opened(), onPull(`,"merged_at":null`)}},
		{"closed, told by a label", pullOne, "closed 10:10 ", []hook{opened(), pullAt("pull_request", "labeled", 45, closedThen)}},
		{"closed, and labeled later", pullOne, "closed 10:10 cy", []hook{opened(), pullAt("pull_request", "closed", 10, closedThen), pullAt("pull_request", "labeled", 45, closedThen)}},
		{"closed and reopened", pullOne, "open ", []hook{opened(), pullAt("pull_request", "closed", 10, closedThen), pullAt("pull_request", "reopened", 12, `,"state":"open"`)}},
		{"reopened, told by a label", pullOne, "open ", []hook{opened(), pullAt("pull_request", "closed", 10, closedThen), pullAt("pull_request", "labeled", 12, `,"state":"open"`)}},
		{"converted to a draft", pullOne, "open ", []hook{opened(), pullAt("pull_request", "converted_to_draft", 12, `,"state":"open","draft":true`)}},
		{"a merge request, merged", mergeOne, "merged 10:30 cy", []hook{mergeAt(1, "open", "opened", 0), mergeAt(3, "merge", "merged", 30), mergeAt(1, "update", "merged", 45)}},
		{"a merge request, merged, told by a label", mergeOne, "merged 10:45 ", []hook{mergeAt(1, "open", "opened", 0), mergeAt(1, "update", "merged", 45)}},
		{"a merge request, closed, told by a label", mergeOne, "closed 10:45 ", []hook{mergeAt(1, "open", "opened", 0), mergeAt(1, "update", "closed", 45)}},
		{"a merge request, reopened, told by a label", mergeOne, "open ", []hook{mergeAt(1, "open", "opened", 0), mergeAt(3, "close", "closed", 10), mergeAt(1, "update", "opened", 45)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			change := recordOf(t, c.id, c.hooks...).Trail.Change
			got := change.State + " "
			switch change.State {
			case "merged":
				got += change.MergedAt.Format("15:04 ") + change.MergedBy
			case "closed":
				got += change.ClosedAt.Format("15:04 ") + change.ClosedBy
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestWhoReviewed: a dismissal withdraws one review, and an approval of a merge request
// counts by the state of the merge request that GitLab sends with it.
func TestWhoReviewed(t *testing.T) {
	const asked, approved = "changes_requested", "approved"
	for _, c := range []struct {
		name      string
		id        record.ChangeID
		want      string
		approvers []string
		hooks     []hook
	}{
		{"the request for changes is dismissed", pullOne, record.Proven, []string{"bea"}, []hook{opened(), reviewAt("submitted", 1, asked, 1, 1, ""), reviewAt("submitted", 2, approved, 2, 2, ""), reviewAt("dismissed", 1, "dismissed", 1, 3, ""), merged()}},
		{"the approval is dismissed, an older one stands", pullOne, record.Proven, []string{"bea"}, []hook{opened(), reviewAt("submitted", 1, approved, 1, 1, ""), reviewAt("submitted", 2, approved, 2, 2, ""), reviewAt("dismissed", 2, "dismissed", 2, 3, ""), merged()}},
		{"the approval is dismissed, the request for changes stands", pullOne, record.Contradicted, nil, []hook{opened(), reviewAt("submitted", 1, asked, 1, 1, ""), reviewAt("submitted", 2, approved, 2, 2, ""), reviewAt("dismissed", 2, "dismissed", 2, 3, ""), merged()}},
		{"the approval is edited after the merge", pullOne, record.Proven, []string{"bea"}, []hook{opened(), merged(), reviewAt("edited", 2, approved, 2, 40, mergedThen)}},
		{"approved and merged, told late", mergeOne, record.Proven, []string{"bea"}, []hook{mergeAt(1, "open", "opened", 0), mergeAt(2, "approved", "opened", 1), mergeAt(3, "merge", "merged", 3)}},
		{"approved once it was merged, of which an update tells", mergeOne, record.Unproven, []string{"bea"}, []hook{mergeAt(1, "open", "opened", 0), mergeAt(2, "approved", "merged", 4), mergeAt(1, "update", "merged", 5)}},
		{"approved, taken back, approved", mergeOne, record.Proven, []string{"bea"}, []hook{mergeAt(1, "open", "opened", 0), mergeAt(2, "approval", "opened", 1), mergeAt(2, "unapproval", "opened", 2), mergeAt(2, "approval", "opened", 3), mergeAt(3, "merge", "merged", 9)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := recordOf(t, c.id, c.hooks...)
			if r.Trail.Answers.Reviewed != c.want {
				t.Errorf("%s: %s", r.Trail.Answers.Reviewed, r.Trail.Reasons.Reviewed)
			}
			if diff := cmp.Diff(c.approvers, r.Trail.Review.Approvers); diff != "" {
				t.Errorf("approvers -want +got:\n%s", diff)
			}
		})
	}
}
