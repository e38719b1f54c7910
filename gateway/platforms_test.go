package gateway

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
)

// hooked returns a gateway that has the secrets of the platforms.
func hooked(c *Config, _ *producer.Options) {
	c.GitHub.Secrets, c.GitLab.Tokens, c.Jira.Secrets = []string{"s"}, []string{"s"}, []string{"s"}
}

// platform sends a webhook, which must be accepted.
func (s *site) platform(t testing.TB, name, event, body string) {
	t.Helper()
	if r := s.try(t, name, event, body); r.status >= 300 {
		t.Errorf("%s %s: %d %s\n%.300s", name, event, r.status, r.body, body)
	}
}

// try sends a webhook.
func (s *site) try(t testing.TB, name, event, body string) reply {
	t.Helper()
	h := github("s", event, "", body)
	if name == "gitlab" {
		h = map[string]string{"Content-Type": "application/json", "X-Gitlab-Token": "s", "X-Gitlab-Event": event}
	}
	r := s.send(t, "POST", "/v1/webhooks/"+name, h, []byte(body))
	if r.status == http.StatusNoContent { // 200: it is not put on the stream
		s.taken++
	}
	return r
}

// read reads what was accepted as the enricher does, which must accept it, too.
func (s *site) read(t testing.TB) (out []record.Event) {
	t.Helper()
	for _, env := range s.next(t, s.taken) {
		r := ingest.Reader{Keys: signingKeys, Blobs: s.gateway.Blobs}
		e, err := r.Read(t.Context(), env, []byte(env.PartitionKey), time.Now())
		if err := r.AllowSigned(&e, err); err != nil {
			t.Errorf("the gateway took what the enricher refuses: %v\n%.300s", err, env.Data)
			continue
		}
		out = append(out, e.Event)
	}
	s.taken = 0
	return out
}

// A hook is a webhook of a test.
type hook struct{ platform, event, body string }

// recordOf returns the record of a change that the webhooks make.
func recordOf(t testing.TB, id record.ChangeID, hooks ...hook) *record.Record {
	t.Helper()
	s := newSite(t, hooked)
	for _, h := range hooks {
		s.platform(t, h.platform, h.event, h.body)
	}
	r := record.Fold(id, record.Gather(id, s.read(t)))
	r.Judge(record.Authority{})
	return r
}

