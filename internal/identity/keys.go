package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/sync/singleflight"
)

// An AwayError says that an issuer could not be asked for its keys. It is not the fault of the
// token, which may be sent again.
type AwayError struct {
	Issuer string
	Retry  time.Duration
	Err    error
}

func (e *AwayError) Error() string {
	return fmt.Sprintf("the issuer %s cannot be asked for its keys: %v", e.Issuer, e.Err)
}

// Unwrap returns the cause.
func (e *AwayError) Unwrap() error { return e.Err }

const (
	askTime    = 5 * time.Second  // for all requests to an issuer together
	askAgain   = time.Minute      // after it answered, or while keys of it are known
	askSooner  = 10 * time.Second // while no keys of it are known
	maxAnswer  = 1 << 20          // bytes of an answer
	maxWaiting = 64               // requests that wait for an answer; the others are told at once
)

// keySet is the keys of one issuer, which are fetched when they are first needed: a gateway starts
// without its issuers. One request at a time asks the issuer, others wait for its answer, and
// nobody holds a lock meanwhile. A token may name any key: for an unknown one the issuer is asked
// only at intervals, however many such tokens arrive.
type keySet struct {
	issuer, where string // where: a URL, a file, or "" if the issuer says it
	client        *http.Client
	now           func() time.Time
	flight        singleflight.Group
	waiting       chan struct{}

	mu   sync.Mutex
	keys []jose.JSONWebKey
	algs []string  // of signatures; those of the library if empty
	next time.Time // before then nobody is asked
	err  error     // of the last time
}

func newKeySet(issuer, where string) *keySet {
	return &keySet{issuer: issuer, where: where, now: time.Now, waiting: make(chan struct{}, maxWaiting), client: &http.Client{Transport: Limited{http.DefaultTransport}}}
}

// Limited cuts off answers of an issuer that are too large.
type Limited struct{ http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (l Limited) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := l.RoundTripper.RoundTrip(r)
	if err == nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, maxAnswer), res.Body}
	}
	return res, err
}

// signed returns the content of a token if one of the keys signed it.
func (k *keySet) signed(ctx context.Context, text string) ([]byte, error) {
	token, err := jose.ParseSigned(text, k.algorithms())
	if err != nil {
		return nil, fmt.Errorf("it is not signed with an algorithm of the issuer: %w", err)
	}
	id := ""
	for _, s := range token.Signatures { // a compact token has one
		id = s.Header.KeyID
	}
	if payload, ok := verifyWith(token, k.known(id)); ok {
		return payload, nil
	}
	if err := k.ask(ctx); err != nil {
		return nil, err
	}
	if payload, ok := verifyWith(token, k.known(id)); ok {
		return payload, nil
	}
	if err := k.away(); err != nil {
		return nil, err // the key may be a new one
	}
	return nil, fmt.Errorf("none of the issuer's keys signed it; they are fetched at most once in %s", askAgain)
}

func verifyWith(token *jose.JSONWebSignature, keys []jose.JSONWebKey) ([]byte, bool) {
	for _, key := range keys {
		if payload, err := token.Verify(&key); err == nil {
			return payload, true
		}
	}
	return nil, false
}

// known returns the keys with an id; all keys if the token names none, or if they come from a file.
func (k *keySet) known(id string) (out []jose.JSONWebKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range k.keys {
		if id == "" || !isURL(k.where) && k.where != "" || key.KeyID == id || key.KeyID == "" {
			out = append(out, key)
		}
	}
	return out
}

// algorithms returns the signature algorithms of the issuer, if they are known.
func (k *keySet) algorithms() []jose.SignatureAlgorithm {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := []jose.SignatureAlgorithm{jose.RS256}
	if len(k.algs) > 0 {
		out = nil
	}
	for _, a := range k.algs {
		out = append(out, jose.SignatureAlgorithm(a))
	}
	return out
}

// verify checks a token for an audience. It asks the issuer for unknown keys.
func (k *keySet) verify(ctx context.Context, raw, audience string) (*oidc.IDToken, error) {
	k.mu.Lock()
	fresh := len(k.keys) == 0
	k.mu.Unlock()
	if fresh {
		if err := k.ask(ctx); err != nil {
			return nil, err
		}
	}
	conf := &oidc.Config{ClientID: audience}
	for _, a := range k.algorithms() {
		conf.SupportedSigningAlgs = append(conf.SupportedSigningAlgs, string(a))
	}
	keys := &asked{keySet: k}
	t, err := oidc.NewVerifier(k.issuer, keys, conf).Verify(ctx, raw)
	if keys.away != nil {
		return nil, keys.away
	}
	if err != nil {
		return nil, fmt.Errorf("the OIDC token: %w", err)
	}
	return t, nil
}

