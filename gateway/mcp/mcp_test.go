package mcp

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/changetrail/changetrail/gate/ask"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
)

const rules = `
services:
  - {name: payments, repositories: [github.com/acme/payments], paths: ["src/**"], classification: critical, data_classes: [cardholder], owner: pay-team}
  - {name: payments-docs, repositories: [github.com/acme/payments], paths: ["docs/**"], classification: low}
agents:
  - {id: patch-pilot, services: ["payments*"]}
people:
  - {id: mira.s}
rules:
  - {name: documentation, when: 'service.classification == "low"', verdict: autonomous, reason: nothing runs from it}
  - {name: critical services, when: 'service.classification == "critical" && change.kind != "configuration"', verdict: review-required, reason: it moves money, by: [mira.s]}
  - {name: configuration, when: 'change.kind == "configuration"', verdict: approval-required, reason: it decides who pays}
`

// A desk is a server with what it took down, and a client that is connected to it.
type desk struct {
	client *mcp.ClientSession
	taken  []event.Event
	away   error // what taking an event fails with
}

func newDesk(t *testing.T, change func(*Config, *Caller)) *desk {
	t.Helper()
	p, err := policy.Parse([]byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	d := new(desk)
	c := Config{Version: "1", Policy: p, ReadFile: os.ReadFile, Now: func() time.Time { return time.Date(2026, 3, 1, 3, 47, 0, 0, time.UTC) }}
	who := Caller{Agent: "patch-pilot", Repository: "github.com/acme/payments", Run: "run-1", Accept: func(_ context.Context, e event.Event) error {
		if d.away == nil {
			d.taken = append(d.taken, e)
		}
		return errors.Join(d.away, producer.Check(e))
	}}
	if change != nil {
		change(&c, &who)
	}
	tools, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	here, there := mcp.NewInMemoryTransports()
	server, err := tools.For(who).Connect(t.Context(), here, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	if d.client, err = mcp.NewClient(&mcp.Implementation{Name: "some-agent", Version: "1"}, nil).Connect(t.Context(), there, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.client.Close() })
	return d
}

// call calls a tool and reads its answer into out; the text where that is an error.
func (d *desk) call(t *testing.T, tool string, arguments map[string]any, out any) (refused string) {
	t.Helper()
	res, err := d.client.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		t.Fatal(err)
	}
	text := res.Content[0].(*mcp.TextContent).Text
	if res.IsError {
		return text
	}
	if err := json.Unmarshal([]byte(text), out); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return ""
}

func TestThePolicyIsAsked(t *testing.T) {
	d := newDesk(t, nil)
	for _, c := range []struct {
		name      string
		arguments map[string]any
		verdict   string
		alone     bool
		next      string
	}{
		{"documentation", map[string]any{"paths": []string{"docs/a.md"}}, record.Autonomous, true, "Go ahead."},
		{"what moves money", map[string]any{"paths": []string{"src/pay.go"}}, record.ReviewRequired, false, "mira.s must approve its last commit"},
		{"both: the graver stands", map[string]any{"paths": []string{"docs/a.md", "src/pay.go"}}, record.ReviewRequired, false, "must not merge"},
		{"a kind that needs leave before", map[string]any{"paths": []string{"src/pay.yaml"}, "kind": "configuration"}, record.ApprovalRequired, false, "Stop, and ask"},
		{"another service than it believes", map[string]any{"paths": []string{"docs/a.md"}, "service": "payments"}, record.Autonomous, false, "none of these paths of github.com/acme/payments belongs to payments"},
		{"a repository that nobody knows", map[string]any{"paths": []string{"a"}, "repository": "https://github.com/acme/other.git"}, record.ApprovalRequired, false, "must approve before you begin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got Authorization
			if said := d.call(t, "check_authorization", c.arguments, &got); said != "" {
				t.Fatal(said)
			}
			if got.Verdict != c.verdict || got.MayGoAhead != c.alone || !strings.Contains(got.Next, c.next) || !strings.HasPrefix(got.PolicyDigest, "sha256:") {
				t.Errorf("%+v", got)
			}
		})
	}
	if len(d.taken) > 0 {
		t.Errorf("a question is no event: %v", d.taken)
	}
	d = newDesk(t, func(c *Config, _ *Caller) { c.Policy = nil })
	if said := d.call(t, "check_authorization", map[string]any{"paths": []string{"a"}}, nil); !strings.Contains(said, "ask a person") {
		t.Errorf("without a policy: %q", said)
	}
}

