package schemas

import (
	"embed"
	"fmt"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/record"
)

//go:embed events/*.json documents/*.json index/*/*.json
var files embed.FS

// File returns an embedded file: "events/<type>.json", "documents/<name>.json"
// or "index/<engine>/<name>.json".
func File(name string) ([]byte, error) { return files.ReadFile(name) }

// Engines for which mappings are made.
const (
	Elasticsearch = settings.Elasticsearch
	OpenSearch    = settings.OpenSearch
)

// Mapping returns the embedded mapping of "event", "record", "finding" or "health" for an engine.
func Mapping(engine, name string) (jsontext.Value, error) {
	return File("index/" + engine + "/" + name + ".json")
}

// documents are the types of the search documents.
var documents = map[string]reflect.Type{
	"event":   reflect.TypeFor[EventDocument](),
	"record":  reflect.TypeFor[record.Record](),
	"finding": reflect.TypeFor[Finding](),
	"health":  reflect.TypeFor[Health](),
}

// Generate makes every generated file of this package from the types: path → content.
func Generate() (map[string][]byte, error) {
	out := make(map[string]any)
	for _, typ := range record.Types() {
		fact := reflect.TypeOf(record.NewFact(typ)).Elem()
		schema := object(fact, false)
		schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
		schema["$id"] = "urn:changetrail:" + typ
		schema["title"] = typ
		out["events/"+typ+".json"] = schema
	}
	for name, t := range documents {
		schema := object(t, true)
		schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
		schema["$id"] = "urn:changetrail:document:" + name
		schema["title"] = "changetrail " + name
		out["documents/"+name+".json"] = schema
		for _, engine := range []string{Elasticsearch, OpenSearch} {
			properties, err := properties(t)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			out["index/"+engine+"/"+name+".json"] = map[string]any{"dynamic": "strict", "properties": properties}
		}
	}
	text := make(map[string][]byte, len(out))
	for path, v := range out {
		b, err := json.Marshal(v, json.Deterministic(true), jsontext.WithIndent("  "))
		if err != nil {
			return nil, err
		}
		text[path] = append(b, '\n')
	}
	return text, nil
}

// Schema returns the JSON Schema (2020-12) of a struct with the tags of facts.
func Schema(t reflect.Type) map[string]any { return object(t, true) }

// object returns the JSON Schema of struct t. A closed one allows only the members that it names:
// documents are ours, but events may grow.
func object(t reflect.Type, closed bool) map[string]any {
	members := make(map[string]any)
	var required []string
	for _, r := range rulesOf(t) {
		members[r.name] = schemaOf(r.typ, r, closed)
		if r.required {
			required = append(required, r.name)
		}
	}
	s := map[string]any{"type": "object", "properties": members}
	if required != nil {
		s["required"] = required
	}
	if closed {
		s["additionalProperties"] = false
	}
	return s
}

func schemaOf(t reflect.Type, r rule, closed bool) map[string]any {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var s map[string]any
	switch {
	case t == timeType:
		s = map[string]any{"type": "string", "format": "date-time"}
	case t == freeType || t == reflect.TypeFor[jsontext.Value]():
		s = map[string]any{}
	case t.Kind() == reflect.Struct:
		s = object(t, closed)
	case t.Kind() == reflect.Slice:
		item := r
		item.doc, item.required = "", t.Elem().Kind() == reflect.String
		s = map[string]any{"type": "array", "items": schemaOf(t.Elem(), item, closed)}
		if r.maxItems >= 0 {
			s["maxItems"] = r.maxItems
		}
	default:
		s = scalar(t, r)
	}
	if r.doc != "" {
		s["description"] = r.doc
	}
	return s
}

// scalar returns the schema of a string, number or boolean. An empty string means no value, so it
// is allowed in optional fields.
func scalar(t reflect.Type, r rule) map[string]any {
	switch t.Kind() {
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer", "minimum": r.min}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	}
	s := map[string]any{"type": "string"}
	pattern := map[string]string{
		"digest": "sha256:[0-9a-f]{64}",
		"commit": "[0-9a-fA-F]{7,64}",
	}[r.format]
	switch {
	case r.enum != nil && r.required:
		s["enum"] = r.enum
	case r.enum != nil:
		s["enum"] = append([]string{""}, r.enum...)
	case pattern != "" && r.required:
		s["pattern"] = "^" + pattern + "$"
	case pattern != "":
		s["pattern"] = "^(" + pattern + ")?$"
	case r.required:
		s["minLength"] = 1
	}
	if r.max >= 0 {
		s["maxLength"] = r.max
	}
	return s
}

// properties returns the mapping of the fields of struct t.
func properties(t reflect.Type) (map[string]any, error) {
	out := make(map[string]any)
	for _, r := range rulesOf(t) {
		elem := r.typ
		for elem.Kind() == reflect.Pointer || elem.Kind() == reflect.Slice && elem != freeType && elem != reflect.TypeFor[jsontext.Value]() {
			elem = elem.Elem()
		}
		if elem.Kind() == reflect.Struct && elem != timeType {
			inner, err := properties(elem)
			if err != nil {
				return nil, err
			}
			field := map[string]any{"properties": inner}
			if r.mapping == "nested" {
				field["type"] = "nested"
			}
			out[r.name] = field
			continue
		}
		field, err := fieldMapping(elem, r)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t.Name(), r.name, err)
		}
		out[r.name] = field
	}
	return out, nil
}

func fieldMapping(t reflect.Type, r rule) (map[string]any, error) {
	kind := r.mapping
	if kind == "" { // types shared with events carry no tag; the Go type decides
		switch t.Kind() {
		case reflect.String:
			kind = "keyword"
		case reflect.Int64:
			kind = "long"
		case reflect.Bool:
			kind = "boolean"
		default:
			return nil, fmt.Errorf("type %s has no index tag", t)
		}
	}
	switch kind {
	case "keyword":
		// Lucene refuses a term over 32,766 bytes; a character has up to four.
		return map[string]any{"type": "keyword", "ignore_above": 8191}, nil
	case "none":
		return map[string]any{"type": "keyword", "index": false, "doc_values": false}, nil
	case "kept":
		// Free-form data is not indexed: as flattened fields, its long values doubled the cost of a
		// document in the engine, and analysts search the named fields.
		return map[string]any{"type": "object", "enabled": false}, nil
	case "text", "date", "long", "float", "boolean":
		return map[string]any{"type": kind}, nil
	}
	return nil, fmt.Errorf("unknown index kind %q", kind)
}
