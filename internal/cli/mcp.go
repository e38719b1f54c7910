package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/agents/hook"
	"github.com/changetrail/changetrail/agents/notes"
	"github.com/changetrail/changetrail/gate/api"
	"github.com/changetrail/changetrail/gate/ask"
	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/gateway/mcp"
	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/noting"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/replay"
	"github.com/changetrail/changetrail/schemas"
)

func (a *app) mcp() *cobra.Command {
	var address, agent string
	cmd := &cobra.Command{
		Use:   "mcp",
		Short: "Give agents tools to ask for permission and to record decisions (MCP)",
		Long: `Runs an MCP server with four tools: check_authorization (may I change these paths
without a person?), record_decision (names what an auditor will miss, and returns the
trailers for the commit), attach_evidence and explain_change; and with a prompt that
teaches an agent to use them.

It uses standard input and output for the agent that starts it, or with --listen
streamable HTTP on this machine. A gateway and changetrail up serve the same tools at
/mcp to agents that have a credential. What the tools record goes to the gateway
(producer.gateway) or to Kafka.`,
		Example: `  claude mcp add changetrail -- changetrail mcp --gateway https://changetrail.acme.example --policy policy.yaml
  changetrail mcp --listen 127.0.0.1:8081`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.settings(cmd)
			if err != nil {
				return err
			}
			return s.runMCP(cmd, address, cmp.Or(agent, noting.Begun(&s.Config).Agent))
		},
	}
	cmd.Flags().StringVar(&address, "listen", "", "address for streamable HTTP (path /mcp), in place of standard input and output")
	cmd.Flags().StringVar(&agent, "agent", "", "id of the agent in the policy (default: the name that the agent gives)")
	a.flag(cmd.Flags(), "policy", "enricher.policy", "policy.yaml: who may change what")
	a.flag(cmd.Flags(), "store", "store", "where the records are: a folder of the embedded mode, opensearch or elasticsearch")
	a.producerFlags(cmd)
	return cmd
}

