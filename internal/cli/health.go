package cli

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/health"
	"github.com/changetrail/changetrail/internal/telemetry"
)

// shortestInterval bounds how often the pipeline is measured: each time costs a search over all events of
// two months.
const shortestInterval = config.Duration(time.Second)

func (a *app) health() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Write how the pipeline does into a search engine, for alerts and a dashboard",
		Long: `Writes documents about the pipeline itself into OpenSearch or Elasticsearch: how far
each part is behind, each dead letter, when each source of events was last heard, and
which source fell silent. The dashboard "Pipeline health" and detections read them.
One is enough; a second one writes nothing twice. It reads the indexed events, which a
sink need not be allowed to do (docs/siem.md).`,
		Example: "  changetrail health --engine opensearch --url http://localhost:9200",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.settings(cmd)
			if err != nil {
				return err
			}
			if s.Health.Interval < shortestInterval {
				return usageError{fmt.Errorf("health.interval is %s; give at least %s", time.Duration(s.Health.Interval), time.Duration(shortestInterval))}
			}
			kafka, err := s.kafka()
			if err != nil {
				return err
			}
			engine, err := s.engine()
			if err != nil {
				return err
			}
			ready := func(ctx context.Context) error {
				return engine.Templates(ctx, "changetrail-event", "changetrail-health")
			}
			if err := ready(cmd.Context()); err != nil {
				return err
			}
			return s.service(cmd, "health", ready, func(ctx context.Context, log *slog.Logger, _ *telemetry.Providers) error {
				log.Info("health starts", "brokers", kafka.Brokers, "engine", engine.Name(), "addresses", s.Sink.Addresses, "interval", time.Duration(s.Health.Interval))
				return health.Run(ctx, health.Config{Kafka: kafka, Topics: s.topics(), Namespace: s.Namespace, Index: engine, Interval: time.Duration(s.Health.Interval), Log: log})
			})
		},
	}
	a.engineFlags(cmd.Flags())
	a.flag(cmd.Flags(), "interval", "health.interval", "time between two measurements")
	a.flag(cmd.Flags(), "listen", "telemetry.listen", "address of /metrics, /healthz and /readyz")
	return cmd
}
