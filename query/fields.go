package query

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/changetrail/changetrail/internal/nearest"
	"github.com/changetrail/changetrail/schemas"
)

// A Kind says how values of a field are compared.
type Kind int

// Kinds of fields.
const (
	Keyword Kind = iota // the whole value, exactly
	Text                // word by word, ignoring case
	Date                // in milliseconds since 1970
	Number
	Boolean
)

// A Field is a field of a record that can be searched.
type Field struct {
	Name   string
	Kind   Kind
	Nested string // path of the list of objects that it belongs to, or empty
	Single bool   // a number that search engines store, and compare, with 32 bits
}

// Fields are the fields of an index, by name.
type Fields map[string]Field

// RecordFields returns the searchable fields of a change record, from the mapping of the search
// engines.
func RecordFields() (Fields, error) { return FieldsOf("record") }

// FieldsOf returns the searchable fields of a document: event, finding or record.
func FieldsOf(document string) (Fields, error) {
	mapped, err := schemas.Fields(document)
	if err != nil {
		return nil, err
	}
	out := make(Fields)
	for _, f := range mapped {
		if f.Object || f.Stored {
			continue
		}
		kind, ok := kinds[f.Type]
		if !ok {
			return nil, fmt.Errorf("mapping: field %s has type %q, which searches do not support", f.Name, f.Type)
		}
		if f.Indexed {
			out[f.Name] = Field{f.Name, kind, f.Nested, f.Type == "float"}
		}
	}
	return out, nil
}

// RecordColumns returns the fields of a record that can be shown: those that can be searched, and
// those that are only stored.
func RecordColumns() (Fields, error) {
	mapped, err := schemas.Fields("record")
	if err != nil {
		return nil, err
	}
	out := make(Fields)
	for _, f := range mapped {
		out[f.Name] = Field{Name: f.Name, Kind: kinds[f.Type]}
	}
	return out, nil
}

var kinds = map[string]Kind{
	"keyword": Keyword, "text": Text, "date": Date, "long": Number, "integer": Number, "float": Number, "double": Number, "boolean": Boolean,
}

// Names returns the names of the fields, sorted.
func (f Fields) Names() []string { return slices.Sorted(maps.Keys(f)) }

// Unknown returns the message that a field does not exist, with the name that may be meant.
func (f Fields) Unknown(name string) string {
	if meant := f.closest(name); meant != "" {
		return "there is no field " + name + "; did you mean " + meant + "?"
	}
	return "there is no field " + name + "; put a text with a colon in quotes"
}

// closest returns the field most likely meant by a name, or "" if none is close.
func (f Fields) closest(name string) string {
	if other := otherNames[strings.ToLower(name)]; f[other].Name != "" {
		return other
	}
	return nearest.Name(name, f.Names())
}

// otherNames maps other words for fields to their names.
var otherNames = map[string]string{
	"agent": "gen_ai.agent.id", "model": "gen_ai.request.model", "service": "service.name", "tag": "tags", "control": "tags", "controls": "tags",
	"cve": "vulnerability.id", "ghsa": "vulnerability.id", "vulnerability": "vulnerability.id", "finding": "changetrail.trigger.finding", "severity": "changetrail.trigger.severity",
	"author": "changetrail.change.author", "repo": "changetrail.change.repository", "repository": "changetrail.change.repository", "title": "changetrail.change.title",
	"state": "changetrail.change.state", "status": "changetrail.change.state", "commit": "changetrail.change.head_sha", "sha": "changetrail.change.head_sha",
	"reviewer": "changetrail.review.reviewers", "approver": "changetrail.review.approvers", "env": "changetrail.environment",
	"package": "package.name", "user": "related.user", "id": "changetrail.change.id", "number": "changetrail.change.number", "date": "@timestamp", "time": "@timestamp",
}

// Defaults are the fields that are searched for words without a field.
var Defaults = []string{
	"message", "changetrail.change.title", "changetrail.trigger.summary", "changetrail.decision.rationale", "vulnerability.description",
	"changetrail.change.id", "changetrail.change.repository", "changetrail.change.other_ids", "changetrail.change.other_names", "changetrail.change.number", "changetrail.change.head_sha", "changetrail.change.merge_sha",
	"changetrail.gaps", "gen_ai.agent.id", "package.name", "related.user", "service.name", "tags", "user.name", "vulnerability.id",
}