// bodies are webhooks of each event type that is read, with all members that are read.
var bodies = func() []hook {
	const (
		repo   = `"repository":{"id":42,"full_name":"acme/till","html_url":"https://github.com/acme/till","default_branch":"main","pushed_at":1795168800},"sender":{"id":7,"login":"ada","type":"User"}`
		sha    = `"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`
		pull   = `"pull_request":{"number":1,"html_url":"https://github.com/acme/till/pull/1","title":"Tidy","state":"closed","user":{"id":7,"login":"ada","type":"User"},"merged":true,"merge_commit_sha":` + sha + `,"merged_at":"2026-11-20T10:06:00Z","closed_at":"2026-11-20T10:06:00Z","created_at":"2026-11-20T10:00:00Z","updated_at":"2026-11-20T10:07:00Z","merged_by":{"id":8,"login":"cy","type":"User"},"additions":3,"deletions":1,"changed_files":2,"head":{"sha":` + sha + `,"ref":"till"},"base":{"ref":"main"}}`
		commit = `{"id":` + sha + `,"message":"Tidy\n\nAssisted-by: a:b","timestamp":"2026-11-20T10:00:00Z","author":{"name":"Ada","email":"a@b","username":"ada"},"added":["a"],"modified":["b"],"removed":["c"]}`
		lab    = `"user":{"id":7,"username":"ada"},"project":{"id":15,"web_url":"https://gitlab.com/acme/till","path_with_namespace":"acme/till","default_branch":"main"}`
		merge  = `"merge_request":{"iid":1,"url":"https://gitlab.com/acme/till/-/merge_requests/1","source_project_id":15,"target_project_id":15,"state":"opened","last_commit":` + commit + `}`
	)
	gh := func(event, action, body string) hook {
		return hook{"github", event, `{"action":"` + action + `",` + body + `,` + repo + `}`}
	}
	gl := func(kind, body string) hook {
		return hook{"gitlab", "", `{"object_kind":"` + kind + `",` + body + `,` + lab + `}`}
	}
	return []hook{
		gh("pull_request", "closed", pull),
		gh("pull_request_review", "submitted", pull+`,"review":{"id":5,"state":"approved","commit_id":`+sha+`,"submitted_at":"2026-11-20T10:01:00Z","user":{"id":9,"login":"bea","type":"User"},"html_url":"https://r"}`),
		gh("issue_comment", "created", `"issue":{"number":1,"html_url":"https://i","title":"T","state":"closed","user":{"login":"ada"},"created_at":"2026-11-20T10:00:00Z","updated_at":"2026-11-20T10:08:00Z","pull_request":{"html_url":"https://p","merged_at":"2026-11-20T10:06:00Z"}},"comment":{"body":"fine","user":{"login":"bea"},"created_at":"2026-11-20T10:08:00Z"}`),
		gh("issues", "assigned", `"issue":{"number":2,"html_url":"https://i","title":"T","state":"open","user":{"login":"ada"},"created_at":"2026-11-20T10:00:00Z"}`),
		gh("check_run", "completed", `"check_run":{"id":11,"name":"compile","head_sha":`+sha+`,"status":"completed","conclusion":"failure","html_url":"https://c","started_at":"2026-11-20T10:01:00Z","completed_at":"2026-11-20T10:02:00Z","app":{"slug":"ci","name":"CI"},"check_suite":{"id":3}}`),
		gh("workflow_run", "completed", `"workflow":{"id":9,"name":"CI"},"workflow_run":{"id":32,"name":"CI","path":"p","workflow_id":9,"run_attempt":1,"head_sha":`+sha+`,"status":"completed","conclusion":"failure","html_url":"https://w","updated_at":"2026-11-20T10:01:00Z"}`),
		gh("workflow_job", "completed", `"workflow_job":{"id":320,"run_id":32,"run_attempt":1,"name":"unit","workflow_name":"CI","head_sha":`+sha+`,"status":"completed","conclusion":"failure","html_url":"https://w","started_at":"2026-11-20T10:01:00Z","completed_at":"2026-11-20T10:02:00Z"}`),
		{"github", "status", `{"id":5,"sha":` + sha + `,"context":"ci/build","state":"failure","target_url":"https://t","updated_at":"2026-11-20T10:01:00Z",` + repo + `}`},
		{"github", "push", `{"ref":"refs/heads/fix","before":` + sha + `,"after":` + sha + `,"base_ref":null,"forced":false,"compare":"https://c","pusher":{"name":"ada"},"commits":[` + commit + `],` + repo + `}`},
		gh("deployment_status", "created", `"deployment_status":{"state":"success","environment":"production","creator":{"login":"ada"},"created_at":"2026-11-20T10:09:00Z","log_url":"https://l"},"deployment":{"sha":`+sha+`,"ref":"till","environment":"production"}`),
		gh("code_scanning_alert", "created", `"ref":"refs/pull/1/merge","commit_oid":`+sha+`,"alert":{"number":4,"created_at":"2026-11-20T10:01:00Z","updated_at":"2026-11-20T10:01:00Z","html_url":"https://a","state":"open","rule":{"id":"js/xss","severity":"error","security_severity_level":"high","description":"XSS"},"tool":{"name":"CodeQL","version":"2.19"},"most_recent_instance":{"ref":"refs/pull/1/merge","commit_sha":`+sha+`,"location":{"path":"a.js","start_line":3}}}`),
		gh("merge_group", "checks_requested", `"merge_group":{"head_sha":`+sha+`,"head_ref":"refs/heads/gh-readonly-queue/main/pr-1-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}`),
		gl("merge_request", `"object_attributes":{"iid":1,"title":"Tidy","action":"update","state":"merged","url":"https://m","source_branch":"till","target_branch":"main","author_id":7,"created_at":"2026-11-20 10:00:00 UTC","updated_at":"2026-11-20 10:03:00 UTC","last_commit":`+commit+`,"merge_commit_sha":`+sha+`}`),
		gl("pipeline", merge+`,"object_attributes":{"id":31,"name":"Nightly","sha":`+sha+`,"status":"failed","source":"push","created_at":"2026-11-20 10:00:00 UTC","finished_at":"2026-11-20 10:03:00 UTC"}`),
		gl("build", `"sha":`+sha+`,"build_id":5,"build_name":"unit","build_stage":"test","build_status":"failed","build_allow_failure":false,"build_finished_at":"2026-11-20 10:03:00 UTC","retries_count":0,"pipeline_id":31`),
		gl("note", merge+`,"object_attributes":{"id":77,"note":"fine","noteable_type":"MergeRequest","url":"https://n","created_at":"2026-11-20 10:03:00 UTC"}`),
		gl("issue", `"object_attributes":{"id":1,"iid":2,"title":"T","action":"open","state":"opened","url":"https://i","author_id":7,"type":"Issue","created_at":"2026-11-20 10:00:00 UTC"}`),
		gl("push", `"ref":"refs/heads/fix","before":`+sha+`,"after":`+sha+`,"user_username":"ada","total_commits_count":1,"commits":[`+commit+`]`),
		gl("deployment", `"status":"success","status_changed_at":"2026-11-20 10:03:00 UTC","environment":"production","commit_url":"https://gitlab.com/acme/till/-/commit/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","deployable_url":"https://d"`),
	}
}()

