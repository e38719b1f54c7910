package ingest

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/changetrail/changetrail/ingest/platform"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/record"
)

// A Trust says as what events without a signature count that come from some sources: it is
// for operators of a Kafka cluster to which nobody else can write.
type Trust struct {
	Source  string   `yaml:"source"`  // pattern: * is any text without /, and /** at the end all that follows
	As      string   `yaml:"as"`      // observed, human or signed
	May     []string `yaml:"may"`     // kinds of facts, where it is observed; all where empty
	History bool     `yaml:"history"` // its events may state when they arrived
}

// Check returns an error that says what is wrong with t, nil where nothing is.
func (t Trust) Check() error {
	var errs []error
	if _, err := path.Match(t.Source, ""); err != nil || t.Source == "" {
		errs = append(errs, fmt.Errorf("source %q is no pattern, as /jenkins/*", t.Source))
	}
	if !slices.Contains([]string{record.Observed, record.Human, record.Signed}, t.As) {
		errs = append(errs, fmt.Errorf("as is %q; say observed, human or signed", t.As))
	}
	if err := identity.CheckKinds(t.May); err != nil {
		errs = append(errs, err)
	}
	if len(t.May) > 0 && t.As != record.Observed {
		errs = append(errs, errors.New("may is for what is observed"))
	}
	return errors.Join(errs...)
}

// covers reports whether t is about a source.
func (t Trust) covers(source string) bool {
	if ok, _ := path.Match(t.Source, source); ok {
		return true
	}
	group, ok := strings.CutSuffix(t.Source, "**")
	return ok && (group == "" || strings.HasSuffix(group, "/") && strings.HasPrefix(source, group))
}

// trusted returns the first rule about the source of an event without a signature, nil where
// there is none.
func (r Reader) trusted(source string) *Trust {
	for i := range r.Trust {
		if r.Trust[i].covers(source) {
			return &r.Trust[i]
		}
	}
	return nil
}

// unsigned returns the witness of an event without a signature. What webhooks alone may
// say is a claim without one: only a gateway verifies them.
func (r Reader) unsigned(e *Event) string {
	t := r.trusted(e.Source)
	if t == nil || platform.Webhook(e.Envelope.Type) != "" {
		return record.Claimed
	}
	if kind := kindOf(e.Fact); kind != "" && len(t.May) > 0 && !slices.Contains(t.May, kind) {
		return record.Claimed
	}
	return Worth(t.As, e.Fact)
}
