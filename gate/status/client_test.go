package status

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/record"
)

// TestTheTokenGoesToItsHostOnly: a redirect is not followed, and other hosts are not served.
func TestTheTokenGoesToItsHostOnly(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a request reaches another host: %s with %q", r.URL, r.Header.Get("Authorization"))
	}))
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 307, 308} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) }))
		t.Cleanup(s.Close)
		g, err := NewGitHub(s.URL, Fixed(token))
		if err != nil {
			t.Fatal(err)
		}
		at, ok := g.Place(change(s.URL, "acme/shop", 7), sha(1))
		if !ok {
			t.Fatal("the host does not serve its own changes")
		}
		if err := g.Show(t.Context(), at, Status{State: Success}); !refused(err) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestHostsServeTheirOwnChanges, by the URL of their API.
func TestHostsServeTheirOwnChanges(t *testing.T) {
	hub := func(url string) Host {
		g, err := NewGitHub(url, Fixed(token))
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	lab := func(url string) Host {
		g, err := NewGitLab(url, token, "gate")
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	for _, c := range []struct {
		host Host
		id   record.ChangeID
		ok   bool
	}{
		{hub("https://api.github.com"), "github.com/acme/shop/pull/7", true},
		{hub("https://api.github.com/"), "github.com/acme/shop/pull/7", true},
		{hub("https://api.github.com"), "github.com/acme/shop/commit/" + record.ChangeID(sha(1)), false},
		{hub("https://api.github.com"), "github.acme.example/acme/shop/pull/7", false},
		{hub("https://api.github.com"), "github.com.evil.example/acme/shop/pull/7", false},
		{hub("https://github.acme.example/api/v3"), "github.acme.example/acme/shop/pull/7", true},
		{hub("https://api.acme.ghe.com"), "acme.ghe.com/acme/shop/pull/7", true},
		{hub("https://api.github.com"), "gitlab.com/acme/shop/merge_requests/7", false},
		{lab("https://gitlab.com"), "gitlab.com/acme/shop/merge_requests/7", true},
		{lab("https://gitlab.com"), "github.com/acme/shop/pull/7", false},
		{lab("https://acme.example/gitlab/"), "acme.example/gitlab/acme/shop/merge_requests/7", true},
		{lab("https://acme.example/gitlab"), "acme.example/other/shop/merge_requests/7", false},
	} {
		if _, ok := c.host.Place(c.id, sha(1)); ok != c.ok {
			t.Errorf("%s serves %s: %v", c.host.Name(), c.id, ok)
		}
	}
	for _, url := range []string{"api.github.com", "ftp://api.github.com", "https://user@api.github.com", "https://api.github.com?x=1", "https://", "https://api.github.com:x"} {
		if _, err := NewGitHub(url, Fixed(token)); err == nil || !strings.Contains(err.Error(), "gateway.status.github.url") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestWhatARefusalMeans: whether the host did it, and when it may be asked again.
func TestWhatARefusalMeans(t *testing.T) {
	reset := strconv.FormatInt(time.Now().Add(10*time.Minute).Unix(), 10)
	for name, c := range map[string]struct {
		status int
		header map[string]string
		body   string
		done   bool // it may have been done
		after  time.Duration
	}{
		"a bad token":                    {401, nil, "", false, 0},
		"no right":                       {403, map[string]string{"X-RateLimit-Remaining": "4999"}, "Resource not accessible by integration", false, 0},
		"the hour's requests are used":   {403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}, "API rate limit exceeded", false, 10 * time.Minute},
		"too many at once":               {403, map[string]string{"Retry-After": "30"}, "", false, 30 * time.Second},
		"too many at once, in words":     {403, nil, "You have exceeded a secondary rate limit", false, time.Minute},
		"too many requests":              {429, map[string]string{"Retry-After": "7"}, "", false, 7 * time.Second},
		"too many requests, not so long": {429, nil, "", false, time.Minute},
		"a pause for a week":             {429, map[string]string{"Retry-After": "604800"}, "", false, time.Hour},
		"an unknown commit":              {422, nil, "No commit found for SHA", false, 0},
		"another commit":                 {409, nil, "", false, 0},
		"maintenance":                    {503, map[string]string{"Retry-After": "120"}, "", false, 2 * time.Minute},
		"a proxy that is busy":           {503, nil, "", true, 0},
		"a broken server":                {500, nil, "", true, 0},
		"a broken proxy":                 {502, nil, "", true, 0},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for k, v := range c.header {
				w.Header().Set(k, v)
			}
			http.Error(w, c.body, c.status)
		}))
		api, err := newClient(s.URL, "x")
		if err != nil {
			t.Fatal(err)
		}
		err = api.do(t.Context(), call{path: "/x", in: struct{}{}})
		var later *LaterError
		after := time.Duration(0)
		if errors.As(err, &later) {
			after = time.Until(later.At).Round(5 * time.Second)
		}
		if err == nil || refused(err) == c.done || (after-c.after).Abs() > 5*time.Second {
			t.Errorf("%s: %v, after %v", name, err, after)
		}
		s.Close()
	}
}

