package record

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// A Spans is a part of a trace of an agent, as telemetry sends it: spans that have not ended, and
// the agent to which they belong, come in later parts. [Performed] makes actions of it.
type Spans struct {
	Trace string `json:"trace" schema:"required,min=1,max=64" doc:"trace id, in hexadecimal digits"`
	Spans []Span `json:"spans" schema:"required,maxitems=5000"`
}

// Kinds of spans.
const (
	SpanAgent = "agent" // an agent at work
	SpanTool  = "tool"  // a call of a tool
	SpanModel = "model" // a call of a model
	SpanStep  = "step"  // anything else; its outcome is that of the call of which it is a step
)

// A Span is the part of a span that is kept: its place in the trace, and what it says about an
// agent and about a call.
type Span struct {
	ID        string    `json:"id" schema:"required,min=1,max=32"`
	Parent    string    `json:"parent,omitempty" schema:"max=32" doc:"omitted in the first span of a trace"`
	Remote    bool      `json:"remote,omitempty" doc:"the parent is in another process, which may export to another place"`
	Kind      string    `json:"kind" schema:"required,enum=agent|tool|model|step"`
	StartedAt time.Time `json:"started_at,omitzero"`
	EndedAt   time.Time `json:"ended_at" schema:"required"`

	AgentID     string `json:"agent_id,omitempty" schema:"max=256" doc:"the agent, by a credential or by the operator's configuration"`
	AgentName   string `json:"agent_name,omitempty" schema:"max=256" doc:"of an agent span: the name of the agent; of other spans: what they say about it, which is not always true"`
	Service     string `json:"service,omitempty" schema:"max=256" doc:"program that exported it, if nothing else names the agent"`
	Version     string `json:"version,omitempty" schema:"max=128"`
	Provider    string `json:"provider,omitempty" schema:"max=128"`
	Model       string `json:"model,omitempty" schema:"max=256"`
	Run         string `json:"run,omitempty" schema:"max=256" doc:"session or conversation"`
	LogsURL     string `json:"logs_url,omitempty" schema:"max=2048"`
	DelegatedBy string `json:"delegated_by,omitempty" schema:"max=256"`
	Repository  string `json:"repository,omitempty" schema:"max=512"`
	Change      string `json:"change,omitempty" schema:"max=1024"`

	Tool      string   `json:"tool,omitempty" schema:"max=256"`
	CallID    string   `json:"call_id,omitempty" schema:"max=256"`
	Arguments RawJSON  `json:"arguments,omitzero"`
	Result    RawJSON  `json:"result,omitzero"`
	Files     []string `json:"files,omitempty" schema:"maxitems=3000,max=1024"`
	Outcome   string   `json:"outcome,omitempty" schema:"enum=success|failure|refused|unknown"`
	// Source is the source of the same call when it is reported by other means, such as hooks.
	// The event of the call then has the id of the call.
	Source string `json:"source,omitempty" schema:"max=256"`
}

// A RunNamed says that something in a repository names a run of an agent: other events of that
// run belong there.
type RunNamed struct {
	Run        string `json:"run" schema:"required,min=1,max=2048" doc:"id, trace or address of the log of the run"`
	Repository string `json:"repository" schema:"required,min=1,max=512"`
}

// A Performance is an action that spans report.
type Performance struct {
	Span       string // id
	Source, ID string // identity of the event
	At         time.Time
	Repository Repository // "" if unknown
	Change     ChangeID
	Action     Action
}

// Performed returns the actions that the spans of a trace report. A call belongs to the nearest
// agent above it, whose span ends, and so arrives, after the call. A call is settled when all
// spans around it are known, or when over says that no more will come. calls are the spans in
// question, in any order. A settled call without an action in out is reported by an enclosing
// call.
func Performed(trace string, spans map[string]Span, calls []string, over bool) (out []Performance, settled []string) {
	t := newTree(trace, spans)
	for _, id := range calls {
		above, rooted := t.above(spans[id])
		if !rooted && !over {
			continue
		}
		settled = append(settled, id)
		if p, outer := t.action(spans[id], above); outer {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b Performance) int { return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Span, b.Span)) })
	return out, settled
}

// A tree is the known part of a trace.
type tree struct {
	trace string
	spans map[string]Span
	steps map[string][]Span // by call
	asked map[string][]Span // calls of models, by agent, in the order in which they ended
}

