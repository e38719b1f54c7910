//go:build servers

package embedded

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/servers"
	"github.com/changetrail/changetrail/record"
)

// part reads a file of deploy/ci.
func part(t *testing.T, name string, into any) string {
	t.Helper()
	file, err := filepath.Abs(filepath.Join("..", "..", "..", "deploy", "ci", name))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if into != nil {
		if err := yaml.Unmarshal(b, into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return file
}

// TestTheStepsForCIAttachReports runs the commands of each part as its CI system
// would, in the environment that this documents. The systems themselves cannot run
// here.
func TestTheStepsForCIAttachReports(t *testing.T) {
	p, token := newGateway(t)
	work := t.TempDir()
	report, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "example", "pr-4829", "osv-scanner.json"))
	if err != nil {
		t.Fatal(err)
	}
	junit, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "example", "pr-4829", "junit.xml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"osv.json": report, "unit tests.xml": junit, "unit.xml": junit} {
		if err := os.WriteFile(filepath.Join(work, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := "PATH=" + filepath.Dir(binary) + string(os.PathListSeparator) + os.Getenv("PATH")
	sha := func(n int) string { return strings.Repeat(fmt.Sprint(n), 40) }

	for _, c := range []struct {
		name   string
		change string
		job    string // as the record has it
		run    func(t *testing.T)
	}{
		{"GitHub Actions", "github.com/acme/payments/pull/401", "CI / unit", func(t *testing.T) {
			var action struct {
				Inputs map[string]struct{ Default string }
				Runs   struct {
					Using string
					Steps []struct {
						Run string
						Env map[string]string
					}
				}
			}
			part(t, "github/action.yml", &action)
			event := filepath.Join(t.TempDir(), "event.json")
			if err := os.WriteFile(event, []byte(`{"pull_request":{"html_url":"https://github.com/acme/payments/pull/401","head":{"sha":"`+sha(1)+`"}}}`), 0o600); err != nil {
				t.Fatal(err)
			}
			// GitHub gives a job its identity; here, it is a token that the gateway knows.
			issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"value":%q}`, token) }))
			defer issuer.Close()
			environ := []string{
				path, "GITHUB_ACTIONS=true", "GITHUB_EVENT_PATH=" + event, "GITHUB_SERVER_URL=https://github.com", "GITHUB_REPOSITORY=acme/payments", "GITHUB_SHA=" + sha(9), "GITHUB_RUN_ID=7", "GITHUB_WORKFLOW=CI", "GITHUB_JOB=unit",
				"ACTIONS_ID_TOKEN_REQUEST_URL=" + issuer.URL + "/?v=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=x", "RUNNER_TEMP=" + t.TempDir(),
			}
			given := map[string]string{"gateway": p.page, "scan": "osv.json\n", "tests": "unit tests.xml\n"}
			step := action.Runs.Steps[0]
			for k, v := range step.Env {
				input := strings.TrimSuffix(strings.TrimPrefix(v, "${{ inputs."), " }}")
				if _, ok := action.Inputs[input]; !ok {
					t.Errorf("%s is no input", v)
				}
				value, ok := given[input]
				if !ok {
					value = action.Inputs[input].Default
				}
				environ = append(environ, k+"="+value)
			}
			command(t, work, environ, "bash", "-e", "-o", "pipefail", "-c", step.Run)
		}},
		{"GitLab CI", "gitlab.com/acme/payments/merge_requests/402", "unit", func(t *testing.T) {
			var include map[string]struct {
				Tokens map[string]struct{ Aud string } `yaml:"id_tokens"`
				After  []string                        `yaml:"after_script"`
			}
			part(t, "gitlab/changetrail.yml", &include)
			environ := []string{
				path, "GITLAB_CI=true", "CI_PROJECT_URL=https://gitlab.com/acme/payments", "CI_MERGE_REQUEST_IID=402", "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA=" + sha(2), "CI_COMMIT_SHA=" + sha(9), "CI_JOB_NAME=unit", "CI_JOB_URL=https://gitlab.com/j/7",
				"CHANGETRAIL_PRODUCER_GATEWAY=" + p.page, "ATTACH_SCAN=osv.json", "ATTACH_TESTS=unit.xml",
			}
			for name, k := range include[".changetrail"].Tokens {
				if k.Aud != "$CHANGETRAIL_PRODUCER_GATEWAY" {
					t.Errorf("the audience is %s", k.Aud)
				}
				environ = append(environ, name+"="+token)
			}
			command(t, work, environ, "sh", "-e", "-c", strings.Join(include[".changetrail"].After, "\n"))
		}},
		{"Tekton", "github.com/acme/payments/pull/403", "tests", func(t *testing.T) {
			secret := t.TempDir()
			if err := os.WriteFile(filepath.Join(secret, "token"), []byte(token+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, kind := range []string{"scan", "tests"} {
				runTask(t, work, map[string]string{
					"params.gateway": p.page, "params.kind": kind, "params.change": "acme/payments#403", "params.commit": sha(3), "workspaces.source.path": work, "workspaces.token.path": secret, "params.image": "x",
				}, map[string]string{"scan": "osv.json", "tests": "unit.xml"}[kind])
			}
		}},
		{"Jenkins", "github.com/acme/payments/pull/404", "payments/PR-404", func(t *testing.T) {
			step := part(t, "jenkins/vars/changetrailAttach.groovy", nil)
			// What Jenkins gives a pipeline is stood in for; Groovy is the real one.
			script := filepath.Join(t.TempDir(), "pipeline.groovy")
			if err := os.WriteFile(script, []byte(`
environ = new HashMap(System.getenv())
withEnv = { list, body -> list.each { def (k, v) = it.split('=', 2); environ[k] = v }; body() }
string = { arguments -> arguments }
withCredentials = { list, body -> list.each { assert it.credentialsId == 'changetrail'; environ[it.variable] = System.getenv('SECRET') }; body() }
sh = { line -> def run = ['sh', '-e', '-c', line].execute(environ.collect { k, v -> k + '=' + v }, new File('.')); run.waitForProcessOutput(System.out, System.err); assert run.exitValue() == 0 }
step = new GroovyShell(binding).parse(new File(args[0]))
step.call(gateway: System.getenv('GATEWAY'), scan: ['osv.json'], tests: ['unit tests.xml'])
`), 0o600); err != nil {
				t.Fatal(err)
			}
			jar, err := servers.Groovy()
			if err != nil {
				t.Fatal(err)
			}
			environ := []string{
				path, "JENKINS_URL=https://ci/", "GIT_URL=https://github.com/acme/payments.git", "GIT_COMMIT=" + sha(4), "CHANGE_URL=https://github.com/acme/payments/pull/404", "JOB_NAME=payments/PR-404", "BUILD_URL=https://ci/job/7",
				"SECRET=" + token, "GATEWAY=" + p.page,
			}
			command(t, work, environ, "java", "-cp", jar, "groovy.ui.GroovyMain", script, step)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.run(t)
			r := recordOf(t, p, c.change, func(r *record.Record) bool { return r.Trail.Validation != nil && len(r.Trail.Scans) > 0 })
			jobs := r.Trail.Validation.Jobs
			if len(jobs) != 1 || jobs[0].Name != c.job || r.Trail.Validation.Failed == 0 && r.Trail.Validation.Passed == 0 {
				t.Errorf("%+v", r.Trail.Validation)
			}
			if !slices.ContainsFunc(r.Trail.Scans, func(s record.ScanFact) bool { return s.Digest == digests.Of(report) }) {
				t.Errorf("%+v", r.Trail.Scans)
			}
		})
	}
}

// runTask runs the step of the task of Tekton with its variables put in.
func runTask(t *testing.T, work string, values map[string]string, files ...string) {
	t.Helper()
	var task struct {
		Spec struct {
			Params []struct {
				Name    string
				Default any
			}
			Steps []struct {
				Command, Args []string
				Env           []struct{ Name, Value string }
			}
		}
	}
	part(t, "tekton/task.yaml", &task)
	for _, param := range task.Spec.Params {
		if _, ok := values["params."+param.Name]; !ok && param.Default != nil {
			values["params."+param.Name] = fmt.Sprint(param.Default)
		}
	}
	fill := func(s string) string {
		for k, v := range values {
			s = strings.ReplaceAll(s, "$("+k+")", v)
		}
		if strings.Contains(s, "$(") {
			t.Errorf("%s has a variable that is none", s)
		}
		return s
	}
	step := task.Spec.Steps[0]
	if !slices.Equal(step.Command, []string{"/changetrail"}) {
		t.Errorf("it runs %v", step.Command)
	}
	var args, environ []string
	for _, a := range step.Args {
		if a == "$(params.files[*])" {
			args = append(args, files...)
			continue
		}
		args = append(args, fill(a))
	}
	for _, e := range step.Env {
		environ = append(environ, e.Name+"="+fill(e.Value))
	}
	cmd := exec.Command(binary, args...)
	cmd.Dir, cmd.Env = work, append(os.Environ(), environ...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", cmd, err, out)
	}
}
