package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/changetrail/changetrail/evidence"
	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/secrets"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/internal/telemetry"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

func (a *app) publish() *cobra.Command {
	var structured bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "publish FILE…",
		Short: "Publish CloudEvents from files",
		Long: `Publishes CloudEvents in the JSON format: a single event, several one after
another (JSON lines), or an array of them; - is standard input. All of them are
checked first, and if one is wrong none is sent. Sending the same file again is
harmless: an event is known by its sender, source and id. One without a time gets
that of now, and says something else when it is sent again.`,
		Example: `  changetrail publish decision.json review.json
  agent-log-export | changetrail publish -
  CHANGETRAIL_PRODUCER_TOKEN=ct_… changetrail publish --gateway http://127.0.0.1:8080 events.jsonl`,
		Args: atLeastOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.settings(cmd)
			if err != nil {
				return err
			}
			events, err := readEvents(cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			mode := producer.Binary
			if structured {
				mode = producer.Structured
			}
			return send(cmd, &s, mode, timeout, events)
		},
	}
	cmd.Flags().BoolVar(&structured, "structured", false, "send in structured mode rather than binary")
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "how long to try")
	a.producerFlags(cmd)
	return cmd
}

func (a *app) producerFlags(cmd *cobra.Command) {
	a.flag(cmd.Flags(), "spool", "producer.spool", "folder for events that cannot be sent now")
	a.flag(cmd.Flags(), "gateway", "producer.gateway", "URL of a gateway, in place of Kafka")
	a.flag(cmd.Flags(), "blobs", "blobs", "where data of more than 64 KiB is put: a folder, or a URL as s3://bucket")
	a.flag(cmd.Flags(), "source", "producer.source", "CloudEvents source of events that have none")
}

func atLeastOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return misuse{fmt.Errorf("%s: no %s is given; see %s --help", cmd.CommandPath(), what, cmd.CommandPath())}
		}
		return nil
	}
}

