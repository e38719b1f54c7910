package mcp

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json"
	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/changetrail/changetrail/gate/ask"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// A Config is what all servers share.
type Config struct {
	Version string // of changetrail
	// Policy says who may change what. Without rules the answers say that nothing is known.
	Policy *policy.Policy
	// Explain returns the story of a change in words; nil if no records are accessible.
	Explain func(ctx context.Context, id record.ChangeID) (*Explained, error)
	// ReadFile lets attach_evidence read files; nil if the agent runs on another machine.
	ReadFile func(name string) ([]byte, error)
	Now      func() time.Time
}

// A Caller is an agent that calls, and what is known of it before the first call.
type Caller struct {
	// Accept puts an event on the stream, or returns why it cannot.
	Accept func(ctx context.Context, e event.Event) error
	// Agent is the id in the credential or the configuration. If it is empty, the agent or its
	// program says who it is.
	Agent       string
	Repository  record.Repository // in which it works
	Run, Model  string
	LogsURL     string
	DelegatedBy string
	// MayRead refuses changes of repositories that the caller may not read; nil if it may read all.
	MayRead func(ctx context.Context, id record.ChangeID, of record.Repository) error
	// Ask asks the gate whether an action may be done, and waits up to a time for a missing approval;
	// nil if no gate can be asked.
	Ask func(ctx context.Context, a ask.Action, wait time.Duration) (ask.Answer, error)
}

const instructions = `changetrail records why code is changed, for auditors. Before you change files, call ` +
	`check_authorization. When you have decided what to do, and before you commit, call record_decision, add what it ` +
	`says is missing, and put the trailers that it returns at the end of the commit message.`

// Tools serve callers. Parts that are the same for all callers are made once.
type Tools struct {
	Config
	inputs map[string]*jsonschema.Schema // of tools, by name
	cache  *mcp.SchemaCache
}

// New returns the tools.
func New(c Config) (*Tools, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	t := &Tools{Config: c, inputs: make(map[string]*jsonschema.Schema), cache: mcp.NewSchemaCache()}
	for name, of := range map[string]reflect.Type{
		"check_authorization": reflect.TypeFor[Question](), "record_decision": reflect.TypeFor[Decision](), "attach_evidence": reflect.TypeFor[Report](), "explain_change": reflect.TypeFor[Subject](),
	} {
		text, err := json.Marshal(schemas.Schema(of))
		if err != nil {
			return nil, fmt.Errorf("tool %s: %w", name, err)
		}
		t.inputs[name] = new(jsonschema.Schema)
		if err := t.inputs[name].UnmarshalJSON(text); err != nil {
			return nil, fmt.Errorf("tool %s: %w", name, err)
		}
	}
	return t, nil
}

// For returns a server for one caller.
func (t *Tools) For(who Caller) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "changetrail", Title: "changetrail", Version: t.Version}, &mcp.ServerOptions{Instructions: instructions, SchemaCache: t.cache})
	s.AddReceivingMiddleware(t.asMeant)
	h := &handlers{Config: t.Config, Caller: who}
	no := false
	tool := func(name, title, description string, hints mcp.ToolAnnotations) *mcp.Tool {
		hints.Title = title
		return &mcp.Tool{Name: name, Title: title, Description: description, Annotations: &hints, InputSchema: t.inputs[name]}
	}
	reads := mcp.ToolAnnotations{ReadOnlyHint: true, OpenWorldHint: &no}
	writes := mcp.ToolAnnotations{DestructiveHint: &no, OpenWorldHint: &no}
	add(s, tool("check_authorization", "May I change this without a person?",
		"Ask, before you change anything, whether the policy lets you change these paths without a person. If it does not, the answer says what to do.", reads), h.checkAuthorization)
	add(s, tool("record_decision", "Record what was decided, and why",
		"Record, before you commit, what made you start, which options you considered, which one you chose, and why not the others. It returns what an auditor would miss, so that you can complete the decision and record it again, and the Git trailers for your commit.", writes), h.recordDecision)
	add(s, tool("attach_evidence", "Attach a report",
		"Attach the report of a scanner or of a test run, as the tool wrote it. It returns the digest to state in trigger.digest. A report that the CI job sends itself proves more.", writes), h.attachEvidence)
	add(s, tool("explain_change", "What is known about a change?",
		"Show what is recorded about a change: what its agent saw, decided and did, what validated it, who approved it, and what is missing.", reads), h.explainChange)
	s.AddPrompt(&mcp.Prompt{
		Name: "record_why", Title: "Work so that an auditor can follow", Description: "How to use the tools of changetrail while changing code",
		Arguments: []*mcp.PromptArgument{{Name: "task", Description: "what is to be done"}},
	}, prompt)
	return s
}

