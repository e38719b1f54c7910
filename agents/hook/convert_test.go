package hook

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/agents/notes"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
)

var night = time.Date(2026, 3, 1, 3, 47, 0, 0, time.UTC)

// session plays hooks into a log, a second each, with where git stood.
func session(t *testing.T, file string, git func(line int) notes.Git) *notes.Session {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	s := &notes.Session{ID: "s"}
	for i, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		s.Lines = append(s.Lines, notes.Line{At: night.Add(time.Duration(i) * time.Second), Kind: ClaudeCode, Git: git(i), Hook: line})
	}
	return s
}

const (
	before = "1111111111111111111111111111111111111111"
	after  = "2222222222222222222222222222222222222222"
)

func at(head string, when time.Time) notes.Git {
	return notes.Git{Root: "/build/acme/.work/ws", Repository: "github.com/acme/shop", Branch: "fix", Head: head, HeadAt: when}
}

// linesOf returns what events say, a line each.
func linesOf(t *testing.T, calls []Call) []string {
	t.Helper()
	var out []string
	for _, c := range calls {
		if err := producer.Check(c.Event); err != nil {
			t.Errorf("%s: %v", c.Event.ID(), err)
		}
		if r, ok := prompted(t, c); ok {
			out = append(out, strings.Join(strings.Fields(r.Kind+" "+c.Event.ID()+" "+r.ID+" "+r.Author), " "))
			continue
		}
		var a record.Action
		if err := json.Unmarshal(c.Event.Data(), &a); err != nil {
			t.Fatal(err)
		}
		line := strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s %s %s", a.Tool, a.CallID, a.Outcome, a.Agent.Name, strings.Join(a.Files, ","), a.CommitSHA)), " ")
		out = append(out, line)
	}
	return out
}

// prompted is what a person asked, where the event says that.
func prompted(t *testing.T, c Call) (r record.Request, ok bool) {
	t.Helper()
	if c.Event.Type() != record.TypeRequestReceived {
		return r, false
	}
	if err := json.Unmarshal(c.Event.Data(), &r); err != nil {
		t.Fatal(err)
	}
	return r, true
}

// TestASessionThatWasAllowed reads what Claude Code handed over: a failing test, a
// mend, a command that a rule denies, a sub-agent, a commit.
func TestASessionThatWasAllowed(t *testing.T) {
	s := session(t, "run-allowed.jsonl", func(line int) notes.Git {
		if line >= 29 { // the call that commits
			return at(after, night.Add(29*time.Second))
		}
		return at(before, night.Add(-time.Hour))
	})
	calls := Convert(s, Options{DelegatedBy: "mira.s", LogsURL: "https://logs.acme.example/{session}"})
	want := []string{
		"prompt prompt-93a13e29-58f8-4d8b-b99a-6dc5716890aa success",
		"prompt asked-prompt-93a13e29-58f8-4d8b-b99a-6dc5716890aa 93a13e29-58f8-4d8b-b99a-6dc5716890aa mira.s",
		"Read toolu_stub00110 success",
		"Bash toolu_stub00111 failure",
		"Edit toolu_stub00120 success shop.py",
		"Bash toolu_stub00130 success",
		"Bash toolu_stub00140 refused",
		"Write toolu_stub00150 success NOTES.md",
	}
	got := linesOf(t, calls)
	for i, w := range want {
		if i >= len(got) || got[i] != w {
			t.Errorf("call %d is %q, want %q", i, got[i], w)
		}
	}
	for _, w := range []string{"Read toolu_stub00170 success general-purpose", "Agent toolu_stub00160 success", "Bash toolu_stub00190 success " + after} {
		if !slices.Contains(got, w) {
			t.Errorf("%q is not among %s", w, strings.Join(got, "\n"))
		}
	}
	if last := got[len(got)-1]; !strings.HasPrefix(last, "answer answer-") {
		t.Errorf("the last is %q", last)
	}
	var a record.Action
	if err := json.Unmarshal(calls[4].Event.Data(), &a); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(record.Agent{ID: ClaudeCode, Provider: "anthropic", Run: "f6e75b71-3b77-4995-97c8-7a0b5ddd4835", LogsURL: "https://logs.acme.example/f6e75b71-3b77-4995-97c8-7a0b5ddd4835", DelegatedBy: "mira.s"}, a.Agent); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if e := calls[4].Event; e.Source() != "/claude-code/f6e75b71-3b77-4995-97c8-7a0b5ddd4835" || e.ID() != "toolu_stub00120" || e.Extensions()["partitionkey"] != "github.com/acme/shop" || a.DurationMS != 994 {
		t.Errorf("%v", e)
	}
}

