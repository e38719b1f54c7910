package cli

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	siemfiles "github.com/changetrail/changetrail/deploy/siem"
	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/internal/siem/detect"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks/setup"
	"github.com/changetrail/changetrail/stream"
)

func (a *app) setup() *cobra.Command {
	var do setupSteps
	var output, export string
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Create or upgrade topics, index templates, lifecycle policies and dashboards",
		Long: `Creates what is missing and upgrades what differs: the topics in Kafka; in the
search engine the index templates, the data stream, the indexes with their
alias and the lifecycle policies; and, if you name one, in OpenSearch Dashboards or
Kibana the data views, saved queries, searches and dashboards (docs/siem.md).
A second run changes nothing. It never deletes anything and never changes the number
of partitions of a topic.`,
		Example: `  changetrail setup --dry-run
  changetrail setup --engine elasticsearch --url http://localhost:9200 --kibana-url http://localhost:5601
  changetrail setup --dashboards-only --dashboards-url https://dashboards.example.com --pages https://changetrail.example.com
  changetrail setup --export-siem siem`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.settings(cmd)
			if err != nil {
				return err
			}
			if export != "" {
				return s.exportSIEM(cmd, export)
			}
			if do.frontOnly && s.SIEM.DashboardsURL == "" && s.SIEM.KibanaURL == "" {
				return usageError{errors.New("no front end is named; give --dashboards-url or --kibana-url")}
			}
			steps, err := do.run(cmd, &s)
			if err != nil {
				printSteps(cmd, steps, do.dryRun)
				return err
			}
			if output == "json" {
				return printJSON(cmd, steps)
			}
			printSummary(cmd, printSteps(cmd, steps, do.dryRun), do.dryRun)
			return nil
		},
	}
	cmd.Flags().BoolVar(&do.dryRun, "dry-run", false, "print what would be done, and do nothing")
	cmd.Flags().BoolVar(&do.kafkaOnly, "kafka-only", false, "topics only")
	cmd.Flags().BoolVar(&do.indexOnly, "index-only", false, "search engine and dashboards only")
	cmd.Flags().BoolVar(&do.frontOnly, "dashboards-only", false, "OpenSearch Dashboards and Kibana only")
	cmd.Flags().BoolVar(&do.roles, "roles", false, "also the roles changetrail-writer, changetrail-health, changetrail-analyst and changetrail-auditor in the search engine; needs an administrator of its security")
	cmd.Flags().BoolVar(&do.monitors, "monitors", false, "also the detections as monitors of OpenSearch Alerting, disabled; needs its plug-in")
	cmd.Flags().StringVar(&export, "export-siem", "", "write the files for OpenSearch Dashboards and Kibana, and detections, to this folder, for an import by hand, and do nothing else")
	cmd.MarkFlagsMutuallyExclusive("kafka-only", "index-only", "dashboards-only")
	cmd.MarkFlagsMutuallyExclusive("kafka-only", "dashboards-only", "roles")
	cmd.MarkFlagsMutuallyExclusive("kafka-only", "dashboards-only", "monitors")
	a.flag(cmd.Flags(), "dashboards-url", "siem.dashboards_url", "OpenSearch Dashboards, into which dashboards are imported")
	a.flag(cmd.Flags(), "kibana-url", "siem.kibana_url", "Kibana, into which dashboards are imported; with /s/NAME for a space")
	a.flag(cmd.Flags(), "controls", "enricher.controls", "controls.yaml: the control matrix, whose controls get a saved query each")
	a.flag(cmd.Flags(), "pages", "siem.pages", "URL of the pages of changetrail, to which the dashboards link")
	outputFlag(cmd, &output, "output format", "text", "json")
	a.receiverFlags(cmd.Flags())
	a.flag(cmd.Flags(), "partitions", "kafka.partitions", "partitions of each topic that is created")
	a.flag(cmd.Flags(), "retention", "retention", "how long events and records are kept")
	return cmd
}

// setupSteps are the parts that a setup looks at.
type setupSteps struct {
	dryRun, kafkaOnly, indexOnly, frontOnly, roles, monitors bool
}

// run sets everything up and returns what it found and did, also if it stops at an error.
func (do setupSteps) run(cmd *cobra.Command, s *Settings) (steps []stream.Step, err error) {
	if do.roles && !s.hasIndex() {
		return nil, usageError{fmt.Errorf("--roles makes roles in a search engine, and sink.engine is %s", s.Sink.Engine)}
	}
	if do.monitors && s.Sink.Engine != schemas.OpenSearch {
		return nil, usageError{fmt.Errorf("--monitors makes monitors in OpenSearch, and sink.engine is %s", s.Sink.Engine)}
	}
	if !do.kafkaOnly && !do.frontOnly && !s.hasIndex() {
		steps = append(steps, stream.Step{What: s.Sink.Engine + " needs no indexes"})
	}
	parts := []struct {
		skip bool
		run  func(*cobra.Command, *Settings, bool) ([]stream.Step, error)
	}{
		{do.indexOnly || do.frontOnly, setupKafka}, {do.kafkaOnly || do.frontOnly || !s.hasIndex(), setupIndex}, {!do.roles, setupRoles}, {!do.monitors, setupMonitors}, {do.kafkaOnly, setupFrontEnds},
	}
	for _, part := range parts {
		if part.skip {
			continue
		}
		done, err := part.run(cmd, s, do.dryRun)
		steps = append(steps, done...)
		if err != nil {
			return steps, err
		}
	}
	return steps, nil
}

