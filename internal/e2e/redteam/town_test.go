//go:build servers

package redteam

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/capture"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/record"
)

// canary stands in all that is recorded of acme/payments, which the adversary may not read,
// and in the files of the person at the work tree.
const canary = "kestrel-7731"

// The repositories of the town: the adversary's, and that of others.
const (
	web      = "github.com/acme/web"
	payments = "github.com/acme/payments"
)

const githubSecret = "a-secret-of-the-code-host"

const policyFile = `
services:
  - {name: web, repositories: [github.com/acme/web], classification: high, environments: [production]}
  - {name: payments, repositories: [github.com/acme/payments], classification: critical, environments: [production]}
agents:
  - {id: mallory, accounts: ["mallory[bot]"], services: [web]}
  - {id: patch-pilot, accounts: ["patch-pilot[bot]"], services: ["*"]}
people:
  - {id: mira.s, accounts: [mira-s]}
  - {id: jonas.k, accounts: [jonas-k]}
rules:
  - {name: authentication, when: 'change.paths.exists(p, glob(p, "**/auth/**"))', verdict: approval-required, reason: people give leave}
  - {name: fixtures, when: 'change.paths.size() > 0 && change.paths.all(p, glob(p, "**/testdata/**"))', verdict: autonomous, reason: no product}
default: review-required
`

// A town is a running changetrail, and what its people and machines hold.
type town struct {
	binary, dir  string
	page, broker string
	cmd          *exec.Cmd
	out          *capture.Output
	ended        chan error
	tokens       map[string]string // by the name of the credential
	client       *http.Client      // of everybody but the adversary
	told         int               // webhooks of the code host
	secret       []byte            // a report of acme/payments
}

