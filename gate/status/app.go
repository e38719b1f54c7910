package status

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// An app is a GitHub App. It gets a token for each owner of repositories that installed it.
// https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
type app struct {
	api    *client
	id     string
	signer jose.Signer

	mu     sync.Mutex
	tokens map[string]*appToken // by owner
}

type appToken struct {
	mu    sync.Mutex
	token string
	until time.Time
}

// App returns the tokens of a GitHub App. url is that of the API, id the app's client id or number, and
// key its private key (PEM).
func App(url, id, key string) (Token, error) {
	api, err := newClient(url, "gateway.status.github.url")
	if err != nil {
		return nil, err
	}
	private, err := rsaKey([]byte(key))
	if err != nil {
		return nil, fmt.Errorf("gateway.status.github.app_key: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: private}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("gateway.status.github.app_key: %w", err)
	}
	a := &app{api: api, id: id, signer: signer, tokens: make(map[string]*appToken)}
	return a.token, nil
}

// early is how long before its end a token is not used any more.
const early = 2 * time.Minute

// token returns the token of the installation that a repository belongs to.
func (a *app) token(ctx context.Context, repository string) (string, error) {
	owner, _, _ := strings.Cut(repository, "/")
	a.mu.Lock()
	t := a.tokens[owner]
	if t == nil {
		t = new(appToken)
		a.tokens[owner] = t
	}
	a.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Until(t.until) > early {
		return t.token, nil
	}
	var installation struct {
		ID int64 `json:"id"`
	}
	if err := a.do(ctx, call{path: "/repos/" + repository + "/installation", out: &installation}); err != nil {
		return "", fmt.Errorf("the installation of the GitHub App in %s: %w", repository, before(err))
	}
	var made struct {
		Token     string    `json:"token"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	path := "/app/installations/" + strconv.FormatInt(installation.ID, 10) + "/access_tokens"
	if err := a.do(ctx, call{path: path, in: struct{}{}, out: &made}); err != nil {
		return "", fmt.Errorf("a token of the GitHub App for %s: %w", repository, before(err))
	}
	t.token, t.until = made.Token, made.ExpiresAt
	return t.token, nil
}

// do sends a request of the app itself.
func (a *app) do(ctx context.Context, c call) error {
	now := time.Now()
	// The clock of GitHub may be behind; a token of an app is valid for ten minutes at most.
	claims := jwt.Claims{Issuer: a.id, IssuedAt: jwt.NewNumericDate(now.Add(-time.Minute)), Expiry: jwt.NewNumericDate(now.Add(8 * time.Minute))}
	token, err := jwt.Signed(a.signer).Claims(claims).Serialize()
	if err != nil {
		return &RefusedError{Says: err.Error()}
	}
	c.header = githubHeader(token)
	return a.api.do(ctx, c)
}

// before says that a request failed before anything was posted.
func before(err error) error {
	if refused(err) {
		return err
	}
	return &RefusedError{Says: err.Error()}
}

// rsaKey reads a private key as GitHub gives it (PKCS #1), or in PKCS #8.
func rsaKey(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("it is not a private key in PEM; give the content of the .pem file from the settings of the GitHub App")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("it is a key of the kind %T, not an RSA key", key)
	}
	return private, nil
}
