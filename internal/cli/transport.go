package cli

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/stream"
)

// producer returns a producer from the settings and o; done closes its blob store.
func (s *Settings) producer(ctx context.Context, mode producer.Mode, o producer.Options) (p *producer.Producer, done func(), err error) {
	transport, err := s.transport(mode)
	if err != nil {
		return nil, nil, err
	}
	redactor, err := s.redactor(signing.Keys{})
	if err != nil {
		return nil, nil, usageError{err}
	}
	store, err := s.blobStore(ctx)
	if err != nil {
		return nil, nil, usageError{err}
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

// transport returns the connection to the pipeline: a gateway or Kafka.
func (s *Settings) transport(mode producer.Mode) (producer.Transport, error) {
	if s.Producer.Gateway != "" {
		token, err := s.Secret("producer.token")
		return producer.HTTP(producer.HTTPConfig{URL: s.Producer.Gateway, Token: token, Mode: mode}), misconfigured(err)
	}
	c, err := s.kafka()
	if err != nil {
		return nil, err
	}
	k := producer.KafkaConfig{Brokers: c.Brokers, Topic: s.topics().Events(), Mode: mode}
	if c.TLS.Enabled {
		if k.TLS, err = c.TLS.Config(); err != nil {
			return nil, usageError{err}
		}
	}
	if k.SASL, err = mechanism(c.SASL); err != nil {
		return nil, usageError{err}
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
	return nil, fmt.Errorf("configuration: kafka.sasl.mechanism %q is not one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512", c.Mechanism)
}
