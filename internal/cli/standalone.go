package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/api"
	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/gate/desk"
	"github.com/changetrail/changetrail/gate/status"
	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/demo"
	"github.com/changetrail/changetrail/internal/files"
	"github.com/changetrail/changetrail/internal/instances"
	"github.com/changetrail/changetrail/internal/masking"
	"github.com/changetrail/changetrail/internal/serving"
	"github.com/changetrail/changetrail/internal/standalone"
	"github.com/changetrail/changetrail/internal/telemetry"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/stream"
	"github.com/changetrail/changetrail/web"
)

// embeddedFor explains what the embedded mode is for.
const embeddedFor = `The embedded mode is for a laptop, a demo, CI or a small team: one machine, up to about
200,000 changes, no replication. changetrail export and import move its events to Kafka
and OpenSearch or Elasticsearch (docs/embedded.md).
`

func (a *app) up() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run everything in one process, with its data in one folder",
		Long: `Runs gateway, broker, enricher, index, blob store and web page in one process. The
broker speaks the Kafka protocol: every Kafka client can publish to it.

Without --credentials the folder gets its own tokens at the first start: for a code
host, a CI system, an agent and a person. They are shown only once. Events without a
token are accepted from this machine, too, but they prove nothing. With --credentials
everybody who sends or reads needs a credential. If sign_in is set, people sign in at an
OpenID Connect provider or a proxy (docs/sign-in.md). To listen beyond this machine it needs
--credentials, --cert and --key.

` + embeddedFor,
		Example: `  changetrail up --policy policy.yaml --controls controls.yaml
  changetrail up --data /var/lib/changetrail --listen 127.0.0.1:8080 --broker 127.0.0.1:9092`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.settings(cmd)
			if err != nil {
				return err
			}
			p, m, err := s.policyAndControls()
			if err != nil {
				return err
			}
			return s.runStandalone(cmd, p, m, func(_ context.Context, out io.Writer, i started) error {
				fmt.Fprintf(out, "\n  page    %s\n  events  %sv1/events (CloudEvents over HTTP)\n  Kafka   %s (topic %s)\n  data    %s\n\n%s\nCtrl-C stops it.\n", i.page, i.page, i.Broker(), s.topics().Events(), s.Local.Data, embeddedFor)
				return printIssued(out, s.Local.Data, i.page, i.fresh)
			})
		},
	}
	a.localFlags(cmd)
	a.flag(cmd.Flags(), "data", "local.data", "folder of the data")
	a.guardFlags(cmd)
	a.flag(cmd.Flags(), "policy", "enricher.policy", "policy.yaml: services, agents and rules")
	a.flag(cmd.Flags(), "controls", "enricher.controls", "controls.yaml: the control matrix")
	return cmd
}

func (a *app) localFlags(cmd *cobra.Command) {
	a.flag(cmd.Flags(), "listen", "web.listen", "address of the page")
	a.flag(cmd.Flags(), "broker", "local.broker", "address at which the broker listens")
}

// A started instance answers at its page.
type started struct {
	*standalone.Instance
	page  string
	fresh []issued // the tokens that were just made
}

