package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
)

func parse(t *testing.T, text string) *Credentials {
	t.Helper()
	c, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func with(authorization string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/v1/events", nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return r
}

// outcome is the result of a request: who sent it, or why it was refused.
func outcome(p Principal, err error) string {
	if err != nil {
		return err.Error()
	}
	return strings.Join([]string{p.Name, p.Agent, p.Platform, p.Person}, "|")
}

func TestABearerTokenNamesItsOwner(t *testing.T) {
	agent, agentDigest := NewToken()
	old, oldDigest := NewToken()
	c := parse(t, `
tokens:
  - {name: patch-pilot-prod, sha256: `+agentDigest+`, agent: patch-pilot, rate: 50}
  - {name: last-year, sha256: "sha256:`+oldDigest+`", person: ana, expires: 2025-12-31}
`)
	for name, k := range map[string]struct{ header, want string }{
		"a token":               {"Bearer " + agent, "patch-pilot-prod|patch-pilot||"},
		"in other letters":      {"bearer  " + agent, "patch-pilot-prod|patch-pilot||"},
		"an unknown one":        {"Bearer " + agent + "x", "the token is unknown"},
		"one that expired":      {"Bearer " + old, "the token last-year expired on 2025-12-31"},
		"another scheme":        {"Basic " + agent, "the header Authorization is not of the form Bearer TOKEN"},
		"nothing":               {"", ErrNone.Error()},
		"what looks like a JWT": {"Bearer eyJx.y.z", "the token looks like an OIDC token but cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(k.want, outcome(c.Authenticate(with(k.header)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAClientCertificateNamesItsOwner(t *testing.T) {
	c := parse(t, `
certificates:
  - {name: by-subject, subject: scanner.acme.example, platform: scanners}
  - {name: by-uri, san: "spiffe://acme.example/agents/patch-pilot", agent: patch-pilot}
`)
	uri, _ := url.Parse("spiffe://acme.example/agents/patch-pilot")
	for name, k := range map[string]struct {
		cert *x509.Certificate
		want string
	}{
		"by its common name":      {&x509.Certificate{Subject: pkix.Name{CommonName: "scanner.acme.example"}}, "by-subject||scanners|"},
		"by a URI":                {&x509.Certificate{URIs: []*url.URL{uri}}, "by-uri|patch-pilot||"},
		"one that nobody entered": {&x509.Certificate{Subject: pkix.Name{CommonName: "x"}}, "the certificate of CN=x is valid, but no credential names it"},
	} {
		r := with("")
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{k.cert}, VerifiedChains: [][]*x509.Certificate{{k.cert}}}
		if diff := cmp.Diff(k.want, outcome(c.Authenticate(r))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		r.TLS.VerifiedChains = nil
		if got := outcome(c.Authenticate(r)); got != ErrNone.Error() {
			t.Errorf("%s, verified by nobody: %s", name, got)
		}
	}
}

// newIssuer is an issuer of OIDC tokens with discovery and keys, like GitHub's.
func newIssuer(t *testing.T) (address string, sign func(claims map[string]any) string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}}}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	answer := func(path string, v any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.MarshalWrite(w, v)
		})
	}
	answer("/.well-known/openid-configuration", map[string]any{"issuer": server.URL, "jwks_uri": server.URL + "/keys", "id_token_signing_alg_values_supported": []string{"ES256"}})
	answer("/keys", set)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return server.URL, func(claims map[string]any) string {
		raw, err := jwt.Signed(signer).Claims(claims).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
}

