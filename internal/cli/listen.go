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
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/mistake"
	"github.com/changetrail/changetrail/internal/signin"
)

// An exposed address is an address from the settings with what protects it. One rule applies to
// all: an address may be reached from other machines only with authentication and encryption.
type exposed struct {
	key, address string // key is a setting, such as gateway.listen
	asks         bool   // there is at least one credential, or people sign in
	encrypts     bool
	// The settings which say that a proxy in front of it authenticates or encrypts; empty if
	// none can.
	open, plaintext string
}

// guardFlags adds the flags of commands that listen.
func (a *app) guardFlags(cmd *cobra.Command) {
	a.flag(cmd.Flags(), "credentials", "gateway.credentials", "credentials.yaml: who may send and read, and as whom")
	a.flag(cmd.Flags(), "cert", "gateway.cert_file", "certificate (PEM); plain HTTP if empty")
	a.flag(cmd.Flags(), "key", "gateway.key_file", "key of the certificate")
	a.flag(cmd.Flags(), "client-ca", "gateway.client_ca_file", "CA that signs the certificates of clients (mTLS)")
	a.flag(cmd.Flags(), "open", "gateway.open", "`true` allows listening beyond this machine without credentials")
	a.flag(cmd.Flags(), "plaintext", "gateway.plaintext", "`true` allows listening beyond this machine without a certificate")
	a.flag(cmd.Flags(), "hosts", "web.hosts", "host names that requests may use if there are no credentials")
}

// may refuses an address that can be reached from other machines without protection.
func (l exposed) may() error {
	local, err := onThisMachine(l.address)
	if err != nil {
		return usageError{fmt.Errorf("%s: %w", l.key, err)}
	}
	if local {
		return nil
	}
	var lacks []string
	if !l.asks {
		lacks = append(lacks, "there is no authentication: set gateway.credentials to a file that lists at least one credential"+or(l.open, "authenticates"))
	}
	if !l.encrypts {
		lacks = append(lacks, "there is no encryption: set gateway.cert_file and gateway.key_file"+or(l.plaintext, "encrypts"))
	}
	if lacks == nil {
		return nil
	}
	return usageError{fmt.Errorf("%s: %s can be reached from other machines, and %s. Or listen on 127.0.0.1", l.key, l.address, strings.Join(lacks, "; "))}
}

func or(setting, does string) string {
	if setting == "" {
		return ""
	}
	return ", or " + setting + " if a proxy in front of it " + does
}

// onThisMachine reports whether an address can be reached from this machine only.
func onThisMachine(address string) (bool, error) {
	host, port, err := net.SplitHostPort(address)
	if n, bad := strconv.Atoi(port); err == nil && (bad != nil || n < 0 || n > 65535) {
		return false, fmt.Errorf("%q is not an address: the port is a number from 0 to 65535", address)
	}
	if err != nil {
		return false, fmt.Errorf("%q is not an address; give host:port, for example 127.0.0.1:8090", address)
	}
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback(), nil
}

// gatewayAt describes the address of the gateway or the pages.
func (s *Settings) gatewayAt(key, address string, known *identity.Credentials, protection *tls.Config) exposed {
	return exposed{
		key: key, address: address, open: "gateway.open", plaintext: "gateway.plaintext",
		asks: known.Any() || s.Gateway.Open, encrypts: protection != nil || s.Gateway.Plaintext,
	}
}

// pagesAt describes the address of pages without a gateway, to which no program sends anything.
func (s *Settings) pagesAt(known *identity.Credentials, protection *tls.Config) exposed {
	at := s.gatewayAt("web.listen", s.Web.Listen, known, protection)
	at.asks = at.asks || s.signsIn()
	return at
}

// metricsAt checks the address of the metrics, which have no authentication.
func (s *Settings) metricsAt() error {
	local, err := onThisMachine(s.Telemetry.Listen)
	if err == nil && !local && !s.Telemetry.Open {
		err = fmt.Errorf("%s can be reached from other machines, and the metrics have no authentication: set telemetry.open if only the right people can reach it, or listen on 127.0.0.1", s.Telemetry.Listen)
	}
	if err != nil {
		return usageError{fmt.Errorf("telemetry.listen: %w", err)}
	}
	return nil
}

// listen listens at the address of the settings, if that is safe.
func (s *Settings) listen(ctx context.Context, l exposed) (net.Listener, error) {
	if err := l.may(); err != nil {
		return nil, err
	}
	opened, err := net.Listen("tcp", l.address)
	if err != nil {
		return nil, s.addressInUse(ctx, wanted{l.key, "--listen", l.address}, err)
	}
	return opened, nil
}