// TestTheGateIsAsked where the policy requires an approval, or where only the gate has a policy.
func TestTheGateIsAsked(t *testing.T) {
	var asked []ask.Action
	var waited time.Duration
	var answer ask.Answer
	var away error
	gated := func(c *Config, who *Caller) {
		who.Ask = func(_ context.Context, a ask.Action, wait time.Duration) (ask.Answer, error) {
			asked, waited = append(asked, a), wait
			return answer, away
		}
	}
	alone := func(c *Config, who *Caller) { gated(c, who); c.Policy = nil }
	configuration := map[string]any{"paths": []string{"src/pay.yaml"}, "kind": "configuration", "delegated_by": "ben", "wait": "45s"}
	for name, c := range map[string]struct {
		with      func(*Config, *Caller)
		arguments map[string]any
		answer    ask.Answer
		away      error
		asks      bool
		alone     bool
		next      string
	}{
		"it was approved":                       {gated, configuration, ask.Answer{Allowed: true, Verdict: record.ApprovalRequired, Reasons: []string{"approved"}, Approvals: []string{"g1"}}, nil, true, true, "Go ahead"},
		"it was not approved":                   {gated, configuration, ask.Answer{Verdict: record.ApprovalRequired, Reasons: []string{"no"}, Missing: []string{"an approval for payments"}, Request: "request-1"}, nil, true, false, "an approval for payments. People find your request request-1 in the inbox"},
		"it was refused":                        {gated, configuration, ask.Answer{Verdict: record.ApprovalRequired, Reasons: []string{"no"}, Request: "request-1", Refused: true}, nil, true, false, "a person refused"},
		"nobody can approve it":                 {gated, configuration, ask.Answer{Verdict: record.Forbidden, Reasons: []string{"no"}}, nil, true, false, "Do not do it"},
		"the gate cannot tell":                  {gated, configuration, ask.Answer{}, errors.New("the gateway is away"), true, false, "the gateway is away"},
		"the policy asks for nothing":           {gated, map[string]any{"paths": []string{"docs/a.md"}}, ask.Answer{}, nil, false, true, "Go ahead"},
		"only the gate has a policy":            {alone, map[string]any{"paths": []string{"a"}, "run": "r"}, ask.Answer{Allowed: true, Verdict: record.Autonomous, Reasons: []string{"yes"}}, nil, true, true, "Go ahead"},
		"only the gate has one, with a review":  {alone, map[string]any{"paths": []string{"a"}}, ask.Answer{Allowed: true, Verdict: record.ReviewRequired, Reasons: []string{"yes"}}, nil, true, false, "must not merge"},
		"approved, but not what it believes":    {gated, map[string]any{"paths": []string{"src/pay.yaml"}, "kind": "configuration", "service": "docs"}, ask.Answer{Allowed: true, Verdict: record.ApprovalRequired, Reasons: []string{"approved"}}, nil, true, false, "Look again"},
		"only the gate has one, and it is away": {alone, map[string]any{"paths": []string{"a"}}, ask.Answer{}, errors.New("the gateway is away"), true, false, "so do not"},
	} {
		t.Run(name, func(t *testing.T) {
			asked, waited, answer, away = nil, 0, c.answer, c.away
			var got Authorization
			said := newDesk(t, c.with).call(t, "check_authorization", c.arguments, &got)
			if got.MayGoAhead != c.alone || !strings.Contains(got.Next+said, c.next) || len(asked) > 0 != c.asks {
				t.Errorf("%q %+v, asked %+v", said, got, asked)
			}
			if _, waits := c.arguments["wait"]; waits && (waited != 45*time.Second || asked[0].Agent != "patch-pilot" || asked[0].Repository != "github.com/acme/payments" || asked[0].Run != "run-1" || asked[0].AskedBy != "ben" || asked[0].Does != "write") {
				t.Errorf("%s %+v", waited, asked)
			}
		})
	}
	for _, wait := range []string{"long", "-1s", "2h"} {
		if said := newDesk(t, gated).call(t, "check_authorization", map[string]any{"paths": []string{"a"}, "wait": wait}, nil); !strings.Contains(said, "is not a duration between 0s and 1h") {
			t.Errorf("%s: %q", wait, said)
		}
	}
}

