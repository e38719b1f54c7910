package status

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// A fault is what happens to a request.
type fault string

const (
	works     fault = ""
	lostFirst fault = "the connection breaks before the host does it"
	lostAfter fault = "the connection breaks after the host did it"
	failFirst fault = "HTTP 500 before the host does it"
	failAfter fault = "HTTP 500 after the host did it"
	busy      fault = "HTTP 503"
	limited   fault = "HTTP 429 with Retry-After"
)

// A server is a code host that behaves as its documentation says. It stands in for GitHub and GitLab,
// which cannot be had for a test.
type server struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	shows    map[string][]map[string]any // statuses of GitHub by repository and commit, the oldest first
	heads    map[string]string           // of merge requests, by path
	checks   map[string]string           // status of GitLab's check, by path
	fault    func(r *http.Request) fault
	requests []string
	rested   time.Time // no request may come before, if strict is set
	strict   bool
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, shows: make(map[string][]map[string]any), heads: make(map[string]string), checks: make(map[string]string)}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

const token = "secret-token"

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.Method+" "+r.URL.EscapedPath())
	if s.strict && time.Now().Before(s.rested) {
		s.t.Errorf("%s %s comes before the time that the host asked for", r.Method, r.URL.Path)
	}
	f := works
	if s.fault != nil {
		f = s.fault(r)
	}
	switch f {
	case lostFirst:
		panic(http.ErrAbortHandler)
	case failFirst:
		http.Error(w, "no", http.StatusInternalServerError)
		return
	case busy:
		http.Error(w, "no", http.StatusServiceUnavailable)
		return
	case limited:
		w.Header().Set("Retry-After", "1")
		s.rested = time.Now().Add(990 * time.Millisecond)
		s.reply(w, http.StatusTooManyRequests, "github-secondary-limit.json", nil)
		return
	}
	answer := httptest.NewRecorder()
	s.answer(answer, r)
	switch f {
	case lostAfter:
		panic(http.ErrAbortHandler)
	case failAfter:
		http.Error(w, "no", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// reply writes a recorded reply, with other members.
func (s *server) reply(w http.ResponseWriter, status int, name string, with map[string]any) {
	w.WriteHeader(status)
	if err := json.MarshalWrite(w, s.recorded(name, with)); err != nil {
		s.t.Error(err)
	}
}

func (s *server) recorded(name string, with map[string]any) map[string]any {
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		s.t.Error(err)
	}
	out := make(map[string]any)
	if err := json.Unmarshal(text, &out); err != nil {
		s.t.Error(err)
	}
	for k, v := range with {
		if _, known := out[k]; !known {
			s.t.Errorf("%s has no member %s", name, k)
		}
		out[k] = v
	}
	return out
}

func (s *server) answer(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.EscapedPath(), "/"), "/")
	switch {
	case parts[0] == "api":
		s.gitlab(w, r, parts)
	case r.Header.Get("Authorization") != "Bearer "+token:
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method == http.MethodPost && len(parts) == 5 && parts[0] == "repos" && parts[3] == "statuses":
		s.create(w, r, strings.Join(parts[1:3], "/"), parts[4])
	case r.Method == http.MethodGet && len(parts) == 6 && parts[0] == "repos" && parts[3] == "commits" && parts[5] == "statuses":
		list := s.shows[strings.Join(parts[1:3], "/")+"@"+parts[4]]
		out := make([]map[string]any, 0)
		for i := range list {
			out = append(out, list[len(list)-1-i])
		}
		if err := json.MarshalWrite(w, out); err != nil {
			s.t.Error(err)
		}
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// create makes a commit status.
func (s *server) create(w http.ResponseWriter, r *http.Request, repo, sha string) {
	var in struct {
		State       string `json:"state"`
		TargetURL   string `json:"target_url"`
		Description string `json:"description"`
		Context     string `json:"context"`
	}
	body, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(body, &in, json.RejectUnknownMembers(true)); err != nil {
		s.t.Errorf("%s: %v", body, err)
	}
	if r.Header.Get("Accept") != "application/vnd.github+json" || r.Header.Get("X-GitHub-Api-Version") != "2022-11-28" || r.Header.Get("User-Agent") == "" {
		s.t.Errorf("headers %v", r.Header)
	}
	known := map[string]bool{"success": true, "failure": true, "pending": true, "error": true}
	switch {
	case len(sha) != 40:
		s.reply(w, http.StatusUnprocessableEntity, "github-no-commit.json", map[string]any{"message": "No commit found for SHA: " + sha})
		return
	case !known[in.State] || len([]rune(in.Description)) > 140:
		s.t.Errorf("GitHub does not accept %+v", in)
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	made := s.recorded("github-status.json", map[string]any{"state": in.State, "description": in.Description, "target_url": in.TargetURL, "context": in.Context})
	key := repo + "@" + sha
	s.shows[key] = append(s.shows[key], made)
	w.WriteHeader(http.StatusCreated)
	_ = json.MarshalWrite(w, made)
}

// gitlab serves /api/v4/projects/:id/merge_requests/:iid/….
func (s *server) gitlab(w http.ResponseWriter, r *http.Request, parts []string) {
	if r.Header.Get("PRIVATE-TOKEN") != token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if len(parts) != 7 || parts[1] != "v4" || parts[2] != "projects" || parts[4] != "merge_requests" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	key := parts[3] + "!" + parts[5]
	switch {
	case r.Method == http.MethodGet && parts[6] == "status_checks":
		var out []map[string]any
		text, _ := os.ReadFile(filepath.Join("testdata", "gitlab-checks.json"))
		if err := json.Unmarshal(text, &out); err != nil {
			s.t.Error(err)
		}
		if said := s.checks[key]; said != "" {
			out[1]["status"] = said
		}
		_ = json.MarshalWrite(w, out)
	case r.Method == http.MethodPost && parts[6] == "status_check_responses":
		var in struct {
			SHA    string `json:"sha"`
			Check  int64  `json:"external_status_check_id"`
			Status string `json:"status"`
		}
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &in, json.RejectUnknownMembers(true)); err != nil || in.Check != 1 {
			s.t.Errorf("%s: %v", body, err)
		}
		if in.SHA != s.heads[key] {
			s.reply(w, http.StatusConflict, "gitlab-conflict.json", nil)
			return
		}
		s.checks[key] = in.Status
		s.reply(w, http.StatusCreated, "gitlab-response.json", nil)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// posted returns the statuses of a commit at GitHub, the oldest first, as "state: description".
func (s *server) posted(repo, sha string) (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.shows[repo+"@"+sha] {
		out = append(out, fmt.Sprintf("%s: %s", one["state"], one["description"]))
	}
	return out
}

func (s *server) counted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}
