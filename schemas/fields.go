package schemas

import (
	"fmt"

	"github.com/go-json-experiment/json"
)

// A Field is an entry of the mapping of a document.
type Field struct {
	Name      string // with the names of the objects that it is in
	Type      string // of the search engines; empty for an object that is not nested
	Nested    string // path of the list of nested objects that it belongs to, or empty
	Object    bool   // it has fields of its own
	Stored    bool   // it is only stored: the engines do not read it
	Indexed   bool   // it can be searched
	DocValues bool   // the mapping does not turn them off
}

// A property is one entry of a mapping, as it is written.
type property struct {
	Type       string              `json:"type"`
	Enabled    *bool               `json:"enabled"`
	Index      *bool               `json:"index"`
	DocValues  *bool               `json:"doc_values"`
	Properties map[string]property `json:"properties"`
}

// Fields returns all entries of the mapping of a document, event, finding or record, in no order.
func Fields(document string) ([]Field, error) {
	text, err := Mapping(OpenSearch, document)
	if err != nil {
		return nil, err
	}
	var m property
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("mapping of document %s: %w", document, err)
	}
	return m.fields(nil, "", ""), nil
}

// fields appends the entries below p.
func (p property) fields(to []Field, prefix, nested string) []Field {
	for name, below := range p.Properties {
		f := Field{
			Name: prefix + name, Type: below.Type, Nested: nested, Object: below.Properties != nil,
			Stored: isOff(below.Enabled), Indexed: !isOff(below.Index), DocValues: !isOff(below.DocValues),
		}
		to = append(to, f)
		within := nested
		if f.Type == "nested" {
			within = f.Name
		}
		to = below.fields(to, f.Name+".", within)
	}
	return to
}

func isOff(setting *bool) bool { return setting != nil && !*setting }
