//go:build servers

package embedded

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/go-json-experiment/json"
)

// inboxPolicy has two people who may approve changes of the authentication.
const inboxPolicy = `services: [{name: payments, repositories: [github.com/acme/payments], classification: critical, owner: leads}]
agents: [{id: patch-pilot, accounts: ["patch-pilot[bot]"], services: [payments], delegates: [bert]}]
people: [{id: mira, accounts: [mira.s]}, {id: lea, accounts: [lea]}, {id: bert, accounts: [bert]}]
teams: [{id: leads, members: [mira, lea]}]
rules: [{name: authentication, when: 'change.paths.exists(p, glob(p, "auth/**"))', verdict: approval-required, reason: leads approve changes of the authentication, by: [owners]}]
gate: {break_glass: {by: [leads], review_within: 24h}}
default: review-required
`

// startInbox starts changetrail up with a policy, and people who sign in at a real Keycloak.
func startInbox(t *testing.T) *process {
	t.Helper()
	listen, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	k := startKeycloak(t, "http://"+listen)
	dir := t.TempDir()
	secret, config, rules := filepath.Join(dir, "secret"), filepath.Join(dir, "changetrail.yaml"), filepath.Join(dir, "policy.yaml")
	for file, text := range map[string]string{secret: "s3cret\n", rules: inboxPolicy, config: fmt.Sprintf(`gateway: {github_secret: %s}
sign_in:
  url: http://%s
  issuer: http://%s/realms/acme
  name: Acme
  client_id: changetrail
  client_secret_file: %s
  roles: [{value: payments-leads, role: approver}, {value: engineering, role: viewer}]
`, githubSecret, listen, k.Address, secret)} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := start("up", "--config", config, "--data", filepath.Join(dir, "data"), "--policy", rules, "--listen", listen)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.stop(syscall.SIGINT); err != nil {
			t.Errorf("%v: %s", err, p.out)
		}
	})
	return p
}

// gateSays asks the gate about a pull request on the command line.
func gateSays(t *testing.T, p *process, number, want int, says string) {
	t.Helper()
	code, out := exit(t, nil, binary, "gate", "--gateway", p.page, fmt.Sprintf("github.com/acme/payments/pull/%d", number))
	if code != want || !strings.Contains(out, says) {
		t.Errorf("the gate about %d: exit code %d, want %d with %q: %s", number, code, want, says, out)
	}
}

// waiting opens the inbox once it has a number of items.
func waiting(ctx context.Context, t *testing.T, p *process, n int) {
	t.Helper()
	var got int
	for began := time.Now(); time.Since(began) < 20*time.Second; time.Sleep(200 * time.Millisecond) {
		do(ctx, t, "inbox", chromedp.Navigate(p.page+"/inbox"), chromedp.WaitVisible(`main`, chromedp.ByQuery), chromedp.Evaluate(`document.querySelectorAll(".inbox > li").length`, &got))
		if got == n {
			return
		}
	}
	t.Fatalf("%d items wait, want %d", got, n)
}

