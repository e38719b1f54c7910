//go:build servers

package embedded

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/foreign"
	"github.com/changetrail/changetrail/record"
)

// answers are what testdata/ask.py prints.
type answers struct {
	Tools  []string `json:"tools"`
	Prompt string   `json:"prompt"`
	May    struct {
		MayGoAhead bool `json:"may_go_ahead"`
	} `json:"may"`
	Attached struct {
		Digest string `json:"digest"`
	} `json:"attached"`
	Decided struct {
		Run      string   `json:"run"`
		Trailers []string `json:"trailers"`
		Missing  []struct {
			Gap string `json:"gap"`
		} `json:"missing"`
	} `json:"decided"`
	Wrong string `json:"wrong"`
}

// ask runs the client of the PyPI package mcp.
func ask(t *testing.T, dir string, environ []string, args ...string) answers {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(here, "..", "..", "..", "deploy", "example", "pr-4829", "osv-scanner.json")
	out := command(t, dir, append(environ, "REPORT="+report), python(t), append([]string{filepath.Join(here, "testdata", "ask.py")}, args...)...)
	var a answers
	if err := json.Unmarshal([]byte(out[strings.IndexByte(out, '{'):]), &a); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !slices.Equal(a.Tools, []string{"attach_evidence", "check_authorization", "explain_change", "record_decision"}) || !strings.Contains(a.Prompt, "fix CVE-2021-23337") {
		t.Errorf("tools %v, prompt %q", a.Tools, a.Prompt)
	}
	if !a.May.MayGoAhead || !strings.HasPrefix(a.Attached.Digest, "sha256:") || !strings.Contains(a.Wrong, "your credential says that you are patch-pilot") {
		t.Errorf("%+v", a)
	}
	if len(a.Decided.Missing) != 1 || a.Decided.Missing[0].Gap != record.GapTriggerFromAgent && a.Decided.Missing[0].Gap != record.GapTriggerNotHeld {
		t.Errorf("missing is %+v", a.Decided.Missing)
	}
	return a
}

// A tree is a work tree in which an agent works: Claude Code, by its environment.
type tree struct {
	dir     string
	environ []string
}

func newTree(t *testing.T, p *process, token, session string) tree {
	t.Helper()
	w := tree{t.TempDir(), []string{
		"HOME=" + t.TempDir(), "XDG_STATE_HOME=" + t.TempDir(), "PATH=" + filepath.Dir(binary) + string(os.PathListSeparator) + os.Getenv("PATH"),
		"GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=Mira", "GIT_AUTHOR_EMAIL=mira@acme.example", "GIT_COMMITTER_NAME=Mira", "GIT_COMMITTER_EMAIL=mira@acme.example",
		"CHANGETRAIL_PRODUCER_GATEWAY=" + p.page, "CHANGETRAIL_PRODUCER_TOKEN=" + token, "CHANGETRAIL_HOOK_AGENT=patch-pilot",
	}}
	if session != "" { // of an agent that is stood in for
		w.environ = append(w.environ, "CLAUDE_CODE_SESSION_ID="+session)
	}
	w.run(t, "git", "init", "-q", "-b", "update-lodash")
	w.run(t, "git", "remote", "add", "origin", "https://github.com/acme/payments.git")
	return w
}

func (w tree) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	return command(t, w.dir, w.environ, name, args...)
}

// committed returns the message of the last commit, in which each of parts must be, and
// the commit.
func (w tree) committed(t *testing.T, parts ...string) (message, sha string) {
	t.Helper()
	message = w.run(t, "git", "log", "-1", "--format=%B")
	for _, part := range parts {
		if !strings.Contains(message, part) {
			t.Errorf("%q is not in the message:\n%s", part, message)
		}
	}
	return message, strings.TrimSpace(w.run(t, "git", "rev-parse", "HEAD"))
}

// hook gives Claude Code's hook to changetrail, as Claude Code does.
func (w tree) hook(t *testing.T, event string, more map[string]any) {
	t.Helper()
	input := map[string]any{"hook_event_name": event, "cwd": w.dir, "transcript_path": filepath.Join(w.dir, "none.jsonl"), "permission_mode": "acceptEdits"}
	for _, v := range w.environ {
		if session, ok := strings.CutPrefix(v, "CLAUDE_CODE_SESSION_ID="); ok {
			input["session_id"] = session
		}
	}
	for k, v := range more {
		input[k] = v
	}
	cmd := exec.Command(binary, "hook", "claude-code")
	cmd.Dir, cmd.Env, cmd.Stdin = w.dir, append(os.Environ(), w.environ...), strings.NewReader(text(t, input))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 { // what it prints would steer the agent
		t.Errorf("%s: %v: it prints %q", event, err, out)
	}
}

