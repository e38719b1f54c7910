package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

func sign(secret, body string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(m.Sum(nil))
}

func review(state string) string {
	return `{"action":"submitted","repository":{"full_name":"acme/payments","html_url":"https://github.com/acme/payments"},"pull_request":{"number":7},"review":{"state":"` + state + `","commit_id":"` + strings.Repeat("1", 40) + `","submitted_at":"2026-03-01T03:50:00Z","user":{"login":"bo","type":"User"}}}`
}

func github(secret, kind, delivery, body string) map[string]string {
	return map[string]string{"Content-Type": "application/json", "X-GitHub-Event": kind, "X-GitHub-Delivery": delivery, "X-Hub-Signature-256": sign(secret, body)}
}

func TestGitHubWebhooksAreKeptAsTheyAre(t *testing.T) {
	s := newSite(t, func(c *Config, _ *producer.Options) { c.GitHub.Secrets = []string{"old", "new"} })
	body := review("approved")
	for i, secret := range []string{"new", "old"} {
		b := strings.Repeat(" ", i) + body // another body is another event
		if r := s.send(t, "POST", "/v1/webhooks/github", github(secret, "pull_request_review", fmt.Sprint("d", i), b), []byte(b)); r.status != http.StatusNoContent {
			t.Fatalf("%+v", r)
		}
		e := s.next(t, 1)[0]
		if string(e.Data) != b || e.Type != "com.github.pull_request_review.submitted" || e.Source != "https://github.com/acme/payments" || e.Subject != "github.com/acme/payments/pull/7" ||
			e.ID != digests.Of([]byte(b)) || schemas.SenderOf(signingKeys, e) != "platform:github" || e.ContentMode != "full" {
			t.Errorf("%+v", e)
		}
	}
	ping := `{"zen":"Keep it logically awesome.","hook_id":1}`
	if r := s.send(t, "POST", "/v1/webhooks/github", github("new", "ping", "p", ping), []byte(ping)); r.status != http.StatusOK {
		t.Errorf("a ping: %+v", r)
	}
	s.none(t)
}

// The content type is not signed: the bytes determine how they are read.
func TestOnlySignedBytesDetermineHowAWebhookIsRead(t *testing.T) {
	s := newSite(t, func(c *Config, _ *producer.Options) { c.GitHub.Secrets = []string{"new"} })
	forged := strings.ReplaceAll(review("approved"), `"bo"`, `"jonas-k"`)
	genuine := strings.Replace(review("commented"), `{"action"`, `{"title":"a&payload=`+url.QueryEscape(forged)+`&b","action"`, 1)
	for _, media := range []string{"application/x-www-form-urlencoded", "APPLICATION/x-www-form-urlencoded; charset=utf-8", "multipart/form-data; boundary=payload", "text/plain", ""} {
		h := github("new", "pull_request_review", "d", genuine)
		h["Content-Type"] = media
		if r := s.send(t, "POST", "/v1/webhooks/github", h, []byte(genuine)); r.status != http.StatusNoContent && r.status != http.StatusOK {
			t.Fatalf("%q: %+v", media, r)
		}
	}
	if e := s.next(t, 1)[0]; string(e.Data) != genuine || e.DataContentType != "application/json" {
		t.Errorf("%s", e.Data)
	}
	for _, form := range []string{"payload=" + url.QueryEscape(forged), "a=b&payload=" + url.QueryEscape(forged), "[" + forged + "]", `"` + url.QueryEscape(forged) + `"`, ""} {
		h := github("new", "pull_request_review", "d", form)
		h["Content-Type"] = "application/x-www-form-urlencoded"
		if p := s.send(t, "POST", "/v1/webhooks/github", h, []byte(form)).problem(t, http.StatusUnsupportedMediaType); !strings.Contains(p.Detail, "application/json") {
			t.Errorf("%+v", p)
		}
	}
	s.none(t)
}

