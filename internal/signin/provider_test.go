package signin

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/internal/settings"
)

const (
	client = "changetrail"
	secret = "s3cret"
	own    = "http://127.0.0.1:8080"
)

// keys are made once: RSA keys take time.
var keys = sync.OnceValue(func() (out [2]*rsa.PrivateKey) {
	for i := range out {
		out[i], _ = rsa.GenerateKey(rand.Reader, 2048)
	}
	return out
})

// A standIn is a small OpenID Connect provider for these tests, a stand-in for a real one: it signs
// in everybody who comes, and can be made to answer wrongly. It is reached without a network.
// internal/e2e has a real Keycloak.
type standIn struct {
	URL string
	mux *http.ServeMux
	t   *testing.T

	mu     sync.Mutex
	grants map[string]url.Values // by code: what the browser came with
	count  int

	// What it answers.
	key      *rsa.PrivateKey // signs tokens
	keyID    string
	public   []*rsa.PrivateKey // whose public halves it publishes
	away     bool
	keysAway bool
	status   int // of the token endpoint, with code as its error
	code     string
	change   []func(map[string]any) // of the claims of a token
	seal     func([]byte) string    // instead of a signature with key
	userInfo map[string]any
	document func(map[string]any)
}

func newStandIn(t *testing.T) *standIn {
	t.Helper()
	p := &standIn{URL: "http://127.0.0.1:4711", mux: http.NewServeMux(), t: t, grants: make(map[string]url.Values), key: keys()[0], keyID: "k0", public: []*rsa.PrivateKey{keys()[0]}, userInfo: map[string]any{"sub": "4711"}}
	mux := p.mux
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		document := map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"userinfo_endpoint": p.URL + "/userinfo", "end_session_endpoint": p.URL + "/logout?x=1", "id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"},
		}
		if p.document != nil {
			p.document(document)
		}
		p.write(w, document)
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		var set jose.JSONWebKeySet
		for _, k := range p.public {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.Public(), KeyID: fmt.Sprintf("k%d", slices.Index(keysOf(), k)), Algorithm: "RS256", Use: "sig"})
		}
		p.write(w, set)
	})
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer at" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		p.write(w, p.userInfo)
	})
	mux.HandleFunc("POST /token", p.token)
	return p
}

// RoundTrip implements [http.RoundTripper].
func (p *standIn) RoundTrip(r *http.Request) (*http.Response, error) {
	if p.away || p.keysAway && r.URL.Path == "/keys" {
		return nil, errors.New("connection refused")
	}
	w := httptest.NewRecorder()
	p.mux.ServeHTTP(w, r)
	return w.Result(), nil
}

func keysOf() []*rsa.PrivateKey { k := keys(); return k[:] }

func (p *standIn) write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.MarshalWrite(w, v); err != nil {
		p.t.Error(err)
	}
}

// authorize is what a browser gets that comes with an address of /authorize.
func (p *standIn) authorize(at string) url.Values {
	u, err := url.Parse(at)
	if err != nil {
		p.t.Fatal(err)
	}
	q := u.Query()
	for name, want := range map[string]string{"response_type": "code", "client_id": client, "redirect_uri": own + "/sign-in/callback", "code_challenge_method": "S256", "scope": "openid profile"} {
		if q.Get(name) != want {
			p.t.Errorf("%s is %q, want %q", name, q.Get(name), want)
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(q.Get(name)) < 20 {
			p.t.Errorf("%s is %q", name, q.Get(name))
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	code := fmt.Sprint("code", p.count)
	p.grants[code] = q
	return url.Values{"state": {q.Get("state")}, "code": {code}, "iss": {p.URL}}
}

func (p *standIn) token(w http.ResponseWriter, r *http.Request) {
	if p.status != 0 {
		w.WriteHeader(p.status)
		p.write(w, map[string]any{"error": p.code})
		return
	}
	p.mu.Lock()
	q := p.grants[r.FormValue("code")]
	delete(p.grants, r.FormValue("code"))
	p.mu.Unlock()
	id, password, _ := r.BasicAuth()
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if q == nil || id != client || password != secret || r.FormValue("redirect_uri") != own+"/sign-in/callback" || base64.RawURLEncoding.EncodeToString(sum[:]) != q.Get("code_challenge") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
		return
	}
	c := map[string]any{
		"iss": p.URL, "aud": client, "sub": "4711", "nonce": q.Get("nonce"), "iat": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix(),
		"preferred_username": "mira.s", "name": "Mira Sand", "email": "mira@acme.example", "email_verified": true, "groups": []string{"payments-leads", "everybody"},
	}
	for _, change := range p.change {
		change(c)
	}
	text, err := json.Marshal(c)
	if err != nil {
		p.t.Error(err)
	}
	answer := map[string]any{"access_token": "at", "token_type": "Bearer"}
	if raw := p.sealed(text); raw != "" {
		answer["id_token"] = raw
	}
	p.write(w, answer)
}

func (p *standIn) sealed(text []byte) string {
	if p.seal != nil {
		return p.seal(text)
	}
	return signed(p.t, jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: p.key, KeyID: p.keyID}}, text)
}

