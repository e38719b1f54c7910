//go:build servers

package redteam

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/record"
)

// session signs the auditor in, as their browser does, and returns the cookie.
func (a *adversary) session() string {
	a.t.Helper()
	form := url.Values{"token": {a.tokens["ana"]}, "to": {"/queries"}}
	status := 0
	r, err := http.NewRequestWithContext(a.t.Context(), http.MethodPost, a.page+"/sign-in", strings.NewReader(form.Encode()))
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := a.town.client.Do(r)
	if err == nil {
		status = res.StatusCode
		_ = res.Body.Close()
	}
	if err != nil || status != http.StatusSeeOther {
		a.t.Fatalf("signing in: %d %v", status, err)
	}
	cookie, _, _ := strings.Cut(res.Header.Get("Set-Cookie"), ";")
	return cookie
}

// page is how a page of another site asks, in a browser that sends the session along.
func (a *adversary) elsewhere(site, mode, dest string) []string {
	return []string{"Cookie", a.session(), "Origin", "https://evil.example", "Referer", "https://evil.example/", "Sec-Fetch-Site", site, "Sec-Fetch-Mode", mode, "Sec-Fetch-Dest", dest}
}

// script finds what a browser would run or load that is not of the page itself.
var script = regexp.MustCompile(`(?i)<script[^>]*>[^<]|<(img|svg|iframe|object|embed|base|meta http-equiv)[^>]*(evil|onerror|onload|javascript:)|href="\s*(javascript|data|vbscript):|<[a-z]+[^>]* on[a-z]+=`)

// looks reads pages as the auditor and holds that nothing of what others wrote is run there.
func (a *adversary) looks(paths ...string) {
	a.t.Helper()
	for _, path := range paths {
		status, text, err := a.town.ask("GET", path, "ana", nil)
		if err != nil || status != 200 {
			a.t.Errorf("%s: %d %v", path, status, err)
		}
		if bad := script.FindString(text); bad != "" {
			a.t.Errorf("%s has %q", path, bad)
		}
	}
}

const markup = `<script>alert(1)</script><img src=x onerror=alert(1)>\" onmouseover=\"alert(1) javascript:alert(1) {{.}} ${7*7}`