func gaps(m []Missing) (out []string) {
	for _, g := range m {
		out = append(out, g.Gap)
	}
	return out
}

func TestADecisionIsComparedWithWhatAnAuditorAsks(t *testing.T) {
	d := newDesk(t, nil)
	report, err := filepath.Abs(filepath.Join("..", "..", "deploy", "example", "pr-4829", "osv-scanner.json"))
	if err != nil {
		t.Fatal(err)
	}
	var bare Recorded
	if said := d.call(t, "record_decision", map[string]any{"options": []map[string]any{{"id": "update", "outcome": "chosen"}}}, &bare); said != "" {
		t.Fatal(said)
	}
	if diff := cmp.Diff([]string{"no-alternatives", "no-trigger"}, gaps(bare.Missing)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var attached Attached
	if said := d.call(t, "attach_evidence", map[string]any{"kind": "scan", "path": report, "commit": "5e0c9d0a8f1b"}, &attached); said != "" {
		t.Fatal(said)
	}
	if attached.Format != "osv-scanner" || attached.Findings == 0 || len(attached.IDs) == 0 {
		t.Errorf("%+v", attached)
	}
	whole := map[string]any{
		"trigger":   map[string]any{"kind": "scan", "digest": attached.Digest, "finding": attached.IDs[0]},
		"options":   []map[string]any{{"id": "update", "outcome": "chosen", "reason": "it is fixed there"}, {"id": "pin", "outcome": "rejected", "reason": "it stays open"}},
		"rationale": "It can be reached.", "paths": []string{"src/pay.go"}, "tests": "passed", "model": "m-1", "logs_url": "https://logs.acme.example/1",
	}
	var got Recorded
	if said := d.call(t, "record_decision", whole, &got); said != "" {
		t.Fatal(said)
	}
	// An agent's own report proves nothing by itself: that, and no more, is left.
	if diff := cmp.Diff([]string{"trigger-from-agent"}, gaps(got.Missing)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got.Authorization == nil || got.Authorization.Verdict != record.ReviewRequired || got.Run != "run-1" {
		t.Errorf("%+v", got)
	}
	want := []string{"Assisted-by: patch-pilot:m-1", "Agent-Execution: run-1", "Agent-Logs-Url: https://logs.acme.example/1"}
	if diff := cmp.Diff(want, got.Trailers); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(d.taken) != 3 {
		t.Fatalf("%d events", len(d.taken))
	}
	e := d.taken[2]
	var said record.Decision
	if err := json.Unmarshal(e.Data(), &said); err != nil {
		t.Fatal(err)
	}
	if e.Type() != record.TypeDecisionRecorded || e.Source() != "/agents/patch-pilot" || e.Subject() != "" || e.Extensions()["partitionkey"] != "github.com/acme/payments" || said.Agent.Run != "run-1" || said.Claims.Tests != "passed" {
		t.Errorf("%+v %s", e, e.Data())
	}

	whole["trigger"] = map[string]any{"kind": "scan", "digest": attached.Digest, "finding": "CVE-1999-0001"}
	if d.call(t, "record_decision", whole, &got); !slices.Contains(gaps(got.Missing), "finding-not-in-report") {
		t.Errorf("a finding that is none: %+v", got.Missing)
	}
	whole["change"] = "acme/payments#4829"
	d.call(t, "record_decision", whole, &got)
	if e := d.taken[len(d.taken)-1]; e.Subject() != "github.com/acme/payments/pull/4829" {
		t.Errorf("of an open change: %+v", e)
	}
}

func TestWhatIsRefusedIsReported(t *testing.T) {
	chosen := map[string]any{"options": []map[string]any{{"id": "a", "outcome": "chosen"}}}
	for _, c := range []struct {
		name, tool string
		change     func(*Config, *Caller)
		arguments  map[string]any
		says       string
	}{
		{"no paths", "check_authorization", nil, map[string]any{"paths": []string{}}, "state in paths"},
		{"another's name", "record_decision", nil, map[string]any{"agent": "other"}, "your credential says that you are patch-pilot"},
		{"an outcome that is none", "record_decision", nil, map[string]any{"options": []map[string]any{{"id": "a", "outcome": "won"}}}, "outcome"},
		{"no repository", "record_decision", func(_ *Config, who *Caller) { who.Repository = "" }, chosen, "state in repository"},
		{"a change that is none", "record_decision", nil, map[string]any{"change": "four"}, "change: "},
		{"an argument that is none", "record_decision", nil, map[string]any{"triger": "x"}, "triger"},
		{"evidence about nothing", "attach_evidence", nil, map[string]any{"kind": "tests", "content": "<testsuite/>"}, "evidence must name one of them"},
		{"a report that is none", "attach_evidence", nil, map[string]any{"kind": "scan", "content": "hello", "commit": "5e0c9d0a8f1b"}, "report cannot be read"},
		{"a report of another kind", "attach_evidence", nil, map[string]any{"kind": "scan", "content": `<testsuite name="a" tests="1"><testcase name="b"/></testsuite>`, "commit": "5e0c9d0a8f1b"}, "a test report (junit)"},
		{"a file that a server elsewhere cannot see", "attach_evidence", func(c *Config, _ *Caller) { c.ReadFile = nil }, map[string]any{"kind": "scan", "path": "a.json", "commit": "5e0c9d0a8f1b"}, "give content"},
		{"a file that is not there", "attach_evidence", nil, map[string]any{"kind": "scan", "path": "nothing.json", "commit": "5e0c9d0a8f1b"}, "nothing.json"},
		{"no records", "explain_change", nil, map[string]any{"change": "acme/payments#1"}, "no access to records"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t, c.change)
			var none map[string]any
			if said := d.call(t, c.tool, c.arguments, &none); !strings.Contains(said, c.says) {
				t.Errorf("it says %q", said)
			}
			if len(d.taken) > 0 {
				t.Errorf("it was taken: %v", d.taken)
			}
		})
	}
	d := newDesk(t, nil)
	d.away = errors.New("the gateway is away")
	if said := d.call(t, "record_decision", chosen, nil); !strings.Contains(said, "the decision was not recorded: the gateway is away") {
		t.Errorf("it says %q", said)
	}
}

