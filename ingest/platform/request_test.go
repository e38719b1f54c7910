package platform

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/record"
)

// githubIssueEvent is an event about issue 42, which mona wrote.
func githubIssueEvent(action, more string) string {
	return payload(`"action":"` + action + `","issue":{"number":42,"html_url":"https://github.com/acme/payments/issues/42","title":"Login fails","state":"open","user":{"id":21,"login":"mona","type":"User"},"assignee":{"login":"Copilot","type":"Bot"},"created_at":"2026-03-01T03:00:00Z","updated_at":"2026-03-01T03:30:00Z"}` + more)
}

// TestIssuesOfGitHub reads issues as requests of their authors, of those who assigned them, and of
// those who asked somebody in a comment.
func TestIssuesOfGitHub(t *testing.T) {
	issue := record.Request{Kind: "issue", ID: "acme/payments#42", URL: "https://github.com/acme/payments/issues/42", Title: "Login fails", State: "open", Author: "mona", AuthorID: "21", AuthorType: "human", OpenedAt: at(3, 0)}
	assigned := issue
	assigned.Author, assigned.AuthorID = "ana", ""
	asked := record.Request{Kind: "request", ID: issue.ID, URL: issue.URL, Title: "@copilot fix this", Author: "bo", AuthorID: "4", AuthorType: "human", OpenedAt: at(3, 40)}
	comment := func(body string) string {
		return `,"comment":{"body":"` + body + `","user":{"id":4,"login":"bo","type":"User"},"created_at":"2026-03-01T03:40:00Z","updated_at":"2026-03-01T03:40:00Z"}`
	}
	for _, c := range []struct {
		event, body string
		at          time.Time
		want        record.Fact
	}{
		{"issues.opened", githubIssueEvent("opened", ""), at(3, 0), &issue},
		{"issues.labeled", githubIssueEvent("labeled", `,"label":{"name":"agent"}`), at(3, 30), &issue},
		{"issues.assigned", githubIssueEvent("assigned", `,"assignee":{"login":"Copilot","type":"Bot"}`), at(3, 30), &assigned},
		{"issue_comment.created", githubIssueEvent("created", comment(`@copilot fix this\nplease`)), at(3, 40), &asked},
		{"issue_comment.created", githubIssueEvent("created", comment("it fails here, too")), at(3, 40), &record.Activity{Summary: "issue_comment created"}},
	} {
		if diff := cmp.Diff(Reading{Repository: "github.com/acme/payments", Time: c.at, Fact: c.want}, read(t, "com.github."+c.event, c.body)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.event, diff)
		}
		kind, _, _ := strings.Cut(c.event, ".")
		if name, err := GitHubType(kind, []byte(c.body)); err != nil || name != "com.github."+c.event {
			t.Errorf("%s is taken for %s, %v", c.event, name, err)
		}
	}
	if name, err := GitHubType("issues", []byte(githubIssueEvent("created", comment("x")))); err == nil {
		t.Errorf("a comment that is called an issue is taken for %s", name)
	}
}

func gitlabIssueEvent(kind, action, attributes, more string) string {
	return `{"object_kind":"` + kind + `","user":{"id":42,"username":"ana"},"project":{"id":7,"web_url":"https://gitlab.com/g/p","path_with_namespace":"g/p"},"object_attributes":{"iid":23,"action":"` + action + `","state":"opened","title":"Login fails","url":"https://gitlab.com/g/p/-/issues/23","created_at":"2026-03-01T03:00:00Z","updated_at":"2026-03-01T03:30:00Z"` + attributes + `}` + more + `}`
}

func TestIssuesOfGitLab(t *testing.T) {
	issue := record.Request{Kind: "issue", ID: "g/p#23", URL: "https://gitlab.com/g/p/-/issues/23", Title: "Login fails", State: "open", OpenedAt: at(3, 0)}
	by := func(kind, author, id string) *record.Request {
		f := issue
		f.Kind, f.Author, f.AuthorID = kind, author, id
		if author != "" {
			f.AuthorType = "human"
		}
		return &f
	}
	for _, c := range []struct {
		name, event, body string
		at                time.Time
		want              record.Fact
	}{
		{"it is opened by its author", "issue.open", gitlabIssueEvent("issue", "open", `,"author_id":42,"type":"Issue"`, ""), at(3, 0), by("issue", "ana", "42")},
		{"somebody else updates it", "issue.update", gitlabIssueEvent("issue", "update", `,"author_id":51`, `,"changes":{"title":{}}`), at(3, 30), by("issue", "", "51")},
		{"somebody gives it to an account", "issue.update", gitlabIssueEvent("issue", "update", `,"author_id":51`, `,"changes":{"assignees":{"previous":[],"current":[{"username":"pilot"}]}}`), at(3, 30), by("issue", "ana", "42")},
		{"an incident", "work_item.open", gitlabIssueEvent("work_item", "open", `,"author_id":42,"type":"Incident"`, ""), at(3, 0), by("incident", "ana", "42")},
		{
			"a note that asks somebody", "note.create", gitlabIssueEvent("note", "create", `,"noteable_type":"Issue","note":"@pilot fix this"`, `,"issue":{"iid":23}`), at(3, 0),
			&record.Request{Kind: "request", ID: "g/p#23", URL: issue.URL, Title: "@pilot fix this", Author: "ana", AuthorID: "42", AuthorType: "human", OpenedAt: at(3, 0)},
		},
		{"another note", "note.create", gitlabIssueEvent("note", "create", `,"noteable_type":"Issue","note":"I see"`, `,"issue":{"iid":23}`), at(3, 0), &record.Activity{Summary: "note create"}},
	} {
		if diff := cmp.Diff(Reading{Repository: "gitlab.com/g/p", Time: c.at, Fact: c.want, Named: Named{ID: "gitlab.com#7"}}, read(t, "com.gitlab."+c.event, c.body)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.name, diff)
		}
		if name, err := GitLabType("Issue Hook", []byte(c.body)); err != nil || name != "com.gitlab."+c.event {
			t.Errorf("%s is taken for %s, %v", c.name, name, err)
		}
	}
}

