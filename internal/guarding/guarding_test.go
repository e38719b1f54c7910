package guarding

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/api"
	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/internal/gittest"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/stream"
)

const company = `
mode: gate-everything
services:
  - {name: auth, repositories: [github.com/acme/shop], paths: ["auth/**"], classification: high}
  - {name: docs, repositories: [github.com/acme/shop], paths: ["docs/**"], classification: low}
agents: [{id: fixer, services: ["*"]}]
`

type fixed struct{ p *policy.Policy }

func (f fixed) InForce(context.Context) (*policy.Policy, error, error) { return f.p, nil, nil }

// A place is a project of a person, with a gateway that has a gate.
type place struct {
	dir, config, page, token string
	book                     *approvals.Book
}

func newPlace(t *testing.T) place {
	t.Helper()
	topics, keys := stream.Topics{Prefix: "t"}, signing.Of([]byte("the key of the gateways"))
	kafka, _ := kafkatest.Pipeline(t, 1, topics)
	log := slog.New(slog.DiscardHandler)
	book, err := approvals.Open(kafka, topics, keys, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- book.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	p, err := policy.Parse([]byte(company))
	if err != nil {
		t.Fatal(err)
	}
	token, sum := identity.NewToken()
	credentials, err := identity.Parse(fmt.Appendf(nil, "tokens: [{name: pilot, sha256: %s, agent: fixer, repositories: [github.com/acme/shop]}]\n", sum))
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(gateway.Config{Credentials: credentials, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	actions := api.NewActions(&gate.Actions{Policies: fixed{p}, Approvals: book, Inbox: "https://trail.example/inbox", Now: time.Now})
	s := httptest.NewServer(actions.Handler(g, http.NotFoundHandler()))
	t.Cleanup(s.Close)
	at := place{dir: t.TempDir(), page: s.URL, token: token, book: book}
	gittest.Run(t, at.dir, "init", "-q")
	gittest.Run(t, at.dir, "remote", "add", "origin", "https://github.com/acme/shop.git")
	for _, folder := range []string{"auth", "docs", "docs/deep"} {
		if err := os.Mkdir(filepath.Join(at.dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../auth", filepath.Join(at.dir, "docs", "link")); err != nil {
		t.Fatal(err)
	}
	at.config = at.write(t, "")
	return at
}

// write returns a configuration file with some more lines.
func (p place) write(t *testing.T, more string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "changetrail.yaml")
	text := fmt.Sprintf("producer: {gateway: %q, token: %s}\n%s", p.page, p.token, more)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (p place) approve(t *testing.T, scope ...string) {
	t.Helper()
	g := approvals.Grant{ID: strings.Join(scope, "+"), Person: "lea", Agent: "fixer", Repository: "github.com/acme/shop", Scope: scope, Until: time.Now().Add(time.Hour), Reason: "go"}
	if _, err := p.book.Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
}

// input is a call of a tool in a folder of the project.
func (p place) input(t *testing.T, folder, tool string, input map[string]string) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"session_id": "s-1", "hook_event_name": "PreToolUse", "cwd": filepath.Join(p.dir, folder), "tool_name": tool, "tool_use_id": "t1", "tool_input": input})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// run returns the reason of a denial; "" if the tool may run.
func run(t *testing.T, input string, args ...string) string {
	t.Helper()
	var out, said bytes.Buffer
	c := Call{Environ: os.Environ(), In: strings.NewReader(input), Out: &out, Err: &said}
	if code := c.Main(t.Context(), args); code != 0 || said.Len() > 0 {
		t.Fatalf("%d %s", code, said.String())
	}
	if out.Len() == 0 {
		return ""
	}
	var answer struct {
		Output struct {
			Event    string `json:"hookEventName"`
			Decision string `json:"permissionDecision"`
			Reason   string `json:"permissionDecisionReason"`
		} `json:"hookSpecificOutput"`
	}
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil || answer.Output.Event != "PreToolUse" || answer.Output.Decision != "deny" || strings.ContainsAny(answer.Output.Reason, "\n\x1b") {
		t.Fatalf("%v: %s", err, out.String())
	}
	return answer.Output.Reason
}

func TestTheGateDecides(t *testing.T) {
	p := newPlace(t)
	edit := func(folder, file string) string {
		return p.input(t, folder, "Edit", map[string]string{"file_path": file})
	}
	bash := func(command string) string {
		return p.input(t, "", "Bash", map[string]string{"command": command})
	}
	p.approve(t, "docs")
	for name, c := range map[string]struct{ input, says string }{
		"reading":                                 {p.input(t, "", "Read", map[string]string{"file_path": "auth/a"}), ""},
		"a command that reads":                    {bash("git log --oneline | head -3"), ""},
		"what is approved":                        {edit("", filepath.Join(p.dir, "docs/a.md")), ""},
		"what is approved, from another folder":   {edit("docs/deep", "../a.md"), ""},
		"what is not approved":                    {edit("", "auth/a.go"), "an approval for auth by any person"},
		"what is not approved, by another folder": {edit("docs", "../auth/a.go"), "an approval for auth"},
		"what is not approved, by a link":         {edit("", "docs/link/a.go"), "an approval for auth"},
		"a command":                               {bash("npm test"), "an approval for auth"},
		"a command after a newline":               {bash("ls\nrm -rf docs"), "an approval for auth"},
		"a file outside of the project":           {edit("", "../other"), "Nobody can give this approval"},
		"the settings of the agent":               {edit("", "/root/.claude/settings.json"), "Nobody can give this approval"},
		"a tool that nobody knows":                {p.input(t, "", "mcp__x__y", nil), "an approval for auth"},
		"another event":                           {`{"session_id":"s","hook_event_name":"PostToolUse"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := run(t, c.input, "claude-code", "--config", p.config); (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
				t.Errorf("%q", got)
			}
		})
	}
	denial := run(t, edit("", "auth/a.go"), "codex", "--config", p.config)
	open := p.book.Requests(time.Now())
	if len(open) == 0 || !strings.Contains(denial, "the request "+open[0].ID+" in the inbox (https://trail.example/inbox)") || open[0].Agent != "fixer" || open[0].Run != "s-1" {
		t.Errorf("%s: %+v", denial, open)
	}
	harmless := p.write(t, "hook: {harmless: ['Bash(npm test)', 'mcp__x__*']}\n")
	for _, input := range []string{bash("npm test"), p.input(t, "", "mcp__x__y", nil)} {
		if got := run(t, input, "codex", "--config", harmless); got != "" {
			t.Errorf("the person allows it: %s", got)
		}
	}
}

// TestItWaitsForTheApproval: the call that asks goes on once a person approves.
func TestItWaitsForTheApproval(t *testing.T) {
	p := newPlace(t)
	input := p.input(t, "", "Write", map[string]string{"file_path": "auth/a.go"})
	reason := make(chan string, 1)
	go func() { reason <- run(t, input, "claude-code", "--config", p.config, "--wait", "1m") }()
	deadline := time.After(20 * time.Second)
	for len(p.book.Requests(time.Now())) == 0 {
		select {
		case <-p.book.Changed():
		case r := <-reason:
			t.Fatalf("it did not wait: %q", r)
		case <-deadline:
			t.Fatal("nobody was asked")
		}
	}
	p.approve(t, "auth")
	if r := <-reason; r != "" {
		t.Error(r)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error)  { return 0, errors.New("the pipe broke") }
func (broken) Write([]byte) (int, error) { return 0, errors.New("the pipe broke") }

// endless is a call that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte(" "), len(p))), nil }

// TestItFailsClosed: whatever goes wrong, the tool does not run.
func TestItFailsClosed(t *testing.T) {
	p := newPlace(t)
	answers := func(status int, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(s.Close)
		other := p
		other.page = s.URL
		return other.write(t, "")
	}
	config := func(text string) string {
		file := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	moved := httptest.NewServer(http.RedirectHandler(p.page+"/v1/gate/actions", http.StatusTemporaryRedirect))
	defer moved.Close()
	write := p.input(t, "", "Write", map[string]string{"file_path": "docs/a"})
	p.approve(t, "docs")
	if got := run(t, write, "claude-code", "--config", p.config); got != "" {
		t.Fatal(got)
	}
	for name, c := range map[string]struct{ input, config, says string }{
		"no gateway":                   {write, config("content: full\n"), "producer.gateway is not set"},
		"no configuration":             {write, "/nowhere.yaml", "no such file"},
		"a wrong configuration":        {write, config("content: loud\n"), "content"},
		"the gateway is away":          {write, config("producer: {gateway: 'http://127.0.0.1:1'}\n"), "the gateway cannot be asked"},
		"the gateway is no URL":        {write, config("producer: {gateway: nonsense}\n"), "is not a URL"},
		"a wrong token":                {write, config("producer: {gateway: '" + p.page + "', token: ct_x}\n"), "401"},
		"another agent's name":         {write, p.write(t, "hook: {agent: other}\n"), "for itself alone"},
		"a gateway that redirects":     {write, config("producer: {gateway: '" + moved.URL + "'}\n"), "redirects"},
		"a gateway without a gate":     {write, answers(404, "not here"), "404"},
		"a gate that cannot tell":      {write, answers(503, `{"detail":"the gate cannot tell"}`), "the gate cannot tell"},
		"an empty answer":              {write, answers(200, ""), "does not answer as a gate"},
		"an answer of something else":  {write, answers(200, `{"allowed":true}`), "does not answer as a gate"},
		"a page":                       {write, answers(200, "<html>"), "does not answer as a gate"},
		"an answer without an end":     {write, answers(200, `{"allowed":true,"verdict":"autonomous","reasons":["`+strings.Repeat("x", 2<<20)+`"]}`), "does not answer as a gate"},
		"a denial with control codes":  {write, answers(200, `{"allowed":false,"verdict":"forbidden","reasons":["\u001b[2Jno\n"]}`), "no"},
		"no input":                     {"", p.config, "no hook in JSON"},
		"an input that is no JSON":     {"{", p.config, "no hook in JSON"},
		"an input without an event":    {`{"session_id":"s","tool_name":"Read"}`, p.config, "no hook_event_name"},
		"a call without a tool":        {`{"session_id":"s","hook_event_name":"PreToolUse"}`, p.config, "may not ask about an unknown repository"},
		"a call in no project":         {`{"session_id":"s","hook_event_name":"PreToolUse","cwd":"/","tool_name":"Write","tool_input":{"file_path":"docs/a"}}`, p.config, "may not ask about an unknown repository"},
		"a call with two tools":        {`{"session_id":"s","hook_event_name":"PreToolUse","tool_name":"Read","tool_name":"Write"}`, p.config, "no hook in JSON"},
		"so many files that it is cut": {p.input(t, "", "apply_patch", map[string]string{"command": manyFiles()}), p.config, "an approval for auth"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("CHANGETRAIL_PRODUCER_GATEWAY", p.page) // a project may set it: it does not count
			t.Setenv("CHANGETRAIL_HOOK_HARMLESS", "*")
			if got := run(t, c.input, "claude-code", "--config", c.config); !strings.Contains(got, c.says) {
				t.Errorf("%q", got)
			}
		})
	}
	blocks := func(c Call, args ...string) {
		t.Helper()
		var said bytes.Buffer
		c.Err = &said
		if code := c.Main(t.Context(), args); code != Blocked || said.Len() == 0 {
			t.Errorf("%v: %d %q", args, code, said.String())
		}
	}
	good := func() Call { return Call{In: strings.NewReader(write), Out: io.Discard} }
	blocks(good())
	blocks(good(), "gemini")
	blocks(good(), "claude-code", "--config")
	blocks(good(), "claude-code", "--wait", "long")
	blocks(good(), "claude-code", "--wait", "-1s")
	blocks(good(), "claude-code", "--wait", "5h")
	blocks(Call{In: strings.NewReader("x"), Out: broken{}}, "claude-code", "--config", p.config)
	for name, in := range map[string]io.Reader{"the pipe broke": broken{}, "larger than": endless{}} {
		var out bytes.Buffer
		c := Call{In: in, Out: &out}
		if code := c.Main(t.Context(), []string{"codex"}); code != 0 || !strings.Contains(out.String(), `"deny"`) || !strings.Contains(out.String(), name) {
			t.Errorf("%d %s", code, out.String())
		}
	}
}

// manyFiles is a patch of more files of one service than are listed.
func manyFiles() string {
	var b strings.Builder
	for i := range maxPaths + 1 {
		fmt.Fprintf(&b, "*** Add File: docs/%d\n", i)
	}
	return b.String()
}

func TestPlaces(t *testing.T) {
	dir := t.TempDir()
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"w", "w/a", "out"} {
		if err := os.Mkdir(filepath.Join(real, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"w/in": "a", "w/away": "../out", "w/loop": "loop", "alias": "w"} {
		if err := os.Symlink(to, filepath.Join(real, link)); err != nil {
			t.Fatal(err)
		}
	}
	root := filepath.Join(real, "w")
	for name, want := range map[string][]string{
		"a/x": {"a/x"}, "./a/../b": {"b"}, "../out/x": {real + "/out/x"}, "in/x": {"in/x", "a/x"}, "away/x/y": {"away/x/y", real + "/out/x/y"}, "loop/x": {"loop/x"}, root + "/b": {"b"}, "/etc/x": {"/etc/x"}, "..a/x": {"..a/x"},
	} {
		if diff := cmp.Diff(want, places(name, root, root)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if got := places("x", filepath.Join(real, "alias"), filepath.Join(real, "alias")); len(got) != 1 || got[0] != "x" {
		t.Errorf("a project under a link: %v", got)
	}
}
