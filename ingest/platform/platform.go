package platform

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
)

// A Reading is what one event says.
type Reading struct {
	Repository record.Repository // empty where the event names none
	Change     record.ChangeID   // empty where the event names a commit, or nothing
	Time       time.Time         // zero where the event does not say when
	Fact       record.Fact

	Named // by a code host
}

// Named is how a code host names the repository of an event: its identity there
// ([record.RepositoryID]), and the name that it had until now, where the event says that it was
// renamed or transferred.
type Named struct {
	ID     string
	Former record.Repository
}

// A Conflict is the error for data that name two changes or two repositories.
type Conflict struct {
	First, Second string
	Repositories  []record.Repository
}

func (c *Conflict) Error() string { return "the event names " + c.First + " and " + c.Second }

// Errors that tell what kind of wrong an event is.
var (
	ErrUnreadable = errors.New("the event cannot be read")
	ErrNotAChange = errors.New("the event names no change")
	// ErrNoRepository reports an event of an organisation, a group or a whole host, of
	// a kind that says nothing of a change.
	ErrNoRepository = errors.New("the event names no repository")
)

func unreadable(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrUnreadable}, args...)...)
}

// First parts of the types that are read.
const (
	github  = "com.github."
	gitlab  = "com.gitlab."
	jira    = "com.atlassian.jira."
	cdevent = "dev.cdevents."
)

// Reads reports whether events of a type are read here.
func Reads(eventType string) bool {
	return strings.HasPrefix(eventType, github) || strings.HasPrefix(eventType, gitlab) || strings.HasPrefix(eventType, jira) || strings.HasPrefix(eventType, cdevent)
}

// Read reads the data of an event. repository is what its envelope says that it is
// about, for events that do not say it themselves; it may be empty. What the data
// state stands, whatever the envelope says.
func Read(eventType string, data []byte, repository record.Repository) (Reading, error) {
	switch {
	case strings.HasPrefix(eventType, github):
		event, _, _ := strings.Cut(strings.TrimPrefix(eventType, github), ".")
		return readGitHub(event, data)
	case strings.HasPrefix(eventType, gitlab):
		event, _, _ := strings.Cut(strings.TrimPrefix(eventType, gitlab), ".")
		return readGitLab(event, data)
	case strings.HasPrefix(eventType, jira):
		return readJira(strings.TrimPrefix(eventType, jira), data, repository)
	case strings.HasPrefix(eventType, cdevent):
		return readCDEvent(data, repository)
	}
	return Reading{}, unreadable("type %q is none of GitHub's, GitLab's, Jira's or CDEvents'", eventType)
}

// decode reads JSON into v. Platforms cut long texts in the middle of a character.
func decode(data []byte, v any) error {
	if err := json.Unmarshal(data, v, jsontext.AllowInvalidUTF8(true)); err != nil {
		return unreadable("%v", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// repositoryAt returns the repository at the address of its page.
func repositoryAt(address string) record.Repository {
	repo, err := record.ParseRepository(address)
	if err != nil {
		return ""
	}
	return repo
}

// commit returns sha, or nothing where it is none, as for a branch that is gone.
func commit(sha string) string {
	if !record.IsCommit(sha) || strings.Trim(sha, "0") == "" {
		return ""
	}
	return strings.ToLower(sha)
}

// noted is an event that is kept and tells a record nothing.
func noted(format string, args ...any) *record.Noted {
	return &record.Noted{Summary: brief(fmt.Sprintf(format, args...), 1024)}
}

// brief cuts s to at most n bytes, at the beginning of a character.
func brief(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// subject is the first line of a commit message.
func subject(message string) string {
	first, _, _ := strings.Cut(message, "\n")
	return brief(strings.TrimSpace(first), 512)
}

// host returns the host of an address.
func host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// conclusions in the words of code hosts and CI systems.
var conclusions = map[string]string{
	"success": "success", "passed": "success", "pass": "success",
	"failure": "failure", "failed": "failure", "fail": "failure",
	"error": "error", "startup_failure": "error", "action_required": "error", // it did not pass
	"cancelled": "cancelled", "canceled": "cancelled", "cancel": "cancelled", "stale": "cancelled",
	"skipped": "skipped", "neutral": "neutral", "timed_out": "timed-out",
	"manual": "waiting", // GitLab: for a person
}
