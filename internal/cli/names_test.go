package cli

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/record"
)

// TestARepositoryIsRenamedWhileAChangeIsOpen sends the webhooks of a pull request that is approved
// under one name of its repository and merged under another one, and asks for it by both.
func TestARepositoryIsRenamedWhileAChangeIsOpen(t *testing.T) {
	const secret = "the-secret-of-webhooks"
	file, tokens := credentialsFile(t, "name: mira, person: mira.s", "name: was, person: was, repositories: [github.com/acme/payments]", "name: is, person: is, repositories: [github.com/acme/pay-core]")
	config := filepath.Join(t.TempDir(), "changetrail.yaml")
	if err := os.WriteFile(config, []byte("gateway: {github_secret: "+secret+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cert, key := selfSigned(t)
	page, _ := startUp(t, "--config", config, "--credentials", file, "--cert", cert, "--key", key)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // its certificate was just made
	send := func(event, name, body string) {
		t.Helper()
		text := fmt.Sprintf(`{"repository":{"id":42,"full_name":%q,"html_url":"https://github.com/%s","default_branch":"main","pushed_at":"2026-11-01T09:59:00Z","updated_at":"2026-11-01T10:10:00Z"},%s}`, name, name, body)
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(text))
		status, said, _ := askSite(t, c, "POST", page+"/v1/webhooks/github", text, "Content-Type", "application/json", "X-GitHub-Event", event, "X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
		if status/100 != 2 {
			t.Fatalf("%s: %d %s", event, status, said)
		}
	}
	pull := func(more string) string {
		return `"pull_request":{"number":7,"title":"T","user":{"login":"ada","id":1,"type":"User"},"head":{"sha":"` + strings.Repeat("c", 40) + `","ref":"b"},"created_at":"2026-11-01T10:00:00Z","updated_at":"2026-11-01T10:00:00Z"` + more + `}`
	}
	send("push", "acme/payments", `"ref":"refs/heads/b","before":"`+strings.Repeat("0", 40)+`","after":"`+strings.Repeat("c", 40)+`","commits":[{"id":"`+strings.Repeat("c", 40)+`","message":"m","modified":["a.go"],"author":{"username":"ada","email":"a@x"}}],"pusher":{"name":"ada"}`)
	send("pull_request", "acme/payments", `"action":"opened",`+pull(""))
	send("pull_request_review", "acme/payments", `"action":"submitted","review":{"id":1,"state":"approved","commit_id":"`+strings.Repeat("c", 40)+`","submitted_at":"2026-11-01T10:05:00Z","user":{"login":"mira","id":2,"type":"User"}},`+pull(""))
	send("repository", "acme/pay-core", `"action":"renamed","changes":{"repository":{"name":{"from":"payments"}}}`)
	send("pull_request", "acme/pay-core", `"action":"closed",`+pull(`,"merged":true,"merged_at":"2026-11-01T10:20:00Z","merge_commit_sha":"`+strings.Repeat("d", 40)+`"`))

	get := func(path, token string) (int, string) {
		status, text, _ := askSite(t, c, "GET", page+path, "", "Authorization", "Bearer "+token)
		return status, text
	}
	was, is := "github.com/acme/payments/pull/7", "github.com/acme/pay-core/pull/7"
	var r record.Record
	for i := 0; ; i++ {
		status, text := get("/v1/changes/"+is, tokens[0])
		if status == http.StatusOK {
			r = record.Record{}
			if err := json.Unmarshal([]byte(text), &r); err != nil {
				t.Fatal(err)
			}
			if r.Trail.Change.State == "merged" && r.Trail.Review != nil {
				break
			}
		}
		if i > 300 {
			t.Fatalf("the record does not come: %d %s", status, text)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if ch := r.Trail.Change; string(ch.ID) != was && string(ch.ID) != is || ch.Repository != "github.com/acme/pay-core" || r.Trail.Answers.Reviewed != "proven" {
		t.Errorf("it is %s of %s, reviewed: %s", ch.ID, ch.Repository, r.Trail.Answers.Reviewed)
	}
	for _, id := range []string{was, is} {
		if _, text := get("/changes/"+id, tokens[0]); !strings.Contains(text, "formerly") && !strings.Contains(text, "also named") {
			t.Errorf("the page of %s does not say how its repository was called", id)
		}
		for i, want := range []int{200, 403, 200} { // a reader of some repositories reads by the name of now
			if status, text := get("/v1/changes/"+id, tokens[i]); status != want {
				t.Errorf("reader %d of %s: %d, want %d: %.100s", i, id, status, want, text)
			}
		}
	}
	for _, name := range []string{"payments", "pay-core"} {
		if _, text := get("/v1/changes?q=%22github.com%2Facme%2F"+name+"%22", tokens[0]); !strings.Contains(text, `"total":1`) {
			t.Errorf("a search for %s finds %.200s", name, text)
		}
	}
}
