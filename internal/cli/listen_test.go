package cli

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/capture"
	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/record"
)

// TestWhereTheBinaryListens: beyond this machine nothing is served without credentials and
// encryption, but for what the settings except.
func TestWhereTheBinaryListens(t *testing.T) {
	cert, key := selfSigned(t)
	_, digest := identity.NewToken()
	one, empty, noTokens := filepath.Join(t.TempDir(), "one.yaml"), filepath.Join(t.TempDir(), "empty.yaml"), filepath.Join(t.TempDir(), "none.yaml")
	for file, text := range map[string]string{one: "tokens:\n  - {name: ci, platform: ci, sha256: " + digest + "}\n", empty: "", noTokens: "tokens: []\noidc: []\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		address, credentials string
		tls, open, plain     bool
		want                 bool
	}{
		{"127.0.0.1:8080", "", false, false, false, true},
		{"[::1]:8080", "", false, false, false, true},
		{"LocalHost:8080", "", false, false, false, true},
		{"127.3.2.1:8080", empty, false, false, false, true},
		{"[::ffff:127.0.0.1]:8080", "", false, false, false, true},
		{":8080", "", false, false, false, false},
		{"0.0.0.0:8080", one, false, false, false, false},
		{"0.0.0.0:8080", "", true, false, false, false},
		{"0.0.0.0:8080", empty, true, false, false, false},
		{"0.0.0.0:8080", noTokens, true, false, false, false},
		{"0.0.0.0:8080", empty, false, false, true, false},
		{"[::]:8080", one, true, false, false, true},
		{"10.0.0.7:8080", one, false, false, true, true},
		{"10.0.0.7:8080", "", true, true, false, true},
		{"10.0.0.7:8080", "", false, true, false, false},
		{"10.0.0.7:8080", "", false, true, true, true},
		{"trail.acme.example:8080", "", false, false, false, false},
		{"localhost.acme.example:8080", "", false, false, false, false},
		{"127.0.0.1.nip.example:8080", "", false, false, false, false},
		{"8080", one, true, true, true, false},
	} {
		s := Settings{Config: config.Defaults()}
		s.Gateway.Credentials, s.Gateway.Open, s.Gateway.Plaintext = c.credentials, c.open, c.plain
		if c.tls {
			s.Gateway.CertFile, s.Gateway.KeyFile = cert, key
		}
		known, err1 := s.credentials()
		protection, err2 := s.gatewayTLS()
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		err := s.gatewayAt("web.listen", c.address, known, protection).may()
		if (err == nil) != c.want {
			t.Errorf("%+v: %v", c, err)
		}
		var wrong usageError
		if err != nil && !errors.As(err, &wrong) {
			t.Errorf("%+v is no usage error: %v", c, err)
		}
	}
	for address, open := range map[string]bool{"127.0.0.1:9464": true, ":9464": false, "0.0.0.0:9464": false} {
		s := Settings{Config: config.Defaults()}
		s.Telemetry.Listen = address
		if err := s.metricsAt(); (err == nil) != open {
			t.Errorf("metrics at %s: %v", address, err)
		}
		s.Telemetry.Open = true
		if err := s.metricsAt(); err != nil {
			t.Errorf("metrics at %s, open: %v", address, err)
		}
	}
}

// TestEveryCommandThatListensKeepsTheRule runs each as people do.
func TestEveryCommandThatListensKeepsTheRule(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.yaml")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, line := range []string{
		"up --listen 0.0.0.0:0 --broker 127.0.0.1:0", "up --listen 127.0.0.1:0 --broker 0.0.0.0:0", "up --listen 127.0.0.1:0 --broker 127.0.0.1:0 --credentials " + empty + " --listen 0.0.0.0:0",
		"demo --listen 0.0.0.0:0 --broker 127.0.0.1:0", "web --listen 0.0.0.0:0", "web --listen :0 --credentials " + empty,
		"gateway --listen 0.0.0.0:0", "gateway --listen 0.0.0.0:0 --credentials " + empty + " --plaintext true",
		"mcp --listen 0.0.0.0:0", "gateway --metrics 0.0.0.0:0",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		var out bytes.Buffer
		if code := Run(ctx, strings.Fields(line), strings.NewReader(""), io.Discard, &out, nil); code != exitMisuse || ctx.Err() != nil {
			t.Errorf("%s: %d %s", line, code, out.String())
		}
		cancel()
	}
}

