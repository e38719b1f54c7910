//go:build servers

package embedded

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/servers"
)

// A keycloak is a real Keycloak with the realm acme.
type keycloak struct {
	*servers.Server
	t *testing.T
}

func startKeycloak(t *testing.T, pages string) keycloak {
	t.Helper()
	s, err := servers.Keycloak(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	realm, err := os.ReadFile(filepath.Join("testdata", "keycloak-realm.json"))
	if err != nil {
		t.Fatal(err)
	}
	k := keycloak{s, t}
	k.administer(http.MethodPost, "/admin/realms", strings.ReplaceAll(string(realm), "PAGES", pages))
	return k
}

// administer sends a request of Keycloak's administrator.
func (k keycloak) administer(method, path, body string) {
	k.t.Helper()
	res, err := http.PostForm("http://"+k.Address+"/realms/master/protocol/openid-connect/token",
		url.Values{"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {servers.KeycloakUser}, "password": {servers.KeycloakPassword}})
	if err != nil {
		k.t.Fatal(err)
	}
	defer res.Body.Close()
	var token struct {
		Access string `json:"access_token"`
	}
	if err := json.UnmarshalRead(res.Body, &token); err != nil || token.Access == "" {
		k.t.Fatalf("no token of the administrator: %d %v", res.StatusCode, err)
	}
	req, err := http.NewRequestWithContext(k.t.Context(), method, "http://"+k.Address+path, strings.NewReader(body))
	if err != nil {
		k.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token.Access)
	req.Header.Set("Content-Type", "application/json")
	res, err = http.DefaultClient.Do(req)
	if err != nil {
		k.t.Fatal(err)
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); res.StatusCode >= 300 {
		k.t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, text)
	}
}

// startSignedIn starts changetrail up over TLS, with people who sign in at a Keycloak.
func startSignedIn(t *testing.T) (*process, keycloak) {
	t.Helper()
	listen, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	k := startKeycloak(t, "https://"+listen)
	dir := t.TempDir()
	cert, key, err := servers.Certificate(dir)
	if err != nil {
		t.Fatal(err)
	}
	secret, config := filepath.Join(dir, "secret"), filepath.Join(dir, "changetrail.yaml")
	for file, text := range map[string]string{secret: "s3cret\n", config: fmt.Sprintf(`sign_in:
  url: https://%s
  issuer: http://%s/realms/acme
  name: Acme
  client_id: changetrail
  client_secret_file: %s
  idle: 1m
  roles: [{value: payments-leads, role: approver}, {value: engineering, role: viewer}]
`, listen, k.Address, secret)} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := start("up", "--config", config, "--data", filepath.Join(dir, "data"), "--listen", listen, "--cert", cert, "--key", key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.stop(syscall.SIGINT); err != nil {
			t.Errorf("%v: %s", err, p.out)
		}
	})
	return p, k
}

// atKeycloak enters a name and a password at Keycloak, which the browser shows.
func atKeycloak(user, password string) chromedp.Action {
	return chromedp.Tasks{chromedp.WaitVisible(`#username`), chromedp.SendKeys(`#username`, user), chromedp.SendKeys(`#password`, password), chromedp.Submit(`#password`)}
}

// TestPeopleSignInAtKeycloak: a real browser goes through the login page of a real Keycloak, and the
// person has the name and the roles that Keycloak states. The session ends without use and at
// sign-out, there and here. A new key of Keycloak is fine; a Keycloak that is away lets nobody in.
func TestPeopleSignInAtKeycloak(t *testing.T) {
	p, k := startSignedIn(t)
	ctx := browser(t)
	source := axe(t)
	var text, address, roles string
	do(ctx, t, "a page", chromedp.Navigate(p.page+"/queries"), chromedp.WaitVisible(`a.button`), chromedp.Location(&address), chromedp.Text(`a.button`, &text))
	if !strings.HasSuffix(address, "/sign-in?to=%2Fqueries") || text != "Sign in with Acme" {
		t.Errorf("at %s: %s", address, text)
	}
	looksWell(ctx, t, source, "sign-in-at-provider")

	do(ctx, t, "sign in", chromedp.Click(`a.button`), atKeycloak("mira.s", "wrong"), chromedp.WaitVisible(`#input-error-username`), chromedp.Location(&address))
	if !strings.HasPrefix(address, "http://"+k.Address) {
		t.Errorf("a wrong password leads to %s", address)
	}
	do(ctx, t, "with her password", chromedp.SendKeys(`#password`, "m1ra"), chromedp.Submit(`#password`), chromedp.WaitVisible(`form.reader`),
		chromedp.Location(&address), chromedp.Text(`form.reader span`, &text), chromedp.AttributeValue(`form.reader span`, "title", &roles, nil))
	if address != p.page+"/queries" || !strings.Contains(text, "Mira Sand") || roles != "viewer, approver" {
		t.Errorf("at %s: %q, %q", address, text, roles)
	}
	looksWell(ctx, t, source, "signed-in-at-provider")
	checkCookies(ctx, t)
	for name, script := range map[string]string{"without": `{method: "POST"}`, "with another": `{method: "POST", headers: {"X-Form-Token": "x"}}`} {
		var status int
		do(ctx, t, "a script "+name, chromedp.Evaluate(`fetch("/sign-out", `+script+`).then(r => r.status)`, &status, func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }))
		if status != http.StatusForbidden {
			t.Errorf("signing out %s form token: %d", name, status)
		}
	}

	time.Sleep(time.Minute + 2*time.Second) // sign_in.idle
	do(ctx, t, "after a minute", chromedp.Navigate(p.page+"/queries"), chromedp.WaitVisible(`a.button`))
	// Keycloak knows the browser still, and has a new key.
	k.administer(http.MethodPost, "/admin/realms/acme/components", `{"name":"new","providerId":"rsa-generated","providerType":"org.keycloak.keys.KeyProvider","config":{"priority":["500"]}}`)
	do(ctx, t, "again", chromedp.Click(`a.button`), chromedp.WaitVisible(`form.reader`), chromedp.Location(&address))
	if address != p.page+"/queries" {
		t.Errorf("again at %s", address)
	}

	do(ctx, t, "sign out", chromedp.Click(`form.reader button`), chromedp.WaitVisible(`a.button`), chromedp.Location(&address))
	if address != p.page+"/sign-in" {
		t.Errorf("after signing out at %s", address)
	}
	do(ctx, t, "sign in as another", chromedp.Click(`a.button`), atKeycloak("bert", "b3rt"), chromedp.WaitVisible(`.error`), chromedp.Text(`.error`, &text))
	if !strings.Contains(text, "signed in as Bert Holm, but you have no role here") {
		t.Errorf("without a role: %s", text)
	}
	looksWell(ctx, t, source, "sign-in-without-role")
	do(ctx, t, "sign out", chromedp.Click(`form.reader button`), chromedp.WaitVisible(`a.button`))

	do(ctx, t, "sign in", chromedp.Click(`a.button`), atKeycloak("mira.s", "m1ra"), chromedp.WaitVisible(`form.reader`))
	k.Stop()
	time.Sleep(3 * time.Second) // what Keycloak said about itself counts for two
	do(ctx, t, "a session that began before", chromedp.Navigate(p.page+"/changes"), chromedp.WaitVisible(`form.reader`))
	do(ctx, t, "Keycloak is away", chromedp.Navigate(p.page+"/sign-in/start?to=/"), chromedp.WaitVisible(`.error`), chromedp.Text(`.error`, &text))
	if !strings.Contains(text, "Nobody can sign in at the moment: Acme does not answer as it should") {
		t.Errorf("without Keycloak: %s", text)
	}
	looksWell(ctx, t, source, "sign-in-away")
	res, err := insecure.Get(p.page + "/sign-in/start?to=/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("without Keycloak: %s", res.Status)
	}
}

// checkCookies: scripts do not see the session, and the browser keeps it for this host over TLS alone.
func checkCookies(ctx context.Context, t *testing.T) {
	t.Helper()
	var seen string
	var cookies []*network.Cookie
	do(ctx, t, "cookies", chromedp.Evaluate(`document.cookie`, &seen), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		cookies, err = network.GetCookies().Do(ctx)
		return err
	}))
	if seen != "" || len(cookies) != 1 {
		t.Fatalf("a script reads %q; there are %d cookies", seen, len(cookies))
	}
	if c := cookies[0]; c.Name != "__Host-changetrail-session" || !c.HTTPOnly || !c.Secure || c.SameSite != network.CookieSameSiteLax || c.Path != "/" {
		t.Errorf("%+v", c)
	}
}

// looksWell keeps a picture of the page in each look, and fails where it is not readable.
func looksWell(ctx context.Context, t *testing.T, source, name string) {
	t.Helper()
	for _, l := range looks {
		do(ctx, t, l.name, l.actions()...)
		picture(ctx, t, name+"-"+l.name)
		fits(ctx, t, name)
		accessible(ctx, t, source, name+", "+l.name)
	}
	do(ctx, t, "light", looks[0].actions()...)
}