func signed(t *testing.T, key jose.SigningKey, text []byte) string {
	t.Helper()
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := s.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// unsigned is a token of the algorithm none.
func unsigned(text []byte) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(text) + "."
}

func (p *standIn) provider(change ...func(*ProviderConfig)) *Provider {
	c := ProviderConfig{
		URL: own, Issuer: p.URL, Name: "Acme", ClientID: client, ClientSecret: secret, Scopes: []string{"profile"}, IDClaim: "preferred_username", RolesClaim: "groups",
		Roles: []settings.RoleGrant{{Value: "payments-leads", Role: settings.Approver}, {Value: "*", Role: settings.Viewer}}, Log: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&c)
	}
	out, err := NewProvider(c)
	if err != nil {
		p.t.Fatal(err)
	}
	out.client.Transport = p
	return out
}

// A visit is one try of a browser to sign in.
type visit struct {
	idp    *standIn
	at     *Provider
	answer url.Values // with which the provider leads the browser back
	cookie *http.Cookie
}

// begin goes to the provider and is led back.
func begin(t *testing.T, idp *standIn, at *Provider, to string) (*visit, error) {
	t.Helper()
	w := httptest.NewRecorder()
	if err := at.Begin(w, httptest.NewRequest(http.MethodGet, own+Start, nil), to); err != nil {
		return nil, err
	}
	if w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), idp.URL+"/authorize?") {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	return &visit{idp, at, idp.authorize(w.Header().Get("Location")), w.Result().Cookies()[0]}, nil
}

// end comes back.
func (v *visit) end() (*Signed, error) {
	r := httptest.NewRequest(http.MethodGet, own+Callback+"?"+v.answer.Encode(), nil)
	if v.cookie != nil {
		r.AddCookie(v.cookie)
	}
	return v.at.Finish(httptest.NewRecorder(), r)
}

func TestSigningInAtAProvider(t *testing.T) {
	idp := newStandIn(t)
	at := idp.provider()
	v, err := begin(t, idp, at, "/changes?q=a")
	if err != nil {
		t.Fatal(err)
	}
	if c := v.cookie; !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.MaxAge != 600 || c.Secure || strings.Contains(c.Value, v.answer.Get("state")) {
		t.Errorf("the cookie is %+v", c)
	}
	got, err := v.end()
	if err != nil {
		t.Fatal(err)
	}
	want := Person{
		ID: "mira.s", Name: "Mira Sand", Email: "mira@acme.example", Roles: []settings.Role{settings.Viewer, settings.Approver}, Provider: idp.URL, Subject: "4711",
		Since: got.Person.Since,
	}
	if diff := cmp.Diff(want, got.Person); diff != "" || got.To != "/changes?q=a" || time.Since(got.Person.Since) > time.Minute {
		t.Errorf("to %s: %s", got.To, diff)
	}
	if !got.Person.Has(settings.Approver) || got.Person.Has(settings.Administrator) {
		t.Error("wrong roles")
	}
	out, err := url.Parse(at.SignOut(t.Context(), got.IDToken))
	if q := out.Query(); err != nil || !strings.HasPrefix(out.String(), idp.URL+"/logout?") || q.Get("x") != "1" || q.Get("id_token_hint") != got.IDToken || q.Get("post_logout_redirect_uri") != own+"/sign-in" || q.Get("client_id") != client {
		t.Errorf("signing out leads to %s, %v", out, err)
	}
	secure := idp.provider(func(c *ProviderConfig) { c.URL = "https://trail.acme.example/" })
	w := httptest.NewRecorder()
	if err := secure.Begin(w, httptest.NewRequest(http.MethodGet, Start, nil), "/"); err != nil {
		t.Fatal(err)
	}
	if c := w.Result().Cookies()[0]; !c.Secure || c.Path != "/" || !strings.HasPrefix(c.Name, "__Host-") || !strings.Contains(w.Header().Get("Location"), url.QueryEscape("https://trail.acme.example/sign-in/callback")) {
		t.Errorf("over TLS: %s", w.Header())
	}
}