// readEvents reads and checks all events of files, or reports all mistakes.
func readEvents(in io.Reader, files []string) ([]event.Event, error) {
	var events []event.Event
	var errs []error
	for _, name := range files {
		var text []byte
		var err error
		if name == "-" {
			text, err = io.ReadAll(in)
		} else {
			text, err = os.ReadFile(name)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		found, err := parseEvents(text)
		if err == nil && len(found) == 0 {
			err = errors.New("it holds no event")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		events = append(events, found...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("nothing was published:\n%w", err)
	}
	return events, nil
}

// parseEvents reads a JSON event, several one after another, or arrays of them.
func parseEvents(text []byte) ([]event.Event, error) {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	var events []event.Event
	var errs []error
	one := func(v jsontext.Value) {
		var e event.Event
		err := e.UnmarshalJSON(v)
		if err == nil {
			err = checkEvent(e)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("event %d: %w", len(events)+len(errs)+1, err))
			return
		}
		events = append(events, e)
	}
	for {
		switch d.PeekKind() {
		case '[', ']':
			if _, err := d.ReadToken(); err != nil {
				return nil, err
			}
			continue
		}
		v, err := d.ReadValue()
		if errors.Is(err, io.EOF) {
			return events, errors.Join(errs...)
		}
		if err != nil {
			return nil, fmt.Errorf("it is not JSON: %w", err)
		}
		one(v.Clone())
	}
}

// send publishes events with the producer that the settings describe.
func send(cmd *cobra.Command, s *Settings, mode producer.Mode, timeout time.Duration, events []event.Event) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
	defer cancel()
	t, err := telemetry.Start(ctx, "changetrail-cli", version())
	if err != nil {
		return err
	}
	defer func() { _ = t.Close() }() // spans that do not reach a collector must not fail a publish
	p, done, err := s.producer(ctx, mode, producer.Options{Source: s.Producer.Source, Log: s.logger(cmd.ErrOrStderr()), Tracer: t.Tracer})
	if err != nil {
		return err
	}
	defer done()
	const chunk = 500
	for sent := 0; sent < len(events); {
		n := min(chunk, len(events)-sent)
		if err := p.Publish(ctx, events[sent:sent+n]...); err != nil {
			return fmt.Errorf("%d of %d events were published before this:\n%w", sent, len(events), err)
		}
		sent += n
		if len(events) > chunk {
			overwrite(cmd.ErrOrStderr(), "\r%d of %d events", sent, len(events))
		}
	}
	if len(events) > chunk {
		fmt.Fprintln(cmd.ErrOrStderr())
	}
	for _, e := range events {
		if len(events) <= 5 {
			fmt.Fprintf(cmd.OutOrStdout(), "published %s %s\n", e.Type(), e.ID())
		}
	}
	if len(events) > 5 {
		fmt.Fprintf(cmd.OutOrStdout(), "published %d events\n", len(events))
	}
	err = p.Close(ctx)
	if n := p.Spooled(); n > 0 { // accepted all the same: they are safe on disk
		fmt.Fprintf(cmd.ErrOrStderr(), "%d events wait in the spool %s; the next publish with it sends them\n", n, s.Producer.Spool)
		return nil
	}
	return err
}

// producer returns a producer with what the settings say beside o; done closes the
// store of its files.
func (s *Settings) producer(ctx context.Context, mode producer.Mode, o producer.Options) (p *producer.Producer, done func(), err error) {
	transport, err := s.transport(mode)
	if err != nil {
		return nil, nil, misuse{err}
	}
	redactor, err := s.redactor(signing.Keys{})
	if err != nil {
		return nil, nil, misuse{err}
	}
	store, err := s.blobStore(ctx)
	if err != nil {
		return nil, nil, misuse{err}
	}
	o.Spool, o.Redactor, done = s.Producer.Spool, redactor, func() {}
	if store != nil {
		o.Blobs, done = store, func() { _ = store.Close() }
	}
	if p, err = producer.New(transport, o); err != nil {
		done()
	}
	return p, done, err
}

// transport returns the way to the pipeline: a gateway, or Kafka.
func (s *Settings) transport(mode producer.Mode) (producer.Transport, error) {
	if s.Producer.Gateway != "" {
		token, err := secret("producer.token", s.Producer.Token, s.Producer.TokenFile)
		return producer.HTTP(producer.HTTPConfig{URL: s.Producer.Gateway, Token: token, Mode: mode}), err
	}
	c, err := s.kafka()
	if err != nil {
		return nil, err
	}
	k := producer.KafkaConfig{Brokers: c.Brokers, Topic: s.topics().Events(), Mode: mode}
	if c.TLS.Enabled {
		if k.TLS, err = c.TLS.Config(); err != nil {
			return nil, err
		}
	}
	if k.SASL, err = mechanism(c.SASL); err != nil {
		return nil, err
	}
	return producer.Kafka(k), nil
}

func mechanism(c stream.SASL) (sasl.Mechanism, error) {
	switch c.Mechanism {
	case "":
		return nil, nil
	case "PLAIN":
		return plain.Auth{User: c.User, Pass: c.Password}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: c.User, Pass: c.Password}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: c.User, Pass: c.Password}.AsSha512Mechanism(), nil
	}
	return nil, fmt.Errorf("configuration: kafka.sasl.mechanism %q is none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512", c.Mechanism)
}

// about is what the flags of attach say of a report.
type about struct {
	change, repository, commit, tool, name, conclusion, provider, url, scanID, run string
	attempt                                                                        int64 // at that run
	timeout                                                                        time.Duration
	anyCommit                                                                      bool // it is about the repository, and not about a commit
}

func (a *app) attach() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "attach",
		Short: "Hand in a report from a CI job",
		Long: `Hands in the report of a scanner or of a test run as evidence about a change or
a commit. The format is told by the content. The file is checked first: a report
that is broken, empty or of an unknown format is an error here, in the CI job,
and not later in the pipeline.

In GitHub Actions, GitLab CI and Jenkins what it is about is read from the job's
environment, unless flags say it; in GitHub Actions so is who it is (OIDC), where no
token is configured and the workflow has the permission id-token: write. Ready parts
are in deploy/ci.`,
	}
	cmd.AddCommand(a.attachScan(), a.attachTests(), a.attachSBOM(), a.attachRequest())
	return cmd
}

func (a *app) attachFlags(cmd *cobra.Command, f *about) {
	cmd.Flags().StringVar(&f.change, "change", "", "the change: acme/payments#4829, group/proj!12, its URL or its id")
	cmd.Flags().StringVar(&f.repository, "repository", "", "the repository, host/path, where no change is known")
	cmd.Flags().StringVar(&f.commit, "commit", "", "the commit that was scanned or tested")
	cmd.Flags().StringVar(&f.url, "job-url", "", "where the job can be seen")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 30*time.Second, "how long to try")
	a.producerFlags(cmd)
}