// curl posts a body with curl, which must be taken.
func curl(t *testing.T, address, body string, headers ...string) {
	t.Helper()
	args := []string{"--silent", "--show-error", "--fail-with-body", "--data-binary", "@-"}
	for _, h := range headers {
		args = append(args, "-H", h)
	}
	cmd := exec.Command("curl", append(args, address)...)
	cmd.Stdin = strings.NewReader(body)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", address, err, out)
	}
}

// deliver sends a webhook of GitHub, signed.
func deliver(t *testing.T, p *process, kind, delivery string, payload any) {
	t.Helper()
	body := text(t, payload)
	m := hmac.New(sha256.New, []byte(strings.Fields(githubSecret)[0]))
	m.Write([]byte(body))
	curl(t, p.page+"/v1/webhooks/github", body, "Content-Type: application/json", "X-GitHub-Event: "+kind, "X-GitHub-Delivery: "+delivery, "X-Hub-Signature-256: sha256="+hex.EncodeToString(m.Sum(nil)))
}

// open reports as GitHub does that a pull request was opened, and which commit was pushed.
func open(t *testing.T, p *process, number int, sha, message string) {
	t.Helper()
	now, repository := time.Now().UTC().Format(time.RFC3339), map[string]any{"full_name": "acme/payments", "html_url": "https://github.com/acme/payments", "default_branch": "main"}
	bot := map[string]any{"login": "mira-s", "type": "User"}
	deliver(t, p, "pull_request", "d-1-"+sha, map[string]any{
		"action": "opened", "number": number, "repository": repository, "sender": bot,
		"pull_request": map[string]any{
			"number": number, "html_url": fmt.Sprintf("https://github.com/acme/payments/pull/%d", number), "title": "Update lodash", "state": "open", "user": bot, "created_at": now, "updated_at": now,
			"head": map[string]any{"sha": sha, "ref": "update-lodash"}, "base": map[string]any{"ref": "main", "sha": strings.Repeat("1", 40)},
		},
	})
	deliver(t, p, "push", "d-2-"+sha, map[string]any{
		"ref": "refs/heads/update-lodash", "before": strings.Repeat("0", 40), "after": sha, "repository": repository, "sender": bot, "pusher": map[string]any{"name": "mira-s"},
		"commits":     []any{map[string]any{"id": sha, "message": message, "timestamp": now, "author": map[string]any{"name": "Mira", "email": "mira@acme.example", "username": "mira-s"}, "added": []string{"package.json"}, "modified": []string{}, "removed": []string{}}},
		"head_commit": map[string]any{"id": sha, "message": message, "timestamp": now},
	})
}

