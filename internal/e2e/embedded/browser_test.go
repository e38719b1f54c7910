//go:build servers

package embedded

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/servers"
)

// screenshots is where the pages are kept as they looked.
var screenshots = filepath.Join("..", "..", "..", "out", "screenshots")

func browser(t *testing.T) context.Context {
	t.Helper()
	program, err := servers.Chromium()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.IgnoreCertErrors, chromedp.WindowSize(1400, 1000))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(cancel)
	chromedp.ListenTarget(ctx, func(e any) { // nothing on any page may go wrong unseen
		switch e := e.(type) {
		case *runtime.EventExceptionThrown:
			t.Errorf("a script failed: %s", e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.APITypeError {
				t.Errorf("the console has an error: %v", e.Args)
			}
		}
	})
	return ctx
}

func do(ctx context.Context, t *testing.T, what string, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(ctx, actions...); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func picture(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	var png []byte
	do(ctx, t, "screenshot "+name, chromedp.FullScreenshot(&png, 100))
	if err := os.MkdirAll(screenshots, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(screenshots, name+".png"), png, 0o644); err != nil {
		t.Fatal(err)
	}
}

// axe returns the source of axe-core from the npm registry.
func axe(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", dir, "axe-core@4.10.3")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm install axe-core: %v: %s", err, out)
	}
	source, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// accessible fails where axe finds a serious or critical fault.
func accessible(ctx context.Context, t *testing.T, source, name string) {
	t.Helper()
	var found string
	do(ctx, t, "axe on "+name, chromedp.Evaluate(source+";0", nil), chromedp.Evaluate(`axe.run().then(r => JSON.stringify(r.violations.map(v => ({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 3).map(n => n.html.slice(0, 200) + " " + n.failureSummary)}))))`, &found, func(p *runtime.EvaluateParams) *runtime.EvaluateParams {
		return p.WithAwaitPromise(true)
	}))
	var violations []struct {
		ID, Impact, Help string
		Nodes            []string
	}
	if err := json.Unmarshal([]byte(found), &violations, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err, found)
	}
	for _, v := range violations {
		if v.Impact == "serious" || v.Impact == "critical" {
			t.Errorf("%s: axe finds %s (%s): %s\n%s", name, v.ID, v.Impact, v.Help, strings.Join(v.Nodes, "\n"))
		} else {
			t.Logf("%s: axe notes %s (%s): %s", name, v.ID, v.Impact, v.Help)
		}
	}
}

// TestAnAuditorClicksFromASearchToTheEvidence goes the way that the product is
// for: search, facet, change, evidence, log.
func TestAnAuditorClicksFromASearchToTheEvidence(t *testing.T) {
	ctx := browser(t)
	source := axe(t)
	var text, address string
	overviewLeadsOn(ctx, t, source)
	do(ctx, t, "changes", chromedp.Navigate(page+"/changes"), chromedp.WaitVisible(`table.changes`), chromedp.Text(`.count`, &text))
	if !strings.Contains(text, "changes") {
		t.Errorf("the page of changes says %q", text)
	}
	picture(ctx, t, "search")
	accessible(ctx, t, source, "search")

	do(ctx, t, "search", chromedp.SetValue(`#q`, `tags:"pci-dss-6.3.2" AND changetrail.change.initiated_by:agent`), chromedp.Submit(`#q`), chromedp.WaitVisible(`.count`), chromedp.Location(&address), chromedp.Text(`.count strong`, &text))
	if !strings.Contains(address, "pci-dss-6.3.2") || text != fmt.Sprint(total(t, `tags:"pci-dss-6.3.2" AND changetrail.change.initiated_by:agent`)) && text == "0" {
		t.Errorf("the search leads to %s with %s changes", address, text)
	}
	before := text
	do(ctx, t, "facet", chromedp.Click(`//details[summary[text()="Agent"]]//a[contains(.,"patch-")]`, chromedp.BySearch), chromedp.WaitVisible(`//*[contains(@class,"chips")]//strong[text()="patch-pilot"]`, chromedp.BySearch), chromedp.Text(`.count strong`, &text))
	if text == before {
		t.Errorf("a facet narrows nothing: %s", text)
	}
	picture(ctx, t, "facet")

	do(ctx, t, "change", chromedp.Click(`td.id a`), chromedp.WaitVisible(`.timeline`), chromedp.Text(`.answers`, &text))
	for _, question := range []string{"Which scan output triggered the agent?", "Which alternatives did it consider and reject?", "Was it authorized to change that service?", "Who reviewed before merge?"} {
		if !strings.Contains(text, question) {
			t.Errorf("the page of a change does not ask: %s", question)
		}
	}
	picture(ctx, t, "change")
	accessible(ctx, t, source, "change")
	everyEventIsListed(ctx, t, source)
	var log string
	do(ctx, t, "log", chromedp.AttributeValue(`#decided a.log`, "href", &log, nil))
	if !strings.HasPrefix(log, "https://agents.acme.example/logs/run-") {
		t.Errorf("the log of the agent is linked as %q", log)
	}

	do(ctx, t, "evidence", chromedp.Click(`#saw a.evidence`), chromedp.WaitVisible(`pre.file mark`), chromedp.Text(`pre.file mark`, &text))
	picture(ctx, t, "evidence")
	accessible(ctx, t, source, "evidence")
	var named string
	do(ctx, t, "finding", chromedp.Text(`section[aria-labelledby=found] dd`, &named))
	if named == "" || text == "" {
		t.Errorf("the evidence names %q and marks %q", named, text)
	}

	for _, p := range []string{"/queries", "/nowhere", "/changes?q=tagz:a", "/changes?q=not-revewed", "/changes?q=not-reviewed", "/changes?page=99999", "/changes?f=tags:pci-dss-6.3.2&x=service.name:payments&more=service.name&sort=changetrail.change.merged_at&from=2026-01-01"} {
		do(ctx, t, p, chromedp.Navigate(page+p), chromedp.WaitVisible(`main`))
		accessible(ctx, t, source, p)
	}
}

