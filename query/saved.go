package query

import (
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/changetrail/changetrail/internal/mistake"
	"github.com/changetrail/changetrail/internal/nearest"
	"github.com/changetrail/changetrail/internal/strictyaml"
	"github.com/changetrail/changetrail/record"
)

//go:embed queries.yaml
var builtIn []byte

// A Saved is a saved query: one with a name.
type Saved struct {
	Name     string `yaml:"name"`
	Title    string `yaml:"title"`
	Question string `yaml:"question"` // what it answers, for people
	Query    string `yaml:"query"`
	// Columns are the fields that a list of its results shows, and Sort the field that orders it, with
	// a minus for descending. Without them a list has [Columns] and shows the newest first.
	Columns []string `yaml:"columns"`
	Sort    string   `yaml:"sort"`
}

// Columns returns the fields that a list of records shows, beside its time.
func Columns() []string {
	return []string{
		"changetrail.change.id", "service.name", "gen_ai.agent.id", "changetrail.answers.trigger", "changetrail.answers.alternatives", "changetrail.answers.authorized",
		"changetrail.answers.reviewed", "changetrail.gaps",
	}
}

// BuiltIn returns the saved queries that are part of changetrail.
func BuiltIn() ([]Saved, error) { return ParseSaved(builtIn) }

// OfControls returns a saved query for each framework and each control of a matrix.
func OfControls(matrix []record.ResolvedControl) (out []Saved) {
	columns := append(Columns(), "changetrail.control.missing")
	add := func(kind, name, title, field, value string) {
		name = kind + "-" + strings.Trim(notInNames.ReplaceAllString(strings.ToLower(name), "-"), "-")
		if _, twice := Find(out, name); !twice && nameForm.MatchString(name) {
			out = append(out, Saved{Name: name, Title: title, Question: "Which changes are in its scope, and what evidence do they lack?", Query: field + ":" + Quote(value), Columns: columns})
		}
	}
	for _, c := range matrix {
		if c.Framework != "" {
			add("framework", c.Framework, "Changes in the scope of "+c.Framework, "changetrail.control.frameworks", c.Framework)
		}
	}
	for _, c := range matrix {
		title := "Control " + c.Tag
		if c.Title != "" {
			title += ": " + c.Title
		}
		add("control", c.Tag, title, "tags", c.Tag)
	}
	return out
}

var notInNames = regexp.MustCompile(`[^a-z0-9.]+`)

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
	columns, err := RecordColumns()
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
		for _, field := range q.fields() {
			if _, known := columns[field]; !known {
				errs = append(errs, mistake.At(at, "%s: %s", q.Name, columns.Unknown(field)))
			}
		}
	}
	return file.Queries, strictyaml.Locate(text, errors.Join(errs...))
}

// fields are the fields by which a list of the results is shown.
func (q Saved) fields() []string {
	if q.Sort == "" {
		return q.Columns
	}
	return append([]string{strings.TrimPrefix(q.Sort, "-")}, q.Columns...)
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
