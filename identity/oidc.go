package identity

import (
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
)

// An issuer is one line of credentials.yaml under oidc: a CI system whose jobs
// prove who they are (OpenID Connect Core 1.0, ID tokens). Agents are not bound
// by it: a job is a platform.
type issuer struct {
	who      `yaml:",inline"`
	Issuer   string `yaml:"issuer"`
	Audience string `yaml:"audience"`
	// JWKS is where the keys are: a URL, or a file for a gateway that may not ask
	// the issuer. Where empty, the issuer says it (OpenID Connect Discovery 1.0).
	JWKS string `yaml:"jwks"`
	// Claims must have these values; a value that ends in * is a beginning.
	Claims map[string]string `yaml:"claims"`
	// RepositoryClaim names the repository that the job may speak of: repository
	// of GitHub, project_path of GitLab. It stands on RepositoryHost.
	RepositoryClaim string `yaml:"repository_claim"`
	RepositoryHost  string `yaml:"repository_host"`

	mu       *sync.Mutex
	verifier *oidc.IDTokenVerifier
}

// Known issuers, and what they call a repository.
var known = map[string]struct{ claim, host string }{
	"https://token.actions.githubusercontent.com": {"repository", "github.com"},
	"https://gitlab.com":                          {"project_path", "gitlab.com"},
}

func (i *issuer) prepare() error {
	i.mu = new(sync.Mutex)
	var errs []error
	u, err := url.Parse(i.Issuer)
	if err != nil || u.Host == "" {
		errs = append(errs, errors.New("issuer is no URL"))
	}
	if i.Audience == "" {
		errs = append(errs, errors.New("audience is missing: without it a token made for any other service would do"))
	}
	if i.Platform == "" && i.Agent == "" && i.Person == "" {
		i.Platform = i.Name
	}
	if i.Platform != "" && len(i.May) == 0 { // a job runs what is under review, so it could state all
		i.May = []string{Tests, Scans}
	}
	if k, ok := known[i.Issuer]; ok && i.RepositoryClaim == "" {
		i.RepositoryClaim, i.RepositoryHost = k.claim, k.host
	}
	if i.RepositoryHost == "" && u != nil {
		i.RepositoryHost = u.Host
	}
	if i.RepositoryClaim == "" {
		errs = append(errs, errors.New("repository_claim is missing: the claim that names the repository, as repository (GitHub) or project_path (GitLab)"))
	}
	if len(i.Claims) == 0 && len(i.Repositories) == 0 {
		errs = append(errs, errors.New("claims and repositories are both missing: without one, any job of any customer of the issuer would do; as claims: {repository_owner: acme}"))
	}
	return errors.Join(errs...)
}

// connected returns the verifier, which learns the issuer's keys when they are
// first needed: a gateway starts without its issuers.
func (i *issuer) connected() (*oidc.IDTokenVerifier, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.verifier != nil {
		return i.verifier, nil
	}
	// The keys outlive the request that asks for them first.
	ctx := oidc.ClientContext(context.Background(), &http.Client{Timeout: 10 * time.Second})
	conf := &oidc.Config{ClientID: i.Audience}
	switch {
	case strings.HasPrefix(i.JWKS, "http://") || strings.HasPrefix(i.JWKS, "https://"):
		i.verifier = oidc.NewVerifier(i.Issuer, oidc.NewRemoteKeySet(ctx, i.JWKS), conf)
	case i.JWKS != "":
		text, err := os.ReadFile(i.JWKS)
		if err != nil {
			return nil, fmt.Errorf("the keys of %s: %w", i.Issuer, err)
		}
		var set jose.JSONWebKeySet
		if err := json.Unmarshal(text, &set); err != nil {
			return nil, fmt.Errorf("the keys of %s: %s: %w", i.Issuer, i.JWKS, err)
		}
		var keys []crypto.PublicKey
		for _, k := range set.Keys {
			keys = append(keys, k.Public().Key)
		}
		i.verifier = oidc.NewVerifier(i.Issuer, &oidc.StaticKeySet{PublicKeys: keys}, conf)
	default:
		provider, err := oidc.NewProvider(ctx, i.Issuer)
		if err != nil {
			return nil, fmt.Errorf("the issuer %s cannot be asked: %w", i.Issuer, err)
		}
		i.verifier = provider.Verifier(conf)
	}
	return i.verifier, nil
}

func (i *issuer) verify(ctx context.Context, raw string) (Principal, error) {
	v, err := i.connected()
	if err != nil {
		return Principal{}, err
	}
	t, err := v.Verify(ctx, raw)
	if err != nil {
		return Principal{}, fmt.Errorf("the OIDC token: %w", err)
	}
	var claims map[string]any
	if err := t.Claims(&claims); err != nil {
		return Principal{}, fmt.Errorf("the OIDC token: %w", err)
	}
	for name, want := range i.Claims {
		got, _ := claims[name].(string)
		if begin, ok := strings.CutSuffix(want, "*"); got != want && (!ok || !strings.HasPrefix(got, begin)) {
			return Principal{}, fmt.Errorf("the OIDC token: claim %s is %q, want %q", name, got, want)
		}
	}
	repo, _ := claims[i.RepositoryClaim].(string)
	if repo == "" {
		return Principal{}, fmt.Errorf("the OIDC token has no claim %s, which names the repository", i.RepositoryClaim)
	}
	repo = i.RepositoryHost + "/" + repo
	p := i.principal()
	if !p.MaySpeakOf(repo) {
		return Principal{}, fmt.Errorf("the OIDC token is of %s, which is none of the repositories of credential %s", repo, i.Name)
	}
	p.Repositories = []string{repo} // a job speaks of its own
	p.Name += ":" + repo
	if p.Platform != "" { // jobs of two repositories are two senders, and neither is another credential of the platform
		p.Platform += ":" + repo
	}
	return p, nil
}

// claimedIssuer reads the issuer of a token that is not verified yet, to know
// whom to ask.
func claimedIssuer(raw string) (string, error) {
	parts := strings.Split(raw, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Issuer string `json:"iss"`
	}
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil {
		return "", errors.New("the token looks like an OIDC token and cannot be read")
	}
	return claims.Issuer, nil
}