// runStandalone runs the embedded mode until it is stopped. It calls then once the page answers.
func (s *Settings) runStandalone(cmd *cobra.Command, p *policy.Policy, m *controls.Matrix, then func(context.Context, io.Writer, started) error) error {
	saved, err := s.savedQueries()
	if err != nil {
		return err
	}
	s.Log.Level = quietLevel(cmd, s.Log.Level)
	return s.service(cmd, "standalone", func(context.Context) error { return nil }, func(ctx context.Context, log *slog.Logger, t *telemetry.Providers) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		warn(log, p)
		known, err := s.credentials()
		if err != nil {
			return err
		}
		encrypts, err := s.gatewayTLS()
		if err != nil {
			return err
		}
		door, err := s.pagesDoor(known, encrypts, log) // the folder's own credentials are for senders only
		if err != nil {
			return err
		}
		if err := masking.Settle(s.Local.Data); err != nil {
			return err
		}
		listener, err := s.listen(ctx, s.gatewayAt("web.listen", s.Web.Listen, known, encrypts))
		if err != nil {
			return err
		}
		defer func() { _ = listener.Close() }() // serving closes it, too
		keys, err := localKeys(s.Local.Data)
		if err != nil {
			return err
		}
		conf, err := s.gatewayConfig(keys)
		if err != nil {
			return usageError{err}
		}
		hosts, err := s.statusHosts()
		if err != nil {
			return err
		}
		login, protection, err := s.brokerAsks(known)
		if err != nil {
			return usageError{err}
		}
		i, err := standalone.Start(ctx, standalone.Config{
			Dir: s.Local.Data, Listen: s.Local.Broker, Login: login, TLS: protection, Topics: s.topics(), Namespace: s.Namespace, Retention: time.Duration(s.Retention),
			Policy: p, Controls: m, Keys: conf.Keys, Trust: s.Trust.Unsigned, Memory: int64(max(s.Enricher.MaxMemory, s.Gateway.MaxMemory)), Health: time.Duration(s.Health.Interval), Log: log, Meter: t.Meter, Tracer: t.Tracer,
		})
		if err != nil {
			return s.notStarted(ctx, err)
		}
		page := schemeOf(encrypts) + "://" + listener.Addr().String() + "/"
		if err := s.writeDown(cmd, page, i.Broker()); err != nil {
			log.Warn("other commands cannot find this instance by themselves; give them --store", "err", err)
		}
		var fresh []issued
		if s.Gateway.Credentials == "" {
			conf.Open = true
			if conf.Credentials, fresh, err = issueCredentials(s.Local.Data); err != nil {
				return errors.Join(err, i.Close())
			}
		}
		conf.Log, conf.Meter, conf.Tracer = log, t.Meter, t.Tracer
		own, publishes, err := s.localGateway(i, conf)
		if err != nil {
			return errors.Join(err, i.Close())
		}
		defer func() { _ = publishes.Close(context.WithoutCancel(ctx)) }() // without a spool nothing is left to send
		merges := &gate.Gate{View: i.View, Recorder: own, Now: time.Now}
		site := web.Config{Access: door, Index: i.Index, Blobs: i.Blobs, Policies: s.policiesOf(i.Kafka), Saved: saved, Store: "embedded, " + s.Local.Data, Log: log, Now: time.Now}
		var people *desk.Desk // nil without a key that can sign
		if i.Approvals != nil {
			merges.Approvals = &approvals.Applier{Book: i.Approvals, Recorder: own, Now: time.Now}
			people = i.Desk(own, merges)
			site.Desk = people
			i.Go("approvals of open changes", i.Sweep(own, merges, log).Run)
		}
		if len(hosts) > 0 {
			i.Go("statuses", s.shows(status.New(merges, hosts, s.pagesURL(), log), i.Kafka, i.Open))
		}
		pages, err := web.New(site)
		if err != nil {
			return errors.Join(err, i.Close())
		}
		handler, err := s.routes(pagesAndTools{pages, door, p, people, page}, i, own, merges)
		if err != nil {
			return errors.Join(err, i.Close())
		}
		failed := make(chan error, 2)
		go func() { failed <- webServer{door.Guard(handler), encrypts, log}.serve(ctx, listener) }()
		go func() {
			failed <- then(ctx, cmd.OutOrStdout(), started{i, page, fresh})
		}()
		return untilStopped(i, failed, cancel)
	})
}

// writeDown records that this instance runs, so that commands find it.
func (s *Settings) writeDown(cmd *cobra.Command, page, broker string) error {
	names := []string{s.Local.Data, s.Enricher.Policy, s.Enricher.Controls}
	for i, name := range names {
		full, err := filepath.Abs(name)
		if err != nil {
			return err
		}
		if name != "" {
			names[i] = full
		}
	}
	return instances.Instance{
		Data: names[0], Command: cmd.Name(), Process: os.Getpid(), Started: time.Now().UTC().Truncate(time.Second),
		Page: page, Broker: broker, Policy: names[1], Controls: names[2],
	}.Write(s.state)
}