// TestACallThatWasRefusedIsClosedByItsBatch: there is no hook of its own for it.
func TestACallThatWasRefusedIsClosedByItsBatch(t *testing.T) {
	calls := Convert(session(t, "run-denied.jsonl", func(int) notes.Git { return at(before, night) }), Options{})
	outcomes := make(map[string]int)
	for _, c := range calls {
		outcomes[c.fact.Outcome]++
		if c.fact.Outcome == "refused" && len(c.fact.Files) > 0 {
			t.Errorf("a call that was refused wrote %v", c.fact.Files)
		}
	}
	if outcomes["refused"] != 7 || outcomes["unknown"] != 0 {
		t.Errorf("outcomes are %v, want 7 refused: %s", outcomes, strings.Join(linesOf(t, calls), "\n"))
	}
}

// TestMoreOfASessionIsMoreEvents: it is sent while it goes on.
func TestMoreOfASessionIsMoreEvents(t *testing.T) {
	whole := session(t, "run-allowed.jsonl", func(int) notes.Git { return at(before, night) })
	all := Convert(whole, Options{})
	for n := range whole.Lines {
		part := Convert(&notes.Session{ID: "s", Lines: whole.Lines[:n]}, Options{})
		for i, c := range part {
			if c.Event.ID() != all[i].Event.ID() || !bytes.Equal(c.Event.Data(), all[i].Event.Data()) || c.Line >= n {
				t.Fatalf("after %d lines event %d is %v", n, i, c.Event)
			}
		}
	}
}

func TestOnlyACommitThatACallMadeIsItsOwn(t *testing.T) {
	hooks := func(tool string) *notes.Session {
		line := func(event string) []byte {
			return []byte(`{"session_id":"s","hook_event_name":"` + event + `","tool_name":"Bash","tool_use_id":"` + tool + `","tool_input":{"command":"git x"}}`)
		}
		return &notes.Session{ID: "s", Lines: []notes.Line{
			{At: night, Kind: ClaudeCode, Git: at(before, night.Add(-time.Hour)), Hook: line("PreToolUse")},
			{At: night.Add(3 * time.Second), Kind: ClaudeCode, Hook: line("PostToolUse")},
		}}
	}
	for _, c := range []struct {
		name string
		git  notes.Git
		want string
	}{
		{"a commit of now", at(after, night.Add(2*time.Second)), after},
		{"HEAD where it was", at(before, night.Add(-time.Hour)), ""},
		{"a commit of others that was pulled", at(after, night.Add(-time.Minute)), ""},
		{"one that is packed away", at(after, time.Time{}), ""},
		{"one of another work tree", notes.Git{Root: "/elsewhere", Repository: "github.com/acme/shop", Head: after, HeadAt: night.Add(time.Second)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := hooks("1")
			s.Lines[1].Git = c.git
			calls := Convert(s, Options{})
			if len(calls) != 1 || calls[0].fact.CommitSHA != c.want {
				t.Errorf("%+v", calls)
			}
		})
	}
}