// odd are values that a member of a webhook may have, and some that it never has.
func odd(r *rand.Rand) any {
	return []any{
		strings.Repeat("x", 255), strings.Repeat("é", 255), strings.Repeat("y", 300+r.IntN(3000)), "https://ci/" + strings.Repeat("z", 5000),
		"", " ", "a b/ü\u202e\x00\u2028😀", "refs/heads/" + strings.Repeat("b/", 200), strings.Repeat("0", 40), "2026-11-20T10:01:00+05:30", "0001-01-01T00:00:00Z",
		"1970-01-01 00:00:00 UTC", "9999-12-31T23:59:59Z", nil, true, -1, 1e18,
		[]any{},
		map[string]any{},
		[]any{"a", nil},
	}[r.IntN(20)]
}

// bend replaces one member of v, at any depth, with an odd value.
func bend(r *rand.Rand, v any) any {
	switch v := v.(type) {
	case map[string]any:
		if names := slices.Sorted(maps.Keys(v)); len(names) > 0 {
			name := names[r.IntN(len(names))]
			v[name] = bend(r, v[name])
			return v
		}
	case []any:
		if len(v) > 0 {
			i := r.IntN(len(v))
			v[i] = bend(r, v[i])
			return v
		}
	}
	return odd(r)
}

// TestWhatAWebhookIsAnsweredIsTrue: whatever the gateway accepts, the enricher accepts; and no
// text is too long.
func TestWhatAWebhookIsAnsweredIsTrue(t *testing.T) {
	s := newSite(t, hooked)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 1000 {
		h := bodies[i%len(bodies)]
		var v any
		if err := json.Unmarshal([]byte(h.body), &v); err != nil {
			t.Fatalf("%s: %v", h.body, err)
		}
		for range 1 + r.IntN(3) {
			v = bend(r, v)
		}
		body, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if r := s.try(t, h.platform, h.event, string(body)); r.status >= 500 {
			t.Errorf("%d %s: %s", r.status, r.body, body)
		}
	}
	if s.taken < 100 {
		t.Errorf("%d were taken", s.taken)
	}
	s.read(t)
}

// TestNoTextIsTooLong, wherever it is in a webhook.
func TestNoTextIsTooLong(t *testing.T) {
	s := newSite(t, hooked)
	for _, h := range bodies {
		for _, text := range []string{"Tidy", "CodeQL", "2.19", "compile", "production", "ci/build", "unit", "test", "Nightly", "CI", "till", "ada", "bea", "cy", "https://", "refs/heads/fix", "a@b"} {
			if long := strings.ReplaceAll(h.body, `"`+text, `"`+text+strings.Repeat("é", 4000)); long != h.body && !strings.HasPrefix(text, "https") {
				s.platform(t, h.platform, h.event, long)
			}
		}
	}
	s.read(t)
}
