package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/ask"
	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/internal/identity"
)

// A doorman answers each question in one way, and notes it.
type doorman struct {
	asked gate.Action
	wait  time.Duration
	err   error
}

func (d *doorman) Ask(_ context.Context, a gate.Action, wait time.Duration) (ask.Answer, error) {
	d.asked, d.wait = a, wait
	return ask.Answer{Allowed: true, Verdict: "autonomous", Reasons: []string{"yes"}}, d.err
}

// TestWhoMayAskAboutActions: an agent only for itself, and everybody only about their repositories.
func TestWhoMayAskAboutActions(t *testing.T) {
	pilot, a := identity.NewToken()
	lea, b := identity.NewToken()
	credentials, err := identity.Parse(fmt.Appendf(nil, "tokens:\n  - {name: pilot, sha256: %s, agent: pilot, repositories: [github.com/acme/shop]}\n  - {name: lea, sha256: %s, person: lea}\n", a, b))
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(gateway.Config{Credentials: credentials, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	open, err := gateway.New(gateway.Config{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	d := new(doorman)
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	closed := httptest.NewServer(NewActions(d).Handler(g, next))
	defer closed.Close()
	local := httptest.NewServer(NewActions(d).Handler(open, next))
	defer local.Close()
	const question = `{"repository":"github.com/acme/shop","tool":"Edit","does":"write","paths":["a"]}`
	named := func(agent string) string {
		return `{"agent":"` + agent + `","repository":"https://github.com/acme/shop.git","does":"push","more":true}`
	}
	for _, c := range []struct {
		says, token, query, body string
		status                   int
		words, agent, askedBy    string
	}{
		{"an agent", pilot, "", question, 200, `"allowed":true`, "pilot", ""},
		{"an agent by its name", pilot, "", named("Pilot"), 200, "", "pilot", ""},
		{"an agent for another", pilot, "", named("other"), 403, "for itself alone", "", ""},
		{"an agent about another repository", pilot, "", strings.Replace(question, "shop", "other", 1), 403, "may not ask about github.com/acme/other", "", ""},
		{"an agent about no repository", pilot, "", `{"does":"write"}`, 403, "an unknown repository", "", ""},
		{"a person for an agent", lea, "", named("pilot"), 200, "", "pilot", "lea"},
		{"a person for a product", lea, "", `{"product":"codex","does":"write"}`, 200, "", "codex", "lea"},
		{"a person for nobody", lea, "", `{"does":"write"}`, 400, "agent is missing", "", ""},
		{"nobody", "", "", question, 401, "", "", ""},
		{"another token", "ct_x", "", question, 401, "", "", ""},
		{"a question that waits", pilot, "?wait=20s", question, 200, "", "pilot", ""},
		{"a question that waits too long", pilot, "?wait=20h", question, 200, "", "pilot", ""},
		{"a wait that is none", pilot, "?wait=long", question, 400, "not a duration", "", ""},
		{"a negative wait", pilot, "?wait=-1s", question, 400, "not a duration", "", ""},
		{"an unknown parameter", pilot, "?weit=1s", question, 400, "no parameter", "", ""},
		{"no body", pilot, "", "", 400, "not a question", "", ""},
		{"an unknown member", pilot, "", `{"does":"write","path":"a"}`, 400, "not a question", "", ""},
		{"a member twice", pilot, "", `{"does":"write","does":"push"}`, 400, "not a question", "", ""},
		{"nothing to do", pilot, "", `{"repository":"github.com/acme/shop"}`, 400, "is not one of write, push", "", ""},
		{"a repository that is none", lea, "", `{"agent":"pilot","repository":"?","does":"write"}`, 400, "repository", "", ""},
		{"an empty path", pilot, "", `{"repository":"github.com/acme/shop","does":"write","paths":[""]}`, 400, "path is empty", "", ""},
		{"a long path", pilot, "", `{"repository":"github.com/acme/shop","does":"write","paths":["` + strings.Repeat("x", 1025) + `"]}`, 400, "1024", "", ""},
		{"too many paths", pilot, "", `{"repository":"github.com/acme/shop","does":"write","paths":["a"` + strings.Repeat(`,"a"`, 3000) + `]}`, 400, "set more", "", ""},
		{"a large body", pilot, "", `{"tool":"` + strings.Repeat("x", 2<<20) + `"}`, 413, "larger than", "", ""},
	} {
		t.Run(c.says, func(t *testing.T) {
			*d = doorman{}
			status, body := send(t, "POST", closed.URL+actionsPath+c.query, c.token, c.body)
			if status != c.status || !strings.Contains(body, c.words) {
				t.Errorf("%d %s", status, body)
			}
			if d.asked.Agent != c.agent || d.asked.AskedBy != c.askedBy || status == 200 && d.asked.Repository != "" && d.asked.Repository != "github.com/acme/shop" || d.wait > longestWait || (d.wait > 0) != (status == 200 && c.query != "") {
				t.Errorf("%+v %s", d.asked, d.wait)
			}
		})
	}
	if status, _ := send(t, "POST", local.URL+actionsPath, "", named("fixer")); status != 200 || d.asked.Agent != "fixer" {
		t.Errorf("on this machine: %d %+v", status, d.asked)
	}
	if status, body := send(t, "GET", closed.URL+actionsPath, pilot, ""); status != 405 {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := send(t, "POST", closed.URL+"/v1/gate", pilot, ""); status != 418 {
		t.Errorf("another path: %d", status)
	}
	d.err = errors.New("the gate cannot tell")
	if status, body := send(t, "POST", closed.URL+actionsPath, pilot, question); status != 503 || !strings.Contains(body, "The tool must not run") {
		t.Errorf("%d %s", status, body)
	}
}

// TestOnlySoManyQuestionsWait: any other is answered at once.
func TestOnlySoManyQuestionsWait(t *testing.T) {
	d := new(doorman)
	s := NewActions(d)
	for range mostWaiting {
		s.waiting <- struct{}{}
	}
	from := gateway.Sender{Principal: identity.Principal{Name: "pilot", Agent: "pilot"}}
	if _, err := s.Ask(t.Context(), from, gate.Action{Repository: "github.com/acme/shop", Does: "write"}, time.Minute); err != nil || d.wait != 0 {
		t.Errorf("%s %v", d.wait, err)
	}
	<-s.waiting
	if _, err := s.Ask(t.Context(), from, gate.Action{Repository: "github.com/acme/shop", Does: "write"}, time.Minute); err != nil || d.wait != time.Minute || len(s.waiting) != mostWaiting-1 {
		t.Errorf("%s %v", d.wait, err)
	}
}
