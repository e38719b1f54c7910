package query

import (
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/changetrail/changetrail/internal/strictyaml"
)

//go:embed queries.yaml
var builtIn []byte

// A Saved query is one that has a name.
type Saved struct {
	Name     string `yaml:"name"`
	Title    string `yaml:"title"`
	Question string `yaml:"question"` // what it answers, for people
	Query    string `yaml:"query"`
}

// BuiltIn returns the saved queries that come with changetrail.
func BuiltIn() ([]Saved, error) { return ParseSaved(builtIn) }

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,63}$`)

// ParseSaved reads queries.yaml and checks each query.
func ParseSaved(text []byte) ([]Saved, error) {
	var file struct {
		Queries []Saved `yaml:"queries"`
	}
	if err := strictyaml.Decode(text, &file); err != nil {
		return nil, fmt.Errorf("queries: %w", err)
	}
	fields, err := RecordFields()
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool)
	var errs []error
	for i, q := range file.Queries {
		switch {
		case !nameForm.MatchString(q.Name):
			errs = append(errs, fmt.Errorf("queries: number %d has the name %q; small letters, digits, dots and dashes, at most 64", i+1, q.Name))
		case seen[q.Name]:
			errs = append(errs, fmt.Errorf("queries: two are named %s", q.Name))
		}
		seen[q.Name] = true
		if _, err := Parse(q.Query, fields, time.Now()); err != nil {
			errs = append(errs, fmt.Errorf("queries: %s: %w", q.Name, err))
		}
	}
	return file.Queries, errors.Join(errs...)
}

// Find returns the query with a name.
func Find(saved []Saved, name string) (Saved, bool) {
	for _, q := range saved {
		if q.Name == name {
			return q, true
		}
	}
	return Saved{}, false
}
