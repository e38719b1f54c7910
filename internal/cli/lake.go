package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/blobs/cloud"
	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/internal/telemetry"
	"github.com/changetrail/changetrail/sinks/lake"
	"github.com/changetrail/changetrail/sinks/ocsftopic"
	"github.com/changetrail/changetrail/stream"
)

// lakeSink writes documents to files in object storage.
func lakeSink(cmd *cobra.Command, s *Settings, kafka stream.Config, keys signing.Keys) error {
	l := &s.Sink.Lake
	layout := lake.Layout{Source: l.Source, Region: l.Region, Account: l.Account}
	if err := layout.Check(); err != nil {
		return usageError{fmt.Errorf("configuration: sink.lake: %w", err)}
	}
	if l.Bucket == "" {
		return usageError{errors.New("configuration: sink.lake.bucket is empty; give --bucket, a folder or a URL such as s3://bucket?region=eu-central-1")}
	}
	format, err := lakeFormat(l.Format)
	if err != nil {
		return usageError{fmt.Errorf("configuration: sink.lake.format: %w", err)}
	}
	if layout.Source != "" && l.Format != "parquet" {
		return usageError{errors.New("configuration: sink.lake.source is set, for Security Lake, which reads only parquet: set sink.lake.format to parquet")}
	}
	bucket, err := cloud.OpenBucket(cmd.Context(), l.Bucket)
	if err != nil {
		return usageError{err}
	}
	defer func() { _ = bucket.Close() }()
	ready := func(ctx context.Context) error {
		_, err := stream.TopicIDs(ctx, kafka, s.topics().Enriched(), s.topics().Records())
		return err
	}
	return s.service(cmd, "sink-"+lake.Name, ready, func(ctx context.Context, log *slog.Logger, t *telemetry.Providers) error {
		limitMemory(int64(l.MaxMemory) + 256<<20)
		log.Info("sink starts", "brokers", kafka.Brokers, "engine", lake.Name, "bucket", config.Shown(l.Bucket), "format", l.Format)
		return lake.Run(ctx, lake.Config{
			Kafka: kafka, Topics: s.topics(), Namespace: s.Namespace, Instance: s.Sink.Instance, Keys: keys,
			Bucket: bucket, Where: config.Shown(l.Bucket), Layout: layout, Format: format,
			FileBytes: l.FileBytes, FileAge: time.Duration(l.FileAge), MaxMemory: l.MaxMemory, InFlight: s.Sink.InFlight, New: l.New,
			Log: log, Meter: t.Meter,
		})
	})
}

// lakeFormat returns a format of files.
func lakeFormat(name string) (lake.Format, error) {
	if name == "parquet" {
		return parquetFormat()
	}
	return lake.Lines{}, nil
}

// ocsfSink writes documents to a topic, as events of OCSF.
func ocsfSink(cmd *cobra.Command, s *Settings, kafka stream.Config, keys signing.Keys) error {
	instance := s.Sink.Instance
	if instance == "" {
		instance = uuid.NewString()
	}
	ready := func(ctx context.Context) error { return ocsftopic.Ready(ctx, kafka, s.topics()) }
	return s.service(cmd, "sink-"+ocsftopic.Name, ready, func(ctx context.Context, log *slog.Logger, t *telemetry.Providers) error {
		limitMemory(256 << 20)
		if s.Sink.Instance == "" {
			log.Warn("sink.instance is empty: after a crash, the topic waits 15 s for the transaction that was open; a stable, unique name avoids that")
		}
		log.Info("sink starts", "brokers", kafka.Brokers, "engine", ocsftopic.Name, "topic", s.topics().OCSF())
		return ocsftopic.Run(ctx, ocsftopic.Config{
			Kafka: kafka, Topics: s.topics(), Namespace: s.Namespace, Instance: instance, Keys: keys,
			MaxBatch: s.Sink.MaxDocs, Linger: time.Duration(s.Sink.Linger), Compression: s.Enricher.Compression, Log: log, Meter: t.Meter,
		})
	})
}
