package siem

import (
	"cmp"
	"fmt"
	"slices"

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

// fieldsOf returns all fields of the documents with a mapping, and those that each document has.
func fieldsOf(name string) ([]Field, error) {
	mapped, err := schemas.Fields(name)
	if err != nil {
		return nil, err
	}
	fields := []Field{
		{Name: "_id", Type: "string", ESTypes: []string{"_id"}, Searchable: true, Aggregatable: true},
		{Name: "_index", Type: "string", ESTypes: []string{"_index"}, Searchable: true, Aggregatable: true},
		{Name: "_score", Type: "number", ESTypes: []string{}},
		{Name: "_source", Type: "_source", ESTypes: []string{"_source"}},
	}
	for _, m := range mapped {
		if m.Object || m.Stored {
			continue
		}
		typ, known := types[m.Type]
		if !known {
			return nil, fmt.Errorf("field %s has the type %q, for which data views have no type here", m.Name, m.Type)
		}
		f := Field{Name: m.Name, Type: typ, ESTypes: []string{m.Type}, Searchable: m.Indexed}
		f.Aggregatable = m.Type != "text" && m.DocValues
		f.DocValues = f.Aggregatable
		if m.Nested != "" {
			f.SubType = new(SubType)
			f.SubType.Nested.Path = m.Nested
		}
		fields = append(fields, f)
	}
	slices.SortFunc(fields, func(a, b Field) int { return cmp.Compare(a.Name, b.Name) })
	return fields, nil
}

// types are the types of fields in the front ends, by those of the engines.
var types = map[string]string{"keyword": "string", "text": "string", "date": "date", "long": "number", "float": "number", "boolean": "boolean"}