// TestACommitLeadsToItsRun is the whole way: an agent asks, decides and works, its
// hooks write that down, git's put the run into the commit, the code host reports it.
func TestACommitLeadsToItsRun(t *testing.T) {
	p, token := newGateway(t)
	w := newTree(t, p, token, "session-7")
	said := w.run(t, binary, "hook", "install")
	for _, file := range []string{".claude/settings.json", ".codex/hooks.json", ".git/hooks/commit-msg", ".git/hooks/prepare-commit-msg"} {
		if _, err := os.Stat(filepath.Join(w.dir, file)); err != nil || !strings.Contains(said, filepath.Base(file)) {
			t.Errorf("%s: %v; it says %s", file, err, said)
		}
	}
	asked := ask(t, w.dir, w.environ, "session-7", "stdio", "changetrail", "mcp", "--agent", "patch-pilot", "--policy", policyOf(t))
	if want := []string{"Assisted-by: patch-pilot", "Agent-Execution: session-7"}; !slices.Equal(asked.Decided.Trailers, want) {
		t.Errorf("trailers %q, want %q", asked.Decided.Trailers, want)
	}

	file := filepath.Join(w.dir, "package.json")
	w.hook(t, "SessionStart", map[string]any{"source": "startup"})
	w.hook(t, "PreToolUse", map[string]any{"tool_name": "Write", "tool_use_id": "t1", "tool_input": map[string]any{"file_path": file, "content": "{}"}})
	if err := os.WriteFile(file, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.hook(t, "PostToolUse", map[string]any{"tool_name": "Write", "tool_use_id": "t1", "tool_input": map[string]any{"file_path": file, "content": "{}"}, "tool_response": map[string]any{"type": "create", "filePath": file}})
	test := map[string]any{"tool_name": "Bash", "tool_use_id": "t2", "tool_input": map[string]any{"command": "npm test"}}
	w.hook(t, "PreToolUse", test)
	test["tool_response"] = map[string]any{"stdout": "ok", "stderr": "", "interrupted": false}
	w.hook(t, "PostToolUse", test)
	w.run(t, "git", "add", "package.json")
	commit := map[string]any{"tool_name": "Bash", "tool_use_id": "t3", "tool_input": map[string]any{"command": "git commit -m 'Update lodash'"}}
	w.hook(t, "PreToolUse", commit)
	w.run(t, "git", "commit", "-q", "-m", "Update lodash")
	commit["tool_response"] = map[string]any{"stdout": "", "stderr": "", "interrupted": false}
	w.hook(t, "PostToolUse", commit)
	w.hook(t, "Stop", map[string]any{"stop_hook_active": false})

	message, sha := w.committed(t, "Update lodash\n\nWhat the agent did:\n- changed package.json\n- validated with npm test", "Assisted-by: patch-pilot", "Agent-Execution: session-7", "Agent-Log: sha256:")
	t.Logf("the message of the commit:\n%s", message)

	open(t, p, 200, sha, message)
	r := recordOf(t, p, "github.com/acme/payments/pull/200", func(r *record.Record) bool {
		return r.Trail.Decision != nil && r.Trail.Actions != nil && r.Trail.Actions.Count >= 3 && len(r.Trail.Runs) == 1 && r.Trail.Runs[0].Confirmed
	})
	if got := r.Trail.Runs[0]; got.ID != "session-7" || !slices.Contains(got.NamedBy, "trailer") || !slices.Contains(got.NamedBy, "action") || !slices.Contains(got.NamedBy, "decision") {
		t.Errorf("the run is %+v", got)
	}
	if r.GenAI == nil || r.GenAI.Agent.ID != "patch-pilot" || r.Trail.Change.InitiatedBy != "agent" || r.Trail.Answers.Alternatives != record.Proven || r.Trail.Tier.Decision != record.Signed || r.Trail.Tier.Actions != record.Signed {
		t.Errorf("agent %+v, answers %+v, tiers %+v", r.GenAI, r.Trail.Answers, r.Trail.Tier)
	}
	story, err := exec.Command("curl", "--silent", "--fail", "-H", "Authorization: Bearer "+p.reader, "-H", "Accept: text/plain", p.page+"/v1/changes/github.com/acme/payments/pull/200/replay").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"Write", "npm test", "run session-7", "the log of the run names a commit", "Agent-Execution: session-7", "chose update"} {
		if !bytes.Contains(story, []byte(part)) {
			t.Errorf("%q is not in the story:\n%s", part, story)
		}
	}
	t.Logf("the story:\n%s", story)
	// The log that the commit names is held, under its digest.
	_, digest, _ := strings.Cut(message, "Agent-Log: ")
	log := exec.Command("curl", "--silent", "--fail", "-H", "Authorization: Bearer "+p.reader, p.page+"/v1/blobs/"+strings.Fields(digest)[0])
	out, err := log.Output()
	if err != nil || digests.Of(out) != strings.Fields(digest)[0] || !bytes.Contains(out, []byte("npm test")) {
		t.Errorf("the log of the commit: %v: %s", err, out)
	}
}

