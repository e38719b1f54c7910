package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/schemas"
)

func jiraBody(key string) string {
	return `{"timestamp":1772337600000,"webhookEvent":"jira:issue_created","user":{"accountId":"a"},"issue":{"self":"https://acme.atlassian.net/rest/api/2/1","key":"` + key + `","fields":{"summary":"Login fails","creator":{"accountId":"m","displayName":"Mona"}}}}`
}

func jiraHeader(secret, delivery, body string) map[string]string {
	return map[string]string{"Content-Type": "application/json", "X-Atlassian-Webhook-Identifier": delivery, "X-Hub-Signature": sign(secret, body)}
}

// jiraAt is a gateway to which Jira's projects PAY and DOC send.
func jiraAt(t *testing.T) *site {
	return newSite(t, func(c *Config, _ *producer.Options) {
		c.Jira.Secrets = []string{"old", "new"}
		c.Jira.Projects = []settings.JiraProject{
			{Project: "PAY", Repositories: []string{"github.com/acme/payments", "https://github.com/acme/docs.git"}}, {Project: "DOC", Repositories: []string{"github.com/acme/docs"}},
		}
	})
}

// TestJiraWebhooks: the settings say which repositories an issue is about, and the body is
// stored unchanged for each.
func TestJiraWebhooks(t *testing.T) {
	s := jiraAt(t)
	const path, payments, docs = "/v1/webhooks/jira", "github.com/acme/payments", "github.com/acme/docs"
	body := jiraBody("PAY-12")
	if r := s.send(t, "POST", path, jiraHeader("new", "w1", body), []byte(body)); r.status != http.StatusNoContent {
		t.Fatalf("%+v", r)
	}
	for i, e := range s.next(t, 2) {
		want := []string{payments, docs}[i]
		if string(e.Data) != body || e.Type != "com.atlassian.jira.issue_created" || e.Source != "/jira/"+want || e.PartitionKey != want || e.ID != digests.Of([]byte(body)) || schemas.SenderOf(signingKeys, e) != "platform:jira" {
			t.Errorf("%+v", e)
		}
	}
	if r := s.send(t, "POST", path, jiraHeader("old", "w2", body), []byte(body)); r.status != http.StatusOK || !strings.Contains(r.body, `"duplicate":true`) {
		t.Errorf("sent again: %+v", r)
	}
	for _, other := range []string{"HR-1", "PAYROLL-1", "pay-1", "PAY-X-1", "PAY"} {
		body := jiraBody(other)
		if r := s.send(t, "POST", path, jiraHeader("old", "w", body), []byte(body)); r.status != http.StatusOK || !strings.Contains(r.body, "gateway.jira_projects") {
			t.Errorf("%s, of a project that is not set: %+v", other, r)
		}
	}
	s.none(t)
}

// TestWhatAnIssueOfJiraIsAboutIsSigned: somebody who replays a signed body cannot move it to
// another repository by changing something that is not signed.
func TestWhatAnIssueOfJiraIsAboutIsSigned(t *testing.T) {
	body := jiraBody("DOC-1")
	for name, k := range map[string]struct{ query, header string }{
		"the address": {"?repository=github.com/acme/payments", ""}, "the address, twice": {"?repository=github.com/acme/docs&repository=github.com/acme/payments", ""},
		"a project in the address": {"?project=PAY", ""}, "a header": {"", "ce-partitionkey"}, "another header": {"", "X-Repository"},
	} {
		s := jiraAt(t)
		header := jiraHeader("new", "w", body)
		if k.header != "" {
			header[k.header] = "github.com/acme/payments"
		}
		if r := s.send(t, "POST", "/v1/webhooks/jira"+k.query, header, []byte(body)); r.status != http.StatusNoContent {
			t.Errorf("%s: %+v", name, r)
		}
		if e := s.next(t, 1)[0]; e.PartitionKey != "github.com/acme/docs" {
			t.Errorf("%s: it is about %s", name, e.PartitionKey)
		}
		s.none(t)
	}
}

func TestAWebhookOfJiraThatIsRefused(t *testing.T) {
	s := jiraAt(t)
	body := jiraBody("PAY-1")
	unsigned := jiraHeader("new", "w", body)
	delete(unsigned, "X-Hub-Signature")
	for _, c := range []struct {
		name   string
		header map[string]string
		body   string
		status int
		detail string
	}{
		{"no signature", unsigned, body, 401, "not the signature"},
		{"another secret", jiraHeader("other", "w", body), body, 401, "not the signature"},
		{"no event", jiraHeader("new", "w", `{}`), `{}`, 422, "webhookEvent"},
		{"an issue without key", jiraHeader("new", "w", jiraBody("")), jiraBody(""), 422, "without key"},
	} {
		if p := s.send(t, "POST", "/v1/webhooks/jira", c.header, []byte(c.body)).problem(t, c.status); !strings.Contains(p.Detail, c.detail) {
			t.Errorf("%s: %+v", c.name, p)
		}
	}
	s.none(t)
	none := newSite(t, func(*Config, *producer.Options) {})
	none.send(t, "POST", "/v1/webhooks/jira", jiraHeader("new", "w", body), []byte(body)).problem(t, http.StatusForbidden)
}

func TestProjectsOfJiraThatAreRefused(t *testing.T) {
	many := make([]string, maxRepositories+1)
	for i := range many {
		many[i] = fmt.Sprintf("github.com/acme/r%d", i)
	}
	one := []string{"github.com/acme/payments"}
	for want, projects := range map[string][]settings.JiraProject{
		"has no key": {{Repositories: one}}, "twice": {{Project: "PAY", Repositories: one}, {Project: "PAY", Repositories: one}}, "has 0 repositories": {{Project: "PAY"}},
		"has 51 repositories": {{Project: "PAY", Repositories: many}}, "is not a repository": {{Project: "PAY", Repositories: []string{"PAY"}}},
	} {
		if _, err := New(Config{Jira: Jira{Projects: projects}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