// everyEventIsListed opens the events of the change that is shown, by arrival.
func everyEventIsListed(ctx context.Context, t *testing.T, source string) {
	t.Helper()
	var made, summary string
	var rows int
	do(ctx, t, "events", chromedp.Text(`section[aria-labelledby=record] > p`, &made), chromedp.Click(`#events summary`),
		chromedp.WaitVisible(`#events .orders`), chromedp.Click(`//p[@class="orders"]/a[text()="by arrival"]`, chromedp.BySearch),
		chromedp.WaitVisible(`#events[open] .orders a.picked`), chromedp.Text(`#events summary`, &summary),
		chromedp.Evaluate(`document.querySelectorAll("#events tbody tr").length`, &rows))
	if want := fmt.Sprintf("made from %d events, all here", rows); !strings.Contains(made, want) || summary != fmt.Sprintf("Events, %d", rows) || rows < 5 {
		t.Errorf("%d events are listed; the page says %q and %q", rows, made, summary)
	}
	picture(ctx, t, "events")
	accessible(ctx, t, source, "events")
}

// A look is how a reader sees the pages.
type look struct {
	name  string
	width int64
	dark  bool
}

var looks = []look{{"light", 1400, false}, {"dark", 1400, true}, {"narrow", 390, false}, {"narrow-dark", 390, true}}

func (l look) actions() []chromedp.Action {
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	return []chromedp.Action{
		chromedp.EmulateViewport(l.width, 900),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
	}
}

// TestEveryPageIsReadableInEveryLook keeps a picture of each page, and fails where axe finds a
// serious fault or the page is wider than the screen.
func TestEveryPageIsReadableInEveryLook(t *testing.T) {
	source := axe(t)
	pages := everyPage(t)
	for _, l := range looks {
		t.Run(l.name, func(t *testing.T) {
			ctx := browser(t)
			do(ctx, t, l.name, l.actions()...)
			for name, path := range pages {
				do(ctx, t, path, chromedp.Navigate(page+path), chromedp.WaitVisible(`main`, chromedp.ByQuery))
				picture(ctx, t, name+"-"+l.name)
				fits(ctx, t, name)
				accessible(ctx, t, source, name+", "+l.name)
			}
		})
	}
}

// everyPage returns an address of each kind of page.
func everyPage(t *testing.T) map[string]string {
	t.Helper()
	ctx := browser(t)
	pages := map[string]string{
		"overview": "/", "search": "/changes", "queries": "/queries", "sign-in": "/sign-in",
		"filters":        "/changes?f=tags:pci-dss-6.3.2&x=service.name:payments&more=service.name&sort=changetrail.change.merged_at&from=2026-01-01",
		"nothing-found":  "/changes?q=changetrail.change.number:0",
		"no-such-field":  "/changes?q=tagz:a",
		"no-such-page":   "/nowhere",
		"no-such-file":   "/evidence/sha256:" + strings.Repeat("0", 64),
		"no-such-change": "/changes/github.com/acme/refunds/pull/99999",
	}
	href := func(from, selector string) string {
		var to string
		var found bool
		do(ctx, t, selector+" on "+from, chromedp.Navigate(page+from), chromedp.WaitVisible(`main`, chromedp.ByQuery), chromedp.AttributeValue(selector, "href", &to, &found, chromedp.ByQuery))
		if !found {
			t.Fatalf("%s has no link %s", from, selector)
		}
		return to
	}
	for name, query := range map[string]string{
		"change": `changetrail.answers.trigger:proven`, "late": `changetrail.gaps:told-after-merge`, "forbidden": `changetrail.gaps:forbidden`,
		"person": `changetrail.change.initiated_by:human AND changetrail.gaps:no-review`, "open": `changetrail.change.state:open`,
	} {
		pages[name] = href("/changes?q="+url.QueryEscape(query), `td.id a`)
	}
	pages["events"] = pages["change"] + "?events=1&order=arrived#events"
	pages["report"] = href(pages["change"], `#saw a.evidence`)
	pages["policy"] = href(pages["change"], `#decided a.evidence`)
	pages["tests"] = href(pages["change"], `#validated a.evidence`)
	return pages
}