func TestAWebhookThatIsForgedOrPlayedBackChangesNothing(t *testing.T) {
	s := newSite(t, func(c *Config, _ *producer.Options) { c.GitHub.Secrets = []string{"new"} })
	body := review("approved")
	send := func(h map[string]string, body string) reply {
		return s.send(t, "POST", "/v1/webhooks/github", h, []byte(body))
	}
	without := github("new", "pull_request_review", "d1", body)
	delete(without, "X-Hub-Signature-256")
	old := github("new", "pull_request_review", "d1", body)
	old["X-Hub-Signature-256"], old["X-Hub-Signature"] = "", "sha1=00"
	for name, h := range map[string]map[string]string{
		"no signature": without, "the old one": old, "another secret": github("other", "pull_request_review", "d1", body), "another body": github("new", "pull_request_review", "d1", body+" "),
	} {
		if p := send(h, body).problem(t, http.StatusUnauthorized); !strings.Contains(p.Detail, "not the signature of the body") {
			t.Errorf("%s: %+v", name, p)
		}
	}
	send(github("new", "push", "d1", body), body).problem(t, http.StatusUnprocessableEntity) // the name of the event is not signed
	s.none(t)
	if r := send(github("new", "pull_request_review", "d1", body), body); r.status != http.StatusNoContent {
		t.Fatalf("%+v", r)
	}
	for _, delivery := range []string{"d1", "d2"} { // neither is the id
		if r := send(github("new", "pull_request_review", delivery, body), body); r.status != http.StatusOK || !strings.Contains(r.body, `"duplicate":true`) {
			t.Errorf("played back as %s: %+v", delivery, r)
		}
	}
	other := review("changes_requested") // another hook receives it with the same id
	if r := send(github("new", "pull_request_review", "d1", other), other); r.status != http.StatusNoContent {
		t.Errorf("the delivery of another hook: %+v", r)
	}
	s.next(t, 2)
	s.none(t)
	// What the gateway has forgotten is still a duplicate by the identity of the event.
	s.gateway.recent = newRecent(1)
	send(github("new", "pull_request_review", "d9", body), body)
	if e := s.next(t, 1)[0]; e.ID != digests.Of([]byte(body)) {
		t.Errorf("played back later it is %s", e.ID)
	}
}

// TestAWebhookAboutNoRepositoryIsAcceptedAndDropped: GitLab disables a hook after four
// refusals.
func TestAWebhookAboutNoRepositoryIsAcceptedAndDropped(t *testing.T) {
	s := newSite(t, func(c *Config, _ *producer.Options) {
		c.GitLab = GitLab{Tokens: []string{"secret"}}
		c.GitHub.Secrets = []string{"new"}
	})
	for hook, body := range map[string]string{
		"Member Hook": `{"event_name":"user_add_to_group","group_path":"acme"}`, "Subgroup Hook": `{"event_name":"subgroup_create","full_path":"acme/s"}`,
		"Resource Access Token Hook": `{"object_kind":"access_token","group":{"group_path":"acme"}}`,
	} {
		r := s.send(t, "POST", "/v1/webhooks/gitlab", map[string]string{"Content-Type": "application/json", "X-Gitlab-Event": hook, "X-Gitlab-Token": "secret"}, []byte(body))
		if r.status != http.StatusOK || !strings.Contains(r.body, "names no repository") {
			t.Errorf("%s: %+v", hook, r)
		}
	}
	body := `{"action":"member_added","organization":{"login":"acme"}}`
	if r := s.send(t, "POST", "/v1/webhooks/github", github("new", "organization", "o", body), []byte(body)); r.status != http.StatusOK {
		t.Errorf("an event of an organisation: %+v", r)
	}
	body = `{"object_kind":"push","ref":"refs/heads/main"}`
	s.send(t, "POST", "/v1/webhooks/gitlab", map[string]string{"Content-Type": "application/json", "X-Gitlab-Token": "secret"}, []byte(body)).problem(t, http.StatusUnprocessableEntity)
	s.none(t)
	// A system hook reports a push without object_kind.
	body = `{"event_name":"push","ref":"refs/heads/main","before":"` + strings.Repeat("0", 40) + `","after":"` + strings.Repeat("a", 40) + `","project":{"web_url":"https://gitlab.com/acme/till","default_branch":"main"},"commits":[],"total_commits_count":0}`
	r := s.send(t, "POST", "/v1/webhooks/gitlab", map[string]string{"Content-Type": "application/json", "X-Gitlab-Event": "System Hook", "X-Gitlab-Token": "secret"}, []byte(body))
	if r.status != http.StatusNoContent || s.next(t, 1)[0].Type != "com.gitlab.push" {
		t.Errorf("a push by a hook of the host: %+v", r)
	}
}

