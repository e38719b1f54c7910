package schemas_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/produced"
	"github.com/changetrail/changetrail/schemas"
)

// A mapping is a part of the mapping of an index.
type mapping struct {
	Type       string              `json:"type"`
	Enabled    *bool               `json:"enabled"`
	Dynamic    string              `json:"dynamic"`
	Properties map[string]*mapping `json:"properties"`
}

func mappingOf(t testing.TB, engine, kind string) *mapping {
	t.Helper()
	text, err := schemas.Mapping(engine, kind)
	if err != nil {
		t.Fatal(err)
	}
	m := new(mapping)
	if err := json.Unmarshal(text, m); err != nil {
		t.Fatal(err)
	}
	return m
}

// fieldsOf returns the types of the fields of a kind of document.
func fieldsOf(t testing.TB, kind string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	mappingOf(t, schemas.Elasticsearch, kind).each("", func(path, fieldType string) { out[path] = fieldType })
	return out
}

func (m *mapping) each(path string, f func(path, fieldType string)) {
	for name, p := range m.Properties {
		if p.Properties == nil {
			f(path+name, p.Type)
			continue
		}
		p.each(path+name+".", f)
	}
}

// fits reads the value that dec is at, and returns what an index with the mapping m says of it: it
// refuses a field that the mapping does not have, and a value that its type does not allow. Arrays
// need no mapping of their own.
func (m *mapping) fits(dec *jsontext.Decoder, path string) error {
	switch kind := dec.PeekKind(); {
	case m.Enabled != nil && !*m.Enabled: // kept as it is
		return dec.SkipValue()
	case kind == '[':
		return m.list(dec, path)
	case kind == '{':
		return m.object(dec, path)
	}
	token, err := dec.ReadToken()
	if err != nil {
		return err
	}
	return m.scalar(token, path)
}

func (m *mapping) list(dec *jsontext.Decoder, path string) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != ']' {
		if err := m.fits(dec, path); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

func (m *mapping) object(dec *jsontext.Decoder, path string) error {
	if m.Properties == nil {
		return fmt.Errorf("%s is a %s and has members", path, m.Type)
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		inner, at := m.Properties[name.String()], path+"."+name.String()
		if inner == nil {
			return fmt.Errorf("%s is not in the mapping", at)
		}
		if err := inner.fits(dec, at); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// scalar judges a string, a number, a boolean or null.
func (m *mapping) scalar(token jsontext.Token, path string) error {
	kinds := map[string][]jsontext.Kind{
		"keyword": {'"'}, "text": {'"'}, "date": {'"'}, "long": {'0'}, "float": {'0'}, "boolean": {'t', 'f'},
	}[m.Type]
	if !slices.Contains(kinds, token.Kind()) {
		return fmt.Errorf("%s is a %q and has the value %s", path, m.Type, token)
	}
	if m.Type == "long" {
		if _, err := strconv.ParseInt(token.String(), 10, 64); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// TestNoFieldIsDynamic checks every field of every document that the enricher writes of the demo, of
// generated changes and of odd events against the mappings of both engines. The indexes are strict: a
// field that is missing in the mapping would make the engine refuse the document.
func TestNoFieldIsDynamic(t *testing.T) {
	kinds := make(map[string]*mapping)
	for _, engine := range []string{schemas.Elasticsearch, schemas.OpenSearch} {
		for _, kind := range []string{"event", "record", "finding"} {
			kinds[engine+" "+kind] = mappingOf(t, engine, kind)
			if d := kinds[engine+" "+kind].Dynamic; d != "strict" {
				t.Errorf("the index of a %s in %s is %q, not strict", kind, engine, d)
			}
		}
	}
	seen := make(map[string]int)
	for _, d := range slices.Concat(produced.Workload(t, 7, 30), produced.Odd(t, 9, 3000)) {
		kind := "event"
		switch {
		case d.Index == schemas.FindingIndex("test"):
			kind = "finding"
		case d.Version > 0:
			kind = "record"
		}
		seen[kind]++
		for _, engine := range []string{schemas.Elasticsearch, schemas.OpenSearch} {
			if err := whole(kinds[engine+" "+kind], d.Body); err != nil {
				t.Errorf("%s would refuse a %s: %v\n%s", engine, kind, err, d.Body)
			}
		}
	}
	t.Logf("documents: %v", seen)
	if len(seen) != 3 {
		t.Error("a kind of document is missing")
	}
}

// whole judges a document, which is one JSON value.
func whole(m *mapping, text []byte) error {
	dec := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if err := m.fits(dec, ""); err != nil {
		return err
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("something comes after the document: %w", err)
	}
	return nil
}
