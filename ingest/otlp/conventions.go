package otlp

import (
	"regexp"
	"strings"

	"github.com/changetrail/changetrail/agents"
	"github.com/changetrail/changetrail/record"
)

// Attributes with the same meaning, the most informative first.
var (
	toolName   = []string{"gen_ai.tool.name", "tool.name", "ai.toolCall.name", "tool_name"}
	callID     = []string{"gen_ai.tool.call.id", "tool_call.id", "ai.toolCall.id", "tool_use_id", "call_id"}
	arguments  = []string{"gen_ai.tool.call.arguments", "ai.toolCall.args", "ai.toolCall.input", "gcp.vertex.agent.tool_call_args", "tool_arguments", "tool_input", "input.value", "traceloop.entity.input"}
	result     = []string{"gen_ai.tool.call.result", "ai.toolCall.result", "ai.toolCall.output", "gcp.vertex.agent.tool_response", "tool_response", "output.value", "traceloop.entity.output"}
	agentName  = []string{"gen_ai.agent.name", "agent.name", "agent_name", "ai.telemetry.functionId"}
	ownName    = []string{"traceloop.association.properties.lc_agent_name", "metadata.lc_agent_name", "gen_ai.agent.name", "ai.telemetry.functionId"}
	agentBuild = []string{"gen_ai.agent.version"}
	provider   = []string{"gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system"}
	modelName  = []string{"gen_ai.request.model", "llm.model_name", "ai.model.id", "gen_ai.response.model", "model"}
	session    = []string{"gen_ai.conversation.id", "session.id", "conversation.id", "traceloop.association.properties.session_id", "traceloop.association.properties.thread_id", "metadata.session_id", "metadata.thread_id", "ai.telemetry.metadata.sessionId"}
	logsURL    = []string{"changetrail.logs_url", "cicd.pipeline.run.url.full"}
	delegate   = []string{"user.email", "enduser.id", "user.name"}
	repository = []string{"vcs.repository.url.full", "vcs.repository.url"}
	change     = []string{"vcs.change.id", "vcs.repository.change.id"}
	errorType  = []string{"error.type", "exception.type"}
)

// kinds maps the operations of the semantic conventions (gen_ai.operation.name) and the kinds of
// spans of OpenInference and OpenLLMetry to kinds of record.Span.
var kinds = map[string]map[string]string{
	"gen_ai.operation.name": {
		"execute_tool": record.SpanTool, "plan": record.SpanTool, "invoke_agent": record.SpanAgent,
		"chat": record.SpanModel, "generate_content": record.SpanModel, "text_completion": record.SpanModel,
	},
	"openinference.span.kind": {"TOOL": record.SpanTool, "AGENT": record.SpanAgent, "LLM": record.SpanModel},
	"traceloop.span.kind":     {"tool": record.SpanTool, "agent": record.SpanAgent},
	"mcp.method.name":         {"tools/call": record.SpanTool},
	"codex.tool.phase":        {"dispatch": record.SpanTool},
	"span.type":               {"tool": record.SpanTool, "interaction": record.SpanAgent, "llm_request": record.SpanModel}, // Claude Code
}

// kindOf returns the kind of a span.
func kindOf(name string, a attributes) string {
	for _, key := range []string{"gen_ai.operation.name", "openinference.span.kind", "traceloop.span.kind", "mcp.method.name", "codex.tool.phase", "span.type"} {
		if kind := kinds[key][a.text(key)]; kind != "" {
			return kind
		}
	}
	switch {
	case a.text("ai.toolCall.name") != "" || strings.HasPrefix(name, "execute_tool "):
		return record.SpanTool
	case strings.HasPrefix(name, "invoke_agent"):
		return record.SpanAgent
	case strings.HasPrefix(name, "ai.") && strings.Contains(name, ".do"):
		return record.SpanModel
	case strings.HasPrefix(name, "ai.") && a.text("ai.telemetry.functionId") != "":
		return record.SpanAgent
	case a.text("gen_ai.operation.name") == "" && (a.text("gen_ai.tool.name") != "" || a.text("tool.name") != ""):
		return record.SpanTool
	}
	return record.SpanStep
}

// callee returns the name of the tool that a span calls.
func callee(name string, a attributes) string {
	if tool := a.first(toolName); tool != "" {
		return tool
	}
	switch {
	case a.text("traceloop.span.kind") == "tool" && a.text("traceloop.entity.name") != "":
		return a.text("traceloop.entity.name")
	case a.text("gen_ai.operation.name") == "plan":
		return "plan"
	}
	for _, prefix := range []string{"execute_tool ", "tools/call "} {
		if tool, ok := strings.CutPrefix(name, prefix); ok {
			return tool
		}
	}
	return name
}

// agentOf returns the name of the agent of an agent's span, or "" if the span names none, as that
// of a workflow.
func agentOf(name string, a attributes) string {
	if v := a.first(agentName); v != "" {
		return v
	}
	if a.text("traceloop.span.kind") == "agent" {
		return a.text("traceloop.entity.name")
	}
	if a.text("span.type") == "interaction" {
		return agents.ClaudeCode
	}
	if agent, ok := strings.CutPrefix(name, "invoke_agent"); ok {
		return strings.TrimSpace(agent)
	}
	return ""
}

// repositoryOf returns the repository that attributes name, or "".
func repositoryOf(a attributes) record.Repository {
	for _, key := range repository {
		if repo, err := record.ParseRepository(a.text(key)); err == nil {
			return repo
		}
	}
	return ""
}

// changeOf returns the change of a repository that attributes name, or "".
func changeOf(a attributes, repo record.Repository) record.ChangeID {
	v := strings.TrimLeft(a.first(change), "#!")
	if v == "" || repo == "" {
		return ""
	}
	kind := "/pull/"
	if strings.HasPrefix(string(repo), "gitlab.") || a.text("vcs.provider.name") == "gitlab" {
		kind = "/merge_requests/"
	}
	id, err := record.ParseChange(string(repo) + kind + v)
	if err != nil {
		if id, err = record.ParseChange(v); err != nil {
			return ""
		}
	}
	return id
}

// opaque matches the digest by which Claude Code identifies a user.
var opaque = regexp.MustCompile(`^[0-9a-f]{64}$`)

// delegatedBy returns who asked the agent.
func delegatedBy(a attributes) string {
	for _, key := range append(delegate, "user.id") {
		if v := a.text(key); v != "" && !opaque.MatchString(v) {
			return v
		}
	}
	return ""
}
