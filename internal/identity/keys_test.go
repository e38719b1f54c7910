package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/go-json-experiment/json"
)

// A ci is an issuer whose keys change, and which may be unreachable.
type ci struct {
	*httptest.Server
	discovered, fetched atomic.Int32

	mu     sync.Mutex
	keys   []jose.JSONWebKey
	answer func(http.ResponseWriter) bool // instead of the right answer
}

func newCI(t *testing.T) *ci {
	c := new(ci)
	mux := http.NewServeMux()
	reply := func(count *atomic.Int32, v func() any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			count.Add(1)
			c.mu.Lock()
			answer, value := c.answer, v()
			c.mu.Unlock()
			if answer == nil || !answer(w) {
				_ = json.MarshalWrite(w, value)
			}
		}
	}
	mux.Handle("/.well-known/openid-configuration", reply(&c.discovered, func() any {
		return map[string]any{"issuer": c.URL, "jwks_uri": c.URL + "/keys", "id_token_signing_alg_values_supported": []string{"none", "HS256", "ES256"}}
	}))
	mux.Handle("/keys", reply(&c.fetched, func() any { return jose.JSONWebKeySet{Keys: c.keys} }))
	c.Server = httptest.NewServer(mux)
	t.Cleanup(c.Close)
	return c
}

func (c *ci) set(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// key creates a key, publishes it if it is the issuer's own, and returns its signer.
func (c *ci) key(t *testing.T, id string, own bool) (token string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if own {
		c.set(func() {
			c.keys = append(c.keys, jose.JSONWebKey{Key: key.Public(), KeyID: id, Algorithm: "ES256", Use: "sig"})
		})
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: id}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jwt.Signed(signer).Claims(map[string]any{"iss": c.URL, "aud": "changetrail", "exp": time.Now().Add(time.Hour).Unix(), "repository": "acme/payments", "repository_owner": "acme"}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// trusting returns credentials that trust an issuer twice, and a token; it sets their clock.
func trusting(t *testing.T, c *ci) (credentials *Credentials, token string, clock *atomic.Int64) {
	t.Helper()
	token, digest := NewToken()
	line := "{name: %s, issuer: %s, audience: changetrail, repository_claim: repository, claims: {repository_owner: acme}}"
	credentials = parse(t, fmt.Sprintf("tokens: [{name: a, sha256: %s, agent: b}]\noidc:\n  - "+line+"\n  - "+line+"\n", digest, "one", c.URL, "two", c.URL))
	clock = new(atomic.Int64)
	clock.Store(time.Now().UnixNano())
	credentials.issuers[0].keys.now = func() time.Time { return time.Unix(0, clock.Load()) }
	return credentials, token, clock
}

func TestForgedTokensDoNotMakeTheIssuerBeAsked(t *testing.T) {
	issuer := newCI(t)
	good := issuer.key(t, "1", true)
	c, _, clock := trusting(t, issuer)
	if _, err := c.ByToken(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	turn := make(chan struct{}, maxWaiting) // more at once are asked to come again
	forge := func() {
		var all sync.WaitGroup
		for i := range 200 {
			forged := issuer.key(t, fmt.Sprint("forged", i), false)
			turn <- struct{}{}
			all.Go(func() {
				defer func() { <-turn }()
				if _, err := c.ByToken(t.Context(), forged); err == nil || errors.As(err, new(*AwayError)) {
					t.Errorf("a forged token: %v", err)
				}
			})
		}
		all.Wait()
	}
	forge()
	if d, f := issuer.discovered.Load(), issuer.fetched.Load(); d != 1 || f != 1 {
		t.Errorf("the issuer was asked %d and %d times within the minute, want 1 and 1", d, f)
	}
	clock.Add(int64(askAgain))
	forge()
	if f := issuer.fetched.Load(); f != 2 {
		t.Errorf("its keys were asked for %d times after a minute, want 2", f)
	}
	rotated := issuer.key(t, "2", true)
	clock.Add(int64(askAgain))
	if _, err := c.ByToken(t.Context(), rotated); err != nil {
		t.Errorf("a key that the issuer made since: %v", err)
	}
}

func TestAnUnreachableIssuerDelaysOnlyItsOwnTokens(t *testing.T) {
	huge := strings.Repeat(" ", maxAnswer+1)
	for name, answer := range map[string]func(w http.ResponseWriter) bool{
		"an error":       func(w http.ResponseWriter) bool { w.WriteHeader(http.StatusBadGateway); return true },
		"no JSON":        func(w http.ResponseWriter) bool { fmt.Fprint(w, "<html>"); return true },
		"without end":    func(w http.ResponseWriter) bool { fmt.Fprint(w, huge); return false },
		"another issuer": func(w http.ResponseWriter) bool { fmt.Fprint(w, `{"issuer":"https://evil.example"}`); return true },
	} {
		t.Run(name, func(t *testing.T) {
			issuer := newCI(t)
			job := issuer.key(t, "1", true)
			c, token, clock := trusting(t, issuer)
			issuer.set(func() { issuer.answer = answer })
			for range 50 {
				if _, err := c.ByToken(t.Context(), job); !errors.As(err, new(*AwayError)) {
					t.Fatalf("a job's token: %v", err)
				}
			}
			if n := issuer.discovered.Load(); n != 1 {
				t.Errorf("it was asked %d times at once", n)
			}
			if _, err := c.ByToken(t.Context(), token); err != nil {
				t.Errorf("a token of another kind: %v", err)
			}
			issuer.set(func() { issuer.answer = nil })
			clock.Add(int64(askSooner))
			if _, err := c.ByToken(t.Context(), job); err != nil {
				t.Errorf("once it is back: %v", err)
			}
			issuer.set(func() { issuer.answer = answer })
			clock.Add(int64(askAgain))
			if _, err := c.ByToken(t.Context(), job); err != nil {
				t.Errorf("signed with a key that is known: %v", err)
			}
			if _, err := c.ByToken(t.Context(), issuer.key(t, "2", true)); !errors.As(err, new(*AwayError)) {
				t.Errorf("signed with a key that may be new: %v", err)
			}
		})
	}
}

func TestFewRequestsWaitForASilentIssuer(t *testing.T) {
	issuer := newCI(t)
	job := issuer.key(t, "1", true)
	silent := make(chan struct{})
	issuer.set(func() { issuer.answer = func(http.ResponseWriter) bool { <-silent; return true } })
	defer close(silent)
	c, token, _ := trusting(t, issuer)
	ctx, hangUp := context.WithCancel(t.Context())
	var waiting, all sync.WaitGroup
	for range maxWaiting {
		waiting.Add(1)
		all.Go(func() {
			waiting.Done()
			if _, err := c.ByToken(ctx, job); !errors.As(err, new(*AwayError)) {
				t.Errorf("while it is silent: %v", err)
			}
		})
	}
	waiting.Wait()
	for len(c.issuers[0].keys.waiting) < maxWaiting {
		time.Sleep(time.Millisecond)
	}
	began := time.Now()
	if _, err := c.ByToken(t.Context(), job); !errors.As(err, new(*AwayError)) {
		t.Errorf("one more: %v", err)
	}
	if _, err := c.ByToken(t.Context(), token); err != nil {
		t.Errorf("a token of another kind: %v", err)
	}
	hangUp()
	all.Wait()
	if took := time.Since(began); took > askTime/2 {
		t.Errorf("it took %s until all went on", took)
	}
}