func TestGitLabWebhooks(t *testing.T) {
	key := "whsec_" + base64.StdEncoding.EncodeToString([]byte("a key of 24 bytes or more"))
	s := newSite(t, func(c *Config, _ *producer.Options) {
		c.GitLab = GitLab{Tokens: []string{"secret"}, SigningKeys: []string{"whsec_b3RoZXI=", key}}
	})
	n := 0
	body := func() string {
		n++
		return fmt.Sprintf(`{"object_kind":"pipeline","project":{"web_url":"https://gitlab.com/g/p"},"object_attributes":{"id":%d,"sha":"%040d","status":"success"}}`, n, 1)
	}
	signed := func(id string, at time.Time, b string) map[string]string {
		w, err := standardwebhooks.NewWebhook(key)
		if err != nil {
			t.Fatal(err)
		}
		signature, err := w.Sign(id, at, []byte(b))
		if err != nil {
			t.Fatal(err)
		}
		return map[string]string{"X-Gitlab-Event": "Pipeline Hook", "webhook-id": id, "webhook-timestamp": fmt.Sprint(at.Unix()), "webhook-signature": "v1,AAAA " + signature}
	}
	send := func(h map[string]string, b string) reply {
		return s.send(t, "POST", "/v1/webhooks/gitlab", h, []byte(b))
	}
	b := body()
	if r := send(map[string]string{"X-Gitlab-Token": "secret", "X-Gitlab-Event": "Pipeline Hook"}, b); r.status != http.StatusNoContent {
		t.Fatalf("by token: %+v", r)
	}
	if e := s.next(t, 1)[0]; string(e.Data) != b || e.Type != "com.gitlab.pipeline.success" || e.Source != "https://gitlab.com/g/p" || e.PartitionKey != "gitlab.com/g/p" {
		t.Errorf("%+v", e)
	}
	b = body()
	if r := send(signed("m1", time.Now(), b), b); r.status != http.StatusNoContent {
		t.Fatalf("signed: %+v", r)
	}
	s.next(t, 1)
	if r := send(signed("m1", time.Now(), b), b); r.status != http.StatusOK {
		t.Errorf("played back: %+v", r)
	}
	b = body()
	send(map[string]string{"X-Gitlab-Token": "Secret"}, b).problem(t, http.StatusUnauthorized)
	send(map[string]string{"X-Gitlab-Token": ""}, b).problem(t, http.StatusUnauthorized)
	send(signed("m2", time.Now().Add(-6*time.Minute), b), b).problem(t, http.StatusUnauthorized)
	wrong := signed("m3", time.Now(), b+" ")
	wrong["X-Gitlab-Token"] = "secret" // is of no use beside a wrong signature
	send(wrong, b).problem(t, http.StatusUnauthorized)
	s.none(t)
}

func TestWithoutASecretNoWebhookIsAccepted(t *testing.T) {
	s := newSite(t, nil)
	for _, path := range []string{"/v1/webhooks/github", "/v1/webhooks/gitlab"} {
		h := github("", "pull_request_review", "d", review("approved"))
		if p := s.send(t, "POST", path, h, []byte(review("approved"))).problem(t, http.StatusForbidden); !strings.Contains(p.Detail, "; set gateway.") {
			t.Errorf("%+v", p)
		}
	}
}

func FuzzEvents(f *testing.F) {
	s := newSite(f, nil)
	f.Add(schemas.ContentTypeEvent, decision("1", "a", ""))
	f.Add(schemas.ContentTypeBatch, "["+decision("1", "a", "")+"]")
	f.Add("application/json", `{"a":1}`)
	f.Fuzz(func(t *testing.T, contentType, body string) {
		if strings.ContainsFunc(contentType, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Skip() // no HTTP client sends that
		}
		h := map[string]string{"Content-Type": contentType, "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/a", "ce-type": record.TypeActionPerformed, "ce-subject": "acme/payments#1"}
		if r := s.send(t, "POST", "/v1/events", h, []byte(body)); r.status >= 500 {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
}

// FuzzWebhooks: whatever the gateway accepts, the enricher accepts.
func FuzzWebhooks(f *testing.F) {
	s := newSite(f, hooked)
	f.Add("pull_request_review", review("approved"))
	f.Add("push", `{"ref":"refs/heads/main","after":"1111111","commits":[],"repository":{"html_url":"https://github.com/a/b"}}`)
	f.Add("", `{"object_kind":"push","project":{"web_url":"https://gitlab.com/g/p"}}`)
	for _, h := range bodies {
		f.Add(h.event, h.body)
	}
	f.Fuzz(func(t *testing.T, kind, body string) {
		if strings.ContainsFunc(kind, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Skip() // no HTTP client sends that
		}
		for _, name := range []string{"github", "gitlab"} {
			if r := s.try(t, name, kind, body); r.status >= 500 {
				t.Errorf("%s: %d %s", name, r.status, r.body)
			}
		}
		s.read(t)
	})
}
