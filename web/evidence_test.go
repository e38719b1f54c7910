package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/query"
)

// A useIndex finds one change that a file made an agent start.
type useIndex struct{ fakeIndex }

func (x *useIndex) Search(_ context.Context, q query.Request) (*query.Result, error) {
	for _, t := range query.Terms(q.Where) {
		if t.Field.Name == "changetrail.trigger.digest" {
			return &query.Result{Total: 30, Hits: []query.Hit{{ID: "x", Doc: jsontext.Value(`{"changetrail":{"change":{"id":"github.com/acme/pay/pull/7","title":"Mend"}}}`)}}}, nil
		}
	}
	return new(query.Result), nil
}

// files are blobs by their digest.
type files map[string]string

func (f files) Get(_ context.Context, digest string) ([]byte, error) {
	if text, ok := f[digest]; ok {
		return []byte(text), nil
	}
	return nil, errors.New("there is none")
}

const report = `{"version":"1.0.0","matches":[
 {"vulnerability":{"id":"GHSA-aaaa-bbbb-cccc","severity":"Low","fix":{"versions":["1.1"],"state":"fixed"}},"relatedVulnerabilities":[{"id":"CVE-2026-0001"}],"artifact":{"name":"a","version":"1.0","type":"npm"}},
 {"vulnerability":{"id":"GHSA-dddd-eeee-ffff","severity":"Critical","fix":{"versions":["2.1"],"state":"fixed"}},"artifact":{"name":"b","version":"2.0","type":"npm"}},
 {"vulnerability":{"id":"GHSA-gggg-hhhh-jjjj","severity":"High","fix":{"versions":["3.1"],"state":"fixed"}},"artifact":{"name":"c","version":"3.0","type":"npm"}}],
 "source":{"type":"directory","target":"."},"descriptor":{"name":"grype","version":"0.87.0"}}`

func TestAnEvidencePageSaysWhatItIsAndWhatRestsOnIt(t *testing.T) {
	digest := digests.Of([]byte(report))
	pages, err := New(Config{
		Access: access.New(access.Config{Log: slog.New(slog.DiscardHandler)}), Index: &useIndex{}, Blobs: files{digest: report, digests.Of([]byte("rules: []")): "rules: []"},
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) string {
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w.Body.String()
	}
	page := get("/evidence/" + digest + "?find=cve-2026-0001")
	got := read(page)
	for _, want := range []string{
		"Scan report of Grype: 3 findings", "finding GHSA-aaaa-bbbb-cccc CVE-2026-0001", "fixed in 1.1", "It made the agent start: 30 changes", "github.com/acme/pay/pull/7 Mend", "all 30 changes",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page does not say %q: %.1500s", want, got)
		}
	}
	critical, high := strings.Index(got, "critical GHSA-dddd-eeee-ffff"), strings.Index(got, "high GHSA-gggg-hhhh-jjjj")
	if critical < 0 || high < critical {
		t.Errorf("findings are not sorted by severity: %.1500s", got)
	}
	if got = read(get("/evidence/" + digest + "?find=CVE-1999-0001")); !strings.Contains(got, "This report does not contain CVE-1999-0001") {
		t.Errorf("%.800s", got)
	}
	if got = read(get("/evidence/" + digests.Of([]byte("rules: []")))); !strings.Contains(got, "Scan report") { // what it is used for says what it is
		t.Errorf("%.300s", got)
	}
}
