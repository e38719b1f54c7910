package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/internal/archive"
	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/embedded"
	"github.com/changetrail/changetrail/internal/standalone"
	"github.com/changetrail/changetrail/stream"
)

func (a *app) export() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export FILE",
		Short: "Write all events and their files to an archive",
		Long: `Writes the events and files of a pipeline to one file. It reads the folder that --data
names, running or not, or the Kafka that --brokers names. The archive has no records:
they are made again where the events are imported.`,
		Example: `  changetrail export --data changetrail-data trail.gz
  changetrail export --brokers kafka:9092 --blobs s3://evidence trail.gz`,
		Args: exactlyOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			s, err := a.settings(cmd)
			if err != nil {
				return err
			}
			kafka, end, err := s.kafkaOrFolder(cmd)
			if err != nil {
				return err
			}
			defer end()
			partitions, store, err := s.ends(cmd.Context(), kafka)
			if err != nil {
				return err
			}
			if store != nil {
				defer func() { _ = store.Close() }()
			}
			out, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640) // #nosec G302 -- the group may read it, to carry it elsewhere
			if err != nil {
				return err
			}
			n, err := archive.Export(cmd.Context(), out, archive.Source{Kafka: kafka, Topic: s.topics().Events(), Partitions: partitions, Blobs: store}, func(n archive.Counts) {
				overwrite(cmd.ErrOrStderr(), "\r%d events, %d files", n.Events, n.Blobs)
			})
			fmt.Fprintln(cmd.ErrOrStderr())
			if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
				return errors.Join(err, os.Remove(args[0])) // half an archive is of no use
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d events and %d files are in %s.\n", n.Events, n.Blobs, args[0])
			return nil
		},
	}
	a.flag(cmd.Flags(), "data", "local.data", "folder of the embedded mode")
	a.flag(cmd.Flags(), "blobs", "blobs", "where files are stored: a folder, or a URL such as s3://bucket")
	return cmd
}

// kafkaOrFolder returns where the topics are, until end is called: in the folder that --data
// names, in the Kafka that the settings name, else in the instance that commands find, else in
// the Kafka of this machine. It prints which one, if the user did not name it.
func (s *Settings) kafkaOrFolder(cmd *cobra.Command) (kafka stream.Config, end func(), err error) {
	if kafka, err = s.kafka(); err != nil {
		return stream.Config{}, nil, err
	}
	if cmd.Flags().Changed("data") {
		return s.brokerOf(s.Local.Data)
	}
	if s.IsSet("kafka.brokers") {
		return kafka, func() {}, nil
	}
	at, err := s.look(cmd.Context())
	if wrong := (usageError{}); errors.As(err, &wrong) {
		return stream.Config{}, nil, err
	}
	if at.instance.Data == "" { // whether a search engine answers says nothing about Kafka
		return kafka, func() {}, nil
	}
	if !at.given {
		fmt.Fprintf(cmd.ErrOrStderr(), "reading %s\n", config.Shown(at.String()))
	}
	return s.brokerOf(at.instance.Data)
}

// brokerOf returns how to reach the topics of a data folder, running or not.
func (s *Settings) brokerOf(folder string) (kafka stream.Config, end func(), err error) {
	if err := inFolder(folder, "broker"); err != nil {
		return stream.Config{}, nil, err
	}
	s.Blobs = standalone.BlobDir(folder)
	broker, err := embedded.Start(filepath.Join(folder, "broker"), nil)
	if errors.Is(err, embedded.ErrInUse) { // it runs, so it can be read
		return standalone.Broker(folder), func() {}, nil
	}
	if err != nil {
		return stream.Config{}, nil, err
	}
	return standalone.Broker(folder), broker.Close, nil
}

// ends returns the number of partitions of the events and the blob store, nil if none is set: the
// source or the target of an archive.
func (s *Settings) ends(ctx context.Context, kafka stream.Config) (partitions int32, store *blobs.Store, err error) {
	if partitions, err = stream.Partitions(ctx, kafka, s.topics()); err != nil {
		return 0, nil, err
	}
	if store, err = s.blobStore(ctx); err != nil {
		return 0, nil, usageError{err}
	}
	return partitions, store, nil
}

func (a *app) importing() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Publish the events of an archive",
		Long: `Checks an archive that export wrote, then publishes its events to Kafka and stores its
files in the blob store. The enricher there makes the records. To import it twice is
harmless: sender, source and id identify an event.

With the signing_key of the enrichers, events keep the time at which they arrived.
Without it they arrive now, so what was reported before a merge counts as reported
after it. Signatures of gateways count if the enrichers know their key.`,
		Example: "  changetrail setup && changetrail import --brokers kafka:9092 --blobs s3://evidence trail.gz",
		Args:    exactlyOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, kafka, err := a.settingsAndKafka(cmd)
			if err != nil {
				return err
			}
			keys, err := s.signingKeys()
			if err != nil {
				return err
			}
			in, err := os.Open(args[0])
			if err != nil {
				return usageError{err}
			}
			defer in.Close()
			if _, err := archive.Check(in); err != nil {
				return fmt.Errorf("%s: %w; nothing was published", args[0], err)
			}
			if _, err := in.Seek(0, 0); err != nil {
				return err
			}
			partitions, store, err := s.ends(cmd.Context(), kafka)
			if err != nil {
				return err
			}
			if store != nil {
				defer func() { _ = store.Close() }()
			}
			n, err := archive.Import(cmd.Context(), in, archive.Target{Kafka: kafka, Topic: s.topics().Events(), Partitions: partitions, Blobs: store, Keys: keys}, func(n archive.Counts) {
				overwrite(cmd.ErrOrStderr(), "\r%d events, %d files", n.Events, n.Blobs)
			})
			fmt.Fprintln(cmd.ErrOrStderr())
			if err != nil {
				return fmt.Errorf("after %d events: %w; import again: what was imported already does not change", n.Events, err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d events and %d files were imported from %s.\n", n.Events, n.Blobs, args[0])
			return nil
		},
	}
	a.flag(cmd.Flags(), "blobs", "blobs", "where files are stored: a folder, or a URL such as s3://bucket")
	return cmd
}
