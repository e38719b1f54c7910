//go:build servers

package platform

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/internal/foreign"
	"github.com/changetrail/changetrail/record"
)

// TestGitHubExamples reads all examples that GitHub publishes for its webhooks: each is recognized
// by its body, and its fact satisfies the schema.
func TestGitHubExamples(t *testing.T) {
	facts := make(map[string]int)
	for _, k := range foreign.GitHubExamples(t) {
		for i, body := range k.Examples {
			header := k.Name
			if githubKinds[k.Name] {
				header = "" // the body alone must do
			}
			name, err := GitHubType(header, body)
			if err != nil || name != "com.github."+k.Name && !strings.HasPrefix(name, "com.github."+k.Name+".") {
				t.Errorf("%s %d is taken for %s, %v", k.Name, i, name, err)
				continue
			}
			r, err := Read(name, body, "")
			if err != nil {
				var whole struct{ Repository json.RawMessage }
				if json.Unmarshal(body, &whole) == nil && whole.Repository == nil {
					continue // of an organisation, a user or an app
				}
				t.Errorf("%s %d: %v", k.Name, i, err)
				continue
			}
			if r.Repository == "" || r.Change != "" && r.Change.Repository() != r.Repository {
				t.Errorf("%s %d is about %q, %q", k.Name, i, r.Repository, r.Change)
			}
			kind := record.TypeOf(r.Fact)
			facts[k.Name+" "+kind]++
			if _, kept := r.Fact.(*record.Activity); !kept && r.Time.IsZero() {
				t.Errorf("%s %d says not when", k.Name, i)
			}
		}
	}
	for _, want := range []string{
		"pull_request " + record.TypeChangeOpened, "pull_request " + record.TypeChangeUpdated, "pull_request " + record.TypeChangeClosed,
		"pull_request_review " + record.TypeReviewSubmitted, "check_run " + record.TypeValidationCompleted, "check_suite " + record.TypeValidationCompleted,
		"workflow_run " + record.TypeEventNoted, "push " + record.TypeCommitsPushed, "deployment_status " + record.TypeDeploymentFinished,
		"code_scanning_alert " + record.TypeScanCompleted, "dependabot_alert " + record.TypeScanCompleted,
		"issues " + record.TypeRequestReceived, "merge_group " + record.TypeEventNoted, "deployment " + record.TypeEventNoted, "status " + record.TypeValidationCompleted,
	} {
		if facts[want] == 0 {
			t.Errorf("no example is read as %s", want)
		}
	}
	t.Logf("%v", facts)
}

// TestGitLabExamples reads the examples in the tests of GitLab's own client.
func TestGitLabExamples(t *testing.T) {
	dir := filepath.Join(foreign.Module(t, "gitlab.com/gitlab-org/api/client-go", "v1.46.0"), "testdata", "webhooks")
	for file, want := range map[string]struct{ event, fact, change string }{
		"merge_request.json":      {"merge_request.open", record.TypeChangeOpened, "example.com/gitlabhq/gitlab-test/merge_requests/1"},
		"pipeline.json":           {"pipeline.success", record.TypeValidationCompleted, "192.168.64.1:3005/gitlab-org/gitlab-test/merge_requests/1"},
		"job.json":                {"job.success", record.TypeValidationCompleted, ""},
		"build.json":              {"job.created", record.TypeEventNoted, ""},
		"note_merge_request.json": {"note.create", record.TypeReviewSubmitted, "example.com/gitlab-org/gitlab-test/merge_requests/1"},
		"note_issue.json":         {"note.create", record.TypeEventNoted, ""},
		"push.json":               {"push", record.TypeCommitsPushed, "example.com/mike/diaspora/commit/da1560886d4f094c3e6c9ef40349f7d38b5d27d7"},
		"tag_push.json":           {"tag_push", record.TypeEventNoted, ""},
		"deployment.json":         {"deployment.success", record.TypeDeploymentFinished, ""},
		"vulnerability.json":      {"vulnerability.detected", record.TypeScanCompleted, ""},
		"issue.json":              {"issue.open", record.TypeRequestReceived, ""},
	} {
		body, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		name, err := GitLabType("", body)
		if err != nil || name != "com.gitlab."+want.event {
			t.Errorf("%s is taken for %s, %v", file, name, err)
			continue
		}
		r, err := Read(name, body, "")
		if err != nil || record.TypeOf(r.Fact) != want.fact || string(r.Change) != want.change || r.Repository == "" {
			t.Errorf("%s is read as %+v, %v", file, r, err)
		}
		if d, ok := r.Fact.(*record.Deployment); ok && d.CommitSHA != "279484c09fbe69ededfced8c1bb6e6d24616b468" {
			t.Errorf("the deployment is of %s", d.CommitSHA)
		}
	}
}