func (f *about) check() error {
	if f.change == "" && f.anyCommit && f.repository == "" {
		return misuse{errors.New("attach: give --change or --repository: what was asked must be about something, and no job of a known CI system says what")}
	}
	if f.change == "" && !f.anyCommit && (f.repository == "" || f.commit == "") {
		return misuse{errors.New("attach: give --change, or --repository and --commit: evidence must be about something, and no job of a known CI system says what")}
	}
	if f.change != "" {
		if _, err := record.ParseChange(f.change); err != nil {
			return misuse{fmt.Errorf("attach: --change: %w", err)}
		}
	}
	return nil
}

func (a *app) attachScan() *cobra.Command {
	var f about
	cmd := &cobra.Command{
		Use:     "scan FILE…",
		Short:   "Hand in a scanner's report (SARIF, Trivy, Grype, osv-scanner and more)",
		Example: `  osv-scanner scan --format json . > osv.json || true` + "\n" + `  changetrail attach scan --change acme/payments#4829 --commit "$SHA" osv.json`,
		Args:    atLeastOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.attachFiles(cmd, &f, args, "attach tests", func(_ string, file []byte) (record.Fact, string, error) {
				scan, result, err := evidence.Scan(file)
				if err != nil {
					return nil, "", err
				}
				if scan.Tool.Name = cmp.Or(f.tool, scan.Tool.Name); scan.Tool.Name == "" {
					return nil, "", fmt.Errorf("a report of format %s does not name the tool that wrote it; say it with --tool NAME", result.Format)
				}
				scan.ScanID, scan.CommitSHA, scan.URL, scan.Repository = f.scanID, f.commit, f.url, f.repository
				said := fmt.Sprintf("%s report of %s: %d findings, highest %s\ndigest %s", result.Format, scan.Tool.Name, result.Summary.Findings, orNone(result.Summary.Highest), scan.Report.Digest)
				if result.Tool == "" && f.tool == "" {
					said += "\nit does not name the tool that wrote it; --tool NAME does"
				}
				return scan, said + notUnderstood(result), nil
			})
		},
	}
	cmd.Flags().StringVar(&f.tool, "tool", "", "name of the scanner, where the report does not say it")
	cmd.Flags().StringVar(&f.scanID, "scan-id", "", "the scan's name at the scanner")
	a.attachFlags(cmd, &f)
	return cmd
}

func (a *app) attachTests() *cobra.Command {
	var f about
	cmd := &cobra.Command{
		Use:     "tests FILE…",
		Short:   "Hand in the results of a test run (JUnit, TRX, NUnit, xUnit.net, TAP, go test -json and more)",
		Example: `  go test -json ./... > tests.json` + "\n" + `  changetrail attach tests --change acme/payments#4829 --commit "$SHA" --name unit tests.json`,
		Args:    atLeastOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.attachFiles(cmd, &f, args, "attach scan", func(name string, file []byte) (record.Fact, string, error) {
				v, result, err := evidence.Validation(file)
				if err != nil {
					return nil, "", err
				}
				v.Name, v.Provider, v.CommitSHA, v.URL, v.Conclusion, v.Repository = f.name, f.provider, f.commit, f.url, f.conclusion, f.repository
				v.RunID, v.Attempt = f.run, max(0, f.attempt)
				if len(args) > 1 { // each is a check of its own
					v.Name += " (" + filepath.Base(name) + ")"
				}
				return v, fmt.Sprintf("%s: %s, %d passed, %d failed, %d skipped\ndigest %s", result.Format, result.Conclusion, result.Passed, result.Failed, result.Skipped, v.Report.Digest) + notUnderstood(result), nil
			})
		},
	}
	cmd.Flags().StringVar(&f.name, "name", "", "name of the job; what CI calls it, or tests, where left out")
	cmd.Flags().StringVar(&f.provider, "provider", "", "the CI system")
	cmd.Flags().StringVar(&f.conclusion, "conclusion", "", "what the CI system says of the job; read from the report where left out")
	a.attachFlags(cmd, &f)
	return cmd
}

func notUnderstood(r evidence.Result) string {
	if len(r.Partial) == 0 {
		return ""
	}
	return "\nnot understood: " + strings.Join(r.Partial, "; ")
}

