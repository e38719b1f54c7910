package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/api"
	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/gate/desk"
	"github.com/changetrail/changetrail/gate/pending"
	"github.com/changetrail/changetrail/gate/status"
	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/internal/files"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/internal/secrets"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/internal/telemetry"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

func (a *app) gateway() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gateway",
		Short: "Accept events over HTTP: CloudEvents, webhooks, files",
		Long: `Accepts events from agents, code hosts and CI systems and writes them to Kafka. It
answers once all in-sync replicas of the broker have them.

credentials.yaml says who may send, and as whom (docs/gateway.md): bearer tokens,
client certificates, OIDC tokens of CI systems. Without it the gateway accepts events
from anybody who can connect, and listens on this machine only. A file that lists
nobody lets nobody in. To listen beyond this machine it also needs --cert and --key.`,
		Example: `  changetrail gateway --credentials credentials.yaml --listen :8443 --cert gateway.pem --key gateway.key
  changetrail gateway token --name patch-pilot-prod --agent patch-pilot
  curl -H 'Content-Type: application/cloudevents+json' -d @decision.json http://127.0.0.1:8080/v1/events`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.settings(cmd)
			if err != nil {
				return err
			}
			return s.runGateway(cmd)
		},
	}
	a.flag(cmd.Flags(), "listen", "gateway.listen", "address of the gateway")
	a.guardFlags(cmd)
	a.flag(cmd.Flags(), "spool", "gateway.spool", "folder for events while the broker cannot be reached")
	a.flag(cmd.Flags(), "blobs", "blobs", "where files are stored: a folder, or a URL such as s3://bucket")
	a.flag(cmd.Flags(), "content", "content", "metadata-only, redacted or full")
	a.flag(cmd.Flags(), "policy", "enricher.policy", "policy.yaml, for agents that ask at /mcp what they may change")
	a.flag(cmd.Flags(), "store", "store", "where the records are, for agents that ask at /mcp: opensearch or elasticsearch")
	a.flag(cmd.Flags(), "gate-dir", "gateway.gate_dir", "folder of the gate, which answers whether a change may be merged")
	a.flag(cmd.Flags(), "metrics", "telemetry.listen", "address of /metrics")
	cmd.AddCommand(a.token(), newKey(), firstKeys())
	return cmd
}

func (s *Settings) runGateway(cmd *cobra.Command) error {
	kafka, err := s.kafka()
	if err != nil {
		return err
	}
	transport, err := s.transport(producer.Binary)
	if err != nil {
		return err
	}
	conf, err := s.gatewayConfig(signing.Keys{})
	if err != nil {
		return usageError{err}
	}
	protection, err := s.gatewayTLS()
	if err != nil {
		return err
	}
	at := s.gatewayAt("gateway.listen", s.Gateway.Listen, conf.Credentials, protection)
	if err := at.may(); err != nil {
		return err
	}
	ready := func(ctx context.Context) error {
		_, err := stream.Partitions(ctx, kafka, s.topics())
		return err
	}
	return s.service(cmd, "gateway", ready, func(ctx context.Context, log *slog.Logger, t *telemetry.Providers) error {
		collectLess(400 << 20)
		store, err := s.blobStore(ctx)
		if err != nil {
			return err
		}
		options := producer.Options{Spool: s.Gateway.Spool, SendTimeout: min(2*time.Second, time.Duration(s.Gateway.Timeout)/2), Checked: true, Log: log}
		if store != nil {
			defer func() { _ = store.Close() }()
			options.Blobs, conf.Blobs = store, store
		}
		p, err := producer.New(transport, options)
		if err != nil {
			return err
		}
		conf.Publisher, conf.Log, conf.Meter, conf.Tracer = p, log, t.Meter, t.Tracer
		conf.MayReadFile = s.mayReadFile()
		g, err := gateway.New(conf)
		if err != nil {
			return err
		}
		l, err := s.listen(ctx, at)
		if err != nil {
			return err
		}
		door := s.door(conf.Credentials, protection, log)
		log.Info("gateway starts", "address", schemeOf(protection)+"://"+l.Addr().String(), "brokers", kafka.Brokers, "credentials", conf.Credentials.Any(), "content", s.Content, "spool", s.Gateway.Spool)
		known, err := s.tools(nil)
		if err != nil {
			return err
		}
		gate, err := s.openGate(ctx, g, log)
		if err != nil {
			return err
		}
		tools, err := toolsFor(g, known, door, gate.actions)
		if err != nil {
			return err
		}
		routes := gate.routes(g, gatewayRoutes(g, tools, ready))
		err = errors.Join(webServer{door.Guard(routes), protection, log}.serve(ctx, l), gate.ends())
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return errors.Join(err, p.Close(grace))
	})
}

// An openGate is the gate of a gateway. The zero value has none.
type openGate struct {
	merges  *gate.Gate
	actions *api.Actions // nil without a gate
	people  *desk.Desk
	parts   *errgroup.Group // what reads the stream, and what follows the gate
}

