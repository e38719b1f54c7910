package access

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/internal/identity"
)

func known(t *testing.T, lines ...string) (*identity.Credentials, []string) {
	t.Helper()
	text, tokens := "tokens:\n", make([]string, len(lines))
	for i, line := range lines {
		token, digest := identity.NewToken()
		tokens[i] = token
		text += "  - {" + line + ", sha256: " + digest + "}\n"
	}
	c, err := identity.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c, tokens
}

func ok(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }

func TestWhereNobodyIsAskedTheHostIsThisMachine(t *testing.T) {
	door := New(Config{Hosts: []string{"trail.acme.example", "Other.Example:8080"}, Log: slog.New(slog.DiscardHandler)})
	for host, want := range map[string]int{
		"localhost": 200, "localhost:8080": 200, "LOCALHOST.:1": 200, "127.0.0.1:8080": 200, "127.9.9.9": 200, "[::1]:8080": 200, "[::1]": 200, "[::ffff:127.0.0.1]:8080": 200,
		"10.0.0.7:8080": 200, "trail.acme.example": 200, "TRAIL.acme.example:443": 200, "other.example": 200,
		"": 421, "rebind.evil.example": 421, "rebind.evil.example:8080": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421, "evil.localhost": 421, "10.0.0.8": 421, "0.0.0.0:8080": 421,
		"2130706433": 421, "trail.acme.example.evil.example": 421, "xtrail.acme.example": 421,
	} {
		for _, method := range []string{"GET", "POST", "PUT"} {
			r := httptest.NewRequest(method, "/v1/changes", nil)
			r.Host = host
			r.Header.Set("Origin", "http://"+host)
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 7), Port: 8080})))
			w := httptest.NewRecorder()
			door.Guard(http.HandlerFunc(ok)).ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s of %q: %d, want %d", method, host, w.Code, want)
			}
		}
	}
	asked, _ := known(t)
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "http://trail.example/v1/changes", nil)
	New(Config{Credentials: asked, Log: slog.New(slog.DiscardHandler)}).Guard(http.HandlerFunc(ok)).ServeHTTP(w, r)
	if w.Code != 200 || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Cross-Origin-Resource-Policy") != "same-origin" {
		t.Errorf("where readers are asked: %d %v", w.Code, w.Header())
	}
}

func TestOtherSitesMakeNoBrowserRead(t *testing.T) {
	door := New(Config{Log: slog.New(slog.DiscardHandler)})
	for _, c := range []struct {
		path, site, mode, dest string
		want                   int
	}{
		{"/", "", "", "", 200},
		{"/v1/changes?q=a", "same-origin", "cors", "empty", 200},
		{"/v1/changes", "none", "navigate", "document", 200},
		{"/?q=a", "cross-site", "navigate", "document", 200},
		{"/changes/a", "cross-site", "navigate", "document", 200},
		{"/?q=a", "cross-site", "navigate", "iframe", 403},
		{"/?q=a", "cross-site", "no-cors", "image", 403},
		{"/v1/changes?q=a", "cross-site", "navigate", "document", 403},
		{"/changes.csv", "cross-site", "navigate", "document", 403},
		{"/v1/complete?text=a", "cross-site", "navigate", "document", 403},
		{"/v1/changes?q=a", "same-site", "cors", "empty", 403},
		{"/v1/blobs/x", "cross-site", "no-cors", "script", 403},
		{"/queries", "cross-site", "no-cors", "image", 403},
	} {
		r := httptest.NewRequest("GET", "http://localhost"+c.path, nil)
		for name, v := range map[string]string{"Sec-Fetch-Site": c.site, "Sec-Fetch-Mode": c.mode, "Sec-Fetch-Dest": c.dest} {
			if v != "" {
				r.Header.Set(name, v)
			}
		}
		w := httptest.NewRecorder()
		door.Guard(http.HandlerFunc(ok)).ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%+v: %d", c, w.Code)
		}
	}
}

