package hook

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/agents"
	"github.com/changetrail/changetrail/agents/notes"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/files"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
)

// Kinds of agents whose hooks are read.
const (
	ClaudeCode = agents.ClaudeCode
	Codex      = agents.Codex
)

// Options state what hooks do not contain.
type Options struct {
	Agent       string // id of the agent; if empty, its kind
	DelegatedBy string // account of the person on whose machine it works
	LogsURL     string // URL of the log of a session; {session} is replaced by its id
}

// A Call is something that the agent did, as an event, and the line of the log that reports it.
type Call struct {
	Line  int // index
	Event event.Event
	fact  *record.Action
	asked *record.Request // instead of fact: what the person asked; fact says which change it belongs to
}

// Convert returns what an agent did in a session. The same lines always give the same events, and
// further lines add events. Lines that cannot be read are left out, see [notes.Session.Broken].
func Convert(s *notes.Session, o Options) []Call {
	c := converter{session: s, options: o, open: make(map[string]*opened)}
	for i, line := range s.Lines {
		if c.fallback == "" {
			c.fallback = record.Repository(line.Git.Repository)
		}
		if in, err := notes.ReadInput(line.Hook); err == nil {
			c.convert(place{line, i, in})
		}
	}
	for i := range c.out {
		if c.out[i].fact.Repository == "" {
			c.out[i].fact.Repository = string(c.fallback) // the agent began elsewhere
		}
		c.out[i].Event = c.event(&c.out[i])
	}
	return c.out
}

type converter struct {
	session  *notes.Session
	options  Options
	open     map[string]*opened
	order    []string // of the open calls
	model    string
	fallback record.Repository
	out      []Call
}

// An opened call has begun and has not ended.
type opened struct {
	line int
	in   *notes.Input
}

// A place is a line of a session, and the hook that was read from it.
type place struct {
	notes.Line
	i  int // index of the line
	in *notes.Input
}

// key returns the name of an open call: its id, or a name made from the line where it begins. Some
// versions of Claude Code send no ids; the end of a call then belongs to the first open call with the
// same tool and input.
func (c *converter) key(at place, call notes.ToolCall) string {
	if call.CallID != "" {
		return call.CallID
	}
	for _, key := range c.order {
		if in := c.open[key].in; in.CallID == "" && in.Tool == call.Tool && bytes.Equal(in.Input, call.Input) {
			return key
		}
	}
	return at.name()
}

// name is that of a call without an id that begins here.
func (at place) name() string { return agents.MessageID("line", strconv.Itoa(at.i+1)) }

func (c *converter) convert(at place) {
	in := at.in
	if in.Model != "" {
		c.model = in.Model
	}
	switch in.Event {
	case "UserPromptSubmit":
		c.addMessage(at, "prompt", &record.Action{Tool: "prompt", Outcome: "success", Arguments: agents.Bounded(object("prompt", in.Prompt))})
		c.ask(at)
	case "PreToolUse":
		id := cmp.Or(in.CallID, at.name())
		c.open[id] = &opened{at.i, in}
		c.order = append(c.order, id)
	case "PostToolUse":
		outcome := "success"
		switch {
		case agents.Failed(in.Response):
			outcome = "failure"
		case at.Kind == Codex: // Codex does not report how a command ended
			outcome = "unknown"
		}
		c.end(at, c.key(at, in.ToolCall), outcome, in.Response)
	case "PostToolUseFailure":
		c.end(at, c.key(at, in.ToolCall), "failure", jsontext.Value(object("error", in.Error)))
	case "PermissionDenied":
		c.end(at, c.key(at, in.ToolCall), "refused", jsontext.Value(object("error", in.Error)))
	case "PostToolBatch": // a call that was refused has no hook of its own
		for _, call := range in.Calls {
			id := c.key(at, call)
			if _, ok := c.open[id]; ok {
				c.end(at, id, "refused", call.Response)
			}
		}
	case "Stop", "SessionEnd":
		for _, id := range slices.Clone(c.order) {
			c.end(at, id, "unknown", nil)
		}
		if in.Answer != "" {
			c.addMessage(at, "answer", &record.Action{Tool: "answer", Outcome: "success", Result: agents.Bounded(object("text", in.Answer))})
		}
	}
}

func object(name, text string) record.RawJSON {
	b, _ := json.Marshal(map[string]string{name: text}, jsontext.AllowInvalidUTF8(true)) // of a text: cannot fail
	return b
}