// openGate opens the gate of a gateway that has a folder for it.
func (s *Settings) openGate(ctx context.Context, g *gateway.Gateway, log *slog.Logger) (o openGate, err error) {
	hosts, err := s.statusHosts()
	switch {
	case err != nil:
		return o, err
	case s.Gateway.GateDir == "" && len(hosts) > 0:
		return o, usageError{errors.New("gateway.status: only a gateway with a gate shows its answers; set gateway.gate_dir")}
	case s.Gateway.GateDir == "":
		return o, nil
	case !g.Keys.CanSign():
		return o, usageError{errors.New("gateway.gate_dir: the gate needs a signing key, so that its answers are believed; set signing_key_file")}
	}
	kafka, err := s.kafka()
	if err != nil {
		return o, err
	}
	book, err := approvals.Open(kafka, s.topics(), g.Keys, log)
	if err != nil {
		return o, err
	}
	view, err := enricher.OpenView(ctx, kafka, s.topics(), s.Gateway.GateDir, log)
	if err != nil {
		return o, err
	}
	open := pending.New(view, log)
	merges := &gate.Gate{View: view, Recorder: g, Approvals: &approvals.Applier{Book: book, Recorder: g, Now: time.Now}, Now: time.Now}
	people := &desk.Desk{View: view, Gate: merges, Recorder: g, Book: book, Open: open, Now: time.Now}
	sweep := &desk.Sweep{Desk: people, Changes: open, Books: book, Notes: g, Log: log}
	o = openGate{merges, s.actions(view, book, ""), people, new(errgroup.Group)}
	parts := []func(context.Context) error{view.Run, book.Run, open.Run, sweep.Run}
	if len(hosts) > 0 {
		parts = append(parts, s.shows(status.New(merges, hosts, s.pagesURL(), log), kafka, open))
	}
	for _, run := range parts {
		o.parts.Go(func() error { return run(ctx) })
	}
	return o, nil
}

// routes adds the paths of the gate to those of the gateway.
func (o openGate) routes(g *gateway.Gateway, routes http.Handler) http.Handler {
	if o.actions == nil {
		return routes
	}
	return o.actions.Handler(g, api.Decisions(g, o.people, api.Overrides(g, o.merges, api.Handler(g, o.merges, routes))))
}

// ends waits until the gate has ended.
func (o openGate) ends() error {
	if o.parts == nil {
		return nil
	}
	return o.parts.Wait()
}

// actions returns how agents ask before a tool runs. page is the address of the pages if no setting
// says it; empty if it is not known.
func (s *Settings) actions(view *enricher.View, book *approvals.Book, page string) *api.Actions {
	a := &gate.Actions{Policies: view, Now: time.Now}
	if book != nil {
		a.Approvals = book
	}
	if pages := cmp.Or(s.pagesURL(), page); pages != "" {
		a.Inbox = strings.TrimSuffix(pages, "/") + "/inbox"
	}
	return api.NewActions(a)
}

// gatewayRoutes serves the paths of a gateway that runs as its own service.
func gatewayRoutes(g *gateway.Gateway, tools http.Handler, ready func(context.Context) error) http.Handler {
	mux := http.NewServeMux()
	g.Register(mux)
	g.RegisterFiles(mux)
	mux.Handle("/mcp", tools)
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(schemas.OpenAPI)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r.Context()); err != nil {
			problem.Write(w, r, problem.New(http.StatusServiceUnavailable, "%v", err))
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(http.StatusNotFound, "there is no %s; /openapi.json lists all paths", r.URL.Path))
	})
	return mux
}

// gatewayConfig returns the configuration of a gateway from the settings. own is used if the
// settings have no keys.
func (s *Settings) gatewayConfig(own signing.Keys) (gateway.Config, error) {
	c, err := s.credentials()
	if err != nil {
		return gateway.Config{}, err
	}
	keys, err1 := s.signingKeys()
	if !keys.Any() {
		keys = own
	}
	redactor, err2 := s.redactor(keys)
	g := s.Gateway
	github, err3 := s.Secret("gateway.github_secret")
	tokens, err4 := s.Secret("gateway.gitlab_token")
	hooks, err5 := s.Secret("gateway.gitlab_signing_key")
	jira, err6 := s.Secret("gateway.jira_secret")
	return gateway.Config{
		Credentials: c, Keys: keys, Redactor: redactor,
		GitHub: gateway.GitHub{Secrets: strings.Fields(github)}, GitLab: gateway.GitLab{Tokens: strings.Fields(tokens), SigningKeys: strings.Fields(hooks)},
		Jira: gateway.Jira{Secrets: strings.Fields(jira), Projects: g.JiraProjects},
		Limits: gateway.Limits{
			Concurrency: g.Concurrency, Rate: float64(g.Rate), Body: int64(g.MaxBody), Timeout: time.Duration(g.Timeout),
			Memory: int64(g.MaxMemory) / 8 * 5, Unidentified: int64(g.MaxMemory) / 8 * 3, BlobRate: int64(g.BlobRate),
		},
	}, errors.Join(err1, err2, err3, err4, err5, err6)
}