func TestCodex(t *testing.T) {
	line := func(event, more string) notes.Line {
		return notes.Line{At: night, Kind: Codex, Git: at(before, night), Hook: []byte(`{"session_id":"c1","turn_id":"t1","model":"gpt-5","cwd":"/","hook_event_name":"` + event + `"` + more + `}`)}
	}
	patch := `,"tool_name":"apply_patch","tool_use_id":"call_1","tool_input":{"input":"*** Begin Patch\n*** Update File: shop.py\n@@\n*** Add File: NOTES.md\n*** End Patch"}`
	calls := Convert(&notes.Session{ID: "c1", Lines: []notes.Line{
		line("UserPromptSubmit", `,"prompt":"fix it"`), line("PreToolUse", patch), line("PostToolUse", patch+`,"tool_response":"Done"`), line("Stop", `,"last_assistant_message":"fixed"`),
	}}, Options{})
	want := []string{"prompt prompt-t1 success", "prompt asked-prompt-t1 t1", "apply_patch call_1 unknown shop.py,NOTES.md", "answer answer-t1 success"}
	if diff := cmp.Diff(want, linesOf(t, calls)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if a := calls[2].fact.Agent; a.ID != Codex || a.Model != "gpt-5" || a.Provider != "openai" {
		t.Errorf("%+v", a)
	}
}

// TestAPromptIsWhatThePersonAsked: a decision names it by the digest of its text, which
// stands nowhere else in that event.
func TestAPromptIsWhatThePersonAsked(t *testing.T) {
	calls := Convert(session(t, "run-allowed.jsonl", func(int) notes.Git { return at(before, night) }), Options{DelegatedBy: "mira.s"})
	r, ok := prompted(t, calls[1])
	want := record.Request{Kind: "prompt", ID: "93a13e29-58f8-4d8b-b99a-6dc5716890aa", Author: "mira.s", Digest: digests.Of([]byte("Fix the discount bug in shop.py")), Repository: "github.com/acme/shop"}
	if diff := cmp.Diff(want, r); !ok || diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	e := calls[1].Event
	if e.Source() != calls[0].Event.Source() || e.ID() == calls[0].Event.ID() || e.Extensions()["partitionkey"] != "github.com/acme/shop" || strings.Contains(string(e.Data()), "discount") {
		t.Errorf("%v", e)
	}
}

func TestSteering(t *testing.T) {
	p, err := policy.Parse([]byte(`
services: [{name: shop, repositories: [github.com/acme/shop], classification: high}]
agents: [{id: claude-code, services: ["*"]}]
rules:
  - {name: iam, when: 'change.paths.exists(p, p.startsWith("iam/"))', verdict: forbidden, reason: no agent grants rights}
  - {name: auth, when: 'change.paths.exists(p, p.startsWith("auth/"))', verdict: approval-required, reason: ask first}
default: autonomous
`))
	if err != nil {
		t.Fatal(err)
	}
	call := func(tool, file string) *notes.Input {
		return &notes.Input{Event: "PreToolUse", ToolCall: notes.ToolCall{Tool: tool, Input: []byte(`{"file_path":"/w/` + file + `"}`)}}
	}
	where := notes.Git{Root: "/w", Repository: "github.com/acme/shop"}
	deny := Steering{Policy: p, Forbidden: settings.Deny, Approval: settings.Ask}
	for _, c := range []struct {
		name  string
		steer Steering
		in    *notes.Input
		want  string
	}{
		{"what is forbidden is denied", deny, call("Write", "iam/roles.tf"), `"permissionDecision":"deny"`},
		{"the person is asked for leave", deny, call("Edit", "auth/login.go"), `"permissionDecision":"ask"`},
		{"the rest goes ahead", deny, call("Edit", "shop.go"), ""},
		{"so does reading", deny, call("Read", "iam/roles.tf"), ""},
		{"nothing is said where nothing is asked", Steering{Policy: p, Forbidden: settings.Off, Approval: settings.Off}, call("Write", "iam/roles.tf"), ""},
	} {
		out := string(c.steer.Steer(ClaudeCode, c.in, where, ClaudeCode))
		if c.want == "" && out != "" || !strings.Contains(out, c.want) {
			t.Errorf("%s: %s", c.name, out)
		}
	}
	if out := string(deny.Steer(Codex, call("Edit", "auth/login.go"), where, ClaudeCode)); !strings.Contains(out, `"permissionDecision":"deny"`) || !strings.Contains(out, "ask the person") {
		t.Errorf("Codex cannot ask, and is told %s", out)
	}
	if out := string(deny.Steer(ClaudeCode, call("Write", "iam/roles.tf"), where, ClaudeCode)); !strings.Contains(out, "no agent grants rights") || !strings.Contains(out, `"hookEventName":"PreToolUse"`) {
		t.Errorf("it says %s", out)
	}
}

func TestHooksAreSetBesideOthersAndTakenOutAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), ".claude", "settings.json")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	own := `{"hooks":{"Stop":[{"hooks":[{"type":"command","command":"say done"}]}]},"model":"opus"}`
	if err := os.WriteFile(file, []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	install := func(remove bool) (string, bool) {
		changed, err := (Hooks{Kind: ClaudeCode}).Install(root(t, filepath.Dir(filepath.Dir(file))), filepath.Join(".claude", "settings.json"), 0o644, remove)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text), changed
	}
	text, changed := install(false)
	if !changed || strings.Count(text, "changetrail hook claude-code") != 10 || !strings.Contains(text, "say done") || !strings.Contains(text, `"model":"opus"`) {
		t.Errorf("set: %s", text)
	}
	if again, changed := install(false); changed || again != text {
		t.Errorf("set again: %s", again)
	}
	if text, _ = install(true); strings.Contains(text, "changetrail") || !strings.Contains(text, "say done") {
		t.Errorf("taken out: %s", text)
	}
	if err := os.WriteFile(file, []byte("{ // mine\n}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (Hooks{Kind: ClaudeCode}).Install(root(t, filepath.Dir(file)), "settings.json", 0o644, false); err == nil {
		t.Error("a file that cannot be read was written over")
	}
}