func TestWhoSpeaksIsTheClientWhereNobodySaysMore(t *testing.T) {
	d := newDesk(t, func(_ *Config, who *Caller) { who.Agent, who.Run = "", "" })
	var got Recorded
	if said := d.call(t, "record_decision", map[string]any{}, &got); said != "" {
		t.Fatal(said)
	}
	if !strings.HasPrefix(got.Run, "run-") || !slices.Contains(got.Trailers, "Assisted-by: some-agent") || !slices.Contains(got.Trailers, "Agent-Execution: "+got.Run) {
		t.Errorf("%+v", got)
	}
}

func TestAChangeIsExplained(t *testing.T) {
	d := newDesk(t, func(c *Config, _ *Caller) {
		c.Explain = func(_ context.Context, id record.ChangeID) (*Explained, error) {
			return &Explained{id.Repository(), "the story of " + string(id)}, nil
		}
	})
	var got Story
	if said := d.call(t, "explain_change", map[string]any{"change": "acme/payments#4829"}, &got); said != "" || got.Story != "the story of github.com/acme/payments/pull/4829" {
		t.Errorf("%q %+v", said, got)
	}
}

func TestAnAgentIsTaught(t *testing.T) {
	d := newDesk(t, nil)
	if text := d.client.InitializeResult().Instructions; !strings.Contains(text, "record_decision") {
		t.Errorf("the instructions are %q", text)
	}
	res, err := d.client.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: "record_why", Arguments: map[string]string{"task": "fix CVE-1"}})
	if err != nil {
		t.Fatal(err)
	}
	tools, err := d.client.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	text := res.Messages[0].Content.(*mcp.TextContent).Text
	for _, tool := range tools.Tools {
		if tool.Name != "explain_change" && !strings.Contains(text, tool.Name) {
			t.Errorf("the prompt does not speak of %s", tool.Name)
		}
	}
	if !strings.HasPrefix(text, "The task: fix CVE-1\n") || len(tools.Tools) != 4 {
		t.Errorf("%d tools; %q", len(tools.Tools), text)
	}
}