func byBrowser() []move {
	return []move{
		{"a page of another site sends events with the session", func(a *adversary) {
			for _, contentType := range []string{"application/cloudevents+json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
				a.is(a.ask("POST", "/v1/events", a.event(record.TypeReviewSubmitted, web+"/pull/2", claims(web + "/pull/2")[record.TypeReviewSubmitted]), append(a.elsewhere("cross-site", "no-cors", "empty"), "Content-Type", contentType)...), 401, 403)
			}
		}},
		{"it makes the browser read and search", func(a *adversary) {
			for _, path := range []string{"/v1/changes?since=&q=a", "/changes.csv", "/v1/complete?text=a", "/v1/blobs/" + digests.Of(a.secret), "/v1/changes/" + payments + "/pull/1"} {
				for _, dest := range []string{"script", "image", "iframe", "empty"} {
					got := a.ask("GET", path, "", a.elsewhere("cross-site", "no-cors", dest)...)
					a.is(got, 403)
					if got.header.Get("Access-Control-Allow-Origin") != "" {
						a.t.Errorf("%s allows other sites to read", path)
					}
				}
			}
		}},
		{"it asks in advance whether it may", func(a *adversary) {
			for _, path := range []string{"/v1/events", "/mcp", "/v1/blobs", "/v1/changes"} {
				got := a.ask("OPTIONS", path, "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization")
				if got.header.Get("Access-Control-Allow-Origin") != "" || got.header.Get("Access-Control-Allow-Headers") != "" {
					a.t.Errorf("%s lets it: %v", path, got.header)
				}
			}
		}},
		{"it comes under a name of its own that points at this machine", func(a *adversary) {
			for _, path := range []string{"/v1/changes?since=", "/", "/changes/" + payments + "/pull/1"} {
				got := a.ask("GET", path, "", "Host", "rebind.evil.example", "Origin", "http://rebind.evil.example", "Sec-Fetch-Site", "same-origin")
				a.is(got, 401, 303, 421) // the session is of another host
			}
		}},
		{"it signs the person in as somebody else, and out", func(a *adversary) {
			for _, path := range []string{"/sign-in", "/sign-out"} {
				got := a.ask("POST", path, url.Values{"token": {a.tokens["mira"]}}.Encode(), append(a.elsewhere("cross-site", "navigate", "document"), "Content-Type", "application/x-www-form-urlencoded")...)
				a.is(got, 403)
				if got.header.Get("Set-Cookie") != "" {
					a.t.Errorf("%s sets %s", path, got.header.Get("Set-Cookie"))
				}
			}
		}},
		{"it signs in with the agent's token, and with guesses", func(a *adversary) {
			for _, token := range []string{a.tokens["mallory"], "ct_guess", "", strings.Repeat("x", 10_000)} {
				got := a.ask("POST", "/sign-in", url.Values{"token": {token}}.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
				a.is(got, 401)
				if got.header.Get("Set-Cookie") != "" {
					a.t.Error("it gets a session")
				}
			}
		}},
		{"it leads elsewhere after signing in", func(a *adversary) {
			for _, to := range []string{"https://evil.example", "//evil.example", `/\evil.example`, "/\t/evil.example", "javascript:alert(1)", "/%2f/evil.example", "/../\\evil.example"} {
				got := a.ask("GET", "/sign-in?"+url.Values{"to": {to}}.Encode(), "")
				if strings.Contains(got.body, `value="`+to) && !strings.HasPrefix(to, "/%") {
					a.t.Errorf("the form leads to %s", to)
				}
			}
			got := a.ask("GET", "//evil.example/%2f..", "")
			if to := got.header.Get("Location"); strings.HasPrefix(to, "//") || strings.HasPrefix(to, "http") {
				a.t.Errorf("it is sent to %s", to)
			}
		}},
		{"titles and names are scripts", func(a *adversary) {
			a.is(a.says(record.TypeChangeOpened, web+"/pull/4", `{"title":"`+markup+`","author":"`+markup+`","url":"javascript:alert(1)","files":["`+markup+`"]}`), 204)
			a.decided[web+"/pull/4"] = true
			a.is(a.says(record.TypeDecisionRecorded, web+"/pull/4", `{"agent":{"id":"mallory","name":"`+markup+`","logs_url":"javascript:alert(1)"},"rationale":"`+markup+`","options":[{"id":"a","title":"`+markup+`","outcome":"chosen","reason":"`+markup+`"}],"trigger":{"kind":"other","url":"data:text/html,<script>alert(1)</script>","summary":"`+markup+`"}}`), 204)
			a.is(a.says(record.TypeChangeOpened, web+"/pull/40", `{"title":"`+markup+`","author":"`+markup+`","url":"javascript:alert(1)"}`), 204)
			a.settle(a.t)
			a.looks("/changes/"+web+"/pull/4", "/changes/"+web+"/pull/40", "/changes?q="+url.QueryEscape(`"`+web+`"`), "/queries")
		}},
		{"titles are formulas", func(a *adversary) {
			for i, title := range []string{"=cmd|' /C calc'!A0", "+1+1", "-2", "@SUM(1)", "\\t=1", " =1", "\\uFF1D1", "a\\n=1", "a;=1"} {
				a.is(a.says(record.TypeChangeOpened, web+"/pull/"+[]string{"41", "42", "43", "44", "45", "46", "47", "48", "49"}[i], `{"title":"`+title+`"}`), 204)
			}
			a.settle(a.t)
			_, text, err := a.town.ask("GET", "/changes.csv?since=", "ana", nil)
			if err != nil {
				a.t.Fatal(err)
			}
			if bad := regexp.MustCompile(`(?m)(^|,|"|;)[ \t]*[=+@\x{FF1D}][^,]*`).FindString(strings.TrimPrefix(text, "@timestamp")); bad != "" {
				a.t.Errorf("the CSV has %q", bad)
			}
		}},
		{"a file is a page", func(a *adversary) {
			digest := a.put("<html><script>alert(document.cookie)</script></html>")
			a.is(a.says(record.TypeValidationCompleted, web+"/pull/4", `{"name":"unit","report":{"digest":"`+digest+`"}}`), 204, 422)
			r, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, a.page+"/v1/blobs/"+digest, nil)
			if err != nil {
				a.t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+a.tokens["ana"])
			res, err := a.town.client.Do(r)
			if err != nil {
				a.t.Fatal(err)
			}
			_ = res.Body.Close()
			if h := res.Header; h.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") || h.Get("X-Content-Type-Options") != "nosniff" {
				a.t.Errorf("a browser would run it: %v", h)
			}
			a.looks("/evidence/" + digest)
		}},
		{"it puts a page into a frame, and answers into a cache", func(a *adversary) {
			got := a.ask("GET", "/sign-in", "")
			if !strings.Contains(got.header.Get("Content-Security-Policy"), "frame-ancestors 'none'") || !strings.Contains(got.header.Get("Content-Security-Policy"), "default-src 'none'") || got.header.Get("Cache-Control") != "no-store" {
				a.t.Errorf("%v", got.header)
			}
		}},
		{"it smuggles requests and headers", func(a *adversary) {
			for _, path := range []string{"/changes/%0d%0aSet-Cookie:%20a=b", "/evidence/%0d%0aX: y", "/sign-in?to=%0d%0aSet-Cookie:a=b", "/static/..%2f..%2ftown.yaml", "/static/%2e%2e/%2e%2e/etc/passwd", "/v1/blobs/..%2f..%2fgateway.key", "/v1/changes/..%2f..%2f..%2fetc/passwd"} {
				got := a.ask("GET", path, "", a.own()...)
				if got.header.Get("Set-Cookie") != "" || got.status == 200 && !strings.HasPrefix(path, "/sign-in") {
					a.t.Errorf("%s: %d %v", path, got.status, got.header)
				}
			}
		}},
	}
}
