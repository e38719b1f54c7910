package audit

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Question selects the changes of a population: those that were merged in a window of time.
type Question struct {
	From time.Time `json:"from"` // inclusive
	To   time.Time `json:"to"`   // exclusive
	// Environment, if it is not empty, is where the changes were deployed.
	Environment string `json:"environment,omitempty"`
	// Where narrows the changes further, in the language of searches.
	Where string `json:"where,omitempty"`
}

// Check returns what is wrong with a question that is asked at a time. A window that is not over
// would have another population tomorrow.
func (q Question) Check(now time.Time) error {
	switch {
	case q.From.IsZero() || q.To.IsZero():
		return errors.New("the window needs a beginning and an end")
	case !q.From.Before(q.To):
		return fmt.Errorf("the window ends at %s, which is not after its beginning %s", q.To.Format(time.RFC3339), q.From.Format(time.RFC3339))
	case q.To.After(now):
		return fmt.Errorf("the window ends at %s, which is in the future; its population is not complete yet", q.To.Format(time.RFC3339))
	}
	return nil
}

// Search is the question in the language of searches, without the environment: what was merged in
// the window and not deployed there is reported, too.
func (q Question) Search() string {
	text := fmt.Sprintf("changetrail.change.merged_at:[%s TO %s}", q.From.UTC().Format(time.RFC3339Nano), q.To.UTC().Format(time.RFC3339Nano))
	if q.Where != "" {
		text += " AND (" + q.Where + ")"
	}
	return text
}

// String is the question in words.
func (q Question) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "changes that were merged from %s to %s (UTC, the end is not included)", q.From.UTC().Format("2006-01-02 15:04:05"), q.To.UTC().Format("2006-01-02 15:04:05"))
	if q.Environment != "" {
		fmt.Fprintf(&b, ", and deployed to %s", q.Environment)
	}
	if q.Where != "" {
		fmt.Fprintf(&b, ", and match %s", q.Where)
	}
	return b.String()
}
