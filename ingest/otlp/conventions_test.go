package otlp

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/changetrail/changetrail/record"
)

type attrs = map[string]any

// spanOf returns a trace of one span, with attributes of its resource and of its own.
func spanOf(t *testing.T, name string, resource, own attrs) (ptrace.Traces, ptrace.Span) {
	t.Helper()
	traces := ptrace.NewTraces()
	rs := traces.ResourceSpans().AppendEmpty()
	s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	s.SetName(name)
	s.SetTraceID(pcommon.TraceID{1})
	s.SetSpanID(pcommon.SpanID{2})
	s.SetEndTimestamp(pcommon.NewTimestampFromTime(now.Add(-time.Hour)))
	if err := rs.Resource().Attributes().FromRaw(resource); err != nil {
		t.Fatal(err)
	}
	if err := s.Attributes().FromRaw(own); err != nil {
		t.Fatal(err)
	}
	return traces, s
}

// TestConventions: one fact, in the conventions of each framework.
func TestConventions(t *testing.T) {
	for _, c := range []struct {
		name     string
		span     string
		resource attrs
		own      attrs
		want     record.Span // but for its ids and its times
	}{
		{
			"a tool, by the semantic conventions", "execute_tool read", nil,
			attrs{"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "read", "gen_ai.tool.call.id": "c1", "gen_ai.tool.call.arguments": `{"path":"a.go"}`, "gen_ai.tool.call.result": "x", "gen_ai.provider.name": "anthropic"},
			record.Span{Kind: "tool", Tool: "read", CallID: "c1", Arguments: record.RawJSON(`{"path":"a.go"}`), Result: record.RawJSON(`"x"`), Provider: "anthropic", Outcome: "success"},
		},
		{
			"arguments that are a map and not a text", "execute_tool write_file", nil,
			attrs{"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.arguments": attrs{"path": "b.go"}},
			record.Span{Kind: "tool", Tool: "write_file", Arguments: record.RawJSON(`{"path":"b.go"}`), Files: []string{"b.go"}, Outcome: "success"},
		},
		{
			"the provider as older versions call it", "chat m", nil,
			attrs{"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "m"},
			record.Span{Kind: "model", Provider: "openai", Model: "m"},
		},
		{
			"the newer name wins", "chat m", nil,
			attrs{"gen_ai.operation.name": "chat", "gen_ai.system": "az.ai.openai", "gen_ai.provider.name": "azure.ai.openai", "gen_ai.request.model": "m"},
			record.Span{Kind: "model", Provider: "azure.ai.openai", Model: "m"},
		},
		{
			"an agent", "invoke_agent coder",
			attrs{"service.name": "fleet"},
			attrs{"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "coder", "gen_ai.agent.version": "7", "gen_ai.conversation.id": "s-1"},
			record.Span{Kind: "agent", AgentName: "coder", Version: "7", Service: "fleet", Run: "s-1"},
		},
		{
			"an agent that only the name of the span tells of", "invoke_agent coder", nil, nil,
			record.Span{Kind: "agent", AgentName: "coder"},
		},
		{
			"a plan", "plan", nil,
			attrs{"gen_ai.operation.name": "plan"},
			record.Span{Kind: "tool", Tool: "plan", Outcome: "success"},
		},
		{
			"a tool of a server of MCP", "tools/call search", nil,
			attrs{"mcp.method.name": "tools/call", "gen_ai.tool.name": "search", "mcp.session.id": "m"},
			record.Span{Kind: "tool", Tool: "search", Outcome: "success"},
		},
		{"another request of MCP", "tools/list", nil, attrs{"mcp.method.name": "tools/list"}, record.Span{Kind: "step"}},
		{
			"a tool of the Vercel AI SDK", "ai.toolCall", nil,
			attrs{"ai.toolCall.name": "grep", "ai.toolCall.id": "c2", "ai.toolCall.args": `{"q":"x"}`, "ai.toolCall.result": `["y"]`, "ai.telemetry.functionId": "triage"},
			record.Span{Kind: "tool", Tool: "grep", CallID: "c2", Arguments: record.RawJSON(`{"q":"x"}`), Result: record.RawJSON(`["y"]`), AgentName: "triage", Outcome: "success"},
		},
		{
			"its agent", "ai.generateText", nil,
			attrs{"ai.telemetry.functionId": "triage", "ai.model.id": "m"},
			record.Span{Kind: "agent", AgentName: "triage", Model: "m"},
		},
		{
			"its call of a model", "ai.generateText.doGenerate", nil,
			attrs{"ai.telemetry.functionId": "triage", "ai.model.id": "m"},
			record.Span{Kind: "model", AgentName: "triage", Model: "m"},
		},
		{
			"a tool of Google's ADK", "execute_tool lookup", nil,
			attrs{"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "lookup", "gcp.vertex.agent.tool_call_args": `{"id":1}`, "gcp.vertex.agent.tool_response": `{"ok":true}`, "gen_ai.system": "gcp.vertex.agent"},
			record.Span{Kind: "tool", Tool: "lookup", Arguments: record.RawJSON(`{"id":1}`), Result: record.RawJSON(`{"ok":true}`), Provider: "gcp.vertex.agent", Outcome: "success"},
		},
		{
			"a tool that failed", "execute_tool x", nil,
			attrs{"gen_ai.operation.name": "execute_tool", "error.type": "TimeoutError"},
			record.Span{Kind: "tool", Tool: "x", Outcome: "failure"},
		},
		{
			"where the agent works, by its resource", "step",
			attrs{
				"vcs.repository.url.full": "https://github.com/acme/payments.git", "vcs.change.id": "4829", "gen_ai.agent.id": "dep-bot",
				"changetrail.logs_url": "https://ci.example/1", "user.email": "mira@acme.example",
			},
			nil,
			record.Span{Kind: "step", Repository: "github.com/acme/payments", Change: "github.com/acme/payments/pull/4829", AgentID: "dep-bot", LogsURL: "https://ci.example/1", DelegatedBy: "mira@acme.example"},
		},
		{
			"a merge request", "step", nil,
			attrs{"vcs.repository.url.full": "git@gitlab.com:g/sub/p.git", "vcs.change.id": "!7"},
			record.Span{Kind: "step", Repository: "gitlab.com/g/sub/p", Change: "gitlab.com/g/sub/p/merge_requests/7"},
		},
		{"an agent's id is not taken from a span", "step", nil, attrs{"gen_ai.agent.id": "asst_1"}, record.Span{Kind: "step"}},
		{"a service that has no name", "step", attrs{"service.name": "unknown_service:python3"}, nil, record.Span{Kind: "step"}},
		{"a span of something else", "GET /", nil, attrs{"http.request.method": "GET"}, record.Span{Kind: "step"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			traces, _ := spanOf(t, c.span, c.resource, c.own)
			parts, refused := Spans(traces, now)
			if refused.Count > 0 || len(parts) != 1 || len(parts[0].Spans) != 1 {
				t.Fatalf("%d parts, refused %+v", len(parts), refused)
			}
			got := parts[0].Spans[0]
			got.ID, got.EndedAt = "", time.Time{}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSpansThatAreRefused(t *testing.T) {
	traces, s := spanOf(t, "x", nil, nil)
	s.SetTraceID(pcommon.TraceID{})
	if parts, refused := Spans(traces, now); len(parts) != 0 || refused.Count != 1 || !strings.Contains(refused.First.Error(), `span "x" has no trace id`) {
		t.Errorf("without a trace: %v, %+v", parts, refused)
	}
	traces, s = spanOf(t, "x", nil, nil)
	s.SetEndTimestamp(pcommon.NewTimestampFromTime(now.AddDate(1, 0, 0)))
	if parts, refused := Spans(traces, now); len(parts) != 0 || refused.Count != 1 || !strings.Contains(refused.First.Error(), "set the sender's clock") {
		t.Errorf("of next year: %v, %+v", parts, refused)
	}
}

func TestALargeExportIsSeveralParts(t *testing.T) {
	traces := ptrace.NewTraces()
	spans := traces.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for i := range 2500 {
		s := spans.AppendEmpty()
		s.SetTraceID(pcommon.TraceID{1})
		s.SetSpanID(pcommon.SpanID{byte(i), byte(i >> 8), 1})
	}
	parts, _ := Spans(traces, now)
	n := 0
	for _, p := range parts {
		if n += len(p.Spans); len(p.Spans) > maxSpans {
			t.Errorf("a part of %d spans", len(p.Spans))
		}
	}
	if n != 2500 || len(parts) < 3 {
		t.Errorf("%d spans in %d parts", n, len(parts))
	}
}

// TestLogs: numbers as texts and as numbers, and logs without a link to a change.
func TestLogs(t *testing.T) {
	whole := attrs{"session.id": "s", "tool_use_id": "t", "tool_name": "Bash", "success": "true", "duration_ms": "12", "tool_input": `{"command":"ls"}`}
	with := func(key string, v any) attrs {
		out := attrs{}
		for k, w := range whole {
			out[k] = w
		}
		if out[key] = v; v == nil {
			delete(out, key)
		}
		return out
	}
	for _, c := range []struct {
		name, event string
		own         attrs
		outcome     string // "": no action
		refused     string
	}{
		{"a result", "claude_code.tool_result", whole, "success", ""},
		{"its duration as a number", "claude_code.tool_result", with("duration_ms", 12), "success", ""},
		{"a success that is a boolean", "claude_code.tool_result", with("success", false), "failure", ""},
		{"a decision that let it happen: the result follows", "claude_code.tool_decision", with("decision", "accept"), "", ""},
		{"a decision that did not", "claude_code.tool_decision", with("decision", "reject"), "refused", ""},
		{"a request of a model", "claude_code.api_request", whole, "", ""},
		{"a log of another program", "http.request", whole, "", ""},
		{"no session", "claude_code.tool_result", with("session.id", nil), "", "names no session or no call"},
		{"no call", "claude_code.tool_result", with("tool_use_id", nil), "", "names no session or no call"},
	} {
		t.Run(c.name, func(t *testing.T) {
			logs := plog.NewLogs()
			l := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
			l.Body().SetStr(c.event)
			if err := l.Attributes().FromRaw(c.own); err != nil {
				t.Fatal(err)
			}
			out, refused := Logs(logs, now)
			switch {
			case c.refused != "":
				if refused.Count != 1 || !strings.Contains(refused.First.Error(), c.refused) {
					t.Errorf("refused %+v", refused)
				}
			case c.outcome == "":
				if len(out) != 0 || refused.Count != 0 {
					t.Errorf("%+v, refused %+v", out, refused)
				}
			case len(out) != 1 || out[0].Action.Outcome != c.outcome || out[0].ID != "t" || out[0].Source != "/claude-code/s" || !out[0].At.Equal(now):
				t.Errorf("%+v, refused %+v", out, refused)
			case c.outcome != "refused" && out[0].Action.DurationMS != 12:
				t.Errorf("it took %d ms", out[0].Action.DurationMS)
			}
		})
	}
}

// MCP states in the result that a call failed; the status of the span is then unset. It also counts
// if the result is too large to keep, is wrapped, or is not a text.
func TestTheResultSaysThatACallFailed(t *testing.T) {
	const failed = `{"isError":true,"content":[{"type":"text","text":"no"}]}`
	long := `{"content":[{"type":"text","text":"` + strings.Repeat("x", 300_000) + `"}],"isError":true}`
	for name, c := range map[string]struct {
		key    string
		value  any
		failed bool
	}{
		"the semantic conventions": {"gen_ai.tool.call.result", failed, true},
		"ADK":                      {"gcp.vertex.agent.tool_response", `{"result":` + failed + `}`, true},
		"Vercel":                   {"ai.toolCall.result", failed, true},
		"OpenInference":            {"output.value", failed, true},
		"too large to be kept":     {"gen_ai.tool.call.result", long, true},
		"a map":                    {"gen_ai.tool.call.result", map[string]any{"isError": true}, true},
		"one that went well":       {"gen_ai.tool.call.result", `{"isError":false,"content":[]}`, false},
		"a file that has the word": {"gen_ai.tool.call.result", `{"content":[{"type":"text","text":"{\"isError\":true}"}]}`, false},
	} {
		td, s := spanOf(t, "execute_tool write_file", nil, attrs{"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "write_file", "gen_ai.tool.call.arguments": `{"path":"a.go"}`})
		if m, is := c.value.(map[string]any); is {
			if err := s.Attributes().PutEmptyMap(c.key).FromRaw(m); err != nil {
				t.Fatal(err)
			}
		} else {
			s.Attributes().PutStr(c.key, c.value.(string))
		}
		parts, refused := Spans(td, now)
		if len(parts) != 1 {
			t.Fatalf("%s: %v", name, refused.First)
		}
		if got := parts[0].Spans[0]; (got.Outcome == "failure") != c.failed || (len(got.Files) == 0) != c.failed {
			t.Errorf("%s: outcome %s, files %v", name, got.Outcome, got.Files)
		}
	}
}
