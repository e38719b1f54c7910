//go:build servers

package embedded

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/foreign"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/record"
)

// python is the interpreter of a virtual environment with what agents are made of.
func python(t *testing.T) string {
	t.Helper()
	return filepath.Join(foreign.Python(t, "cloudevents==2.2.0", "confluent-kafka==2.16.1", "openai-agents==0.24.0", "opentelemetry-instrumentation-openai-agents-v2==0.1.0",
		"opentelemetry-exporter-otlp-proto-http==1.45.2", "pydantic-ai-slim[openai]==2.68.0", "langgraph==1.2.24", "langchain==1.5.2", "langchain-openai==1.7.4", "mcp==2.3.0", "claude-agent-sdk==0.2.188"), "python")
}

const gatewayPolicy = `
services:
  - {name: payments, repositories: [github.com/acme/payments], classification: critical}
gate: {break_glass: {by: [ana], review_within: 1m}}
agents:
  - {id: patch-pilot, services: ["*"]}
rules:
  - {name: dependencies, when: 'change.paths.all(p, p.startsWith("package"))', verdict: autonomous, reason: tests tell}
`

const githubSecret, gitlabToken = "a secret of the tests", "token-of-the-tests"

// newGateway starts changetrail up with a credential for patch-pilot, and returns it
// with the token. An auditor has another one.
func newGateway(t *testing.T) (p *process, token string) {
	t.Helper()
	dir := t.TempDir()
	var out, lines bytes.Buffer
	cmd := exec.Command(binary, "gateway", "token", "--name", "patch-pilot-prod", "--agent", "patch-pilot")
	cmd.Stdout, cmd.Stderr = &out, &lines
	if err := cmd.Run(); err != nil {
		t.Fatal(err, lines.String())
	}
	_, credentials, _ := strings.Cut(lines.String(), "For credentials.yaml:\n\n")
	reader, digest := identity.NewToken()
	credentials += "\n  - {name: auditor, person: ana, sha256: " + digest + "}\n"
	config := "gateway: {credentials: " + filepath.Join(dir, "credentials.yaml") + ", github_secret: " + githubSecret + ", gitlab_token: " + gitlabToken + "}\n"
	for name, content := range map[string]string{"credentials.yaml": credentials, "policy.yaml": gatewayPolicy, "changetrail.yaml": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := start("up", "--config", filepath.Join(dir, "changetrail.yaml"), "--data", filepath.Join(dir, "data"), "--policy", filepath.Join(dir, "policy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p.reader = reader
	t.Cleanup(func() {
		if err := p.stop(syscall.SIGINT); err != nil {
			t.Errorf("%v: %s", err, p.out)
		}
	})
	return p, strings.TrimSpace(out.String())
}

// command runs a program to its end, in a folder, with more in its environment.
func command(t *testing.T, dir string, environ []string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), environ...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}

// recordOf waits until the record of a change is as it is wanted.
func recordOf(t *testing.T, p *process, change string, as func(*record.Record) bool) *record.Record {
	t.Helper()
	var last string
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(100 * time.Millisecond) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.page+"/v1/changes/"+change, nil)
		if err != nil {
			t.Fatal(err)
		}
		if p.reader != "" {
			req.Header.Set("Authorization", "Bearer "+p.reader)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		r := new(record.Record)
		if last = string(body); res.StatusCode == http.StatusOK && json.Unmarshal(body, r) == nil && as(r) {
			return r
		}
	}
	t.Fatalf("the record of %s is not as it should be: %s\n%s", change, last, p.out)
	return nil
}

// TestTheProgramsOfTheDocsReachTheRecord runs each program of docs/integrate as it
// stands there.
func TestTheProgramsOfTheDocsReachTheRecord(t *testing.T) {
	p, token := newGateway(t)
	read := use{"read_file", map[string]any{"path": "package.json"}}
	write := use{"write_file", map[string]any{"path": "package.json", "content": `{"dependencies": {"lodash": "4.17.21"}}`}}
	docs, err := filepath.Abs(filepath.Join("..", "..", "..", "docs", "integrate"))
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]bool{}
	for i, c := range []struct {
		program string
		script  []use
		actions int64    // that the record counts
		decided bool     // it holds a decision
		files   []string // that they changed
		tier    string
	}{
		{"plain_http.py", nil, 0, true, nil, record.Signed},
		{"plain_http.mjs", nil, 1, false, []string{"package.json", "package-lock.json"}, record.Signed},
		{"kafka.py", nil, 0, true, nil, record.Claimed}, // nobody asked who it is
		{"otlp.py", nil, 2, false, []string{"package.json"}, record.Signed},
		{"openai_agents.py", []use{read, write}, 2, false, []string{"package.json"}, record.Signed},
		{"pydantic_ai_agent.py", []use{read, write}, 2, false, []string{"package.json"}, record.Signed},
		{"langgraph_agent.py", []use{read}, 1, false, nil, record.Signed},
		{"claude_agent_sdk_agent.py", []use{
			{"Read", map[string]any{"file_path": "package.json"}},
			{"mcp__changetrail__record_decision", map[string]any{
				"change": "acme/payments#107", "trigger": map[string]any{"kind": "scan", "finding": "CVE-2021-23337"}, "options": []any{map[string]any{"id": "update", "outcome": "chosen"}},
			}},
			{"Edit", map[string]any{"file_path": "package.json", "old_string": "4.17.20", "new_string": "4.17.21"}},
		}, 4, true, []string{"package.json"}, record.Signed}, // the prompt, too
	} {
		tried[c.program] = true
		t.Run(c.program, func(t *testing.T) {
			source, err := os.ReadFile(filepath.Join(docs, c.program))
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(source, []byte("\n")); n >= 40 {
				t.Errorf("it has %d lines", n)
			}
			change := fmt.Sprintf("github.com/acme/payments/pull/%d", 100+i)
			work := t.TempDir()
			if err := os.WriteFile(filepath.Join(work, "package.json"), []byte(`{"dependencies": {"lodash": "4.17.20"}}`), 0o600); err != nil {
				t.Fatal(err)
			}
			for k := range c.script { // Claude Code wants whole paths
				if _, ok := c.script[k].Arguments["file_path"]; ok {
					c.script[k].Arguments["file_path"] = filepath.Join(work, "package.json")
				}
			}
			model := newModel(t, c.script)
			environ := []string{
				"CHANGETRAIL_URL=" + p.page, "CHANGETRAIL_TOKEN=" + token, "KAFKA=" + p.broker, "CHANGE=" + change, "WORKTREE=" + work, "HOME=" + t.TempDir(),
				"OTEL_EXPORTER_OTLP_ENDPOINT=" + p.page, "OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20" + token,
				fmt.Sprintf("OTEL_RESOURCE_ATTRIBUTES=service.name=fleet,vcs.repository.url.full=https://github.com/acme/payments,vcs.change.id=%d", 100+i),
				"OPENAI_BASE_URL=" + model.URL + "/v1", "OPENAI_API_KEY=none", "OPENAI_AGENTS_DISABLE_TRACING=", "ANTHROPIC_BASE_URL=" + model.URL, "ANTHROPIC_API_KEY=none", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1",
			}
			interpreter := python(t)
			if strings.HasSuffix(c.program, ".mjs") {
				interpreter = "node"
			}
			out := command(t, work, environ, interpreter, filepath.Join(docs, c.program))
			r := recordOf(t, p, change, func(r *record.Record) bool {
				return (r.Trail.Decision != nil) == c.decided && (c.actions == 0 || r.Trail.Actions != nil && r.Trail.Actions.Count == c.actions)
			})
			if r.GenAI == nil || r.GenAI.Agent.ID != "patch-pilot" || r.Trail.Change.InitiatedBy != "agent" {
				t.Errorf("the agent is %+v, the change initiated by %q; the program said %s", r.GenAI, r.Trail.Change.InitiatedBy, out)
			}
			var files []string
			if r.Trail.Actions != nil {
				for _, f := range r.Trail.Actions.Files {
					files = append(files, filepath.Base(f))
				}
			}
			slices.Sort(files)
			slices.Sort(c.files)
			if !slices.Equal(files, c.files) {
				t.Errorf("files %v, want %v", files, c.files)
			}
			tier := cmp.Or(r.Trail.Tier.Decision, r.Trail.Tier.Actions)
			if tier != c.tier {
				t.Errorf("its word is worth %q, want %q", tier, c.tier)
			}
		})
	}
	programs, err := filepath.Glob(filepath.Join(docs, "*.[pm]*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range programs {
		if name := filepath.Base(program); !tried[name] && name != "README.md" && name != "five-minutes.md" { // package cli runs five-minutes.md
			t.Errorf("%s is run by no test", name)
		}
	}
}
