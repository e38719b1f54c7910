package signin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/internal/settings"
)

// Paths of the pages that take part in a sign-in.
const (
	Page     = "/sign-in"
	Start    = "/sign-in/start"
	Callback = "/sign-in/callback"
)

const (
	askTime  = 5 * time.Second // for one request to the provider
	askAgain = 2 * time.Second // what the provider said about itself counts for so long
	leeway   = time.Minute     // by which the clocks of provider and changetrail may differ
)

// A ProviderConfig says how to sign in at an OpenID Connect provider.
type ProviderConfig struct {
	URL          string // where people's browsers reach the pages
	Issuer       string
	Name         string // of the provider, for people; the host of the issuer where empty
	ClientID     string
	ClientSecret string   // "" for a public client
	CAFile       string   // CA of the provider's certificate, where it is not one that the machine trusts
	Scopes       []string // besides openid
	IDClaim      string   // path of the claim for [Person].ID
	RolesClaim   string   // path of the claim from which roles follow
	Roles        []settings.RoleGrant
	Log          *slog.Logger
}

// A Provider signs people in at an OpenID Connect provider. It is asked when somebody signs in:
// changetrail starts without it, and nobody gets in while it is away.
type Provider struct {
	ProviderConfig
	secure   bool // browsers reach the pages over TLS
	client   *http.Client
	attempts *attempts
	now      func() time.Time

	flight singleflight.Group
	mu     sync.Mutex
	last   *metadata
}

// metadata is what a provider says about itself, or why it says nothing.
type metadata struct {
	provider   *oidc.Provider
	keys       oidc.KeySet
	algorithms []string
	endSession string
	oauth      oauth2.Config
	at         time.Time
	err        error // for people
	cause      error // for operators
}

// NewProvider returns a Provider. It does not ask the provider yet.
func NewProvider(c ProviderConfig) (*Provider, error) {
	own, err := checkURL("sign_in.url", c.URL)
	if err != nil {
		return nil, err
	}
	issuer, err := checkURL("sign_in.issuer", c.Issuer)
	if err != nil {
		return nil, err
	}
	if strings.Trim(own.Path, "/") != "" {
		return nil, fmt.Errorf("sign_in.url: %q has a path; the pages are served at the root of a host", c.URL)
	}
	if c.ClientID == "" {
		return nil, errors.New("sign_in.client_id is missing: the name under which the provider knows changetrail")
	}
	if c.Name == "" {
		c.Name = issuer.Hostname()
	}
	c.URL = own.Scheme + "://" + own.Host
	client, err := clientFor(c.CAFile)
	if err != nil {
		return nil, err
	}
	p := &Provider{ProviderConfig: c, secure: own.Scheme == "https", client: client, now: time.Now}
	p.attempts, err = newAttempts(p.secure, func() time.Time { return p.now() })
	return p, err
}

// Secure reports whether browsers reach the pages over TLS.
func (p *Provider) Secure() bool { return p.secure }

// checkURL reads an address: https, or http on this machine.
func checkURL(key, text string) (*url.URL, error) {
	if text == "" {
		return nil, fmt.Errorf("%s is missing", key)
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%s: %q is not an address such as https://trail.acme.example", key, text)
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) {
		return u, nil
	}
	return nil, fmt.Errorf("%s: %q does not begin with https://, which is needed beyond this machine", key, text)
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// clientFor returns the client for requests to the provider. It follows no redirects, which would
// lead a code or a secret elsewhere.
func clientFor(caFile string) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: askTime}).DialContext
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("sign_in.ca_file: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("sign_in.ca_file %s contains no PEM certificate", caFile)
		}
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	}
	return &http.Client{
		Transport: identity.Limited{RoundTripper: transport}, Timeout: askTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// Begin leads the browser to the provider. Afterwards the person comes to a page of this site, to.
func (p *Provider) Begin(w http.ResponseWriter, r *http.Request, to string) error {
	m, err := p.ask(r.Context())
	if err != nil {
		return err
	}
	t, err := p.attempts.begin(w, to)
	if err != nil {
		return err
	}
	http.Redirect(w, r, m.oauth.AuthCodeURL(t.State, oidc.Nonce(t.Nonce), oauth2.S256ChallengeOption(t.Verifier)), http.StatusSeeOther)
	return nil
}

// ask returns what the provider says about itself. One request at a time asks, the others wait for
// its answer.
func (p *Provider) ask(ctx context.Context) (*metadata, error) {
	p.mu.Lock()
	m := p.last
	p.mu.Unlock()
	if m != nil && p.now().Sub(m.at) < askAgain {
		return m, m.err
	}
	answer := p.flight.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
		defer cancel()
		m := p.discover(ctx)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.last = m
		return m, nil
	})
	select {
	case a := <-answer:
		m := a.Val.(*metadata)
		return m, m.err
	case <-ctx.Done():
		return nil, p.away(context.Cause(ctx))
	}
}

