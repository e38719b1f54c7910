package access

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/signin"
)

// A clock is moved by hand.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// signInWith signs in with a token, in a browser that has a session already if before is not nil.
func signInWith(t *testing.T, door *Door, token string, before *http.Cookie) (*http.Cookie, error) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "https://trail.example/sign-in", strings.NewReader(url.Values{"token": {token}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if before != nil {
		r.AddCookie(before)
	}
	w := httptest.NewRecorder()
	if err := door.SignIn(w, r); err != nil {
		return nil, err
	}
	return w.Result().Cookies()[0], nil
}

func reads(door *Door, c *http.Cookie) (Reader, error) {
	r := httptest.NewRequest(http.MethodGet, "https://trail.example/", nil)
	r.AddCookie(c)
	return door.Identify(r)
}

// TestASessionEndsWithItsToken: and if it is not used, and after its length however it is used.
func TestASessionEndsWithItsToken(t *testing.T) {
	token, digest := identity.NewToken()
	_, other := identity.NewToken()
	parse := func(text string) *identity.Credentials {
		c, err := identity.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	bot := "tokens:\n  - {name: bot, agent: a, sha256: " + other + "}\n"
	mira := "  - {name: mira, person: mira.s, sha256: " + digest + "}\n"
	time0 := &clock{time.Now()}
	begun := func() (*Door, *http.Cookie) {
		time0.at = time.Now()
		door := New(Config{Credentials: parse(bot + mira), Secure: true, Log: slog.New(slog.DiscardHandler), Idle: time.Hour, Length: 12 * time.Hour})
		door.sessions.now = time0.now
		c, err := signInWith(t, door, token, nil)
		if err != nil {
			t.Fatal(err)
		}
		return door, c
	}
	door, cookie := begun()
	if who, err := reads(door, cookie); err != nil || who.Person != "mira.s" || !who.ReadsAll() || strings.Contains(cookie.Value, token) {
		t.Fatalf("%+v, %v", who, err)
	}
	for name, end := range map[string]func(*Door){
		"the token is removed":  func(d *Door) { d.Credentials = parse(bot) },
		"the token is replaced": func(d *Door) { d.Credentials = parse(bot + strings.Replace(mira, digest, strings.Repeat("0", 64), 1)) },
		"the token expired": func(d *Door) {
			d.Credentials = parse(bot + strings.Replace(mira, "sha256", "expires: 2020-01-01, sha256", 1))
		},
		"nobody used it": func(*Door) { time0.at = time0.at.Add(time.Hour) },
		"it is over, although it was used": func(d *Door) {
			for range 12*60/59 + 1 {
				time0.at = time0.at.Add(59 * time.Minute)
				_, _ = reads(d, cookie)
			}
		},
		"the process is another": func(d *Door) { d.sessions = New(d.Config).sessions },
	} {
		door, c := begun()
		cookie = c
		if _, err := reads(door, c); err != nil {
			t.Fatalf("%s: before: %v", name, err)
		}
		if end(door); true {
			if who, err := reads(door, c); err == nil || who.ReadsAll() {
				t.Errorf("%s: %+v still reads", name, who)
			}
		}
	}
	door, cookie = begun()
	for range 11 { // used in time, it goes on
		time0.at = time0.at.Add(59 * time.Minute)
		if _, err := reads(door, cookie); err != nil {
			t.Fatal(err)
		}
	}
}

// TestASignInHasANewSession: a session that somebody planted in the browser never becomes the
// session of the person who signs in there, and the one before ends.
func TestASignInHasANewSession(t *testing.T) {
	c, tokens := known(t, "name: mira, person: mira.s", "name: eve, person: eve")
	door := New(Config{Credentials: c, Log: slog.New(slog.DiscardHandler)})
	planted := &http.Cookie{Name: door.cookie(), Value: "planted"}
	mine, err := signInWith(t, door, tokens[0], planted)
	if err != nil || mine.Value == planted.Value {
		t.Fatalf("%v %v", mine, err)
	}
	if _, err := reads(door, planted); err == nil {
		t.Error("a planted session reads")
	}
	eves, err := signInWith(t, door, tokens[1], nil)
	if err != nil {
		t.Fatal(err)
	}
	next, err := signInWith(t, door, tokens[0], eves)
	if err != nil || next.Value == eves.Value {
		t.Fatalf("%v %v", next, err)
	}
	if who, err := reads(door, eves); err == nil {
		t.Errorf("the session before reads as %+v", who)
	}
	if who, err := reads(door, next); err != nil || who.Name != "mira" {
		t.Errorf("%+v %v", who, err)
	}
	var first *http.Cookie
	for range maxOfOne {
		time.Sleep(time.Millisecond)
		c, err := signInWith(t, door, tokens[1], nil)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = c
		}
	}
	if _, err := reads(door, first); err != nil {
		t.Errorf("of %d sessions the first has ended: %v", maxOfOne, err)
	}
	if _, err := signInWith(t, door, tokens[1], nil); err != nil {
		t.Fatal(err)
	}
	if _, err := reads(door, first); err == nil {
		t.Errorf("one person has more than %d sessions", maxOfOne)
	}
}

// TestWhoeverIsNamedByTheProxySendsForms: with the form token of their pages, and of nobody else's.
func TestWhoeverIsNamedByTheProxySendsForms(t *testing.T) {
	proxy, err := signin.NewProxy(signin.ProxyConfig{Addresses: []string{"10.0.0.5"}, UserHeader: "X-Forwarded-User", GroupsHeader: "X-Forwarded-Groups"})
	if err != nil {
		t.Fatal(err)
	}
	door := New(Config{Proxy: proxy, Log: slog.New(slog.DiscardHandler)})
	send := func(method, from, user, form string) (Reader, error) {
		r := httptest.NewRequest(method, "https://trail.example/", nil)
		r.RemoteAddr = from
		r.Header.Set("X-Forwarded-User", user)
		r.Header.Set("X-Forwarded-Groups", "viewer")
		r.Header.Set(FormHeader, form)
		return door.Identify(r)
	}
	mira, err := send(http.MethodGet, "10.0.0.5:1", "mira", "")
	if err != nil || mira.Person != "mira" || !mira.ReadsAll() {
		t.Fatalf("%+v %v", mira, err)
	}
	if p, ok := signin.Of(mira.With(httptest.NewRequest(http.MethodGet, "/", nil)).Context()); !ok || p.ID != "mira" {
		t.Errorf("%+v", p)
	}
	if _, err := send(http.MethodPost, "10.0.0.5:1", "mira", mira.FormToken()); err != nil {
		t.Errorf("her own form: %v", err)
	}
	for name, try := range map[string][3]string{"no form token": {"10.0.0.5:1", "mira", ""}, "another's": {"10.0.0.5:1", "bert", mira.FormToken()}, "past the proxy": {"10.0.0.6:1", "mira", mira.FormToken()}} {
		if who, err := send(http.MethodPost, try[0], try[1], try[2]); err == nil {
			t.Errorf("%s: %+v", name, who)
		}
	}
}