func newTree(trace string, spans map[string]Span) tree {
	t := tree{trace, spans, make(map[string][]Span), make(map[string][]Span)}
	for _, s := range spans {
		switch {
		case s.Kind == SpanStep && s.Outcome != "":
			t.steps[s.Parent] = append(t.steps[s.Parent], s)
		case s.Kind == SpanModel && s.Model != "":
			above, _ := t.above(s)
			who := nearestAgent(above).ID
			t.asked[who] = append(t.asked[who], s)
		}
	}
	for _, of := range []map[string][]Span{t.steps, t.asked} {
		for _, list := range of {
			slices.SortFunc(list, func(a, b Span) int { return cmp.Or(a.EndedAt.Compare(b.EndedAt), strings.Compare(a.ID, b.ID)) })
		}
	}
	return t
}

// action returns the action of a call. outer is false if a span above already reports the call,
// for example if an agent and its MCP client both do.
func (t tree) action(call Span, above []Span) (p Performance, outer bool) {
	who := nearestAgent(above)
	for _, s := range above {
		if s.Kind == SpanTool && s.Tool == call.Tool {
			return p, false
		}
		if s.ID == who.ID {
			break
		}
	}
	a := Action{Tool: call.Tool, CallID: call.CallID, Arguments: call.Arguments, Result: call.Result, Outcome: t.outcome(call), Files: call.Files}
	if ms := call.EndedAt.Sub(call.StartedAt).Milliseconds(); !call.StartedAt.IsZero() && ms > 0 {
		a.DurationMS = ms
	}
	p = Performance{Span: call.ID, Source: "/otel/" + t.trace, ID: call.ID, At: call.EndedAt}
	if call.Source != "" && call.CallID != "" {
		p.Source, p.ID = call.Source, call.CallID
	}
	first := func(get func(Span) string) string { // of the call, or of the nearest span above it
		if v := get(call); v != "" {
			return v
		}
		for _, s := range above {
			if v := get(s); v != "" {
				return v
			}
		}
		return ""
	}
	id := first(func(s Span) string { return s.AgentID })
	asked := t.model(call, who.ID)
	a.Agent = Agent{
		ID: id, Name: who.AgentName, Version: who.Version,
		Provider:    cmp.Or(asked.Provider, who.Provider, call.Provider),
		Model:       cmp.Or(who.Model, call.Model, asked.Model),
		Run:         first(func(s Span) string { return s.Run }),
		LogsURL:     first(func(s Span) string { return s.LogsURL }),
		DelegatedBy: first(func(s Span) string { return s.DelegatedBy }),
	}
	if a.Agent.ID == "" {
		a.Agent.ID = cmp.Or(who.AgentName, call.AgentName, call.Service, "unknown")
	}
	if a.Agent.Name == a.Agent.ID {
		a.Agent.Name = ""
	}
	p.Repository = Repository(first(func(s Span) string { return s.Repository }))
	if change := ChangeID(first(func(s Span) string { return s.Change })); change != "" && change.Repository() == p.Repository {
		p.Change = change
	}
	p.Action = a
	return p, true
}

// above returns the known spans that enclose a call, the nearest first. rooted reports whether
// all are known, or the agent is known and was called by another process.
func (t tree) above(call Span) (out []Span, rooted bool) {
	for s := call; ; {
		if s.Parent == "" {
			return out, true
		}
		next, known := t.spans[s.Parent]
		if !known || len(out) == len(t.spans) { // stop in a cycle
			return out, !known && s.Remote && nearestAgent(out).ID != ""
		}
		out = append(out, next)
		s = next
	}
}

// nearestAgent returns the first agent with a name, or a span without an id.
func nearestAgent(above []Span) Span {
	for _, s := range above {
		if s.Kind == SpanAgent && s.AgentName != "" {
			return s
		}
	}
	return Span{}
}

// outcome returns how a call ended; its steps are more reliable than the call itself.
func (t tree) outcome(call Span) string {
	out := cmp.Or(call.Outcome, "unknown")
	for _, s := range t.steps[call.ID] {
		if out = s.Outcome; out == "refused" {
			break
		}
	}
	return out
}

// model returns the last call of a model that an agent made before a call.
func (t tree) model(call Span, agent string) Span {
	asked := t.asked[agent]
	n, _ := slices.BinarySearchFunc(asked, call.EndedAt, func(s Span, at time.Time) int {
		if s.EndedAt.After(at) {
			return 1
		}
		return -1
	})
	if n == 0 {
		return Span{}
	}
	return asked[n-1]
}
