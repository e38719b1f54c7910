package otlp

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/changetrail/changetrail/agents"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// A Log is an action that a log reports.
type Log struct {
	Source, ID string // identity of the event, the same as for the hooks of that product
	At         time.Time
	Trace      string // traceparent, "" if it belongs to none
	Repository record.Repository
	Change     record.ChangeID
	Agent      string // id of the agent, if its operator states one
	Action     *record.Action
}

// Logs returns the actions that logs report. Other logs are dropped.
func Logs(in plog.Logs, now time.Time) (out []Log, refused Refused) {
	for _, rl := range in.ResourceLogs().All() {
		resource := rl.Resource().Attributes()
		for _, sl := range rl.ScopeLogs().All() {
			for _, l := range sl.LogRecords().All() {
				a := attributesOf(l.Attributes(), resource)
				switch log, err := read(l, a, now); {
				case err != nil:
					refused.Add(err)
				case log != nil:
					out = append(out, *log)
				}
			}
		}
	}
	return out, refused
}

// read returns the action of one log, or nil if it reports none.
func read(l plog.LogRecord, a attributes, now time.Time) (*Log, error) {
	name := cmp.Or(a.text("event.name"), l.EventName(), l.Body().AsString())
	product, event := agents.ClaudeCode, ""
	for _, p := range []struct{ prefix, product string }{{"claude_code.", agents.ClaudeCode}, {"codex.", agents.Codex}} {
		for _, n := range []string{name, l.Body().AsString()} {
			if v, ok := strings.CutPrefix(n, p.prefix); ok && event == "" {
				product, event = p.product, v
			}
		}
	}
	if event == "" && a.text("service.name") == agents.ClaudeCode {
		event = name
	}
	action, id := actionOf(product, event, a)
	if action == nil {
		return nil, nil
	}
	run := a.first(session)
	if run == "" || id == "" {
		return nil, fmt.Errorf("log %s: it names no session or no call, so that it cannot be linked to a change", name)
	}
	action.Agent = record.Agent{
		ID: clip(product, 256), Model: clip(a.text("model"), 256), Run: clip(run, 256),
		LogsURL: clip(a.first(logsURL), 2048), DelegatedBy: clip(delegatedBy(a), 256),
		Provider: agents.Provider(product),
	}
	stated := ""
	if v, ok := a.resource.Get("gen_ai.agent.id"); ok {
		stated = clip(v.AsString(), 256)
		action.Agent.ID = cmp.Or(stated, product)
	}
	action.CallID = clip(id, 256)
	repo := repositoryOf(a)
	out := &Log{
		Source: agents.Source(product, action.Agent.Run), ID: action.CallID, At: timeOf(cmp.Or(l.Timestamp(), l.ObservedTimestamp())),
		Repository: repo, Change: changeOf(a, repo), Agent: stated, Action: action,
	}
	if out.At.IsZero() {
		out.At = now.UTC()
	}
	if err := schemas.CheckClock(out.At, now); err != nil {
		return nil, fmt.Errorf("log %s: %w", name, err)
	}
	if !l.TraceID().IsEmpty() && !l.SpanID().IsEmpty() {
		out.Trace = "00-" + l.TraceID().String() + "-" + l.SpanID().String() + "-01"
	}
	return out, nil
}

// actionOf returns the action that an event of a product reports, and the id of the call.
func actionOf(product, event string, a attributes) (*record.Action, string) {
	id := a.first(callID)
	action := &record.Action{Tool: clip(cmp.Or(a.first(toolName), "unknown"), 256), Arguments: a.content([]string{"arguments", "tool_input", "tool_parameters"})}
	switch event {
	case "tool_result":
		if action.Outcome = ended(product, a); action.Outcome == "success" && a.failed([]string{"output"}) {
			action.Outcome = "failure"
		}
		if ms, err := strconv.ParseInt(a.text("duration_ms"), 10, 64); err == nil {
			action.DurationMS = max(0, ms)
		}
		if action.Result = a.content([]string{"output"}); action.Result == nil && a.text("error") != "" {
			b, _ := json.Marshal(map[string]string{"error": a.text("error")}) // cannot fail: the text is valid
			action.Result = agents.Bounded(b)
		}
		if action.Outcome == "success" {
			action.Files = agents.Written(action.Tool, action.Arguments, "")
		}
		return action, id
	case "tool_decision":
		switch a.text("decision") {
		case "reject", "denied", "abort": // no result follows
			action.Outcome = "refused"
			return action, id
		}
	case "user_prompt":
		prompt := a.text("prompt.id")
		if prompt == "" { // of Codex: it cannot be distinguished from the hook's report
			return nil, ""
		}
		b, _ := json.Marshal(map[string]string{"prompt": a.text("prompt")}) // cannot fail: the text is valid
		return &record.Action{Tool: "prompt", Outcome: "success", Arguments: agents.Bounded(b)}, agents.MessageID("prompt", prompt)
	}
	return nil, ""
}

var (
	// exited matches the end of a command in its result as Codex writes it. Codex counts a command
	// that ran as a success, whatever its exit code.
	exited = regexp.MustCompile(`(?m)^Process exited with code (\d+)`)
	// rejected matches the result of a call that was not made.
	rejected = regexp.MustCompile(`rejected by user|reject command`)
)

// ended returns how a call ended.
func ended(product string, a attributes) string {
	output := ""
	if product == agents.Codex {
		output = a.text("output")
	}
	switch success := a.text("success"); {
	case success == "false" && rejected.MatchString(output):
		return "refused"
	case success == "false":
		return "failure"
	case success != "true":
		return "unknown"
	}
	if m := exited.FindStringSubmatch(output); m != nil && m[1] != "0" {
		return "failure"
	}
	return "success"
}