// A fault is one thing that is wrong about a sign-in.
type fault struct {
	name   string
	make   func(*visit)
	status int
	says   string
}

func claim(name string, value any) func(*visit) {
	return func(v *visit) {
		v.idp.change = append(v.idp.change, func(c map[string]any) { c[name] = value })
	}
}

func faults(t *testing.T) []fault {
	t.Helper()
	return []fault{
		{"for another audience", claim("aud", "another"), 401, "not valid"},
		{"for several applications, without azp", claim("aud", []string{client, "another"}), 401, "another application"},
		{"for another party", claim("azp", "another"), 401, "another application"},
		{"of another issuer", claim("iss", "https://evil.example"), 401, "not valid"},
		{"expired", claim("exp", time.Now().Add(-2*time.Minute).Unix()), 401, "not valid"},
		{"without an end", claim("exp", nil), 401, "not valid"},
		{"not valid yet", claim("nbf", time.Now().Add(10*time.Minute).Unix()), 401, "not valid"},
		{"from the future", claim("iat", time.Now().Add(2*time.Minute).Unix()), 401, "ahead of the clock"},
		{"of another sign-in", claim("nonce", "another"), 401, "another sign-in"},
		{"of no sign-in", claim("nonce", nil), 401, "another sign-in"},
		{"of nobody", claim("sub", ""), 401, "names nobody"},
		{"of a person without an account", claim("preferred_username", ""), 401, "which account"},
		{"of an account that nobody can read", claim("preferred_username", "mira\u202es"), 401, "which account"},
		{"of an account that is a list", claim("preferred_username", []string{"mira.s"}), 401, "which account"},
		{"of the algorithm none", func(v *visit) { v.idp.seal = unsigned }, 401, "not valid"},
		{"signed with the client's secret", func(v *visit) {
			v.idp.seal = func(text []byte) string {
				return signed(t, jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat(secret, 6))}, text)
			}
		}, 401, "not valid"},
		{"signed with a stranger's key", func(v *visit) { v.idp.key = keys()[1] }, 401, "not valid"},
		{"no token", func(v *visit) { v.idp.seal = func([]byte) string { return "" } }, 401, "not valid"},
		{"no state", func(v *visit) { v.answer.Del("state") }, 400, "Sign in again"},
		{"another state", func(v *visit) { v.answer.Set("state", "another") }, 400, "Sign in again"},
		{"another browser", func(v *visit) { v.cookie = nil }, 400, "did not begin"},
		{"a forged cookie", func(v *visit) {
			if v.cookie != nil {
				v.cookie = &http.Cookie{Name: v.cookie.Name, Value: v.cookie.Value[:len(v.cookie.Value)-2] + "AA"}
			}
		}, 400, "Sign in again"},
		{"a cookie of another process", func(v *visit) {
			w := httptest.NewRecorder()
			if _, err := v.idp.provider().attempts.begin(w, "/"); err != nil {
				t.Error(err)
			}
			v.cookie = w.Result().Cookies()[0]
		}, 400, "Sign in again"},
		{"too late", func(v *visit) {
			now := time.Now().Add(11 * time.Minute)
			v.at.now = func() time.Time { return now }
		}, 400, "Sign in again"},
		{"used already", func(v *visit) {
			first := *v
			_, _ = first.end()
		}, 400, "used already"},
		{"another provider's answer", func(v *visit) { v.answer.Set("iss", "https://evil.example") }, 401, "another provider"},
		{"no code", func(v *visit) { v.answer.Del("code") }, 401, "no code"},
		{"another code", func(v *visit) { v.answer.Set("code", "another") }, 401, "does not accept the code"},
		{"a code that was used", func(v *visit) { delete(v.idp.grants, v.answer.Get("code")) }, 401, "does not accept the code"},
		{"the code of another sign-in", func(v *visit) { // PKCE
			other, err := begin(t, v.idp, v.idp.provider(), "/")
			if err != nil {
				return // the provider is away
			}
			v.answer.Set("code", other.answer.Get("code"))
		}, 401, "does not accept the code"},
		{"refused there", func(v *visit) { v.answer = url.Values{"state": v.answer["state"], "error": {"access_denied"}} }, 403, "access_denied"},
		{"in trouble there", func(v *visit) {
			v.answer = url.Values{"state": v.answer["state"], "error": {"temporarily_unavailable"}}
		}, 503, "Nobody can sign in"},
		{"the provider fails", func(v *visit) { v.idp.status = http.StatusInternalServerError }, 503, "Nobody can sign in"},
		{"changetrail's secret is wrong", func(v *visit) { v.idp.status, v.idp.code = http.StatusUnauthorized, "invalid_client" }, 503, "Nobody can sign in"},
		{"the provider is away", func(v *visit) { v.idp.away = true }, 503, "Nobody can sign in"},
		{"the keys are away", func(v *visit) { v.idp.keysAway = true }, 503, "Nobody can sign in"},
		{"userinfo of another person", func(v *visit) {
			claim("groups", nil)(v)
			v.idp.change = append(v.idp.change, func(c map[string]any) { delete(c, "groups") })
			v.idp.userInfo = map[string]any{"sub": "666", "groups": []string{"payments-leads"}}
		}, 401, "another person"},
	}
}

