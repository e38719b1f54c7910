//go:build servers

package embedded

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/foreign"
	"github.com/changetrail/changetrail/internal/identity"
)

// A guarded company has the mode gate-everything, people who sign in at a proxy, and the agent
// patch-pilot on somebody's machine, with the hook that asks the gate.
type guarded struct {
	*process
	tree
	home string
	end  func() error // stops the process; once
}

const guardPolicy = `
mode: gate-everything
services:
  - {name: payments, repositories: [github.com/acme/payments], classification: low}
agents: [{id: patch-pilot, services: ["*"]}]
people: [{id: lea}, {id: mira}]
`

func newGuarded(t *testing.T) guarded {
	t.Helper()
	if out, err := exec.Command("go", "-C", "../../..", "build", "-o", filepath.Dir(binary)+string(filepath.Separator), "./cmd/changetrail-hook-gate").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	dir := t.TempDir()
	token, digest := identity.NewToken()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	credentials := write("credentials.yaml", "tokens: [{name: pilot, agent: patch-pilot, sha256: "+digest+"}]\n")
	policy := write("policy.yaml", guardPolicy)
	config := write("changetrail.yaml", "gateway: {credentials: "+credentials+"}\nsign_in: {url: 'https://trail.example', proxy: {addresses: [127.0.0.1]}}\n")
	p, err := start("up", "--config", config, "--data", filepath.Join(dir, "data"), "--policy", policy)
	if err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceValue(func() error { return p.stop(syscall.SIGINT) })
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("%v: %s", err, p.out)
		}
	})
	home := filepath.Join(dir, "home")
	write("home/.config/changetrail/changetrail.yaml", fmt.Sprintf("producer: {gateway: %q, token_file: token}\nhook: {delegated_by: mira}\n", p.page))
	write("home/.config/changetrail/token", token+"\n")
	w := tree{t.TempDir(), []string{"HOME=" + home, "XDG_CONFIG_HOME=", "XDG_STATE_HOME=", "PATH=" + filepath.Dir(binary) + string(os.PathListSeparator) + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1"}}
	w.run(t, "git", "init", "-q")
	w.run(t, "git", "remote", "add", "origin", "https://github.com/acme/payments.git")
	return guarded{p, w, home, stop}
}

// command returns the command that an agent runs before a tool, from its settings.
func (c guarded) command(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.home, file))
	if err != nil {
		t.Fatal(err)
	}
	var settings struct {
		Hooks struct {
			PreToolUse []struct {
				Hooks []struct {
					Command string `json:"command"`
				} `json:"hooks"`
			} `json:"PreToolUse"`
		} `json:"hooks"`
	}
	if err := json.Unmarshal(text, &settings); err != nil || len(settings.Hooks.PreToolUse) != 1 {
		t.Fatalf("%v: %s", err, text)
	}
	return settings.Hooks.PreToolUse[0].Hooks[0].Command
}

// call runs a command of the settings about a write, as an agent does, and returns what it prints.
func (c guarded) call(t *testing.T, command string) string {
	t.Helper()
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.environ...)
	cmd.Stdin = strings.NewReader(text(t, map[string]any{
		"session_id": "session-1", "hook_event_name": "PreToolUse", "cwd": c.dir, "tool_name": "Write", "tool_use_id": "t1", "tool_input": map[string]any{"file_path": filepath.Join(c.dir, "a.go"), "content": "x"},
	}))
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s: %v", command, err)
	}
	return string(out)
}

