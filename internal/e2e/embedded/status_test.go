//go:build servers

package embedded

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/changetrail/changetrail/record"
)

// A statusAPI stands in for the part of GitHub's API that keeps commit statuses, which cannot run
// here: it answers as its documentation says.
type statusAPI struct {
	t  *testing.T
	mu sync.Mutex
	by map[string][]map[string]string // the statuses of a commit, the newest first
}

func (a *statusAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer ghp_statuses" {
		a.t.Errorf("%s with %q", r.URL, r.Header.Get("Authorization"))
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/api/v3/repos/acme/payments/")
	sha, posts := strings.CutPrefix(path, "statuses/")
	if !posts {
		sha = strings.TrimSuffix(strings.TrimPrefix(path, "commits/"), "/statuses")
	}
	if !ok || len(sha) != 40 || posts != (r.Method == http.MethodPost) {
		a.t.Errorf("%s %s", r.Method, r.URL)
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if !posts {
		_ = json.NewEncoder(w).Encode(append([]map[string]string{}, a.by[sha]...))
		return
	}
	var in map[string]string
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in["context"] != "changetrail gate" || len([]rune(in["description"])) > 140 {
		a.t.Errorf("%v: %v", in, err)
	}
	a.by[sha] = append([]map[string]string{in}, a.by[sha]...)
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(in)
}

// posted returns the states of a commit, the oldest first, and the newest status.
func (a *statusAPI) posted(sha string) (states []string, newest map[string]string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.by[sha] {
		states, newest = append(states, s["state"]), a.by[sha][0]
	}
	slices.Reverse(states)
	return states, newest
}

func (a *statusAPI) wait(t *testing.T, sha, state string) map[string]string {
	t.Helper()
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
		if _, s := a.posted(sha); s["state"] == state {
			return s
		}
	}
	states, newest := a.posted(sha)
	t.Fatalf("GitHub does not show %s at %s, but %v: %v", state, sha, states, newest)
	return nil
}

// TestGitHubShowsWhatTheGateAnswers: a pull request of an agent waits for a review, gets it, and is
// pushed to; the process starts again between.
func TestGitHubShowsWhatTheGateAnswers(t *testing.T) {
	api := &statusAPI{t: t, by: make(map[string][]map[string]string)}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	dir := t.TempDir()
	for name, content := range map[string]string{
		"token":  "ghp_statuses\n",
		"policy": strings.ReplaceAll(gatewayPolicy, "github.com/acme/payments", host+"/acme/payments"),
		"config": fmt.Sprintf(`
gateway:
  github_secret: %s
  status: {github: {url: "%s/api/v3", token_file: %s}}
siem: {pages: "https://trail.acme.example/"}
`, strings.Fields(githubSecret)[0], server.URL, filepath.Join(dir, "token.yaml")),
	} {
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	begin := func() *process {
		p, err := start("up", "--config", filepath.Join(dir, "config.yaml"), "--data", filepath.Join(dir, "data"), "--policy", filepath.Join(dir, "policy.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	end := func(p *process) {
		t.Helper()
		began := time.Now()
		if err := p.stop(syscall.SIGINT); err != nil {
			t.Errorf("%v: %s", err, p.out)
		}
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("it took %s to stop", took)
		}
	}
	repository := map[string]any{"id": 4711, "full_name": "acme/payments", "html_url": server.URL + "/acme/payments", "default_branch": "main"}
	bot, lea := map[string]any{"id": 1, "login": "patch-pilot[bot]", "type": "Bot"}, map[string]any{"id": 2, "login": "lea", "type": "User"}
	reported := 0
	report := func(p *process, kind string, with map[string]any) {
		reported++
		with["repository"] = repository
		deliver(t, p, kind, fmt.Sprint("status-", reported), with)
	}
	pull := func(sha string) map[string]any {
		now := time.Now().UTC().Format(time.RFC3339)
		return map[string]any{
			"number": 7, "html_url": server.URL + "/acme/payments/pull/7", "title": "Fix the login", "state": "open", "user": bot, "created_at": now, "updated_at": now,
			"head": map[string]any{"sha": sha, "ref": "fix"}, "base": map[string]any{"ref": "main", "sha": strings.Repeat("1", 40)}, "changed_files": 1,
		}
	}
	push := func(p *process, before, after string) {
		now := time.Now().UTC().Format(time.RFC3339)
		report(p, "push", map[string]any{
			"ref": "refs/heads/fix", "before": before, "after": after, "sender": bot, "pusher": map[string]any{"name": "patch-pilot[bot]"},
			"commits":     []any{map[string]any{"id": after, "message": "Fix the login", "timestamp": now, "author": map[string]any{"name": "patch-pilot[bot]", "username": "patch-pilot[bot]"}, "added": []string{}, "modified": []string{"auth/login.go"}, "removed": []string{}}},
			"head_commit": map[string]any{"id": after, "message": "Fix the login", "timestamp": now},
		})
	}
	first, second := strings.Repeat("a", 40), strings.Repeat("b", 40)
	id := record.ChangeID(host + "/acme/payments/pull/7")

	p := begin()
	report(p, "pull_request", map[string]any{"action": "opened", "number": 7, "sender": bot, "pull_request": pull(first)})
	push(p, strings.Repeat("0", 40), first)
	if s := api.wait(t, first, "pending"); !strings.HasPrefix(s["description"], "Missing: a review") || s["target_url"] != "https://trail.acme.example/changes/"+string(id) {
		t.Errorf("GitHub shows %v", s)
	}
	end(p)
	before, _ := api.posted(first)

	p = begin()
	time.Sleep(3 * time.Second)
	if now, _ := api.posted(first); !slices.Equal(now, before) {
		t.Errorf("after a restart %v became %v", before, now)
	}
	report(p, "pull_request_review", map[string]any{
		"action": "submitted", "sender": lea, "pull_request": pull(first),
		"review": map[string]any{"id": 77, "state": "approved", "commit_id": first, "submitted_at": time.Now().UTC().Format(time.RFC3339), "user": lea},
	})
	api.wait(t, first, "success")
	recordOf(t, p, string(id), func(r *record.Record) bool { return r.Trail.Gate != nil && r.Trail.Gate.Allowed })
	push(p, first, second)
	report(p, "pull_request", map[string]any{"action": "synchronize", "number": 7, "sender": bot, "before": first, "after": second, "pull_request": pull(second)})
	api.wait(t, second, "pending")
	end(p)
	if states, _ := api.posted(second); slices.Contains(states, "success") {
		t.Errorf("the second commit was shown as %v", states)
	}
}