// FuzzRequests: whatever is sent is answered, and nothing of it is taken that is no
// event.
func FuzzRequests(f *testing.F) {
	p, err := policy.Parse([]byte(rules))
	if err != nil {
		f.Fatal(err)
	}
	tools, err := New(Config{Policy: p})
	if err != nil {
		f.Fatal(err)
	}
	var t *testing.T
	handler := tools.Handler(Caller{Agent: "a", Accept: func(_ context.Context, e event.Event) error {
		err := producer.Check(e)
		if err != nil {
			t.Errorf("%s: %v", e.Data(), err)
		}
		return err
	}}, 1<<20)
	f.Add(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"record_decision","arguments":{"change":"acme/payments#1","trigger":{"kind":"scan"},"options":[{"id":"a","outcome":"chosen"}]}}}`)
	f.Add(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"check_authorization","arguments":{"paths":["a"],"repository":"github.com/a/b"}}}`)
	f.Add(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"attach_evidence","arguments":{"kind":"tests","content":"<testsuite/>","change":"acme/payments#1"}}}`)
	f.Add(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}`)
	f.Fuzz(func(now *testing.T, body string) {
		t = now
		r := httptest.NewRequest(http.MethodPost, "/mcp", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code >= http.StatusInternalServerError {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// Models write lists, objects and numbers as texts, at any depth. What is of another kind is
// refused in words that name what is wanted, and what is wanted as a text stays one.
func TestArgumentsAreReadAsTheyAreMeant(t *testing.T) {
	for name, paths := range map[string]any{"a list": []string{"docs/a.md", "src/pay.go"}, "as a text": `["docs/a.md", "src/pay.go"]`, "with white space": " [\n\"docs/a.md\",\"src/pay.go\"]\n"} {
		var got Authorization
		if refused := newDesk(t, nil).call(t, "check_authorization", map[string]any{"paths": paths}, &got); refused != "" || got.Verdict != record.ReviewRequired {
			t.Errorf("%s: %s %s", name, got.Verdict, refused)
		}
	}
	decision := map[string]any{"rationale": `["stays a text"]`, "options": []map[string]any{{"id": "a", "outcome": "chosen", "title": `{"t":1}`}}, "trigger": map[string]any{"kind": "scan", "id": "7"}}
	texts := map[string]any{
		"rationale": decision["rationale"], "options": `[{"id":"a","outcome":"chosen","title":"{\"t\":1}"}]`, "trigger": `{"kind":"scan","id":"7"}`,
	}
	inner := map[string]any{"rationale": decision["rationale"], "options": []string{`{"id":"a","outcome":"chosen","title":"{\"t\":1}"}`}, "trigger": decision["trigger"]}
	var want string
	for i, arguments := range []map[string]any{decision, texts, inner} {
		d := newDesk(t, nil)
		var got Recorded
		if refused := d.call(t, "record_decision", arguments, &got); refused != "" || len(d.taken) != 1 {
			t.Errorf("%d: %s", i, refused)
			continue
		}
		if data := string(d.taken[0].Data()); i == 0 {
			want = data
		} else if data != want {
			t.Errorf("recorded was %s\nwant %s", data, want)
		}
	}
	for _, c := range []struct {
		tool, says string
		arguments  map[string]any
	}{
		{"check_authorization", `paths: a text was given, but JSON of the type array is needed, as ["a", "b"]`, map[string]any{"paths": "src/a.go"}},
		{"check_authorization", "paths: a text was given", map[string]any{"paths": `{"a":1}`}},
		{"check_authorization", "paths: a text was given", map[string]any{"paths": `["a"`}},
		{"check_authorization", "paths: a text was given", map[string]any{"paths": ""}},
		{"record_decision", "options[0]: a text was given, but JSON of the type object is needed", map[string]any{"options": []string{"a"}}},
		{"record_decision", "trigger: a text was given", map[string]any{"trigger": `"{}"`}},
	} {
		d := newDesk(t, nil)
		if refused := d.call(t, c.tool, c.arguments, nil); !strings.Contains(refused, c.says) || len(d.taken) > 0 {
			t.Errorf("%v: it says %q, want %q", c.arguments, refused, c.says)
		}
	}
}