func FuzzConvert(f *testing.F) {
	for _, file := range []string{"run-allowed.jsonl", "run-denied.jsonl"} {
		text, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			f.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			f.Add(string(line), string(line))
		}
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		l := notes.Log{Dir: t.TempDir()}
		for _, text := range []string{one, two} {
			if _, err := l.Append(t.Context(), ClaudeCode, []byte(text), night); err != nil {
				return
			}
		}
		names, err := l.Sessions()
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			s, err := l.Read(n)
			if err != nil {
				t.Fatalf("what was appended cannot be read: %v", err)
			}
			if len(s.Broken) > 0 {
				t.Errorf("%d lines that were taken cannot be told", len(s.Broken))
			}
			Convert(s, Options{})
		}
	})
}

func line(text string, git notes.Git) notes.Line {
	return notes.Line{At: night, Kind: ClaudeCode, Git: git, Hook: []byte(text)}
}

// Claude Code of some versions sends no tool_use_id. Its calls are actions all the same,
// each known by the line where it begins.
func TestCallsWithoutAnID(t *testing.T) {
	git := at(before, night)
	hook := func(event, tool, input, more string) notes.Line {
		return line(fmt.Sprintf(`{"session_id":"s","hook_event_name":%q,"cwd":"/build/acme/.work/ws","tool_name":%q,"tool_input":%s%s}`, event, tool, input, more), git)
	}
	const file = `{"file_path":"/build/acme/.work/ws/a.go"}`
	for name, c := range map[string]struct {
		lines []notes.Line
		want  []string
	}{
		"one": {[]notes.Line{hook("PreToolUse", "Edit", file, ""), hook("PostToolUse", "Edit", file, `,"tool_response":{"ok":true}`)}, []string{"Edit line-1 success a.go"}},
		"two of one kind side by side": {
			[]notes.Line{hook("PreToolUse", "Bash", `{"command":"a"}`, ""), hook("PreToolUse", "Bash", `{"command":"b"}`, ""), hook("PostToolUseFailure", "Bash", `{"command":"b"}`, `,"error":"no"`), hook("PostToolUse", "Bash", `{"command":"a"}`, "")},
			[]string{"Bash line-2 failure", "Bash line-1 success"},
		},
		"the same twice": {
			[]notes.Line{hook("PreToolUse", "Bash", `{}`, ""), hook("PreToolUse", "Bash", `{}`, ""), hook("PostToolUse", "Bash", `{}`, ""), hook("PermissionDenied", "Bash", `{}`, "")},
			[]string{"Bash line-1 success", "Bash line-2 refused"},
		},
		"its beginning is not told":  {[]notes.Line{hook("PostToolUse", "Edit", file, "")}, []string{"Edit line-1 success a.go"}},
		"it never ends":              {[]notes.Line{hook("PreToolUse", "Edit", file, ""), line(`{"session_id":"s","hook_event_name":"Stop"}`, git)}, []string{"Edit line-1 unknown a.go"}},
		"the batch says it was not":  {[]notes.Line{hook("PreToolUse", "Edit", file, ""), line(`{"session_id":"s","hook_event_name":"PostToolBatch","tool_calls":[{"tool_name":"Edit","tool_input":`+file+`}]}`, git)}, []string{"Edit line-1 refused"}},
		"beside one that has an id":  {[]notes.Line{hook("PreToolUse", "Edit", file, `,"tool_use_id":"x"`), hook("PostToolUse", "Edit", file, ""), hook("PostToolUse", "Edit", file, `,"tool_use_id":"x"`)}, []string{"Edit line-2 success a.go", "Edit x success a.go"}},
		"nothing says which tool":    {[]notes.Line{line(`{"session_id":"s","hook_event_name":"PostToolUse"}`, git)}, []string{"unknown line-1 success"}},
		"its id tells that it ended": {[]notes.Line{line(`{"session_id":"s","hook_event_name":"PostToolUse","tool_use_id":"y"}`, git)}, []string{"unknown y success"}},
	} {
		if diff := cmp.Diff(c.want, linesOf(t, Convert(&notes.Session{ID: "s", Lines: c.lines}, Options{}))); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

// However long what is said or given back is, each event can be sent.
func TestLongContentIsIdentifiedByItsDigest(t *testing.T) {
	long, git := strings.Repeat("x", 1_200_000), at(before, night)
	l := []notes.Line{
		line(`{"session_id":"s","hook_event_name":"UserPromptSubmit","prompt_id":"p","prompt":"`+long+`"}`, git),
		line(`{"session_id":"s","hook_event_name":"PostToolUse","tool_name":"Bash","tool_use_id":"c","tool_input":{"command":"`+long+`"},"tool_response":"`+long+`"}`, git),
		line(`{"session_id":"s","hook_event_name":"PostToolUseFailure","tool_name":"Bash","tool_use_id":"d","tool_input":{},"error":"`+long+`"}`, git),
		line(`{"session_id":"s","hook_event_name":"Stop","last_assistant_message":"`+long+`"}`, git),
	}
	calls := Convert(&notes.Session{ID: "s", Lines: l}, Options{})
	if len(calls) != 5 {
		t.Fatalf("%d events", len(calls))
	}
	linesOf(t, calls) // each can be sent
	if r, ok := prompted(t, calls[1]); !ok || r.Digest != digests.Of([]byte(long)) {
		t.Errorf("the digest of the prompt is %s", r.Digest)
	}
	for _, c := range calls[:1] {
		if !strings.Contains(string(c.Event.Data()), `"omitted_bytes":1200013`) {
			t.Errorf("%s does not say how long it was", c.Event.ID())
		}
	}
}

func TestATurnedDownResultIsAFailure(t *testing.T) {
	for _, kind := range []string{ClaudeCode, Codex} {
		l := line(`{"session_id":"s","hook_event_name":"PostToolUse","tool_name":"Write","tool_use_id":"c","tool_input":{"file_path":"a.go"},"tool_response":{"isError":true,"content":[]}}`, at(before, night))
		l.Kind = kind
		if diff := cmp.Diff([]string{"Write c failure"}, linesOf(t, Convert(&notes.Session{ID: "s", Lines: []notes.Line{l}}, Options{}))); diff != "" {
			t.Error(diff)
		}
	}
}
