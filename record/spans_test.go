package record

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func at(second int) time.Time { return time.Date(2026, 11, 12, 3, 47, second, 0, time.UTC) }

func performed(over bool, spans ...Span) []string {
	all := make(map[string]Span)
	var calls []string
	for _, s := range spans {
		all[s.ID] = s
		if s.Kind == SpanTool {
			calls = append(calls, s.ID)
		}
	}
	out, settled := Performed("7", all, calls, over)
	var said []string
	for _, p := range out {
		a := p.Action
		said = append(said, fmt.Sprintf("%s: %s of %s %q by %s in %q: %s", p.Span, a.Tool, a.Agent.ID, a.Agent.Name, a.Agent.Model, a.Agent.Run, a.Outcome))
	}
	for _, id := range calls {
		open := true
		for _, s := range settled {
			open = open && s != id
		}
		if open {
			said = append(said, id+" waits")
		}
	}
	return said
}

func TestPerformed(t *testing.T) {
	root := Span{ID: "root", Kind: SpanAgent, EndedAt: at(20)} // openai-agents: the workflow is an agent without a name
	coder := Span{ID: "coder", Parent: "root", Kind: SpanAgent, AgentName: "coder", Run: "session-42", EndedAt: at(10)}
	turn := Span{ID: "turn", Parent: "coder", Kind: SpanStep, AgentName: "OpenAI Agent", EndedAt: at(9)}
	asked := Span{ID: "asked", Parent: "turn", Kind: SpanModel, Model: "m-1", EndedAt: at(2)}
	edit := Span{ID: "edit", Parent: "turn", Kind: SpanTool, Tool: "edit", AgentName: "OpenAI Agent", Service: "shop", EndedAt: at(3), Outcome: "success"}
	with := func(s Span, change func(*Span)) Span { change(&s); return s }
	for name, c := range map[string]struct {
		over  bool
		spans []Span
		want  []string
	}{
		"a call is of the nearest agent that has a name": {
			spans: []Span{edit, asked, turn, coder, root},
			want:  []string{`edit: edit of coder "" by m-1 in "session-42": success`},
		},
		"it waits while something above it is not known": {spans: []Span{edit, asked, turn, coder}, want: []string{"edit waits"}},
		"when nothing more comes, what it says itself is taken": {
			over: true, spans: []Span{edit}, want: []string{`edit: edit of OpenAI Agent "" by  in "": success`},
		},
		"the program stands for an agent that nothing names": {
			over: true, spans: []Span{with(edit, func(s *Span) { s.AgentName = "" })}, want: []string{`edit: edit of shop "" by  in "": success`},
		},
		"the agent of the credential is the agent, and the nearest one its name": {
			spans: []Span{with(edit, func(s *Span) { s.AgentID = "patch-pilot" }), turn, coder, root},
			want:  []string{`edit: edit of patch-pilot "coder" by  in "session-42": success`},
		},
		"an agent called by another program need not know of that": {
			spans: []Span{edit, turn, with(coder, func(s *Span) { s.Parent, s.Remote = "elsewhere", true })},
			want:  []string{`edit: edit of coder "" by  in "session-42": success`},
		},
		"a call served for another program waits for the agent there": {
			spans: []Span{with(edit, func(s *Span) { s.Parent, s.Remote = "elsewhere", true })}, want: []string{"edit waits"},
		},
		"a person refused it, as a step below says": {
			spans: []Span{edit, {ID: "a", Parent: "edit", Kind: SpanStep, Outcome: "refused", EndedAt: at(2)}, {ID: "b", Parent: "edit", Kind: SpanStep, Outcome: "success", EndedAt: at(3)}, turn, coder, root},
			want:  []string{`edit: edit of coder "" by  in "session-42": refused`},
		},
		"a call told by the agent and by its client counts once": {
			spans: []Span{edit, {ID: "mcp", Parent: "edit", Kind: SpanTool, Tool: "edit", EndedAt: at(3)}, turn, coder, root},
			want:  []string{`edit: edit of coder "" by  in "session-42": success`},
		},
		"an agent that is a tool of another works under its own name": {
			spans: []Span{edit, turn, with(coder, func(s *Span) { s.Parent = "ask" }), {ID: "ask", Parent: "boss", Kind: SpanTool, Tool: "edit", EndedAt: at(12)}, {ID: "boss", Kind: SpanAgent, AgentName: "boss", EndedAt: at(13)}},
			want:  []string{`edit: edit of coder "" by  in "session-42": success`, `ask: edit of boss "" by  in "": unknown`},
		},
		"a circle ends": {
			over: true, spans: []Span{with(edit, func(s *Span) { s.Parent = "turn" }), with(turn, func(s *Span) { s.Parent = "edit" })},
			want: nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, performed(c.over, c.spans...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestSettledCallsStaySettled adds the spans of random traces one after the other: the action of
// a settled call never changes later.
func TestSettledCallsStaySettled(t *testing.T) {
	for seed := range uint64(500) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		spans := []Span{{ID: "0", Kind: SpanAgent, AgentName: "a", Run: "r", Repository: "github.com/acme/shop", EndedAt: at(59)}}
		for i := 1; i < 2+rnd.IntN(12); i++ {
			s := Span{ID: fmt.Sprint(i), Parent: spans[rnd.IntN(len(spans))].ID, Kind: []string{SpanAgent, SpanTool, SpanStep}[rnd.IntN(3)], EndedAt: at(50 - i)}
			switch s.Kind {
			case SpanAgent:
				s.AgentName = []string{"", "b", "c"}[rnd.IntN(3)]
			case SpanTool:
				s.Tool = []string{"edit", "run"}[rnd.IntN(2)]
			}
			spans = append(spans, s)
		}
		all := make(map[string]Span)
		var calls []string
		for _, s := range spans {
			all[s.ID] = s
			if s.Kind == SpanTool {
				calls = append(calls, s.ID)
			}
		}
		whole, settled := Performed("7", all, calls, false)
		if len(settled) != len(calls) {
			t.Fatalf("seed %d: the trace is complete, and %d of %d calls are settled", seed, len(settled), len(calls))
		}
		rnd.Shuffle(len(spans), func(i, j int) { spans[i], spans[j] = spans[j], spans[i] })
		known, open := make(map[string]Span), make(map[string]bool)
		got := make(map[string]Performance)
		for _, s := range spans {
			known[s.ID] = s
			if s.Kind == SpanTool {
				open[s.ID] = true
			}
			var ask []string
			for id := range open {
				ask = append(ask, id)
			}
			out, settled := Performed("7", known, ask, false)
			for _, id := range settled {
				delete(open, id)
			}
			for _, p := range out {
				got[p.Span] = p
			}
		}
		want := make(map[string]Performance)
		for _, p := range whole {
			want[p.Span] = p
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d (-whole +bit by bit):\n%s", seed, diff)
		}
	}
}
