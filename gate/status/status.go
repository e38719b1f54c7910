package status

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

// The states of a status. Only success lets a change be merged.
const (
	Success = "success"
	Failure = "failure" // denied
	Pending = "pending" // denied, until a person gives something or a check ends
	Error   = "error"   // the gate cannot tell
)

// A Status is what a host shows at a commit.
type Status struct {
	State  string
	Says   string // in a few words; see [maxSays]
	Target string // URL of the page with more; may be empty
}

// maxSays is how many characters GitHub accepts as the description of a status.
const maxSays = 140

// A Place is where a host shows one status: at a commit of a repository, or of a change if each
// change has its own.
type Place struct {
	Repository record.Repository
	Number     string // of the change; empty if all changes with the commit share the status
	Commit     string // with all its digits
}

// A Host shows statuses at one code host. Its requests go to the address in its settings, and nowhere
// else. Several goroutines may use it.
type Host interface {
	// Name names the host in logs.
	Name() string
	// Place returns where the status of a change is shown; ok is false if the change is not at this
	// host.
	Place(id record.ChangeID, commit string) (at Place, ok bool)
	// Shows reports whether a status is the newest one at a place.
	Shows(ctx context.Context, at Place, s Status) (bool, error)
	// Show lets the host show a status. After an error that is a [RefusedError] or a [LaterError] it
	// does not; after any other it may.
	Show(ctx context.Context, at Place, s Status) error
}

// A RefusedError says that a host did not do what it was asked.
type RefusedError struct {
	Status int // of HTTP; 0 if nothing was sent
	Says   string
}

func (r *RefusedError) Error() string {
	if r.Status == 0 { // nothing was sent
		return r.Says
	}
	return fmt.Sprintf("HTTP %d: %s", r.Status, r.Says)
}

// A LaterError says that a host takes no requests before a time.
type LaterError struct {
	At  time.Time
	Why error
}

func (l *LaterError) Error() string {
	return fmt.Sprintf("the host takes no requests before %s: %v", l.At.UTC().Format(time.RFC3339), l.Why)
}

// Unwrap returns what the host said.
func (l *LaterError) Unwrap() error { return l.Why }

// refused reports whether an error says that the host surely did not do what it was asked.
func refused(err error) bool {
	var r *RefusedError
	var l *LaterError
	return errors.As(err, &r) || errors.As(err, &l)
}

// of returns the status that says what the gate decided.
func of(d gate.Decision, target string) Status {
	s := Status{State: stateOf(d), Target: target}
	if s.State == Success {
		s.Says = clip("Allowed: " + strings.Join(d.Reasons, " "))
		return s
	}
	var missing []string
	for _, m := range d.Missing {
		missing = append(missing, m.Give())
	}
	if len(missing) > 0 {
		s.Says = clip("Missing: " + strings.Join(missing, "; ") + ".")
		return s
	}
	s.Says = clip("Denied: " + strings.Join(d.Reasons, " "))
	return s
}

func stateOf(d gate.Decision) string {
	if d.Allowed {
		return Success
	}
	waits := len(d.Missing) > 0
	for _, c := range d.Checks {
		switch c.State {
		case "success":
		case policy.CheckMissing:
			waits = true
		default:
			return Failure
		}
	}
	if waits && d.Verdict != record.Forbidden {
		return Pending
	}
	return Failure
}

// graver reports whether a says more against a merge than b.
func graver(a, b Status) bool {
	order := []string{Success, Pending, Failure, Error}
	return slices.Index(order, a.State) > slices.Index(order, b.State)
}

// cannotTell returns the status while the gate does not know.
func cannotTell(target string) Status {
	return Status{State: Error, Says: "The gate cannot tell whether this may be merged. It will say so as soon as it can.", Target: target}
}

// clip cuts a text to what every host accepts.
func clip(s string) string {
	if utf8.RuneCountInString(s) <= maxSays {
		return s
	}
	return strings.TrimRight(string([]rune(s)[:maxSays-1]), " ") + "…"
}
