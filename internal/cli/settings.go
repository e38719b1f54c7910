package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/blobs/cloud"
	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/demo"
	"github.com/changetrail/changetrail/internal/mistake"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks/bulk"
	"github.com/changetrail/changetrail/sinks/elasticsearch"
	"github.com/changetrail/changetrail/sinks/opensearch"
	"github.com/changetrail/changetrail/stream"
)

// Settings are the settings of a command; its methods build what they describe.
type Settings struct {
	config.Config

	state string // the folder that lists this user's instances; "" if there is none
}

// settingsAndKafka returns the settings of a command, and how to connect to Kafka.
func (a *app) settingsAndKafka(cmd *cobra.Command) (Settings, stream.Config, error) {
	s, err := a.settings(cmd)
	if err != nil {
		return Settings{}, stream.Config{}, err
	}
	kafka, err := s.kafka()
	return s, kafka, err
}

// within runs a command that ends after the timeout of a flag.
func (a *app) within(timeout *time.Duration, run func(context.Context, *cobra.Command, *Settings) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		s, err := a.settings(cmd)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), *timeout)
		defer cancel()
		return run(ctx, cmd, &s)
	}
}

// kafka returns how to connect to Kafka.
func (s *Settings) kafka() (stream.Config, error) {
	k := &s.Kafka
	password, err := s.Secret("kafka.sasl.password")
	return stream.Config{
		Brokers: k.Brokers,
		TLS:     stream.TLS{Enabled: k.TLS.Enabled, CAFile: k.TLS.CAFile, CertFile: k.TLS.CertFile, KeyFile: k.TLS.KeyFile},
		SASL:    stream.SASL{Mechanism: k.SASL.Mechanism, User: k.SASL.User, Password: password},
	}, misconfigured(err)
}

func (s *Settings) topics() stream.Topics { return stream.Topics{Prefix: s.Kafka.Prefix} }

// kafkaRetention returns the retention of topics that delete by time.
func (s *Settings) kafkaRetention() time.Duration {
	if s.Kafka.Retention > 0 {
		return time.Duration(s.Kafka.Retention)
	}
	return time.Duration(s.Retention)
}

// hasIndex reports whether sink.engine is a search engine.
func (s *Settings) hasIndex() bool {
	return s.Sink.Engine == schemas.OpenSearch || s.Sink.Engine == schemas.Elasticsearch
}

// engine returns the search engine that sink.engine names, for the indexes of the namespace.
func (s *Settings) engine() (*bulk.Server, error) {
	password, err1 := s.Secret("sink.password")
	key, err2 := s.Secret("sink.api_key")
	if err := errors.Join(err1, err2); err != nil {
		return nil, usageError{err}
	}
	connect := opensearch.New
	switch s.Sink.Engine {
	case schemas.OpenSearch:
	case schemas.Elasticsearch:
		connect = elasticsearch.New
	default:
		return nil, usageError{fmt.Errorf("configuration: sink.engine is %s, which cannot be searched; name a search engine with --engine and --url, or a data folder with --store", s.Sink.Engine)}
	}
	server, err := connect(bulk.Connection{Addresses: s.Sink.Addresses, Username: s.Sink.Username, Password: password, APIKey: key, CAFile: s.Sink.CAFile, Gzip: s.Sink.Gzip})
	if err != nil {
		return nil, usageError{err}
	}
	server.RecordIndex, server.EventIndex = schemas.RecordIndexes(s.Namespace), schemas.EventIndex(s.Namespace)
	return server, nil
}

// blobStore opens the blob store; nil if none is set.
func (s *Settings) blobStore(ctx context.Context) (*blobs.Store, error) {
	if s.Blobs == "" {
		return nil, nil
	}
	return cloud.Open(ctx, s.Blobs)
}

// policyAndControls reads the policy and the control matrix. Files that are not set are empty.
func (s *Settings) policyAndControls() (*policy.Policy, *controls.Matrix, error) {
	p, err1 := readPolicy(s.Enricher.Policy)
	m, err2 := readControls(s.Enricher.Controls)
	return p, m, misconfigured(errors.Join(err1, err2))
}

// readControls reads a control matrix; no file is an empty one.
func readControls(file string) (*controls.Matrix, error) {
	if file == "" {
		return controls.Parse(nil)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usageError{fmt.Errorf("enricher.controls: %w", err)}
	}
	m, err := controls.Parse(text)
	return m, mistake.In(file, err)
}

// matrix returns the control matrix of the settings, or that of the demo.
func (s *Settings) matrix() (*controls.Matrix, error) {
	if s.Enricher.Controls == "" {
		return controls.Parse(demo.Controls())
	}
	return readControls(s.Enricher.Controls)
}

// readPolicy reads a policy with the files that it names; no file is an empty policy.
func readPolicy(file string) (*policy.Policy, error) {
	if file == "" {
		return policy.Parse(nil)
	}
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("enricher.policy: %w", err)
	}
	p, err := policy.Load(os.DirFS(filepath.Dir(file)), filepath.Base(file))
	return p, mistake.Each(err, func(m *mistake.Mistake) { m.File = filepath.Join(filepath.Dir(file), m.File) })
}
