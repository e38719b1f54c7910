//go:build servers

package embedded

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestSigningInInABrowser: who is unknown is asked for a token, comes to the page that was
// asked for, and is unknown again after signing out.
func TestSigningInInABrowser(t *testing.T) {
	p, agent := newGateway(t)
	ctx := browser(t)
	var text, address string
	do(ctx, t, "a page", chromedp.Navigate(p.page+"/queries"), chromedp.WaitVisible(`input[name=token]`), chromedp.Location(&address), chromedp.Text(`main`, &text))
	if !strings.HasSuffix(address, "/sign-in?to=%2Fqueries") || !strings.Contains(text, "Paste your token") {
		t.Errorf("at %s: %s", address, text)
	}
	picture(ctx, t, "sign-in")
	accessible(ctx, t, axe(t), "sign-in")
	do(ctx, t, "as an agent", chromedp.SendKeys(`input[name=token]`, agent), chromedp.Submit(`input[name=token]`), chromedp.WaitVisible(`.error`), chromedp.Text(`.error`, &text))
	if !strings.Contains(text, "belongs to an agent") {
		t.Errorf("an agent is told %s", text)
	}
	picture(ctx, t, "sign-in-refused")
	do(ctx, t, "as a person", chromedp.SendKeys(`input[name=token]`, p.reader), chromedp.Submit(`input[name=token]`), chromedp.WaitVisible(`table`), chromedp.Location(&address))
	if !strings.HasSuffix(address, "/queries") {
		t.Errorf("after signing in: %s", address)
	}
	var cookies string
	do(ctx, t, "search", chromedp.Navigate(p.page+"/"), chromedp.WaitVisible(`#q`), chromedp.Evaluate(`document.cookie`, &cookies))
	if cookies != "" {
		t.Errorf("a script reads the session: %s", cookies)
	}
	picture(ctx, t, "signed-in")
	do(ctx, t, "sign out", chromedp.Click(`form[action="/sign-out"] button`), chromedp.WaitVisible(`input[name=token]`))
	do(ctx, t, "a page", chromedp.Navigate(p.page+"/queries"), chromedp.WaitVisible(`input[name=token]`))
}