// away is the answer while the provider cannot be asked.
func (p *Provider) away(err error) error {
	p.Log.Error("the sign-in provider cannot be asked", "part", "access", "issuer", p.Issuer, "err", err)
	return problem.New(http.StatusServiceUnavailable, "Nobody can sign in at the moment: %s does not answer as it should. Try again later; the log of changetrail has the reason.", p.Name).Later(10 * time.Second)
}

// discover asks the provider about itself (OpenID Connect Discovery 1.0).
func (p *Provider) discover(ctx context.Context) *metadata {
	m := &metadata{at: p.now()}
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.Issuer)
	if err != nil {
		m.err, m.cause = p.away(err), err
		return m
	}
	var said struct {
		JWKS       string   `json:"jwks_uri"`
		EndSession string   `json:"end_session_endpoint"`
		Methods    []string `json:"token_endpoint_auth_methods_supported"`
		Algorithms []string `json:"id_token_signing_alg_values_supported"`
	}
	err = provider.Claims(&said)
	endpoint := provider.Endpoint()
	for name, at := range map[string]string{"authorization_endpoint": endpoint.AuthURL, "token_endpoint": endpoint.TokenURL, "jwks_uri": said.JWKS} {
		if err == nil {
			_, err = checkEndpoint(name, at)
		}
	}
	if err != nil {
		m.err, m.cause = p.away(err), err
		return m
	}
	if _, err := checkEndpoint("end_session_endpoint", said.EndSession); err == nil {
		m.endSession = said.EndSession
	}
	m.algorithms = identity.Asymmetric(said.Algorithms)
	// Trying both ways would send a code twice, which providers take for an attack.
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if p.ClientSecret == "" || len(said.Methods) > 0 && !slices.Contains(said.Methods, "client_secret_basic") {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	m.provider = provider
	m.keys = oidc.NewRemoteKeySet(oidc.ClientContext(context.WithoutCancel(ctx), p.client), said.JWKS)
	m.oauth = oauth2.Config{
		ClientID: p.ClientID, ClientSecret: p.ClientSecret, Endpoint: endpoint, RedirectURL: p.URL + Callback,
		Scopes: append([]string{oidc.ScopeOpenID}, p.Scopes...),
	}
	return m
}

// checkEndpoint is checkURL for an address that the provider states, which may have a query.
func checkEndpoint(name, text string) (*url.URL, error) {
	bare, _, _ := strings.Cut(text, "?")
	return checkURL("the provider's "+name, bare)
}

// Check asks the provider about itself, and returns what is wrong.
func (p *Provider) Check(ctx context.Context) error { return p.discover(ctx).cause }

// SignOut returns the address at which the person also signs out of the provider (RP-Initiated
// Logout 1.0); "" if there is none, or the provider cannot be asked.
func (p *Provider) SignOut(ctx context.Context, idToken string) string {
	m, err := p.ask(ctx)
	if err != nil || m.endSession == "" {
		return ""
	}
	u, err := url.Parse(m.endSession)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set("client_id", p.ClientID)
	q.Set("post_logout_redirect_uri", p.URL+Page)
	if idToken != "" {
		q.Set("id_token_hint", idToken)
	}
	u.RawQuery = q.Encode()
	return u.String()
}