// startUp runs changetrail up until the test ends, and returns where its page is.
func startUp(t *testing.T, args ...string) (page string, log *capture.Output) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, log, ended := new(capture.Output), new(capture.Output), make(chan int, 1)
	args = append([]string{"up", "--data", filepath.Join(t.TempDir(), "data"), "--listen", "127.0.0.1:0", "--broker", "127.0.0.1:0", "--log-level", "info"}, args...)
	go func() { ended <- Run(ctx, args, strings.NewReader(""), out, log, nil) }()
	t.Cleanup(func() { cancel(); <-ended })
	for range 600 {
		if m := regexp.MustCompile(`page +(https?://\S+?)/\s`).FindStringSubmatch(out.String()); m != nil {
			return m[1], log
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("it does not start: %s%s", out, log)
	return "", nil
}

// ask sends one request; headers are pairs of name and value.
func askSite(t *testing.T, c *http.Client, method, address, body string, headers ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if r.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text), res.Header
}

// stay follows no redirects.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func TestOnALaptopThePagesAreOpenToThisMachineAlone(t *testing.T) {
	page, _ := startUp(t)
	c := &http.Client{CheckRedirect: stay}
	for _, path := range []string{"/", "/v1/changes", "/changes.csv", "/queries", "/v1/complete?text=a", "/healthz"} {
		if status, text, h := askSite(t, c, "GET", page+path, ""); status != 200 || h.Get("Cache-Control") != "no-store" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("%s: %d %s %v", path, status, text, h)
		}
		if status, _, _ := askSite(t, c, "GET", page+path, "", "Host", "rebind.evil.example", "Origin", "http://rebind.evil.example", "Sec-Fetch-Site", "same-origin"); status != 421 {
			t.Errorf("%s of another host: %d", path, status)
		}
	}
	for _, path := range []string{"/v1/events", "/mcp", "/v1/traces", "/v1/logs"} {
		if status, _, _ := askSite(t, c, "POST", page+path, "{}", "Host", "rebind.evil.example", "Content-Type", "application/json"); status != 421 {
			t.Errorf("%s of another host: %d", path, status)
		}
	}
	if status, _, _ := askSite(t, c, "GET", page+"/changes?page=368934881474191033", ""); status != 400 {
		t.Errorf("a page that there cannot be: %d", status)
	}
	if status, _, _ := askSite(t, c, "GET", page+"/v1/changes?size=1000&page=9223372036854775807", ""); status != 400 {
		t.Errorf("a page that there cannot be: %d", status)
	}
}