// policyOf is the policy of the gateway in a file.
func policyOf(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte(gatewayPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestAnAgentElsewhereUsesTheToolsOfTheGateway: by its credential, over streamable
// HTTP. The decision waits for the change that its run makes.
func TestAnAgentElsewhereUsesTheToolsOfTheGateway(t *testing.T) {
	p, token := newGateway(t)
	ask(t, t.TempDir(), nil, "nightly-9", "http", p.page+"/mcp", token)
	out, err := exec.Command("curl", "--silent", "--output", "-", "--write-out", "%{http_code}", "-X", "POST", "-H", "Content-Type: application/json", "-d", "{}", p.page+"/mcp").Output()
	if err != nil || !strings.HasSuffix(string(out), "401") {
		t.Errorf("without a token: %v %s", err, out)
	}
	opened := `{"specversion":"1.0","id":"o","source":"/x","type":"` + record.TypeActionPerformed + `","subject":"acme/payments#300","data":{"agent":{"id":"patch-pilot","run":"nightly-9"},"tool":"open","commit_sha":"` + strings.Repeat("a", 40) + `"}}`
	updated := `{"specversion":"1.0","id":"u","source":"/x","type":"` + record.TypeChangeUpdated + `","subject":"acme/payments#300","data":{"agent":"patch-pilot","head_sha":"` + strings.Repeat("a", 40) + `"}}`
	for _, e := range []string{opened, updated} {
		curl(t, p.page+"/v1/events", e, "Content-Type: application/cloudevents+json", "Authorization: Bearer "+token)
	}
	r := recordOf(t, p, "github.com/acme/payments/pull/300", func(r *record.Record) bool { return r.Trail.Decision != nil })
	if r.Trail.Decision.Run != "nightly-9" || r.Trail.Trigger == nil || !r.Trail.Trigger.Held || r.Trail.Answers.Trigger != record.Pending {
		t.Errorf("%+v %+v %+v", r.Trail.Decision, r.Trail.Trigger, r.Trail.Answers)
	}
}

// TestTelemetryOfARunWaitsForItsRepository: Claude Code's log says of no
// repository; a decision names the run, before or after.
func TestTelemetryOfARunWaitsForItsRepository(t *testing.T) {
	p, token := newGateway(t)
	send := func(path, contentType, body string) {
		t.Helper()
		curl(t, p.page+path, body, "Content-Type: "+contentType, "Authorization: Bearer "+token)
	}
	call := func(session, id string) {
		t.Helper()
		attribute := func(key, value string) string { return `{"key":"` + key + `","value":{"stringValue":"` + value + `"}}` }
		send("/v1/logs", "application/json", `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"claude_code.tool_result"},"attributes":[`+
			strings.Join([]string{attribute("session.id", session), attribute("tool_use_id", id), attribute("tool_name", "Bash"), attribute("success", "true")}, ",")+`]}]}]}]}`)
	}
	decide := func(session, change string) {
		t.Helper()
		send("/v1/events", "application/cloudevents+json", `{"specversion":"1.0","id":"`+session+`","source":"/agents/patch-pilot","type":"`+record.TypeDecisionRecorded+`","subject":"`+change+`","data":{"agent":{"id":"patch-pilot","run":"`+session+`"}}}`)
	}
	call("nightly-1", "t1")
	decide("nightly-1", "acme/payments#501")
	decide("nightly-2", "acme/payments#502")
	call("nightly-2", "t1")
	call("nightly-1", "t2") // its room knows by now
	for change, calls := range map[string]int64{"501": 2, "502": 1} {
		recordOf(t, p, "github.com/acme/payments/pull/"+change, func(r *record.Record) bool {
			return r.Trail.Actions != nil && r.Trail.Actions.Count == calls && r.Trail.Actions.Signed == calls
		})
	}
}

// TestClaudeCodeIsWrittenDown runs the real Claude Code in a work tree in which
// changetrail hook install was called, with its telemetry on; the model alone is a
// stand-in. Hooks and telemetry report the same calls, telemetry without a repository:
// each call stands in the record once.
func TestClaudeCodeIsWrittenDown(t *testing.T) {
	p, token := newGateway(t)
	w := newTree(t, p, token, "")
	w.run(t, binary, "hook", "install", "claude-code", "git")
	model := newModel(t, []use{
		{"Write", map[string]any{"file_path": filepath.Join(w.dir, "package.json"), "content": "{}\n"}},
		{"Bash", map[string]any{"command": "git add package.json && git commit -q -m 'Update lodash'"}},
		{"Bash", map[string]any{"command": "rm -rf /etc/nothing-of-the-kind"}}, // nobody allows it
	})
	w.environ = append(w.environ, "ANTHROPIC_BASE_URL="+model.URL, "ANTHROPIC_API_KEY=none", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1",
		"CLAUDE_CODE_ENABLE_TELEMETRY=1", "OTEL_LOGS_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_PROTOCOL=http/json", "OTEL_EXPORTER_OTLP_ENDPOINT="+p.page, "OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer "+token, "OTEL_LOG_TOOL_DETAILS=1")
	claude, err := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(python(t))), "lib", "python3*", "site-packages", "claude_agent_sdk", "_bundled", "claude"))
	if err != nil || len(claude) != 1 {
		t.Fatalf("Claude Code is not in the package: %v %v", claude, err)
	}
	w.run(t, claude[0], "--print", "Fix CVE-2021-23337 in package.json.", "--permission-mode", "acceptEdits", "--allowedTools", "Write,Bash(git add:*),Bash(git commit:*)")

	message, sha := w.committed(t, "Update lodash\n\nWhat the agent did:\n- changed package.json", "Assisted-by: patch-pilot:stand-in", "Agent-Execution: ", "Agent-Log: sha256:")
	open(t, p, 201, sha, message)
	recordOf(t, p, "github.com/acme/payments/pull/201", func(r *record.Record) bool {
		a := r.Trail.Actions
		return a != nil && a.Count >= 5 && a.Refused == 1 && len(r.Trail.Runs) == 1 && r.Trail.Runs[0].Confirmed
	})
	time.Sleep(2 * time.Second) // what is reported again arrives by then
	r := recordOf(t, p, "github.com/acme/payments/pull/201", func(*record.Record) bool { return true })
	if a := r.Trail.Actions; a.Count != 5 || a.Signed != 5 || a.Failed != 0 || !slices.Equal(a.Files, []string{"package.json"}) { // the prompt and the answer, too
		t.Errorf("%+v", a)
	}
	if r.GenAI == nil || r.GenAI.Agent.ID != "patch-pilot" || !slices.Equal(r.Trail.Change.RecognizedBy, []string{"actions"}) {
		t.Errorf("%+v, recognized by %v", r.GenAI, r.Trail.Change.RecognizedBy)
	}
	log, err := exec.Command("curl", "--silent", "--fail", "-H", "Authorization: Bearer "+p.reader, "-H", "Accept: text/plain", p.page+"/v1/changes/github.com/acme/payments/pull/201/replay").Output()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", log)
}

