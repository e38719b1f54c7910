package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/phrase"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/internal/signin"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/stream"
)

// A finding is one line of the doctor's report.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"` // ok, warning or failed
	Detail string `json:"detail,omitempty"`
	Do     string `json:"do,omitempty"` // how to correct it
}

// A checkup gathers findings.
type checkup struct{ findings []finding }

func (c *checkup) ok(check, format string, args ...any) {
	c.findings = append(c.findings, finding{Check: check, Status: "ok", Detail: fmt.Sprintf(format, args...)})
}

func (c *checkup) warn(check, do, format string, args ...any) {
	c.findings = append(c.findings, finding{check, "warning", fmt.Sprintf(format, args...), do})
}

func (c *checkup) fail(check, do string, err error) {
	c.findings = append(c.findings, finding{check, "failed", phrase.Error(err), do})
}

var errUnhealthy = errors.New("some checks failed; each arrow says what to do")

func (a *app) doctor() *cobra.Command {
	var output string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:     "doctor",
		Short:   "Check the configuration and the connections, and say how to correct them",
		Example: "  changetrail doctor\n  changetrail doctor --engine elasticsearch --url http://localhost:9201 -o json",
		Args:    noArgs,
		RunE: a.within(&timeout, func(ctx context.Context, cmd *cobra.Command, s *Settings) error {
			c, err := checked(ctx, cmd, s)
			if err != nil {
				return err
			}
			return c.report(cmd, output)
		}),
	}
	outputFlag(cmd, &output, "output format", "text", "json")
	cmd.Flags().Var(spanOf(&timeout, 20*time.Second), "timeout", "how long to try")
	a.flag(cmd.Flags(), "store", "store", "a folder of the embedded mode, opensearch or elasticsearch")
	a.receiverFlags(cmd.Flags())
	a.flag(cmd.Flags(), "policy", "enricher.policy", "policy.yaml: services, agents and rules")
	a.flag(cmd.Flags(), "controls", "enricher.controls", "controls.yaml: the control matrix")
	return cmd
}

// checked checks an embedded instance if commands find one, else the services with Kafka and
// the search engine.
func checked(ctx context.Context, cmd *cobra.Command, s *Settings) (*checkup, error) {
	var at place
	var lost error
	if s.hasIndex() || s.Store != "" { // otherwise the records are not where they are sent
		at, lost = s.look(ctx)
	}
	if wrong := (usageError{}); errors.As(lost, &wrong) {
		return nil, lost
	}
	embedded := at.instance.Data != "" && !s.IsSet("kafka.brokers")
	if embedded {
		fmt.Fprintf(cmd.ErrOrStderr(), "reading %s\n", config.Shown(at.String()))
		if s.Enricher.Policy == "" {
			s.Enricher.Policy, s.Enricher.Controls = at.instance.Policy, at.instance.Controls
		}
	}
	c := new(checkup)
	c.files(s)
	c.credentials(s)
	c.signIn(ctx, s)
	c.gateway(ctx, s)
	if embedded {
		c.embedded(ctx, s, at)
		return c, nil
	}
	if lost != nil {
		c.warn("instance", "start changetrail demo or changetrail up, or name a data folder with --store; without one, the services are checked", "no embedded instance was found")
	}
	c.kafka(ctx, s)
	c.engine(ctx, s)
	return c, nil
}