// credentialsFile writes credentials.yaml and returns a token for each of its lines.
func credentialsFile(t *testing.T, each ...string) (file string, tokens []string) {
	t.Helper()
	text := "tokens:\n"
	for _, line := range each {
		token, digest := identity.NewToken()
		tokens, text = append(tokens, token), text+"  - {"+line+", sha256: "+digest+"}\n"
	}
	file = filepath.Join(t.TempDir(), "credentials.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, tokens
}

// TestWithCredentialsReadersAreAsked: nothing that is recorded is shown to an unknown reader, and
// to each what is theirs to read.
func TestWithCredentialsReadersAreAsked(t *testing.T) {
	file, tokens := credentialsFile(t, "name: ci, platform: ci", "name: mira, person: mira.s", "name: bot, agent: bot", "name: ours, agent: ours, repositories: [github.com/acme/one]", "name: guest, person: guest, repositories: [github.com/acme/one]")
	ci, mira, bot, ours, guest := tokens[0], tokens[1], tokens[2], tokens[3], tokens[4]
	cert, key := selfSigned(t)
	page, log := startUp(t, "--credentials", file, "--cert", cert, "--key", key)
	if !strings.HasPrefix(page, "https://") {
		t.Fatalf("the page is %s", page)
	}
	c := &http.Client{CheckRedirect: stay, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // its certificate was just made
	get := func(path, token string, more ...string) (int, string) {
		if token != "" {
			more = append(more, "Authorization", "Bearer "+token)
		}
		status, text, _ := askSite(t, c, "GET", page+path, "", more...)
		return status, text
	}
	sums := make(map[string]string)
	for _, repo := range []string{"one", "two"} {
		report := fmt.Sprintf(`<testsuite name="%s" tests="1"><testcase name="a" classname="b"/></testsuite>`, repo)
		if status, text, _ := askSite(t, c, "PUT", page+"/v1/blobs", report, "Authorization", "Bearer "+ci); status != 201 {
			t.Fatal(status, text)
		}
		sums[repo] = digests.Of([]byte(report))
		event := fmt.Sprintf(`{"specversion":"1.0","id":"%[1]s","source":"/ci","type":"%[2]s","subject":"acme/%[1]s#1","data":{"conclusion":"success","name":"unit","report":{"digest":"%[3]s"}}}`, repo, record.TypeValidationCompleted, sums[repo])
		if status, text, _ := askSite(t, c, "POST", page+"/v1/events", event, "Authorization", "Bearer "+ci, "Content-Type", "application/cloudevents+json"); status != 204 {
			t.Fatal(status, text)
		}
	}
	for i := 0; ; i++ {
		status1, _ := get("/v1/changes/github.com/acme/one/pull/1", mira)
		status2, text := get("/v1/changes/github.com/acme/two/pull/1", mira)
		if status1 == 200 && status2 == 200 {
			break
		}
		if i > 300 {
			t.Fatalf("the records do not come: %d %d %s", status1, status2, text)
		}
		time.Sleep(100 * time.Millisecond)
	}
	// What a lying agent names gives it no right.
	claim := fmt.Sprintf(`{"specversion":"1.0","id":"claim","source":"/ours","type":"%s","subject":"acme/one#1","data":{"conclusion":"success","name":"mine","report":{"digest":"%s"}}}`, record.TypeValidationCompleted, sums["two"])
	if status, text, _ := askSite(t, c, "POST", page+"/v1/events", claim, "Authorization", "Bearer "+ours, "Content-Type", "application/cloudevents+json"); status != 204 {
		t.Fatal(status, text)
	}
	decision := fmt.Sprintf(`{"specversion":"1.0","id":"decision","source":"/ours","type":"%s","subject":"acme/one#1","data":{"agent":{"id":"ours"},"trigger":{"kind":"scan","finding":"CVE-1","digest":"%s"}}}`, record.TypeDecisionRecorded, sums["two"])
	if status, text, _ := askSite(t, c, "POST", page+"/v1/events", decision, "Authorization", "Bearer "+ours, "Content-Type", "application/cloudevents+json"); status != 204 {
		t.Fatal(status, text)
	}
	for i := 0; ; i++ {
		if _, text := get("/v1/changes/github.com/acme/one/pull/1", mira); strings.Contains(text, "CVE-1") {
			break
		}
		if i > 300 {
			t.Fatal("the decision does not come")
		}
		time.Sleep(100 * time.Millisecond)
	}
	one, two := "github.com/acme/one/pull/1", "github.com/acme/two/pull/1"
	for _, k := range []struct {
		path                                string
		nobody, all, agent, limited, person int
	}{
		{"/v1/changes", 401, 200, 403, 200, 200},
		{"/v1/changes?q=a", 401, 200, 403, 200, 200},
		{"/v1/changes?q=changetrail.change.repository:*two*", 401, 200, 403, 200, 200},
		{"/v1/complete?text=changetrail.change.repository:github", 401, 200, 403, 200, 200},
		{"/v1/changes/" + one, 401, 200, 403, 200, 200},
		{"/v1/changes/" + two, 401, 200, 403, 403, 403},
		{"/v1/changes/" + two + "/replay", 401, 200, 403, 403, 403},
		{"/v1/changes/" + two + "/events", 401, 200, 403, 403, 403},
		{"/v1/blobs/" + sums["one"], 401, 200, 404, 200, 200},
		{"/v1/blobs/" + sums["two"], 401, 200, 404, 404, 404},
		{"/v1/blobs/nonsense", 401, 404, 404, 404, 404},
		{"/", 303, 200, 403, 200, 200},
		{"/changes.csv", 401, 200, 403, 200, 200},
		{"/changes.csv?q=changetrail.change.number:2", 401, 200, 403, 200, 200},
		{"/queries", 303, 200, 403, 200, 200},
		{"/changes", 303, 200, 403, 200, 200},
		{"/changes/" + one, 303, 200, 403, 200, 200},
		{"/changes/" + two, 303, 200, 403, 403, 403},
		{"/evidence/" + sums["one"], 303, 200, 404, 200, 200},
		{"/evidence/" + sums["two"], 303, 200, 404, 404, 404},
		{"/v1/nothing", 401, 404, 404, 404, 404},
		{"/nothing", 303, 404, 404, 404, 404},
		{"/healthz", 200, 200, 200, 200, 200},
		{"/sign-in", 200, 200, 200, 200, 200},
	} {
		for token, want := range map[string]int{"": k.nobody, mira: k.all, ci: k.all, bot: k.agent, ours: k.limited, guest: k.person} {
			status, text := get(k.path, token)
			if want != 0 && status != want {
				t.Errorf("%s by %d: %d, want %d: %.200s", k.path, tokenIndex(tokens, token), status, want, text)
			}
			if status >= 300 && (strings.Contains(text, "unit") || strings.Contains(text, "testcase")) {
				t.Errorf("%s by %d tells what it refuses: %s", k.path, tokenIndex(tokens, token), text)
			}
			if status == 200 && (token == ours || token == guest) && strings.Contains(text, "acme/two") {
				t.Errorf("%s by %d tells of another repository: %s", k.path, tokenIndex(tokens, token), text)
			}
		}
		if _, text := get(k.path, ""); strings.Contains(text, "embedded, ") {
			t.Errorf("%s tells who is unknown where things are", k.path)
		}
		if status, _ := get(k.path, "ct_guess"); k.nobody != 200 && status != 401 {
			t.Errorf("%s with a wrong token: %d", k.path, status)
		}
	}
	explain := func(token, change string) string {
		_, text, _ := askSite(t, c, "POST", page+"/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"explain_change","arguments":{"change":"`+change+`"}}}`,
			"Authorization", "Bearer "+token, "Content-Type", "application/json", "Accept", "application/json, text/event-stream", "MCP-Protocol-Version", "2025-06-18")
		return text
	}
	if text := explain(ours, "acme/two#1"); !strings.Contains(text, "may not read") || strings.Contains(text, "unit") {
		t.Errorf("explain_change tells %s", text)
	}
	if text := explain(ours, "acme/one#1"); !strings.Contains(text, "unit") {
		t.Errorf("explain_change does not tell %s", text)
	}
	signedIn(t, c, page, mira)
	for _, want := range []string{"part=access kind=record id=" + one + " credential=ours", "part=access kind=file id=" + sums["one"] + " credential=guest", "part=access kind=list", "credential=mira"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q", want)
		}
	}
	for _, token := range tokens {
		if strings.Contains(log.String(), token) {
			t.Error("the log has a token")
		}
	}
}

func tokenIndex(tokens []string, token string) int {
	for i, t := range tokens {
		if t == token {
			return i
		}
	}
	return -1
}

// signedIn signs in and out as a browser does.
func signedIn(t *testing.T, c *http.Client, page, token string) {
	t.Helper()
	form := func(values url.Values) string { return values.Encode() }
	status, _, h := askSite(t, c, "POST", page+"/sign-in", form(url.Values{"token": {token}, "to": {"/queries"}}), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
	cookie := strings.SplitN(h.Get("Set-Cookie"), ";", 2)[0]
	if status != 303 || h.Get("Location") != "/queries" || !strings.Contains(h.Get("Set-Cookie"), "HttpOnly; Secure; SameSite=Lax") {
		t.Fatalf("signing in: %d %v", status, h)
	}
	status, text, _ := askSite(t, c, "GET", page+"/queries", "", "Cookie", cookie)
	button := regexp.MustCompile(`name="form_token" value="([^"]+)"`).FindStringSubmatch(text)
	if status != 200 || button == nil {
		t.Fatalf("with a session: %d %s", status, text)
	}
	out := form(url.Values{"form_token": {button[1]}})
	if status, _, _ := askSite(t, c, "POST", page+"/v1/events", "{}", "Cookie", cookie, "Content-Type", "application/cloudevents+json"); status != 401 {
		t.Errorf("a session sends events: %d", status)
	}
	if status, _, _ := askSite(t, c, "POST", page+"/sign-out", out, "Cookie", cookie, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site"); status != 403 {
		t.Errorf("another site signs out: %d", status)
	}
	if status, _, _ := askSite(t, c, "POST", page+"/sign-out", "", "Cookie", cookie, "Sec-Fetch-Site", "same-origin"); status != 403 {
		t.Errorf("signing out without the form token: %d", status)
	}
	if status, _, _ := askSite(t, c, "POST", page+"/sign-out", out, "Cookie", cookie, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin"); status != 303 {
		t.Errorf("signing out: %d", status)
	}
	if status, _, _ := askSite(t, c, "GET", page+"/queries", "", "Cookie", cookie); status != 303 {
		t.Errorf("after signing out: %d", status)
	}
	if status, _, h := askSite(t, c, "POST", page+"/sign-in", form(url.Values{"token": {"ct_guess"}}), "Content-Type", "application/x-www-form-urlencoded"); status != 401 || h.Get("Set-Cookie") != "" {
		t.Errorf("a wrong token: %d %v", status, h)
	}
}

// TestALargeHeaderIsNotReadToItsEnd: one of a megabyte costs no more than its first part.
func TestALargeHeaderIsNotReadToItsEnd(t *testing.T) {
	page, _ := startUp(t)
	for size, want := range map[int]int{10 << 10: 200, 200 << 10: 431, 900 << 10: 431} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(page, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: %s", strings.Repeat("x", size)) // it does not end
		if want == 200 {
			_, _ = fmt.Fprint(conn, "\r\n\r\n")
		}
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || res.StatusCode != want {
			t.Errorf("%d bytes: %+v, %v", size, res, err)
		}
		if err == nil {
			_ = res.Body.Close()
		}
		_ = conn.Close()
	}
}