func TestSigningIn(t *testing.T) {
	c, tokens := known(t, "name: mira, person: mira.s", "name: bot, agent: a")
	var log bytes.Buffer
	door := New(Config{Credentials: c, Secure: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	sign := func(token, to, site string) (*httptest.ResponseRecorder, error) {
		r := httptest.NewRequest("POST", "https://trail.example/sign-in", strings.NewReader(url.Values{"token": {token}, "to": {to}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", site)
		w := httptest.NewRecorder()
		return w, door.SignIn(w, r)
	}
	w, err := sign(" "+tokens[0]+"\n", "/changes/a?x=1", "same-origin")
	if err != nil || w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/changes/a?x=1" {
		t.Fatalf("%d %v: %v", w.Code, w.Header(), err)
	}
	cookie := w.Result().Cookies()[0]
	if !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteLaxMode || cookie.MaxAge != 12*3600 || cookie.Path != "/" || cookie.Domain != "" || !strings.HasPrefix(cookie.Name, "__Host-") {
		t.Errorf("the cookie is %s", w.Header().Get("Set-Cookie"))
	}
	read := func(name, value string) (Reader, error) {
		r := httptest.NewRequest("GET", "https://trail.example/", nil)
		r.AddCookie(&http.Cookie{Name: name, Value: value})
		return door.Identify(r)
	}
	if reader, err := read(cookie.Name, cookie.Value); err != nil || reader.Person != "mira.s" || !reader.ReadsAll() {
		t.Errorf("%+v, %v", reader, err)
	}
	for name, k := range map[string][2]string{"another value": {cookie.Name, cookie.Value + "x"}, "another name": {"changetrail-session", cookie.Value}, "the token itself": {cookie.Name, tokens[0]}} {
		if reader, err := read(k[0], k[1]); err == nil || reader.ReadsAll() {
			t.Errorf("%s: %+v", name, reader)
		}
	}
	for name, k := range map[string][2]string{"of an agent": {tokens[1], "same-origin"}, "unknown": {"ct_x", "same-origin"}, "from another site": {tokens[0], "cross-site"}} {
		if w, err := sign(k[0], "/", k[1]); err == nil || len(w.Result().Cookies()) > 0 {
			t.Errorf("%s: signed in: %v", name, w.Header())
		}
	}
	reader, err := read(cookie.Name, cookie.Value)
	if err != nil {
		t.Fatal(err)
	}
	signOut := func(form url.Values, site string) (*httptest.ResponseRecorder, error) {
		r := httptest.NewRequest("POST", "https://trail.example/sign-out", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", site)
		r.AddCookie(cookie)
		w := httptest.NewRecorder()
		_, err := door.SignOut(w, r)
		return w, err
	}
	own := url.Values{FormField: {reader.FormToken()}}
	for name, try := range map[string]struct {
		form url.Values
		site string
	}{"without the form token": {nil, "same-origin"}, "with another form token": {url.Values{FormField: {"x"}}, "same-origin"}, "from another site": {own, "cross-site"}} {
		if _, err := signOut(try.form, try.site); err == nil {
			t.Errorf("signed out %s", name)
		}
		if _, err := read(cookie.Name, cookie.Value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if w, err := signOut(own, "same-origin"); err != nil || w.Result().Cookies()[0].MaxAge >= 0 {
		t.Errorf("%v %v", w.Header(), err)
	}
	if _, err := read(cookie.Name, cookie.Value); err == nil {
		t.Error("the session outlives the sign-out")
	}
	if strings.Contains(log.String(), tokens[0]) || strings.Contains(log.String(), cookie.Value) {
		t.Error("the log tells a secret")
	}
}

func TestAfterSigningInOneStaysHere(t *testing.T) {
	for to, want := range map[string]string{"/changes/a": "/changes/a", "": "/", "https://evil.example": "/", "//evil.example": "/", `/\evil.example`: "/", "/\t/evil.example": "/", "javascript:alert(1)": "/", "/sign-in?to=/": "/"} {
		if got := Here(to); got != want {
			t.Errorf("%q goes to %q, want %q", to, got, want)
		}
	}
}
