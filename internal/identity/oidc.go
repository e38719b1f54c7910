package identity

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/settings"
)

// An issuer is an entry under oidc in credentials.yaml: a CI system whose jobs prove who they are
// (OpenID Connect Core 1.0, ID tokens). Its tokens do not identify agents: a job is a platform.
type issuer struct {
	who      `yaml:",inline"`
	Issuer   string `yaml:"issuer"`
	Audience string `yaml:"audience"`
	// JWKS is the location of the keys: a URL, or a file for a gateway that cannot reach the
	// issuer. If it is empty, the issuer says it (OpenID Connect Discovery 1.0).
	JWKS string `yaml:"jwks"`
	// Claims must have these values; a value that ends in * is a prefix.
	Claims map[string]string `yaml:"claims"`
	// RepositoryClaim names the repository that the job may send events about: repository at
	// GitHub, project_path at GitLab. It is a path on RepositoryHost.
	RepositoryClaim string `yaml:"repository_claim"`
	RepositoryHost  string `yaml:"repository_host"`

	keys *keySet
}

// Well-known issuers, and their claim for the repository.
var known = map[string]struct{ claim, host string }{
	"https://token.actions.githubusercontent.com": {"repository", "github.com"},
	"https://gitlab.com":                          {"project_path", "gitlab.com"},
}

func (i *issuer) prepare() error {
	var errs []error
	u, err := url.Parse(i.Issuer)
	if err != nil || u.Host == "" {
		errs = append(errs, errors.New("issuer is not a URL"))
	}
	if i.Audience == "" {
		errs = append(errs, errors.New("audience is missing: without it, a token that was made for any other service would be accepted"))
	}
	if i.Platform == "" && i.Agent == "" && i.Person == "" {
		i.Platform = i.Name
	}
	if i.Platform != "" && len(i.May) == 0 { // a job runs the code under review, which could otherwise state anything
		i.May = []string{settings.Tests, settings.Scans}
	}
	if k, ok := known[i.Issuer]; ok && i.RepositoryClaim == "" {
		i.RepositoryClaim, i.RepositoryHost = k.claim, k.host
	}
	if i.RepositoryHost == "" && u != nil {
		i.RepositoryHost = u.Host
	}
	if i.RepositoryClaim == "" {
		errs = append(errs, errors.New("repository_claim is missing: it names the claim with the repository, for example repository (GitHub) or project_path (GitLab)"))
	}
	if len(i.Claims) == 0 && len(i.Repositories) == 0 {
		errs = append(errs, errors.New("claims and repositories are both missing: without them, any job of any customer of the issuer would be accepted; set for example claims: {repository_owner: acme}"))
	}
	return errors.Join(errs...)
}

func (i *issuer) verify(ctx context.Context, raw string) (Principal, error) {
	t, err := i.keys.verify(ctx, raw, i.Audience)
	if err != nil {
		return Principal{}, err
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
	if !isPath(repo) { // it could be read as a pattern
		return Principal{}, fmt.Errorf("the OIDC token: claim %s is %q, which names no repository", i.RepositoryClaim, repo)
	}
	repo = i.RepositoryHost + "/" + repo
	p := i.principal()
	if !p.MayReportAbout(repo) {
		return Principal{}, fmt.Errorf("the OIDC token is for %s, which is not one of the repositories of credential %s", repo, i.Name)
	}
	p.Repositories = []string{repo} // a job may only send events about its own repository
	p.Name += ":" + repo
	if p.Platform != "" { // jobs of two repositories are two senders, and differ from other credentials of the platform
		p.Platform += ":" + repo
	}
	return p, nil
}

// isPath reports whether a claim is the path of one repository, such as acme/payments, and not a
// pattern of several.
func isPath(claim string) bool {
	for part := range strings.SplitSeq(claim, "/") {
		if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "*?[]{}\\") || strings.ContainsFunc(part, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
			return false
		}
	}
	return true
}

// claimedIssuer reads the issuer of an unverified token, to know which keys to verify it with.
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
		return "", errors.New("the token looks like an OIDC token but cannot be read")
	}
	return claims.Issuer, nil
}