// TestAPersonDecidesInTheInbox: signed in at a real Keycloak, in a real browser, with one key; and the gate
// answers accordingly.
func TestAPersonDecidesInTheInbox(t *testing.T) {
	p := startInbox(t)
	sha := func(n int) string { return strings.Repeat(fmt.Sprint(n), 40) }
	pullOfAgent(t, p, 501, sha(1))
	gateSays(t, p, 501, denied, "an approval for payments by lea or mira (leads)")
	ctx := browser(t)
	source := axe(t)
	var text, address string
	var focused bool
	do(ctx, t, "sign in", chromedp.Navigate(p.page+"/inbox"), chromedp.Click(`a.button`), atKeycloak("mira.s", "m1ra"), chromedp.WaitVisible(`form.reader`), chromedp.Location(&address))
	if address != p.page+"/inbox" {
		t.Errorf("after signing in at %s", address)
	}
	waiting(ctx, t, p, 1)
	looksWell(ctx, t, source, "inbox")
	do(ctx, t, "the change", chromedp.Navigate(p.page+"/changes/github.com/acme/payments/pull/501"), chromedp.WaitVisible(`.needs`), chromedp.Text(`.needs`, &text))
	if !strings.Contains(text, "Needs you") {
		t.Errorf("the page of the change says %s", text)
	}
	do(ctx, t, "to the inbox", chromedp.Click(`.needs a`), chromedp.WaitVisible(`.inbox`), chromedp.Evaluate(`document.activeElement.matches(".inbox > li")`, &focused))
	if !focused {
		t.Error("the link to an item does not lead to it")
	}

	do(ctx, t, "a stray key", chromedp.Navigate(p.page+"/inbox"), chromedp.WaitVisible(`.inbox`), chromedp.KeyEvent("a"), chromedp.Sleep(300*time.Millisecond), chromedp.Text(`.inbox`, &text)) // in no item: it decides nothing
	gateSays(t, p, 501, denied, "an approval for payments")
	do(ctx, t, "one key", chromedp.KeyEvent("j"), chromedp.KeyEvent("a"), chromedp.WaitVisible(`.done`), chromedp.Text(`.done`, &text))
	if !strings.Contains(text, "You approved github.com/acme/payments/pull/501 at commit 1111111111. The gate allows the merge now.") {
		t.Errorf("after one key: %s", text)
	}
	gateSays(t, p, 501, allowed, "")
	refusals(ctx, t, p, sha)
	withoutScript(ctx, t, p, sha)

	ctx = browser(t)
	do(ctx, t, "sign in in another browser", chromedp.Navigate(p.page+"/approvals"), chromedp.Click(`a.button`), atKeycloak("mira.s", "m1ra"), chromedp.WaitVisible(`form.reader`))
	answersAnAgent(ctx, t, p, source)
	approvesBefore(ctx, t, p, source, sha)
	for name, path := range map[string]string{"statistics": "/inbox/given", "what-if": "/inbox/what-if"} {
		do(ctx, t, path, chromedp.Navigate(p.page+path), chromedp.WaitVisible(`main`, chromedp.ByQuery), chromedp.Text(`main`, &text))
		looksWell(ctx, t, source, name)
		if name == "statistics" && !strings.Contains(text, "mira.s") {
			t.Errorf("%s: %s", name, text)
		}
	}
	sessionEnds(ctx, t, p, source, sha)
	ordersInAnEmergency(ctx, t, p, source)
}

// refusals: a refusal needs a reason, and a decision is about the commit that the page showed.
func refusals(ctx context.Context, t *testing.T, p *process, sha func(int) string) {
	t.Helper()
	var text string
	pull := pullOfAgent(t, p, 502, sha(2))
	waiting(ctx, t, p, 1)
	do(ctx, t, "refuse without a reason", chromedp.Click(`button[value=refuse]`), chromedp.WaitVisible(`.decide .error`), chromedp.Text(`.decide .error`, &text))
	if !strings.Contains(text, "to refuse, give a reason") {
		t.Errorf("without a reason: %s", text)
	}
	do(ctx, t, "refuse", chromedp.KeyEvent("\t"), chromedp.Focus(`.inbox > li`, chromedp.ByQuery), chromedp.KeyEvent("r"), chromedp.KeyEvent("it locks people out"), chromedp.KeyEvent("\r"), chromedp.WaitVisible(`.done`), chromedp.Text(`.done`, &text))
	if !strings.Contains(text, "You refused github.com/acme/payments/pull/502") {
		t.Errorf("after a refusal: %s", text)
	}
	gateSays(t, p, 502, denied, "mira.s")
	waiting(ctx, t, p, 1)
	now := time.Now().UTC().Format(time.RFC3339)
	pull["head"].(map[string]any)["sha"], pull["updated_at"] = sha(3), now
	deliver(t, p, "pull_request", "g-502-again", map[string]any{"action": "synchronize", "number": 502, "before": sha(2), "after": sha(3), "repository": acmePayments, "sender": pull["user"], "pull_request": pull})
	deliver(t, p, "push", "g-502-push-again", map[string]any{
		"ref": "refs/heads/fix-502", "before": sha(2), "after": sha(3), "repository": acmePayments, "sender": pull["user"], "pusher": map[string]any{"name": "patch-pilot[bot]"},
		"commits": []any{map[string]any{"id": sha(3), "message": "Fix the login again", "timestamp": now, "author": map[string]any{"name": "patch-pilot[bot]", "username": "patch-pilot[bot]"}, "added": []string{}, "modified": []string{"auth/login.go"}, "removed": []string{}}},
	})
	do(ctx, t, "a newer commit", chromedp.Focus(`.inbox > li`, chromedp.ByQuery), chromedp.KeyEvent("a"), chromedp.WaitVisible(`p.error`), chromedp.Text(`p.error`, &text))
	if !strings.Contains(text, "Nothing was decided: github.com/acme/payments/pull/502 has a newer commit, 3333333333, than the one that you saw (2222222222)") {
		t.Errorf("a newer commit: %s", text)
	}
	gateSays(t, p, 502, denied, "")
	var status int
	do(ctx, t, "a script without the form token", chromedp.Evaluate(`fetch("/inbox", {method: "POST", body: new URLSearchParams({what: "change", of: "github.com/acme/payments/pull/502", commit: "`+sha(3)+`", verdict: "approve"})}).then(r => r.status)`, &status, func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }))
	if status != http.StatusForbidden {
		t.Errorf("a decision without the form token: %d", status)
	}
}

