package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/internal/telemetry"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/stream"
)

func (a *app) enrich() *cobra.Command {
	var rebuild, dryRun bool
	var output string
	cmd := &cobra.Command{
		Use:   "enrich",
		Short: "Join events into change records",
		Long: `Reads events from Kafka, joins them into change records and writes both back, exactly
once. Start as many enrichers as the load needs: they share the partitions, and each
needs its own state folder.`,
		Example: `  changetrail enrich --policy policy.yaml --controls controls.yaml --state-dir /var/lib/changetrail
  changetrail enrich --rebuild --dry-run --policy new.yaml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, kafka, err := a.settingsAndKafka(cmd)
			if err != nil {
				return err
			}
			p, m, err := s.policyAndControls()
			if err != nil {
				return err
			}
			keys, err1 := s.signingKeys()
			documents, err2 := s.recordKeys()
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
			if rebuild {
				return s.rebuild(cmd, enricher.Config{
					Kafka: kafka, Topics: s.topics(), Namespace: s.Namespace, StateDir: s.Enricher.StateDir, Policy: p, Controls: m, Keys: keys, DocumentKeys: documents, Trust: s.Trust.Unsigned, Memory: int64(s.Enricher.MaxMemory), Log: s.logger(cmd.ErrOrStderr()),
				}, dryRun, output)
			}
			if dryRun {
				return usageError{errors.New("--dry-run is for --rebuild")}
			}
			ready := func(ctx context.Context) error {
				_, err := stream.Partitions(ctx, kafka, s.topics())
				return err
			}
			return s.service(cmd, "enricher", ready, func(ctx context.Context, log *slog.Logger, t *telemetry.Providers) error {
				collectLess(450 << 20)
				warn(log, p)
				log.Info("enricher starts", "brokers", kafka.Brokers, "state", s.Enricher.StateDir, "services", len(p.Services), "controls", len(m.Controls), "blobs", s.Blobs)
				store, err := s.blobStore(ctx)
				if err != nil {
					return err
				}
				var files enricher.Blobs // nil if none is set
				if store != nil {
					defer func() { _ = store.Close() }()
					files = store
					for _, content := range [][]byte{p.Content(), m.Content()} { // so that each digest in a record leads to its text
						if _, err := store.Put(ctx, content); len(content) > 0 && err != nil {
							return err
						}
					}
				}
				return enricher.Run(ctx, enricher.Config{
					Kafka: kafka, Topics: s.topics(), Namespace: s.Namespace,
					StateDir: s.Enricher.StateDir, Instance: s.Enricher.Instance, Policy: p, Controls: m, Keys: keys, DocumentKeys: documents, Trust: s.Trust.Unsigned, Blobs: files,
					EvidenceAge: time.Duration(s.Enricher.EvidenceAge), MaxBatch: s.Enricher.MaxBatch, Memory: int64(s.Enricher.MaxMemory), Linger: time.Duration(s.Enricher.Linger), Compression: s.Enricher.Compression,
					Log: log, Meter: t.Meter, Tracer: t.Tracer,
				})
			})
		},
	}
	cmd.Flags().BoolVar(&rebuild, "rebuild", false, "make all records again from the events with the current policy and code, list what changed, and exit; stop all enrichers first")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "with --rebuild: write nothing")
	outputFlag(cmd, &output, "with --rebuild: output format", "text", "json")
	a.flag(cmd.Flags(), "policy", "enricher.policy", "policy.yaml: services, agents and rules")
	a.flag(cmd.Flags(), "controls", "enricher.controls", "controls.yaml: the control matrix")
	a.flag(cmd.Flags(), "blobs", "blobs", "where files are stored: a folder, or a URL such as s3://bucket")
	a.flag(cmd.Flags(), "state-dir", "enricher.state_dir", "folder of the local store")
	a.flag(cmd.Flags(), "instance", "enricher.instance", "stable, unique name of this enricher")
	a.flag(cmd.Flags(), "listen", "telemetry.listen", "address of /metrics, /healthz and /readyz")
	return cmd
}

// rebuild makes all records again and prints what changed.
func (s *Settings) rebuild(cmd *cobra.Command, c enricher.Config, dryRun bool, output string) error {
	store, err := s.blobStore(cmd.Context())
	if err != nil {
		return usageError{err}
	}
	if store != nil {
		defer func() { _ = store.Close() }()
		c.Blobs = store
	}
	done, err := enricher.Rebuild(cmd.Context(), c, dryRun, func(n, of int32) {
		overwrite(cmd.ErrOrStderr(), "\r%d of %d partitions", n, of)
	})
	fmt.Fprintln(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if output == "json" {
		return printJSON(cmd, done)
	}
	out := cmd.OutOrStdout()
	for _, d := range done.Changed {
		fmt.Fprintf(out, "%s\n", d.Change)
		for _, what := range d.What {
			fmt.Fprintf(out, "  %s\n", what)
		}
	}
	verb := "have a new revision"
	if dryRun {
		verb = "would have a new revision; nothing was written"
	}
	fmt.Fprintf(out, "%d events were read again, %d of them cannot be read; of %d records %d %s.\n", done.Events, done.Refused, done.Records, len(done.Changed), verb)
	return nil
}

func (a *app) sink() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sink",
		Short: "Copy events and records into a search engine, another SIEM, a data lake or a topic of OCSF",
		Long: `Reads what the enricher wrote and indexes it in OpenSearch or Elasticsearch; sends it to
Splunk (HTTP Event Collector) or to a receiver of OpenTelemetry logs (OTLP) or syslog; or
writes it to files in object storage (--engine lake) or to a topic of OCSF events
(--engine ocsf-topic). Start as many sinks as the load needs; each receiver needs sinks
of its own. docs/sinks.md says what each receiver gets.`,
		Example: `  changetrail sink --engine opensearch --url http://localhost:9200
  changetrail sink --engine lake --bucket s3://bucket?region=eu-central-1
  changetrail sink --engine elasticsearch --url https://es:9200 --config prod.yaml
  CHANGETRAIL_SINK_TOKEN_FILE=hec.token changetrail sink --engine splunk --url https://splunk:8088
  changetrail sink --engine otlp --url https://collector:4318
  changetrail sink --engine syslog --url tls://siem:6514`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, kafka, err := a.settingsAndKafka(cmd)
			if err != nil {
				return err
			}
			keys, err := s.recordKeys()
			if err != nil {
				return err
			}
			switch s.Sink.Engine {
			case settings.Lake:
				return lakeSink(cmd, &s, kafka, keys)
			case settings.OCSFTopic:
				return ocsfSink(cmd, &s, kafka, keys)
			}
			engine, err := s.receiver()
			if err != nil {
				return misconfigured(err)
			}
			ready := func(ctx context.Context) error { return engine.Ready(ctx, s.Namespace) }
			return s.service(cmd, "sink-"+engine.Name(), ready, func(ctx context.Context, log *slog.Logger, t *telemetry.Providers) error {
				limitMemory(160 << 20)
				log.Info("sink starts", "brokers", kafka.Brokers, "engine", engine.Name(), "addresses", s.Sink.Addresses)
				return sinks.Run(ctx, sinks.Config{
					Kafka: kafka, Topics: s.topics(), Namespace: s.Namespace, Instance: s.Sink.Instance, Engine: engine, Keys: keys,
					MaxDocs: s.Sink.MaxDocs, MaxBytes: s.Sink.MaxBytes, InFlight: s.Sink.InFlight, Linger: time.Duration(s.Sink.Linger),
					Log: log, Meter: t.Meter, Tracer: t.Tracer,
				})
			})
		},
	}
	a.receiverFlags(cmd.Flags())
	a.flag(cmd.Flags(), "bucket", "sink.lake.bucket", "with --engine lake: a folder, or a URL such as s3://bucket")
	a.flag(cmd.Flags(), "instance", "sink.instance", "stable, unique name of this sink")
	a.flag(cmd.Flags(), "listen", "telemetry.listen", "address of /metrics, /healthz and /readyz")
	return cmd
}

// collectLess lets the heap grow up to a size before it is collected: most memory is used for
// events and short-lived. GOGC and GOMEMLIMIT override it.
func collectLess(bytes int64) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	limitMemory(bytes)
}

// limitMemory makes the collector work harder near a memory limit. GOMEMLIMIT overrides it.
func limitMemory(bytes int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bytes)
	}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no arguments, but %q is given; see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())}
	}
	return nil
}

// warn logs the warnings of a policy.
func warn(log *slog.Logger, p *policy.Policy) {
	for _, w := range p.Warnings() {
		log.Warn("the policy has a part that is not used", "part", w)
	}
}