// TestAFaultyAnswerSignsNobodyIn: not one fault alone, and no two together, so that one does not
// hide what another needs.
func TestAFaultyAnswerSignsNobodyIn(t *testing.T) {
	visitWith := func(fs ...fault) error {
		idp := newStandIn(t)
		v, err := begin(t, idp, idp.provider(), "/")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range fs {
			f.make(v)
		}
		s, err := v.end()
		if err == nil {
			return fmt.Errorf("%+v is signed in", s)
		}
		var p *problem.Problem
		if s != nil || !errors.As(err, &p) {
			return fmt.Errorf("%+v, %w", s, err)
		}
		if len(fs) == 1 && (p.Status != fs[0].status || !strings.Contains(p.Detail, fs[0].says)) {
			return fmt.Errorf("%d %s; want %d, %q", p.Status, p.Detail, fs[0].status, fs[0].says)
		}
		return nil
	}
	if err := visitWith(); err == nil || !strings.Contains(err.Error(), "is signed in") {
		t.Fatalf("without a fault: %v", err)
	}
	all := faults(t)
	for i, f := range all {
		if err := visitWith(f); err != nil {
			t.Errorf("%s: %v", f.name, err)
		}
		for _, g := range all[i+1:] {
			if err := visitWith(f, g); err != nil {
				t.Errorf("%s, %s: %v", f.name, g.name, err)
			}
		}
	}
}

