//go:build servers

package embedded

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/servers"
	"github.com/changetrail/changetrail/record"
)

// The exit codes of changetrail gate.
const (
	allowed = 0
	denied  = 1
	unknown = 2
)

// exit runs a program to its end and returns its exit code and output.
func exit(t *testing.T, environ []string, name string, args ...string) (code int, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), environ...)
	b, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatalf("%s: %v: %s", cmd, err, b)
	}
	return cmd.ProcessState.ExitCode(), string(b)
}

// pullOfAgent reports as GitHub does that patch-pilot opened a pull request that its policy requires
// a review of.
func pullOfAgent(t *testing.T, p *process, number int, sha string) map[string]any {
	t.Helper()
	now, bot := time.Now().UTC().Format(time.RFC3339), map[string]any{"login": "patch-pilot[bot]", "type": "Bot"}
	branch := fmt.Sprintf("fix-%d", number)
	pull := map[string]any{
		"number": number, "html_url": fmt.Sprintf("https://github.com/acme/payments/pull/%d", number), "title": "Fix the login", "state": "open", "user": bot, "created_at": now, "updated_at": now,
		"head": map[string]any{"sha": sha, "ref": branch}, "base": map[string]any{"ref": "main", "sha": strings.Repeat("1", 40)}, "changed_files": 1,
	}
	deliver(t, p, "pull_request", fmt.Sprintf("g-%d-pull", number), map[string]any{"action": "opened", "number": number, "repository": acmePayments, "sender": bot, "pull_request": pull})
	deliver(t, p, "push", fmt.Sprintf("g-%d-push", number), map[string]any{
		"ref": "refs/heads/" + branch, "before": strings.Repeat("0", 40), "after": sha, "repository": acmePayments, "sender": bot, "pusher": map[string]any{"name": "patch-pilot[bot]"},
		"commits":     []any{map[string]any{"id": sha, "message": "Fix the login", "timestamp": now, "author": map[string]any{"name": "patch-pilot[bot]", "username": "patch-pilot[bot]"}, "added": []string{}, "modified": []string{"auth/login.go"}, "removed": []string{}}},
		"head_commit": map[string]any{"id": sha, "message": "Fix the login", "timestamp": now},
	})
	return pull
}

var acmePayments = map[string]any{"full_name": "acme/payments", "html_url": "https://github.com/acme/payments", "default_branch": "main"}

// approve reports that a person approved the newest commit of a pull request.
func approve(t *testing.T, p *process, pull map[string]any) {
	t.Helper()
	lea := map[string]any{"login": "lea", "type": "User"}
	deliver(t, p, "pull_request_review", fmt.Sprintf("g-%v-review", pull["number"]), map[string]any{
		"action": "submitted", "repository": acmePayments, "sender": lea, "pull_request": pull,
		"review": map[string]any{"id": 77, "state": "approved", "commit_id": pull["head"].(map[string]any)["sha"], "submitted_at": time.Now().UTC().Format(time.RFC3339), "user": lea},
	})
}

// A gateStep asks the gate as a ready-made CI step does. more is added to what the CI system
// documents as the environment of a job.
type gateStep func(t *testing.T, wait string, more map[string]string) (code int, out string)