// addMessage adds what is no call of a tool: a prompt or an answer.
func (c *converter) addMessage(at place, kind string, a *record.Action) {
	a.CallID = agents.MessageID(kind, cmp.Or(at.in.PromptID, at.in.TurnID, strconv.Itoa(at.i)))
	if slices.ContainsFunc(c.out, func(o Call) bool { return o.fact.CallID == a.CallID }) {
		a.CallID += fmt.Sprintf("-%d", at.i) // a turn that was stopped more than once
	}
	c.add(at, a)
}

// ask adds what a person asked, after the call that reports it: a decision names it as
// its trigger, by the digest of its text. That call contains the text itself, unless the
// settings leave it out.
func (c *converter) ask(at place) {
	said := c.out[len(c.out)-1]
	said.asked = &record.Request{
		Kind: "prompt", ID: cmp.Or(at.in.PromptID, at.in.TurnID), Author: c.options.DelegatedBy, Digest: cmp.Or(at.Asked, digests.Of([]byte(at.in.Prompt))),
	}
	fact := *said.fact
	fact.CallID = "asked-" + fact.CallID
	said.fact = &fact
	c.out = append(c.out, said)
}

// end closes a call.
func (c *converter) end(at place, id, outcome string, result jsontext.Value) {
	in, begun := at.in, c.open[id]
	if begun == nil {
		begun = &opened{at.i, in} // the hook for its beginning is not installed
	}
	delete(c.open, id)
	c.order = slices.DeleteFunc(c.order, func(o string) bool { return o == id })
	a := &record.Action{
		Tool: cmp.Or(begun.in.Tool, in.Tool, "unknown"), CallID: id, Outcome: outcome, Arguments: agents.Bounded(begun.in.Input), Result: agents.Bounded(result), DurationMS: max(0, in.DurationMS),
		Files: agents.Written(begun.in.Tool, begun.in.Input, at.Git.Root),
	}
	if outcome == "refused" || outcome == "failure" {
		a.Files = nil
	}
	if before := c.session.Lines[begun.line]; begun.line != at.i && made(before, at.Line) {
		a.CommitSHA = at.Git.Head
	}
	at.in = &notes.Input{Session: in.Session, AgentType: begun.in.AgentType, Transcript: in.Transcript}
	c.add(at, a)
}

// made reports whether a call made the commit at HEAD: HEAD moved during the call, and to a commit
// that was made during it. Pulling and checking out move HEAD, too.
func made(before, after notes.Line) bool {
	const slack = 2 * time.Second // commits have whole seconds
	return before.Git.Root == after.Git.Root && before.Git.Head != after.Git.Head && record.IsCommit(after.Git.Head) &&
		!after.Git.HeadAt.Before(before.At.Add(-slack)) && !after.Git.HeadAt.After(after.At.Add(slack))
}

func (c *converter) add(at place, a *record.Action) {
	in := at.in
	if c.model == "" && in.Transcript != "" {
		c.model = modelIn(in.Transcript)
	}
	a.Agent = record.Agent{
		ID: cmp.Or(c.options.Agent, at.Kind), Name: in.AgentType, Provider: agents.Provider(at.Kind), Model: c.model, Run: in.Session,
		LogsURL: strings.ReplaceAll(c.options.LogsURL, "{session}", in.Session), DelegatedBy: c.options.DelegatedBy,
	}
	a.Repository = string(at.Git.Repository)
	c.out = append(c.out, Call{Line: at.i, fact: a})
}

// event returns the event of a call. Session and call identify it.
func (c *converter) event(call *Call) event.Event {
	a := call.fact
	line := c.session.Lines[call.Line]
	var fact record.Fact = a
	if call.asked != nil {
		call.asked.Repository = a.Repository
		fact = call.asked
	}
	e := producer.Event("", fact)
	e.SetID(a.CallID)
	e.SetSource(agents.Source(line.Kind, a.Agent.Run))
	e.SetTime(line.At)
	if a.Repository != "" {
		e.SetExtension("partitionkey", a.Repository)
	}
	return e
}

// model matches the model of an answer in a transcript of Claude Code.
var model = regexp.MustCompile(`"model"\s*:\s*"([^"<>]{1,200})"`)

// modelIn returns the last model that a transcript names.
func modelIn(transcript string) string {
	f, err := files.Open(transcript)
	if err != nil {
		return ""
	}
	defer f.Close()
	const tail = 256 << 10
	if info, err := f.Stat(); err == nil && info.Size() > tail {
		_, _ = f.Seek(-tail, io.SeekEnd) // otherwise it is read from the beginning
	}
	var b bytes.Buffer
	_, _ = b.ReadFrom(io.LimitReader(f, tail)) // the part that can be read is enough
	all := model.FindAllSubmatch(b.Bytes(), -1)
	if len(all) == 0 {
		return ""
	}
	return string(all[len(all)-1][1])
}