// check calls check_authorization over MCP, with the credential of the agent.
func (c guarded) check(t *testing.T) string {
	t.Helper()
	token, err := os.ReadFile(filepath.Join(c.home, ".config", "changetrail", "token"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.page+"/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"check_authorization","arguments":{"paths":["a.go"],"repository":"github.com/acme/payments","run":"session-1"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{"Authorization": "Bearer " + strings.TrimSpace(string(token)), "Content-Type": "application/json", "Accept": "application/json, text/event-stream"} {
		r.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		Result struct {
			Content []struct {
				Text string `json:"text"`
			} `json:"content"`
		} `json:"result"`
	}
	if err := json.UnmarshalRead(res.Body, &answer); err != nil || len(answer.Result.Content) == 0 {
		t.Fatalf("%d %v", res.StatusCode, err)
	}
	return answer.Result.Content[0].Text
}

// as sends a request of a person whom the proxy names.
func (c guarded) as(t *testing.T, person, path string, form url.Values) string {
	t.Helper()
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(t.Context(), method, c.page+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Forwarded-User", person)
	r.Header.Set("X-Forwarded-Groups", "viewer,approver")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v %s", path, res.StatusCode, err, body)
	}
	return string(body)
}

var (
	requestID = regexp.MustCompile(`request-[a-v0-9]+`)
	formToken = regexp.MustCompile(`name="form_token" value="([^"]+)"`)
)

// approve lets lea approve a request in the inbox.
func (c guarded) approve(t *testing.T, request string) {
	t.Helper()
	page := c.as(t, "lea", "/inbox", nil)
	token := formToken.FindStringSubmatch(page)
	if !strings.Contains(page, request) || token == nil {
		t.Fatalf("the inbox does not list %s: %s", request, page)
	}
	c.as(t, "lea", "/inbox", url.Values{
		"form_token": {token[1]}, "what": {"request"}, "of": {request}, "id": {"approval-of-" + request}, "verdict": {"approve"}, "reason": {"the fix is wanted"},
		"scope": {"payments"}, "until": {time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)}, "uses": {"0"},
	})
}

// TestAnAgentWaitsForAPerson: the call of a tool is denied, people find the request in the inbox, and
// the next call waits and goes on once one of them approves. With the gateway away, nothing runs.
func TestAnAgentWaitsForAPerson(t *testing.T) {
	c := newGuarded(t)
	c.run(t, binary, "hook", "install", "--gate")
	claude, codex := filepath.Join(".claude", "settings.json"), filepath.Join(".codex", "hooks.json")
	denied := c.call(t, c.command(t, claude))
	request := requestID.FindString(denied)
	if !strings.Contains(denied, `"permissionDecision":"deny"`) || !strings.Contains(denied, "an approval for payments by any person") || !strings.Contains(denied, "https://trail.example/inbox") || request == "" {
		t.Fatalf("%s", denied)
	}
	if again := c.call(t, c.command(t, codex)); requestID.FindString(again) != request {
		t.Errorf("people are asked twice: %s", again)
	}
	if page := c.as(t, "lea", "/inbox", nil); strings.Count(page, `id="request-`) > 1 || !strings.Contains(page, "patch-pilot") {
		t.Errorf("%s", page)
	}
	if may := c.check(t); !strings.Contains(may, `"may_go_ahead":false`) || requestID.FindString(may) != request {
		t.Errorf("check_authorization says %s", may)
	}
	c.run(t, binary, "hook", "install", "claude-code", "--gate", "--wait", "1m")
	waiting := make(chan string, 1)
	go func() { waiting <- c.call(t, c.command(t, claude)) }()
	select {
	case out := <-waiting:
		t.Fatalf("it does not wait: %s", out)
	case <-time.After(2 * time.Second):
	}
	began := time.Now()
	c.approve(t, request)
	if out := <-waiting; out != "" || time.Since(began) > 30*time.Second {
		t.Errorf("after %s it prints %s", time.Since(began), out)
	}
	if out := c.call(t, c.command(t, codex)); out != "" {
		t.Errorf("approved: %s", out)
	}
	if may := c.check(t); !strings.Contains(may, `"may_go_ahead":true`) || !strings.Contains(may, `"approvals":["approval-of-`+request) {
		t.Errorf("check_authorization says %s", may)
	}
	if err := c.end(); err != nil {
		t.Error(err)
	}
	if out := c.call(t, c.command(t, codex)); !strings.Contains(out, `"deny"`) || !strings.Contains(out, "cannot be asked") {
		t.Errorf("without the gateway: %s", out)
	}
	if err := os.Remove(filepath.Join(filepath.Dir(binary), "changetrail-hook-gate")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", c.command(t, codex))
	if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "could not be asked") {
		t.Errorf("without the program: %v %s", err, out)
	}
	c.run(t, binary, "hook", "install", "--gate", "--remove")
	if text, err := os.ReadFile(filepath.Join(c.home, codex)); err != nil || strings.Contains(string(text), "gate") {
		t.Errorf("%v %s", err, text)
	}
}