// TestCodexIsWrittenDown is the same with the real Codex, whose model calls its shell.
func TestCodexIsWrittenDown(t *testing.T) {
	platform := map[string]string{"linux/amd64": "linux-x64", "linux/arm64": "linux-arm64", "darwin/amd64": "darwin-x64", "darwin/arm64": "darwin-arm64"}[runtime.GOOS+"/"+runtime.GOARCH]
	programs, err := filepath.Glob(filepath.Join(foreign.NPM(t, "@openai/codex@0.169.0-"+platform), "vendor", "*", "bin", "codex"))
	if err != nil || len(programs) != 1 {
		t.Fatalf("Codex is not in the package: %v %v", programs, err)
	}
	p, token := newGateway(t)
	w := newTree(t, p, token, "")
	home := t.TempDir()
	w.run(t, binary, "hook", "install", "codex", "git")
	model := newModel(t, []use{
		{"exec_command", map[string]any{"cmd": "echo {} > package.json && git add package.json && git commit -q -m 'Update lodash'"}},
		{"exec_command", map[string]any{"cmd": "exit 3"}},
	})
	w.environ = append(w.environ, "CODEX_HOME="+home, "KEY=none")
	config := fmt.Sprintf(`
model = "stand-in"
model_provider = "stand-in"
approval_policy = "never"
sandbox_mode = "danger-full-access"
[model_providers.stand-in]
name = "stand-in"
base_url = "%s/v1"
wire_api = "responses"
env_key = "KEY"
[otel]
environment = "test"
log_user_prompt = true
exporter = { otlp-http = { endpoint = "%s/v1/logs", protocol = "json", headers = { "Authorization" = "Bearer %s" } } }
[projects.%q]
trust_level = "trusted"
`, model.URL, p.page, token, w.dir)
	if err := os.WriteFile(filepath.Join(home, "config.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	// A person trusts the hooks in its menu; a program cannot.
	w.run(t, programs[0], "exec", "--dangerously-bypass-hook-trust", "Fix CVE-2021-23337 in package.json.")

	message, sha := w.committed(t, "Update lodash\n", "Assisted-by: patch-pilot:stand-in", "Agent-Execution: ", "Agent-Log: sha256:")
	open(t, p, 202, sha, message)
	recordOf(t, p, "github.com/acme/payments/pull/202", func(r *record.Record) bool {
		a := r.Trail.Actions
		return a != nil && a.Count >= 4 && a.Failed == 1 && len(r.Trail.Runs) == 1 && r.Trail.Runs[0].Confirmed
	})
	time.Sleep(2 * time.Second) // what is reported again arrives by then
	r := recordOf(t, p, "github.com/acme/payments/pull/202", func(*record.Record) bool { return true })
	if a := r.Trail.Actions; a.Count != 4 || a.Signed != 4 || a.Failed != 1 || r.GenAI.Agent.ID != "patch-pilot" { // the prompt and the answer, too
		t.Errorf("%+v", a)
	}
}
