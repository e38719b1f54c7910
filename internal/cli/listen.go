package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/mistake"
)

// An exposed address is one of the settings, and what guards it. One rule is for all of
// them: beyond this machine only where all who come are asked who they are, and nobody
// reads along.
type exposed struct {
	key, address string // as gateway.listen
	asks         bool   // by credentials, of which there is one at least
	encrypts     bool
	// The settings that say that something before it does what it does not; empty where
	// nothing can.
	open, plaintext string
}

// guardFlags are those of commands that listen.
func (a *app) guardFlags(cmd *cobra.Command) {
	a.flag(cmd.Flags(), "credentials", "gateway.credentials", "credentials.yaml: who may send and read, and as whom")
	a.flag(cmd.Flags(), "cert", "gateway.cert_file", "certificate (PEM); plain HTTP where empty")
	a.flag(cmd.Flags(), "key", "gateway.key_file", "key of the certificate")
	a.flag(cmd.Flags(), "client-ca", "gateway.client_ca_file", "who signs the certificates of clients (mTLS)")
	a.flag(cmd.Flags(), "open", "gateway.open", "true: listen beyond this machine though there are no credentials")
	a.flag(cmd.Flags(), "plaintext", "gateway.plaintext", "true: listen beyond this machine though there is no certificate")
	a.flag(cmd.Flags(), "hosts", "web.hosts", "host names by which it may be asked for where nobody is asked who they are")
}

// may refuses an address that can be reached from elsewhere without what guards it.
func (l exposed) may() error {
	local, err := onThisMachine(l.address)
	if err != nil {
		return misuse{fmt.Errorf("%s: %w", l.key, err)}
	}
	if local {
		return nil
	}
	var lacks []string
	if !l.asks {
		lacks = append(lacks, "nobody is asked who they are: set gateway.credentials to a file that lists at least one"+or(l.open, "asks"))
	}
	if !l.encrypts {
		lacks = append(lacks, "anybody on the way can read along: set gateway.cert_file and gateway.key_file"+or(l.plaintext, "encrypts"))
	}
	if lacks == nil {
		return nil
	}
	return misuse{fmt.Errorf("%s: %s can be reached from elsewhere, and %s. Or listen on 127.0.0.1", l.key, l.address, strings.Join(lacks, "; "))}
}

func or(setting, does string) string {
	if setting == "" {
		return ""
	}
	return ", or " + setting + " where something before it " + does
}

// onThisMachine reports whether an address can be reached from this machine alone.
func onThisMachine(address string) (bool, error) {
	host, port, err := net.SplitHostPort(address)
	if n, bad := strconv.Atoi(port); err == nil && (bad != nil || n < 0 || n > 65535) {
		return false, fmt.Errorf("%q is not an address: the port is a number from 0 to 65535", address)
	}
	if err != nil {
		return false, fmt.Errorf("%q is not an address; give host:port, as 127.0.0.1:8090", address)
	}
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback(), nil
}

// gatewayAt is the listener of gateway and pages at an address.
func (s *Settings) gatewayAt(key, address string, known *identity.Credentials, protection *tls.Config) exposed {
	return exposed{
		key: key, address: address, open: "gateway.open", plaintext: "gateway.plaintext",
		asks: known.Any() || s.Gateway.Open, encrypts: protection != nil || s.Gateway.Plaintext,
	}
}

// metricsAt is the listener of the metrics, which ask nobody.
func (s *Settings) metricsAt() error {
	local, err := onThisMachine(s.Telemetry.Listen)
	if err == nil && !local && !s.Telemetry.Open {
		err = fmt.Errorf("%s can be reached from elsewhere, and the metrics ask nobody who they are: set telemetry.open where nobody gets there but who may, or listen on 127.0.0.1", s.Telemetry.Listen)
	}
	if err != nil {
		return misuse{fmt.Errorf("telemetry.listen: %w", err)}
	}
	return nil
}

// listen listens where the settings say, if that is safe.
func (s *Settings) listen(ctx context.Context, l exposed) (net.Listener, error) {
	if err := l.may(); err != nil {
		return nil, err
	}
	opened, err := net.Listen("tcp", l.address)
	if err != nil {
		return nil, s.taken(ctx, wanted{l.key, "--listen", l.address}, err)
	}
	return opened, nil
}

// credentials are those of the file of the settings; nil where none is set, so that nobody
// is asked who they are.
func (s *Settings) credentials() (*identity.Credentials, error) {
	if s.Gateway.Credentials == "" {
		return nil, nil
	}
	text, err := os.ReadFile(s.Gateway.Credentials)
	if err != nil {
		return nil, fmt.Errorf("gateway.credentials: %w", err)
	}
	c, err := identity.Parse(text)
	if err != nil {
		return nil, mistake.In(s.Gateway.Credentials, err)
	}
	return c, nil
}

// door is what requests pass before they are answered. known are the credentials of the
// operator; nil where nobody is asked.
func (s *Settings) door(known *identity.Credentials, protection *tls.Config, log *slog.Logger) *access.Door {
	if known != nil && !known.Any() {
		log.Warn("gateway.credentials lists nobody, so nobody may send or read", "file", s.Gateway.Credentials)
	}
	return access.New(access.Config{Credentials: known, Hosts: s.Web.Hosts, Secure: protection != nil || s.Gateway.Plaintext, Log: log})
}

// schemeOf is that of addresses at which something is served.
func schemeOf(protection *tls.Config) string {
	if protection != nil {
		return "https"
	}
	return "http"
}

// brokerAsks returns whom the embedded broker asks, and how it encrypts, where it listens
// beyond this machine: Kafka clients log in there with the name and the token of a
// credential (SASL, mechanism PLAIN).
func (s *Settings) brokerAsks(known *identity.Credentials) (login func(context.Context, string, string) error, protection *tls.Config, err error) {
	local, err := onThisMachine(s.Local.Broker)
	if err == nil && local {
		return nil, nil, nil
	}
	if protection, err = s.gatewayTLS(); err != nil {
		return nil, nil, err
	}
	if err := (exposed{key: "local.broker", address: s.Local.Broker, asks: known.Any(), encrypts: protection != nil}).may(); err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context, name, token string) error {
		who, err := known.ByToken(ctx, token)
		if err == nil && who.Name != name {
			err = fmt.Errorf("the user is %q, the token that of %s", name, who.Name)
		}
		return err
	}, protection, nil
}

// gatewayTLS is nil for plain HTTP.
func (s *Settings) gatewayTLS() (*tls.Config, error) {
	g := s.Gateway
	if g.CertFile == "" && g.KeyFile == "" {
		if g.ClientCAFile != "" {
			return nil, errors.New("configuration: gateway.client_ca_file needs gateway.cert_file and gateway.key_file")
		}
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(g.CertFile, g.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("configuration: gateway.cert_file: %w", err)
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if g.ClientCAFile != "" {
		pem, err := os.ReadFile(g.ClientCAFile)
		if err != nil {
			return nil, fmt.Errorf("configuration: gateway.client_ca_file: %w", err)
		}
		conf.ClientCAs, conf.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
		if !conf.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("configuration: gateway.client_ca_file %s holds no PEM certificate", g.ClientCAFile)
		}
	}
	return conf, nil
}
