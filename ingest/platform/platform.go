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

// A Reading is the content of one event.
type Reading struct {
	Repository record.Repository // empty if the event names none
	Change     record.ChangeID   // empty if the event names a commit, or nothing
	Time       time.Time         // zero if the event states none
	Fact       record.Fact

	Named // by a code host
}

// Named is how a code host names the repository of an event: its identity there
// ([record.RepositoryID]), and its former name, if the event says that it was renamed or
// transferred.
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

// Errors that say what is wrong with an event.
var (
	ErrUnreadable = errors.New("the event cannot be read")
	ErrNotAChange = errors.New("the event names no change")
	// ErrNoRepository reports an event of an organization, a group or a whole host, of a kind that
	// is not about a change.
	ErrNoRepository = errors.New("the event names no repository")
)

func unreadable(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrUnreadable}, args...)...)
}

// Prefixes of the types that are read.
const (
	github  = "com.github."
	gitlab  = "com.gitlab."
	jira    = "com.atlassian.jira."
	cdevent = "dev.cdevents."
)

// Reads reports whether this package reads events of a type.
func Reads(eventType string) bool {
	return strings.HasPrefix(eventType, github) || strings.HasPrefix(eventType, gitlab) || strings.HasPrefix(eventType, jira) || strings.HasPrefix(eventType, cdevent)
}

// Read reads the data of an event. repository comes from the envelope, for events that do not name
// theirs; it may be empty. The repository in the data takes precedence.
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
	return Reading{}, unreadable("type %q is not a type of GitHub, GitLab, Jira or CDEvents", eventType)
}

// decode reads JSON into v. It accepts invalid UTF-8, since platforms cut long texts in the middle
// of a character.
func decode(data []byte, v any) error {
	if err := json.Unmarshal(data, v, jsontext.AllowInvalidUTF8(true)); err != nil {
		return unreadable("%v", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// repositoryAt returns the repository with that page address.
func repositoryAt(address string) record.Repository {
	repo, err := record.ParseRepository(address)
	if err != nil {
		return ""
	}
	return repo
}

// commit returns sha, or "" if it is not a commit, as for a deleted branch.
func commit(sha string) string {
	if !record.IsCommit(sha) || strings.Trim(sha, "0") == "" {
		return ""
	}
	return strings.ToLower(sha)
}

// noted returns an event that is stored but adds nothing to a record.
func noted(format string, args ...any) *record.Activity {
	return &record.Activity{Summary: brief(fmt.Sprintf(format, args...), 1024)}
}

// brief cuts s to at most n bytes, at the start of a character.
func brief(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// subject returns the first line of a commit message.
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

// conclusions maps the words of code hosts and CI systems.
var conclusions = map[string]string{
	"success": "success", "passed": "success", "pass": "success",
	"failure": "failure", "failed": "failure", "fail": "failure",
	"error": "error", "startup_failure": "error", "action_required": "error", // it did not pass
	"cancelled": "cancelled", "canceled": "cancelled", "cancel": "cancelled", "stale": "cancelled",
	"skipped": "skipped", "neutral": "neutral", "timed_out": "timed-out",
	"manual": "waiting", // GitLab: waits for a person
}
