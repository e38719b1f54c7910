package hook

import (
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/agents"
	"github.com/changetrail/changetrail/agents/notes"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

// Steering is what a hook does about verdicts of the policy. The zero value does nothing: the record
// is judged later.
type Steering struct {
	Policy    *policy.Policy
	Forbidden string // off, ask or deny
	Approval  string // where an approval is required: off, ask or deny
}

// Steer returns the message to the agent about a call before it is made, in the
// form that Claude Code and Codex read on standard output; nothing where it may go
// ahead as it is. kind is which of the two it is.
func (s Steering) Steer(kind string, in *notes.Input, git notes.Git, agent string) []byte {
	if s.Policy == nil || in.Event != "PreToolUse" {
		return nil
	}
	files := agents.Written(in.Tool, in.Input, git.Root)
	if len(files) == 0 {
		return nil // it changes nothing that the policy knows
	}
	v := s.Policy.Decide(policy.Request{Agent: agent, Repository: record.Repository(git.Repository), Paths: files})
	step := map[string]string{record.Forbidden: s.Forbidden, record.ApprovalRequired: s.Approval}[v.Verdict]
	reason := v.Reason
	switch {
	case step != settings.Ask && step != settings.Deny:
		return nil
	case step == settings.Ask && kind == Codex: // its hooks cannot ask (0.169)
		step, reason = settings.Deny, reason+"; ask the person for whom you work"
	}
	out, err := json.Marshal(map[string]any{"hookSpecificOutput": map[string]string{
		"hookEventName": in.Event, "permissionDecision": step,
		"permissionDecisionReason": fmt.Sprintf("changetrail: the policy says %s for %s (%s): %s", v.Verdict, files[0], v.Rule, reason),
	}}, json.Deterministic(true))
	if err != nil {
		return nil
	}
	return out
}
