package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/record"
)

// An oracle answers each question in one way, and notes the questions.
type oracle struct {
	mu    sync.Mutex
	asked []gate.Question
	say   func(q gate.Question) (gate.Decision, error)
}

func (o *oracle) Ask(_ context.Context, q gate.Question) (gate.Decision, error) {
	o.mu.Lock()
	o.asked = append(o.asked, q)
	o.mu.Unlock()
	return o.say(q)
}

func denied(q gate.Question) (gate.Decision, error) {
	return gate.Decision{Change: q.Change, Reasons: []string{"no"}, Position: "t.events/0@1"}, nil
}

// site serves a gate that knows two senders. One of them may report about one repository only.
func site(t *testing.T, o *oracle) (url, token, limited string) {
	t.Helper()
	token, a := identity.NewToken()
	limited, b := identity.NewToken()
	credentials, err := identity.Parse(fmt.Appendf(nil, "tokens:\n  - {name: ci, sha256: %s, platform: ci}\n  - {name: pilot, sha256: %s, agent: pilot, repositories: [github.com/acme/shop]}\n", a, b))
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(gateway.Config{Credentials: credentials, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	s := httptest.NewServer(Handler(g, o, next))
	t.Cleanup(s.Close)
	return s.URL, token, limited
}

// call sends a request with a credential, if there is one, and returns the answer with its body.
func call(t *testing.T, method, url, token, body string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

func get(t *testing.T, method, url, token string) (*http.Response, string) {
	t.Helper()
	return call(t, method, url, token, "")
}

// send is call, and returns the status.
func send(t *testing.T, method, url, token, body string) (int, string) {
	t.Helper()
	answer, text := call(t, method, url, token, body)
	return answer.StatusCode, text
}

const shop = "/v1/changes/github.com/acme/shop/pull/7/gate"

// TestOnlyAnAnswerIs200: everything else is an error that says why, and never an answer.
func TestOnlyAnAnswerIs200(t *testing.T) {
	o := &oracle{say: denied}
	url, token, limited := site(t, o)
	commit := strings.Repeat("a", 40)
	for _, c := range []struct {
		says, method, path, token string
		status                    int
		words                     string
	}{
		{"an answer", "GET", shop, token, 200, `"allowed":false`},
		{"with a commit", "GET", shop + "?commit=abcdef1", token, 200, ""},
		{"by its URL at the code host", "GET", "/v1/changes/https:%2F%2Fgithub.com%2Facme%2Fshop%2Fpull%2F7/gate", token, 200, ""},
		{"by whoever may report about the repository", "GET", shop, limited, 200, ""},
		{"by whoever may not", "GET", "/v1/changes/github.com/acme/other/pull/7/gate", limited, 403, "may not ask about github.com/acme/other"},
		{"without a credential", "GET", shop, "", 401, ""},
		{"with another credential", "GET", shop, "ct_x", 401, ""},
		{"with another method", "POST", shop, token, 405, "accepts GET"},
		{"about no change", "GET", "/v1/changes/nonsense/gate", token, 400, ""},
		{"with a commit that is none", "GET", shop + "?commit=main", token, 400, "not a commit id"},
		{"with a commit that is too short", "GET", shop + "?commit=abc", token, 400, "at least 7"},
		{"with a duration that is none", "GET", shop + "?wait=long", token, 400, "not a duration"},
		{"with a negative duration", "GET", shop + "?wait=-1s", token, 400, "not a duration"},
		{"with unless and no wait", "GET", shop + "?unless=x", token, 400, "add wait"},
		{"with a parameter that is misspelt", "GET", shop + "?comit=abcdef1", token, 400, "no parameter"},
		{"about a deployment of a change", "GET", shop + "?deploy=true", token, 400, "not a commit"},
		{"about a deployment of a commit", "GET", "/v1/changes/github.com/acme/shop/commit/" + commit + "/gate?deploy=true", token, 200, ""},
		{"another path", "GET", "/v1/changes/github.com/acme/shop/pull/7", token, 418, ""},
		{"nothing before gate", "GET", "/v1/changes//gate", token, 418, ""},
	} {
		t.Run(c.says, func(t *testing.T) {
			answer, body := get(t, c.method, url+c.path, c.token)
			if answer.StatusCode != c.status || !strings.Contains(body, c.words) {
				t.Errorf("%d %s", answer.StatusCode, body)
			}
			if answer.StatusCode == 200 {
				var d gate.Decision
				if err := json.Unmarshal([]byte(body), &d); err != nil || d.Change == "" || answer.Header.Get("ETag") != `"`+d.Digest()+`"` {
					t.Errorf("%v: %s, ETag %s", err, body, answer.Header.Get("ETag"))
				}
			}
		})
	}
}

// TestWhatTheGateCannotTellIsNoAnswer, whatever the reason.
func TestWhatTheGateCannotTellIsNoAnswer(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
	}{
		{fmt.Errorf("%w: %w", gate.ErrUnknown, enricher.ErrUnknownChange), 404},
		{fmt.Errorf("%w: kafka: no broker answers", gate.ErrUnknown), 503},
		{errors.New("anything else"), 503},
		{context.DeadlineExceeded, 503},
	} {
		url, token, _ := site(t, &oracle{say: func(gate.Question) (gate.Decision, error) { return gate.Decision{Allowed: true}, c.err }})
		answer, body := get(t, "GET", url+shop, token)
		if answer.StatusCode != c.status || strings.Contains(body, "allowed") || answer.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%v: %d %s", c.err, answer.StatusCode, body)
		}
		if c.status == 503 && (answer.Header.Get("Retry-After") == "" || !strings.Contains(body, "Do not merge")) {
			t.Errorf("%v: %s", c.err, body)
		}
	}
}

// TestWaitingIsLimited: a request waits 25 seconds at most, and only so many wait at a time.
func TestWaitingIsLimited(t *testing.T) {
	release := make(chan struct{})
	o := &oracle{say: func(q gate.Question) (gate.Decision, error) {
		if q.Wait > 0 {
			<-release
		}
		return denied(q)
	}}
	url, token, _ := site(t, o)
	var wait sync.WaitGroup
	for range mostWaiting + 20 {
		wait.Go(func() { get(t, "GET", url+shop+"?wait=10m", token) })
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		o.mu.Lock()
		n := len(o.asked)
		o.mu.Unlock()
		if n == mostWaiting+20 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d requests came", n)
		}
		time.Sleep(10 * time.Millisecond)
	}
	waits := 0
	for _, q := range o.asked {
		if q.Wait > 0 {
			waits++
		}
		if q.Wait > longestWait || q.Change != record.ChangeID("github.com/acme/shop/pull/7") {
			t.Errorf("%+v", q)
		}
	}
	if waits != mostWaiting {
		t.Errorf("%d requests wait", waits)
	}
	close(release)
	wait.Wait()
}