// signingKeys returns the keys with which gateways sign who sent an event.
func (s *Settings) signingKeys() (signing.Keys, error) {
	return s.keysOf("signing_key")
}

// recordKeys returns the keys with which enrichers sign what sinks index.
func (s *Settings) recordKeys() (signing.Keys, error) {
	if s.RecordKey == "" && s.RecordKeyFile == "" {
		return s.signingKeys()
	}
	return s.keysOf("record_key")
}

// keysOf reads the keys of a setting.
func (s *Settings) keysOf(name string) (signing.Keys, error) {
	text, err := s.Secret(name)
	if err != nil {
		return signing.Keys{}, usageError{err}
	}
	keys, err := signing.Parse(text)
	if err != nil {
		return signing.Keys{}, usageError{fmt.Errorf("configuration: %s: %w", name, err)}
	}
	return keys, nil
}

// redactor removes secrets from what is sent from here; nil if everything is sent.
func (s *Settings) redactor(keys signing.Keys) (producer.Redactor, error) {
	mode, err := secrets.ParseMode(s.Content)
	if err != nil {
		return nil, err
	}
	key, err := s.redactionKey(keys)
	if err != nil {
		return nil, err
	}
	return secrets.New(mode, key)
}

// redactionKey returns the key of the redaction markers; empty if none is set.
func (s *Settings) redactionKey(keys signing.Keys) ([]byte, error) {
	text, err := s.Secret("redaction_key")
	if err != nil {
		return nil, err
	}
	key := []byte(text)
	if len(key) == 0 {
		key = keys.Derive("redaction")
	}
	return key, nil
}

// ownKey is the file in a data folder with the key that signs who sent an event.
const ownKey = "gateway.key"

// localKeys returns the keys of a folder of the embedded mode, and makes them if they do not
// exist.
func localKeys(dir string) (signing.Keys, error) {
	file := filepath.Join(dir, ownKey)
	key, err := os.ReadFile(file)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return signing.Of(key), err
	}
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	key = []byte(base64.StdEncoding.EncodeToString(raw))
	if err := os.MkdirAll(dir, files.PrivateFolder); err != nil {
		return signing.Keys{}, err
	}
	return signing.Of(key), writeOnce(file, key)
}

func newKey() *cobra.Command {
	var pair bool
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make a key for signing_key or record_key",
		Long: `Prints a secret for both signing and verifying. With --pair it prints
a private and a public key; the public key can verify, but not sign.
docs/operations.md says how to replace a key.`,
		Example: `  changetrail gateway key
  changetrail gateway key --pair`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !pair {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), rand.Text()+rand.Text())
				return err
			}
			private, public, err := signing.Pair()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s\n", private, public)
			return err
		},
	}
	cmd.Flags().BoolVar(&pair, "pair", false, "a pair of keys (Ed25519)")
	return cmd
}

func (a *app) token() *cobra.Command {
	var name, agent, platform, person string
	var may []string
	var history bool
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make a bearer token, and the lines of credentials.yaml for it",
		Long: `Makes a token and prints it with its line for credentials.yaml. An agent may state its
own decisions and actions; a person, their own reviews and approvals; a platform, what
--may lists (default: all): ` + strings.Join(settings.Kinds(), ", ") + `.

With --history its events may state when they arrived elsewhere (the attribute
arrivedat). Use it only to import history.`,
		Example: `  changetrail gateway token --name patch-pilot-prod --agent patch-pilot
  changetrail gateway token --name mira --person mira.s
  changetrail gateway token --name jenkins --platform jenkins --may tests,scans`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			who := ""
			for kind, v := range map[string]string{"agent": agent, "platform": platform, "person": person} {
				if v != "" {
					who += fmt.Sprintf("%s: %s", kind, v)
				}
			}
			if name == "" || strings.Count(who, ": ") != 1 {
				return usageError{errors.New("gateway token: give --name, and exactly one of --agent, --platform and --person")}
			}
			token, digest := identity.NewToken()
			line := fmt.Sprintf("{name: %s, %s", name, who)
			if len(may) > 0 {
				line += ", may: [" + strings.Join(may, ", ") + "]"
			}
			if history {
				line += ", history: true"
			}
			lines := fmt.Sprintf("tokens:\n  - %s, sha256: %s}\n", line, digest)
			if _, err := identity.Parse([]byte(lines)); err != nil {
				return usageError{err}
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "The token, which is shown only once and stored nowhere:\n")
			fmt.Fprintln(cmd.OutOrStdout(), token)
			fmt.Fprintf(cmd.ErrOrStderr(), "\nFor credentials.yaml:\n\n%s", lines)
			return nil
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "name of the credential")
	cmd.Flags().StringVar(&agent, "agent", "", "id of the agent that uses it")
	cmd.Flags().StringVar(&platform, "platform", "", "code host, CI system or scanner that uses it")
	cmd.Flags().StringVar(&person, "person", "", "account of the person who uses it")
	cmd.Flags().StringSliceVar(&may, "may", nil, "kinds of facts that the platform may state")
	cmd.Flags().BoolVar(&history, "history", false, "its events may state when they arrived elsewhere")
	return cmd
}