// TestRealAgentsObeyTheGate: Claude Code and Codex do not run a tool that the gate denies, and run it
// once a person has approved. The model alone is a stand-in.
func TestRealAgentsObeyTheGate(t *testing.T) {
	c := newGuarded(t)
	c.run(t, binary, "hook", "install", "--gate")
	wrote := func(name string) bool {
		_, err := os.Stat(filepath.Join(c.dir, name))
		return err == nil
	}
	claude := func() {
		t.Helper()
		model := newModel(t, []use{
			{"Write", map[string]any{"file_path": filepath.Join(c.dir, "by-claude"), "content": "x\n"}},
			{"Bash", map[string]any{"command": "touch by-claude-bash"}},
		})
		program, err := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(python(t))), "lib", "python3*", "site-packages", "claude_agent_sdk", "_bundled", "claude"))
		if err != nil || len(program) != 1 {
			t.Fatalf("Claude Code is not in the package: %v %v", program, err)
		}
		w := c.tree
		w.environ = append(w.environ, "ANTHROPIC_BASE_URL="+model.URL, "ANTHROPIC_API_KEY=none", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1")
		w.run(t, program[0], "--print", "Fix the login.", "--permission-mode", "acceptEdits", "--allowedTools", "Write,Bash(touch:*)")
	}
	codex := func() {
		t.Helper()
		platform := map[string]string{"linux/amd64": "linux-x64", "linux/arm64": "linux-arm64", "darwin/amd64": "darwin-x64", "darwin/arm64": "darwin-arm64"}[runtime.GOOS+"/"+runtime.GOARCH]
		program, err := filepath.Glob(filepath.Join(foreign.NPM(t, "@openai/codex@0.169.0-"+platform), "vendor", "*", "bin", "codex"))
		if err != nil || len(program) != 1 {
			t.Fatalf("Codex is not in the package: %v %v", program, err)
		}
		model := newModel(t, []use{{"exec_command", map[string]any{"cmd": "touch by-codex"}}})
		config := fmt.Sprintf("model = \"stand-in\"\nmodel_provider = \"stand-in\"\napproval_policy = \"never\"\nsandbox_mode = \"danger-full-access\"\n[model_providers.stand-in]\nname = \"stand-in\"\nbase_url = \"%s/v1\"\nwire_api = \"responses\"\nenv_key = \"KEY\"\n[projects.%q]\ntrust_level = \"trusted\"\n", model.URL, c.dir)
		if err := os.WriteFile(filepath.Join(c.home, ".codex", "config.toml"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		w := c.tree
		w.environ = append(w.environ, "KEY=none")
		w.run(t, program[0], "exec", "--dangerously-bypass-hook-trust", "Fix the login.")
	}
	claude()
	codex()
	for _, name := range []string{"by-claude", "by-claude-bash", "by-codex"} {
		if wrote(name) {
			t.Errorf("%s was written although the gate denied it", name)
		}
	}
	c.approve(t, requestID.FindString(c.as(t, "lea", "/inbox", nil)))
	claude()
	codex()
	for _, name := range []string{"by-claude", "by-claude-bash", "by-codex"} {
		if !wrote(name) {
			t.Errorf("%s was not written although a person approved it", name)
		}
	}
}
