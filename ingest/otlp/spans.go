package otlp

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/changetrail/changetrail/agents"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// A Refused says how many spans or logs cannot be accepted, and why, as the partial success of OTLP
// does.
type Refused struct {
	Count int64
	First error // the error of the first of them
}

// Add counts one more refusal.
func (r *Refused) Add(err error) {
	if r.Count++; r.First == nil {
		r.First = err
	}
}

// Limits on one part of a trace: unless a call is very large by itself, a part travels within its
// event and needs no blob (schemas.ClaimCheckSize).
const (
	maxSpans = 1000
	maxBytes = 48 << 10
)

// Spans returns the relevant content of spans that were exported together: parts of traces, in the
// order in which they begin.
func Spans(in ptrace.Traces, now time.Time) (out []*record.Spans, refused Refused) {
	open := make(map[string]*record.Spans) // the part of a trace that is being filled
	size := make(map[string]int)
	for _, rs := range in.ResourceSpans().All() {
		resource := rs.Resource().Attributes()
		for _, ss := range rs.ScopeSpans().All() {
			for _, s := range ss.Spans().All() {
				trace := s.TraceID().String()
				kept, err := reduce(s, resource, now)
				if err != nil {
					refused.Add(err)
					continue
				}
				n := 400 + len(kept.Arguments) + len(kept.Result) + 64*len(kept.Files)
				part := open[trace]
				if part == nil || len(part.Spans) == maxSpans || size[trace]+n > maxBytes {
					part = &record.Spans{Trace: trace}
					open[trace], size[trace] = part, 0
					out = append(out, part)
				}
				part.Spans = append(part.Spans, kept)
				size[trace] += n
			}
		}
	}
	return out, refused
}

// reduce returns the relevant content of a span.
func reduce(s ptrace.Span, resource pcommon.Map, now time.Time) (record.Span, error) {
	if s.TraceID().IsEmpty() || s.SpanID().IsEmpty() {
		return record.Span{}, fmt.Errorf("span %q has no trace id or no span id", s.Name())
	}
	a := attributesOf(s.Attributes(), resource)
	out := record.Span{
		ID: s.SpanID().String(), Parent: s.ParentSpanID().String(), Remote: s.Flags()&remoteParent == remoteParent, Kind: kindOf(s.Name(), a),
		StartedAt: timeOf(s.StartTimestamp()), EndedAt: timeOf(cmp.Or(s.EndTimestamp(), s.StartTimestamp())),
	}
	if out.EndedAt.IsZero() {
		out.EndedAt = now.UTC()
	}
	if err := schemas.CheckClock(out.EndedAt, now); err != nil {
		return out, fmt.Errorf("span %q: %w", s.Name(), err)
	}
	if s.Name() == "claude_code.tool.execution" || s.Name() == "claude_code.tool.blocked_on_user" {
		out.Outcome = stepOfClaudeCode(s.Name(), a)
	}
	describe(&out, a)
	switch out.Kind {
	case record.SpanAgent:
		out.AgentName = clip(agentOf(s.Name(), a), 256)
		out.Version = clip(a.first(agentBuild), 128)
	case record.SpanTool:
		call(&out, s, a)
	}
	return out, nil
}

// remoteParent are the flags of a span whose parent is in another process (OTLP SpanFlags: the
// remoteness is known, and it is remote).
const remoteParent = 0x300

func timeOf(t pcommon.Timestamp) time.Time {
	if t == 0 {
		return time.Time{}
	}
	return t.AsTime().UTC()
}

// describe sets what spans of any kind say about the agent and its repository.
func describe(out *record.Span, a attributes) {
	if v, ok := a.resource.Get("gen_ai.agent.id"); ok { // of the whole program: its operator set it
		out.AgentID = clip(v.AsString(), 256)
	}
	if service := a.text("service.name"); !strings.HasPrefix(service, "unknown_service") { // default of the SDK
		out.Service = clip(service, 256)
	}
	out.AgentName = clip(a.first(ownName), 256)
	out.Provider, out.Model = clip(a.first(provider), 128), clip(a.first(modelName), 256)
	out.Run, out.LogsURL, out.DelegatedBy = clip(a.first(session), 256), clip(a.first(logsURL), 2048), clip(delegatedBy(a), 256)
	repo := repositoryOf(a)
	out.Repository, out.Change = string(repo), string(changeOf(a, repo))
}

