package cli

import (
	"context"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/internal/capture"
	"github.com/changetrail/changetrail/record"
)

// upWithTokens starts changetrail up in a folder, and returns its address and the tokens that it
// prints.
func upWithTokens(t *testing.T, environ []string, args ...string) (page string, tokens map[string]string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var out capture.Output
	ended := make(chan int, 1)
	go func() {
		ended <- Run(ctx, append([]string{"up", "--listen", "127.0.0.1:0", "--broker", "127.0.0.1:0"}, args...), strings.NewReader(""), &out, &out, environ)
	}()
	t.Cleanup(func() { stop(); <-ended })
	for deadline := time.Now().Add(time.Minute); !strings.Contains(out.String(), "a claim and proves nothing"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not start:\n%s", out.String())
		}
	}
	tokens = make(map[string]string)
	for _, m := range regexp.MustCompile(`(?m)^  (platform: code-host|platform: ci|agent|person).*?(ct_\S+)`).FindAllStringSubmatch(out.String(), -1) {
		tokens[map[string]string{"platform: code-host": "CODE_HOST", "platform: ci": "CI", "agent": "AGENT", "person": "PERSON"}[m[1]]] = m[2]
	}
	return regexp.MustCompile(`page +(http\S+)`).FindStringSubmatch(out.String())[1], tokens
}

// TestFiveMinutes pastes each event of docs/integrate/five-minutes.md, and finds the record
// that they make.
func TestFiveMinutes(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "integrate", "five-minutes.md"))
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	environ := []string{"HOME=" + home}
	page, tokens := upWithTokens(t, environ, "--data", filepath.Join(home, "data"))
	blocks := regexp.MustCompile("(?s)```sh\ncurl .*?(?:Bearer \\$(\\w+)\".*?)?-d '\n(.*?)'\n```").FindAllStringSubmatch(string(text), -1)
	sent := make(map[string]bool)
	for _, block := range blocks {
		var e struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal([]byte(block[2]), &e); err != nil {
			t.Fatalf("%v in\n%s", err, block[2])
		}
		if block[1] != "" && tokens[block[1]] == "" {
			t.Fatalf("there is no token %s", block[1])
		}
		sent[e.Type] = true
		post(t, page+"v1/events", tokens[block[1]], block[2])
	}
	own := []string{record.TypeIdentityRefused, record.TypeGateOverridden, record.TypeRunNamed, record.TypeRepositoryNamed, record.TypeSpansReceived}
	all := slices.DeleteFunc(slices.Clone(record.Types()), func(name string) bool { return slices.Contains(own, name) })
	slices.Sort(all)
	if diff := cmp.Diff(all, slices.Sorted(maps.Keys(sent))); diff != "" {
		t.Errorf("types (-all +in the page):\n%s", diff)
	}
	var shown string
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		var out, errOut strings.Builder
		Run(t.Context(), []string{"show", "acme/webshop#7"}, strings.NewReader(""), &out, &errOut, environ)
		if shown = out.String(); strings.Contains(shown, "production") && strings.Contains(shown, "mira.s") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the record lacks what was sent:\n%s%s", shown, errOut.String())
		}
	}
	for _, want := range []string{"github.com/acme/webshop/pull/7", "Update lodash to 4.17.21", "lodash 4.17.21", "use no lodash", "12 passed", "CAB-12", "GHSA-35jh-r3h4-6jhm", "edit"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the record does not say %q:\n%s", want, shown)
		}
	}
	var out, errOut strings.Builder
	if code := Run(t.Context(), []string{"letters"}, strings.NewReader(""), &out, &errOut, environ); code != 0 || !strings.Contains(out.String(), "0 dead letters") {
		t.Errorf("%d: %s%s", code, out.String(), errOut.String())
	}
}

func post(t *testing.T, url, token, event string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(event))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/cloudevents+json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }() // it was read
	answer, _ := io.ReadAll(res.Body)
	if res.StatusCode/100 != 2 {
		t.Errorf("%d %s for\n%s", res.StatusCode, answer, event)
	}
}
