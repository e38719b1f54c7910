package platform

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/record"
)

// read reads one webhook.
func read(t *testing.T, eventType, body string) Reading {
	t.Helper()
	r, err := Read(eventType, []byte(body), "")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func reviewed(action string, id int, state string, minute int) string {
	return payload(fmt.Sprintf(`"action":%q,"review":{"id":%d,"state":%q,"commit_id":%q,"submitted_at":"2026-03-01T03:0%d:00Z","updated_at":"2026-03-01T03:09:00Z","user":{"id":583231,"login":"Octo-Cat","type":"User"}},"pull_request":{"number":7}`, action, id, state, sha(1), minute))
}

// TestADismissalNamesItsReview: the reviewer's other review remains.
func TestADismissalNamesItsReview(t *testing.T) {
	first := read(t, "com.github.pull_request_review.submitted", reviewed("submitted", 5, "approved", 1)).Fact.(*record.Review)
	second := read(t, "com.github.pull_request_review.submitted", reviewed("submitted", 6, "changes_requested", 2)).Fact.(*record.Review)
	dismissal := read(t, "com.github.pull_request_review.dismissed", reviewed("dismissed", 5, "dismissed", 1))
	want := &record.Review{Reviewer: "Octo-Cat", ReviewerID: "583231", ReviewerType: "human", ReviewID: "5", Verdict: "dismissed", CommitSHA: sha(1), SubmittedAt: at(3, 9)}
	if diff := cmp.Diff(Reading{Repository: "github.com/acme/payments", Change: "github.com/acme/payments/pull/7", Time: at(3, 9), Fact: want}, dismissal); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if first.ReviewID != "5" || second.ReviewID != "6" || !first.SubmittedAt.Equal(at(3, 1)) || !second.SubmittedAt.Equal(at(3, 2)) {
		t.Errorf("the reviews are %+v and %+v", first, second)
	}
	if _, err := Read("com.github.pull_request_review.dismissed", []byte(payload(`"action":"dismissed","review":{"id":5,"state":"dismissed"}`)), ""); err == nil {
		t.Error("a review of no pull request is read")
	}
}

// TestATitleIsAClaim: nothing is read from it, whoever opened the change.
func TestATitleIsAClaim(t *testing.T) {
	body := strings.Replace(pull("opened", `,"changed_files":3`), `"title":"Fix"`, `"title":"Bump lodash from 4.17.20 to 4.17.21"`, 1)
	f := read(t, "com.github.pull_request.opened", body).Fact.(*record.Opened)
	if f.Dependencies != nil || f.Kind != "" || f.FilesTotal != 3 {
		t.Errorf("it is read as %+v", f.Revision)
	}
}

// TestEveryEventOfAMergedChangeReportsTheMerge: the event of the merge itself may be lost.
func TestEveryEventOfAMergedChangeReportsTheMerge(t *testing.T) {
	body := pull("labeled", `,"merged":true,"merge_commit_sha":"`+sha(9)+`","merged_at":"2026-03-01T03:58:00Z","merged_by":{"login":"ana","type":"User"}`)
	r := read(t, "com.github.pull_request.labeled", body)
	if f, ok := r.Fact.(*record.Merged); !ok || !f.MergedAt.Equal(at(3, 58)) || f.MergedBy != "ana" || f.MergeSHA != sha(9) {
		t.Errorf("it is read as %+v", r)
	}
}

// TestAForksChange belongs to the target repository.
func TestAForksChange(t *testing.T) {
	body := payload(`"action":"opened","pull_request":{"number":7,"user":{"id":9,"login":"cy","type":"User"},"head":{"sha":"` + sha(1) + `","ref":"main","label":"cy:main","repo":{"id":2,"full_name":"cy/payments","html_url":"https://github.com/cy/payments"}},"base":{"ref":"main","repo":{"id":1,"full_name":"acme/payments"}}}`)
	r := read(t, "com.github.pull_request.opened", body)
	if r.Change != "github.com/acme/payments/pull/7" || r.Fact.(*record.Opened).AuthorID != "9" {
		t.Errorf("it is read as %+v", r)
	}
}

func mergeRequest(action, state, more string) string {
	return `{"object_kind":"merge_request","user":{"id":42,"username":"ana"},"project":{"id":7,"web_url":"https://gitlab.com/g/p","default_branch":"main"},"object_attributes":{"iid":12,"action":"` + action + `","state":"` + state + `","author_id":51,"source":{"name":"p"},"last_commit":{"id":"` + sha(1) + `"},"updated_at":"2026-03-01 03:50:00 UTC"` + more + `}}`
}

// TestGitLabApproval: it states the state of the merge request, but not its own time.
func TestGitLabApproval(t *testing.T) {
	for _, c := range []struct{ action, state, verdict, want string }{
		{"approved", "opened", "approved", "open"},
		{"approval", "merged", "approved", "merged"},
		{"unapproved", "closed", "dismissed", "closed"},
		{"approved", "locked", "approved", ""},
	} {
		r := read(t, "com.gitlab.merge_request."+c.action, mergeRequest(c.action, c.state, ""))
		want := &record.Review{Reviewer: "ana", ReviewerID: "42", ReviewerType: "human", Verdict: c.verdict, CommitSHA: sha(1), ChangeState: c.want}
		if diff := cmp.Diff(Reading{Repository: "gitlab.com/g/p", Change: "gitlab.com/g/p/merge_requests/12", Fact: want, Named: Named{ID: "gitlab.com#7"}}, r); diff != "" {
			t.Errorf("%s in state %s: -want +got:\n%s", c.action, c.state, diff)
		}
	}
	r := read(t, "com.gitlab.merge_request.unapproved", mergeRequest("unapproved", "opened", `,"system":true,"system_action":"approvals_reset_on_push"`))
	if _, ok := r.Fact.(*record.Activity); !ok {
		t.Errorf("that GitLab reset approvals is read as a review of who pushed: %+v", r.Fact)
	}
}

// TestGitLabAuthor: a number, and the account only if the author is the one who acts.
func TestGitLabAuthor(t *testing.T) {
	f := read(t, "com.gitlab.merge_request.update", mergeRequest("update", "opened", "")).Fact.(*record.Updated)
	if f.Author != "" || f.AuthorID != "51" {
		t.Errorf("the author is %q, %q", f.Author, f.AuthorID)
	}
	own := strings.Replace(mergeRequest("update", "opened", ""), `"id":42`, `"id":51`, 1)
	if f := read(t, "com.gitlab.merge_request.update", own).Fact.(*record.Updated); f.Author != "ana" || f.AuthorID != "51" {
		t.Errorf("the author is %q, %q", f.Author, f.AuthorID)
	}
}
