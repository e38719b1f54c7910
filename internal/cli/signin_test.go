package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/config"
)

// writeConfig writes a configuration file.
func writeConfig(t *testing.T, text string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "changetrail.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestWithSignInConfiguredEveryPageAsks: the pages of up ask people, although programs of this
// machine need no credential, and although the provider is away; MCP tells a program nothing.
func TestWithSignInConfiguredEveryPageAsks(t *testing.T) {
	page, _ := startUp(t, "--config", writeConfig(t, "sign_in: {url: 'http://localhost:8080', issuer: 'http://127.0.0.1:1', client_id: changetrail}\n"))
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for path, want := range map[string]int{"/": 303, "/changes": 303, "/v1/changes": 401, "/healthz": 200, "/sign-in": 200, "/sign-in/start": 503} {
		if status, text, _ := askSite(t, c, "GET", page+path, ""); status != want {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	event := `{"specversion":"1.0","type":"com.github.push","source":"/x","id":"1"}`
	if status, text, _ := askSite(t, c, "POST", page+"/v1/events", event, "Content-Type", "application/cloudevents+json"); status == 401 || status == 303 {
		t.Errorf("a program of this machine may not send: %d %s", status, text)
	}
	_, text, _ := askSite(t, c, "POST", page+"/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"explain_change","arguments":{"change":"acme/one#1"}}}`,
		"Content-Type", "application/json", "Accept", "application/json, text/event-stream", "MCP-Protocol-Version", "2025-06-18")
	if !strings.Contains(text, "may not read") {
		t.Errorf("a program without a credential reads: %s", text)
	}
	if status, text, _ := askSite(t, c, "GET", page+"/sign-in", "", "Host", "rebind.evil.example"); status != http.StatusMisdirectedRequest {
		t.Errorf("under another name: %d %s", status, text)
	}
}

// TestBehindAProxyPeopleAreNamedByIt: this machine is the proxy.
func TestBehindAProxyPeopleAreNamedByIt(t *testing.T) {
	page, _ := startUp(t, "--config", writeConfig(t, "sign_in: {url: 'https://trail.acme.example', roles: [{value: '*', role: viewer}], proxy: {addresses: [127.0.0.1]}}\n"))
	if status, text, _ := askSite(t, http.DefaultClient, "GET", page+"/queries", "", "Host", "trail.acme.example"); status != 401 {
		t.Errorf("nobody: %d %s", status, text)
	}
	if status, text, _ := askSite(t, http.DefaultClient, "GET", page+"/queries", "", "X-Forwarded-User", "mira.s", "Host", "trail.acme.example"); status != 200 || !strings.Contains(text, "mira.s") {
		t.Errorf("mira: %d %s", status, text)
	}
}

// TestPagesListenBeyondThisMachineWithSignIn: over TLS, and without a gateway, which takes events
// from anybody.
func TestPagesListenBeyondThisMachineWithSignIn(t *testing.T) {
	s := Settings{Config: config.Defaults()}
	s.Web.Listen = "10.0.0.7:443"
	s.SignIn.Issuer = "https://sso.acme.example"
	if err := s.pagesAt(nil, &tls.Config{}).may(); err != nil {
		t.Errorf("web: %v", err)
	}
	if err := s.gatewayAt("web.listen", s.Web.Listen, nil, &tls.Config{}).may(); err == nil {
		t.Error("up takes events from anybody")
	}
	if err := s.pagesAt(nil, nil).may(); err == nil {
		t.Error("web without TLS")
	}
	s.SignIn.Issuer = ""
	if err := s.pagesAt(nil, &tls.Config{}).may(); err == nil {
		t.Error("web without sign-in")
	}
}

// TestDoctorChecksWherePeopleSignIn: the answering provider is a stand-in that only describes itself.
func TestDoctorChecksWherePeopleSignIn(t *testing.T) {
	var issuer string
	idp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":"%[1]s/a","token_endpoint":"%[1]s/t","jwks_uri":"%[1]s/k"}`, issuer)
	}))
	defer idp.Close()
	for says, c := range map[string][2]string{
		"ok sign-in " + idp.URL + " answers; it must know the address https://t.example/sign-in/callback of the client c": {idp.URL, idp.URL},
		"failed sign-in": {idp.URL, idp.URL + "/"},
		"→ check that sign_in.issuer is the issuer as the provider writes it": {"http://127.0.0.1:1", ""},
	} {
		issuer = c[1]
		var out bytes.Buffer
		args := []string{"doctor", "--timeout", "5s", "--store", t.TempDir(), "--config", writeConfig(t, "sign_in: {url: 'https://t.example', issuer: '"+c[0]+"', client_id: c}\n")}
		Run(t.Context(), args, strings.NewReader(""), &out, &out, nil)
		if text := strings.Join(strings.Fields(out.String()), " "); !strings.Contains(text, says) {
			t.Errorf("no %q: %s", says, text)
		}
	}
}

func TestAMistakeAboutSignInIsNamed(t *testing.T) {
	for text, says := range map[string]string{
		"sign_in: {issuer: 'https://sso.acme.example', client_id: c}":                          "sign_in.url is missing",
		"sign_in: {url: 'https://t.example', issuer: 'https://sso.acme.example'}":              "sign_in.client_id is missing",
		"sign_in: {url: 'http://t.example', issuer: 'https://sso.acme.example', client_id: c}": "sign_in.url",
		"sign_in: {client_id: c}": "but not where people sign in",
		"sign_in: {roles: [{value: a, role: approvr}], proxy: {addresses: [10.0.0.5]}}":                                    "approver",
		"sign_in: {roles: [{role: viewer}], proxy: {addresses: [10.0.0.5]}}":                                               "value is missing",
		"sign_in: {issuer: 'https://sso.acme.example', client_id: c, url: 'https://t', proxy: {addresses: [10.0.0.5]}}":    "are both set",
		"sign_in: {proxy: {addresses: [0.0.0.0/0]}}":                                                                       "every address",
		"sign_in: {idle: 1s, proxy: {addresses: [10.0.0.5]}}":                                                              "sign_in.idle",
		"sign_in: {idle: 13h, proxy: {addresses: [10.0.0.5]}}":                                                             "sign_in.idle",
		"sign_in: {url: 'https://t.example', issuer: 'https://s.example', client_id: c, client_secret_file: /nonexistent}": "client_secret",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		var out bytes.Buffer
		args := []string{"up", "--data", filepath.Join(t.TempDir(), "data"), "--listen", "127.0.0.1:0", "--broker", "127.0.0.1:0", "--config", writeConfig(t, text+"\n")}
		if code := Run(ctx, args, strings.NewReader(""), io.Discard, &out, nil); code != exitMisuse || !strings.Contains(out.String(), says) || ctx.Err() != nil {
			t.Errorf("%s: %d %s", text, code, out.String())
		}
		cancel()
	}
}