// inGitHub runs the commands of the action, in the environment that GitHub documents.
func inGitHub(p *process, token string) gateStep {
	return func(t *testing.T, wait string, more map[string]string) (int, string) {
		var action struct {
			Inputs map[string]struct{ Default string }
			Runs   struct {
				Steps []struct {
					Run string
					Env map[string]string
				}
			}
		}
		part(t, "github/gate/action.yml", &action)
		// GitHub gives a job its identity; here, it is a token that the gateway knows.
		issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"value":%q}`, token) }))
		defer issuer.Close()
		environ := map[string]string{
			"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "acme/payments", "GITHUB_SHA": strings.Repeat("9", 40), "GITHUB_RUN_ID": "7", "GITHUB_WORKFLOW": "CI", "GITHUB_JOB": "gate",
			"ACTIONS_ID_TOKEN_REQUEST_URL": issuer.URL + "/?v=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x", "RUNNER_TEMP": t.TempDir(),
		}
		given := map[string]string{"gateway": p.page, "wait": wait}
		step := action.Runs.Steps[0]
		for k, v := range step.Env {
			input := strings.TrimSuffix(strings.TrimPrefix(v, "${{ inputs."), " }}")
			if _, ok := action.Inputs[input]; !ok {
				t.Errorf("%s is no input", v)
			}
			value, ok := given[input]
			if !ok {
				value = strings.ReplaceAll(action.Inputs[input].Default, "${{ github.token }}", "token of the job")
			}
			environ[k] = value
		}
		return exit(t, withBinary(environ, more), "bash", "-e", "-o", "pipefail", "-c", step.Run)
	}
}

// withBinary returns an environment in which the tested program is found.
func withBinary(environ ...map[string]string) []string {
	out := []string{"PATH=" + filepath.Dir(binary) + string(os.PathListSeparator) + os.Getenv("PATH")}
	for _, m := range environ {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			out = append(out, k+"="+m[k])
		}
	}
	return out
}

// inGitLab runs the script of the job, in the environment that GitLab documents.
func inGitLab(p *process, token string) gateStep {
	return func(t *testing.T, wait string, more map[string]string) (int, string) {
		var include map[string]struct {
			Tokens    map[string]struct{ Aud string } `yaml:"id_tokens"`
			Variables map[string]string
			Script    []string
		}
		part(t, "gitlab/changetrail.yml", &include)
		job := include[".changetrail-gate"]
		environ := map[string]string{
			"GITLAB_CI": "true", "CI_PROJECT_URL": "https://gitlab.com/acme/payments", "CI_COMMIT_SHA": strings.Repeat("9", 40), "CI_JOB_NAME": "changetrail gate", "CI_JOB_URL": "https://gitlab.com/j/7", "CI_PIPELINE_SOURCE": "merge_request_event",
			"CHANGETRAIL_PRODUCER_GATEWAY": p.page,
		}
		maps.Copy(environ, job.Variables)
		environ["GATE_WAIT"] = wait
		for name, k := range job.Tokens {
			if k.Aud != "$CHANGETRAIL_PRODUCER_GATEWAY" {
				t.Errorf("the audience is %s", k.Aud)
			}
			environ[name] = token
		}
		return exit(t, withBinary(environ, more), "sh", "-e", "-c", strings.Join(job.Script, "\n"))
	}
}

// inJenkins runs the step with the real Groovy. What Jenkins gives a pipeline is a stand-in.
func inJenkins(p *process, token string) gateStep {
	return func(t *testing.T, wait string, more map[string]string) (int, string) {
		script := filepath.Join(t.TempDir(), "pipeline.groovy")
		if err := os.WriteFile(script, []byte(`
environ = new HashMap(System.getenv())
withEnv = { list, body -> list.each { def (k, v) = it.split('=', 2); environ[k] = v }; body() }
string = { arguments -> arguments }
withCredentials = { list, body -> list.each { assert it.credentialsId == 'changetrail'; environ[it.variable] = System.getenv('SECRET') }; body() }
sh = { line -> def run = ['sh', '-e', '-c', line].execute(environ.collect { k, v -> k + '=' + v }, new File('.')); run.waitForProcessOutput(System.out, System.err); System.exit(run.exitValue()) }
step = new GroovyShell(binding).parse(new File(args[0]))
step.call(gateway: System.getenv('GATEWAY'), wait: System.getenv('WAIT'))
`), 0o600); err != nil {
			t.Fatal(err)
		}
		jar, err := servers.Groovy()
		if err != nil {
			t.Fatal(err)
		}
		environ := map[string]string{
			"JENKINS_URL": "https://ci/", "GIT_URL": "https://github.com/acme/payments.git", "JOB_NAME": "payments/PR", "BUILD_URL": "https://ci/job/7", "SECRET": token, "GATEWAY": p.page, "WAIT": wait,
		}
		return exit(t, withBinary(environ, more), "java", "-cp", jar, "groovy.ui.GroovyMain", script, part(t, "jenkins/vars/changetrailGate.groovy", nil))
	}
}

// TestTheStepsForCIAskTheGate runs the commands of each part as its CI system would, in the
// environment that this documents. The systems themselves cannot run here.
func TestTheStepsForCIAskTheGate(t *testing.T) {
	p, token := newGateway(t)
	sha := func(n int) string { return strings.Repeat(fmt.Sprint(n), 40) }
	queued, reviewed, waits, jenkins := pullOfAgent(t, p, 421, sha(1)), pullOfAgent(t, p, 422, sha(2)), pullOfAgent(t, p, 423, sha(3)), pullOfAgent(t, p, 424, sha(4))
	for _, pull := range []map[string]any{queued, reviewed, jenkins} {
		approve(t, p, pull)
	}
	pullOfAgent(t, p, 425, sha(5))
	openMergeRequest(t, p, 12, sha(6))

	event := func(payload string) map[string]string {
		file := filepath.Join(t.TempDir(), "event.json")
		if err := os.WriteFile(file, []byte(payload), 0o600); err != nil {
			t.Fatal(err)
		}
		return map[string]string{"GITHUB_EVENT_PATH": file}
	}
	pull := func(number int, head string) map[string]string {
		return event(fmt.Sprintf(`{"pull_request":{"html_url":"https://github.com/acme/payments/pull/%d","head":{"sha":%q}}}`, number, head))
	}
	queue := func(number, status int, head string) map[string]string {
		e := event(fmt.Sprintf(`{"action":"checks_requested","merge_group":{"head_sha":%q,"head_ref":"refs/heads/gh-readonly-queue/main/pr-%d-%s","base_sha":%[3]q,"base_ref":"refs/heads/main"}}`, sha(9), number, sha(8)))
		e["GITHUB_API_URL"] = githubAPI(t, number, status, head)
		return e
	}
	request := func(more ...string) map[string]string {
		e := map[string]string{"CI_MERGE_REQUEST_IID": "12"}
		for i := 0; i < len(more); i += 2 {
			e[more[i]] = more[i+1]
		}
		return e
	}
	github, gitlab, jenkinsStep := inGitHub(p, token), inGitLab(p, token), inJenkins(p, token)
	for _, c := range []struct {
		name string
		step gateStep
		env  map[string]string
		want int
		says string
	}{
		{"GitHub, reviewed", github, pull(422, sha(2)), allowed, "Allowed: github.com/acme/payments/pull/422"},
		{"GitHub, not reviewed", github, pull(425, sha(5)), denied, "a review for payments"},
		{"GitHub, another head", github, pull(422, sha(7)), denied, "You asked about commit 777777777"},
		{"GitHub, a merge queue", github, queue(421, 200, sha(1)), allowed, "Allowed: github.com/acme/payments/pull/421 at 111111111"},
		{"GitHub, a merge queue with a head that was not reported", github, queue(421, 200, sha(7)), denied, "You asked about commit 777777777"},
		{"GitHub, a merge queue with a change that was not reviewed", github, queue(425, 200, sha(5)), denied, "a review for payments"},
		{"GitHub, a merge queue without a permission", github, queue(421, 403, ""), unknown, "pull-requests: read"},
		{"GitHub, a push", github, nil, unknown, "name the change"},
		{"GitLab, a merge request", gitlab, request("CI_MERGE_REQUEST_EVENT_TYPE", "detached", "CI_COMMIT_SHA", sha(6)), allowed, "Allowed: gitlab.com/acme/payments/merge_requests/12"},
		{"GitLab, a merge train", gitlab, request("CI_MERGE_REQUEST_EVENT_TYPE", "merge_train", "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", sha(6)), allowed, "Allowed"},
		{"GitLab, a merge train with another head", gitlab, request("CI_MERGE_REQUEST_EVENT_TYPE", "merge_train", "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", sha(7)), denied, "You asked about commit 777777777"},
		{"GitLab, a merge train that does not name the head", gitlab, request("CI_MERGE_REQUEST_EVENT_TYPE", "merge_train"), unknown, "--commit"},
		{"Jenkins, reviewed", jenkinsStep, map[string]string{"CHANGE_URL": "https://github.com/acme/payments/pull/424", "GIT_COMMIT": sha(4)}, allowed, "Allowed"},
		{"Jenkins, a temporary merge commit", jenkinsStep, map[string]string{"CHANGE_URL": "https://github.com/acme/payments/pull/424", "GIT_COMMIT": sha(7)}, denied, "You asked about commit 777777777"},
		{"Jenkins, the gateway is away", jenkinsStep, map[string]string{"CHANGE_URL": "https://github.com/acme/payments/pull/424", "GIT_COMMIT": sha(4), "GATEWAY": "http://127.0.0.1:1"}, unknown, "cannot be asked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wait := "0s"
			if c.want == allowed {
				wait = "30s" // the events may have arrived just now
			}
			if code, out := c.step(t, wait, c.env); code != c.want || !strings.Contains(out, c.says) {
				t.Errorf("exit code %d, want %d with %q: %s", code, c.want, c.says, out)
			}
		})
	}
	t.Run("GitHub, the review comes during the job", func(t *testing.T) {
		type result struct {
			code int
			out  string
		}
		ended := make(chan result, 1)
		env := pull(423, sha(3))
		go func() { code, out := github(t, "60s", env); ended <- result{code, out} }()
		recordOf(t, p, "github.com/acme/payments/pull/423", func(r *record.Record) bool { return r.Trail.Gate != nil && !r.Trail.Gate.Allowed })
		approve(t, p, waits)
		if r := <-ended; r.code != allowed || !strings.Contains(r.out, "waiting up to 1m0s: a review for payments") {
			t.Errorf("exit code %d: %s", r.code, r.out)
		}
	})
}

// githubAPI is a stand-in for GitHub's API, which cannot run here: it answers as the documentation of
// "Get a pull request" says.
func githubAPI(t *testing.T, number, status int, head string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if want := fmt.Sprintf("/repos/acme/payments/pulls/%d", number); r.URL.Path != want || r.Header.Get("Authorization") != "Bearer token of the job" {
			t.Errorf("%s with %q, want %s", r.URL, r.Header.Get("Authorization"), want)
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"number":%d,"state":"open","head":{"ref":"fix","sha":%q},"base":{"ref":"main","sha":%q}}`, number, head, strings.Repeat("8", 40))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// openMergeRequest reports as GitLab does that a person opened a merge request.
func openMergeRequest(t *testing.T, p *process, iid int, sha string) {
	t.Helper()
	now := time.Now().UTC().Format(time.RFC3339)
	curl(t, p.page+"/v1/webhooks/gitlab", text(t, map[string]any{
		"object_kind": "merge_request", "event_type": "merge_request", "user": map[string]any{"id": 5, "username": "mira-s"},
		"project": map[string]any{"id": 3, "web_url": "https://gitlab.com/acme/payments", "path_with_namespace": "acme/payments", "default_branch": "main"},
		"object_attributes": map[string]any{
			"id": 99, "iid": iid, "action": "open", "state": "opened", "title": "Fix the login", "author_id": 5, "created_at": now, "updated_at": now,
			"url": fmt.Sprintf("https://gitlab.com/acme/payments/-/merge_requests/%d", iid), "source_branch": "fix", "target_branch": "main", "last_commit": map[string]any{"id": sha},
		},
	}), "Content-Type: application/json", "X-Gitlab-Event: Merge Request Hook", "X-Gitlab-Token: "+gitlabToken, "Idempotency-Key: g-mr")
}
