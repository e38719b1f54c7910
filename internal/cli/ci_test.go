package cli

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// queueEvent is the event of a merge queue. The branch ends with the commit that the queue builds on.
const queueEvent = `{"action":"checks_requested","merge_group":{"head_sha":"1111111","head_ref":"refs/heads/gh-readonly-queue/release/2.0/pr-4829-380387fbc80638b734a49e1be1c4dfec1c01b33c","base_sha":"380387fbc80638b734a49e1be1c4dfec1c01b33c","base_ref":"refs/heads/release/2.0"}}`

// TestAJobSaysWhatItIsAbout, in the variables that each CI system documents.
func TestAJobSaysWhatItIsAbout(t *testing.T) {
	event, queue := filepath.Join(t.TempDir(), "event.json"), filepath.Join(t.TempDir(), "queue.json")
	if err := os.WriteFile(queue, []byte(queueEvent), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(event, []byte(`{"action":"synchronize","pull_request":{"html_url":"https://github.com/acme/payments/pull/4829","head":{"sha":"5e0c9d0a8f1b"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	github := map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "acme/payments", "GITHUB_SHA": "1111111", "GITHUB_RUN_ID": "7", "GITHUB_WORKFLOW": "CI", "GITHUB_JOB": "unit", "GITHUB_RUN_ATTEMPT": "2"}
	gitlab := map[string]string{"GITLAB_CI": "true", "CI_PROJECT_URL": "https://gitlab.com/acme/payments", "CI_COMMIT_SHA": "1111111", "CI_JOB_NAME": "unit", "CI_JOB_URL": "https://gitlab.com/acme/payments/-/jobs/7", "CI_PIPELINE_ID": "31", "CI_JOB_ID": "7"}
	jenkins := map[string]string{"JENKINS_URL": "https://ci/", "GIT_URL": "git@github.com:acme/payments.git", "GIT_COMMIT": "1111111", "JOB_NAME": "payments/PR-4829", "BUILD_URL": "https://ci/job/7", "BUILD_NUMBER": "7"}
	with := func(m map[string]string, more ...string) map[string]string {
		out := map[string]string{}
		for k, v := range m {
			out[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			out[more[i]] = more[i+1]
		}
		return out
	}
	run := "https://github.com/acme/payments/actions/runs/7"
	for _, c := range []struct {
		name    string
		environ map[string]string
		want    ciJob
	}{
		{"GitHub, a push", github, ciJob{"github-actions", "github.com/acme/payments", "", "1111111", "CI / unit", run, "7", "2", false}},
		{"GitHub, a pull request: its head, not the merge that is tested", with(github, "GITHUB_EVENT_PATH", event), ciJob{"github-actions", "github.com/acme/payments", "github.com/acme/payments/pull/4829", "5e0c9d0a8f1b", "CI / unit", run, "7", "2", false}},
		{"GitLab, a push", gitlab, ciJob{"gitlab-ci", "gitlab.com/acme/payments", "", "1111111", "unit", "https://gitlab.com/acme/payments/-/jobs/7", "31", "7", false}},
		{"GitLab, a merge request from a fork", with(gitlab, "CI_PROJECT_URL", "https://gitlab.com/fork/payments", "CI_MERGE_REQUEST_PROJECT_URL", "https://gitlab.com/acme/payments", "CI_MERGE_REQUEST_IID", "12", "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", "2222222"), ciJob{"gitlab-ci", "gitlab.com/fork/payments", "gitlab.com/acme/payments/merge_requests/12", "2222222", "unit", "https://gitlab.com/acme/payments/-/jobs/7", "31", "7", false}},
		{"Jenkins, a branch", jenkins, ciJob{"jenkins", "github.com/acme/payments", "", "1111111", "payments/PR-4829", "https://ci/job/7", "payments/PR-4829", "7", false}},
		{"Jenkins, a change", with(jenkins, "CHANGE_URL", "https://github.com/acme/payments/pull/4829"), ciJob{"jenkins", "github.com/acme/payments", "github.com/acme/payments/pull/4829", "1111111", "payments/PR-4829", "https://ci/job/7", "payments/PR-4829", "7", false}},
		{"GitHub, a merge queue: its commit is not the head", with(github, "GITHUB_EVENT_PATH", queue), ciJob{"github-actions", "github.com/acme/payments", "github.com/acme/payments/pull/4829", "1111111", "CI / unit", run, "7", "2", true}},
		{"GitLab, a merge request", with(gitlab, "CI_MERGE_REQUEST_IID", "12", "CI_MERGE_REQUEST_EVENT_TYPE", "detached"), ciJob{"gitlab-ci", "gitlab.com/acme/payments", "gitlab.com/acme/payments/merge_requests/12", "1111111", "unit", "https://gitlab.com/acme/payments/-/jobs/7", "31", "7", false}},
		{"GitLab, a merge train", with(gitlab, "CI_MERGE_REQUEST_IID", "12", "CI_MERGE_REQUEST_EVENT_TYPE", "merge_train", "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", "2222222"), ciJob{"gitlab-ci", "gitlab.com/acme/payments", "gitlab.com/acme/payments/merge_requests/12", "2222222", "unit", "https://gitlab.com/acme/payments/-/jobs/7", "31", "7", false}},
		{"GitLab, a merge train that does not name the head", with(gitlab, "CI_MERGE_REQUEST_IID", "12", "CI_MERGE_REQUEST_EVENT_TYPE", "merge_train"), ciJob{"gitlab-ci", "gitlab.com/acme/payments", "gitlab.com/acme/payments/merge_requests/12", "1111111", "unit", "https://gitlab.com/acme/payments/-/jobs/7", "31", "7", true}},
		{"no CI", nil, ciJob{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, ciJobOf(func(k string) string { return c.environ[k] }), cmp.AllowUnexported(ciJob{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestFlagsGoBeforeTheJob(t *testing.T) {
	f := about{commit: "2222222", repository: "github.com/acme/docs", name: "mine"}
	f.fill(ciJob{"github-actions", "github.com/acme/payments", "github.com/acme/payments/pull/1", "1111111", "theirs", "https://run", "7", "2", false})
	want := about{commit: "2222222", repository: "github.com/acme/docs", name: "mine", provider: "github-actions", url: "https://run", run: "7", attempt: 2}
	if f != want {
		t.Errorf("%+v, want %+v", f, want)
	}
}

func TestGitHubSaysWhoAJobIs(t *testing.T) {
	var asked string
	answer := `{"value":"a.b.c"}`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Header.Get("Authorization") + " " + r.URL.RawQuery
		_, _ = w.Write([]byte(answer))
	}))
	defer s.Close()
	environ := map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": s.URL + "/token?api-version=2", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"}
	get := func(k string) string { return environ[k] }
	token, err := ciToken(t.Context(), get, "https://changetrail.acme.example/")
	if err != nil || token != "a.b.c" || asked != "Bearer t api-version=2&audience=https%3A%2F%2Fchangetrail.acme.example" {
		t.Errorf("%q %v, asked %s", token, err, asked)
	}
	answer = `{}`
	if _, err := ciToken(t.Context(), get, "https://x"); err == nil {
		t.Error("no token is no error")
	}
	clear(environ)
	if token, err := ciToken(t.Context(), get, "https://x"); token != "" || err != nil {
		t.Errorf("elsewhere: %q %v", token, err)
	}
}

// TestTheHeadInAQueue: GitHub is asked for the head of a pull request in a merge queue. Without its
// answer there is no head.
func TestTheHeadInAQueue(t *testing.T) {
	var asked string
	status, answer := http.StatusOK, `{"number":7,"state":"open","head":{"sha":"2222222"},"base":{"sha":"3333333"}}`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Header.Get("Authorization") + " " + r.URL.Path
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
	}))
	defer s.Close()
	environ := map[string]string{"GITHUB_API_URL": s.URL + "/api/v3", "GITHUB_REPOSITORY": "acme/payments", "GITHUB_TOKEN": "t"}
	j := ciJob{provider: "github-actions", change: "github.com/acme/payments/pull/7", commit: "1111111", temporary: true}
	head := func() (string, error) { return j.head(t.Context(), func(k string) string { return environ[k] }) }
	if got, err := head(); got != "2222222" || err != nil || asked != "Bearer t /api/v3/repos/acme/payments/pulls/7" {
		t.Errorf("%q %v, asked %s", got, err, asked)
	}
	for _, wrong := range []string{`{"number":8,"head":{"sha":"2222222"}}`, `{"number":7,"head":{}}`, `[]`, ``} {
		answer = wrong
		if got, err := head(); err == nil {
			t.Errorf("%s: the head is %q", wrong, got)
		}
	}
	status = http.StatusForbidden
	if got, err := head(); err == nil || !strings.Contains(err.Error(), "403 Forbidden; set GITHUB_TOKEN") {
		t.Errorf("without a permission: %q %v", got, err)
	}
	j.provider = "gitlab-ci"
	if got, err := head(); err == nil {
		t.Errorf("GitLab does not name the head: %q", got)
	}
	j.temporary = false
	if got, err := head(); got != "1111111" || err != nil {
		t.Errorf("another job: %q %v", got, err)
	}
}
