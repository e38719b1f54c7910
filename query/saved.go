package query

import (
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/changetrail/changetrail/internal/mistake"
	"github.com/changetrail/changetrail/internal/nearest"
	"github.com/changetrail/changetrail/internal/strictyaml"
)

//go:embed queries.yaml
var builtIn []byte

// A Saved is a saved query: one with a name.
type Saved struct {
	Name     string `yaml:"name"`
	Title    string `yaml:"title"`
	Question string `yaml:"question"` // what it answers, for people
	Query    string `yaml:"query"`
}

// BuiltIn returns the saved queries that are part of changetrail.
func BuiltIn() ([]Saved, error) { return ParseSaved(builtIn) }

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,63}$`)

// ParseSaved reads queries.yaml and checks each query.
func ParseSaved(text []byte) ([]Saved, error) {
	var file struct {
		Queries []Saved `yaml:"queries"`
	}
	if err := strictyaml.Decode(text, &file); err != nil {
		return nil, err
	}
	fields, err := RecordFields()
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool)
	var errs []error
	for i, q := range file.Queries {
		at := fmt.Sprintf("queries[%d]", i)
		switch {
		case !nameForm.MatchString(q.Name):
			errs = append(errs, mistake.At(at+".name", "%s: the name %q is not valid; use at most 64 lower-case letters, digits, dots and dashes", at, q.Name))
		case seen[q.Name]:
			errs = append(errs, mistake.At(at+".name", "%s: another query has the name %s", at, q.Name))
		}
		seen[q.Name] = true
		if _, err := Parse(q.Query, fields, time.Now()); err != nil {
			errs = append(errs, mistake.At(at+".query", "%s: %v", q.Name, err))
		}
	}
	return file.Queries, strictyaml.Locate(text, errors.Join(errs...))
}

// Named returns the text of the saved query that text names, or text itself if it names none. The
// page, the command line and the API read searches with it.
func Named(text string, saved []Saved) string {
	if q, ok := Find(saved, text); ok {
		return q.Query
	}
	return text
}

// Closest returns the name of the saved query most likely meant by text, or "" if none is close.
func Closest(text string, saved []Saved) string {
	if !nameForm.MatchString(text) {
		return ""
	}
	var names []string
	for _, q := range saved {
		names = append(names, q.Name)
	}
	return nearest.Name(text, names)
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
