package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

func jiraBody(key string) string {
	return `{"timestamp":1772337600000,"webhookEvent":"jira:issue_created","user":{"accountId":"a"},"issue":{"self":"https://acme.atlassian.net/rest/api/2/1","key":"` + key + `","fields":{"summary":"Login fails","creator":{"accountId":"m","displayName":"Mona"}}}}`
}

func jiraHeader(secret, delivery, body string) map[string]string {
	return map[string]string{"Content-Type": "application/json", "X-Atlassian-Webhook-Identifier": delivery, "X-Hub-Signature": sign(secret, body)}
}

// TestJiraWebhooks: the address says which repositories an issue is about, and the body
// is kept as it is for each.
func TestJiraWebhooks(t *testing.T) {
	s := newSite(t, func(c *Config, _ *producer.Options) { c.Jira.Secrets = []string{"old", "new"} })
	const path, payments, docs = "/v1/webhooks/jira?repository=", "github.com/acme/payments", "github.com/acme/docs"
	body := jiraBody("PAY-12")
	if r := s.send(t, "POST", path+payments+"&repository=https://github.com/acme/docs.git", jiraHeader("new", "w1", body), []byte(body)); r.status != http.StatusNoContent {
		t.Fatalf("%+v", r)
	}
	for i, e := range s.next(t, 2) {
		want := []string{payments, docs}[i]
		if string(e.Data) != body || e.Type != "com.atlassian.jira.issue_created" || e.Source != "/jira/"+want || e.PartitionKey != want || e.ID != record.Digest([]byte(body)) || schemas.SenderOf(signingKeys, e) != "platform:jira" {
			t.Errorf("%+v", e)
		}
	}
	// The same delivery by a second webhook, for another repository, is another event.
	if r := s.send(t, "POST", path+docs, jiraHeader("old", "w1", body), []byte(body)); r.status != http.StatusNoContent || s.next(t, 1)[0].PartitionKey != docs {
		t.Errorf("%+v", r)
	}
	if r := s.send(t, "POST", path+docs, jiraHeader("old", "w1", body), []byte(body)); r.status != http.StatusOK || !strings.Contains(r.body, `"duplicate":true`) {
		t.Errorf("sent again: %+v", r)
	}
	s.none(t)
}

func TestAWebhookOfJiraThatIsRefused(t *testing.T) {
	s := newSite(t, func(c *Config, _ *producer.Options) { c.Jira.Secrets = []string{"new"} })
	body := jiraBody("PAY-1")
	var many strings.Builder
	for i := range maxRepositories + 1 {
		fmt.Fprintf(&many, "&repository=github.com/acme/r%d", i)
	}
	unsigned := jiraHeader("new", "w", body)
	delete(unsigned, "X-Hub-Signature")
	for _, c := range []struct {
		name, query string
		header      map[string]string
		body        string
		status      int
		detail      string
	}{
		{"no signature", "?repository=github.com/acme/payments", unsigned, body, 401, "not the signature"},
		{"another secret", "?repository=github.com/acme/payments", jiraHeader("other", "w", body), body, 401, "not the signature"},
		{"no repository", "", jiraHeader("new", "w", body), body, 422, "names 0 repositories"},
		{"what is none", "?repository=PAY", jiraHeader("new", "w", body), body, 422, "is not a repository"},
		{"too many", "?" + many.String()[1:], jiraHeader("new", "w", body), body, 422, "names 51 repositories"},
		{"no event", "?repository=github.com/acme/payments", jiraHeader("new", "w", `{}`), `{}`, 422, "webhookEvent"},
		{"an issue without key", "?repository=github.com/acme/payments", jiraHeader("new", "w", jiraBody("")), jiraBody(""), 422, "without key"},
	} {
		if p := s.send(t, "POST", "/v1/webhooks/jira"+c.query, c.header, []byte(c.body)).problem(t, c.status); !strings.Contains(p.Detail, c.detail) {
			t.Errorf("%s: %+v", c.name, p)
		}
	}
	s.none(t)
	none := newSite(t, func(*Config, *producer.Options) {})
	none.send(t, "POST", "/v1/webhooks/jira?repository=github.com/acme/payments", jiraHeader("new", "w", body), []byte(body)).problem(t, http.StatusForbidden)
}