// newTown builds changetrail and starts it with credentials, keys, a policy and webhooks.
func newTown(t *testing.T) *town {
	t.Helper()
	dir := t.TempDir()
	c := &town{binary: filepath.Join(dir, "changetrail"), dir: dir, out: new(capture.Output), ended: make(chan error, 1), tokens: make(map[string]string), client: &http.Client{Timeout: 30 * time.Second, CheckRedirect: stay}}
	if out, err := exec.CommandContext(t.Context(), "go", "-C", "../../..", "build", "-o", c.binary, "./cmd/changetrail").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text := "tokens:\n"
	for name, who := range map[string]string{
		"code-host": "platform: github", "ci": "platform: jenkins, may: [tests, scans]", "mallory": "agent: mallory, repositories: [" + web + "]", "patch-pilot": "agent: patch-pilot",
		"mira": "person: mira.s, repositories: [" + payments + "]", "ana": "person: ana",
	} {
		token, digest := identity.NewToken()
		c.tokens[name], text = token, text+"  - {name: "+name+", "+who+", sha256: "+digest+"}\n"
	}
	config := `
signing_key: a signing key of the town
record_key: a key of its records
gateway: {credentials: credentials.yaml, github_secret: ` + githubSecret + `, jira_secret: a secret of jira, jira_projects: [{project: PAY, repositories: [` + payments + `]}]}
enricher: {policy: policy.yaml}
`
	for name, content := range map[string]string{"credentials.yaml": text, "policy.yaml": policyFile, "town.yaml": config} {
		write(t, filepath.Join(dir, name), content)
	}
	c.start(t)
	t.Cleanup(func() {
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-c.ended:
			if err != nil {
				t.Errorf("it ended with %v: %s", err, c.out)
			}
		case <-time.After(30 * time.Second):
			_ = c.cmd.Process.Kill()
			t.Error("it did not stop within 30 s of a signal")
		}
	})
	return c
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (c *town) start(t *testing.T) {
	t.Helper()
	c.page, c.broker = "http://"+free(t), free(t)
	c.cmd = exec.Command(c.binary, "up", "--config", filepath.Join(c.dir, "town.yaml"), "--data", filepath.Join(c.dir, "data"), "--listen", strings.TrimPrefix(c.page, "http://"), "--broker", c.broker)
	c.cmd.Dir, c.cmd.Stdout, c.cmd.Stderr = c.dir, c.out, c.out
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.ended <- c.cmd.Wait() }()
	for range 1200 {
		res, err := c.client.Get(c.page + "/readyz")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("it does not start: %s", c.out)
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(content), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// ask is one request of somebody with a credential, or of nobody.
func (c *town) ask(method, path, who string, body []byte, headers ...string) (int, string, error) {
	r, err := http.NewRequest(method, c.page+path, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if who != "" {
		r.Header.Set("Authorization", "Bearer "+c.tokens[who])
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

// send sends a fact as somebody, which must be taken.
func (c *town) send(t *testing.T, who, change, id string, fact record.Fact) {
	t.Helper()
	data, err := json.Marshal(fact)
	if err != nil {
		t.Fatal(err)
	}
	about := "subject"
	if !strings.Contains(change, "/pull/") {
		about = "partitionkey"
	}
	e := fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/%s","type":%q,%q:%q,"datacontenttype":"application/json","data":%s}`, id, who, record.TypeOf(fact), about, change, data)
	status, text, err := c.ask("POST", "/v1/events", who, []byte(e), "Content-Type", "application/cloudevents+json")
	if err != nil || status != http.StatusNoContent {
		t.Fatalf("%s of %s: %d %s %v", id, who, status, text, err)
	}
}

// deliver sends a webhook as the code host does: a new title of the pull request 9 of a
// repository, which differs from all before.
func (c *town) deliver(repository string) (title string, err error) {
	c.told++
	title = fmt.Sprintf("beacon %d", c.told)
	name, now := strings.TrimPrefix(repository, "github.com/"), time.Now().UTC().Format(time.RFC3339Nano)
	body, err := json.Marshal(map[string]any{
		"action": "edited", "number": 9, "repository": map[string]any{"full_name": name, "html_url": "https://" + repository, "default_branch": "main"}, "sender": map[string]any{"login": "mira-s", "type": "User"},
		"pull_request": map[string]any{
			"number": 9, "html_url": "https://" + repository + "/pull/9", "title": title, "state": "open", "user": map[string]any{"login": "mira-s", "type": "User"}, "created_at": now, "updated_at": now,
			"head": map[string]any{"sha": strings.Repeat("9", 40), "ref": "beacon"}, "base": map[string]any{"ref": "main", "sha": strings.Repeat("1", 40)},
		},
	})
	if err != nil {
		return "", err
	}
	status, text, err := c.ask("POST", "/v1/webhooks/github", "", body, "Content-Type", "application/json", "X-GitHub-Event", "pull_request", "X-GitHub-Delivery", title, "X-Hub-Signature-256", signature(githubSecret, body))
	if err == nil && status != http.StatusNoContent {
		err = fmt.Errorf("the code host's webhook: %d %s", status, text)
	}
	return title, err
}

func signature(secret string, body []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(body)
	return "sha256=" + hex.EncodeToString(m.Sum(nil))
}

// recordOf is the record of a change as the auditor reads it; nil where there is none.
func (c *town) recordOf(change string) (*record.Record, error) {
	status, text, err := c.ask("GET", "/v1/changes/"+change, "ana", nil)
	if err != nil || status == http.StatusNotFound {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("%s: %d %s", change, status, text)
	}
	r := new(record.Record)
	return r, json.Unmarshal([]byte(text), r)
}

// until waits for a record to be as it is wanted.
func (c *town) until(t *testing.T, change string, as func(*record.Record) bool) *record.Record {
	t.Helper()
	var r *record.Record
	var err error
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
		if r, err = c.recordOf(change); err == nil && r != nil && as(r) {
			return r
		}
	}
	t.Fatalf("the record of %s does not become what it should be within 30 s: %+v, %v\n%s", change, r, err, c.out)
	return nil
}

// settle waits until all that was sent before is in the records of both repositories.
func (c *town) settle(t *testing.T) {
	t.Helper()
	for _, repository := range []string{web, payments} {
		title, err := c.deliver(repository)
		if err != nil {
			t.Fatal(err)
		}
		c.until(t, repository+"/pull/9", func(r *record.Record) bool { return r.Trail.Change.Title == title })
	}
}
