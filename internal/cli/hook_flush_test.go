package cli

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/agents/hook"
	"github.com/changetrail/changetrail/agents/notes"
	"github.com/changetrail/changetrail/internal/problem"
)

// A moodyGateway takes events but for some, and fails as configured: before or after it has
// taken them.
type moodyGateway struct {
	mu      sync.Mutex
	bad     string // id of an event that is refused for good
	foreign string // id of one that is not its sender's
	fails   string // "", "before" or "after" taking
	taken   map[string]int
}

func (g *moodyGateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var body bytes.Buffer
	_, _ = body.ReadFrom(r.Body)
	type one struct {
		ID string `json:"id"`
	}
	var events []one
	if !strings.Contains(r.Header.Get("Content-Type"), "batch") {
		events = make([]one, 1)
		_ = json.Unmarshal(body.Bytes(), &events[0])
	} else {
		_ = json.Unmarshal(body.Bytes(), &events)
	}
	p := problem.New(http.StatusUnprocessableEntity, "wrong")
	for i, e := range events {
		switch e.ID {
		case g.bad:
			p.Errors = append(p.Errors, problem.Part{Index: i, ID: e.ID, Detail: "wrong"})
		case g.foreign:
			p.Status = http.StatusForbidden
			p.Errors = append(p.Errors, problem.Part{Index: i, ID: e.ID, Detail: "not yours"})
		}
	}
	switch {
	case g.fails == "before":
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case len(p.Errors) > 0:
		problem.Write(w, r, p)
		return
	}
	for _, e := range events {
		g.taken[e.ID]++
	}
	if g.fails == "after" {
		w.WriteHeader(http.StatusBadGateway)
	}
}

// note writes hooks of a session of n calls.
func note(t *testing.T, log notes.Log, session string, n int) {
	t.Helper()
	work := t.TempDir()
	if err := os.MkdirAll(filepath.Join(work, ".git"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(work, ".git", "config"), []byte("[remote \"origin\"]\n\turl = https://github.com/acme/payments.git\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		text := fmt.Sprintf(`{"session_id":%q,"hook_event_name":"PostToolUse","cwd":%q,"tool_name":"Bash","tool_use_id":"%s-%d","tool_input":{},"tool_response":{}}`, session, work, session, i)
		if _, err := log.Append(t.Context(), hook.ClaudeCode, []byte(text), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
}

// flushOnce runs changetrail hook flush, and returns what it says and its error.
func flushOnce(t *testing.T, dir, gateway string) string {
	t.Helper()
	root := newRoot([]string{"CHANGETRAIL_HOOK_DIR=" + dir, "CHANGETRAIL_PRODUCER_GATEWAY=" + gateway})
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs([]string{"hook", "flush"})
	if err := root.ExecuteContext(t.Context()); err != nil {
		fmt.Fprintln(&out, err)
	}
	return out.String()
}

func TestOneEventThatIsNotTakenHoldsNoOtherUp(t *testing.T) {
	for _, fails := range []string{"", "before", "after"} {
		t.Run("fails "+fails, func(t *testing.T) {
			t.Chdir(t.TempDir())
			g := &moodyGateway{bad: "one-3", foreign: "one-60", fails: fails, taken: map[string]int{}}
			server := httptest.NewServer(g)
			defer server.Close()
			log := notes.Log{Dir: t.TempDir()}
			note(t, log, "one", 120)
			note(t, log, "two", 5)
			if fails != "" {
				if said := flushOnce(t, log.Dir, server.URL); !strings.Contains(said, "HTTP 50") || !strings.Contains(said, "session two was not sent completely and will be tried again") {
					t.Errorf("it says %s", said)
				}
				g.fails = ""
			}
			said := flushOnce(t, log.Dir, server.URL)
			if len(g.taken) != 123 {
				t.Errorf("%d events were taken, want all but two of 125", len(g.taken))
			}
			aside := filepath.Join(log.Dir, "aside", "one.jsonl")
			wanted := []string{"123 events were sent", "session one was not sent completely and will be tried again", "not yours"}
			if fails != "after" { // else it was put aside before
				wanted = append(wanted, "; 1 were put aside", aside)
			}
			for _, want := range wanted {
				if !strings.Contains(said, want) {
					t.Errorf("it does not say %q:\n%s", want, said)
				}
			}
			if text, err := os.ReadFile(aside); err != nil || !strings.Contains(string(text), `"one-3"`) || strings.Count(string(text), "\n") != 1 {
				t.Errorf("put aside is %s %v", text, err)
			}
			if errors, err := os.ReadFile(log.Errors()); err != nil || !strings.Contains(string(errors), aside) {
				t.Errorf("errors.log says %s %v", errors, err)
			}

			g.foreign = "" // somebody lets the sender send it
			flushOnce(t, log.Dir, server.URL)
			if g.taken["one-60"] != 1 {
				t.Error("what waited for somebody to act was not sent again")
			}
			if said := flushOnce(t, log.Dir, server.URL); !strings.Contains(said, "0 events were sent\n") {
				t.Errorf("in the end it says %s", said)
			}
		})
	}
}

func TestALineThatCannotBeReadIsPutAside(t *testing.T) {
	t.Chdir(t.TempDir())
	g := &moodyGateway{taken: map[string]int{}}
	server := httptest.NewServer(g)
	defer server.Close()
	log := notes.Log{Dir: t.TempDir()}
	note(t, log, "s", 2)
	f, err := os.OpenFile(filepath.Join(log.Dir, "s.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("no JSON\n"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	note(t, log, "s", 3)
	said := flushOnce(t, log.Dir, server.URL)
	if len(g.taken) != 3 || !strings.Contains(said, "line 3 cannot be read") {
		t.Errorf("%d events were taken, want 3: %s", len(g.taken), said)
	}
	if text, err := os.ReadFile(filepath.Join(log.Dir, "aside", "s.lines")); err != nil || string(text) != "no JSON\n" {
		t.Errorf("put aside is %q %v", text, err)
	}
	if said := flushOnce(t, log.Dir, server.URL); !strings.Contains(said, "0 events were sent\n") {
		t.Errorf("then it says %s", said)
	}
}