// untilStopped waits until the embedded mode has stopped. An error in failed stops it.
func untilStopped(i *standalone.Instance, failed <-chan error, stop func()) error {
	done := make(chan error, 1)
	go func() { done <- i.Wait() }()
	for {
		select {
		case err := <-failed:
			if err == nil {
				continue
			}
			stop()
			stopped := <-done
			if errors.Is(err, context.Canceled) {
				return stopped
			}
			return errors.Join(err, stopped)
		case err := <-done:
			return err
		}
	}
}

// pagesAndTools are what people and agents use: the pages, with access checks, and the policy.
type pagesAndTools struct {
	pages  http.Handler
	door   *access.Door
	policy *policy.Policy
	people *desk.Desk // nil: nobody can decide here
	page   string     // address of the pages
}

// localGateway returns a gateway that publishes to the embedded broker.
func (s *Settings) localGateway(i *standalone.Instance, conf gateway.Config) (*gateway.Gateway, *producer.Producer, error) {
	kafka := producer.Kafka(producer.KafkaConfig{Brokers: i.Kafka.Brokers, Dial: i.Kafka.Dial, Topic: s.topics().Events()})
	p, err := producer.New(kafka, producer.Options{Checked: true, Blobs: i.Blobs, Log: conf.Log})
	if err != nil {
		return nil, nil, err
	}
	conf.Publisher, conf.Blobs = p, i.Blobs
	g, err := gateway.New(conf)
	return g, p, err
}

// policiesOf reads the policies that were in force.
func (s *Settings) policiesOf(kafka stream.Config) func(context.Context) (policy.History[*policy.Policy], error) {
	return func(ctx context.Context) (policy.History[*policy.Policy], error) {
		rules, _, err := enricher.ReadRules(ctx, kafka, s.topics())
		return rules.Policies, err
	}
}

// routes adds a gateway and the gate to the pages.
func (s *Settings) routes(at pagesAndTools, i *standalone.Instance, g *gateway.Gateway, merges *gate.Gate) (http.Handler, error) {
	known, err := s.tools(i.Index)
	if err != nil {
		return nil, err
	}
	known.Policy = at.policy
	actions := s.actions(i.View, i.Approvals, at.page)
	tools, err := toolsFor(g, known, at.door, actions)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	g.Register(mux)
	mux.Handle("/mcp", tools)
	mux.Handle("/", at.pages)
	routes := actions.Handler(g, api.Overrides(g, merges, api.Handler(g, merges, mux)))
	if at.people == nil {
		return routes, nil
	}
	return forPrograms(api.Decisions(g, at.people, routes), routes), nil
}

// forPrograms sends requests of programs, which have a credential, to one handler, and those of
// browsers, which have a session, to another.
func forPrograms(programs, browsers http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" || r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
			programs.ServeHTTP(w, r)
			return
		}
		browsers.ServeHTTP(w, r)
	})
}

// quietLevel logs only warnings, unless the user chose a level: a person reads the output of the
// embedded mode.
func quietLevel(cmd *cobra.Command, level string) string {
	if level == "info" && !cmd.Flags().Changed("log-level") {
		return "warn"
	}
	return level
}

// A webServer answers HTTP requests.
type webServer struct {
	handler http.Handler
	tls     *tls.Config // nil: without TLS
	log     *slog.Logger
}

// serve answers requests until ctx is done, and finishes those that have begun.
func (w webServer) serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: serving.DropStalled(w.handler), TLSConfig: w.tls, ErrorLog: slog.NewLogLogger(w.log.Handler(), slog.LevelDebug), MaxHeaderBytes: serving.Header, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
	server.Protocols = new(http.Protocols)
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(true)
	server.Protocols.SetUnencryptedHTTP2(true) // for gRPC
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
		defer cancel()
		_ = server.Shutdown(grace) // what does not end in time is cut off
	}()
	run := server.Serve
	if w.tls != nil {
		run = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	if err := run(serving.Limit(l, serving.Connections)); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving %s: %w", l.Addr(), err)
	}
	<-ended
	return nil
}

