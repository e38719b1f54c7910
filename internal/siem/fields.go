package siem

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/schemas"
)

// A Field is a field of a data view, as both front ends store it.
type Field struct {
	Count        int      `json:"count"`
	Name         string   `json:"name"`
	Type         string   `json:"type"`
	ESTypes      []string `json:"esTypes"`
	Scripted     bool     `json:"scripted"`
	Searchable   bool     `json:"searchable"`
	Aggregatable bool     `json:"aggregatable"`
	DocValues    bool     `json:"readFromDocValues"`
	SubType      *SubType `json:"subType,omitempty"`
}

// A SubType says that a field belongs to a list of nested objects.
type SubType struct {
	Nested struct {
		Path string `json:"path"`
	} `json:"nested"`
}

// A mapping is one entry of the mapping of an index.
type mapping struct {
	Type       string             `json:"type"`
	Enabled    *bool              `json:"enabled"`
	Index      *bool              `json:"index"`
	DocValues  *bool              `json:"doc_values"`
	Properties map[string]mapping `json:"properties"`
}

// fieldsOf returns all fields of the documents with a mapping, and those that each document has.
func fieldsOf(name string) ([]Field, error) {
	text, err := schemas.Mapping(schemas.OpenSearch, name)
	if err != nil {
		return nil, err
	}
	var m mapping
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("mapping of %s: %w", name, err)
	}
	fields := []Field{
		{Name: "_id", Type: "string", ESTypes: []string{"_id"}, Searchable: true, Aggregatable: true},
		{Name: "_index", Type: "string", ESTypes: []string{"_index"}, Searchable: true, Aggregatable: true},
		{Name: "_score", Type: "number", ESTypes: []string{}},
		{Name: "_source", Type: "_source", ESTypes: []string{"_source"}},
	}
	if fields, err = m.fields(fields, "", ""); err != nil {
		return nil, err
	}
	slices.SortFunc(fields, func(a, b Field) int { return cmp.Compare(a.Name, b.Name) })
	return fields, nil
}

// types are the types of fields in the front ends, by those of the engines.
var types = map[string]string{"keyword": "string", "text": "string", "date": "date", "long": "number", "float": "number", "boolean": "boolean"}

// fields appends the fields below m. nested is the path of the list of objects that they belong to.
func (m mapping) fields(to []Field, prefix, nested string) ([]Field, error) {
	for name, p := range m.Properties {
		name = prefix + name
		switch {
		case p.Enabled != nil && !*p.Enabled: // kept, and unknown to the engine
		case p.Properties != nil:
			within := nested
			if p.Type == "nested" {
				within = name
			}
			var err error
			if to, err = p.fields(to, name+".", within); err != nil {
				return nil, err
			}
		default:
			typ, known := types[p.Type]
			if !known {
				return nil, fmt.Errorf("field %s has the type %q, for which data views have no type here", name, p.Type)
			}
			f := Field{Name: name, Type: typ, ESTypes: []string{p.Type}, Searchable: p.Index == nil || *p.Index}
			f.Aggregatable = p.Type != "text" && (p.DocValues == nil || *p.DocValues)
			f.DocValues = f.Aggregatable
			if nested != "" {
				f.SubType = new(SubType)
				f.SubType.Nested.Path = nested
			}
			to = append(to, f)
		}
	}
	return to, nil
}
