package signin

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/changetrail/changetrail/internal/problem"
)

// Signed is the outcome of a sign-in.
type Signed struct {
	Person  Person
	IDToken string // for [Provider.SignOut]
	To      string // the page that the person wanted, as given to [Provider.Begin]
}

// Finish answers the request with which the provider leads the browser back.
func (p *Provider) Finish(w http.ResponseWriter, r *http.Request) (*Signed, error) {
	q := r.URL.Query()
	t, err := p.attempts.end(w, r, q.Get("state"))
	if err != nil {
		return nil, err
	}
	if err := p.refused(q); err != nil {
		return nil, err
	}
	ctx := oidc.ClientContext(r.Context(), p.client)
	m, err := p.ask(ctx)
	if err != nil {
		return nil, err
	}
	token, err := m.oauth.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(t.Verifier))
	if err != nil {
		return nil, p.notExchanged(err)
	}
	raw, _ := token.Extra("id_token").(string)
	c, err := p.verify(ctx, m, raw, t.Nonce)
	if err != nil {
		return nil, err
	}
	if p.incomplete(c) {
		if err := p.askUserInfo(ctx, m, token, c); err != nil {
			return nil, err
		}
	}
	person, err := p.person(c)
	if err != nil {
		return nil, err
	}
	return &Signed{person, raw, t.To}, nil
}

// refused reads what the provider says instead of a code, and which provider says it (RFC 9207).
func (p *Provider) refused(q url.Values) error {
	if iss := q.Get("iss"); iss != "" && iss != p.Issuer {
		return p.invalid("the answer comes from another provider", "iss", iss)
	}
	switch code := q.Get("error"); code {
	case "":
	case "server_error", "temporarily_unavailable":
		return p.away(errors.New("it answers " + code))
	default:
		p.Log.Info("sign-in refused by the provider", "part", "access", "error", code, "description", q.Get("error_description"))
		return problem.New(http.StatusForbidden, "%s did not sign you in (%.60q). Sign in again, or ask its administrators.", p.Name, code)
	}
	if q.Get("code") == "" {
		return p.invalid("the answer contains no code")
	}
	return nil
}

// invalid is the answer to something that a provider does not send to a browser that it signed in.
func (p *Provider) invalid(why string, attrs ...any) error {
	p.Log.Warn("sign-in refused", append([]any{"part", "access", "issuer", p.Issuer, "why", why}, attrs...)...)
	return problem.New(http.StatusUnauthorized, "You are not signed in: %s. Sign in again.", why)
}

// notExchanged says why there is no token for a code.
func (p *Provider) notExchanged(err error) error {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) || answer.Response.StatusCode >= http.StatusInternalServerError {
		return p.away(err)
	}
	switch answer.ErrorCode {
	case "invalid_grant":
		return p.invalid("the provider does not accept the code: it was used already, or is too old")
	case "invalid_client", "unauthorized_client":
		return p.away(errors.New("it does not accept sign_in.client_id with its secret: " + answer.ErrorCode))
	}
	return p.away(err)
}

// asked is a key set for one token. It notes when the keys could not be fetched, which the library
// only passes on as text.
type asked struct {
	oidc.KeySet
	away error
}

// VerifySignature implements [oidc.KeySet].
func (a *asked) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := a.KeySet.VerifySignature(ctx, token)
	var network *url.Error
	if errors.As(err, &network) {
		a.away = err
	}
	return payload, err
}

// verify checks an ID token (OpenID Connect Core 1.0, 3.1.3.7), and returns its claims.
func (p *Provider) verify(ctx context.Context, m *metadata, raw, nonce string) (claims, error) {
	keys := &asked{KeySet: m.keys}
	token, err := oidc.NewVerifier(p.Issuer, keys, &oidc.Config{
		ClientID: p.ClientID, SupportedSigningAlgs: m.algorithms,
		Now: p.now().Add(-leeway).UTC, // a token may have expired a little while ago
	}).Verify(ctx, raw)
	if keys.away != nil {
		return nil, p.away(keys.away)
	}
	if err != nil {
		return nil, p.invalid("the token of the provider is not valid", "err", err)
	}
	c := claims{}
	if err := token.Claims(&c); err != nil {
		return nil, p.invalid("the token of the provider cannot be read", "err", err)
	}
	party, stated := c["azp"]
	switch {
	case subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1:
		return nil, p.invalid("the token of the provider belongs to another sign-in")
	case stated && party != p.ClientID || !stated && len(token.Audience) > 1:
		return nil, p.invalid("the token of the provider is for another application", "azp", party)
	case token.IssuedAt.After(p.now().Add(leeway)):
		return nil, p.invalid("the clock of the provider is ahead of the clock here", "issued", token.IssuedAt)
	case token.Subject == "":
		return nil, p.invalid("the token of the provider names nobody")
	}
	return c, nil
}

// incomplete reports whether an ID token lacks claims that the settings name: some providers state
// them only when they are asked.
func (p *Provider) incomplete(c claims) bool {
	_, roles := c.at(p.RolesClaim)
	return c.text(p.IDClaim) == "" || !roles
}

// askUserInfo adds the claims that the provider states about the person when it is asked.
func (p *Provider) askUserInfo(ctx context.Context, m *metadata, token *oauth2.Token, c claims) error {
	if m.provider.UserInfoEndpoint() == "" {
		return nil
	}
	info, err := m.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return p.away(err)
	}
	if info.Subject != c["sub"] {
		return p.invalid("the provider describes another person than it signed in", "sub", info.Subject)
	}
	more := claims{}
	if err := info.Claims(&more); err != nil {
		return p.away(err)
	}
	c.add(more)
	return nil
}

// person makes a person of claims.
func (p *Provider) person(c claims) (Person, error) {
	id := c.text(p.IDClaim)
	if !readable(id) {
		return Person{}, p.invalid("the provider does not say which account this is (claim " + p.IDClaim + ")")
	}
	out := Person{
		ID: id, Name: c.text("name"), Email: c.text("email"), Provider: p.Issuer, Subject: c.text("sub"),
		Roles: rolesOf(p.Roles, c.list(p.RolesClaim)), Since: p.now(),
	}
	if !readable(out.Name) {
		out.Name = id
	}
	if verified, said := c["email_verified"]; said && !slices.Contains([]any{true, "true"}, verified) || !readable(out.Email) {
		out.Email = ""
	}
	return out, nil
}