// jiraEventOf is an event about PAY-12 of Jira Cloud.
func jiraEventOf(event, status, more string) string {
	return `{"timestamp":1772337600000,"webhookEvent":"` + event + `","user":{"accountId":"557058:ana","displayName":"Ana P","accountType":"atlassian"},"issue":{"id":"10019","self":"https://acme.atlassian.net/rest/api/2/10019","key":"PAY-12","fields":{"summary":"Login fails","created":"2026-03-01T04:00:00.610+0100","issuetype":{"name":"Bug"},"status":{"statusCategory":{"key":"` + status + `"}},"creator":{"accountId":"557058:mona","displayName":"Mona L","emailAddress":"mona@acme.example","accountType":"atlassian"}}}` + more + `}`
}

func TestJira(t *testing.T) {
	const repo = record.Repository("github.com/acme/payments")
	ticket := record.Request{Kind: "ticket", ID: "PAY-12", URL: "https://acme.atlassian.net/browse/PAY-12", Title: "Login fails", State: "open", Author: "mona@acme.example", AuthorID: "557058:mona", AuthorType: "human", OpenedAt: at(3, 0).Add(610 * time.Millisecond)}
	done, assigned := ticket, ticket
	done.State = "closed"
	assigned.Author, assigned.AuthorID = "Ana P", "557058:ana"
	asked := record.Request{Kind: "request", ID: "PAY-12", URL: ticket.URL, Title: "[~accountid:9] fix this", Author: "Ana P", AuthorID: "557058:ana", AuthorType: "human", OpenedAt: at(3, 50)}
	comment := func(body string) string {
		return `,"comment":{"body":"` + body + `","created":"2026-03-01T03:50:00.000+0000","author":{"accountId":"557058:ana","displayName":"Ana P","accountType":"atlassian"}}`
	}
	for _, c := range []struct {
		event, body string
		want        record.Fact
	}{
		{"issue_created", jiraEventOf("jira:issue_created", "new", ""), &ticket},
		{"issue_updated", jiraEventOf("jira:issue_updated", "done", `,"changelog":{"items":[{"field":"status"}]}`), &done},
		{"issue_updated", jiraEventOf("jira:issue_updated", "new", `,"changelog":{"items":[{"field":"assignee"}]}`), &assigned},
		{"comment_created", jiraEventOf("comment_created", "new", comment("[~accountid:9] fix this")), &asked},
		{"comment_created", jiraEventOf("comment_created", "new", comment("I see")), &record.Activity{Summary: "jira comment_created"}},
		{"sprint_started", `{"timestamp":1772337600000,"webhookEvent":"sprint_started"}`, &record.Activity{Summary: "jira sprint_started"}},
	} {
		got, err := Read("com.atlassian.jira."+c.event, []byte(c.body), repo)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(Reading{Repository: repo, Time: at(4, 0), Fact: c.want}, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.event, diff)
		}
		if name, project, err := JiraType([]byte(c.body)); err != nil || name != "com.atlassian.jira."+c.event || (project != "PAY") != (c.event == "sprint_started") {
			t.Errorf("%s is taken for %s of %s, %v", c.event, name, project, err)
		}
	}
	if _, err := Read("com.atlassian.jira.issue_created", []byte(jiraEventOf("jira:issue_created", "new", "")), ""); !errors.Is(err, ErrUnreadable) {
		t.Errorf("for no repository: %v", err)
	}
	if _, err := Read("com.atlassian.jira.issue_created", []byte(jiraEventOf("jira:issue_deleted", "new", "")), repo); !errors.Is(err, ErrUnreadable) {
		t.Errorf("a type that the data is not of: %v", err)
	}
	if _, _, err := JiraType([]byte(`{"issue":{}}`)); !errors.Is(err, ErrUnreadable) {
		t.Errorf("no event: %v", err)
	}
}

// TestAlertsAreNamedAsAlerts: a decision names an alert by its page or by kind and number.
func TestAlertsAreNamedAsAlerts(t *testing.T) {
	body := payload(`"action":"created","alert":{"number":7,"html_url":"https://github.com/acme/payments/security/dependabot/7","security_advisory":{"ghsa_id":"GHSA-1"},"updated_at":"2026-03-01T03:49:00Z"}`)
	if f, ok := read(t, "com.github.dependabot_alert.created", body).Fact.(*record.Scan); !ok || !f.Alert || f.ScanID != "dependabot/7" {
		t.Errorf("it is read as %+v", f)
	}
}