// TestATelephoneShowsWhatMatters: nothing of it is beyond the edge of the screen.
func TestATelephoneShowsWhatMatters(t *testing.T) {
	ctx := browser(t)
	do(ctx, t, "narrow", chromedp.EmulateViewport(390, 844))
	onScreen := func(path, selector string) {
		t.Helper()
		var seen [2]int // visible elements, and those beyond the edge
		do(ctx, t, path, chromedp.Navigate(page+path), chromedp.WaitVisible(`main`, chromedp.ByQuery),
			chromedp.Evaluate(fmt.Sprintf(`(() => { const all = [...document.querySelectorAll(%q)].map(e => e.getBoundingClientRect()).filter(b => b.width + b.height > 0);
				return [all.length, all.filter(b => b.left < 0 || b.right > document.documentElement.clientWidth).length]; })()`, selector), &seen))
		if seen[0] == 0 || seen[1] > 0 {
			t.Errorf("%s: %d of %d visible %s are beyond the edge of the screen", path, seen[1], seen[0], selector)
		}
	}
	onScreen("/", ".matrix td")
	onScreen("/queries", ".queries td")
	var change string
	do(ctx, t, "changes", chromedp.Navigate(page+"/changes?q=changetrail.gaps:review-missing"), chromedp.WaitVisible(`main`, chromedp.ByQuery), chromedp.AttributeValue(`td.id a`, "href", &change, nil, chromedp.ByQuery))
	onScreen(change, ".line line.merge, .line .mark, .line text")
	onScreen(change, ".controls td")
	var shown bool
	folded := chromedp.Evaluate(`getComputedStyle(document.querySelector(".facets")).display !== "none"`, &shown)
	do(ctx, t, "filters", chromedp.Navigate(page+"/changes"), chromedp.WaitVisible(`label.unfold`), folded)
	if shown {
		t.Error("the facets are shown before the changes on a narrow screen")
	}
	do(ctx, t, "filters", chromedp.Click(`label.unfold`), folded)
	if !shown {
		t.Error("the facets cannot be unfolded")
	}
	fits(ctx, t, "search with its facets")
}

// fits fails where the page is wider than the screen.
func fits(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	var over int
	var who string
	do(ctx, t, "width of "+name, chromedp.Evaluate(`document.documentElement.scrollWidth - document.documentElement.clientWidth`, &over),
		chromedp.Evaluate(`[...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth && !e.closest(".scroll, .hidden, pre, details:not([open])")).slice(0, 5).map(e => e.outerHTML.slice(0, 80)).join("\n")`, &who))
	if over > 0 {
		t.Errorf("%s is %d pixels wider than the screen: %s", name, over, who)
	}
}

func TestThePagesAreReadableWithoutScripts(t *testing.T) {
	ctx := browser(t)
	var text string
	do(ctx, t, "search", emulation.SetScriptExecutionDisabled(true), chromedp.Navigate(page+"/?q=changetrail.gaps:self-approval"), chromedp.WaitVisible(`td.id a`), chromedp.Click(`td.id a`), chromedp.WaitVisible(`.timeline`), chromedp.Text(`.timeline`, &text))
	if !strings.Contains(strings.ToLower(text), "merged") {
		t.Errorf("the time line reads %.200q", text)
	}
}