func TestACIJobReportsOnlyAboutItsOwnRepository(t *testing.T) {
	address, sign := newIssuer(t)
	_, foreign := newIssuer(t)
	claims := func(more map[string]any) map[string]any {
		out := map[string]any{"iss": address, "aud": "changetrail", "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(), "repository": "acme/payments", "repository_owner": "acme"}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	c := parse(t, `
oidc:
  - name: actions
    issuer: `+address+`
    audience: changetrail
    repository_claim: repository
    repository_host: github.com
    claims: {repository_owner: acme}
`)
	for name, k := range map[string]struct {
		token, want string
	}{
		"its token":                         {sign(claims(nil)), "actions:github.com/acme/payments||actions:github.com/acme/payments|"},
		"of another owner":                  {sign(claims(map[string]any{"repository_owner": "evil"})), `the OIDC token: claim repository_owner is "evil", want "acme"`},
		"made for another service":          {sign(claims(map[string]any{"aud": "sts.amazonaws.com"})), `expected audience "changetrail"`},
		"that expired":                      {sign(claims(map[string]any{"exp": time.Now().Add(-time.Hour).Unix()})), "token is expired"},
		"without a repository":              {sign(claims(map[string]any{"repository": ""})), "no claim repository"},
		"of a pattern":                      {sign(claims(map[string]any{"repository": "acme/*"})), "names no repository"},
		"of a whole group":                  {sign(claims(map[string]any{"repository": "acme/**"})), "names no repository"},
		"of a class":                        {sign(claims(map[string]any{"repository": "acme/[a-z]ayments"})), "names no repository"},
		"of another one by a way":           {sign(claims(map[string]any{"repository": "acme/x/../payments"})), "names no repository"},
		"of an issuer that nobody trusts":   {sign(claims(map[string]any{"iss": "https://evil.example"})), "is not trusted here"},
		"signed with the key of a stranger": {foreign(claims(nil)), "failed to verify signature"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := c.Authenticate(with("Bearer " + k.token))
			if got := outcome(p, err); !strings.Contains(got, k.want) {
				t.Errorf("got %s, want %s", got, k.want)
			}
			if err == nil && (!p.MayReportAbout("github.com/Acme/Payments") || p.MayReportAbout("github.com/acme/ledger")) {
				t.Errorf("it may speak of %v", p.Repositories)
			}
		})
	}
}

func TestAMistakeInTheFileIsNamed(t *testing.T) {
	_, digest := NewToken()
	for text, want := range map[string]string{
		"tokens: [{name: a, sha256: xyz, agent: b}]":                                                             "tokens[0] (a): sha256 is not a SHA-256",
		"tokens: [{name: a, sha256: " + digest + "}]":                                                            "one of agent, platform, person",
		"tokens: [{name: a, sha256: " + digest + ", agent: b, person: c}]":                                       "one of agent, platform, person",
		"tokens: [{sha256: " + digest + ", agent: b}]":                                                           "it has no name",
		"tokens: [{name: a, token: x}]":                                                                          "there is no key token",
		"certificates: [{name: a, agent: b}]":                                                                    "subject or san",
		"tokens: [{name: a, sha256: " + digest + ", agent: b, repositories: ['[']}]":                             "is not a pattern",
		"oidc: [{name: a, issuer: https://x.example, repository_claim: r, claims: {o: a}}]":                      "audience is missing",
		"oidc: [{name: a, issuer: https://x.example, audience: c, repository_claim: r}]":                         "any job of any customer",
		"certificates: [{name: a, subject: x, agent: b}]\ntokens: [{name: a, sha256: " + digest + ", agent: b}]": "line 1, column 23: certificates[0]: another credential has the name a",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	if c := parse(t, ""); c.Any() {
		t.Error("no file has credentials")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("tokens: [{name: a, sha256: 00, agent: b, repositories: [a/*]}]")
	f.Add("oidc: [{name: a, issuer: https://x.example, audience: c, claims: {a: b}}]")
	f.Fuzz(func(_ *testing.T, text string) { _, _ = Parse([]byte(text)) })
}

func TestTheExampleIsRight(t *testing.T) {
	text, err := os.ReadFile("../../deploy/example/credentials.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if c := parse(t, string(text)); !c.Any() || len(c.issuers) != 2 {
		t.Errorf("%+v", c)
	}
}
