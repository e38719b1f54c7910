package standalone_test

import (
	"context"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/demo"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/internal/standalone"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/replay"
	"github.com/changetrail/changetrail/stream"
	"github.com/changetrail/changetrail/web"
)

const changes = 300

// The demo, filled once for all tests of this package.
var (
	instance       *standalone.Instance
	topics         = stream.Topics{Prefix: "changetrail"}
	standaloneKeys = signing.Of([]byte("a stamp key of the tests"))
)

func TestMain(m *testing.M) {
	code, err := withDemo(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withDemo(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "standalone")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	now := time.Now()
	p, c, err := demo.Rules(now)
	if err != nil {
		return 0, err
	}
	instance, err = standalone.Start(ctx, standalone.Config{
		Dir: dir, Listen: "127.0.0.1:0", Topics: topics, Namespace: "default", Retention: 400 * 24 * time.Hour, Policy: p, Controls: c, Keys: standaloneKeys,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return 0, err
	}
	defer func() {
		if closed := instance.Close(); err == nil {
			err = closed
		}
	}()
	publisher, err := producer.New(producer.Kafka(producer.KafkaConfig{Brokers: []string{instance.Broker()}}), producer.Options{SendTimeout: time.Minute})
	if err != nil {
		return 0, err
	}
	company := demo.New(4829, now)
	company.Changes = changes // all of them are in the tests of the command
	if err := company.Each(func(_ int, e []event.Event) error {
		for i := range e {
			gateway.Sign(&e[i], standaloneKeys, demo.Sender(e[i]), now)
		}
		return publisher.Publish(ctx, e...)
	}); err != nil {
		return 0, err
	}
	if err := publisher.Close(ctx); err != nil {
		return 0, err
	}
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		behind, err := instance.Behind(ctx, topics)
		if err != nil {
			return 0, err
		}
		if behind == 0 {
			break
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("%d messages are not indexed after three minutes", behind)
		}
	}
	return m.Run(), nil
}

func pages(t *testing.T) *httptest.Server {
	t.Helper()
	saved, err := query.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	h, err := web.New(web.Config{Access: access.New(access.Config{Log: slog.New(slog.DiscardHandler)}), Index: instance.Index, Blobs: instance.Blobs, Saved: saved, Store: "test", Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, s *httptest.Server, path string) (status int, header http.Header, body string) {
	t.Helper()
	res, err := s.Client().Get(s.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(text)
}

var hrefs = regexp.MustCompile(`(?:href|src)="([^"]*)"`)

// TestEveryLinkLeadsSomewhere follows up to several hundred links of the pages.
func TestEveryLinkLeadsSomewhere(t *testing.T) {
	s := pages(t)
	seen := map[string]bool{"/": true}
	next := []string{"/"}
	kinds := make(map[string]int)
	for len(next) > 0 {
		path := next[0]
		next = next[1:]
		status, header, body := get(t, s, path)
		if status != http.StatusOK {
			t.Errorf("%s answers %d: %.200s", path, status, body)
		}
		if csp := header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s has the policy %q", path, csp)
		}
		if strings.Contains(body, "ZgotmplZ") || strings.Contains(body, "&lt;nil&gt;") || strings.Contains(body, "%!") {
			t.Errorf("%s has a value that could not be written", path)
		}
		if !strings.HasPrefix(header.Get("Content-Type"), "text/html") {
			continue
		}
		if strings.Contains(body, " style=") || strings.Contains(body, "<script>") {
			t.Errorf("%s has an inline style or script, which its own policy forbids", path)
		}
		for _, m := range hrefs.FindAllStringSubmatch(body, -1) {
			link := html.UnescapeString(m[1])
			kind, _, _ := strings.Cut(strings.TrimPrefix(link, "/"), "/")
			if name, _, searched := strings.Cut(kind, "?"); searched {
				kind = name + "?"
			}
			if strings.HasPrefix(link, "/") && !seen[link] && kinds[kind] < 15 {
				seen[link] = true
				kinds[kind]++
				next = append(next, link)
			}
		}
	}
	for _, kind := range []string{"changes", "changes?", "evidence", "v1", "queries", "static"} {
		if kinds[kind] == 0 {
			t.Errorf("no link to /%s was found", kind)
		}
	}
	t.Logf("%d links: %v", len(seen), kinds)
}

func TestABadRequestIsAnsweredWithWhatIsWrong(t *testing.T) {
	s := pages(t)
	for path, want := range map[string]struct {
		status int
		text   string
	}{
		"/changes?q=tagz:a":                           {400, "no field tagz"},
		"/changes?q=(a":                               {400, "not closed"},
		"/changes?page=x":                             {400, "not a number"},
		"/changes?f=nope:x":                           {400, "is not a facet"},
		"/changes?from=yesterday":                     {400, "is not a date"},
		"/nowhere":                                    {404, "no page /nowhere"},
		"/changes/github.com/acme/none/pull/1":        {404, "no record of"},
		"/changes/what":                               {400, "what"},
		"/evidence/sha256:00":                         {404, "sha256:00"},
		"/v1/changes?q=tagz:a":                        {400, `"detail":"character 1: there is no field tagz; did you mean tags?`},
		"/v1/changes?size=100000":                     {400, "size"},
		"/v1/changes/github.com/acme/none/pull/1":     {404, "no record of"},
		"/v1/blobs/sha256:" + strings.Repeat("0", 64): {404, "There is no file with the digest"},
		"/v1/nowhere":                                 {404, "problem"},
	} {
		status, header, body := get(t, s, path)
		if strings.HasPrefix(path, "/v1/") {
			if ct := header.Get("Content-Type"); ct != "application/problem+json" {
				t.Errorf("%s answers with %s", path, ct)
			}
			if want.text == "problem" {
				want.text = "There is no page"
			}
		}
		if status != want.status || !strings.Contains(body, want.text) {
			t.Errorf("%s answers %d, want %d with %q: %.300s", path, status, want.status, want.text, body)
		}
	}
}

func TestWhatPeopleAndToolsWriteIsShownAsText(t *testing.T) {
	s := pages(t)
	_, _, body := get(t, s, `/changes?q=%3Cscript%3Ealert(1)%3C/script%3E`)
	if strings.Contains(body, "<script>alert") {
		t.Error("a search is shown as markup")
	}
}

func TestTheFileOfASearchHasAllOfIt(t *testing.T) {
	s := pages(t)
	_, header, body := get(t, s, "/changes.csv?q=changetrail.change.initiated_by:agent&since=")
	if lines := strings.Count(body, "\n"); lines != 1+changes/3 {
		t.Errorf("%d lines", lines)
	}
	if !strings.HasPrefix(header.Get("Content-Type"), "text/csv") || !strings.HasPrefix(body, "@timestamp,changetrail.change.id,") {
		t.Errorf("%s: %.100s", header.Get("Content-Type"), body)
	}
}

func TestASearchIsCompleted(t *testing.T) {
	s := pages(t)
	for text, want := range map[string]string{
		"changetrail.ga":                 `"changetrail.gaps:"`,
		"tags:a AND answers.rev":         `"tags:a AND changetrail.answers.reviewed:"`,
		"changetrail.gaps:self":          `"changetrail.gaps:\"self-approval\""`,
		"-(service.name:pay":             `"-(service.name:\"payments\""`,
		"service.name:github.com/../etc": `[]`,
	} {
		_, _, body := get(t, s, "/v1/complete?text="+strings.ReplaceAll(strings.ReplaceAll(text, " ", "%20"), "(", "%28"))
		if !strings.Contains(body, want) {
			t.Errorf("%q is completed by %s", text, body)
		}
	}
}

// TestAStoryIsSavedAndChecked saves the evidence of some changes, then changes
// one file.
func TestAStoryIsSavedAndChecked(t *testing.T) {
	n, err := query.Parse("changetrail.answers.trigger:proven AND changetrail.environment:production", instance.Index.Fields(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	res, err := instance.Index.Search(t.Context(), query.Request{Where: n, Size: 5})
	if err != nil || len(res.Hits) != 5 {
		t.Fatal(err, len(res.Hits))
	}
	for _, h := range res.Hits {
		story, err := replay.Load(t.Context(), instance.Index, record.ChangeID(h.ID))
		if err != nil {
			t.Fatal(err)
		}
		for _, stage := range replay.Stages {
			if len(story.Of(stage)) == 0 {
				t.Errorf("%s: nothing is told of %s", h.ID, stage)
			}
		}
		dir := t.TempDir()
		m, err := story.Save(t.Context(), dir, instance.Blobs, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Missing) > 0 || len(m.Files) < 6 {
			t.Errorf("%s: %d files, missing are %v", h.ID, len(m.Files), m.Missing)
		}
		checked, err := replay.Check(os.DirFS(dir))
		if err != nil {
			t.Fatal(err)
		}
		if len(checked.Absent) > 0 || checked.Events != checked.Made || checked.Made != story.Record.Trail.Events {
			t.Errorf("%s: made from %d events, %d saved; lacking are %v", h.ID, checked.Made, checked.Events, checked.Absent)
		}
		if !slices.ContainsFunc(story.Events, func(e replay.Event) bool { return e.Action == "deployment-finished" && e.Names != "change" }) {
			t.Errorf("%s: the deployment, which names a commit alone, is not among the events", h.ID)
		}
		file := dir + "/" + m.Files[len(m.Files)-1].Path
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		content[len(content)/2] ^= 1
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := replay.Check(os.DirFS(dir)); err == nil || !strings.Contains(err.Error(), "was changed") {
			t.Errorf("a changed file was not noticed: %v", err)
		}
	}
}

// TestEveryEventOfAChangeIsListed compares the events that are found for each change with those
// that its record is made from.
func TestEveryEventOfAChangeIsListed(t *testing.T) {
	compared, tied := 0, 0
	err := instance.Index.All(t.Context(), query.All{}, func(h query.Hit) error {
		story, err := replay.Load(t.Context(), instance.Index, record.ChangeID(h.ID))
		if err != nil {
			return err
		}
		compared++
		for _, e := range story.Events {
			if e.Names != "change" {
				tied++
			}
			if e.Witness == "" || e.Arrived.IsZero() || e.Stated.IsZero() {
				t.Errorf("%s: event %s has no witness or no times", h.ID, e.ID)
			}
		}
		if made := story.Record.Trail.Events; made != int64(len(story.Events)) {
			t.Errorf("%s is made from %d events, %d are listed", h.ID, made, len(story.Events))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if compared != changes || tied < changes {
		t.Errorf("%d changes were compared, %d events name none", compared, tied)
	}
}

func TestEventsAreListedAsAskedFor(t *testing.T) {
	s := pages(t)
	_, _, body := get(t, s, "/v1/changes?size=1&q=changetrail.environment:production+AND+changetrail.change.initiated_by:agent")
	var found struct {
		Changes []record.Record `json:"changes"`
	}
	if err := json.Unmarshal([]byte(body), &found); err != nil || len(found.Changes) != 1 {
		t.Fatal(err, body)
	}
	r := found.Changes[0].Trail
	page := "/changes/" + string(r.Change.ID)
	_, _, body = get(t, s, page)
	if want := fmt.Sprintf("made from %d events, all here", r.Events); !strings.Contains(body, want) {
		t.Errorf("the page does not say %q", want)
	}
	if rows := strings.Count(body, `<span class="tier`); rows < int(r.Events) {
		t.Errorf("%d witnesses for %d events", rows, r.Events)
	}
	_, header, body := get(t, s, "/v1"+page+"/events")
	if lines := strings.Count(body, "\n"); lines != int(r.Events) || header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("%d lines of %s for %d events", lines, header.Get("Content-Type"), r.Events)
	}
	for query, want := range map[string]string{
		"order=arrived":   `aria-current="true" class="picked">by arrival`,
		"order=stated":    `aria-current="true" class="picked">by the time stated`,
		"order=backwards": "is neither stated nor arrived",
		"events=2":        "is not a page from 1 to 1",
		"events=many":     "is not a page from",
	} {
		if _, _, body := get(t, s, page+"?"+query); !strings.Contains(body, want) {
			t.Errorf("%s: the page does not say %q", query, want)
		}
	}
}