// A demoState describes how the demo filled a folder.
type demoState struct {
	Seed     uint64    `json:"seed"`
	Changes  int       `json:"changes"`
	End      time.Time `json:"end"`
	Complete bool      `json:"complete"`
}

const demoFile = "demo.json"

func (a *app) demo() *cobra.Command {
	var seed uint64
	var changes int
	var dir string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run it with ninety days of data of a made-up company",
		Long: `Starts the embedded mode in its own folder and fills it with ninety days of data: about
2,000 changes in 40 services, a third of them by agents, with scan and test reports in
the formats of real tools. The advisories are real; the company is made up. Delete the
folder to start again.`,
		Example: "  changetrail demo\n  changetrail demo --listen 127.0.0.1:8090 --broker 127.0.0.1:0",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			began := time.Now()
			s, err := a.settings(cmd)
			if err != nil {
				return err
			}
			if changes < 1 {
				return usageError{fmt.Errorf("--changes is %d; give at least 1", changes)}
			}
			s.Local.Data, s.Enricher.Policy, s.Enricher.Controls = dir, filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "controls.yaml")
			if quietLevel(cmd, s.Log.Level) != s.Log.Level {
				s.Log.Level = "error" // some events of the demo are refused on purpose
			}
			state, err := readDemo(dir, demoState{Seed: seed, Changes: changes, End: time.Now().UTC().Truncate(time.Second)})
			if err != nil {
				return err
			}
			if err := errors.Join(os.WriteFile(s.Enricher.Policy, demo.Policy(state.End), files.PrivateFile), os.WriteFile(s.Enricher.Controls, demo.Controls(), files.PrivateFile)); err != nil {
				return err
			}
			p, m, err := s.policyAndControls()
			if err != nil {
				return err
			}
			return s.runStandalone(cmd, p, m, func(ctx context.Context, out io.Writer, i started) error {
				fmt.Fprintf(out, "The page answers at %s (after %s).\n", i.page, time.Since(began).Round(100*time.Millisecond))
				if err := s.fill(ctx, cmd.ErrOrStderr(), state, i.Instance); err != nil {
					return err
				}
				if err := tryNext(ctx, out, dir, i); err != nil {
					return err
				}
				return printIssued(out, dir, i.page, i.fresh)
			})
		},
	}
	cmd.Flags().Uint64Var(&seed, "seed", 4829, "another seed makes another company")
	cmd.Flags().IntVar(&changes, "changes", demo.Changes, "number of changes; with fewer than 2,000 there are fewer gaps of each kind")
	cmd.Flags().StringVar(&dir, "data", demoData, "folder of the demo's data")
	a.localFlags(cmd)
	return cmd
}

// readDemo returns how a folder is filled; fresh if the folder is new.
func readDemo(dir string, fresh demoState) (demoState, error) {
	text, err := os.ReadFile(filepath.Join(dir, demoFile))
	if err == nil {
		var s demoState
		if err := json.Unmarshal(text, &s); err != nil {
			return s, fmt.Errorf("%s: %w; delete the folder to start again", filepath.Join(dir, demoFile), err)
		}
		return s, nil
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fresh, fmt.Errorf("%s contains files, but no demo; choose another folder with --data", dir)
	}
	return fresh, writeDemo(dir, fresh)
}

func writeDemo(dir string, s demoState) error {
	text, err := json.Marshal(s)
	if err == nil {
		err = os.MkdirAll(dir, files.PrivateFolder)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, demoFile), append(text, '\n'), files.PrivateFile)
	}
	return err
}

