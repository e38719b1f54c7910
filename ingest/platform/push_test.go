package platform

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/record"
)

// githubPush is a push to a branch, with the members of one of GitHub's.
func githubPush(branch, before, more, commits string) string {
	return payload(fmt.Sprintf(`"ref":"refs/heads/%s","before":%q,"after":%q,"created":%t%s,"commits":[%s]`, branch, before, sha(3), before == zero, more, commits))
}

var zero = strings.Repeat("0", 40)

func githubCommitOf(n int, who, distinct, files string) string {
	return fmt.Sprintf(`{"id":%q,"distinct":%s,"message":"Merge branch 'main' into fix","author":{"name":"N","email":"n@x","username":%q},"added":[],"removed":[],"modified":[%s]}`, sha(n), distinct, who, files)
}

func pushedIn(t *testing.T, eventType, body string) *record.Pushed {
	t.Helper()
	f, ok := read(t, eventType, body).Fact.(*record.Pushed)
	if !ok {
		t.Fatalf("%s is no push", body)
	}
	return f
}

// TestCommitsOfAnotherBranch are not part of the push: neither their authors nor their files count.
func TestCommitsOfAnotherBranch(t *testing.T) {
	commits := githubCommitOf(2, "ana", "false", `"src/auth/login.go"`) + "," + githubCommitOf(3, "pilot[bot]", "true", "")
	f := pushedIn(t, "com.github.push", githubPush("fix", sha(1), "", commits))
	if len(f.Commits) != 1 || f.Commits[0].Author != "pilot[bot]" || f.Commits[0].Merge || f.Files != nil || f.Partial {
		t.Errorf("an update of the branch: %+v", f)
	}
	// On the default branch they are new, and so are their files. Otherwise somebody could push
	// them to another branch first to hide them.
	if f := pushedIn(t, "com.github.push", githubPush("main", sha(1), "", commits)); len(f.Commits) != 2 || !slices.Equal(f.Files, []string{"src/auth/login.go"}) {
		t.Errorf("a push to the default branch: %+v", f)
	}
	if f := pushedIn(t, "com.github.push", githubPush("fix", zero, "", commits)); !f.Partial || f.Before != "" {
		t.Errorf("a branch that begins with what another one has: %+v", f)
	}
}

func TestGitHubPushIsPartial(t *testing.T) {
	own := githubCommitOf(3, "bo", "true", `"a.go"`)
	var paths []string
	for i := range maxFiles {
		paths = append(paths, fmt.Sprintf(`"f%d"`, i))
	}
	for _, c := range []struct {
		name, body string
		want       bool
	}{
		{"all is listed", githubPush("fix", sha(1), "", own), false},
		{"more were pushed than are listed", githubPush("fix", sha(1), `,"size":21`, own), true},
		{"as many as GitHub lists", githubPush("fix", sha(1), "", own+strings.Repeat(","+own, maxListed-1)), true},
		{"more than are kept", githubPush("fix", sha(1), "", own+strings.Repeat(","+own, maxCommits)), true},
		{"as many paths as GitHub lists of a commit", githubPush("fix", sha(1), "", githubCommitOf(3, "bo", "true", strings.Join(paths, ","))), true},
		{"a path that is too long to keep", githubPush("fix", sha(1), "", githubCommitOf(3, "bo", "true", `"`+strings.Repeat("d/", 600)+`"`)), true},
		{"a branch made from the default branch", githubPush("fix", zero, `,"base_ref":"refs/heads/main"`, ""), false},
		{"a branch made from another one", githubPush("fix", zero, `,"base_ref":"refs/heads/auth"`, ""), true},
	} {
		if f := pushedIn(t, "com.github.push", c.body); f.Partial != c.want || len(f.Commits) > maxCommits || len(f.Files) > maxFiles {
			t.Errorf("%s: partial %t, with %d commits and %d files", c.name, f.Partial, len(f.Commits), len(f.Files))
		}
	}
	all := pushedIn(t, "com.github.push", githubPush("fix", sha(1), "", githubCommitOf(2, "bo", "true", `"auth/old.go"`)+strings.Repeat(","+own, maxCommits)))
	if !slices.Contains(all.Files, "auth/old.go") {
		t.Error("the files of the commits that are not kept are lost")
	}
}

// TestWhoPushed: accounts, if GitHub knows them.
func TestWhoPushed(t *testing.T) {
	body := strings.Replace(githubPush("fix", sha(1), `,"forced":true,"pusher":{"name":"bo","email":"bo@x"}`, githubCommitOf(3, "", "true", "")), `"sender":{"login":"ana","type":"User"}`, `"sender":{"login":"pilot[bot]","type":"Bot"}`, 1)
	f := pushedIn(t, "com.github.push", body)
	if f.Pusher != "pilot[bot]" || f.PusherType != "bot" || !f.Forced || f.Commits[0].Author != "N" || f.Commits[0].Email != "n@x" {
		t.Errorf("%+v", f)
	}
}

func gitlabPush(before string, total, listed int) string {
	var commits []string
	for i := range listed {
		commits = append(commits, fmt.Sprintf(`{"id":"%040x","message":"m","author":{"name":"Bo","email":"bo@x"},"modified":["docs/%d.md"]}`, i+1, i))
	}
	return fmt.Sprintf(`{"object_kind":"push","event_name":"push","ref":"refs/heads/f","before":%q,"after":%q,"user_username":"bo","project":{"web_url":"https://gitlab.example/a/b","default_branch":"main"},"total_commits_count":%d,"commits":[%s]}`, before, sha(1), total, strings.Join(commits, ","))
}

// TestGitLabPushIsPartial: GitLab lists the newest 20 commits.
func TestGitLabPushIsPartial(t *testing.T) {
	if f := pushedIn(t, "com.gitlab.push", gitlabPush(zero, 25, 20)); !f.Partial || len(f.Commits) != 20 || f.Before != "" {
		t.Errorf("20 of 25 commits: %+v", f)
	}
	if f := pushedIn(t, "com.gitlab.push", gitlabPush(sha(2), 20, 20)); f.Partial || f.Before != sha(2) {
		t.Errorf("20 of 20 commits: %+v", f)
	}
}
