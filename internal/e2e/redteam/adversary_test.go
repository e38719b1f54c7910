//go:build servers

package redteam

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/digests"
)

// An adversary is an agent that cannot be trusted, and what it holds.
type adversary struct {
	*town
	t       *testing.T // of the move
	client  *http.Client
	sent    int
	decided map[string]bool // changes of its own of which it decided anew
	claimed map[string]bool // changes of which it wrote a decision without a credential

	mu      sync.Mutex
	saw     bytes.Buffer // all that it read since the last move
	evil    *listener    // a server of its own
	home    string       // of the person at the work tree
	files   map[string]string
	cancels []context.CancelFunc
	running sync.WaitGroup
}

// A listener is a server that should receive nothing.
type listener struct {
	*httptest.Server
	mu   sync.Mutex
	text strings.Builder
}

func (l *listener) received() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

func newAdversary(t *testing.T, c *town) *adversary {
	t.Helper()
	a := &adversary{town: c, t: t, client: &http.Client{Timeout: 20 * time.Second, CheckRedirect: stay, Transport: &http.Transport{MaxIdleConnsPerHost: 100}}, decided: make(map[string]bool), claimed: make(map[string]bool), evil: new(listener), home: t.TempDir(), files: make(map[string]string)}
	a.evil.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		a.evil.mu.Lock()
		defer a.evil.mu.Unlock()
		fmt.Fprintf(&a.evil.text, "%s %s %v %s\n", r.Method, r.URL, r.Header, body)
	}))
	t.Cleanup(a.evil.Close)
	for name, content := range map[string]string{
		".bashrc": "# of the person\n", ".secret": canary + " of the person\n", ".ssh/id_ed25519": canary + " key\n",
		".config/changetrail/changetrail.yaml": "producer: {gateway: " + c.page + ", token: " + c.tokens["mallory"] + "}\nhook: {agent: mallory}\n",
	} {
		file := filepath.Join(a.home, name)
		write(t, file, content)
		a.files[file] = content
	}
	return a
}

func bearer(token string) string {
	if token == "" {
		return ""
	}
	return "Bearer " + token
}

// An answer is what the adversary got.
type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

func (a *adversary) note(text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.saw.WriteString(text)
}

// seen returns what the adversary read and should not have.
func (a *adversary) seen() (around, at string, found bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.saw.Reset()
	text := a.saw.String()
	i := strings.Index(text, canary)
	if i < 0 {
		return "", "", false
	}
	line := strings.LastIndex(text[:i], "\n> ")
	at, _, _ = strings.Cut(text[max(0, line):], "\n ")
	return text[max(0, i-200):min(len(text), i+100)], at, true
}