func TestTheSearchIsReachedAndCompletedByKeyboard(t *testing.T) {
	ctx := browser(t)
	var focused string
	var completions int
	do(ctx, t, "keyboard", chromedp.Navigate(page+"/changes"), chromedp.WaitVisible(`table.changes`), chromedp.KeyEvent("/"), chromedp.Evaluate(`document.activeElement.id`, &focused),
		chromedp.Evaluate(`q.value = "", 0`, nil), // chromedp types the stroke that the page has taken for itself
		chromedp.KeyEvent("changetrail.gaps:self"), chromedp.Sleep(2*time.Second), chromedp.Evaluate(`document.querySelectorAll("#completions option").length`, &completions))
	if focused != "q" || completions == 0 {
		t.Errorf("/ leads to %q, and %d completions are offered", focused, completions)
	}
	for _, path := range []string{"/", "/changes", "/queries"} {
		do(ctx, t, "skip on "+path, chromedp.Navigate(page+path), chromedp.WaitVisible(`main`, chromedp.ByQuery), chromedp.KeyEvent(kb.Tab), chromedp.ActionFunc(enter), chromedp.Sleep(200*time.Millisecond), chromedp.Evaluate(`document.activeElement.id`, &focused))
		if focused != "q" {
			t.Errorf("on %s the first link that is skipped to leads to %q", path, focused)
		}
	}
	var stops int
	do(ctx, t, "stops", chromedp.Navigate(page+"/changes"), chromedp.WaitVisible(`table.changes`), chromedp.Evaluate(`(() => {
		const all = [...document.querySelectorAll("a[href], input, select, button, summary, [tabindex]")].filter(e => e.tabIndex >= 0 && e.type !== "hidden" && e.checkVisibility({contentVisibilityAuto: true}));
		return all.indexOf(document.querySelector("td.id a"));
	})()`, &stops))
	if stops < 1 || stops > 60 {
		t.Errorf("%d stops of the tabulator are before the first change", stops)
	}
}

// enter strokes the key as a keyboard does: the link that takes it keeps it from what is focused next.
func enter(ctx context.Context) error {
	for _, kind := range []input.KeyType{input.KeyDown, input.KeyUp} {
		if err := input.DispatchKeyEvent(kind).WithKey("Enter").WithCode("Enter").WithWindowsVirtualKeyCode(13).WithText("\r").Do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// overviewLeadsOn checks the first page: each number finds as many changes.
func overviewLeadsOn(ctx context.Context, t *testing.T, source string) {
	t.Helper()
	var links, numbers []string
	do(ctx, t, "first page", chromedp.Navigate(page+"/"), chromedp.WaitVisible(`.numbers`),
		chromedp.Evaluate(`[...document.querySelectorAll(".numbers a, .matrix td a, .ready td a")].map(a => a.href.baseVal ? location.origin + a.href.baseVal : a.href)`, &links),
		chromedp.Evaluate(`[...document.querySelectorAll(".numbers a, .matrix td a, .ready td a")].map(a => (a.querySelector("b, title") || (a.closest(".ready") && a.closest("tr").querySelector("td:last-child")) || a).textContent.match(/[0-9]+/)[0])`, &numbers))
	picture(ctx, t, "overview")
	accessible(ctx, t, source, "overview")
	if len(links) < 20 {
		t.Fatalf("the first page has %d links", len(links))
	}
	for i, link := range links {
		if i > 8 && i%7 > 0 {
			continue // a part of them is enough
		}
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		if n := matches(t, u.Query()); fmt.Sprint(n) != numbers[i] {
			t.Errorf("%s is said to find %s, and finds %d", link, numbers[i], n)
		}
	}
}

// TestATimeIsChosenByDragging over the bars of the histogram.
func TestATimeIsChosenByDragging(t *testing.T) {
	ctx := browser(t)
	var box []float64
	var address string
	do(ctx, t, "page", chromedp.Navigate(page+"/changes?since=90d"), chromedp.WaitVisible(`.plot`), chromedp.Evaluate(`(() => { const b = document.querySelector(".plot").getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; })()`, &box))
	at := func(share float64) (x, y float64) { return box[0] + box[2]*share, box[1] + box[3]/2 }
	x1, y := at(.4)
	x2, _ := at(.6)
	do(ctx, t, "drag", chromedp.ActionFunc(func(ctx context.Context) error {
		for _, e := range []struct {
			kind input.MouseType
			x    float64
		}{{input.MousePressed, x1}, {input.MouseMoved, (x1 + x2) / 2}, {input.MouseMoved, x2}, {input.MouseReleased, x2}} {
			if err := input.DispatchMouseEvent(e.kind, e.x, y).WithButton(input.Left).WithClickCount(1).Do(ctx); err != nil {
				return err
			}
		}
		return nil
	}), chromedp.Sleep(time.Second), chromedp.Location(&address))
	u, err := url.Parse(address)
	if err != nil || u.Query().Get("from") == "" || u.Query().Get("to") <= u.Query().Get("from") {
		t.Fatalf("dragging leads to %s", address)
	}
	if n, all := matches(t, u.Query()), matches(t, url.Values{"since": {"90d"}}); n == 0 || n >= all/2 {
		t.Errorf("a fifth of the time has %d of %d changes", n, all)
	}
}
