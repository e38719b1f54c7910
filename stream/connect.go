package stream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Config is how to reach the cluster.
type Config struct {
	Brokers []string
	TLS     TLS
	SASL    SASL
	// Dial connects to a broker that is not reached by TCP or TLS: an embedded one.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Hooks are added to every client, for metrics and tracing.
	Hooks []kgo.Hook
}

// TLS is how to encrypt. The zero value is plain text.
type TLS struct {
	Enabled  bool
	CAFile   string // PEM; the system's roots if empty
	CertFile string // client certificate, PEM
	KeyFile  string
}

// SASL is how to log in. The zero value means no login.
type SASL struct {
	Mechanism string // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
	User      string
	Password  string
}

// options returns the client options for c, or all mistakes in it.
func (c Config) options() ([]kgo.Opt, error) {
	var errs []error
	if len(c.Brokers) == 0 {
		errs = append(errs, errors.New("kafka: no brokers are given; set kafka.brokers, for example localhost:9092"))
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID("changetrail"),
		kgo.WithHooks(c.Hooks...),
		kgo.RetryTimeout(30 * time.Second),
		kgo.ConnIdleTimeout(5 * time.Minute),
	}
	switch {
	case c.Dial != nil:
		opts = append(opts, kgo.Dialer(c.Dial))
	case c.TLS.Enabled:
		conf, err := c.TLS.Config()
		errs = append(errs, err)
		opts = append(opts, kgo.DialTLSConfig(conf))
	}
	auth := scram.Auth{User: c.SASL.User, Pass: c.SASL.Password}
	switch strings.ToUpper(c.SASL.Mechanism) {
	case "":
	case "PLAIN":
		opts = append(opts, kgo.SASL(plain.Auth{User: auth.User, Pass: auth.Pass}.AsMechanism()))
	case "SCRAM-SHA-256":
		opts = append(opts, kgo.SASL(auth.AsSha256Mechanism()))
	case "SCRAM-SHA-512":
		opts = append(opts, kgo.SASL(auth.AsSha512Mechanism()))
	default:
		errs = append(errs, fmt.Errorf("kafka: unknown SASL mechanism %q; use one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512", c.SASL.Mechanism))
	}
	return opts, errors.Join(errs...)
}

// Config returns the TLS configuration of a connection.
func (t TLS) Config() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls: CA file: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls: CA file %s contains no PEM certificate", t.CAFile)
		}
	}
	if t.CertFile != "" || t.KeyFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("tls: client certificate: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// explain adds advice to an error of connecting to the brokers.
func explain(err error) error {
	if err == nil {
		return nil
	}
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var record tls.RecordHeaderError
	do := ""
	switch {
	case errors.As(err, &authority):
		do = "the broker's certificate is not signed by a trusted authority; set kafka.tls.ca_file to the PEM file of the authority that signed it"
	case errors.As(err, &host):
		do = "the certificate is for a name other than the one in kafka.brokers or the one that the broker advertises"
	case errors.As(err, &record):
		do = "the listener does not speak TLS; unset kafka.tls.enabled, or name another port in kafka.brokers"
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		do = "set kafka.sasl.user, kafka.sasl.password and kafka.sasl.mechanism to an account of the cluster"
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed), errors.Is(err, kerr.GroupAuthorizationFailed):
		do = "give the account of kafka.sasl.user the rights that docs/operations.md lists"
	case errors.Is(err, syscall.ECONNREFUSED):
		do = "is the broker up, and is kafka.brokers right?"
	case strings.Contains(err.Error(), "broker is too old"): // the client exports no error to compare with
		do = "kafka.brokers names a very old Kafka, or the port of an embedded changetrail (up, demo), which only accepts events; name a Kafka cluster"
	default:
		return fmt.Errorf("kafka: %w", err)
	}
	return fmt.Errorf("kafka: %w; %s", err, do)
}