// ask sends a request; its headers replace those of before, and an empty one is left out.
func (a *adversary) ask(method, path, body string, headers ...string) answer {
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.page+path, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	for i := 0; i < len(headers); i += 2 {
		switch {
		case headers[i] == "Host":
			r.Host = headers[i+1]
		case headers[i+1] != "":
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	return a.send(r)
}

func (a *adversary) send(r *http.Request) answer {
	res, err := a.client.Do(r)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	a.note(fmt.Sprintf("\n> %s %s %.20s\n %d %v\n%s", r.Method, r.URL, r.Header.Get("Authorization"), res.StatusCode, res.Header, text))
	return answer{res.StatusCode, res.Header, string(text), err}
}

// own is the token of the agent.
func (a *adversary) own() []string { return []string{"Authorization", bearer(a.tokens["mallory"])} }

// says sends an event with the agent's token. more are attributes, as JSON.
func (a *adversary) says(eventType, subject, data string, more ...string) answer {
	a.sent++
	return a.posts(a.event(eventType, subject, data, more...))
}

func (a *adversary) event(eventType, subject, data string, more ...string) string {
	all := map[string]string{"id": fmt.Sprintf(`"m-%d"`, a.sent), "source": `"/agents/mallory"`, "subject": `"` + subject + `"`, "datacontenttype": `"application/json"`}
	for _, m := range more {
		name, value, _ := strings.Cut(m, ":")
		all[name] = value
	}
	e := `{"specversion":"1.0","type":"` + eventType + `"`
	for name, value := range all {
		if value != "" {
			e += `,"` + name + `":` + value
		}
	}
	if data != "" {
		e += `,"data":` + data
	}
	return e + "}"
}

func (a *adversary) posts(event string) answer {
	return a.ask("POST", "/v1/events", event, append(a.own(), "Content-Type", "application/cloudevents+json")...)
}

// is fails the move where an answer has none of the statuses: it would show nothing.
func (a *adversary) is(got answer, want ...int) {
	a.t.Helper()
	for _, status := range want {
		if got.status == status {
			return
		}
	}
	a.t.Errorf("the answer is %d, want %v: %.500s %v", got.status, want, got.body, got.err)
}

// tool calls one of the tools for agents.
func (a *adversary) tool(name, arguments string) answer {
	return a.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+name+`","arguments":`+arguments+`}}`,
		append(a.own(), "Content-Type", "application/json", "Accept", "application/json, text/event-stream", "MCP-Protocol-Version", "2025-06-18")...)
}

// tree is a work tree of acme/web in which the agent has a shell; script runs in it.
func (a *adversary) tree(script string) string {
	a.t.Helper()
	dir := a.t.TempDir()
	a.shell(dir, "git init -q -b main && git remote add origin https://github.com/acme/web.git\n"+script)
	return dir
}

func (a *adversary) shell(dir, script string) {
	a.t.Helper()
	cmd := exec.CommandContext(a.t.Context(), "sh", "-e", "-c", script)
	cmd.Dir, cmd.Env = dir, append(a.environ(), "EVIL="+a.evil.URL, "BINARY="+a.binary)
	if out, err := cmd.CombinedOutput(); err != nil {
		a.t.Fatalf("%v: %s", err, out)
	}
}

// environ is that of the person at the work tree.
func (a *adversary) environ() []string {
	return []string{
		"HOME=" + a.home, "PATH=" + filepath.Dir(a.binary) + string(os.PathListSeparator) + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Wes", "GIT_AUTHOR_EMAIL=wes@acme.example", "GIT_COMMITTER_NAME=Wes", "GIT_COMMITTER_EMAIL=wes@acme.example", "PWNED=" + filepath.Join(a.home, "pwned"),
	}
}

// person types a command of changetrail in a folder, as the person who works there does, or
// their agent's hook. It ends soon, takes little memory, and shows no terminal codes.
func (a *adversary) person(dir, in string, args ...string) string {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, a.binary, args...)
	var out bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = dir, a.environ(), strings.NewReader(in), &out, &out, time.Second
	_ = cmd.Run() // what it says counts
	if ctx.Err() != nil {
		a.t.Errorf("changetrail %s does not end", strings.Join(args, " "))
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok && usage.Maxrss<<10 >= maxMemory {
		a.t.Errorf("changetrail %s takes %d MB", strings.Join(args, " "), usage.Maxrss>>10)
	}
	for _, bad := range []string{"\x1b", "\u202e", "\u009b"} {
		if strings.Contains(out.String(), bad) {
			a.t.Errorf("changetrail %s sends %q to the terminal: %q", strings.Join(args, " "), bad, out.String())
		}
	}
	a.note("\n> changetrail " + strings.Join(args, " ") + "\n " + out.String())
	if _, err := os.Stat(filepath.Join(a.home, "pwned")); err == nil {
		a.t.Errorf("changetrail %s runs a program of the work tree", strings.Join(args, " "))
	}
	return out.String()
}

// hook reports a call of a tool, as the hooks of an agent do.
func (a *adversary) hook(dir, session string, more ...string) string {
	a.t.Helper()
	in := fmt.Sprintf(`{"session_id":%q,"hook_event_name":"PostToolUse","cwd":%q,"tool_name":"Bash","tool_use_id":"t","tool_input":{"command":"npm test"},"tool_response":{}`, session, dir)
	for _, m := range more {
		in += "," + m
	}
	said := a.person(dir, in+"}", "hook", "claude-code")
	return said + a.person(dir, fmt.Sprintf(`{"session_id":%q,"hook_event_name":"Stop","cwd":%q}`, session, dir), "hook", "claude-code")
}

// dial connects to an address, and closes it at the end of the move.
func (a *adversary) dial(ctx context.Context, address string) net.Conn {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	return conn
}

// http is the address of the gateway.
func (a *adversary) http() string { return strings.TrimPrefix(a.page, "http://") }

// A move is one thing that the adversary does.
type move struct {
	name string
	do   func(*adversary)
}

// TestWhateverTheAdversaryDoes sets the adversary at the town, one move after the other, and
// watches.
func TestWhateverTheAdversaryDoes(t *testing.T) {
	c := newTown(t)
	for _, s := range stories() {
		c.happen(t, s)
		if strings.HasPrefix(s.change, payments) && s.scan != "" {
			c.secret = []byte(s.scan)
		}
	}
	c.settle(t)
	w := newWatch(t, c)
	digest := digests.Of(c.secret)
	w.reads = []string{
		"/", "/changes", "/changes?q=kestrel", "/changes?q=changetrail.change.repository:%2Apayments%2A", "/v1/changes?since=&size=1000", "/v1/changes?since=&q=NOT+changetrail.change.repository:x", "/changes.csv?since=", "/queries",
		"/v1/complete?text=changetrail.change.title:", "/v1/complete?text=changetrail.change.id:", "/changes/" + payments + "/pull/1", "/v1/changes/" + payments + "/pull/1",
		"/v1/changes/" + payments + "/pull/1/replay", "/v1/changes/" + payments + "/pull/1/events", "/v1/changes/" + payments + "/pull/2", "/evidence/" + digest, "/v1/blobs/" + digest,
	}
	w.unseenChange = []string{payments + "/pull/777"}
	a := newAdversary(t, c)
	w.memory(t)
	moves := 0
	for _, group := range []struct {
		holds string
		moves []move
	}{{"the agent's token", byToken()}, {"a shell in a work tree", byShell()}, {"the Kafka port", byKafka()}, {"a page in a browser", byBrowser()}, {"patience", byExhaustion()}} {
		for _, m := range group.moves {
			moves++
			t.Run(group.holds+"/"+m.name, func(t *testing.T) {
				a.t = t
				defer a.end()
				m.do(a)
				w.after(t, a)
			})
			select {
			case err := <-c.ended:
				t.Fatalf("it ended, with %v: %s", err, c.out)
			default:
			}
		}
	}
	if moves < 60 {
		t.Errorf("%d moves", moves)
	}
}