// attachFiles hands in files, all of them or, if one cannot be read, none. read makes a
// fact of one and says what it holds; other is the command for files of another kind.
func (a *app) attachFiles(cmd *cobra.Command, f *about, names []string, other string, read func(name string, file []byte) (record.Fact, string, error)) error {
	f.fill(ciJobOf(os.Getenv))
	if err := f.check(); err != nil {
		return err
	}
	var events []event.Event
	var said []string
	var errs []error
	for _, name := range names {
		file, err := readReport(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		fact, text, err := read(name, file)
		if errors.Is(err, evidence.ErrOtherKind) {
			err = fmt.Errorf("%w; use %s", err, other)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		if n := secrets.Reported(file); n > 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s holds %d secrets as they are. Pages and /v1/blobs hide them, but the file is kept as the scanner wrote it, since its digest is evidence; let the scanner redact them, as gitleaks --redact does\n", name, n)
		}
		e := producer.Event(f.change, fact)
		if f.repository != "" && f.change == "" {
			e.SetExtension("partitionkey", f.repository)
		}
		events, said = append(events, e), append(said, text)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := a.hand(cmd, *f, events...); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s\nabout %s\n", strings.Join(said, "\n"), f.what())
	return nil
}

// readReport reads a file that somebody named, a pipe included, as far as a report goes.
func readReport(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, evidence.MaxReport+1))
	if err == nil && len(text) > evidence.MaxReport {
		err = fmt.Errorf("%s: it has more than %d MiB, which is the most that is read", name, evidence.MaxReport>>20)
	}
	return text, err
}

func (a *app) attachSBOM() *cobra.Command {
	var f about
	var before string
	cmd := &cobra.Command{
		Use:   "sbom --change CHANGE --before OLD NEW",
		Short: "Hand in what changed between two bills of materials (CycloneDX, SPDX)",
		Example: `  git worktree add base origin/main && (cd base && npm sbom --sbom-format=cyclonedx) > old.json
  npm sbom --sbom-format=cyclonedx > new.json
  changetrail attach sbom --change acme/payments#4829 --before old.json new.json`,
		Args: exactlyOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.fill(ciJobOf(os.Getenv))
			if f.change == "" || before == "" {
				return misuse{errors.New("attach sbom: give --change, and the bill of before with --before: what is attached is the difference")}
			}
			if err := f.check(); err != nil {
				return err
			}
			old, err := readReport(before)
			if err != nil {
				return err
			}
			now, err := readReport(args[0])
			if err != nil {
				return err
			}
			updates, err := evidence.Delta(old, now)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", before, args[0], err)
			}
			update := &record.Updated{Revision: record.Revision{Dependencies: updates, SBOMDigest: record.Digest(now)}}
			if len(updates) > 500 {
				return fmt.Errorf("attach sbom: %d packages differ, at most 500 can be one change; are these bills of the same project?", len(updates))
			}
			if err := a.hand(cmd, f, producer.Event(f.change, update)); err != nil {
				return err
			}
			for _, u := range updates {
				fmt.Fprintf(cmd.OutOrStdout(), "%s %s → %s\n", u.Name, orNone(u.From), orNone(u.To))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d packages differ\ndigest %s\n", len(updates), update.SBOMDigest)
			return nil
		},
	}
	cmd.Flags().StringVar(&before, "before", "", "the bill of the base of the change")
	a.attachFlags(cmd, &f)
	return cmd
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func exactlyOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return misuse{fmt.Errorf("%s: exactly one %s is needed, %d are given; see %s --help", cmd.CommandPath(), what, len(args), cmd.CommandPath())}
		}
		return nil
	}
}

// checkEvent says beforehand what a gateway or an enricher would refuse in e. Of data
// that lie elsewhere they alone can tell.
func checkEvent(e event.Event) error {
	if err := producer.Check(e); err != nil {
		return err
	}
	env := producer.Envelope(&e)
	if env.DataRef != "" && len(env.Data) == 0 {
		return nil
	}
	_, err := ingest.Reader{Early: true}.Read(context.Background(), env, nil, time.Now())
	if refusal := schemas.AsRefusal(err); refusal != nil && refusal.Reason == schemas.UnknownType {
		return nil // the producer takes another's event, with its partitionkey
	}
	return err
}

func (a *app) hand(cmd *cobra.Command, f about, events ...event.Event) error {
	s, err := a.settings(cmd)
	if err != nil {
		return err
	}
	for _, e := range events {
		if err := checkEvent(e); err != nil {
			return misuse{err}
		}
	}
	if s.Producer.Gateway != "" && s.Producer.Token == "" && s.Producer.TokenFile == "" {
		if s.Producer.Token, err = ciToken(cmd.Context(), os.Getenv, s.Producer.Gateway); err != nil {
			return err
		}
	}
	return send(cmd, &s, producer.Binary, f.timeout, events)
}
