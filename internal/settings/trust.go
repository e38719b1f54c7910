package settings

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// A Trust says which witness unsigned events from some sources have. It is for operators of a Kafka
// cluster to which nobody else can write.
type Trust struct {
	Source  string   `yaml:"source"`  // pattern: * is any text without /, and /** at the end all that follows
	As      string   `yaml:"as"`      // observed, human or signed
	May     []string `yaml:"may"`     // kinds of facts, where it is observed; all where empty
	History bool     `yaml:"history"` // its events may state when they arrived
}

// observed is a word of record, which is too heavy to import here.
const observed = "observed"

// Check returns an error that says what is wrong with t, or nil.
func (t Trust) Check() error {
	var errs []error
	if _, err := path.Match(t.Source, ""); err != nil || t.Source == "" {
		errs = append(errs, fmt.Errorf("source %q is not a pattern, for example /jenkins/*", t.Source))
	}
	if !slices.Contains([]string{observed, "human", "signed"}, t.As) {
		errs = append(errs, fmt.Errorf("as is %q; set observed, human or signed", t.As))
	}
	if err := CheckKinds(t.May); err != nil {
		errs = append(errs, err)
	}
	if len(t.May) > 0 && t.As != observed {
		errs = append(errs, errors.New("may is only allowed with as: observed"))
	}
	return errors.Join(errs...)
}

// Covers reports whether t applies to a source.
func (t Trust) Covers(source string) bool {
	if ok, _ := path.Match(t.Source, source); ok {
		return true
	}
	group, ok := strings.CutSuffix(t.Source, "**")
	return ok && (group == "" || strings.HasSuffix(group, "/") && strings.HasPrefix(source, group))
}