// withoutScript decides by the button alone.
func withoutScript(ctx context.Context, t *testing.T, p *process, sha func(int) string) {
	t.Helper()
	var text string
	do(ctx, t, "no script", emulation.SetScriptExecutionDisabled(true), chromedp.Navigate(p.page+"/inbox"), chromedp.WaitVisible(`.inbox`), chromedp.Click(`button[value=approve]`), chromedp.WaitVisible(`.done`), chromedp.Text(`.done`, &text),
		emulation.SetScriptExecutionDisabled(false))
	if !strings.Contains(text, "You approved github.com/acme/payments/pull/502 at commit 3333333333. The gate allows the merge now.") {
		t.Errorf("without a script: %s", text)
	}
}

// asksToPush asks as a hook of an agent does before a tool runs.
func asksToPush(t *testing.T, p *process) bool {
	t.Helper()
	res, err := http.Post(p.page+"/v1/gate/actions", "application/json", strings.NewReader(`{"agent":"patch-pilot","repository":"github.com/acme/payments","tool":"Bash","does":"push","paths":["auth/login.go"],"run":"run-7","asked_by":"bert"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct{ Allowed *bool }
	if err := json.UnmarshalRead(res.Body, &answer, json.MatchCaseInsensitiveNames(true)); err != nil || answer.Allowed == nil {
		t.Fatalf("%s: %v", res.Status, err)
	}
	return *answer.Allowed
}

// answersAnAgent approves what an agent asks for, with one key: then the agent may go on.
func answersAnAgent(ctx context.Context, t *testing.T, p *process, source string) {
	t.Helper()
	var text string
	if asksToPush(t, p) {
		t.Error("an agent may push without an approval")
	}
	waiting(ctx, t, p, 1)
	looksWell(ctx, t, source, "inbox-request")
	do(ctx, t, "one key", chromedp.KeyEvent("j"), chromedp.KeyEvent("a"), chromedp.WaitVisible(`.done`), chromedp.Text(`.done`, &text))
	if !strings.Contains(text, "You approved work of patch-pilot in github.com/acme/payments until") {
		t.Errorf("after one key: %s", text)
	}
	if !asksToPush(t, p) {
		t.Error("an agent may not push with an approval")
	}
}

// approvesBefore gives an approval before the work: the change that comes then needs no other one.
func approvesBefore(ctx context.Context, t *testing.T, p *process, source string, sha func(int) string) {
	t.Helper()
	var text string
	do(ctx, t, "approvals", chromedp.Navigate(p.page+"/approvals"), chromedp.Click(`details.new summary`), chromedp.WaitVisible(`#agent-new`))
	do(ctx, t, "an agent that does not exist", chromedp.SendKeys(`#agent-new`, "patch-pilto"), chromedp.SendKeys(`#repository-new`, "github.com/acme/payments"), chromedp.SendKeys(`#scope-new`, "payments"), chromedp.SendKeys(`#new-reason`, "the fixes of this week"),
		chromedp.Submit(`#agent-new`), chromedp.WaitVisible(`p.error`), chromedp.Text(`p.error`, &text))
	if !strings.Contains(text, "patch-pilot") {
		t.Errorf("an agent that does not exist: %s", text)
	}
	looksWell(ctx, t, source, "approvals-wrong")
	do(ctx, t, "give it", chromedp.SetValue(`#agent-new`, "patch-pilot"), chromedp.Submit(`#agent-new`), chromedp.WaitVisible(`.done`), chromedp.Text(`.done`, &text))
	if !strings.Contains(text, "You approved work of patch-pilot in github.com/acme/payments until") {
		t.Errorf("an approval: %s", text)
	}
	pullOfAgent(t, p, 503, sha(4))
	gateSays(t, p, 503, denied, "Nobody independent has approved the newest commit yet")
	do(ctx, t, "it is used", chromedp.Navigate(p.page+"/approvals"), chromedp.WaitVisible(`table.approvals`), chromedp.Text(`table.approvals`, &text))
	if !strings.Contains(text, "used up") || !strings.Contains(text, "1 of 1") || !strings.Contains(text, "github.com/acme/payments/pull/503") {
		t.Errorf("after its use: %s", text)
	}
	picture(ctx, t, "approvals")
}

// sessionEnds: what the person wrote is there after the next sign-in, and nothing was decided.
func sessionEnds(ctx context.Context, t *testing.T, p *process, source string, sha func(int) string) {
	t.Helper()
	var text string
	waiting(ctx, t, p, 1)
	do(ctx, t, "the session ends", chromedp.SendKeys(`.decide:not(.fold) textarea`, "ask the security team"), network.ClearBrowserCookies(), chromedp.Click(`button[value=refuse]`), chromedp.WaitVisible(`a.button`), chromedp.Text(`main`, &text))
	if !strings.Contains(text, "Nothing was decided") || !strings.Contains(text, "ask the security team") {
		t.Errorf("after the session ended: %s", text)
	}
	picture(ctx, t, "inbox-session-ended")
	accessible(ctx, t, source, "the session ended")
	do(ctx, t, "sign in again", chromedp.Click(`a.button`), atKeycloak("mira.s", "m1ra"), chromedp.WaitVisible(`.decide:not(.fold) textarea`), chromedp.Value(`.decide:not(.fold) textarea`, &text))
	if text != "ask the security team" {
		t.Errorf("after signing in again the reason is %q", text)
	}
	do(ctx, t, "refuse", chromedp.Click(`button[value=refuse]`), chromedp.WaitVisible(`.done`))
	gateSays(t, p, 503, denied, "mira.s")
}

// ordersInAnEmergency opens the form for it, and orders the merge of a change that the same person refused.
func ordersInAnEmergency(ctx context.Context, t *testing.T, p *process, source string) {
	t.Helper()
	var text string
	waiting(ctx, t, p, 1)
	do(ctx, t, "open the form", chromedp.Click(`.inbox summary`), chromedp.WaitVisible(`.decide.fold`))
	looksWell(ctx, t, source, "inbox-emergency")
	do(ctx, t, "order the merge", chromedp.SendKeys(`.decide.fold textarea`, "INC-17: nobody can sign in"), chromedp.Click(`.decide.fold button`), chromedp.WaitVisible(`.done`), chromedp.Text(`.done`, &text))
	if !strings.Contains(text, "The gate allows the merge now: mira.s ordered that this commit may be merged: INC-17: nobody can sign in.") {
		t.Errorf("after an order: %s", text)
	}
	gateSays(t, p, 503, allowed, "mira.s ordered that this commit may be merged")
}