func (s *Settings) runMCP(cmd *cobra.Command, address, agent string) error {
	log := s.logger(cmd.ErrOrStderr())
	conf, err := s.tools(nil)
	if err != nil {
		return usageError{err}
	}
	project, err := openProject()
	if err != nil {
		return err
	}
	defer project.close()
	conf.ReadFile = project.read
	tools, err := mcp.New(conf)
	if err != nil {
		return err
	}
	who, done, err := s.caller(cmd.Context(), agent, log)
	if err != nil {
		return usageError{err}
	}
	defer done()
	if address == "" {
		who.Run = cmp.Or(who.Run, "run-"+rand.Text()) // one process, one run
		err := tools.Serve(cmd.Context(), who, io.NopCloser(cmd.InOrStdin()), stdout{cmd.OutOrStdout()})
		if errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	if local, err := onThisMachine(address); err != nil || !local {
		return usageError{fmt.Errorf("--listen %s: it has no authentication, so it listens on this machine only, for example at 127.0.0.1:8081; a gateway serves agents on other machines at /mcp", address)}
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/mcp", s.door(nil, nil, log).Guard(http.NewCrossOriginProtection().Handler(tools.Handler(who, int64(s.Gateway.MaxBody)))))
	fmt.Fprintf(cmd.ErrOrStderr(), "http://%s/mcp\n", l.Addr())
	return webServer{handler: mux, log: log}.serve(cmd.Context(), l)
}

// stdout is not closed here.
type stdout struct{ io.Writer }

func (stdout) Close() error { return nil }

// caller returns the agent that runs this program.
func (s *Settings) caller(ctx context.Context, agent string, log *slog.Logger) (mcp.Caller, func(), error) {
	p, closed, err := s.producer(ctx, producer.Binary, producer.Options{Log: log})
	if err != nil {
		return mcp.Caller{}, nil, err
	}
	who := mcp.Caller{Agent: agent, LogsURL: noting.Begun(&s.Config).LogsURL, DelegatedBy: s.Hook.DelegatedBy, Accept: func(ctx context.Context, e event.Event) error {
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		return p.Publish(ctx, e)
	}}
	if s.Producer.Gateway != "" {
		token, err := s.Secret("producer.token")
		if err != nil {
			return mcp.Caller{}, nil, err
		}
		who.Ask = ask.Client{Gateway: s.Producer.Gateway, Token: token}.Ask
	}
	if dir, err := os.Getwd(); err == nil { // else the agent says where it works
		who.Repository = record.Repository(notes.Look(dir).Repository)
	}
	if run, ok := hook.RunIn(os.Getenv); ok {
		who.Run, who.Model, who.LogsURL = run.Run, run.Model, cmp.Or(run.LogsURL, who.LogsURL)
	}
	who.LogsURL = strings.ReplaceAll(who.LogsURL, "{session}", who.Run)
	return who, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = p.Close(ctx) // every accepted event is sent or in the spool
		closed()
	}, nil
}

// tools returns the configuration of the tools from the settings. Records are read from index, if
// that is given.
func (s *Settings) tools(index replay.Index) (mcp.Config, error) {
	p, err := readPolicy(s.Enricher.Policy)
	if err != nil {
		return mcp.Config{}, err
	}
	c := mcp.Config{Version: thisBuild().version, Policy: p}
	switch {
	case index != nil:
		c.Explain = func(ctx context.Context, id record.ChangeID) (*mcp.Explained, error) { return explain(ctx, index, id) }
	case s.Store != "":
		c.Explain = func(ctx context.Context, id record.ChangeID) (*mcp.Explained, error) {
			x, err := s.openStore(ctx)
			if err != nil {
				return nil, err
			}
			defer x.close()
			return explain(ctx, x, id)
		}
	case s.Producer.Gateway != "":
		c.Explain = s.explainThere
	}
	return c, nil
}

func explain(ctx context.Context, index replay.Index, id record.ChangeID) (*mcp.Explained, error) {
	story, err := replay.Load(ctx, index, id)
	if errors.Is(err, replay.ErrNoRecord) {
		return nil, fmt.Errorf("there is no record of %s yet", id)
	}
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = story.Print(&b)
	return &mcp.Explained{Repository: story.Record.Trail.Change.Repository, Story: b.String()}, err
}

// explainThere asks the address of the gateway for the story of a change: changetrail up serves
// both.
func (s *Settings) explainThere(ctx context.Context, id record.ChangeID) (*mcp.Explained, error) {
	address, err := url.JoinPath(s.Producer.Gateway, "v1", "changes", string(id), "replay")
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/plain")
	token, err := s.Secret("producer.token")
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	switch {
	case err != nil:
		return nil, err
	case res.StatusCode == http.StatusOK && schemas.Media(res.Header.Get("Content-Type")) == "text/plain":
		return &mcp.Explained{Repository: id.Repository(), Story: string(text)}, nil
	case res.StatusCode == http.StatusUnauthorized, res.StatusCode == http.StatusForbidden:
		return nil, fmt.Errorf("%s does not let you read %s: %s", s.Producer.Gateway, id, bytes.TrimSpace(text))
	case res.StatusCode == http.StatusNotFound && bytes.Contains(text, []byte(id)):
		return nil, fmt.Errorf("there is no record of %s yet", id)
	}
	return nil, fmt.Errorf("%s serves no records (%s); set store", s.Producer.Gateway, res.Status)
}

// toolsFor serves the tools to agents on other machines, each by its credential. gate is nil if there
// is none.
func toolsFor(g *gateway.Gateway, c mcp.Config, door *access.Door, gate *api.Actions) (http.Handler, error) {
	tools, err := mcp.New(c)
	if err != nil {
		return nil, err
	}
	return g.For(func(who gateway.Sender) http.Handler {
		reader := door.ReaderOf(who.Principal)
		caller := mcp.Caller{Accept: who.Accept, Agent: who.Agent, Repository: record.Repository(who.OnlyRepository())}
		caller.MayRead = func(ctx context.Context, id record.ChangeID, of record.Repository) error {
			if !reader.MayRead(string(of)) {
				return fmt.Errorf("the credential %s may not read records of %s", who.Name, id.Repository())
			}
			door.NoteOf(ctx, reader, "record", string(id))
			return nil
		}
		if gate != nil {
			caller.Ask = func(ctx context.Context, a ask.Action, wait time.Duration) (ask.Answer, error) {
				return gate.Ask(ctx, who, a, wait)
			}
		}
		return tools.Handler(caller, g.Limits.Body)
	}), nil
}