// credentials returns the credentials of the file that the settings name; nil if none is set,
// which means no authentication.
func (s *Settings) credentials() (*identity.Credentials, error) {
	if s.Gateway.Credentials == "" {
		return nil, nil
	}
	text, err := os.ReadFile(s.Gateway.Credentials)
	if err != nil {
		return nil, usageError{fmt.Errorf("gateway.credentials: %w", err)}
	}
	c, err := identity.Parse(text)
	if err != nil {
		return nil, usageError{mistake.In(s.Gateway.Credentials, err)}
	}
	return c, nil
}

// door returns the checks that requests pass before they are answered. known are the
// credentials of the operator; nil means no authentication of programs.
func (s *Settings) door(known *identity.Credentials, protection *tls.Config, log *slog.Logger) *access.Door {
	return access.New(s.access(known, protection, log))
}

func (s *Settings) access(known *identity.Credentials, protection *tls.Config, log *slog.Logger) access.Config {
	if known != nil && !known.Any() {
		log.Warn("gateway.credentials lists nobody, so nobody may send or read with a credential", "file", s.Gateway.Credentials)
	}
	return access.Config{Credentials: known, Hosts: s.Web.Hosts, Secure: protection != nil || s.Gateway.Plaintext, Log: log}
}

// pagesDoor is door for pages, where people sign in as sign_in says.
func (s *Settings) pagesDoor(known *identity.Credentials, protection *tls.Config, log *slog.Logger) (*access.Door, error) {
	c := s.access(known, protection, log)
	in := s.SignIn
	c.Idle, c.Length = time.Duration(in.Idle), time.Duration(in.Length)
	var err error
	switch {
	case len(in.Proxy.Addresses) > 0:
		c.Proxy, err = signin.NewProxy(signin.ProxyConfig{
			Addresses: in.Proxy.Addresses, UserHeader: in.Proxy.UserHeader, NameHeader: in.Proxy.NameHeader, EmailHeader: in.Proxy.EmailHeader,
			GroupsHeader: in.Proxy.GroupsHeader, SignOutURL: in.Proxy.SignOutURL, Roles: in.Roles,
		})
	case in.Issuer != "":
		var secret string
		if secret, err = s.Secret("sign_in.client_secret"); err != nil {
			return nil, usageError{err}
		}
		c.Provider, err = signin.NewProvider(signin.ProviderConfig{
			URL: in.URL, Issuer: in.Issuer, Name: in.Name, ClientID: in.ClientID, ClientSecret: secret, CAFile: in.CAFile,
			Scopes: in.Scopes, IDClaim: in.IDClaim, RolesClaim: in.RolesClaim, Roles: in.Roles, Log: log,
		})
	}
	if err != nil {
		return nil, usageError{fmt.Errorf("configuration: %w", err)}
	}
	if c.Provider != nil { // the browser's address counts, not what a proxy in between makes of it
		c.Secure = c.Provider.Secure()
	}
	if host := hostIn(in.URL); host != "" {
		c.Hosts = append(slices.Clip(c.Hosts), host)
	}
	return access.New(c), nil
}

// signsIn reports whether people sign in to the pages.
func (s *Settings) signsIn() bool { return s.SignIn.Issuer != "" || len(s.SignIn.Proxy.Addresses) > 0 }

// hostIn returns the host of an address; "" if it has none.
func hostIn(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// schemeOf returns the URL scheme of a served address.
func schemeOf(protection *tls.Config) string {
	if protection != nil {
		return "https"
	}
	return "http"
}

// brokerAsks returns how the embedded broker authenticates and encrypts if it listens beyond
// this machine: Kafka clients log in with the name and the token of a credential (SASL PLAIN).
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
			err = fmt.Errorf("the user is %q, but the token belongs to %s", name, who.Name)
		}
		return err
	}, protection, nil
}

// gatewayTLS returns the TLS configuration; nil for plain HTTP.
func (s *Settings) gatewayTLS() (*tls.Config, error) {
	g := s.Gateway
	if g.CertFile == "" && g.KeyFile == "" {
		if g.ClientCAFile != "" {
			return nil, usageError{errors.New("configuration: gateway.client_ca_file needs gateway.cert_file and gateway.key_file")}
		}
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(g.CertFile, g.KeyFile)
	if err != nil {
		return nil, usageError{fmt.Errorf("configuration: gateway.cert_file: %w", err)}
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if g.ClientCAFile != "" {
		pem, err := os.ReadFile(g.ClientCAFile)
		if err != nil {
			return nil, usageError{fmt.Errorf("configuration: gateway.client_ca_file: %w", err)}
		}
		conf.ClientCAs, conf.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
		if !conf.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, usageError{fmt.Errorf("configuration: gateway.client_ca_file %s contains no PEM certificate", g.ClientCAFile)}
		}
	}
	return conf, nil
}