func (c *checkup) report(cmd *cobra.Command, output string) error {
	failed := false
	for _, f := range c.findings {
		failed = failed || f.Status == "failed"
	}
	if output == "json" {
		if err := printJSON(cmd, c.findings); err != nil {
			return err
		}
	} else {
		w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		for _, f := range c.findings {
			fmt.Fprintf(w, "%s\t%s\t%s\n", f.Status, f.Check, f.Detail)
			if f.Do != "" {
				fmt.Fprintf(w, "\t\t→ %s\n", f.Do)
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if failed {
		return errUnhealthy
	}
	return nil
}

// files checks the files that people write.
func (c *checkup) files(s *Settings) {
	p, m, err := s.policyAndControls()
	switch {
	case err != nil:
		c.fail("policy and controls", "correct the file; deploy/example has a policy and a matrix that work", err)
	case len(p.Services) == 0:
		c.warn("policy", "set enricher.policy to a policy.yaml; see deploy/example/policy.yaml", "no services are known: records have no service, classification or data classes")
	case len(m.Controls) == 0:
		c.warn("controls", "set enricher.controls to a controls.yaml; see deploy/example/controls.yaml", "no controls are known: records carry no control tags")
	default:
		c.ok("policy and controls", "%d services, %d controls", len(p.Services), len(m.Controls))
		for _, w := range p.Warnings() {
			c.warn("policy", "correct the line", "%s", w)
		}
	}
	if dir := s.Producer.Spool; dir != "" {
		if _, err := os.ReadDir(dir); err != nil {
			c.warn("spool", "nothing to do: the folder is created when it is needed", "%v", err)
		}
	}
}

// credentials checks whom a gateway with this configuration would let in.
func (c *checkup) credentials(s *Settings) {
	conf, err := s.gatewayConfig(signing.Keys{})
	switch {
	case err != nil:
		c.fail("gateway", "correct the file; docs/gateway.md describes it, and deploy/example/credentials.yaml works", err)
	case conf.Credentials != nil && !conf.Credentials.Any():
		c.warn("gateway", "list who may send and read; changetrail gateway token makes a token", "%s lists nobody, so everybody is refused", s.Gateway.Credentials)
	case conf.Credentials == nil:
		if s.Gateway.Open {
			c.warn("gateway", "set gateway.credentials", "it is open to anybody who can connect")
		}
	case !conf.Keys.CanSign():
		c.warn("gateway", "set the same signing_key for gateways and enrichers; openssl rand -hex 32 makes one", "it knows who sends, but cannot prove it to the enricher")
	default:
		c.ok("gateway", "credentials and signing_key are set")
	}
}

// signIn checks where people sign in.
func (c *checkup) signIn(ctx context.Context, s *Settings) {
	if !s.signsIn() {
		return
	}
	door, err := s.pagesDoor(nil, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		c.fail("sign-in", "correct sign_in; docs/sign-in.md describes it", err)
		return
	}
	if door.Provider == nil {
		c.ok("sign-in", "the proxy at %s names people", strings.Join(s.SignIn.Proxy.Addresses, ", "))
		return
	}
	if err := door.Provider.Check(ctx); err != nil {
		c.fail("sign-in", "check that sign_in.issuer is the issuer as the provider writes it, and that this machine reaches it and trusts its certificate (sign_in.ca_file)", err)
		return
	}
	c.ok("sign-in", "%s answers; it must know the address %s of the client %s", s.SignIn.Issuer, door.Provider.URL+signin.Callback, s.SignIn.ClientID)
}

// gateway checks that the gateway to which this machine sends events answers and knows the
// token. It sends an empty batch, which a gateway refuses after it has checked the token.
func (c *checkup) gateway(ctx context.Context, s *Settings) {
	if s.Producer.Gateway == "" {
		return
	}
	token, err := s.Secret("producer.token")
	if err != nil {
		c.fail("token", "correct producer.token_file", err)
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(s.Producer.Gateway, "/")+"/v1/events", strings.NewReader("[]"))
	if err != nil {
		c.fail("producer.gateway", "give an address such as https://changetrail.acme.example", err)
		return
	}
	req.Header.Set("Content-Type", schemas.ContentTypeBatch)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.fail("producer.gateway", "check that a gateway runs there and that no firewall or proxy blocks it", err)
		return
	}
	_ = res.Body.Close() // the body is not read
	switch res.StatusCode {
	case http.StatusBadRequest:
		c.ok("producer.gateway", "%s answers", config.Shown(s.Producer.Gateway))
	case http.StatusUnauthorized:
		c.fail("producer.gateway", "set producer.token to a token that its credentials.yaml lists; changetrail gateway token makes one", fmt.Errorf("%s does not know the token", config.Shown(s.Producer.Gateway)))
	default:
		c.fail("producer.gateway", "check that this is the address of a gateway", fmt.Errorf("%s answers %s", config.Shown(req.URL.String()), res.Status))
	}
}

func (c *checkup) kafka(ctx context.Context, s *Settings) {
	conf, err := s.kafka()
	if err != nil {
		c.fail("kafka", "correct the configuration", err)
		return
	}
	adm, err := stream.NewAdmin(conf)
	if err != nil {
		c.fail("kafka", "correct the configuration", err)
		return
	}
	defer adm.Close()
	if err := adm.Ping(ctx); err != nil {
		c.fail("kafka", fmt.Sprintf("check that a broker listens at one of %v, and that kafka.tls and kafka.sasl fit its settings", conf.Brokers), err)
		return
	}
	c.ok("kafka", "%v answers", conf.Brokers)
	n, err := stream.Partitions(ctx, conf, s.topics())
	if err != nil {
		c.fail("topics", "run changetrail setup", err)
		return
	}
	c.ok("topics", "all of %v have %d partitions", s.topics().All(), n)
	for _, group := range []struct{ name, start string }{
		{enricher.Group(s.topics()), "start changetrail enrich"},
		{sinks.Group(s.topics(), s.Sink.Engine), "start changetrail sink --engine " + s.Sink.Engine},
	} {
		c.group(ctx, adm, consumers{"group " + group.name, group.name, group.start})
	}
	c.approvals(ctx, s, conf)
	c.letters(ctx, conf, s.topics(), fmt.Sprintf("changetrail letters lists them; in the topic %s the header changetrail_reason gives the reason, and changetrail_detail says what to do", s.topics().DLQ()))
}

// approvals reports whether the topic of approvals before work can be read, and has only entries of
// gateways.
func (c *checkup) approvals(ctx context.Context, s *Settings, kafka stream.Config) {
	if s.Gateway.GateDir == "" {
		return
	}
	keys, err := s.signingKeys()
	if err != nil {
		c.fail("approvals", "correct the configuration", err)
		return
	}
	switch all, foreign, err := approvals.Inspect(ctx, kafka, s.topics(), keys); {
	case err != nil:
		c.fail("approvals", "run changetrail setup if the topic does not exist; if an entry cannot be read, run the version of changetrail that wrote it", err)
	case foreign > 0:
		c.warn("approvals", "find out who may write to the topic "+s.topics().Approvals()+" besides the gateways, and whether signing_key is theirs (docs/approvals.md)", "%d of %d entries have no valid signature; they count for nothing", foreign, all)
	default:
		c.ok("approvals", "%d entries, each signed", all)
	}
}

// maxCounted is how many dead letters are counted, so that the doctor stays fast.
const maxCounted = 10_000

// letters reports how many messages could not be processed.
func (c *checkup) letters(ctx context.Context, kafka stream.Config, topics stream.Topics, do string) {
	n, err := countLetters(ctx, kafka, topics)
	switch {
	case err != nil:
		c.fail("dead letters", "check that the topic can be read", err)
	case n >= maxCounted:
		c.warn("dead letters", do, "at least %d messages could not be processed", n)
	case n > 0:
		c.warn("dead letters", do, "%d messages could not be processed", n)
	default:
		c.ok("dead letters", "none")
	}
}

// countLetters reads the dead letters, up to maxCounted: offsets count the markers of
// transactions, too.
func countLetters(ctx context.Context, kafka stream.Config, topics stream.Topics) (n int, err error) {
	partitions, err := stream.Partitions(ctx, kafka, topics)
	for partition := int32(0); err == nil && partition < partitions; partition++ {
		_, err = kafka.Partition(topics.DLQ(), partition).Scan(ctx, -1, func(recs []*stream.Record) error {
			for _, r := range recs {
				if !stream.IsMarker(r) {
					n++
				}
			}
			if n >= maxCounted {
				return errEnough
			}
			return nil
		})
	}
	if errors.Is(err, errEnough) {
		err = nil
	}
	return n, err
}

// consumers is a consumer group that is checked.
type consumers struct {
	name, group string // name is what people call it
	start       string // what to do if it does not run
}

// group reports how far behind a consumer group is.
func (c *checkup) group(ctx context.Context, adm *stream.Admin, g consumers) {
	name, start := g.name, g.start
	lags, members, err := adm.Group(ctx, g.group)
	if err != nil {
		c.fail(name, "check that the client may describe groups", err)
		return
	}
	var lag int64
	for _, n := range lags {
		lag += n
	}
	switch {
	case members == 0:
		c.warn(name, start, "it does not run; %d messages wait", lag)
	case lag > 10_000:
		c.warn(name, "if the number grows, start another one", "%s, %s behind", counted(members, "member"), counted(lag, "message"))
	default:
		c.ok(name, "%s, %s behind", counted(members, "member"), counted(lag, "message"))
	}
}

// counted returns a number with its noun: "1 member", "2 members".
func counted[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func (c *checkup) engine(ctx context.Context, s *Settings) {
	if s.Sink.Engine == settings.Lake {
		c.warn(settings.Lake, "start changetrail sink --engine lake, which checks it", "the bucket is not checked")
		return
	}
	if !s.hasIndex() {
		c.receiver(ctx, s)
		return
	}
	engine, err := s.engine()
	if err != nil {
		c.fail("search engine", "correct the configuration", err)
		return
	}
	version, err := engine.Version(ctx)
	if err != nil {
		c.fail(engine.Name(), fmt.Sprintf("check that it listens at %s, that sink.engine names the right product, and that the credentials are right", config.Shown(fmt.Sprint(s.Sink.Addresses))), err)
		return
	}
	c.ok(engine.Name(), "version %s at %s", version, config.Shown(fmt.Sprint(s.Sink.Addresses)))
	if err := engine.Ready(ctx, s.Namespace); err != nil {
		c.fail("indexes", "run changetrail setup", err)
		return
	}
	c.ok("indexes", "the templates exist")
}

// receiver checks a receiver other than a search engine. It needs no set-up.
func (c *checkup) receiver(ctx context.Context, s *Settings) {
	receiver, err := s.receiver()
	if err != nil {
		c.fail(s.Sink.Engine, "correct the configuration", err)
		return
	}
	at := config.Shown(strings.Join(s.Sink.Addresses, ", "))
	if err := receiver.Ready(ctx, s.Namespace); err != nil {
		c.fail(s.Sink.Engine, fmt.Sprintf("check that it listens at %s, and that its token and certificates are right (docs/sinks.md)", at), err)
		return
	}
	c.ok(s.Sink.Engine, "it accepts documents at %s", at)
}
