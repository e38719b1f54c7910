package cli

import (
	"errors"
	"fmt"

	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/endpoint"
	"github.com/changetrail/changetrail/sinks/otlp"
	"github.com/changetrail/changetrail/sinks/splunk"
	"github.com/changetrail/changetrail/sinks/syslog"
	"github.com/changetrail/changetrail/stream"
)

// receiver returns what sink.engine names: a search engine or another receiver.
func (s *Settings) receiver() (sinks.Engine, error) {
	if s.hasIndex() {
		return s.engine()
	}
	if s.Sink.Engine == settings.Lake || s.Sink.Engine == settings.OCSFTopic {
		return nil, fmt.Errorf("configuration: sink.engine is %s, which has no address; only changetrail sink uses it", s.Sink.Engine)
	}
	if !s.IsSet("sink.addresses") {
		return nil, fmt.Errorf("configuration: sink.engine is %s, and sink.addresses is not set; give the address with --url", s.Sink.Engine)
	}
	if len(s.Sink.Addresses) != 1 {
		return nil, fmt.Errorf("configuration: sink.addresses has %d addresses, but %s has one; put a load balancer in front of several", len(s.Sink.Addresses), s.Sink.Engine)
	}
	switch s.Sink.Engine {
	case settings.Splunk:
		return s.splunk()
	case settings.OTLP:
		return s.otlp()
	default:
		return syslog.New(syslog.Config{
			URL: s.Sink.Addresses[0], TLS: s.receiverTLS(), Format: s.Sink.Syslog.Format, Largest: s.Sink.Syslog.MaxMessage, Version: thisBuild().version,
		})
	}
}

func (s *Settings) splunk() (sinks.Engine, error) {
	token, err := s.Secret("sink.token")
	if err != nil {
		return nil, err
	}
	return splunk.New(splunk.Config{
		Config: s.endpoint(), Token: token, Index: s.Sink.Splunk.Index, Source: s.Sink.Splunk.Source, NoAcknowledgement: !s.Sink.Splunk.Acknowledge,
	})
}

func (s *Settings) otlp() (sinks.Engine, error) {
	password, err1 := s.Secret("sink.password")
	key, err2 := s.Secret("sink.api_key")
	token, err3 := s.Secret("sink.token")
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	var ways []string
	if token != "" {
		ways = append(ways, "Bearer "+token)
	}
	if key != "" {
		ways = append(ways, "ApiKey "+key)
	}
	if s.Sink.Username != "" {
		ways = append(ways, endpoint.Basic(s.Sink.Username, password))
	}
	if len(ways) > 1 {
		return nil, errors.New("configuration: of sink.token, sink.api_key and sink.username, a receiver of OTLP needs one")
	}
	c := otlp.Config{Config: s.endpoint(), Version: thisBuild().version}
	if len(ways) == 1 {
		c.Authorization = ways[0]
	}
	return otlp.New(c)
}

// endpoint returns how to reach a receiver over HTTP.
func (s *Settings) endpoint() endpoint.Config {
	return endpoint.Config{URL: s.Sink.Addresses[0], TLS: s.receiverTLS(), Gzip: s.Sink.Gzip}
}

func (s *Settings) receiverTLS() stream.TLS {
	return stream.TLS{Enabled: true, CAFile: s.Sink.CAFile, CertFile: s.Sink.CertFile, KeyFile: s.Sink.KeyFile}
}