// asked is a keySet for one token. It keeps an AwayError, which the library only passes on as text.
type asked struct {
	*keySet
	away *AwayError
}

// VerifySignature implements [oidc.KeySet].
func (a *asked) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := a.signed(ctx, token)
	errors.As(err, &a.away)
	return payload, err
}

// ask asks the issuer for its keys if enough time has passed, and waits for the answer as long as
// the request lasts. It returns an error if no keys are known.
func (k *keySet) ask(ctx context.Context) error {
	if wait, err := k.mayAsk(); !wait {
		return err
	}
	select {
	case k.waiting <- struct{}{}:
		defer func() { <-k.waiting }()
	default:
		return &AwayError{k.issuer, askSooner, errors.New("it has not answered yet")}
	}
	answer := k.flight.DoChan("", func() (any, error) {
		if ask, err := k.mayAsk(); !ask { // another request asked just now
			return nil, err
		}
		// Others wait for the answer, too: it does not belong to this request alone.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
		defer cancel()
		keys, algs, err := k.fetch(ctx)
		return nil, k.learn(keys, algs, err)
	})
	select {
	case a := <-answer:
		return a.Err
	case <-ctx.Done():
		return &AwayError{k.issuer, askSooner, context.Cause(ctx)}
	}
}

// mayAsk reports whether the issuer may be asked now; if not, it returns the result of the last
// time.
func (k *keySet) mayAsk() (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if !now.Before(k.next) {
		return true, nil
	}
	if len(k.keys) == 0 && k.err != nil {
		return false, &AwayError{k.issuer, k.next.Sub(now), k.err}
	}
	return false, nil
}

func (k *keySet) learn(keys []jose.JSONWebKey, algs []string, err error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err = err; err == nil {
		k.keys, k.algs = keys, algs
	}
	if len(k.keys) > 0 {
		k.next = k.now().Add(askAgain)
		return nil
	}
	k.next = k.now().Add(askSooner)
	return &AwayError{k.issuer, askSooner, err}
}

// away returns an error if the issuer did not answer the last time.
func (k *keySet) away() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err == nil {
		return nil
	}
	return &AwayError{k.issuer, max(time.Second, k.next.Sub(k.now())), k.err}
}

// fetch fetches the keys from wherever they are.
func (k *keySet) fetch(ctx context.Context) (keys []jose.JSONWebKey, algs []string, err error) {
	where := k.where
	if where == "" {
		if where, algs, err = k.discover(ctx); err != nil {
			return nil, nil, err
		}
	}
	read := k.get
	if !isURL(where) {
		read = func(context.Context, string) ([]byte, error) { return os.ReadFile(where) }
	}
	text, err := read(ctx, where)
	if err != nil {
		return nil, nil, err
	}
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", where, err)
	}
	for _, v := range set.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(v, &key) == nil && key.Valid() { // skip unknown kinds of keys
			keys = append(keys, key.Public())
		}
	}
	if len(keys) == 0 {
		return nil, nil, fmt.Errorf("%s contains no keys", where)
	}
	return keys, algs, nil
}

func isURL(s string) bool { return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") }

// discover asks the issuer where its keys are and which algorithms it uses (OpenID Connect
// Discovery 1.0).
func (k *keySet) discover(ctx context.Context) (where string, algs []string, err error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, k.client), k.issuer)
	if err != nil {
		return "", nil, err
	}
	var said struct {
		JWKS string   `json:"jwks_uri"`
		Algs []string `json:"id_token_signing_alg_values_supported"`
	}
	if err := provider.Claims(&said); err != nil {
		return "", nil, err
	}
	if !isURL(said.JWKS) {
		return "", nil, errors.New("it states no URL of its keys (jwks_uri)")
	}
	return said.JWKS, Asymmetric(said.Algs), nil
}

// Asymmetric returns those of an issuer's algorithms for which only the issuer has the signing key.
func Asymmetric(algorithms []string) (out []string) {
	for _, a := range algorithms {
		if asymmetric[a] {
			out = append(out, a)
		}
	}
	return out
}

var asymmetric = map[string]bool{
	oidc.RS256: true, oidc.RS384: true, oidc.RS512: true, oidc.ES256: true, oidc.ES384: true, oidc.ES512: true,
	oidc.PS256: true, oidc.PS384: true, oidc.PS512: true, oidc.EdDSA: true,
}

func (k *keySet) get(ctx context.Context, url string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := k.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }() // it was only read
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", url, res.Status)
	}
	return io.ReadAll(res.Body)
}