// fill publishes the events of the demo like any client, and waits until all records are
// indexed. If it is stopped, the next start continues: the events have the same ids.
func (s *Settings) fill(ctx context.Context, progress io.Writer, state demoState, i *standalone.Instance) error {
	dir := s.Local.Data
	if state.Complete {
		return nil
	}
	p, err := producer.New(producer.Kafka(producer.KafkaConfig{Brokers: i.Kafka.Brokers, Dial: i.Kafka.Dial, Topic: s.topics().Events()}), producer.Options{SendTimeout: time.Minute})
	if err != nil {
		return err
	}
	defer func() { _ = p.Close(context.WithoutCancel(ctx)) }()
	keys, err := localKeys(dir)
	if err != nil {
		return err
	}
	conf, err := s.gatewayConfig(keys)
	if err != nil {
		return err
	}
	sent := 0
	company := demo.New(state.Seed, state.End)
	company.Changes = state.Changes
	if err := company.Each(func(changes int, events []event.Event) error {
		sent += len(events)
		for i := range events {
			gateway.Sign(&events[i], conf.Keys, demo.Sender(events[i]), time.Now()) // as a gateway would
		}
		overwrite(progress, "\rpublishing ninety days: %d of %d changes, %d events", changes, state.Changes, sent)
		return p.Publish(ctx, events...)
	}); err != nil {
		return err
	}
	fmt.Fprintln(progress)
	for {
		res, err := i.Index.Search(ctx, query.Request{Where: query.All{}})
		if err != nil {
			return err
		}
		behind, err := i.Behind(ctx, s.topics())
		if err != nil {
			return err
		}
		overwrite(progress, "\rindexing: %d records, %d messages to go   ", res.Total, behind)
		if behind == 0 {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	fmt.Fprintln(progress)
	state.Complete = true
	return writeDemo(dir, state)
}

// exampleOf returns an instructive change: one by an agent in the scope of PCI DSS Requirement
// 6.3.2 that reached production with a contradiction, or with a gap; else another one.
func exampleOf(ctx context.Context, i *standalone.Instance) (string, error) {
	const pci = `changetrail.change.initiated_by:agent AND tags:"pci-dss-6.3.2"`
	for _, lucene := range []string{
		pci + " AND changetrail.environment:production AND changetrail.gaps:*-contradicted",
		pci + " AND changetrail.environment:production AND _exists_:changetrail.gaps",
		pci,
		"changetrail.change.initiated_by:agent",
		"",
	} {
		n, err := query.Parse(lucene, i.Index.Fields(), time.Now())
		if err != nil {
			return "", err
		}
		res, err := i.Index.Search(ctx, query.Request{Where: n, Size: 1})
		if err != nil {
			return "", err
		}
		if len(res.Hits) > 0 {
			return res.Hits[0].ID, nil
		}
	}
	return "CHANGE", nil
}

// tryNext prints what to open and what to type next.
func tryNext(ctx context.Context, out io.Writer, dir string, i started) error {
	example, err := exampleOf(ctx, i.Instance)
	if err != nil {
		return err
	}
	self := thisStart().command()
	store := " --store " + quoted(dir)
	fmt.Fprintf(out, `
Open %s

and try in another terminal, in this folder:

  # all agent changes in the scope of PCI DSS Requirement 6.3.2
  %[2]s query pci-6.3.2-agents%[3]s
  # one of them: saw, decided, did, validated, approved, merged, deployed
  %[2]s replay %[4]s%[3]s
  # save its evidence as files with their digests, and verify them
  %[2]s replay %[4]s%[3]s --save evidence
  # changes that no person reviewed, as CSV
  %[2]s query not-reviewed%[3]s -o csv
  # any question, in Lucene's syntax
  %[2]s query 'changetrail.gaps:*-contradicted AND changetrail.service.classification:critical'%[3]s --since 30d

%[5]sCtrl-C stops it; the data remain in %[6]s.
`, i.page, self, store, quoted(example), embeddedFor, dir)
	return nil
}
