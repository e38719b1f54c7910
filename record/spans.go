package record

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// A Spans is a part of a trace of an agent, as telemetry brings it: what is under
// way at the end of a part, and the agent that it belongs to, stand in later ones.
// [Performed] makes actions of it.
type Spans struct {
	Trace string `json:"trace" schema:"required,min=1,max=64" doc:"trace id, in hexadecimal digits"`
	Spans []Span `json:"spans" schema:"required,maxitems=5000"`
}

// Kinds of spans.
const (
	SpanAgent = "agent" // an agent at work
	SpanTool  = "tool"  // a call of a tool
	SpanModel = "model" // a call of a model
	SpanStep  = "step"  // anything else; outcome says how the call ended that it is a step of
)

// A Span is what is kept of a span: its place in the trace, and what it says of an
// agent and of a call.
type Span struct {
	ID        string    `json:"id" schema:"required,min=1,max=32"`
	Parent    string    `json:"parent,omitempty" schema:"max=32" doc:"left out of the first span of a trace"`
	Remote    bool      `json:"remote,omitempty" doc:"the parent is of another process, which perhaps exports to elsewhere"`
	Kind      string    `json:"kind" schema:"required,enum=agent|tool|model|step"`
	StartedAt time.Time `json:"started_at,omitzero"`
	EndedAt   time.Time `json:"ended_at" schema:"required"`

	AgentID     string `json:"agent_id,omitempty" schema:"max=256" doc:"the agent that a credential or the operator says it is"`
	AgentName   string `json:"agent_name,omitempty" schema:"max=256" doc:"of an agent span: the agent's; of others: what they say of it, which is not always true"`
	Service     string `json:"service,omitempty" schema:"max=256" doc:"program that exported it, where nothing else names the agent"`
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
	Arguments Free     `json:"arguments,omitzero"`
	Result    Free     `json:"result,omitzero"`
	Files     []string `json:"files,omitempty" schema:"maxitems=3000,max=1024"`
	Outcome   string   `json:"outcome,omitempty" schema:"enum=success|failure|refused|unknown"`
	// Source is where the same call is told of by other means, as hooks: then its
	// event has the id of the call.
	Source string `json:"source,omitempty" schema:"max=256"`
}

// A RunNamed says that something in a repository names a run of an agent: what else
// is told of that run belongs there.
type RunNamed struct {
	Run        string `json:"run" schema:"required,min=1,max=2048" doc:"id, trace or address of the log of the run"`
	Repository string `json:"repository" schema:"required,min=1,max=512"`
}

// A Performance is an action that spans tell of.
type Performance struct {
	Span       string // id
	Source, ID string // identity of the event
	At         time.Time
	Repository Repository // "" where none is known
	Change     ChangeID
	Action     Action
}

// Performed returns the actions that the spans of a trace tell of. A call belongs to
// the nearest agent above it, which ends, and so is told of, after the call. One is
// settled when all that it lies in is known, or when over says that no more comes.
// calls are the spans that are asked about, in whatever order; of those that are
// settled and not in out an outer one tells.
func Performed(trace string, spans map[string]Span, calls []string, over bool) (out []Performance, settled []string) {
	t := newTree(trace, spans)
	for _, id := range calls {
		above, rooted := t.above(spans[id])
		if !rooted && !over {
			continue
		}
		settled = append(settled, id)
		if p, outer := t.perform(spans[id], above); outer {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b Performance) int { return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Span, b.Span)) })
	return out, settled
}

// A tree is a trace, as far as it is known.
type tree struct {
	trace string
	spans map[string]Span
	steps map[string][]Span // of a call
	asked map[string][]Span // calls of models, by agent, in the order of their ends
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

// perform returns the action that a call is; not outer: it is the inner account of one
// that a span above tells of, as where an agent and its client of MCP both do.
func (t tree) perform(call Span, above []Span) (p Performance, outer bool) {
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
	first := func(get func(Span) string) string { // of the call, or of what stands nearest above it
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

// above returns the spans that call lies in, the nearest first, as far as they are
// known; rooted: all of them are, or its agent is and what called the agent is another
// process.
func (t tree) above(call Span) (out []Span, rooted bool) {
	for s := call; ; {
		if s.Parent == "" {
			return out, true
		}
		next, known := t.spans[s.Parent]
		if !known || len(out) == len(t.spans) { // a circle ends
			return out, !known && s.Remote && nearestAgent(out).ID != ""
		}
		out = append(out, next)
		s = next
	}
}

// nearestAgent returns the first agent that has a name, or a span without an id.
func nearestAgent(above []Span) Span {
	for _, s := range above {
		if s.Kind == SpanAgent && s.AgentName != "" {
			return s
		}
	}
	return Span{}
}

// outcome is how a call ended: its steps know better than itself.
func (t tree) outcome(call Span) string {
	out := cmp.Or(call.Outcome, "unknown")
	for _, s := range t.steps[call.ID] {
		if out = s.Outcome; out == "refused" {
			break
		}
	}
	return out
}

// model is the call of a model that an agent made last before a call.
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