// TestWhatIsAlmostWrongSignsIn: the limits that the faults stay beyond.
func TestWhatIsAlmostWrongSignsIn(t *testing.T) {
	for name, make := range map[string]func(*visit){
		"expired half a minute ago":           claim("exp", time.Now().Add(-30*time.Second).Unix()),
		"from half a minute ahead":            claim("iat", time.Now().Add(30*time.Second).Unix()),
		"for several, and this party":         func(v *visit) { claim("aud", []string{client, "another"})(v); claim("azp", client)(v) },
		"an issuer that does not name itself": func(v *visit) { v.answer.Del("iss") },
		"a new key": func(v *visit) { // the provider rotated its keys since its last answer
			v.idp.key, v.idp.keyID, v.idp.public = keys()[1], "k1", []*rsa.PrivateKey{keys()[1]}
		},
	} {
		idp := newStandIn(t)
		at := idp.provider()
		for range 2 { // the keys are known the second time
			v, err := begin(t, idp, at, "/")
			if err != nil {
				t.Fatal(err)
			}
			if make(v); true {
				if _, err := v.end(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
}

// TestKeysRotate: a key that the provider stopped publishing signs nobody in, the new one does.
func TestKeysRotate(t *testing.T) {
	idp := newStandIn(t)
	at := idp.provider()
	try := func() error {
		v, err := begin(t, idp, at, "/")
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.end()
		return err
	}
	if err := try(); err != nil {
		t.Fatal(err)
	}
	idp.key, idp.keyID, idp.public = keys()[1], "k1", []*rsa.PrivateKey{keys()[1]}
	if err := try(); err != nil {
		t.Errorf("the new key: %v", err)
	}
	idp.key, idp.keyID = keys()[0], "k0"
	now := time.Now().Add(askAgain + time.Second)
	at.now = func() time.Time { return now }
	if err := try(); err == nil {
		t.Error("the old key signs in")
	}
}

// TestAProviderThatIsAwayLetsNobodyIn: from the start of changetrail on, and until it is back.
func TestAProviderThatIsAwayLetsNobodyIn(t *testing.T) {
	idp := newStandIn(t)
	idp.away = true
	at := idp.provider()
	now := time.Now()
	at.now = func() time.Time { return now }
	var p *problem.Problem
	if _, err := begin(t, idp, at, "/"); !errors.As(err, &p) || p.Status != http.StatusServiceUnavailable || p.Retry <= 0 {
		t.Fatalf("%v", err)
	}
	if to := at.SignOut(t.Context(), "x"); to != "" {
		t.Errorf("signing out leads to %s", to)
	}
	idp.away = false
	if _, err := begin(t, idp, at, "/"); err == nil {
		t.Error("it is asked again at once: a provider in trouble is asked for each try")
	}
	now = now.Add(askAgain)
	if _, err := begin(t, idp, at, "/"); err != nil {
		t.Error(err)
	}
	for name, document := range map[string]func(map[string]any){
		"of another issuer":                               func(d map[string]any) { d["issuer"] = "https://evil.example" },
		"without keys":                                    func(d map[string]any) { delete(d, "jwks_uri") },
		"with keys in plain text":                         func(d map[string]any) { d["jwks_uri"] = "http://keys.evil.example/" },
		"with a token endpoint in plain text":             func(d map[string]any) { d["token_endpoint"] = "http://evil.example/token" },
		"with an authorization endpoint that is a script": func(d map[string]any) { d["authorization_endpoint"] = "javascript:alert(1)" },
	} {
		idp.document = document
		now = now.Add(askAgain)
		if _, err := begin(t, idp, at, "/"); !errors.As(err, &p) || p.Status != http.StatusServiceUnavailable {
			t.Errorf("a description %s: %v", name, err)
		}
	}
}

// TestClaimsMayComeFromUserInfo: some providers state groups only there.
func TestClaimsMayComeFromUserInfo(t *testing.T) {
	idp := newStandIn(t)
	idp.change = append(idp.change, func(c map[string]any) { delete(c, "groups"); c["name"] = "of the token" })
	idp.userInfo = map[string]any{"sub": "4711", "groups": []string{"payments-leads"}, "name": "of UserInfo"}
	v, err := begin(t, idp, idp.provider(), "/")
	if err != nil {
		t.Fatal(err)
	}
	s, err := v.end()
	if err != nil || !s.Person.Has(settings.Approver) || s.Person.Name != "of the token" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestPeopleAreNamedAsTheyCanBeRead(t *testing.T) {
	for name, c := range map[string]struct {
		set  map[string]any
		want string
	}{
		"as stated":                 {nil, "Mira Sand <mira@acme.example>"},
		"no name":                   {map[string]any{"name": nil}, "mira.s <mira@acme.example>"},
		"a name that turns around":  {map[string]any{"name": "mira\u202eS"}, "mira.s <mira@acme.example>"},
		"a name without an end":     {map[string]any{"name": strings.Repeat("m", 300)}, "mira.s <mira@acme.example>"},
		"mail that is not verified": {map[string]any{"email_verified": false}, "Mira Sand <>"},
		"mail that may be":          {map[string]any{"email_verified": "perhaps"}, "Mira Sand <>"},
	} {
		idp := newStandIn(t)
		idp.change = append(idp.change, func(have map[string]any) { maps.Copy(have, c.set) })
		v, err := begin(t, idp, idp.provider(), "/")
		if err != nil {
			t.Fatal(err)
		}
		s, err := v.end()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := s.Person.Name + " <" + s.Person.Email + ">"; got != c.want || s.Person.ID != "mira.s" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestAMistakeInTheSettingsIsNamed(t *testing.T) {
	idp := newStandIn(t)
	for name, c := range map[string]struct {
		change func(*ProviderConfig)
		says   string
	}{
		"no address":               {func(c *ProviderConfig) { c.URL = "" }, "sign_in.url is missing"},
		"plain text elsewhere":     {func(c *ProviderConfig) { c.URL = "http://trail.acme.example" }, "https://"},
		"a path":                   {func(c *ProviderConfig) { c.URL = "https://trail.acme.example/trail" }, "has a path"},
		"a secret in the address":  {func(c *ProviderConfig) { c.Issuer = "https://u:p@sso.acme.example" }, "is not an address"},
		"an issuer in plain text":  {func(c *ProviderConfig) { c.Issuer = "http://sso.acme.example" }, "https://"},
		"no client":                {func(c *ProviderConfig) { c.ClientID = "" }, "client_id is missing"},
		"a CA that is not there":   {func(c *ProviderConfig) { c.CAFile = "nowhere.pem" }, "sign_in.ca_file"},
		"a CA that is no PEM file": {func(c *ProviderConfig) { c.CAFile = "doc.go" }, "no PEM certificate"},
	} {
		conf := idp.provider().ProviderConfig
		c.change(&conf)
		if _, err := NewProvider(conf); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %s", name, err, c.says)
		}
	}
}

// TestManyAttemptsTakeNoMemory: a browser keeps its attempt; here nothing is kept of those that
// never come back, and little of the others.
func TestManyAttemptsTakeNoMemory(t *testing.T) {
	now := time.Now()
	a, err := newAttempts(false, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if _, err := a.begin(httptest.NewRecorder(), "/"); err != nil {
			t.Fatal(err)
		}
	}
	if len(a.used) != 0 {
		t.Errorf("%d attempts are kept", len(a.used))
	}
	for i := range maxUsed {
		if err := a.use(attempt{State: fmt.Sprint(i), Until: now.Add(attemptTime)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.use(attempt{State: "x", Until: now.Add(attemptTime)}); err != nil || len(a.used) > maxUsed {
		t.Errorf("a flood locks people out, or has no limit: %v, %d are kept", err, len(a.used))
	}
	if err := a.use(attempt{State: "x", Until: now.Add(attemptTime)}); err == nil {
		t.Error("an attempt ends twice")
	}
	for i := range maxUsed {
		if err := a.use(attempt{State: fmt.Sprint("y", i), Until: now.Add(attemptTime)}); err != nil {
			t.Fatal(err)
		}
		now = now.Add(attemptTime / 1000)
	}
	if len(a.used) > 2*maxUsed/3 {
		t.Errorf("%d are kept, most of them over", len(a.used))
	}
	w := httptest.NewRecorder()
	if got, err := a.begin(w, "/"+strings.Repeat("x", 5000)); err != nil || got.To != "/" || len(w.Header().Get("Set-Cookie")) > 4000 {
		t.Errorf("a long address: %v, %d bytes of a cookie", err, len(w.Header().Get("Set-Cookie")))
	}
}