// TestAnAppGetsATokenForEachOwner, and uses it until shortly before its end.
func TestAnAppGetsATokenForEachOwner(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t)
	made := 0
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		parsed, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.RS256})
		if err != nil {
			t.Error(err)
			return
		}
		var claims jwt.Claims
		if err := parsed.Claims(&key.PublicKey, &claims); err != nil {
			t.Error(err)
			return
		}
		lives := claims.Expiry.Time().Sub(claims.IssuedAt.Time())
		if claims.Issuer != "Iv1.app" || lives > 10*time.Minute || time.Until(claims.IssuedAt.Time()) > 0 {
			t.Errorf("claims %+v", claims)
		}
		switch r.Method + " " + r.URL.Path {
		case "GET /repos/acme/shop/installation", "GET /repos/acme/pay/installation":
			s.reply(w, http.StatusOK, "github-installation.json", map[string]any{"id": 55})
		case "GET /repos/other/shop/installation":
			w.WriteHeader(http.StatusNotFound)
		case "POST /app/installations/55/access_tokens":
			made++
			s.reply(w, http.StatusCreated, "github-token.json", map[string]any{"token": token + strconv.Itoa(made), "expires_at": time.Now().Add(time.Hour)})
		default:
			t.Errorf("%s %s", r.Method, r.URL)
		}
	}))
	t.Cleanup(app.Close)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for i, block := range []*pem.Block{{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}, {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		get, err := App(app.URL, "Iv1.app", string(pem.EncodeToMemory(block)))
		if err != nil {
			t.Fatal(err)
		}
		for _, repo := range []string{"acme/shop", "acme/pay", "acme/shop"} {
			if got, err := get(t.Context(), repo); err != nil || got != token+strconv.Itoa(i+1) {
				t.Errorf("%s: %q, %v", repo, got, err)
			}
		}
		if _, err := get(t.Context(), "other/shop"); !refused(err) {
			t.Errorf("an owner without the app: %v", err)
		}
	}
	for _, text := range []string{"", "no key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}))} {
		if _, err := App(app.URL, "x", text); err == nil || !strings.Contains(err.Error(), "gateway.status.github.app_key") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestWhatAStatusSays: a word, and a reason that fits.
func TestWhatAStatusSays(t *testing.T) {
	long := strings.Repeat("ö", 300)
	for _, c := range []struct {
		d           gate.Decision
		state, says string
	}{
		{gate.Decision{Allowed: true, Reasons: []string{"cleo approved."}}, Success, "Allowed: cleo approved."},
		{gate.Decision{Reasons: []string{"no"}, Missing: []gate.Missing{{What: "approval", Service: "pay", By: []string{"cleo"}, People: []string{"cleo"}}}}, Pending, "Missing: an approval for pay by cleo."},
		{gate.Decision{Reasons: []string{"no"}, Missing: []gate.Missing{{What: "review"}}, Checks: []gate.Check{{Name: "unit", State: "failure"}}}, Failure, "Missing: a review by any person who took no part in the change."},
		{gate.Decision{Reasons: []string{"unit did not run."}, Checks: []gate.Check{{Name: "unit", State: "missing"}}}, Pending, "Denied: unit did not run."},
		{gate.Decision{Verdict: record.Forbidden, Reasons: []string{"no agent may."}, Missing: []gate.Missing{{What: "review"}}}, Failure, "Missing: a review by any person who took no part in the change."},
		{gate.Decision{Reasons: []string{long}}, Failure, "Denied: " + strings.Repeat("ö", 131) + "…"},
	} {
		s := of(c.d, "https://x")
		if s.State != c.state || s.Says != c.says || utf8.RuneCountInString(s.Says) > maxSays {
			t.Errorf("%+v says %s: %s", c.d, s.State, s.Says)
		}
	}
	if s := cannotTell(""); s.State != Error || utf8.RuneCountInString(s.Says) > maxSays {
		t.Errorf("%+v", s)
	}
}

// FuzzReply reads what a host may send.
func FuzzReply(f *testing.F) {
	f.Add(200, `[{"state":"success","context":"changetrail gate","description":"x","target_url":"y"}]`, "1", "0")
	f.Add(403, `{"message":"API rate limit exceeded"}`, "", "99999999999999")
	f.Add(429, ``, "-1", "x")
	f.Fuzz(func(t *testing.T, status int, body, after, reset string) {
		reply := &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {after}, "X-Ratelimit-Reset": {reset}, "X-Ratelimit-Remaining": {"0"}}, Request: httptest.NewRequestWithContext(context.Background(), "POST", "/x", nil)}
		api := new(client)
		now := time.Now()
		err := api.read(reply, []byte(body))
		if (err == nil) != (status >= 200 && status < 300) {
			t.Fatalf("%d: %v", status, err)
		}
		var l *LaterError
		if errors.As(err, &l) && (l.At.Before(now) || l.At.After(now.Add(longestRest+time.Minute))) {
			t.Fatalf("a pause until %v", l.At)
		}
		var all []commitStatus
		_ = json.Unmarshal([]byte(body), &all)
	})
}
