package web

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/internal/signin"
	"github.com/changetrail/changetrail/record"
)

// pagesBehind returns the pages behind a door.
func pagesBehind(t *testing.T, c access.Config) http.Handler {
	t.Helper()
	c.Log = slog.New(slog.DiscardHandler)
	r := &record.Record{Timestamp: noon}
	r.Trail.Change = record.Change{ID: change, Repository: change.Repository(), Title: "the title of the change"}
	pages, err := New(Config{Access: access.New(c), Index: &oneChange{record: r}, Store: "the index of acme", Log: c.Log, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

func awayProvider(t *testing.T) *signin.Provider {
	t.Helper()
	p, err := signin.NewProvider(signin.ProviderConfig{URL: "https://trail.acme.example", Issuer: "http://127.0.0.1:1", Name: "Acme", ClientID: "changetrail", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func namesAt(t *testing.T, address string) *signin.Proxy {
	t.Helper()
	p, err := signin.NewProxy(signin.ProxyConfig{Addresses: []string{address}, UserHeader: "X-Forwarded-User", NameHeader: "X-Name", GroupsHeader: "X-Forwarded-Groups", SignOutURL: "/oauth2/sign_out"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestEveryPageAsks: whichever way people sign in, a stranger gets nothing but what reveals nothing.
// The last address is none that anybody thought of: unknown ones ask, too.
func TestEveryPageAsks(t *testing.T) {
	listed, err := identity.Parse([]byte("tokens: []"))
	if err != nil {
		t.Fatal(err)
	}
	for way, c := range map[string]access.Config{"a provider": {Provider: awayProvider(t)}, "a proxy": {Proxy: namesAt(t, "10.0.0.5")}, "tokens": {Credentials: listed}} {
		pages := pagesBehind(t, c)
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, "BREW"} {
			for _, path := range []string{
				"/", "/changes", "/changes.csv", "/changes/" + string(change), "/evidence/sha256:00", "/queries", "/v1/changes", "/v1/changes/" + string(change), "/v1/changes/" + string(change) + "/events",
				"/v1/blobs/sha256:00", "/v1/complete", "/static", "/healthz/", "/sign-in/other", "/inbox", "/v1/approvals", "/nowhere",
			} {
				r := httptest.NewRequest(method, path, nil)
				r.Header.Set("X-Forwarded-User", "mira")
				r.Header.Set("X-Forwarded-Groups", "administrator")
				w := httptest.NewRecorder()
				pages.ServeHTTP(w, r)
				asks := w.Code == http.StatusUnauthorized || w.Code == http.StatusSeeOther && strings.HasPrefix(w.Header().Get("Location"), "/sign-in")
				if moved := w.Code == http.StatusTemporaryRedirect || w.Code == http.StatusMovedPermanently; moved && strings.TrimSuffix(w.Header().Get("Location"), "/") == strings.TrimSuffix(path, "/") {
					continue // to the same address with another end, which asks
				}
				if !asks || strings.Contains(w.Body.String(), "the title of the change") || strings.Contains(w.Body.String(), "the index of acme") {
					t.Errorf("%s %s, %s: %d %.300s", method, path, way, w.Code, w.Body)
				}
			}
		}
		for _, path := range []string{"/healthz", "/static/style.css", "/sign-in"} {
			w := httptest.NewRecorder()
			pages.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "the index of acme") {
				t.Errorf("%s, %s: %d %.300s", path, way, w.Code, w.Body)
			}
		}
	}
}

// TestAProviderThatIsAwayIsAPageWithAReason: with status 503, and nobody gets in.
func TestAProviderThatIsAwayIsAPageWithAReason(t *testing.T) {
	pages := pagesBehind(t, access.Config{Provider: awayProvider(t)})
	w := httptest.NewRecorder()
	pages.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/sign-in?to=%2Fqueries", nil))
	if !strings.Contains(w.Body.String(), `href="/sign-in/start?to=%2Fqueries"`) || !strings.Contains(w.Body.String(), "Sign in with Acme") {
		t.Errorf("%s", w.Body)
	}
	w = httptest.NewRecorder()
	pages.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/sign-in/start?to=%2Fqueries", nil))
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "Acme does not answer as it should") || w.Header().Get("Retry-After") == "" || len(w.Result().Cookies()) > 0 {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	w = httptest.NewRecorder()
	pages.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/sign-in/callback?code=x&state=y", nil))
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "did not begin this sign-in") || len(w.Result().Cookies()) > 0 {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

var formToken1 = regexp.MustCompile(`name="form_token" value="([^"]+)"`)

// TestWhoSignedInIsNamedOnEachPage: with a button that works with the form token of the page alone.
func TestWhoSignedInIsNamedOnEachPage(t *testing.T) {
	pages := pagesBehind(t, access.Config{Proxy: namesAt(t, "192.0.2.1")})
	send := func(method, path, groups string, form url.Values) (*httptest.ResponseRecorder, string) {
		r := httptest.NewRequest(method, path, strings.NewReader(form.Encode())) // from 192.0.2.1
		r.Header.Set("X-Forwarded-User", "mira.s")
		r.Header.Set("X-Name", "Mira <Sand>")
		r.Header.Set("X-Forwarded-Groups", groups)
		if form != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, r)
		text, err := io.ReadAll(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		return w, string(text)
	}
	for _, path := range []string{"/changes/" + string(change), "/nowhere"} {
		_, text := send(http.MethodGet, path, string(settings.Viewer), nil)
		if !strings.Contains(text, "Mira &lt;Sand&gt;") || !strings.Contains(text, "Sign out") || !strings.Contains(text, "the index of acme") || strings.Contains(text, "the title of the change") != (path != "/nowhere") {
			t.Errorf("%s: %s", path, text)
		}
	}
	w, text := send(http.MethodGet, "/changes/"+string(change), "everybody", nil)
	if w.Code != http.StatusForbidden || !strings.Contains(text, "you have no role here") || !strings.Contains(text, "Sign out") || strings.Contains(text, "the index of acme") {
		t.Errorf("without a role: %d %s", w.Code, text)
	}
	m := formToken1.FindStringSubmatch(text)
	if m == nil {
		t.Fatal("the button has no form token")
	}
	if w, text := send(http.MethodPost, "/sign-out", "everybody", url.Values{"form_token": {"x"}}); w.Code != http.StatusForbidden {
		t.Errorf("with another form token: %d %s", w.Code, text)
	}
	if w, text := send(http.MethodPost, "/sign-out", "everybody", url.Values{"form_token": {m[1]}}); w.Code != http.StatusOK || w.Header().Get("Refresh") != "0; url=/oauth2/sign_out" {
		t.Errorf("%d %v %s", w.Code, w.Header(), text)
	}
}