// call sets the tool call of a span.
func call(out *record.Span, s ptrace.Span, a attributes) {
	out.Tool, out.CallID = clip(cmp.Or(callee(s.Name(), a), "unknown"), 256), clip(a.first(callID), 256)
	out.Arguments, out.Result = a.content(arguments), a.content(result)
	for _, e := range s.Events().All() { // Claude Code
		if e.Name() == "tool.output" && out.Result == nil {
			if b, err := json.Marshal(e.Attributes().AsRaw(), json.Deterministic(true)); err == nil {
				out.Result = agents.Bounded(b)
			}
		}
	}
	switch {
	case s.Status().Code() == ptrace.StatusCodeError || a.first(errorType) != "" || a.text("gen_ai.task.status") == "failure":
		out.Outcome = "failure"
		if out.Result == nil && s.Status().Message() != "" {
			b, _ := json.Marshal(map[string]string{"error": s.Status().Message()}) // cannot fail: texts of OTLP are valid
			out.Result = agents.Bounded(b)
		}
	case a.text("codex.tool.phase") != "": // the log of the same call says more
		out.Outcome, out.AgentName = "unknown", agents.Codex
		if out.Run != "" && out.CallID != "" {
			out.Source = clip(agents.Source(agents.Codex, out.Run), 256)
		}
	case a.text("span.type") == "tool": // of Claude Code: its steps say how it ended
		out.Outcome = "unknown"
		for _, named := range [][2]string{{"file_path", "file_path"}, {"full_command", "command"}} {
			if v := a.text(named[0]); v != "" {
				b, _ := json.Marshal(map[string]string{named[1]: v}) // cannot fail: the text is valid
				out.Arguments = agents.Bounded(b)
			}
		}
		if out.Run != "" && out.CallID != "" {
			out.Source = clip(agents.Source(agents.ClaudeCode, out.Run), 256)
		}
	case a.failed(result):
		out.Outcome = "failure"
	default:
		out.Outcome = "success"
	}
	unwrapLangChain(out)
	if out.Outcome != "failure" {
		out.Files = agents.Written(out.Tool, out.Arguments, "")
	}
}

// stepOfClaudeCode returns how a call ended, by its step.
func stepOfClaudeCode(name string, a attributes) string {
	switch {
	case name == "claude_code.tool.blocked_on_user" && a.text("decision") == "reject":
		return "refused"
	case name == "claude_code.tool.execution" && a.text("success") == "true":
		return "success"
	case name == "claude_code.tool.execution" && a.text("success") == "false":
		return "failure"
	}
	return ""
}

// unwrapLangChain extracts arguments and result from the wrappers of LangChain's callbacks, and
// with them the id of the call and how it ended.
func unwrapLangChain(out *record.Span) {
	type message struct {
		Content jsontext.Value `json:"content"`
		CallID  string         `json:"tool_call_id"`
		Status  string         `json:"status"`
	}
	var arguments struct {
		Inputs jsontext.Value `json:"inputs"`
		Input  *string        `json:"input_str"`
	}
	if json.Unmarshal(out.Arguments, &arguments) == nil && arguments.Input != nil {
		if out.Arguments = contentOf(*arguments.Input); len(arguments.Inputs) > 0 {
			out.Arguments = record.RawJSON(slices.Clone(arguments.Inputs))
		}
	}
	var result struct {
		Type   string  `json:"type"`
		Data   message `json:"data"` // OpenInference
		Output struct {
			Kwargs message `json:"kwargs"` // OpenLLMetry
		} `json:"output"`
	}
	if json.Unmarshal(out.Result, &result) != nil {
		return
	}
	m := result.Data
	if m.CallID == "" || result.Type != "tool" {
		m = result.Output.Kwargs
	}
	if m.CallID == "" {
		return
	}
	if out.CallID == "" {
		out.CallID = clip(m.CallID, 256)
	}
	if len(m.Content) > 0 {
		out.Result = record.RawJSON(slices.Clone(m.Content))
	}
	if m.Status == "error" || agents.Failed(m.Content) {
		out.Outcome = "failure"
	}
}