func setupIndex(cmd *cobra.Command, s *Settings, dryRun bool) ([]stream.Step, error) {
	engine, err := s.engine()
	if err != nil {
		return nil, usageError{err}
	}
	if _, err := engine.Version(cmd.Context()); err != nil {
		return nil, err
	}
	return setup.Index(cmd.Context(), engine, setup.Options{
		Namespace: s.Namespace, Retention: time.Duration(s.Retention), Shards: s.Sink.Shards, DryRun: dryRun, Now: time.Now(),
	})
}

func setupRoles(cmd *cobra.Command, s *Settings, dryRun bool) ([]stream.Step, error) {
	engine, err := s.engine()
	if err != nil {
		return nil, usageError{err}
	}
	return setup.Roles(cmd.Context(), engine, dryRun)
}

func setupMonitors(cmd *cobra.Command, s *Settings, dryRun bool) ([]stream.Step, error) {
	engine, err := s.engine()
	if err != nil {
		return nil, usageError{err}
	}
	rules, err := detect.Load(siemfiles.Detections())
	if err != nil {
		return nil, err
	}
	made, err := detect.Monitors(rules, detect.Options{Namespace: s.Namespace, Page: s.SIEM.Pages})
	if err != nil {
		return nil, err
	}
	monitors := make([]setup.Monitor, len(made))
	for i, m := range made {
		monitors[i] = setup.Monitor(m)
	}
	return setup.Monitors(cmd.Context(), engine, monitors, dryRun)
}

func setupKafka(cmd *cobra.Command, s *Settings, dryRun bool) ([]stream.Step, error) {
	c, err := s.kafka()
	if err != nil {
		return nil, err
	}
	adm, err := stream.NewAdmin(c)
	if err != nil {
		return nil, usageError{err}
	}
	defer adm.Close()
	partitions := int32(s.Kafka.Partitions) // #nosec G115 -- validate bounds it
	specs := s.topics().Specs(partitions, s.kafkaRetention())
	if s.Sink.Engine == settings.OCSFTopic {
		specs = append(specs, s.topics().OCSFSpec(partitions, s.kafkaRetention()))
	}
	return adm.Ensure(cmd.Context(), specs, int16(s.Kafka.Replication), dryRun) // #nosec G115 -- validate bounds it
}

// printSteps prints the steps and returns the number of changes.
func printSteps(cmd *cobra.Command, steps []stream.Step, dryRun bool) int {
	changes := 0
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, s := range steps {
		if s.Change == "" {
			fmt.Fprintf(w, "  ok\t%s\n", s.What)
			continue
		}
		changes++
		mark := "done"
		if dryRun {
			mark = "would"
		}
		fmt.Fprintf(w, "  %s\t%s: %s\n", mark, s.What, s.Change)
	}
	_ = w.Flush()
	return changes
}

func printSummary(cmd *cobra.Command, changes int, dryRun bool) {
	switch {
	case changes == 0:
		fmt.Fprintln(cmd.OutOrStdout(), "Nothing to change.")
	case dryRun:
		fmt.Fprintf(cmd.OutOrStdout(), "%d changes would be made.\n", changes)
	default:
		fmt.Fprintf(cmd.OutOrStdout(), "%d changes made.\n", changes)
	}
}

func printJSON(cmd *cobra.Command, v any) error {
	text, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), string(text))
	return err
}

// config prints the effective settings without secrets.
func (a *app) config() *cobra.Command {
	var list bool
	cmd := &cobra.Command{
		Use:     "config",
		Short:   "Print the effective settings, or list all settings",
		Example: "  changetrail config\n  changetrail config --list",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.settings(cmd)
			if err != nil {
				return err
			}
			if list {
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				s.Keys(func(path string, _ reflect.Value, tags reflect.StructTag) {
					fmt.Fprintf(w, "%s\t%s\t%s\n", path, config.EnvName(path), tags.Get("doc"))
				})
				return w.Flush()
			}
			_, err = io.WriteString(cmd.OutOrStdout(), s.String())
			return err
		},
	}
	cmd.Flags().BoolVar(&list, "list", false, "list all settings with their environment variables")
	return cmd
}
