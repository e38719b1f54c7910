package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/capture"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/local"
)

// TestApprovalsOnTheCommandLine: a person gives an approval, sees it and revokes it; the agent's token
// does none of it.
func TestApprovalsOnTheCommandLine(t *testing.T) {
	home := t.TempDir()
	rules := filepath.Join(home, "rules.yaml")
	if err := os.WriteFile(rules, []byte(`
services: [{name: payments, repositories: [github.com/acme/payments], classification: critical}]
agents: [{id: fixer, accounts: ["fixer[bot]"], services: [payments]}]
default: approval-required
`), 0o600); err != nil {
		t.Fatal(err)
	}
	page, tokens := upWithTokens(t, []string{"HOME=" + home}, "--data", filepath.Join(home, "data"), "--policy", rules)
	run := func(who string, args ...string) (string, int) {
		t.Helper()
		var out capture.Output
		environ := []string{"HOME=" + t.TempDir(), "CHANGETRAIL_PRODUCER_GATEWAY=" + page, "CHANGETRAIL_PRODUCER_TOKEN=" + tokens[who]}
		code := Run(context.WithoutCancel(t.Context()), append([]string{"approvals"}, args...), strings.NewReader(""), &out, &out, environ)
		return out.String(), code
	}
	grant := []string{"grant", "github.com/acme/payments", "--agent", "fixer", "--scope", "payments", "--lasts", "7d", "--uses", "3", "--reason", "PAY-812", "--id", "g1"}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) { // until the policy is in force
		out, code := run("PERSON", append(grant[:len(grant)-1:len(grant)-1], "g0")...)
		if code == 0 {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatal(out)
		}
	}
	for _, c := range []struct {
		says, who string
		args      []string
		code      int
		words     string
	}{
		{"the agent approves", "AGENT", grant, 1, "people approve what agents do"},
		{"the CI approves", "CI", grant, 1, "must list approvals"},
		{"nobody approves", "", grant, 2, "nobody knows who you are"},
		{"a person approves", "PERSON", grant, 0, "g1\n"},
		{"a person approves too long", "PERSON", append(grant[:6:6], "--lasts", "91d", "--reason", "x"), 1, "at most 90 days"},
		{"a person approves an unknown service", "PERSON", []string{"grant", "github.com/acme/payments", "--agent", "fixer", "--scope", "payment", "--reason", "x"}, 1, "did you mean payments"},
		{"a person looks", "PERSON", []string{"list"}, 0, "in-force"},
		{"as JSON", "PERSON", []string{"list", "-o", "json"}, 0, `"uses":3`},
		{"without a reason", "PERSON", []string{"revoke", "g1"}, 1, "reason is missing"},
		{"another one", "PERSON", []string{"revoke", "g2", "--reason", "x"}, 1, "no approval g2"},
		{"a person revokes", "PERSON", []string{"revoke", "g1", "--reason", "a mistake"}, 0, "g1 is revoked"},
		{"the agent looks", "AGENT", []string{"list"}, 1, "people approve what agents do"},
	} {
		if out, code := run(c.who, c.args...); code != c.code || !strings.Contains(out, c.words) {
			t.Errorf("%s: exit code %d\n%s", c.says, code, out)
		}
	}
	index, err := local.Open(t.Context(), filepath.Join(home, "data"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = index.Close() }()
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		found := 0
		if err := index.Each(t.Context(), func(d sinks.Document) error {
			for _, text := range []string{"approved that the agent fixer works on payments until", "revoked the approval g1 that", "PAY-812"} {
				if strings.Contains(string(d.Body), text) && strings.Contains(string(d.Body), `"observed"`) {
					found++
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if found == 5 { // of g0 and g1: that they were given, with the reason; and of g1 that it was revoked
			return
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("the index has %d of 5 texts about the approvals", found)
		}
	}
}
