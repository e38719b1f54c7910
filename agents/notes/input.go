package notes

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/agents/product"
)

// An Input is what is read of a hook
// (https://docs.claude.com/en/docs/claude-code/hooks; Codex has the same members).
type Input struct {
	Session    string `json:"session_id"`
	Event      string `json:"hook_event_name"`
	Cwd        string `json:"cwd"`
	Transcript string `json:"transcript_path"`
	PromptID   string `json:"prompt_id"`
	TurnID     string `json:"turn_id"` // Codex
	Prompt     string `json:"prompt"`
	Model      string `json:"model"` // Codex
	AgentID    string `json:"agent_id"`
	AgentType  string `json:"agent_type"` // within a sub-agent
	ToolCall
	Error      string     `json:"error"`
	DurationMS int64      `json:"duration_ms"`
	Answer     string     `json:"last_assistant_message"`
	Calls      []ToolCall `json:"tool_calls"`
}

// A ToolCall is what a hook says of a call of a tool.
type ToolCall struct {
	Tool     string         `json:"tool_name"`
	CallID   string         `json:"tool_use_id"`
	Input    jsontext.Value `json:"tool_input"`
	Response jsontext.Value `json:"tool_response"`
}

// ReadInput reads a hook.
func ReadInput(text []byte) (*Input, error) {
	in := new(Input)
	if err := json.Unmarshal(text, in, jsontext.AllowInvalidUTF8(true)); err != nil {
		return nil, fmt.Errorf("what the agent hands over on standard input is no hook in JSON: %w", err)
	}
	if in.Session == "" || in.Event == "" {
		return nil, fmt.Errorf("the hook has no session_id or no hook_event_name; is this command set as a hook of %s?", product.ClaudeCode)
	}
	return in, nil
}