// Handler answers one caller over streamable HTTP. Each request is independent, so that any process
// may answer it. The caller of Handler checks the host of a request.
func (t *Tools) Handler(who Caller, maxBody int64) http.Handler {
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return t.For(who) },
		&mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true, MaxRequestBodyBytes: maxBody, DisableLocalhostProtection: true})
}

// Serve answers one caller on standard input and output, until it closes them.
func (t *Tools) Serve(ctx context.Context, who Caller, in io.ReadCloser, out io.WriteCloser) error {
	return t.For(who).Run(ctx, &mcp.IOTransport{Reader: in, Writer: out})
}

// add adds a tool to s, whose calls f answers.
func add[In, Out any](s *mcp.Server, tool *mcp.Tool, f func(context.Context, *mcp.CallToolRequest, *In) (Out, error)) {
	mcp.AddTool(s, tool,
		func(ctx context.Context, req *mcp.CallToolRequest, in In) (*mcp.CallToolResult, Out, error) {
			if err := schemas.CheckAs(tool.Name, &in); err != nil {
				var none Out
				return nil, none, err
			}
			out, err := f(ctx, req, &in)
			return nil, out, err
		})
}

// handlers answer the tools, for one caller.
type handlers struct {
	Config
	Caller

	mu    sync.Mutex
	scans []*record.Scan // attached here, with their findings
}

// agent returns who calls: the agent of the credential or the configuration, or else the one that the
// call states, or else the name of the program.
func (h *handlers) agent(req *mcp.CallToolRequest, said string) (string, error) {
	switch {
	case h.Agent != "" && said != "" && said != h.Agent:
		return "", fmt.Errorf("agent %q: your credential says that you are %s; omit agent", said, h.Agent)
	case h.Agent != "":
		return h.Agent, nil
	case said != "":
		return said, nil
	}
	if p := req.Session.InitializeParams(); p != nil && p.ClientInfo != nil && p.ClientInfo.Name != "" {
		return p.ClientInfo.Name, nil
	}
	return "", fmt.Errorf("state in agent your id in the policy")
}

// subject returns what a call is about: a change and its repository, or only a repository.
func (h *handlers) subject(change, repository string) (record.ChangeID, record.Repository, error) {
	if change != "" {
		id, err := record.ParseChange(change)
		if err != nil {
			return "", "", fmt.Errorf("change: %w", err)
		}
		return id, id.Repository(), nil
	}
	if repository == "" {
		if h.Repository == "" {
			return "", "", fmt.Errorf("state in repository where the change is, such as github.com/acme/payments: this server cannot know it")
		}
		return "", h.Repository, nil
	}
	repo, err := record.ParseRepository(repository)
	if err != nil {
		return "", "", fmt.Errorf("repository: %w", err)
	}
	return "", repo, nil
}

// source returns the CloudEvents source of an agent's events.
func source(agent string) string { return "/agents/" + agent }

// event returns the event for a fact that an agent states.
func (h *handlers) event(agent string, change record.ChangeID, repo record.Repository, f record.Fact) event.Event {
	e := producer.Event(string(change), f)
	e.SetSource(source(agent))
	e.SetTime(h.Now().UTC())
	e.SetExtension("partitionkey", string(repo))
	return e
}
