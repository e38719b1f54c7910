package platform

import (
	"cmp"
	"net/url"
	"strings"
	"time"

	"github.com/changetrail/changetrail/record"
)

// jiraEvent is the part of a webhook of Jira that is read
// (https://developer.atlassian.com/cloud/jira/platform/webhooks/).
type jiraEvent struct {
	Event     string       `json:"webhookEvent"`
	Timestamp int64        `json:"timestamp"` // milliseconds
	User      *jiraAccount `json:"user"`
	Issue     *struct {
		Self   string `json:"self"`
		Key    string `json:"key"`
		Fields struct {
			Summary string       `json:"summary"`
			Created jiraTime     `json:"created"`
			Creator *jiraAccount `json:"creator"`
			Type    struct {
				Name string `json:"name"`
			} `json:"issuetype"`
			Status struct {
				Category struct {
					Key string `json:"key"`
				} `json:"statusCategory"`
			} `json:"status"`
		} `json:"fields"`
	} `json:"issue"`
	Changelog struct {
		Items []struct {
			Field string `json:"field"`
		} `json:"items"`
	} `json:"changelog"`
	Comment *struct {
		Body    any          `json:"body"` // a text, or a document
		Author  *jiraAccount `json:"author"`
		Created jiraTime     `json:"created"`
	} `json:"comment"`
}

// jiraAccount is an account: Jira Cloud has ids, Jira Data Center names.
type jiraAccount struct {
	ID    string `json:"accountId"`
	Type  string `json:"accountType"`
	Name  string `json:"name"`
	Mail  string `json:"emailAddress"`
	Shown string `json:"displayName"`
}

// jiraTime is a time in Jira's form, which has an offset without a colon.
type jiraTime struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler. Anything that is not a time becomes the zero time.
func (t *jiraTime) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	for _, form := range []string{"2006-01-02T15:04:05.999-0700", time.RFC3339Nano} {
		if at, err := time.Parse(form, text); err == nil {
			t.Time = at.UTC()
			return nil
		}
	}
	return nil
}

// JiraType returns the type of the event in a webhook's body, and the key of the project of its
// issue (PAY for PAY-12), or "" if it is about no issue.
func JiraType(body []byte) (eventType, project string, err error) {
	var j jiraEvent
	if err := decode(body, &j); err != nil {
		return "", "", err
	}
	name := strings.TrimPrefix(j.Event, "jira:")
	if name == "" {
		return "", "", unreadable("the Jira event is unknown: the body has no webhookEvent")
	}
	if j.Issue != nil {
		if j.Issue.Key == "" {
			return "", "", unreadable("an issue of Jira without key")
		}
		project = j.Issue.Key[:max(0, strings.LastIndexByte(j.Issue.Key, '-'))]
	}
	return jira + name, project, nil
}

// readJira reads an event about an issue, for the repository in which the work on it is done. Jira
// does not know it.
func readJira(event string, data []byte, repository record.Repository) (Reading, error) {
	var j jiraEvent
	if err := decode(data, &j); err != nil {
		return Reading{}, err
	}
	if kind := strings.TrimPrefix(j.Event, "jira:"); kind != event {
		return Reading{}, unreadable("the type says %s, but the data is that of %s", event, orUnknown(kind))
	}
	r := Reading{Repository: repository, Fact: noted("jira %s", event)}
	if j.Timestamp > 0 {
		r.Time = time.UnixMilli(j.Timestamp).UTC()
	}
	if repository == "" {
		return r, unreadable("an event of Jira names no repository; set gateway.jira_projects to the repositories of its project")
	}
	if j.Issue == nil {
		return r, nil
	}
	if j.Issue.Key == "" {
		return r, unreadable("an issue of Jira without key")
	}
	switch event {
	case "issue_created", "issue_updated", "issue_deleted":
		r.Fact = j.issue(event)
	case "comment_created", "comment_updated":
		if f := j.asked(); f != nil {
			r.Fact = f
		}
	}
	return r, nil
}

// issue returns an issue as a request of its author, or of whoever assigned it.
func (j *jiraEvent) issue(event string) *record.Request {
	fields := j.Issue.Fields
	f := j.request("ticket", fields.Creator)
	f.Title, f.OpenedAt = fields.Summary, fields.Created.Time
	f.State = openOr(event == "issue_deleted" || fields.Status.Category.Key == "done")
	if strings.Contains(strings.ToLower(fields.Type.Name), "incident") {
		f.Kind = "incident"
	}
	for _, item := range j.Changelog.Items {
		if item.Field == "assignee" {
			j.User.into(f)
		}
	}
	return f
}

// asked returns a comment that asks somebody to do something, or nil. Jira writes a mention as
// [~accountid:…].
func (j *jiraEvent) asked() *record.Request {
	if j.Comment == nil {
		return nil
	}
	body, _ := j.Comment.Body.(string)
	if !strings.HasPrefix(strings.TrimSpace(body), "[~") && !asksSomebody.MatchString(body) {
		return nil
	}
	f := j.request("request", j.Comment.Author)
	f.Title, f.OpenedAt = subject(body), j.Comment.Created.Time
	return f
}

func (j *jiraEvent) request(kind string, who *jiraAccount) *record.Request {
	f := &record.Request{Kind: kind, ID: j.Issue.Key}
	if site, _, ok := strings.Cut(j.Issue.Self, "/rest/"); ok {
		if u, err := url.Parse(site); err == nil && u.Host != "" {
			f.URL = site + "/browse/" + j.Issue.Key
		}
	}
	who.into(f)
	return f
}

// into makes an account the author of a request. If Jira shows its mail address, other systems may
// know the account by that.
func (a *jiraAccount) into(f *record.Request) {
	if a == nil {
		return
	}
	f.Author, f.AuthorID = cmp.Or(a.Name, a.Mail, a.Shown, a.ID), a.ID
	f.AuthorType = map[string]string{"atlassian": "human", "app": "bot"}[a.Type]
}
